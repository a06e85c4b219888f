"""What an evaluation suite is: how its official files become items, how answers are scored, what its numbers are.

A suite is one module of this package with a constant ``SUITE``. It never sees a model: it reads files into ITEMS, and
turns items with their responses into scores and sums. A number of a table is a function of sums over clusters
(images, or groups of questions that belong together), so every one gets its interval and its test in the same way
(``finer.stats.suites``), ratios and F1 included.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from finer.errors import InputError
from finer.keys import stable_key
from finer.raw.records import BadItems
from finer.schemas import ITEMS
from finer.store import check_table

Array = npt.NDArray[np.float64]
Value = Callable[..., Array]
JUDGED = "judge:"  # "judge:<name>" is the scorer that takes its score from the judgements of that judge, or of "any"


@dataclass(frozen=True)
class Sources:
    """Where a suite's official files are, and how it is asked."""

    raw: Path  # the file, or the folder of the files, as officially named
    images: Path
    benchmark: str  # the suite's name in the configuration
    prompt: str = "official"  # a wording of the suite in prompts.yaml: official, or a toolkit's for a model family
    options: Mapping[str, Any] = field(default_factory=dict)  # the suite's own settings


@dataclass(frozen=True)
class Statistic:
    """A number: a function of the sums of some parts."""

    name: str  # accuracy, f1, pair_accuracy, …
    split: str  # all, or a part of the suite
    scorer: str
    value: (
        Value  # arrays of sums in the order of ``parts`` -> array of values (NaN: not defined); see ratio, f1, mean_of
    )
    parts: tuple[str, ...]
    n: str  # the part whose sum is the number of items (pairs, groups) that it is a share of
    unit: Literal["percent", "score"] = "percent"
    lower_is_better: bool = False
    variant: str = ""  # what is not official about it, for a footnote: "toolkit: 951 questions with an image"


@dataclass(frozen=True)
class Suite:
    """One evaluation suite."""

    name: str
    title: str
    cluster: str  # what is resampled together, for the footnote: "image", "pair of images", …
    read: Callable[[Sources, BadItems], pl.DataFrame]  # -> ITEMS; ``complete`` fills what a suite does not need
    # answering -> scorer -> name of the function in finer.scoring that reads and scores a response
    scorers: Mapping[str, Mapping[str, str]]
    # items joined with verdicts of ONE model variant and scorer -> long table: cluster, part, value
    tally: Callable[[pl.DataFrame], pl.DataFrame]
    statistics: tuple[Statistic, ...]
    column: str = "accuracy"  # statistic of the paper's column, on split "all" unless ``column_split`` says otherwise
    column_split: str = "all"
    column_scorer: str = "official"

    @property
    def judged(self) -> bool:
        """Whether it takes scores from a judge."""
        return any(name.startswith(JUDGED) for ways in self.scorers.values() for name in ways.values())


def load_suite(name: str) -> Suite:
    """Return the suite of a module of this package, or of a dotted module path.

    Raises:
        InputError: no such module, or one without ``SUITE``.
    """
    path = name if "." in name else f"finer.suites.{name}"
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        raise InputError(
            "no such suite", field="suites", found=name, expected="the name of a module of finer.suites",
            cure="see docs/new-suite.md",
        ) from error  # fmt: skip
    suite = getattr(module, "SUITE", None)
    if not isinstance(suite, Suite):
        raise InputError("the module defines no suite", field="suites", found=path, expected="a constant SUITE")
    return suite


# ---------------------------------------------------------------- items
def complete(rows: pl.DataFrame, suite: str, sources: Sources) -> pl.DataFrame:
    """Return ITEMS: fills the columns that every item of a suite has alike or that it does not use.

    A suite gives at least: ``key`` (stable within its files: the official id), ``image_paths``, ``image_id``,
    ``prompt``, ``answering``, ``group_id``, ``grouping``; and ``answer_index`` with ``options``, or ``references``.
    """
    defaults: dict[str, pl.Expr] = {
        "suite": pl.lit(suite), "benchmark": pl.lit(sources.benchmark), "control": pl.lit("none"),
        "options": pl.lit([], pl.List(pl.String)),
        "item_id": pl.struct("key", "prompt").map_elements(
            lambda row: stable_key(suite, row["key"], row["prompt"]), return_dtype=pl.String
        ),
    }  # fmt: skip
    filled = rows.with_columns(**{name: value for name, value in defaults.items() if name not in rows.columns})
    empty = [pl.lit(None, dtype).alias(name) for name, dtype in ITEMS.columns.items() if name not in filled.columns]
    made = filled.with_columns(empty).select(list(ITEMS.columns))
    return check_table(made.sort("image_id", "grouping", "group_id", "item_id", "answering"), ITEMS)


def unused() -> dict[str, pl.Expr]:
    """Return the columns of ITEMS that a suite of multiple-choice or yes/no questions may leave empty."""
    return {name: pl.lit(None, ITEMS.columns[name]) for name in ("references", "groups", "labels", "max_new_tokens")}


def named(**values: str | None) -> list[dict[str, str]]:
    """Return the entries of a column ``groups`` or ``labels``."""
    return [{"name": name, "value": value} for name, value in values.items() if value is not None]


def entry(column: str, name: str) -> pl.Expr:
    """Return the value that a column ``groups`` or ``labels`` holds under a name, null where there is none."""
    return (
        pl.col(column)
        .list.eval(pl.when(pl.element().struct.field("name") == name).then(pl.element().struct.field("value")))
        .list.drop_nulls()
        .list.first()
        .alias(name)
    )


# ---------------------------------------------------------------- sums
def long(wide: pl.DataFrame, cluster: str, *parts: str) -> pl.DataFrame:
    """Return the long table of a tally (cluster, part, value) from a wide one, values summed within a cluster."""
    summed = wide.group_by(cluster).agg(pl.col(list(parts)).cast(pl.Float64).sum()).sort(cluster)
    return summed.unpivot(on=list(parts), index=cluster, variable_name="part", value_name="value").rename(
        {cluster: "cluster"}
    )


def ratio(hits: Array, trials: Array) -> Array:
    """Return hits / trials, NaN where there are no trials."""
    result: Array = np.full(np.broadcast_shapes(hits.shape, trials.shape), np.nan)
    np.divide(hits, trials, out=result, where=trials > 0)
    return result


def complement(hits: Array, trials: Array) -> Array:
    """Return 1 - hits / trials."""
    return 1 - ratio(hits, trials)


def f1(true_positive: Array, predicted: Array, positive: Array) -> Array:
    """Return 2 TP / (predicted positives + positives): the harmonic mean of precision and recall."""
    return ratio(2 * true_positive, predicted + positive)


def mean_of_ratios(*sums: Array) -> Array:
    """Return the plain mean of hits / trials over several splits; ``sums``: hits, trials, hits, trials, …"""
    shares = [ratio(sums[place], sums[place + 1]) for place in range(0, len(sums), 2)]
    return np.asarray(np.mean(shares, axis=0))


def harmonic_of_ratios(hits: Array, trials: Array, other_hits: Array, other_trials: Array) -> Array:
    """Return the harmonic mean of two shares."""
    one, other = ratio(hits, trials), ratio(other_hits, other_trials)
    return ratio(2 * one * other, one + other)
