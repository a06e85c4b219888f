"""The figures: answers over the seven levels of granularity, paired accuracy over entity counts, studies.

Each can be written as SVG, PNG and CSV (the numbers that it shows). The bytes depend on the numbers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from finer.errors import InputError
from finer.schemas import ESTIMATES
from finer.store import atomic_path, read_tables
from finer.tables.labels import RANDOM_GUESS, SETTING_TITLES
from finer.tables.published_values import GRANULARITY_MODEL, check_published_row, published_granularity
from finer.tables.shown import BASE, TUNED, Shown, Subject
from finer.tables.study import LINES, overall, study_rows
from finer.tables.tidy import TIDY, check_grid, ordered, select, write_csv

# Okabe and Ito's palette, told apart with any colour vision; its yellow is left out, too pale on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so the same on every machine
    "font.size": 9.0, "axes.titlesize": 10.0, "axes.labelsize": 9.5, "legend.fontsize": 9.0,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7, "axes.axisbelow": True, "axes.edgecolor": "#555555", "xtick.color": "#333333",
    "ytick.color": "#333333", "lines.linewidth": 1.6, "lines.markersize": 4.6, "svg.hashsalt": "finer",
    "svg.fonttype": "path", "figure.dpi": 100.0, "savefig.dpi": 200.0, "legend.frameon": False,
}  # fmt: skip
_COLUMNS = [*TIDY, "n_images", "interval", "scorer", "statistic", "entity_count"]
_LIST_SETTINGS = ("multi_obj", "multi_attr", "multi_rel")  # the settings whose queries count entities
_ASKED = {"no_share": "Wrong query:\nanswered “no” (%)", "yes_share": "Matched true query:\nanswered “yes” (%)"}
_YES_NO_SCORER = "strict"


def write_granularity(estimates: Sequence[str | Path], outputs: Sequence[str | Path], shown: Shown) -> None:
    """Write each output by its suffix (.svg, .png, .csv): share of right answers per level, model and benchmark."""
    rows = granularity_rows(read_tables(estimates, ESTIMATES), shown)
    with _style():
        _write(granularity_figure(rows, shown), rows, outputs)


def write_entity_count(estimates: Sequence[str | Path], outputs: Sequence[str | Path], shown: Shown) -> None:
    """Write each output by its suffix (.svg, .png, .csv): paired accuracy per entity count, setting and benchmark."""
    rows = entity_count_rows(read_tables(estimates, ESTIMATES), shown)
    with _style():
        _write(entity_count_figure(rows, shown), rows, outputs)


def write_study(estimates: Sequence[str | Path], outputs: Sequence[str | Path], shown: Shown, title: str) -> None:
    """Write each output by its suffix (.svg, .png, .csv): what a study's models get right, setting by setting."""
    rows = overall(study_rows(read_tables(estimates, ESTIMATES), shown)).filter(
        pl.col("setting").is_in(list(SETTING_TITLES))
    )
    with _style():
        _write(study_figure(rows, shown, title), rows, outputs)


def study_figure(rows: pl.DataFrame, shown: Shown, title: str) -> Figure:
    """Draw one panel each for pairs, right and wrong queries: the study's models across, a line a setting."""
    subjects = list(dict.fromkeys(rows.select("model", "variant").rows()))
    places = pl.DataFrame(
        {"model": [m for m, _ in subjects], "variant": [v for _, v in subjects], "x": range(len(subjects))}
    )
    settings = [(name, BASE) for name in SETTING_TITLES if name in rows["setting"].unique()]
    figure, panels = _panels(1, len(LINES), width=2.9, height=2.6)
    for axes, (label, (statistic, _)) in zip(panels[0], LINES.items(), strict=True):
        here = rows.filter(pl.col("statistic") == statistic).join(places, on=["model", "variant"])
        _lines(axes, here.with_columns(model="setting", variant=pl.lit(BASE)), settings)
        axes.set_title(label.capitalize())
        axes.set_xticks(range(len(subjects)), [shown.title(subject) for subject in subjects])
    panels[0][len(LINES) // 2].set_xlabel(title)  # one for all: it may be longer than a panel is wide
    panels[0][0].set_ylabel("%")
    handles = [Line2D([], [], label=SETTING_TITLES[name], **_look((name, BASE), settings)) for name, _ in settings]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    figure.supxlabel(f"Bars: {shown.level} intervals, clustered by image.", fontsize=8, color="#555555")
    return figure


def granularity_rows(estimates: pl.DataFrame, shown: Shown) -> pl.DataFrame:
    """Return what the granularity figure shows: ``no_share`` and ``yes_share`` per model, benchmark and level."""
    known = pl.col("setting").str.starts_with("level_") & pl.col("benchmark").is_in(list(shown.benchmarks))
    cells = select(estimates.filter(known), list(_ASKED), "yes_no", _YES_NO_SCORER)
    order = shown.subjects(cells)
    check_grid(cells, order, ["statistic"])
    return ordered(cells, order, list(shown.benchmarks)).select(_COLUMNS)


def entity_count_rows(estimates: pl.DataFrame, shown: Shown) -> pl.DataFrame:
    """Return what the entity-count figure shows: paired accuracy per model, benchmark, list setting and count.

    Raises InputError if no estimate has an entity count (an imported benchmark carries none).
    """
    known = pl.col("setting").is_in(list(_LIST_SETTINGS)) & pl.col("benchmark").is_in(list(shown.benchmarks))
    cells = select(estimates.filter(known), ["paired_accuracy"], shown.answering, shown.scorer, by_count=True)
    if cells.is_empty():
        raise InputError(
            "no estimate by entity count", field="entity_count", found="0 rows", expected="pairs with entity counts",
            cure="imported benchmarks carry no entity counts: leave this figure out for them",
        )  # fmt: skip
    order = shown.subjects(cells)
    check_grid(cells, order, ["entity_count"])
    return ordered(cells, order, list(shown.benchmarks)).select(_COLUMNS)


def granularity_figure(rows: pl.DataFrame, shown: Shown) -> Figure:
    """Draw one column of panels a benchmark: above, "no" to wrong queries; below, "yes" to the matched true ones."""
    names = [name for name in shown.benchmarks if name in rows["benchmark"].unique()]
    order = list(dict.fromkeys(rows.select("model", "variant").rows()))
    figure, panels = _panels(2, len(names), width=4.1, height=2.5)
    printed = _published_points(order, shown)
    for across, name in enumerate(names):
        for down, (statistic, label) in enumerate(_ASKED.items()):
            axes = panels[down][across]
            here = rows.filter((pl.col("benchmark") == name) & (pl.col("statistic") == statistic))
            levels = here.with_columns(x=pl.col("setting").str.strip_prefix("level_").cast(pl.Int64))
            _lines(axes, levels, order)
            if statistic == "no_share":
                axes.set_title(shown.benchmarks[name])
                _draw_published(axes, printed.filter(pl.col("benchmark") == name), order)
            axes.set_xticks(range(1, 8))
            if across == 0:
                axes.set_ylabel(label)
        panels[1][across].set_xlabel("Level of granularity")
    note = f"Bars: {shown.level} intervals, clustered by image."
    if printed.height:
        note += " Crosses: published, read off a plot."
    return _finish(figure, order, shown, note)


def entity_count_figure(rows: pl.DataFrame, shown: Shown) -> Figure:
    """Draw one row of panels a benchmark and one column a setting; the dotted line is guessing."""
    names = [name for name in shown.benchmarks if name in rows["benchmark"].unique()]
    settings = [setting for setting in _LIST_SETTINGS if setting in rows["setting"].unique()]
    order = list(dict.fromkeys(rows.select("model", "variant").rows()))
    figure, panels = _panels(len(names), len(settings), width=3.1, height=2.5)
    things = {"multi_obj": "objects", "multi_attr": "attributes", "multi_rel": "relations"}
    for down, name in enumerate(names):
        for across, setting in enumerate(settings):
            axes = panels[down][across]
            here = rows.filter((pl.col("benchmark") == name) & (pl.col("setting") == setting))
            _lines(axes, here.with_columns(x=pl.col("entity_count")), order)
            axes.axhline(RANDOM_GUESS, color="#777777", linestyle=":", linewidth=1.1, zorder=1)
            counts = here["entity_count"].unique().sort().to_list()
            axes.set_xticks(counts)
            axes.set_xlim(min(counts, default=1) - 0.5, max(counts, default=1) + 0.5)
            if down == 0:
                axes.set_title(SETTING_TITLES[setting])
            if across == 0:
                axes.set_ylabel(f"{shown.benchmarks[name]}\npaired accuracy (%)")
            if down == len(names) - 1:
                axes.set_xlabel(f"Number of {things[setting]}")
    note = f"Bars: {shown.level} intervals, clustered by image. Dotted: random guess, 4 %."
    return _finish(figure, order, shown, note)


def _panels(down: int, across: int, width: float, height: float) -> tuple[Figure, list[list[Axes]]]:
    figure = Figure(figsize=(width * across + 0.9, height * down + 1.15), layout="constrained")
    grid = figure.subplots(down, across, sharey=True, squeeze=False)
    return figure, [list(row) for row in grid]


def _lines(axes: Axes, rows: pl.DataFrame, order: Sequence[Subject]) -> None:
    """One line a model variant; the points of one x stand side by side so that their bars can be told apart."""
    for place, subject in enumerate(order):
        here = rows.filter((pl.col("model") == subject[0]) & (pl.col("variant") == subject[1])).sort("x")
        value = here["value"].to_numpy()
        bars = np.maximum(np.stack([value - here["ci_low"].to_numpy(), here["ci_high"].to_numpy() - value]), 0)
        axes.errorbar(here["x"].to_numpy() + _shift(place, len(order)), value, yerr=bars, elinewidth=0.9,
                      capsize=0, **_look(subject, order))  # fmt: skip
    axes.set_ylim(-3, 103)
    axes.set_yticks(range(0, 101, 25))


def _shift(place: int, of: int) -> float:
    return (place - (of - 1) / 2) * min(0.09, 0.5 / of)


def _look(subject: Subject, order: Sequence[Subject]) -> dict[str, Any]:
    """Colour and marker say the model; a full line and marker the base, dashed and hollow a tuned variant."""
    index = list(dict.fromkeys(model for model, _ in order)).index(subject[0])
    colour, base = _COLOURS[index % len(_COLOURS)], subject[1] == BASE
    return {
        "color": colour, "marker": _MARKERS[index % len(_MARKERS)], "linestyle": "-" if base else (0, (4, 1.6)),
        "markerfacecolor": colour if base else "white", "markeredgecolor": colour,
    }  # fmt: skip


def _published_points(order: Sequence[Subject], shown: Shown) -> pl.DataFrame:
    """The published points of the variants shown: columns of ``published_granularity`` and model, variant."""
    rows = []
    for model, variant in order:
        if (row := shown.models[model].published) is not None and variant in (BASE, TUNED):
            check_published_row(row, model)
            if row == GRANULARITY_MODEL:
                rows.append({"model": model, "variant": variant, "tuned": variant == TUNED})
    named = pl.DataFrame(rows, schema={"model": pl.String, "variant": pl.String, "tuned": pl.Boolean})
    return named.join(published_granularity(), on="tuned").sort("model", "variant", "benchmark", "level")


def _draw_published(axes: Axes, points: pl.DataFrame, order: Sequence[Subject]) -> None:
    for (model, variant), here in points.group_by("model", "variant", maintain_order=True):
        subject = (str(model), str(variant))
        x = here["level"].to_numpy() + _shift(list(order).index(subject), len(order))
        colour = str(_look(subject, order)["color"])
        axes.scatter(x, here["published"].to_numpy(), marker="x", s=34, linewidths=1.3, color=colour, zorder=4)


def _finish(figure: Figure, order: Sequence[Subject], shown: Shown, note: str) -> Figure:
    """Add one legend for all panels above them, and the note below."""
    handles = [Line2D([], [], label=shown.title(subject), **_look(subject, order)) for subject in order]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(4, len(order)))
    figure.supxlabel(note, fontsize=8, color="#555555")
    return figure


def _style() -> AbstractContextManager[None]:
    """From matplotlib's own defaults, so that a user's matplotlibrc changes nothing."""
    return style.context(["default", _STYLE])


def _write(figure: Figure, rows: pl.DataFrame, outputs: Sequence[str | Path]) -> None:
    """Write the figure without dates and version stamps, or its numbers."""
    stamps: dict[str, dict[str, None]] = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
    for output in outputs:
        suffix = Path(output).suffix
        if suffix == ".csv":
            write_csv(rows, output)
        elif suffix in stamps:
            with atomic_path(output) as partial:
                figure.savefig(partial, format=suffix[1:], metadata=stamps[suffix])
        else:
            raise InputError(
                "no such form of a figure", file=output, expected=".svg | .png | .csv", cure="give another ending"
            )
