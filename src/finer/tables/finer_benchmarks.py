"""The FINER table: paired accuracy per model, benchmark and setting, laid out as in the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from finer.schemas import ESTIMATES, SETTINGS
from finer.store import read_tables
from finer.tables import notes
from finer.tables.labels import RANDOM_GUESS, SETTING_TITLES, bracket, percent
from finer.tables.layout import Cell, Column, Group, Layout, Row, write_layout
from finer.tables.published_values import check_published_row, published_accuracy
from finer.tables.shown import BASE, TUNED, Shown, Subject
from finer.tables.tidy import TIDY, check_grid, ordered, select, write_csv

RANDOM = "random_guess"
COLUMNS = [*TIDY, "n_images", "interval", "scorer", "unparsed", "published", "difference"]


def write_finer_benchmarks(estimates: Sequence[str | Path], outputs: Sequence[str | Path], shown: Shown) -> None:
    """Write each output by its suffix: .csv (one estimate a row), .md, .tex or .html (laid out as in the paper)."""
    rows = finer_benchmarks(read_tables(estimates, ESTIMATES), shown)
    layout = benchmark_layout(rows, shown)
    for output in outputs:
        if Path(output).suffix == ".csv":
            write_csv(rows, output)
        else:
            write_layout(layout, output)


def finer_benchmarks(estimates: pl.DataFrame, shown: Shown) -> pl.DataFrame:
    """Return the table's rows (columns ``COLUMNS``, percent): random guess first, then the models as configured.

    ``published`` and ``difference`` are empty unless the model names a published row (``models.<name>.published``)
    and the benchmark is one of the paper's (``comprecap``, ``docci``).
    """
    known = pl.col("setting").is_in(list(SETTINGS)) & pl.col("benchmark").is_in(list(shown.benchmarks))
    cells = select(estimates.filter(known), ["paired_accuracy"], shown.answering, shown.scorer)
    unread = select(estimates.filter(known), ["unparsed_share"], shown.answering, shown.scorer)
    order = shown.subjects(cells)
    check_grid(cells, order)
    place = ["model", "variant", "benchmark", "setting"]
    joined = (
        cells.join(unread.select(*place, unparsed="value"), on=place, how="left", validate="1:1")
        .join(_published(order, shown), on=place, how="left", validate="m:1")
        .with_columns(difference=pl.col("value") - pl.col("published"))
    )
    rows = ordered(joined, order, list(shown.benchmarks))
    guess = rows.unique(["benchmark", "setting"], keep="first", maintain_order=True).with_columns(
        model=pl.lit(RANDOM), variant=pl.lit(BASE), value=pl.lit(RANDOM_GUESS), interval=pl.lit("none"),
        **{name: pl.lit(None, pl.Float64) for name in ("ci_low", "ci_high", "unparsed", "published", "difference")},
    )  # fmt: skip
    return pl.concat([guess, rows]).select(COLUMNS)


def benchmark_layout(rows: pl.DataFrame, shown: Shown) -> Layout:
    """Lay out the rows of ``finer_benchmarks``: models down, benchmarks x settings across."""
    found = {(r["model"], r["variant"], r["benchmark"], r["setting"]): r for r in rows.iter_rows(named=True)}
    places = [(b, s) for b in shown.benchmarks for s in SETTINGS if (RANDOM, BASE, b, s) in found]
    order = list(dict.fromkeys(rows.select("model", "variant").rows()))
    variants = any(variant != BASE for _, variant in order)
    lines: list[Row] = []
    for model, variant in order:
        here = [found[(model, variant, *place)] for place in places]
        known = shown.models.get(model)
        names = (known.title, known.size, variant) if known else ("Random guess",)
        lines.append(Row(_labels(names, variants), tuple(map(_cell, here))))
        if any(cell["published"] is not None for cell in here):
            for name, signed in (("published", False), ("difference", True)):
                cells = tuple(Cell(percent(cell[name], signed)) for cell in here)
                lines.append(Row(_labels((name,), variants), cells, minor=True))
    pairs = {place: f"{found[(RANDOM, BASE, *place)]['n']:,} pairs" for place in places}
    groups = tuple(
        Group(shown.benchmarks[name], tuple(Column(SETTING_TITLES[s], pairs[b, s]) for b, s in places if b == name))
        for name in dict.fromkeys(b for b, _ in places)
    )
    stubs = ("Model", "Size", "Variant") if variants else ("Model", "Size")
    footnotes = _footnotes(rows, shown)
    title = "Paired accuracy (%) on the FINER benchmarks"
    return Layout(title, "finer-benchmarks", stubs, groups, tuple(lines), footnotes)


def _labels(names: tuple[str, ...], variants: bool) -> tuple[str, ...]:
    """Fill the stub columns: model, size and, if any model has several, variant."""
    return (*names, "", "")[: 3 if variants else 2]


def _cell(row: Mapping[str, float | None]) -> Cell:
    return Cell(percent(row["value"]), bracket(row["ci_low"], row["ci_high"]))


def _published(order: Sequence[Subject], shown: Shown) -> pl.DataFrame:
    """Published accuracy per model variant, benchmark and setting, for the variants that the paper has."""
    rows = []
    for model, variant in order:
        if (row := shown.models[model].published) is not None and variant in (BASE, TUNED):
            check_published_row(row, model)
            rows.append({"model": model, "variant": variant, "row": row, "tuned": variant == TUNED})
    named = pl.DataFrame(rows, schema={"model": pl.String, "variant": pl.String, "row": pl.String, "tuned": pl.Boolean})
    return named.join(published_accuracy(), on=["row", "tuned"]).drop("row", "tuned")


def _footnotes(rows: pl.DataFrame, shown: Shown) -> tuple[str, ...]:
    lines = [
        "Paired accuracy: share of pairs with both questions right, the positive and the negative one. Guessing each "
        "of them independently among five options gives 4.0 %.",
        notes.intervals(shown),
        notes.COVERED,
        f"{shown.how} {notes.unread(rows, shown)}",
    ]
    if rows["published"].is_not_null().any():
        lines.append(
            "Published: numbers printed for the paper, arXiv 2603.17662, as updated on its project page. "
            "Difference: this run minus published, in percentage points."
        )
    return tuple(lines)
