"""What all figures share: their style, panels, lines with bars, and how they are written.

Each figure can be written as SVG, PNG and CSV (the numbers that it shows). The bytes depend on the numbers only.
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

from finer.errors import InputError
from finer.store import atomic_path
from finer.tables.tidy import write_csv

# Okabe and Ito's palette, told apart with any colour vision; its yellow is left out, too pale on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so the same on every machine
    "font.size": 9.0, "axes.titlesize": 10.0, "axes.labelsize": 9.5, "legend.fontsize": 9.0,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7, "axes.axisbelow": True, "axes.edgecolor": "#555555", "xtick.color": "#333333",
    "ytick.color": "#333333", "lines.linewidth": 1.6, "lines.markersize": 4.6, "svg.hashsalt": "finer",
    "svg.fonttype": "path", "figure.dpi": 100.0, "savefig.dpi": 200.0, "legend.frameon": False,
}  # fmt: skip
GREY = "#555555"


def panels(down: int, across: int, width: float, height: float, **shared: Any) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure of panels, each so many inches wide and high; they share the y axis unless said otherwise."""
    figure = Figure(figsize=(width * across + 0.9, height * down + 1.15), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, **{"sharey": True, **shared})
    return figure, [list(row) for row in grid]


def line(axes: Axes, rows: pl.DataFrame, look: dict[str, Any], shift: float = 0.0) -> None:
    """Draw the values at ``x`` with their intervals as bars, moved by ``shift``, on an axis of percent."""
    here = rows.sort("x")
    value = here["value"].to_numpy()
    bars = np.maximum(np.stack([value - here["ci_low"].to_numpy(), here["ci_high"].to_numpy() - value]), 0)
    axes.errorbar(here["x"].to_numpy() + shift, value, yerr=bars, elinewidth=0.9, capsize=0, **look)
    axes.set_ylim(-3, 103)
    axes.set_yticks(range(0, 101, 25))


def shift(place: int, of: int) -> float:
    """Return how far the points of one of several lines are moved, so that their bars can be told apart."""
    return (place - (of - 1) / 2) * min(0.09, 0.5 / of)


def look(colour: str, marker: str, tuned: bool) -> dict[str, Any]:
    """Return a full line and marker for a base, dashed and hollow for a tuned variant."""
    return {
        "color": colour, "marker": marker, "linestyle": (0, (4, 1.6)) if tuned else "-",
        "markerfacecolor": "white" if tuned else colour, "markeredgecolor": colour,
    }  # fmt: skip


def note(figure: Figure, text: str) -> None:
    """Write a note below all panels."""
    figure.supxlabel(text, fontsize=8, color=GREY)


def styled() -> AbstractContextManager[None]:
    """From matplotlib's own defaults, so that a user's matplotlibrc changes nothing."""
    return style.context(["default", _STYLE])


def write_figure(figure: Figure, rows: pl.DataFrame, outputs: Sequence[str | Path]) -> None:
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
