"""The figure of training: loss, accuracy and margin over the steps, of the pairs trained on and of those held out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from finer.errors import InputError
from finer.schemas import TRAINING_LOG
from finer.store import read_tables
from finer.tables import drawing
from finer.tables.shown import Shown, Subject

COLUMNS = list(TRAINING_LOG.columns)
#: what is drawn -> the label of its axis
_LINES = {"loss": "Loss", "accuracy": "Chosen above\nrejected (%)", "margin": "Margin of\nrewards"}
_SPLITS = {"train": ("trained on", "#9a9a9a", ".", 1.0), "held_out": ("held out", drawing.COLOURS[0], "o", 1.6)}


def write_training(logs: Sequence[str | Path], outputs: Sequence[str | Path], shown: Shown) -> None:
    """Write each output by its suffix (.svg, .png, .csv).

    Args:
        logs: files of TRAINING_LOG, of every tuned model that is shown.
        outputs: the files to write.
        shown: the models in order.
    """
    rows = training_rows(read_tables(logs, TRAINING_LOG), shown)
    with drawing.styled():
        drawing.write_figure(training_figure(rows, shown), rows, outputs)


def training_rows(logs: pl.DataFrame, shown: Shown) -> pl.DataFrame:
    """Return the logs of the tuned models shown (columns ``COLUMNS``), in their order, by split and step.

    Raises InputError if a tuned model has no log, or none of the pairs trained on.
    """
    parts = [TRAINING_LOG.empty()]
    for model, variant in shown.tuned:
        own = logs.filter(pl.col("model") == model, pl.col("variant") == variant)
        if own.filter(pl.col("split") == "train").is_empty():
            raise InputError(
                "no log of a training", row=f"model {model}, variant {variant}", field="split",
                found=f"{own.height} rows", expected="rows of the split 'train'", cure="train the adapter again",
            )  # fmt: skip
        parts.append(own.sort(pl.col("split") != "train", "split", "step"))
    return pl.concat(parts).select(COLUMNS)


def training_figure(rows: pl.DataFrame, shown: Shown) -> Figure:
    """Draw one column of panels a tuned model: loss, accuracy and margin, as far as its method has them."""
    lines = {name: label for name, label in _LINES.items() if rows[name].is_not_null().any()}
    figure, panels = drawing.panels(
        len(lines), max(1, len(shown.tuned)), max(2.3, 6.9 / max(1, len(shown.tuned))), 1.8, sharey="row", sharex="col"
    )
    for across, (model, variant) in enumerate(shown.tuned):
        own = rows.filter(pl.col("model") == model, pl.col("variant") == variant)
        for down, (name, label) in enumerate(lines.items()):
            axes = panels[down][across]
            for split, (_, colour, marker, width) in _SPLITS.items():
                here = own.filter(pl.col("split") == split).drop_nulls(name)
                values = here[name].to_numpy() * (100 if name == "accuracy" else 1)
                axes.plot(here["step"].to_numpy(), values, color=colour, marker=marker, linewidth=width, markersize=3.4)
            if down == 0:
                axes.set_title(_title(shown, (model, variant)))
            if across == 0:
                axes.set_ylabel(label)
            if name == "accuracy":
                axes.set_ylim(-3, 103)
        panels[-1][across].set_xlabel("Step")
        panels[-1][across].xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    handles = [
        Line2D([], [], label=label, color=colour, marker=marker, linewidth=width, markersize=3.4)
        for label, colour, marker, width in _SPLITS.values()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    drawing.note(figure, "Trained on: mean over the pairs since the point before. Held out: over all held-out pairs.")
    return figure


def _title(shown: Shown, subject: Subject) -> str:
    name = shown.name(subject)
    return f"{name.title} {name.size}".strip() + f"\n{name.variant or subject[1]}"
