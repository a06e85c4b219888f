"""The audit of the benchmarks: are negatives false, what does verification find and change, what was dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from finer.schemas import AUDIT, ESTIMATES, SETTINGS
from finer.store import read_tables
from finer.tables import notes
from finer.tables.labels import SETTING_TITLES, bracket, percent
from finer.tables.layout import Cell, Column, Group, Layout, Row, write_layout
from finer.tables.shown import Shown
from finer.tables.tidy import check_grid, ordered, select, write_csv

VERIFIED, UNVERIFIED = "verified", "unverified"
COLUMNS = ["benchmark", "section", "name", "model", "variant", "setting", "value", "ci_low", "ci_high", "count", "n"]
_SECTIONS = {
    "true_negatives_before": "Negatives that are true of the scene, as first proposed",
    "true_negatives_after": "Negatives that are true of the scene, after verification",
    "false_labels": "Pairs of the list settings with an option that is true against its label",
    "verifier": "The verifier, first round",
    "duplicates": "Pairs that repeat another pair's question and options about the same image",
    "positions": "Where right answers stand",
    "drops": "Dropped, by stage and reason",
}
_NAMES = {
    "before": "without verification", "after": "with verification", "p": "p-value, all equally frequent",
    "relation_object": "object of a relation", **SETTING_TITLES,
}  # fmt: skip


def write_audit(
    audits: Sequence[str | Path],
    verified: Sequence[str | Path],
    unverified: Sequence[str | Path],
    outputs: Sequence[str | Path],
    shown: Shown,
) -> None:
    """Write each output by its suffix: .csv (one number a row), .md, .tex or .html.

    Args:
        audits: files of AUDIT, one a benchmark.
        verified, unverified: files of ESTIMATES of the questions made with and without verification.
        outputs: the files to write.
        shown: models and benchmarks in order; tuned models are left out.
    """
    rows = audit(
        read_tables(audits, AUDIT), read_tables(verified, ESTIMATES), read_tables(unverified, ESTIMATES), shown
    )
    layout = audit_layout(rows, shown)
    for output in outputs:
        if Path(output).suffix == ".csv":
            write_csv(rows, output)
        else:
            write_layout(layout, output)


def audit(audits: pl.DataFrame, verified: pl.DataFrame, unverified: pl.DataFrame, shown: Shown) -> pl.DataFrame:
    """Return the table's rows (columns ``COLUMNS``): the benchmarks' own, then paired accuracies of both makings."""
    order = pl.DataFrame({"section": list(_SECTIONS)}).with_row_index("_section")
    benchmarks = pl.DataFrame({"benchmark": list(shown.benchmarks)}).with_row_index("_benchmark")
    own = audits.with_row_index("_row").join(order, on="section").join(benchmarks, on="benchmark")
    parts = [own.sort("_benchmark", "_section", "_row").with_columns(
        *(pl.lit(None, pl.String).alias(name) for name in ("model", "variant", "setting"))
    )]  # fmt: skip
    for name, estimates in ((VERIFIED, verified), (UNVERIFIED, unverified)):
        known = estimates.filter(
            pl.col("setting").is_in(list(SETTINGS)), pl.col("benchmark").is_in(list(shown.benchmarks))
        )
        cells = select(shown.untuned.only(known), ["paired_accuracy"], shown.answering, shown.scorer)
        subjects = shown.untuned.subjects(cells)
        check_grid(cells, subjects)
        count = (pl.col("value") * pl.col("n") / 100).round().cast(pl.Int64)
        parts.append(
            ordered(cells, subjects, list(shown.benchmarks)).with_columns(
                section=pl.lit("results"), name=pl.lit(name), count=count
            )
        )
    return pl.concat([part.select(COLUMNS) for part in parts])


def audit_layout(rows: pl.DataFrame, shown: Shown) -> Layout:
    """Lay out the rows of ``audit``: what was looked at down, benchmarks across."""
    names = [name for name in shown.benchmarks if name in set(rows["benchmark"])]
    group = Group("", tuple(Column(shown.benchmarks[name]) for name in names))
    lines = [*_own(rows, names), *_results(rows, names, shown)]
    title = "Audit of the benchmarks against the truth of the micro world"
    return Layout(title, "audit", ("Of", ""), (group,), tuple(lines), tuple(_footnotes(shown)))


def _own(rows: pl.DataFrame, benchmarks: Sequence[str]) -> Iterator[Row]:
    for section, title in _SECTIONS.items():
        here = rows.filter(pl.col("section") == section)
        found = {(row["benchmark"], row["name"]): row for row in here.iter_rows(named=True)}
        for place, name in enumerate(dict.fromkeys(here["name"])):
            cells = tuple(_cell(section, found.get((benchmark, name))) for benchmark in benchmarks)
            yield Row(("" if place else title, _NAMES.get(name, name)), cells, opens=not place)


def _cell(section: str, row: Mapping[str, Any] | None) -> Cell:
    if row is None:
        return Cell("0" if section == "drops" else "–")
    if row["name"] == "p":
        return Cell(f"{row['value']:.2f}")
    if row["value"] is None:
        return Cell(f"{row['count']:,}" + (f" of {row['n']:,}" if row["n"] else ""))
    return Cell(
        f"{percent(row['value'])} %", bracket(row["ci_low"], row["ci_high"]), f"{row['count']:,} of {row['n']:,}"
    )


def _results(rows: pl.DataFrame, benchmarks: Sequence[str], shown: Shown) -> Iterator[Row]:
    here = rows.filter(pl.col("section") == "results")
    key = ["model", "variant", "setting", "name", "benchmark"]
    found = {tuple(row[part] for part in key): row for row in here.iter_rows(named=True)}
    for model, variant in dict.fromkeys(here.select("model", "variant").rows()):
        for place, setting in enumerate(dict.fromkeys(here["setting"])):
            for name in (VERIFIED, UNVERIFIED):
                label = f"{SETTING_TITLES[setting]}, {_NAMES[{VERIFIED: 'after', UNVERIFIED: 'before'}[name]]}"
                cells = tuple(_measured(found.get((model, variant, setting, name, one))) for one in benchmarks)
                first = not place and name == VERIFIED
                title = f"Paired accuracy of {shown.title((model, variant))}" if first else ""
                yield Row((title, label), cells, opens=first)


def _measured(row: Mapping[str, Any] | None) -> Cell:
    if row is None:
        return Cell("–")
    return Cell(f"{percent(row['value'])} %", bracket(row["ci_low"], row["ci_high"]))


def _footnotes(shown: Shown) -> Iterator[str]:
    yield (
        "An element is spoiled if one of its four negatives is true of the scene. The verifier fails an element where "
        "it does not pick the true one among the five; a sure failure (low entropy) sends it back for new negatives. "
        "Precision: of failed elements, those that are spoiled. Recall: of spoiled elements, those that failed. Right "
        "where sound: of elements that are not spoiled, those that pass."
    )
    yield (
        "Without verification: pairs made of the first proposals, drawn by the same keys and asked and read in the "
        f"same way; tuned models are not asked them. {shown.how}"
    )
    yield notes.intervals(shown)
