"""Differences between tuned rows and their bases beside a table's rows, with p-values corrected within the table.

Benjamini and Hochberg's correction is over all differences of one table and one way of answering.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from scipy.stats import false_discovery_control

from finer.errors import InputError
from finer.schemas import BASE, COMPARISONS
from finer.tables.labels import bracket, percent
from finer.tables.layout import Cell
from finer.tables.shown import Shown

#: the columns that a table's CSV gets: the tuned row minus its base in points, its interval, p and corrected p
DIFFERENCE = ["difference", "diff_low", "diff_high", "p", "q"]
MARKS = {0.001: "***", 0.01: "**", 0.05: "*"}
_FAMILY = ["answering", "scorer"]
_PLACE = ["model", "variant", "benchmark", "setting", "answering", "scorer", "control", "statistic"]
_ROUNDING = 1e-6


def beside(rows: pl.DataFrame, comparisons: pl.DataFrame, compared: Sequence[str]) -> pl.DataFrame:
    """Add the columns ``DIFFERENCE`` to a table's rows; they are empty where a row is of a base.

    Args:
        rows: estimates of the shown rows, without those by entity count; of what has no base nothing is compared.
        comparisons: COMPARISONS.
        compared: the statistics whose differences the table holds.

    Raises InputError where a tuned row has no base in the table or no comparison, and where a difference is not that
    of the two values.
    """
    place = [name for name in _PLACE if name != "variant"]
    needed = rows.filter(pl.col("variant") != BASE, pl.col("statistic").is_in(list(compared))).select(
        *_PLACE, "value", "n"
    )
    base = rows.filter(pl.col("variant") == BASE).select(*place, value_base="value")
    own = comparisons.filter(pl.col("against") == BASE)
    found = needed.join(base, on=place, how="left").join(own, on=_PLACE, how="left", suffix="_difference")
    _check(found)
    corrected = corrected_p(found.rename({"p_value": "p"}))
    named = corrected.select(
        *_PLACE, pl.col("value_difference").alias("difference"), pl.col("ci_low").alias("diff_low"),
        pl.col("ci_high").alias("diff_high"), "p", "q",
    )  # fmt: skip
    return rows.join(named, on=_PLACE, how="left", validate="m:1", maintain_order="left")


def corrected_p(rows: pl.DataFrame) -> pl.DataFrame:
    """Add ``q``: ``p`` after Benjamini and Hochberg, over all rows of one way of answering and one scorer."""
    parts = [
        own.with_columns(q=pl.Series(false_discovery_control(own["p"].to_numpy()), dtype=pl.Float64))
        for own in rows.partition_by(_FAMILY, maintain_order=True)
    ]
    return pl.concat(parts) if parts else rows.with_columns(q=pl.lit(None, pl.Float64))


def _check(found: pl.DataFrame) -> None:
    """Raise InputError unless each tuned row has a comparison that is the difference of the two values."""
    for column, message, expected in (
        ("value_base", "a tuned row without its base in the table", "a row of the base"),
        ("p_value", "a comparison is missing", "a comparison with the base of every tuned row"),
    ):
        lost = found.filter(pl.col(column).is_null()).sort(_PLACE)
        if lost.height:
            raise InputError(
                message, row=", ".join(map(str, lost.select(_PLACE).row(0))), field=", ".join(COMPARISONS.key),
                found="none", expected=expected, cure="rerun the comparisons on the same verdicts as the estimates",
            )  # fmt: skip
    off = (pl.col("value") - pl.col("value_base") - pl.col("value_difference")).abs() > _ROUNDING
    wrong = found.filter(off | (pl.col("n") != pl.col("n_difference"))).sort(_PLACE)
    if wrong.height:
        row = wrong.row(0, named=True)
        raise InputError(
            "a comparison that is not the difference of the two estimates",
            row=", ".join(str(row[name]) for name in _PLACE), field="value, n",
            found=(row["value_difference"], row["n_difference"]),
            expected=f"{row['value'] - row['value_base']} over {row['n']}",
            cure="rerun the comparisons on the same verdicts as the estimates",
        )  # fmt: skip


def difference_cell(row: Mapping[str, Any]) -> Cell:
    """Return a difference with its sign, the mark of its q and its interval; a dash where there is none."""
    if row["difference"] is None:
        return Cell("–")
    mark = next((text for level, text in MARKS.items() if row["q"] is not None and row["q"] < level), "")
    shown = bracket(row["diff_low"], row["diff_high"], signed=True)
    return Cell(f"{percent(row['difference'], signed=True)}{' ' if mark else ''}{mark}", shown)


def note(rows: pl.DataFrame, shown: Shown, what: str = "Difference") -> str:
    """Say what the differences are, and what the correction covers, of rows with the columns ``DIFFERENCE``."""
    tests = rows.filter(pl.col("p").is_not_null(), pl.col("answering") == shown.answering)
    tests = tests.filter(pl.col("scorer") == shown.scorer)
    marks = ", ".join(f"{text} q < {level:g}" for level, text in reversed(MARKS.items()))
    return (
        f"{what}: tuned minus base on the same questions, in percentage points, and its {shown.level} interval "
        "(the same bootstrap over images, of the difference as a whole; Newcombe's where too few images differ). p: "
        f"signs of whole images flipped, two-sided; q: p after Benjamini and Hochberg over the {tests.height} "
        f"differences of this table by this way of answering. {marks}."
    )
