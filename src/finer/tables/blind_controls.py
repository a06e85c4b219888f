"""Blind controls beside every cell of the FINER table: what is right without seeing the image, and what seeing adds.

Above the models stand bounds: what guessing gives that sees nothing, and what a reader of the text alone reaches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from finer.errors import InputError
from finer.schemas import BASE, COMPARISONS, ESTIMATES, POOLED, SETTINGS, TEXT_RANKER
from finer.store import read_table, read_tables
from finer.tables import compared, notes
from finer.tables.compared import DIFFERENCE
from finer.tables.labels import ALWAYS_YES, ONE_PHRASE_KEPT, RANDOM_GUESS, SETTING_TITLES, bracket, percent
from finer.tables.layout import Cell, Column, Group, Layout, Row, write_layout
from finer.tables.shown import Shown
from finer.tables.tidy import TIDY, check_grid, check_present, ordered, select, write_csv

CONTROLS = ("wrong_image", "text_only")
BLIND, SEEN, GAIN = "paired_accuracy", "seen_paired_accuracy", "gain_of_seeing"
STATISTICS = (SEEN, BLIND, GAIN)
RANKER = "text_ranker"
ALL_FEATURES = "all"
COLUMNS = [*TIDY, "n_images", "interval", "scorer", "control", "statistic", "features", *DIFFERENCE]
#: bound -> its title and its value in the list settings and in wh (None: there is no such bound)
BOUNDS: Mapping[str, tuple[str, float, float | None]] = {
    "independent_guessing": ("Independent guessing", RANDOM_GUESS, RANDOM_GUESS),
    "one_phrase_kept": ("One phrase kept per pair", ONE_PHRASE_KEPT, None),
    "always_yes": ("Always yes", ALWAYS_YES, ALWAYS_YES),
}
_LINES = {  # (statistic, control) -> its row
    (SEEN, CONTROLS[0]): "right image", (BLIND, CONTROLS[0]): "wrong image", (BLIND, CONTROLS[1]): "text alone",
    (GAIN, CONTROLS[0]): "gain over wrong image", (GAIN, CONTROLS[1]): "gain over text alone",
}  # fmt: skip
_ROUNDING = 1e-6


def write_blind_controls(
    estimates: Sequence[str | Path], comparisons: Sequence[str | Path], ranker: str | Path,
    outputs: Sequence[str | Path], shown: Shown,
) -> None:  # fmt: skip
    """Write each output by its suffix: .csv (one estimate a row), .md, .tex or .html."""
    shown = shown.asked()
    differences = read_tables(comparisons, COMPARISONS)
    rows = blind_controls(read_tables(estimates, ESTIMATES), differences, read_table(ranker, TEXT_RANKER), shown)
    layout = blind_layout(rows, shown)
    for output in outputs:
        if Path(output).suffix == ".csv":
            write_csv(rows, output)
        else:
            write_layout(layout, output)


def blind_controls(
    estimates: pl.DataFrame, comparisons: pl.DataFrame, ranker: pl.DataFrame, shown: Shown
) -> pl.DataFrame:
    """Return the table's rows (columns ``COLUMNS``): bounds, the text-only ranker by features, then the models.

    Values are percent, of ``gain_of_seeing`` points; tuned rows carry the difference of that gain to their base's.
    Estimates pooled over all benchmarks come with the models' rows if there are any; the laid-out table leaves them
    out.
    Raises InputError where a control or the ranker is missing, and where a gain is not the difference it is said
    to be or is not one over the same pairs.
    """
    benchmarks = [*shown.benchmarks, POOLED]
    known = pl.col("setting").is_in(list(SETTINGS)) & pl.col("benchmark").is_in(benchmarks)
    cells = select(estimates.filter(known), STATISTICS, shown.answering, shown.scorer, controls=CONTROLS)
    if cells.is_empty():
        raise InputError(
            "no estimate without seeing", field="control", found="0 rows", expected=" | ".join(CONTROLS),
            cure="set evaluation.control_pairs above 0, or leave this table out",
        )  # fmt: skip
    order = shown.subjects(cells)
    check_grid(cells, order, ["control", "statistic"])
    _check_complete(cells)
    _check_gains(cells)
    pooled = pl.col("benchmark") == POOLED  # not laid out, so corrected apart
    cells = pl.concat([compared.beside(cells.filter(some), comparisons, [GAIN]) for some in (~pooled, pooled)])
    models = ordered(cells, order, benchmarks, control=CONTROLS, statistic=STATISTICS)
    places = models.filter(pl.col("benchmark") != POOLED).select("benchmark", "setting").unique(maintain_order=True)
    read = _ranked(ranker, places)
    parts = (_bounds(places), read, models.with_columns(features=pl.lit(None, pl.String)))
    return pl.concat([part.select(COLUMNS) for part in parts])


def blind_layout(rows: pl.DataFrame, shown: Shown) -> Layout:
    """Lay out the rows of ``blind_controls``: bounds and models down, benchmarks x settings across."""
    rows = rows.filter(
        pl.col("benchmark") != POOLED, pl.col("features").is_null() | (pl.col("features") == ALL_FEATURES)
    )
    key = ["model", "variant", "statistic", "control", "benchmark", "setting"]
    found = {tuple(row[name] for name in key): row for row in rows.iter_rows(named=True)}
    measured = rows.filter(pl.col("statistic") == GAIN)
    places = measured.select("benchmark", "setting").unique(maintain_order=True).rows()
    lines = [
        Row((title, ""), tuple(_cell(found[(name, None, BLIND, None, *place)]) for place in places))
        for name, title in {**{name: bound[0] for name, bound in BOUNDS.items()}, RANKER: "Text-only ranker"}.items()
    ]
    for subject in shown.order:
        for line, (what, label) in enumerate(_LINES.items()):
            cells = tuple(_cell(found[(*subject, *what, *place)]) for place in places)
            lines.append(Row(("" if line else shown.title(subject), label), cells, opens=not line))
        for control in CONTROLS if subject[1] != BASE else ():
            gains = tuple(compared.difference_cell(found[(*subject, GAIN, control, *place)]) for place in places)
            lines.append(Row(("", f"difference in {_LINES[GAIN, control]}"), gains, minor=True))
    pairs = {(b, s): n for b, s, n in measured.select("benchmark", "setting", "n").iter_rows()}
    groups = tuple(
        Group(title, tuple(Column(SETTING_TITLES[s], f"{pairs[b, s]:,} pairs") for b, s in places if b == name))
        for name, title in shown.benchmarks.items()
        if any(b == name for b, _ in places)
    )
    title = "Blind controls: paired accuracy (%) with and without seeing the image, and the gain of seeing (points)"
    stubs = ("Model", "Asked with")
    return Layout(title, "blind-controls", stubs, groups, tuple(lines), tuple(_footnotes(rows, shown)))


def _cell(row: Mapping[str, Any]) -> Cell:
    signed = row["statistic"] == GAIN
    return Cell(percent(row["value"], signed), bracket(row["ci_low"], row["ci_high"], signed))


def _bounds(places: pl.DataFrame) -> pl.DataFrame:
    """Return one row a bound and cell; they are of no model, no way of answering and no number of pairs."""
    parts = []
    for name, (_, of_lists, of_wh) in BOUNDS.items():
        value = pl.when(pl.col("setting") == "wh").then(pl.lit(of_wh, pl.Float64)).otherwise(of_lists)
        parts.append(places.with_columns(model=pl.lit(name), value=value, interval=pl.lit("none")))
    return _beside(pl.concat(parts))


def _ranked(ranker: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """Return the ranker's rows of these cells, all groups of features first, each group in its own order."""
    here = places.with_row_index("_place").join(ranker, on=["benchmark", "setting"], how="left")
    lost = here.group_by("_place", "benchmark", "setting").agg(whole=(pl.col("features") == ALL_FEATURES).any())
    if (lost := lost.filter(~pl.col("whole").fill_null(False)).sort("_place")).height:
        raise InputError(
            "the text-only ranker is missing", row=", ".join(lost.select("benchmark", "setting").row(0)),
            field="features", found="none", expected=f"a row of the features '{ALL_FEATURES}'",
            cure="rerun the ranker on the pairs of all benchmarks",
        )  # fmt: skip
    ordered_rows = here.sort(pl.col("features") != ALL_FEATURES, "features", "_place")
    return _beside(ordered_rows.with_columns(model=pl.lit(RANKER), interval=pl.lit(None, pl.String)))


def _beside(rows: pl.DataFrame) -> pl.DataFrame:
    """Fill the columns that a bound or the ranker does not have."""
    types = {**ESTIMATES.columns, "features": pl.String(), **dict.fromkeys(DIFFERENCE, pl.Float64())}
    empty = [pl.lit(None, types[name]).alias(name) for name in COLUMNS if name not in rows.columns]
    return rows.with_columns(*empty).with_columns(statistic=pl.lit(BLIND))


def _check_complete(cells: pl.DataFrame) -> None:
    """Raise InputError unless every cell was asked under both controls and has all statistics."""
    needed = cells.select("benchmark", "setting").unique()
    for name, values in (("control", CONTROLS), ("statistic", STATISTICS)):
        needed = needed.join(pl.DataFrame({name: values}), how="cross")
    check_present(cells, needed)


def _check_gains(cells: pl.DataFrame) -> None:
    """Raise InputError unless a gain is seen less blind over the same pairs, and both controls saw the same."""
    cell = ["model", "variant", "benchmark", "setting"]
    spread = cells.pivot("statistic", index=[*cell, "control"], values=["value", "n"])
    seen, blind, gain = (pl.col(f"value_{statistic}") for statistic in STATISTICS)
    counts = pl.concat_list(f"n_{statistic}" for statistic in STATISTICS)
    adds_up = ((seen - blind - gain).abs() < _ROUNDING) & (counts.list.n_unique() == 1)
    alike = ((seen.max() - seen.min()).over(cell) < _ROUNDING) & (pl.col(f"n_{SEEN}").n_unique().over(cell) == 1)
    wrong = spread.filter(~(adds_up & alike).fill_null(False)).sort(*cell, "control")
    if wrong.height:
        row = wrong.row(0, named=True)
        key = [*cell, "control"]
        raise InputError(
            "a gain of seeing that is not the difference over the same pairs",
            row=", ".join(row[name] for name in key), field=", ".join(STATISTICS),
            found={name: value for name, value in row.items() if name not in key},
            expected="right image less control, both controls asked about the same pairs",
            cure="ask and estimate the controls again",
        )  # fmt: skip


def _footnotes(rows: pl.DataFrame, shown: Shown) -> Iterator[str]:
    measured = rows.filter(pl.col("statistic") == GAIN)
    yield (
        "Wrong image: both questions of a pair asked about one and the same other image. Text alone: asked without an "
        "image. These two and the right image are over the same pairs, drawn by key; the FINER table is over all pairs."
    )
    yield f"Gain of seeing: right image less control, pair by pair, in percentage points. {notes.intervals(shown)}"
    if shown.tuned:
        yield compared.note(measured, shown, "Difference in gain")
    kinds = measured["interval"].unique().to_list()
    if "newcombe" in kinds:
        yield "Gains that the bootstrap is not to be trusted with have Newcombe's interval of paired differences."
    if "none" in kinds:
        yield "A gain without brackets has no interval: too few images differ for the bootstrap to be trusted."
    yield notes.COVERED
    yield (
        "Bounds, of readers who see nothing: guessing both answers independently among five options; settling on one "
        "of the five phrases that both questions carry; saying yes to every question (in wh: taking every premise for "
        "true). In wh the right answers of a pair differ (an object, then the correction), so one phrase kept for both "
        "has no fixed value there: it depends on the text."
    )
    yield (
        "Text-only ranker: a ranking model that learns on the other folds (whole images) which options are true, from "
        "content, similarity to the other options, length and position; over all pairs of a cell; in the list settings "
        f"it keeps to one phrase a pair.{_reached(rows, shown)}"
    )
    yield f"{shown.how} An answer that cannot be read or is tied counts as wrong."
    yield from shown.engines


def _reached(rows: pl.DataFrame, shown: Shown) -> str:
    """Say how far the ranker gets beyond the bound of one phrase kept, at most."""
    here = rows.filter(pl.col("model") == RANKER, pl.col("setting") != "wh").sort("value", descending=True)
    if here.is_empty():
        return ""
    top = here.row(0, named=True)
    place = f"{shown.benchmarks[top['benchmark']]}, {SETTING_TITLES[top['setting']]}"
    points = percent(top["value"] - ONE_PHRASE_KEPT, signed=True)
    bound = f"{points} points from the {ONE_PHRASE_KEPT:g} % of one phrase kept"
    return f" There it reaches {percent(top['value'])} % at most ({place}): {bound}."
