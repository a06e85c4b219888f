"""The suites beside an ablation's settings: RePOPE for hallucination, MMStar for general ability, as in the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from finer.errors import InputError
from finer.schemas import BASE
from finer.tables import compared
from finer.tables.labels import bracket, percent
from finer.tables.layout import Cell, Column, Group
from finer.tables.shown import Shown, Subject

#: suite -> title, and the number of it that the paper's column is: scorer, split, statistic
SHOWN: Mapping[str, tuple[str, tuple[str, str, str]]] = {
    "repope": ("RePOPE", ("first_substring", "all", "mean_accuracy")),
    "mmstar": ("MMStar", ("toolkit", "all", "accuracy")),
}
#: this run minus what was printed
TO_PUBLISHED = "difference_to_published"
_KEY = ["model", "variant", "suite"]
PRINTED = {"model": pl.String, "variant": pl.String, "suite": pl.String, "published": pl.Float64}


@dataclass(frozen=True)
class SuiteColumns:
    """The numbers of the suites, one a variant and suite, with differences to the base and their corrected p."""

    rows: pl.DataFrame

    @property
    def suites(self) -> list[str]:
        """Suites that there are numbers of, in the paper's order."""
        return [name for name in SHOWN if name in self.rows["suite"].unique()]

    def groups(self) -> tuple[Group, ...]:
        """Return the heading of the columns, if there are any."""
        counts = dict(self.rows.select("suite", "n").unique("suite").iter_rows())
        columns = tuple(Column(SHOWN[name][0], f"n = {counts[name]:,}") for name in self.suites)
        return (Group("Suites", columns),) if columns else ()

    def cells(self, subject: Subject) -> tuple[Cell, ...]:
        """Return a variant's numbers with their intervals."""
        return tuple(Cell(percent(row["value"]), bracket(row["ci_low"], row["ci_high"])) for row in self._of(subject))

    def differences(self, subject: Subject) -> tuple[Cell, ...]:
        """Return what a variant differs by from the base."""
        return tuple(map(compared.difference_cell, self._of(subject)))

    def printed(self, subject: Subject, column: str) -> tuple[Cell, ...]:
        """Return what was published of a variant (``published``), or what this run differs by from it."""
        return tuple(Cell(percent(row[column], signed=column == TO_PUBLISHED)) for row in self._of(subject))

    def has_printed(self, subject: Subject) -> bool:
        """Tell whether any number of a variant was published."""
        return any(row["published"] is not None for row in self._of(subject))

    def tidy(self, like: pl.DataFrame, stubs: pl.DataFrame) -> pl.DataFrame:
        """Return the numbers as rows of the table's CSV (columns of ``like``); ``stubs``: labels of each variant."""
        order = {name: place for place, name in enumerate(stubs["variant"])}
        rows = self.rows.join(stubs, on=["model", "variant"]).with_columns(
            benchmark=pl.col("suite"), setting=pl.col("split"), answering=pl.lit("suite"),
            n_images=pl.col("n_clusters"), interval=pl.lit("bootstrap"),
        )  # fmt: skip
        missing = [pl.lit(None, like.schema[name]).alias(name) for name in like.columns if name not in rows.columns]
        placed = rows.sort("suite", pl.col("variant").replace_strict(order, return_dtype=pl.Int64))
        return placed.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in like.schema.items())

    def _of(self, subject: Subject) -> Sequence[Mapping[str, Any]]:
        found = {
            row["suite"]: row for row in self.rows.iter_rows(named=True) if (row["model"], row["variant"]) == subject
        }
        return [found[name] for name in self.suites]


def suite_columns(
    estimates: pl.DataFrame, comparisons: pl.DataFrame, shown: Shown, published: pl.DataFrame | None = None
) -> SuiteColumns:
    """Return the suites' columns of an ablation; none where no suite was estimated.

    Args:
        estimates: SUITE_ESTIMATES of the ablation's variants.
        comparisons: SUITE_COMPARISONS of them.
        shown: which variants are shown.
        published: printed numbers, columns ``PRINTED``; None: there are none.

    Raises:
        InputError: a shown variant lacks a number.
    """
    numbers = pl.DataFrame(
        [(name, *place) for name, (_, place) in SHOWN.items()],
        schema=["suite", "scorer", "split", "statistic"], orient="row",
    )  # fmt: skip
    order = pl.DataFrame(shown.order, schema=["model", "variant"], orient="row")
    known = estimates.join(numbers, on=numbers.columns, how="semi").join(order, on=["model", "variant"], how="semi")
    wanted = order.join(known.select("suite").unique(), how="cross")
    lost = wanted.join(known, on=_KEY, how="anti")
    if lost.height:
        raise InputError(
            "a suite was not asked of a variant", row=", ".join(lost.row(0)), found="no estimate",
            expected="an estimate of every variant", cure="estimate the suite for all variants of the ablation",
        )  # fmt: skip
    own = comparisons.filter(pl.col("against") == BASE).select(
        *_KEY, "scorer", "split", "statistic", pl.col("value").alias("difference"),
        pl.col("ci_low").alias("diff_low"), pl.col("ci_high").alias("diff_high"), pl.col("p_value").alias("p"),
    )  # fmt: skip
    joined = known.join(own, on=[*_KEY, "scorer", "split", "statistic"], how="left")
    tested = joined.filter(pl.col("p").is_not_null()).with_columns(answering=pl.lit("suites"), _scorer=pl.lit(""))
    corrected = compared.corrected_p(tested.rename({"scorer": "_own"}).rename({"_scorer": "scorer"}))
    printed = pl.DataFrame(schema=PRINTED) if published is None else published.select(list(PRINTED))
    rows = joined.join(corrected.select(*_KEY, "q"), on=_KEY, how="left").join(
        printed, on=_KEY, how="left", validate="m:1"
    )
    return SuiteColumns(rows.with_columns((pl.col("value") - pl.col("published")).alias(TO_PUBLISHED)))
