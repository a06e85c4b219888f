"""The verb that tells whether a run can start."""

from __future__ import annotations

from finer.cli.verb import Arguments, verb


@verb("preset?", "configfile*")
def doctor(a: Arguments) -> int:
    """Tell what a preset (or configuration files over config.yaml) needs, what is missing, and what to do."""
    from finer.config.overlay import load_files, preset_files
    from finer.doctor import diagnose, report

    text, ready = report(diagnose(load_files(["config.yaml", *preset_files(a.preset), *a.configfile])))
    print(text, end="")
    return 0 if ready else 1
