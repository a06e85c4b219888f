"""The verb that tells whether a run can start."""

from __future__ import annotations

from finer.cli.verb import Arguments, verb


@verb("preset?", "configfile*")
def doctor(a: Arguments) -> int:
    """Tell what a preset (or configuration files over config.yaml) needs, what is missing, and what to do."""
    from finer.config import parse
    from finer.configfiles import merged, preset_file
    from finer.doctor import diagnose, report

    overlays = [*([preset_file(a.preset)] if a.preset and a.preset != "micro" else []), *a.configfile]
    text, ready = report(
        diagnose(parse(merged("config.yaml", *overlays), ", ".join(map(str, overlays)) or "config.yaml"))
    )
    print(text, end="")
    return 0 if ready else 1
