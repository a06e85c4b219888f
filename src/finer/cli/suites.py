"""Verbs of the evaluation suites: micro data, items, verdicts, numbers, tables."""

from __future__ import annotations

from finer.cli.verb import Arguments, settings, verb


@verb("suite", "seed", "count", "out")
def world_suite(a: Arguments) -> None:
    """Write a suite's official files from the micro world."""
    from finer.world.suites.writing import write_suite

    write_suite(a.suite, int(a.seed), int(a.count), a.out)


@verb("config", "wording", "out", "drops")
def items_suite(a: Arguments) -> None:
    """Turn a suite's official files into items."""
    from pathlib import Path

    from finer.raw.records import BadItems
    from finer.schemas import DROPS, ITEMS
    from finer.store import write_table
    from finer.suites.suite import Sources, load_suite

    values = settings(a.config)
    bad = BadItems(values["suite"], values["on_bad_item"])
    sources = Sources(Path(values["raw"]), Path(values["images"]), values["suite"], a.wording, values["options"])
    items = load_suite(values["module"]).read(sources, bad)
    write_table(bad.table(), DROPS, a.drops)
    write_table(items, ITEMS, a.out)


@verb("suite", "items*", "responses*", "judge", "out")
def judge_suite(a: Arguments) -> None:
    """Ask a judge about the responses to a suite; what is on file is not asked again."""
    from finer.errors import InputError
    from finer.scoring.judges import judge_suite as judge
    from finer.scoring.rules_judge import Rules
    from finer.suites.suite import load_suite

    judges = {"rules": Rules}
    if a.judge not in judges:
        raise InputError("no such judge", field="evaluation.judge", found=a.judge, expected=" | ".join(judges))
    judge(load_suite(a.suite).name, a.items, a.responses, judges[a.judge](), a.out)


@verb("suite", "items*", "responses*", "judgements*", "out")
def verdicts_suite(a: Arguments) -> None:
    """Read and score the responses to a suite."""
    from finer.scoring.suites import score_suite

    score_suite(a.suite, a.items, a.responses, a.out, a.judgements)


@verb("config", "suite", "name", "items*", "verdicts*", "out", "comparisons")
def estimates_suite(a: Arguments) -> None:
    """Compute a suite's numbers with their intervals, and what tuned models differ by from their bases."""
    from finer.stats.suites import write_suite_numbers

    values = settings(a.config)
    statistics = values["statistics"]
    write_suite_numbers(
        a.suite, a.name, a.items, a.verdicts, a.out, a.comparisons, seed=values["seed"],
        resamples=statistics["resamples"], confidence=statistics["confidence"],
    )  # fmt: skip


@verb("config", "table", "estimates*", "comparisons*", "runs*", "parity*", "out*")
def table_suites(a: Arguments) -> None:
    """Write a table of suites."""
    from finer.tables.engines import with_engines
    from finer.tables.shown import shown
    from finer.tables.suite_tables import write_suites

    values = settings(a.config)
    suites = values.pop("suites")
    what = with_engines(shown(values), a.runs, a.parity)
    write_suites(a.table, a.estimates, a.comparisons, a.out, what, suites)
