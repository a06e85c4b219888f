"""An ablation: variants of one model, each against its base, on the settings of one benchmark.

Beside paired accuracy stand the shares of right and of wrong queries answered rightly: refusing everything is no gain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from finer.errors import InputError
from finer.schemas import BASE, COMPARISONS, ESTIMATES, SETTINGS, SUITE_COMPARISONS, SUITE_ESTIMATES
from finer.store import read_tables
from finer.tables import compared, notes
from finer.tables.ablation_suites import SHOWN, TO_PUBLISHED, SuiteColumns, suite_columns
from finer.tables.compared import DIFFERENCE
from finer.tables.labels import ANSWERING_TITLES, SETTING_TITLES, bracket, percent
from finer.tables.layout import Cell, Column, Group, Layout, Row, write_layout
from finer.tables.published_values import published_ablation
from finer.tables.shown import Shown, Subject, row_name, shown
from finer.tables.tidy import TIDY, check_grid, check_present, ordered, write_csv

PAIRED, RIGHT, WRONG = STATISTICS = ("paired_accuracy", "positive_accuracy", "negative_accuracy")
_WAYS = tuple(ANSWERING_TITLES)
Found = Mapping[tuple[str, ...], Mapping[str, Any]]


@dataclass(frozen=True)
class Ablation:
    """What is varied: ``rows`` maps "model@adapter" to its labels, one a stub column."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[str]]

    def labels(self, subject: Subject) -> tuple[str, ...]:
        """Return the labels of a row; the base's are "base" and nothing."""
        if subject[1] == BASE:
            return (BASE, *("" for _ in self.columns[1:]))
        return tuple(self.rows[row_name(subject)])


def ablation_of(values: Mapping[str, Any], name: str) -> tuple[Ablation, Shown]:
    """Read the configuration's layout of an ablation."""
    what = shown({key: value for key, value in values.items() if key != "ablation"})
    return Ablation(name, **values["ablation"]), what


def write_ablation(
    estimates: Sequence[str | Path],
    comparisons: Sequence[str | Path],
    outputs: Sequence[str | Path],
    ablation: Ablation,
    shown: Shown,
    suites: tuple[Sequence[str | Path], Sequence[str | Path]] = ((), ()),
) -> None:
    """Write each output by its suffix: .csv (one estimate a row), .md, .tex or .html.

    ``suites``: files of SUITE_ESTIMATES and of SUITE_COMPARISONS, for the columns of ``finer.tables.ablation_suites``.
    """
    rows = ablation_rows(read_tables(estimates, ESTIMATES), read_tables(comparisons, COMPARISONS), ablation, shown)
    printed = _printed(ablation, shown, tuple(SHOWN)).rename({"setting": "suite"})
    numbers = read_tables(suites[0], SUITE_ESTIMATES), read_tables(suites[1], SUITE_COMPARISONS)
    beside = suite_columns(*numbers, shown, printed)
    layout = ablation_layout(rows, ablation, shown, beside)
    for output in outputs:
        if Path(output).suffix == ".csv":
            write_csv(pl.concat([rows, beside.tidy(rows, _stubs_of(ablation, shown))]), output)
        else:
            write_layout(layout, output)


def ablation_rows(estimates: pl.DataFrame, comparisons: pl.DataFrame, ablation: Ablation, shown: Shown) -> pl.DataFrame:
    """Return the table's rows: three accuracies by all ways of answering, differences to the base, published values.

    The columns are those of other tables, and before them one a label of the ablation. Estimates of other models are
    left out. Raises InputError where one of a shown row is missing.
    """
    wanted = {"benchmark": list(shown.benchmarks), "setting": SETTINGS, "answering": _WAYS, "statistic": STATISTICS}
    known = [pl.col(name).is_in(list(values)) for name, values in wanted.items()]
    cells = shown.only(estimates).filter(*known, pl.col("control") == "none", pl.col("entity_count").is_null())
    scorers = [(way, shown.scorer_of(way)) for way in _WAYS]
    cells = cells.join(
        pl.DataFrame(scorers, schema=["answering", "scorer"], orient="row"), on=["answering", "scorer"], how="semi"
    )
    order = shown.subjects(cells)
    _check_complete(cells)
    check_grid(cells, order, ["answering", "statistic"])
    stubs = _stubs_of(ablation, shown)
    joined = (
        compared.beside(cells, comparisons, STATISTICS)
        .join(stubs, on=["model", "variant"], how="left", validate="m:1")
        .join(_published(ablation, shown), on=["model", "variant", "benchmark", "setting", "statistic", "answering"],
              how="left", validate="m:1")
        .with_columns((pl.col("value") - pl.col("published")).alias(TO_PUBLISHED))
    )  # fmt: skip
    rows = ordered(joined, order, list(shown.benchmarks), answering=_WAYS, statistic=STATISTICS)
    further = ["n_images", "interval", "scorer", "statistic", *DIFFERENCE, "published", TO_PUBLISHED]
    return rows.select(*_stubs(ablation), *TIDY, *further)


def ablation_layout(rows: pl.DataFrame, ablation: Ablation, shown: Shown, beside: SuiteColumns) -> Layout:
    """Lay out the rows of ``ablation_rows`` in the configured way of answering: variants down, settings across.

    ``beside``: the suites' columns.
    """
    here = rows.filter(pl.col("answering") == shown.answering)
    key = ["model", "variant", "setting", "statistic"]
    found = {tuple(row[name] for name in key): row for row in here.iter_rows(named=True)}
    settings = [setting for setting in SETTINGS if setting in here["setting"].unique()]
    lines = [line for subject in shown.order for line in _lines(subject, settings, found, ablation, beside)]
    pairs = dict(here.filter(pl.col("statistic") == PAIRED).select("setting", "n").iter_rows())
    (title,) = shown.benchmarks.values()
    groups = (
        Group(title, tuple(Column(SETTING_TITLES[one], f"{pairs[one]:,} pairs") for one in settings)),
        Group("Mean over the settings", (Column("Right queries"), Column("Wrong queries"))),
        *beside.groups(),
    )
    label = f"ablation-{ablation.name}".replace("_", "-")
    heading = f"{ablation.title}: paired accuracy (%) of {shown.title(shown.order[0])}"
    stubs = tuple(ablation.columns)
    return Layout(heading, label, stubs, groups, tuple(lines), tuple(_footnotes(here, shown, beside)))


def _lines(
    subject: Subject, settings: Sequence[str], found: Found, ablation: Ablation, beside: SuiteColumns
) -> Iterator[Row]:
    """Yield a variant's row, below it what it differs by from the base, and what was published of it."""
    stubs = ablation.labels(subject)
    tuned, empty = subject[1] != BASE, ("" for _ in stubs[1:])
    paired = [found[(*subject, setting, PAIRED)] for setting in settings]
    sides = [[found[(*subject, setting, side)] for setting in settings] for side in (RIGHT, WRONG)]
    means = tuple(Cell(percent(_mean(rows, "value"))) for rows in sides)
    cells = tuple(Cell(percent(row["value"]), bracket(row["ci_low"], row["ci_high"])) for row in paired)
    yield Row(stubs, (*cells, *means, *beside.cells(subject)), opens=True)
    rest = tuple(empty)
    if tuned:
        means = tuple(Cell(percent(_mean(rows, "difference"), signed=True)) for rows in sides)
        changes = (*map(compared.difference_cell, paired), *means, *beside.differences(subject))
        yield Row(("difference to base", *rest), changes, minor=True)
    if any(row["published"] is not None for row in paired) or beside.has_printed(subject):
        for label, column in (("published", "published"), ("difference to published", TO_PUBLISHED)):
            shares = tuple(Cell(percent(row[column], signed=column == TO_PUBLISHED)) for row in paired)
            yield Row((label, *rest), (*shares, Cell("–"), Cell("–"), *beside.printed(subject, column)), minor=True)


def _mean(rows: Sequence[Mapping[str, Any]], column: str) -> float:
    return float(sum(row[column] for row in rows)) / len(rows)


def _stubs(ablation: Ablation) -> list[str]:
    """Return the names of the label columns in the CSV."""
    return [column.lower().replace(" ", "_") for column in ablation.columns]


def _stubs_of(ablation: Ablation, shown: Shown) -> pl.DataFrame:
    """Return the labels of each variant: model, variant, then one column a label."""
    return pl.DataFrame(
        [(*subject, *ablation.labels(subject)) for subject in shown.order],
        schema=["model", "variant", *_stubs(ablation)], orient="row",
    )  # fmt: skip


def _check_complete(cells: pl.DataFrame) -> None:
    """Raise InputError unless every setting has every way of answering and every statistic."""
    places = cells.select("benchmark", "setting").unique()
    if places.is_empty():
        raise InputError(
            "no estimates of the ablation's benchmark", field="benchmark", found="0 rows", expected="its settings",
            cure="estimate the ablation's models on it",
        )  # fmt: skip
    ways, statistics = pl.DataFrame({"answering": _WAYS}), pl.DataFrame({"statistic": STATISTICS})
    check_present(cells, places.join(ways, how="cross").join(statistics, how="cross"))


def _published(ablation: Ablation, shown: Shown) -> pl.DataFrame:
    """Return the published paired accuracies of the rows that the paper's table of this name has."""
    (benchmark,) = shown.benchmarks
    printed = _printed(ablation, shown, SETTINGS).filter(pl.lit(benchmark) == pl.col("benchmark"))
    return printed.with_columns(statistic=pl.lit(PAIRED), answering=pl.lit("letter"))


def _printed(ablation: Ablation, shown: Shown, columns: Sequence[str]) -> pl.DataFrame:
    """Return printed numbers of some columns: benchmark, setting (the column), published, model, variant."""
    printed = published_ablation(ablation.name, columns)
    rows = []
    for subject in shown.order:
        own = shown.name(subject).published
        labels = " ".join(label.lower() for label in ablation.labels(subject) if label)
        here = printed.filter(pl.lit(own) == pl.col("row"), pl.lit(labels) == pl.col("labels"))
        named = {"model": pl.lit(subject[0]), "variant": pl.lit(subject[1])}
        rows.append(here.select("benchmark", "setting", "published", **named))
    return pl.concat(rows)


def _footnotes(rows: pl.DataFrame, shown: Shown, beside: SuiteColumns) -> Iterator[str]:
    yield (
        "Paired accuracy: share of pairs with both questions right. Right and wrong queries: accuracy of the positive "
        "and of the negative questions, mean over the settings; a variant that refuses everything gains in the one and "
        f"loses in the other. {shown.how}"
    )
    yield notes.intervals(shown)
    yield notes.COVERED
    yield compared.note(rows, shown, "Difference to base") + (
        " The CSV holds all three ways of answering, and the differences of right and wrong queries, which are "
        "corrected with those of pairs."
    )
    if beside.suites:
        yield (
            "RePOPE: mean accuracy of its three splits; MMStar: accuracy. Their differences are corrected together and "
            "apart from those of pairs; all their numbers are in the tables of suites."
        )
    if rows["published"].is_not_null().any():
        yield "Published: numbers printed for the paper, arXiv 2603.17662, as updated on its project page."
