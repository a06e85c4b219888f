"""A study: models that differ in one thing only (share of negatives, seed), side by side over all benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from finer.errors import InputError
from finer.schemas import ESTIMATES, POOLED, SETTINGS
from finer.store import read_tables
from finer.tables import notes
from finer.tables.labels import ANSWERING_TITLES, SETTING_TITLES, bracket, percent
from finer.tables.layout import Cell, Column, Group, Layout, Row, write_layout
from finer.tables.shown import Shown
from finer.tables.tidy import TIDY, check_grid, ordered, select, write_csv

COLUMNS = [*TIDY, "n_images", "interval", "scorer", "statistic"]
YES_NO = "yes_no"
MEAN, DEVIATION = "mean", "standard_deviation"
LEVELS = tuple(f"level_{level}" for level in range(1, 8))
#: line of the table -> the statistic of multiple-choice questions, and that of yes/no queries
LINES: Mapping[str, tuple[str, str]] = {
    "pairs right": ("paired_accuracy", "paired_accuracy"),
    "right queries": ("positive_accuracy", "yes_share"),
    "wrong queries": ("negative_accuracy", "no_share"),
}


def write_study(
    estimates: Sequence[str | Path], outputs: Sequence[str | Path], shown: Shown, title: str, name: str
) -> None:
    """Write each output by its suffix: .csv (one estimate a row), .md, .tex or .html."""
    rows = study_rows(read_tables(estimates, ESTIMATES), shown)
    layout = study_layout(rows, shown, title, name)
    for output in outputs:
        if Path(output).suffix == ".csv":
            write_csv(rows, output)
        else:
            write_layout(layout, output)


def study_rows(estimates: pl.DataFrame, shown: Shown) -> pl.DataFrame:
    """Return accuracies of the multiple-choice settings and shares of the levels, per benchmark and pooled.

    Where the layout asks for the spread, mean and standard deviation over the rows follow.
    """
    benchmarks = [*shown.benchmarks, POOLED]
    known = shown.only(estimates).filter(pl.col("benchmark").is_in(benchmarks))
    choices, words = zip(*LINES.values(), strict=True)
    asked = known.filter(pl.col("setting").is_in(list(SETTINGS)))
    cells = pl.concat([
        select(asked, choices, shown.answering, shown.scorer),
        select(known.filter(pl.col("setting").is_in(list(LEVELS))), words, YES_NO, "strict"),
        *(select(asked, ["paired_accuracy"], way, shown.scorer_of(way)) for way in other_ways(shown)),
    ])  # fmt: skip
    order = shown.subjects(cells)
    check_grid(cells, order, ["statistic", "answering"])
    rows = ordered(cells, order, benchmarks).select(COLUMNS)
    return with_spread(rows) if shown.spread else rows


def other_ways(shown: Shown) -> list[str]:
    """Return the ways of answering that are not the configured one."""
    return [way for way in ANSWERING_TITLES if way != shown.answering]


def overall(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows over all benchmarks: the pooled ones, or those of the only benchmark."""
    benchmarks = rows["benchmark"].unique()
    whole = rows if len(benchmarks) == 1 else rows.filter(pl.col("benchmark") == POOLED)
    if whole.is_empty():
        raise InputError(
            "no estimate over all benchmarks", field="benchmark", found=", ".join(sorted(benchmarks)), expected=POOLED,
            cure="estimate all benchmarks together",
        )  # fmt: skip
    return whole


def with_spread(rows: pl.DataFrame) -> pl.DataFrame:
    """Add, per cell, the mean of the rows and their standard deviation (of a sample), as models of these names."""
    cell = [name for name in COLUMNS if name not in ("model", "variant", "value", "ci_low", "ci_high", "interval")]
    parts = [rows]
    for name, value in ((MEAN, pl.col("value").mean()), (DEVIATION, pl.col("value").std())):
        summed = rows.group_by(cell, maintain_order=True).agg(value)
        nothing = {column: pl.lit(None, pl.Float64) for column in ("ci_low", "ci_high")}
        parts.append(summed.with_columns(
            model=pl.lit(name), variant=pl.lit(None, pl.String), interval=pl.lit("none"), **nothing
        ).select(COLUMNS))  # fmt: skip
    return pl.concat(parts)


def study_layout(rows: pl.DataFrame, shown: Shown, title: str, name: str) -> Layout:
    """Lay out the rows of ``study_rows``: models and what was right down, settings and levels across."""
    whole = overall(rows)
    key = ["model", "variant", "statistic", "answering", "setting"]
    found = {tuple(row[part] for part in key): row for row in whole.iter_rows(named=True)}
    places = [setting for setting in (*SETTINGS, *LEVELS) if setting in set(whole["setting"])]
    lines = []
    titles: dict[tuple[str, str | None], str] = {subject: shown.title(subject) for subject in shown.order}
    if shown.spread:
        titles |= {(MEAN, None): "mean", (DEVIATION, None): "standard deviation"}
    for row, title_of_row in titles.items():
        for line, (label, (choice, word)) in enumerate(LINES.items()):
            kinds = {False: (choice, shown.answering), True: (word, YES_NO)}
            cells = tuple(_cell(found[(*row, *kinds[place in LEVELS], place)]) for place in places)
            lines.append(Row(("" if line else title_of_row, label), cells, opens=not line))
        for way in other_ways(shown):
            cells = tuple(
                Cell(percent(None)) if place in LEVELS else _cell(found[(*row, "paired_accuracy", way, place)])
                for place in places
            )
            lines.append(Row(("", f"pairs right, by {way}"), cells))
    counts = dict(whole.filter(pl.col("statistic") == "paired_accuracy").select("setting", "n").unique().iter_rows())
    others = "; ".join(shown.how_of(way) for way in other_ways(shown))
    groups = tuple(
        Group(heading, tuple(Column(_title(place), f"{counts[place]:,} pairs") for place in places if place in members))
        for heading, members in (("Multiple choice", SETTINGS), ("Levels of granularity, yes or no", LEVELS))
        if set(places) & set(members)
    )
    footnotes = (
        "Over all benchmarks together. Right queries: answered rightly, or with yes; wrong queries: answered rightly, "
        f"or with no. {shown.how} The last lines of a model: {others}.",
        notes.intervals(shown),
        notes.spread(len(shown.order)) if shown.spread else notes.COVERED,
    )
    return Layout(title, name.replace("_", "-"), ("Model", "Share of"), groups, tuple(lines), footnotes)


def _cell(row: Mapping[str, Any]) -> Cell:
    return Cell(percent(row["value"]), bracket(row["ci_low"], row["ci_high"]))


def _title(place: str) -> str:
    return SETTING_TITLES.get(place, place.removeprefix("level_"))
