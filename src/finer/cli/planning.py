"""Verbs about what a run costs."""

from __future__ import annotations

from finer.cli.verb import Arguments, verb

_FILES = {"nargs": "+", "default": ["config.yaml"], "help": "configuration files, each laid over those before it"}


@verb("benchmarks", ("configfile?", _FILES), "out")
def costs(a: Arguments) -> None:
    """Renew the table of measured costs from a run's folder of benchmark files."""
    from finer.config.overlay import load_files
    from finer.planning.costs import write_costs

    write_costs(a.benchmarks, load_files(a.configfile), a.out)
