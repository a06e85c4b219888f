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


@verb("results", "out")
def tokens(a: Arguments) -> None:
    """Renew the table of tokens an item from a run's results in which language models had all roles."""
    from finer.planning.language import write_tokens

    write_tokens(a.results, a.out)


@verb(
    ("preset?", {"help": "a preset of workflow/presets, by its name"}),
    ("configfile*", {"help": "overlays of config.yaml, after the preset"}),
    ("target*", {"help": "files or rules to plan for instead of everything"}),
    ("remaining?", {"action": "store_true", "help": "only what is still to be done"}),
    ("measured?", {"help": "folder of a run's benchmark files, to compare with"}),
    ("out?", {"help": "also write the steps as CSV"}),
)
def plan(a: Arguments) -> None:
    """Print the jobs, hours, memory and disk of a preset before anything is submitted."""
    from finer.config.overlay import load_files, preset_files
    from finer.planning.costs import load_costs
    from finer.planning.disk import disk
    from finer.planning.language import role_uses
    from finer.planning.plan import jobs_of, measured_hours
    from finer.planning.plan import plan as make_plan
    from finer.planning.shown import show
    from finer.store import write_text

    overlays = [*preset_files(a.preset), *a.configfile]
    config = load_files(["config.yaml", *overlays])
    jobs = jobs_of(overlays, a.target, everything=not a.remaining)
    planned = make_plan(config, load_costs(), jobs)
    if a.out:
        write_text(a.out, planned.write_csv())
    print(
        show(
            config,
            planned,
            disk(config, jobs),
            role_uses(config),
            measured=measured_hours(a.measured) if a.measured else None,
        ),
        end="",
    )
