"""Verbs that ask models, read their answers and estimate."""

from __future__ import annotations

from finer.cli.verb import Arguments, comparing, settings, verb


@verb("config", "pairs", "images", "out")
def items_finer(a: Arguments) -> None:
    """Turn pairs into items of the FINER suite, blind controls included."""
    from finer.suites import finer

    values = settings(a.config)
    asked = values["evaluation"]
    controls = finer.Controls(asked["control_pairs"], asked["answering"], values["seed"])
    finer.build(a.pairs, a.images, a.out, controls)


@verb("config", "pairs", "images", "out")
def items_unverified(a: Arguments) -> None:
    """Turn pairs made without verification into items, in the configured way of answering."""
    from finer.suites import finer

    finer.build_unverified(a.pairs, a.images, a.out, settings(a.config)["evaluation"]["answering"])


@verb("queries", "images", "out")
def items_granularity(a: Arguments) -> None:
    """Turn granularity queries into items."""
    from finer.suites import granularity

    granularity.build(a.queries, a.images, a.out)


@verb("config", "load", "model", "code", "items*", "out*", "run")
def answer(a: Arguments) -> None:
    """Ask one model all questions of some item sets."""
    from finer.config import Evaluation
    from finer.config.tuning import subject
    from finer.mllm.answering import answer_items
    from finer.mllm.registry import Checkpoint

    evaluation = Evaluation(**settings(a.config)["evaluation"])
    name, variant = subject(a.model)
    answer_items(a.items, a.out, a.run, Checkpoint.read(name, a.load), evaluation, a.code, variant)


@verb("config*", "model", "engines*", "asked*", ("items?", {"type": int}), "code?", "out*", "run")
def parity(a: Arguments) -> None:
    """Ask a model the same questions by two engines: the same letters? how far apart are their log-probabilities?"""
    import json

    from finer.config import Evaluation
    from finer.config.engines import within
    from finer.config.tuning import subject
    from finer.mllm.registry import Checkpoint
    from finer.scoring.parity import Way, compare_engines, write_parity

    values = comparing(a.config, a.model)
    evaluation = Evaluation(**values["evaluation"], parity=values["parity"])
    if a.items is not None:
        evaluation = evaluation.model_copy(update={"parity": evaluation.parity.model_copy(update={"items": a.items})})
    checkpoint = Checkpoint.read(subject(a.model)[0], values["load"])
    ways = [Way.read(text) for text in a.engines]
    found, run = compare_engines(a.asked or values["items"], ways, checkpoint, evaluation, a.code or "by hand")
    write_parity(found, run, a.out, a.run)
    row = found.row(0, named=True)
    limits = evaluation.parity
    print(json.dumps({**row, "within": within(row, limits.agreement, limits.gap)}, indent=2))


@verb("items*", "responses*", "out")
def verdicts(a: Arguments) -> None:
    """Read the answers: right, wrong or unparsed."""
    from finer.scoring.verdicts import score_responses

    score_responses(a.items, a.responses, a.out)


@verb("config", "items*", "verdicts*", "benchmark?", "out")
def estimates(a: Arguments) -> None:
    """Estimate accuracies and shares with their intervals; of one benchmark, if it is named."""
    from finer.stats.estimates import estimate

    values = settings(a.config)
    statistics = values["statistics"]
    estimate(
        a.items, a.verdicts, a.out, seed=values["seed"], resamples=statistics["resamples"],
        confidence=statistics["confidence"], benchmark=a.benchmark or "",
    )  # fmt: skip


@verb("config", "items*", "verdicts*", "benchmark?", "out")
def comparisons(a: Arguments) -> None:
    """Compare each tuned model with its base on the same questions; on one benchmark, if it is named."""
    from finer.stats.differences import Resampling, compare

    values = settings(a.config)
    how = Resampling(values["seed"], **values["statistics"])
    compare(a.items, a.verdicts, a.out, how, a.benchmark or "")


@verb("config", "pairs*", "out")
def text_ranker(a: Arguments) -> None:
    """Rank the options by their text alone: how far a reader gets who sees nothing."""
    from finer.schemas import PAIRS, TEXT_RANKER
    from finer.stats.ranker import rank
    from finer.store import read_tables, write_table

    values = settings(a.config)
    statistics = values["statistics"]
    pairs = read_tables(a.pairs, PAIRS)
    write_table(rank(pairs, values["seed"], statistics["resamples"], statistics["confidence"]), TEXT_RANKER, a.out)
