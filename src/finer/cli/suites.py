"""Verbs of the evaluation suites: micro data, items, judgements, verdicts, numbers, tables."""

from __future__ import annotations

from finer.cli.verb import Arguments, settings, verb


@verb("suite", ("seed", {"type": int}), ("count", {"type": int, "help": "items, about"}), "out")
def world_suite(a: Arguments) -> None:
    """Write a suite's official files from the micro world."""
    from finer.world.suites.writing import write_suite

    write_suite(a.suite, a.seed, a.count, a.out)


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


@verb("suites*", "code", "items*", "responses*", "out*", "calls", "run")
def judge_suites(a: Arguments) -> None:
    """Judge the responses to some suites by rules."""
    from finer.scoring.judging import judge_by_rules

    judge_by_rules(a.suites, a.code, a.items, a.responses, a.out, a.calls, a.run)


@verb("suites*", "chat", "code", "items*", "responses*", "out*", "calls", "run")
def judge_suites_by_model(a: Arguments) -> None:
    """Ask a language model about the responses to some suites; what is on file is not asked again."""
    from finer.scoring.model_judging import judge_by_model

    judge_by_model(a.suites, a.chat, a.code, a.items, a.responses, a.out, a.calls, a.run)


@verb("suites*", "items*", "responses*", "judgements*", "out*")
def verdicts_suites(a: Arguments) -> None:
    """Read and score the responses to some suites, a file each."""
    from finer.scoring.suites import score_suites

    score_suites(a.suites, a.items, a.responses, a.judgements, a.out)


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


@verb("config", "suites*", "items*", "judgements*", "second*", "out")
def judge_agreement(a: Arguments) -> None:
    """Compare the verdicts of two judges on the same responses."""
    from finer.stats.agreement import write_judge_agreement

    values = settings(a.config)
    statistics = values["statistics"]
    write_judge_agreement(
        a.suites, a.items, a.judgements, a.second, a.out, seed=values["seed"],
        resamples=statistics["resamples"], confidence=statistics["confidence"],
    )  # fmt: skip


@verb("config", "agreement", "out*")
def table_judge_agreement(a: Arguments) -> None:
    """Write how far two judges agree."""
    from finer.tables.judge_agreement import write_judge_agreement

    values = settings(a.config)
    write_judge_agreement(a.agreement, a.out, values["suites"], values["confidence"])


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
