"""How far two judges of the same answers agree: a row a suite, agreement and kappas with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from finer.errors import InputError
from finer.schemas import JUDGE_AGREEMENT
from finer.store import read_table
from finer.suites.suite import load_suite
from finer.tables.labels import bracket, percent
from finer.tables.layout import Cell, Column, Group, Layout, Row, write_layout
from finer.tables.tidy import write_csv

#: statistic -> heading of its column, and decimals; those of the second group are of ratings alone
VERDICTS = {"agreement": ("Agreement (%)", 1), "kappa": ("Kappa", 2)}
RATINGS = {
    "weighted_kappa": ("Weighted kappa", 2), "rank_correlation": ("Rank correlation", 2),
    "hallucination_agreement": ("Hallucination (%)", 1), "hallucination_kappa": ("Hallucination kappa", 2),
}  # fmt: skip


def write_judge_agreement(
    agreement: str | Path, outputs: Sequence[str | Path], suites: Mapping[str, Mapping[str, Any]], confidence: float
) -> None:
    """Write each output by its suffix: .csv (one number a row), .md, .tex or .html.

    Args:
        agreement: file of JUDGE_AGREEMENT.
        suites: the judged suites in the order shown -> module, title.
        confidence: of the intervals.
    """
    rows = read_table(agreement, JUDGE_AGREEMENT)
    if unknown := [name for name in rows["suite"].unique() if name not in suites]:
        raise InputError("agreement on a suite that is not configured", file=agreement, field="suite",
                         found=min(unknown), expected=", ".join(suites), cure="run its rule again")  # fmt: skip
    titles = {name: str(entry["title"] or load_suite(str(entry["module"])).title) for name, entry in suites.items()}
    for output in outputs:
        if Path(output).suffix == ".csv":
            write_csv(rows, output)
        else:
            write_layout(agreement_layout(rows, titles, confidence), output)


def agreement_layout(rows: pl.DataFrame, titles: Mapping[str, str], confidence: float) -> Layout:
    """Lay out the agreement of two judges: suites down, statistics across."""
    lines = []
    for name, title in titles.items():
        own = rows.filter(suite=name)
        found = {row["statistic"]: row for row in own.iter_rows(named=True)}
        if found:
            first = next(iter(found.values()))
            cells = [_cell(found.get(one), digits) for one, (_, digits) in {**VERDICTS, **RATINGS}.items()]
            counts = (Cell(f"{first['n']:,}"), Cell(f"{first['unparsed']:,}"))
            lines.append(Row((title, first["judge"], first["other"]), (*cells, *counts)))
    groups = (
        Group("Verdicts", tuple(Column(title) for title, _ in VERDICTS.values())),
        Group("Ratings", tuple(Column(title) for title, _ in RATINGS.values())),
        Group("Responses", (Column("Judged"), Column("Unread"))),
    )
    footnotes = (
        "Judges: name, version and prompt of each. Agreement: share of responses with the same verdict; kappa: "
        "Cohen's, agreement beyond chance. An unreadable verdict agrees with another unreadable one only; Unread: "
        "responses with one of either judge.",
        "Of ratings from 0 to 6 also, where both can be read: kappa with quadratic weights and Spearman's rank "
        "correlation; and whether both call a response a hallucination (a rating below 3).",
        f"Brackets: {100 * confidence:g} % interval, percentile cluster bootstrap over images; – where a number is not "
        "defined.",
    )
    return Layout("Agreement of two judges", "judge-agreement", ("Suite", "Judge", "Other judge"), groups,
                  tuple(lines), footnotes)  # fmt: skip


def _cell(row: Mapping[str, Any] | None, digits: int) -> Cell:
    if row is None or row["value"] is None:
        return Cell("–")
    if digits == 1:
        return Cell(percent(row["value"]), bracket(row["ci_low"], row["ci_high"]))
    value, low, high = (_number(row[name], digits) for name in ("value", "ci_low", "ci_high"))
    return Cell(value, f"[{low}, {high}]")


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")
