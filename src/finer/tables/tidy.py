"""Estimates become the rows of a table's CSV: one estimate a row, in the order of the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from finer.errors import InputError
from finer.schemas import SETTINGS
from finer.store import atomic_path
from finer.tables.shown import Subject

#: the first columns of every CSV; a table may add further ones
TIDY = ["model", "variant", "benchmark", "setting", "answering", "value", "ci_low", "ci_high", "n"]
DECIMALS = 4
_KEY = ["model", "variant", "benchmark", "setting"]
_SETTING_ORDER = [*SETTINGS, *(f"level_{level}" for level in range(1, 8))]


def select(
    estimates: pl.DataFrame,
    statistics: Sequence[str],
    answering: str,
    scorer: str,
    by_count: bool = False,
    controls: Sequence[str] = ("none",),
) -> pl.DataFrame:
    """Return the estimates of these statistics, overall or by entity count; asked with the right image by default."""
    count = pl.col("entity_count").is_not_null() if by_count else pl.col("entity_count").is_null()
    chosen = pl.col("statistic").is_in(list(statistics))
    asked = (pl.col("answering") == answering) & pl.col("control").is_in(list(controls))
    return estimates.filter(chosen & asked & (pl.col("scorer") == scorer) & count)


def check_grid(cells: pl.DataFrame, order: Sequence[Subject], extra: Sequence[str] = ()) -> None:
    """Raise InputError unless every model variant has every cell, with the same number of pairs in it."""
    columns = ["benchmark", "setting", *extra]
    for place, group in sorted(cells.group_by(columns), key=lambda pair: str(pair[0])):
        named = ", ".join(f"{name} {value}" for name, value in zip(columns, place, strict=True))
        missing = [subject for subject in order if subject not in group.select("model", "variant").rows()]
        if missing:
            raise InputError(
                "an estimate is missing", row=named, field="model, variant", found=f"none for {missing}",
                expected="one estimate a model variant and cell", cure="answer and score all items with all models",
            )  # fmt: skip
        if group["n"].n_unique() > 1:
            raise InputError(
                "models were asked different numbers of pairs", row=named, field="n",
                found=dict(zip(group["model"], group["n"], strict=True)), expected="the same for all models",
                cure="answer and score all items with all models",
            )  # fmt: skip


def check_present(cells: pl.DataFrame, needed: pl.DataFrame) -> None:
    """Raise InputError unless each row of ``needed`` (columns of the estimates) has an estimate."""
    missing = needed.join(cells, on=needed.columns, how="anti").sort(needed.columns)
    if missing.height:
        raise InputError(
            "an estimate is missing", field=", ".join(needed.columns), found="no such row",
            row=", ".join(f"{name} {value}" for name, value in missing.row(0, named=True).items()),
            expected="an estimate of every benchmark, setting and way of asking",
            cure="ask all items in all ways, and estimate again",
        )  # fmt: skip


def ordered(
    cells: pl.DataFrame, order: Sequence[Subject], benchmarks: Sequence[str], **further: Sequence[str]
) -> pl.DataFrame:
    """Sort by model, variant, benchmark and setting as configured, then by the remaining keys.

    ``further`` names columns to sort by next, each with its values in order.
    """
    ranks: Mapping[str, Sequence[str]] = {"benchmark": benchmarks, "setting": _SETTING_ORDER, **further}
    place = pl.DataFrame(
        {"model": [m for m, _ in order], "variant": [v for _, v in order], "_place": range(len(order))},
        schema={"model": pl.String, "variant": pl.String, "_place": pl.Int64},
    )
    ranked = cells.join(place, on=["model", "variant"], how="inner")
    by: list[str | pl.Expr] = [
        "_place",
        *(pl.col(name).replace_strict(list(r), list(range(len(r)))) for name, r in ranks.items()),
        *(name for name in ("scorer", "statistic", "entity_count") if name in cells.columns),
    ]
    return ranked.sort(by).drop("_place")


def write_csv(rows: pl.DataFrame, path: str | Path) -> None:
    """Write the rows as CSV, real numbers rounded to four decimals, so that the file does not show float noise."""
    rounded = rows.with_columns(pl.col(pl.Float64).round(DECIMALS))
    with atomic_path(path) as partial:
        rounded.write_csv(partial)
