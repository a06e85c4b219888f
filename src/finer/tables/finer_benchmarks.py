"""The FINER table: paired accuracy per model, benchmark and setting, laid out as in the paper, with tuned rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from finer.schemas import BASE, COMPARISONS, ESTIMATES, SETTINGS
from finer.store import read_tables
from finer.tables import compared, notes
from finer.tables.compared import DIFFERENCE
from finer.tables.labels import RANDOM_GUESS, SETTING_TITLES, bracket, percent
from finer.tables.layout import Cell, Column, Group, Layout, Row, write_layout
from finer.tables.published_values import check_published_row, published_accuracy
from finer.tables.shown import Shown, Subject
from finer.tables.tidy import TIDY, check_grid, ordered, select, write_csv

RANDOM = "random_guess"
STATISTIC = "paired_accuracy"
#: of a published row: this run minus what was printed
TO_PUBLISHED = "difference_to_published"
COLUMNS = [*TIDY, "n_images", "interval", "scorer", "unparsed", *DIFFERENCE, "published", TO_PUBLISHED]


def write_finer_benchmarks(
    estimates: Sequence[str | Path], comparisons: Sequence[str | Path], outputs: Sequence[str | Path], shown: Shown
) -> None:
    """Write each output by its suffix: .csv (one estimate a row), .md, .tex or .html (laid out as in the paper).

    ``comparisons``: files of COMPARISONS; none if no tuned model is shown.
    """
    rows = finer_benchmarks(read_tables(estimates, ESTIMATES), read_tables(comparisons, COMPARISONS), shown)
    layout = benchmark_layout(rows, shown)
    for output in outputs:
        if Path(output).suffix == ".csv":
            write_csv(rows, output)
        else:
            write_layout(layout, output)


def finer_benchmarks(estimates: pl.DataFrame, comparisons: pl.DataFrame, shown: Shown) -> pl.DataFrame:
    """Return the table's rows (columns ``COLUMNS``, percent): random guess first, then the models as configured.

    ``difference`` and what follows it, in points, are a tuned row's to its base. ``published`` and
    ``difference_to_published`` are empty unless the model names a published row (``models.<name>.published``) and the
    benchmark is one of the paper's (``comprecap``, ``docci``).
    """
    known = pl.col("setting").is_in(list(SETTINGS)) & pl.col("benchmark").is_in(list(shown.benchmarks))
    cells = select(estimates.filter(known), [STATISTIC], shown.answering, shown.scorer)
    unread = select(estimates.filter(known), ["unparsed_share"], shown.answering, shown.scorer)
    order = shown.asked().subjects(cells)
    check_grid(cells, order)
    place = ["model", "variant", "benchmark", "setting"]
    joined = (
        compared.beside(cells, comparisons, [STATISTIC])
        .join(unread.select(*place, unparsed="value"), on=place, how="left", validate="1:1")
        .join(_published(order, shown), on=place, how="left", validate="m:1")
        .with_columns((pl.col("value") - pl.col("published")).alias(TO_PUBLISHED))
    )
    rows = ordered(joined, order, list(shown.benchmarks))
    nothing = ("ci_low", "ci_high", "unparsed", *DIFFERENCE, "published", TO_PUBLISHED)
    guess = rows.unique(["benchmark", "setting"], keep="first", maintain_order=True).with_columns(
        model=pl.lit(RANDOM), variant=pl.lit(BASE), value=pl.lit(RANDOM_GUESS), interval=pl.lit("none"),
        **{name: pl.lit(None, pl.Float64) for name in nothing},
    )  # fmt: skip
    return pl.concat([guess, rows]).select(COLUMNS)


def benchmark_layout(rows: pl.DataFrame, shown: Shown) -> Layout:
    """Lay out the rows of ``finer_benchmarks``: models down, each with its tuned rows, benchmarks x settings across."""
    found = {(r["model"], r["variant"], r["benchmark"], r["setting"]): r for r in rows.iter_rows(named=True)}
    places = [(b, s) for b in shown.benchmarks for s in SETTINGS if (RANDOM, BASE, b, s) in found]
    lines = [Row(("Random guess", ""), tuple(_cell(found[(RANDOM, BASE, *place)]) for place in places))]
    for subject in shown.order:
        if (*subject, *places[0]) in found:
            lines += _lines(subject, [found[(*subject, *place)] for place in places], shown)
        else:  # its engine cannot be asked in this way
            name = shown.name(subject)
            lines.append(Row((name.title, name.size), tuple(Cell("–") for _ in places), opens=bool(shown.tuned)))
    pairs = {place: f"{found[(RANDOM, BASE, *place)]['n']:,} pairs" for place in places}
    groups = tuple(
        Group(shown.benchmarks[name], tuple(Column(SETTING_TITLES[s], pairs[b, s]) for b, s in places if b == name))
        for name in dict.fromkeys(b for b, _ in places)
    )
    title = "Paired accuracy (%) on the FINER benchmarks"
    return Layout(title, "finer-benchmarks", ("Model", "Size"), groups, tuple(lines), tuple(_footnotes(rows, shown)))


def _lines(subject: Subject, here: Sequence[Mapping[str, Any]], shown: Shown) -> Iterator[Row]:
    """Yield a model's row, below it what it differs by from its base, and what was published of it."""
    name, tuned = shown.name(subject), subject[1] != BASE
    labels = (name.variant or subject[1], "") if tuned else (name.title, name.size)
    yield Row(labels, tuple(map(_cell, here)), nested=tuned, opens=not tuned and bool(shown.tuned))
    if tuned:
        yield Row(("difference to base", ""), tuple(map(compared.difference_cell, here)), minor=True, nested=True)
    if any(cell["published"] is not None for cell in here):
        for label, column in (("published", "published"), ("difference to published", TO_PUBLISHED)):
            cells = tuple(Cell(percent(cell[column], signed=column == TO_PUBLISHED)) for cell in here)
            yield Row((label, ""), cells, minor=True, nested=tuned)


def _cell(row: Mapping[str, Any]) -> Cell:
    return Cell(percent(row["value"]), bracket(row["ci_low"], row["ci_high"]))


def _published(order: Sequence[Subject], shown: Shown) -> pl.DataFrame:
    """Published accuracy per model variant, benchmark and setting, for the rows that the paper has."""
    rows = []
    for subject in order:
        if (row := shown.name(subject).published) is not None:
            check_published_row(row, subject[0])
            rows.append({"model": subject[0], "variant": subject[1], "row": row, "tuned": subject[1] != BASE})
    named = pl.DataFrame(rows, schema={"model": pl.String, "variant": pl.String, "row": pl.String, "tuned": pl.Boolean})
    return named.join(published_accuracy(), on=["row", "tuned"]).drop("row", "tuned")


def _footnotes(rows: pl.DataFrame, shown: Shown) -> Iterator[str]:
    yield (
        "Paired accuracy: share of pairs with both questions right, the positive and the negative one. Guessing each "
        "of them independently among five options gives 4.0 %."
    )
    yield notes.intervals(shown)
    yield notes.COVERED
    if shown.tuned:
        yield compared.note(rows, shown, "Difference to base")
    yield f"{shown.how} {notes.unread(rows, shown)}"
    yield from notes.engines(shown, shown.answering)
    if rows["published"].is_not_null().any():
        yield (
            "Published: numbers printed for the paper, arXiv 2603.17662, as updated on its project page. "
            "Difference to published: this run minus published, in percentage points."
        )
