"""The three ways of answering side by side: paired accuracy, and the accuracy of its two questions.

A block of rows a benchmark, and one for all of them pooled; in it every model with each way of answering.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from finer.errors import InputError
from finer.schemas import COMPARISONS, ESTIMATES, POOLED, SETTINGS
from finer.store import read_tables
from finer.tables import compared, notes
from finer.tables.compared import DIFFERENCE
from finer.tables.labels import ANSWERING_TITLES, SETTING_TITLES, bracket, listed, percent
from finer.tables.layout import Cell, Column, Group, Layout, Row, write_layout
from finer.tables.shown import Shown
from finer.tables.tidy import TIDY, check_grid, check_present, ordered, write_csv

WAYS = tuple(ANSWERING_TITLES)
STATISTICS = ("paired_accuracy", "positive_accuracy", "negative_accuracy", "unparsed_share")
COLUMNS = [*TIDY, "n_images", "interval", "scorer", "statistic", *DIFFERENCE]
#: stored beside the shown scorer: per token, an option is not the less likely for being long
PER_TOKEN = ("likelihood", "mean")
_PLACE = ["model", "variant", "benchmark", "setting", "answering", "scorer"]
_ROUNDING = 1e-6


def write_finer_answering(
    estimates: Sequence[str | Path], comparisons: Sequence[str | Path], outputs: Sequence[str | Path], shown: Shown
) -> None:
    """Write each output by its suffix: .csv (one estimate a row), .md, .tex or .html."""
    rows = finer_answering(read_tables(estimates, ESTIMATES), read_tables(comparisons, COMPARISONS), shown)
    layout = answering_layout(rows, shown)
    for output in outputs:
        if Path(output).suffix == ".csv":
            write_csv(rows, output)
        else:
            write_layout(layout, output)


def finer_answering(estimates: pl.DataFrame, comparisons: pl.DataFrame, shown: Shown) -> pl.DataFrame:
    """Return the table's rows (columns ``COLUMNS``, percent) in the order shown, of every scorer of the three ways.

    The benchmark "pooled" stands for all of them together; with a single benchmark it is left out. Tuned rows carry
    their differences to the base of the three accuracies.
    Raises InputError for a missing estimate, and for numbers that cannot belong to the same pairs.
    """
    benchmarks = [*shown.benchmarks, POOLED]
    wanted = {"benchmark": benchmarks, "setting": SETTINGS, "answering": WAYS, "statistic": STATISTICS}
    known = [pl.col(name).is_in(list(values)) for name, values in wanted.items()]
    cells = estimates.filter(*known, pl.col("control") == "none", pl.col("entity_count").is_null())
    if cells.filter(pl.col("benchmark") != POOLED)["benchmark"].n_unique() < 2:
        cells = cells.filter(pl.col("benchmark") != POOLED)
    order = shown.subjects(cells)
    _check_complete(cells, shown)
    for way in WAYS:
        able = shown.asked(way).order
        check_grid(cells.filter(answering=way), able, ["answering", "scorer", "statistic"])
    _check_pairs(cells)
    _check_pooled(cells)
    cells = compared.beside(cells, comparisons, STATISTICS[:3])
    return ordered(cells, order, benchmarks, answering=WAYS, statistic=STATISTICS).select(COLUMNS)


def answering_layout(rows: pl.DataFrame, shown: Shown) -> Layout:
    """Lay out the rows of ``finer_answering``: a block a benchmark, models x ways down, settings across."""
    found = {tuple(row[name] for name in (*_PLACE, "statistic")): row for row in rows.iter_rows(named=True)}
    settings = [setting for setting in SETTINGS if setting in rows["setting"].unique()]
    order = list(dict.fromkeys(rows.select("model", "variant").rows()))
    titles = {**shown.benchmarks, POOLED: "All benchmarks pooled"}
    lines: list[Row] = []
    for name, title in titles.items():
        here = rows.filter(pl.col("benchmark") == name)
        if here.is_empty():
            continue
        pairs = dict(here.filter(pl.col("statistic") == "paired_accuracy").select("setting", "n").iter_rows())
        counts = tuple(Cell(f"{pairs[one]:,} pairs" if one in pairs else "–") for one in settings)
        lines.append(Row((title, ""), counts, heading=True))
        for subject in order:
            for way in WAYS:
                cells = tuple(_cell(found, (*subject, name, one, way, shown.scorer_of(way))) for one in settings)
                labels = (shown.title(subject) if way == WAYS[0] else "", ANSWERING_TITLES[way])
                lines.append(Row(labels, cells, opens=way == WAYS[0] and subject != order[0]))
    group = Group("", tuple(Column(SETTING_TITLES[one]) for one in settings))
    title = "Three ways of answering: paired accuracy (%), and below it accuracy of positive / negative questions"
    stubs = ("Model", "Answering")
    return Layout(title, "finer-answering", stubs, (group,), tuple(lines), tuple(_footnotes(rows, shown)))


def _cell(found: Mapping[tuple[str, ...], Mapping[str, Any]], place: tuple[str, ...]) -> Cell:
    """Return the cell of a place, or a dash where the benchmark has no pairs of the setting."""
    if (*place, STATISTICS[0]) not in found:
        return Cell("–")
    paired, positive, negative = (found[(*place, statistic)] for statistic in STATISTICS[:3])
    below = f"{percent(positive['value'])} / {percent(negative['value'])}"
    return Cell(percent(paired["value"]), bracket(paired["ci_low"], paired["ci_high"]), below)


def _check_complete(cells: pl.DataFrame, shown: Shown) -> None:
    """Raise InputError unless every place has every way, its shown scorer and every statistic; the pooled one too."""
    places = cells.select("benchmark", "setting").unique()
    if places.filter(pl.col("benchmark") != POOLED)["benchmark"].n_unique() > 1:
        pooled = places.select(pl.lit(POOLED).alias("benchmark"), "setting")
        places = pl.concat([places, pooled]).unique()
    scorers = [*((way, shown.scorer_of(way)) for way in WAYS), PER_TOKEN]
    check_present(
        cells,
        places.join(pl.DataFrame(scorers, schema=["answering", "scorer"], orient="row"), how="cross").join(
            pl.DataFrame({"statistic": STATISTICS}), how="cross"
        ),
    )


def _check_pairs(cells: pl.DataFrame) -> None:
    """Raise InputError where paired accuracy cannot come from the same pairs as the accuracy of their questions."""
    spread = cells.pivot("statistic", index=_PLACE, values=["value", "n"], maintain_order=True)
    paired, asked = pl.col("value_paired_accuracy"), pl.col("n_paired_accuracy")
    above = pl.min_horizontal("value_positive_accuracy", "value_negative_accuracy") + _ROUNDING
    # Of P right positive and N right negative questions at least P + N - 100 % are of one pair.
    below = pl.col("value_positive_accuracy") + pl.col("value_negative_accuracy") - 100 - _ROUNDING
    counted = (
        (pl.col("n_positive_accuracy") != asked)
        | (pl.col("n_negative_accuracy") != asked)
        | (pl.col("n_unparsed_share") != 2 * asked)
    )
    wrong = spread.filter((paired > above) | (paired < below) | counted)
    if wrong.height:
        row = wrong.row(0, named=True)
        raise InputError(
            "estimates that cannot be of the same pairs", row=", ".join(row[name] for name in _PLACE),
            field="paired_accuracy, positive_accuracy, negative_accuracy, n",
            found={name: value for name, value in row.items() if name not in _PLACE},
            expected="pairs of one positive and one negative question each", cure="estimate again from the verdicts",
        )  # fmt: skip


def _check_pooled(cells: pl.DataFrame) -> None:
    """Raise InputError unless a pooled share is that of all pairs of the benchmarks together."""
    by = [name for name in (*_PLACE, "statistic") if name != "benchmark"]
    share = (pl.col("value") * pl.col("n")).sum() / pl.col("n").sum()
    summed = cells.filter(pl.col("benchmark") != POOLED).group_by(by).agg(share=share, pairs=pl.col("n").sum())
    joined = cells.filter(pl.col("benchmark") == POOLED).join(summed, on=by, how="left")
    same = (pl.col("n") == pl.col("pairs")) & ((pl.col("value") - pl.col("share")).abs() < _ROUNDING)
    wrong = joined.filter(~same.fill_null(False)).sort(by)
    if wrong.height:
        row = wrong.row(0, named=True)
        raise InputError(
            "a pooled estimate that is not the one of all pairs", row=", ".join(row[name] for name in by),
            field="value, n", found=(row["value"], row["n"]),
            expected=f"{row['share']} % of {row['pairs']}",
            cure="estimate again from the verdicts",
        )  # fmt: skip


def _footnotes(rows: pl.DataFrame, shown: Shown) -> Iterator[str]:
    yield (
        f"Above: paired accuracy, the share of pairs with both questions right, and its {shown.level} interval. "
        "Below: accuracy of the positive / of the negative questions."
    )
    yield notes.intervals(shown)
    yield notes.COVERED
    yield "Answering: " + "; ".join(shown.how_of(way) for way in WAYS) + "."
    ways = {way: rows.filter(answering=way, scorer=shown.scorer_of(way)) for way in WAYS}
    yield _unread(ways, shown)
    pooled = pl.concat(ways.values()).filter(benchmark=POOLED, statistic=STATISTICS[0])
    if pooled.height:
        widest = pooled.select(((pl.col("ci_high") - pl.col("ci_low")) / 2).max()).item()
        yield (
            f"All benchmarks pooled: every pair counts the same. Half the length of an interval of paired accuracy "
            f"is there at most {percent(widest)} points."
        )
    others = rows.filter(pl.concat_list("answering", "scorer").is_in([[w, shown.scorer_of(w)] for w in WAYS]).not_())
    stored = others.select("answering", "scorer").unique(maintain_order=True).rows()
    names = {PER_TOKEN: "likelihood by the mean log-probability per token"}
    texts = [names.get((way, scorer), f"{way} by the scorer {scorer}") for way, scorer in stored]
    yield f"The CSV of this table holds these numbers and, not shown here, {listed(texts)}."
    yield from notes.engines(shown, *WAYS)
    if shown.tuned:
        yield (
            "It also holds the differences of these accuracies of each tuned model to its base, with interval, p "
            "and q (p after Benjamini and Hochberg over all differences of this table by one way of answering and one "
            "scorer)."
        )


def _unread(ways: Mapping[str, pl.DataFrame], shown: Shown) -> str:
    """Say how many answers could not be read or were tied, each counted once (not again in the pooled rows)."""
    texts = []
    for way, rows in ways.items():
        lost = notes.counted(rows.filter(pl.col("benchmark") != POOLED, statistic="unparsed_share"), shown)
        texts.append(f"{way}: {listed(lost) if lost else 'none'}")
    return f"Answers that cannot be read or are tied count as wrong. By {'; by '.join(texts)}."
