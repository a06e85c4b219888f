"""Tables of the evaluation suites: base and tuned rows, one column a number, differences with their tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from scipy.stats import false_discovery_control

from finer.config.tuning import subject as subject_of
from finer.errors import InputError
from finer.schemas import BASE, SUITE_COMPARISONS, SUITE_ESTIMATES
from finer.stats.intervals import RARE_IMAGES
from finer.store import read_tables
from finer.suites.suite import Statistic, Suite, load_suite
from finer.tables import compared
from finer.tables.labels import bracket, listed, percent
from finer.tables.layout import Cell, Column, Group, Layout, Row, write_layout
from finer.tables.shown import SCORED, Shown, Subject
from finer.tables.tidy import write_csv

COLUMNS = [
    "model", "variant", "column", "suite", "scorer", "split", "statistic", "value", "ci_low", "ci_high", "n",
    "n_clusters", "unparsed", "difference", "diff_low", "diff_high", "p", "q", "published", "difference_to_published",
]  # fmt: skip
TITLES = {
    "hallucination_suites": "Hallucination suites",
    "hallucination_splits": "Parts of the hallucination suites",
    "general_suites": "General abilities",
}
AVERAGE = "average"  # the plain mean of a table's columns, in the table of general abilities
_PLACE = ["suite", "scorer", "split", "statistic"]
_ROW = ["model", "variant"]


@dataclass(frozen=True)
class Shows:
    """One column of a table."""

    suite: str
    title: str
    scorer: str
    split: str
    statistic: str
    group: str = ""
    published: str | None = None

    @property
    def place(self) -> tuple[str, str, str, str]:
        """Where its number is in the estimates."""
        return self.suite, self.scorer, self.split, self.statistic


def write_suites(
    table: str, estimates: Sequence[str | Path], comparisons: Sequence[str | Path], outputs: Sequence[str | Path],
    shown: Shown, suites: Mapping[str, Mapping[str, Any]],
) -> None:  # fmt: skip
    """Write a table of suites, each output by its suffix: .csv (one number a row), .md, .tex or .html.

    Args:
        table: hallucination_suites, hallucination_splits or general_suites.
        suites: the configured suites of the table -> module, title, column.
    """
    loaded = {name: load_suite(str(entry["module"] or name)) for name, entry in suites.items()}
    columns = columns_of(table, loaded, suites)
    tables = read_tables(estimates, SUITE_ESTIMATES), read_tables(comparisons, SUITE_COMPARISONS)
    absent = [(row, name) for name, entry in suites.items() for row in entry.get("absent", ())]
    unscored = [row for row, name in shown.models.items() if not name.scores]
    partly = [name for name, suite in loaded.items() if set(suite.scorers) & set(SCORED)]
    absent += [(row, name) for name in partly for row in unscored]
    rows = suite_rows(*tables, columns, shown, absent)
    for output in outputs:
        if Path(output).suffix == ".csv":
            write_csv(rows, output)
        else:
            write_layout(suite_layout(table, rows, columns, loaded, shown), output)


def columns_of(table: str, loaded: Mapping[str, Suite], suites: Mapping[str, Mapping[str, Any]]) -> list[Shows]:
    """Return the columns of a table: those of ``suite_columns.yaml`` whose suite is configured, then the others."""
    listed: dict[str, list[dict[str, str]]] = yaml.safe_load(
        files("finer.tables").joinpath("suite_columns.yaml").read_text(encoding="utf-8")
    )
    found = []
    for entry in listed.get(table, []):
        for name, suite in loaded.items():
            if suite.name == entry["suite"]:
                found.append(_column(name, suite, entry, suites[name]))
    # A suite that a table of the paper names stands where the paper has it; others get a column of their own.
    placed = {entry["suite"] for entries in listed.values() for entry in entries}
    if table != "hallucination_splits":
        others = (name for name, suite in loaded.items() if suite.name not in placed)
        found += [_column(name, loaded[name], {"title": _title(name, loaded, suites)}, suites[name]) for name in others]
    return found


def _title(name: str, loaded: Mapping[str, Suite], suites: Mapping[str, Mapping[str, Any]]) -> str:
    return str(suites[name].get("title") or loaded[name].title)


def _column(name: str, suite: Suite, entry: Mapping[str, str], configured: Mapping[str, Any]) -> Shows:
    scorer, split, statistic = suite.column_scorer, suite.column_split, suite.column
    if "statistic" in entry or "split" in entry:
        split, statistic = entry.get("split", split), entry.get("statistic", statistic)
        scorer = entry.get("scorer", scorer)
    elif configured.get("column"):
        parts = str(configured["column"]).split("/")
        if len(parts) != 3:
            raise InputError(
                "not a number of a suite", file="config.yaml", field=f"suites.{name}.column", found=parts,
                expected="scorer/split/statistic", cure="see docs/new-suite.md",
            )  # fmt: skip
        scorer, split, statistic = parts
    if not any((one.scorer, one.split, one.name) == (scorer, split, statistic) for one in suite.statistics):
        known = " | ".join(sorted({f"{one.scorer}/{one.split}/{one.name}" for one in suite.statistics}))
        raise InputError(
            "no such number of the suite", file="config.yaml", field=f"suites.{name}.column",
            found=f"{scorer}/{split}/{statistic}", expected=known, cure="name one of these",
        )  # fmt: skip
    return Shows(name, entry["title"], scorer, split, statistic, entry.get("group", ""), entry.get("published"))


def suite_rows(
    estimates: pl.DataFrame, comparisons: pl.DataFrame, columns: Sequence[Shows], shown: Shown,
    absent: Sequence[tuple[str, str]] = (),
) -> pl.DataFrame:  # fmt: skip
    """Return the table's numbers, one a row (columns ``COLUMNS``), models and columns in their order.

    ``absent``: (row, suite) of imported models whose answers to the suite are not given; their numbers are empty.

    Raises:
        InputError: a model variant lacks a number.
    """
    wanted = pl.DataFrame(
        [(number, column.title, *column.place) for number, column in enumerate(columns)],
        schema=["_column", "column", *_PLACE], orient="row",
    )  # fmt: skip
    order = pl.DataFrame(
        [(number, *subject) for number, subject in enumerate(shown.order)], schema=["_row", *_ROW], orient="row"
    )
    grid = order.join(wanted, how="cross")
    found = grid.join(estimates, on=[*_ROW, *_PLACE], how="left")
    empty = pl.DataFrame(
        [(*subject_of(row), suite) for row, suite in absent],
        schema=dict.fromkeys([*_ROW, "suite"], pl.String),
        orient="row",
    )
    lost = found.filter(pl.col("n").is_null()).join(empty, on=[*_ROW, "suite"], how="anti", maintain_order="left")
    if lost.height:
        raise InputError(
            "a number is missing", row=", ".join(map(str, lost.select(*_ROW, *_PLACE).row(0))), found="none",
            expected="an estimate of every model variant", cure="ask and score all suites with all models",
        )  # fmt: skip
    own = comparisons.filter(pl.col("against") == BASE).select(
        *_ROW, *_PLACE, pl.col("value").alias("difference"), pl.col("ci_low").alias("diff_low"),
        pl.col("ci_high").alias("diff_high"), pl.col("p_value").alias("p"),
    )  # fmt: skip
    joined = found.join(own, on=[*_ROW, *_PLACE], how="left").sort("_row", "_column")
    with_q = joined.join(_corrected(joined), on=[*_ROW, *_PLACE], how="left", maintain_order="left")
    return with_q.join(_published(columns, shown), on=[*_ROW, *_PLACE], how="left", maintain_order="left").with_columns(
        (pl.col("value") - pl.col("published")).alias("difference_to_published")
    ).select(COLUMNS)  # fmt: skip


def _corrected(rows: pl.DataFrame) -> pl.DataFrame:
    tested = rows.filter(pl.col("p").is_not_null())
    q = false_discovery_control(tested["p"].to_numpy()) if tested.height else []
    return tested.select(*_ROW, *_PLACE).with_columns(q=pl.Series(q, dtype=pl.Float64))


def _published(columns: Sequence[Shows], shown: Shown) -> pl.DataFrame:
    """Return what was printed of the shown rows: of models that name a published row."""
    tables = [
        pl.read_csv(files("finer.tables").joinpath("published", f"{name}.csv").read_bytes(), infer_schema=False)
        for name in TITLES
    ]
    printed: dict[tuple[str, bool, str], float] = {}
    for table in tables:
        for row in table.iter_rows(named=True):
            model = ",".join(filter(None, (row["model"], row["size"])))
            for name, value in row.items():
                if name not in ("model", "size", "tuned") and value:
                    printed[model, row["tuned"] == "yes", name] = float(value)
    rows = [
        (*subject, *column.place, printed[key])
        for subject in shown.order
        for column in columns
        if (key := (shown.name(subject).published or "", subject[1] != BASE, column.published or "")) in printed
    ]
    schema = {**dict.fromkeys([*_ROW, *_PLACE], pl.String), "published": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def suite_layout(
    table: str, rows: pl.DataFrame, columns: Sequence[Shows], loaded: Mapping[str, Suite], shown: Shown
) -> Layout:
    """Lay out the rows: models down, each with its tuned rows, numbers across."""
    found = {(row["model"], row["variant"], *(row[name] for name in _PLACE)): row for row in rows.iter_rows(named=True)}
    average = table == "general_suites" and len(columns) > 1
    lines: list[Row] = []
    for subject in shown.order:
        here = [found[(*subject, *column.place)] for column in columns]
        lines += _lines(subject, here, shown, average)
    heads = [Column(column.title, _count(found, shown, column)) for column in columns]
    groups: list[Group] = []
    for column, head in zip(columns, heads, strict=True):
        if groups and column.group and groups[-1].title == column.group:
            groups[-1] = Group(column.group, (*groups[-1].columns, head))
        else:
            groups.append(Group(column.group, (head,)))
    if average:
        groups.append(Group("", (Column("Average"),)))
    footnotes = tuple(_footnotes(rows, columns, loaded, shown))
    return Layout(TITLES[table], table.replace("_", "-"), ("Model", "Size"), tuple(groups), tuple(lines), footnotes)


def _count(found: Mapping[tuple[str, ...], Mapping[str, Any]], shown: Shown, column: Shows) -> str:
    counts = (found[(*subject, *column.place)]["n"] for subject in shown.order)
    count = next((count for count in counts if count is not None), None)
    return "–" if count is None else f"n = {count:,}"


def _lines(subject: Subject, here: Sequence[Mapping[str, Any]], shown: Shown, average: bool) -> Iterator[Row]:
    name, tuned = shown.name(subject), subject[1] != BASE
    labels = (name.variant or subject[1], "") if tuned else (name.title, name.size)
    cells = tuple(Cell(percent(row["value"]), bracket(row["ci_low"], row["ci_high"])) for row in here)
    mean = (Cell(percent(_mean([row["value"] for row in here]))),) if average else ()
    yield Row(labels, (*cells, *mean), nested=tuned, opens=not tuned and bool(shown.tuned))
    if tuned:
        changes = tuple(map(compared.difference_cell, here))
        mean = (Cell(percent(_mean([row["difference"] for row in here]), signed=True)),) if average else ()
        yield Row(("difference to base", ""), (*changes, *mean), minor=True, nested=True)
    if any(row["published"] is not None for row in here):
        for label, column in (("published", "published"), ("difference to published", "difference_to_published")):
            values = [row[column] for row in here]
            printed = [*values, *([_mean(values)] if average else [])]
            yield Row((label, ""), tuple(Cell(percent(value, signed=column != "published")) for value in printed),
                      minor=True, nested=tuned)  # fmt: skip


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) and known else None


def _footnotes(
    rows: pl.DataFrame, columns: Sequence[Shows], loaded: Mapping[str, Suite], shown: Shown
) -> Iterator[str]:
    told = [
        f"{column.group + ' ' if column.group else ''}{column.title}: {_what(column, loaded)}" for column in columns
    ]
    yield "Columns. " + "; ".join(told) + "."
    clusters = sorted({loaded[column.suite].cluster for column in columns})
    yield (
        f"Brackets: {shown.level} interval, percentile bootstrap over clusters ({', '.join(clusters)}); of a share "
        f"whose rarer outcome occurs in fewer than {RARE_IMAGES} clusters, Wilson's with an effective number of items. "
        "What is no share (a mean of splits, a score) has the bootstrap's everywhere, without width where no cluster "
        "changes. The intervals cover the sampling of items only."
    )
    if rows["p"].is_not_null().any():
        marks = ", ".join(f"{text} q < {level:g}" for level, text in reversed(compared.MARKS.items()))
        yield (
            "Difference to base: tuned minus base on the same items. p: the two variants' answers swapped cluster by "
            "cluster, two-sided; q: p after Benjamini and Hochberg over the differences of this table. " + marks + "."
        )
    lost = rows.filter(pl.col("unparsed") > 0)
    if lost.height:
        worst = lost.sort("unparsed", descending=True).row(0, named=True)
        yield (
            "Responses that cannot be read count as wrong, unless the official script reads them otherwise; most: "
            f"{percent(worst['unparsed'])} % of {worst['column']} by {shown.title((worst['model'], worst['variant']))}."
        )
    else:
        yield "Every response could be read."
    yield from shown.engines
    if shown.unscored and any(set(suite.scorers) & set(SCORED) for suite in loaded.values()):
        names = listed(shown.unscored)
        yield f"A dash: the suite asks how likely an option is, which an API does not tell ({names})."
    if rows["published"].is_not_null().any():
        yield "Published: numbers printed for the paper, arXiv 2603.17662, as updated on its project page."


def _what(column: Shows, loaded: Mapping[str, Suite]) -> str:
    """Say which number of a suite a column is."""
    statistic = _statistic(column, loaded[column.suite])
    parts = [statistic.name.replace("_", " "), "" if column.split == "all" else f"of {column.split}"]
    parts += [f"by the {column.scorer} parser", f"({statistic.variant})" if statistic.variant else ""]
    parts += ["(lower is better)" if statistic.lower_is_better else ""]
    return " ".join(filter(None, parts))


def _statistic(column: Shows, suite: Suite) -> Statistic:
    return next(
        one
        for one in suite.statistics
        if (one.scorer, one.split, one.name) == (column.scorer, column.split, column.statistic)
    )
