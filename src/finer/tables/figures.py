"""The figures: answers over the seven levels of granularity, paired accuracy over entity counts, studies.

A panel shows one model, as it is (full line) and tuned (dashed).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from finer.errors import InputError
from finer.schemas import BASE, ESTIMATES
from finer.store import read_tables
from finer.tables import drawing
from finer.tables.labels import RANDOM_GUESS, SETTING_TITLES
from finer.tables.published_values import GRANULARITY_MODEL, check_published_row, published_granularity
from finer.tables.shown import Shown, Subject
from finer.tables.study import LINES, overall, study_rows
from finer.tables.tidy import TIDY, check_grid, ordered, select

_COLUMNS = [*TIDY, "n_images", "interval", "scorer", "statistic", "entity_count"]
_LIST_SETTINGS = ("multi_obj", "multi_attr", "multi_rel")  # the settings whose queries count entities
#: what is asked -> its name in the legend, its colour and its marker
_ASKED = {
    "no_share": ("wrong query: “no”", drawing.COLOURS[1], "o"),
    "yes_share": ("matched true query: “yes”", drawing.COLOURS[0], "s"),
}
_YES_NO_SCORER = "strict"
_WIDTH = 8.4  # of all panels of a row together, at least, in inches


def write_granularity(estimates: Sequence[str | Path], outputs: Sequence[str | Path], shown: Shown) -> None:
    """Write each output by its suffix (.svg, .png, .csv): share of right answers per level, model and benchmark."""
    rows = granularity_rows(read_tables(estimates, ESTIMATES), shown)
    with drawing.styled():
        drawing.write_figure(granularity_figure(rows, shown), rows, outputs)


def write_entity_count(estimates: Sequence[str | Path], outputs: Sequence[str | Path], shown: Shown) -> None:
    """Write each output by its suffix (.svg, .png, .csv): paired accuracy per entity count, setting and benchmark."""
    rows = entity_count_rows(read_tables(estimates, ESTIMATES), shown)
    with drawing.styled():
        drawing.write_figure(entity_count_figure(rows, shown), rows, outputs)


def write_study(estimates: Sequence[str | Path], outputs: Sequence[str | Path], shown: Shown, title: str) -> None:
    """Write each output by its suffix (.svg, .png, .csv): what a study's models get right, setting by setting."""
    rows = shown.only(overall(study_rows(read_tables(estimates, ESTIMATES), shown))).filter(
        pl.col("setting").is_in(list(SETTING_TITLES)), pl.col("answering") == shown.answering
    )
    with drawing.styled():
        drawing.write_figure(study_figure(rows, shown, title), rows, outputs)


def study_figure(rows: pl.DataFrame, shown: Shown, title: str) -> Figure:
    """Draw one panel each for pairs, right and wrong queries: the study's models across, a line a setting."""
    subjects = shown.order
    places = pl.DataFrame(
        {"model": [m for m, _ in subjects], "variant": [v for _, v in subjects], "x": range(len(subjects))}
    )
    settings = [name for name in SETTING_TITLES if name in rows["setting"].unique()]
    looks = {name: drawing.look(drawing.COLOURS[place], drawing.MARKERS[place], tuned=False)
             for place, name in enumerate(settings)}  # fmt: skip
    figure, panels = drawing.panels(1, len(LINES), width=2.9, height=2.6)
    for axes, (label, (statistic, _)) in zip(panels[0], LINES.items(), strict=True):
        here = rows.filter(pl.col("statistic") == statistic).join(places, on=["model", "variant"])
        for place, name in enumerate(settings):
            moved = drawing.shift(place, len(settings))
            drawing.line(axes, here.filter(pl.col("setting") == name), looks[name], moved)
        axes.set_title(label.capitalize())
        axes.set_xticks(range(len(subjects)), [shown.title(subject) for subject in subjects])
    panels[0][len(LINES) // 2].set_xlabel(title)  # one for all: it may be longer than a panel is wide
    panels[0][0].set_ylabel("%")
    handles = [Line2D([], [], label=SETTING_TITLES[name], **looks[name]) for name in settings]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    drawing.note(figure, f"Bars: {shown.level} intervals, clustered by image.")
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
    """Draw one row of panels a benchmark and one column a model: "no" to wrong queries, "yes" to matched true ones."""
    names = [name for name in shown.benchmarks if name in rows["benchmark"].unique()]
    families = _families(shown)
    figure, panels = drawing.panels(len(names), len(families), max(2.3, _WIDTH / len(families)), 2.4)
    printed = _published_points(shown)
    for down, name in enumerate(names):
        for across, (model, family) in enumerate(families.items()):
            axes = panels[down][across]
            here = rows.filter(pl.col("benchmark") == name).with_columns(
                x=pl.col("setting").str.strip_prefix("level_").cast(pl.Int64)
            )
            for subject, statistic, moved in _granularity_lines(family):
                _, colour, marker = _ASKED[statistic]
                own = here.filter(_is(subject), pl.col("statistic") == statistic)
                drawing.line(axes, own, drawing.look(colour, marker, subject[1] != BASE), moved)
                if statistic == "no_share":
                    _draw_published(axes, printed.filter(_is(subject), pl.col("benchmark") == name), moved)
            axes.set_xticks(range(1, 8))
            if down == 0:
                axes.set_title(_plain(shown, model))
            if across == 0:
                axes.set_ylabel(f"{shown.benchmarks[name]}\nanswered rightly (%)")
            if down == len(names) - 1:
                axes.set_xlabel("Level of granularity")
    text = f"Bars: {shown.level} intervals, clustered by image."
    drawing.note(
        figure, text + (" Crosses: published shares of “no”, read off a plot (black: tuned)." if printed.height else "")
    )
    _legend(figure, list(_ASKED.values()), shown)
    return figure


def entity_count_figure(rows: pl.DataFrame, shown: Shown) -> Figure:
    """Draw one row of panels a model and one column a benchmark and setting; the dotted line is guessing."""
    places = [
        (name, setting)
        for name in shown.benchmarks for setting in _LIST_SETTINGS
        if rows.filter(pl.col("benchmark") == name, pl.col("setting") == setting).height
    ]  # fmt: skip
    families = _families(shown)
    figure, panels = drawing.panels(len(families), len(places), max(1.75, _WIDTH / len(places)), 1.9)
    things = {"multi_obj": "objects", "multi_attr": "attributes", "multi_rel": "relations"}
    for down, (model, family) in enumerate(families.items()):
        colour, marker = (every[down % len(every)] for every in (drawing.COLOURS, drawing.MARKERS))
        for across, (name, setting) in enumerate(places):
            axes = panels[down][across]
            here = rows.filter(pl.col("benchmark") == name, pl.col("setting") == setting)
            for place, subject in enumerate(family):
                own = here.filter(_is(subject)).with_columns(x=pl.col("entity_count"))
                look = drawing.look(colour, marker, subject[1] != BASE)
                drawing.line(axes, own, look, drawing.shift(place, len(family)))
            axes.axhline(RANDOM_GUESS, color="#777777", linestyle=":", linewidth=1.1, zorder=1)
            counts = here["entity_count"].unique().sort().to_list()
            axes.set_xticks(counts)
            axes.set_xlim(min(counts, default=1) - 0.5, max(counts, default=1) + 0.5)
            if down == 0:
                axes.set_title(f"{shown.benchmarks[name]}\n{SETTING_TITLES[setting]}")
            if across == 0:
                axes.set_ylabel(f"{_plain(shown, model)}\npaired accuracy (%)")
            if down == len(families) - 1:
                axes.set_xlabel(f"Number of {things[setting]}")
    drawing.note(figure, f"Bars: {shown.level} intervals, clustered by image. Dotted: random guess, 4 %.")
    _legend(figure, [], shown)
    return figure


def _families(shown: Shown) -> dict[str, list[Subject]]:
    """Return, per model, its rows in order."""
    found: dict[str, list[Subject]] = {}
    for model, variant in shown.order:
        found.setdefault(model, []).append((model, variant))
    return found


def _granularity_lines(family: Sequence[Subject]) -> Iterator[tuple[Subject, str, float]]:
    """Yield each line of a panel with how far its points are moved."""
    kinds = [(subject, statistic) for subject in family for statistic in _ASKED]
    for place, (subject, statistic) in enumerate(kinds):
        yield subject, statistic, drawing.shift(place, len(kinds))


def _plain(shown: Shown, model: str) -> str:
    """Return the name of a model without the title of an adapter."""
    name = next(name for subject, name in zip(shown.order, shown.models.values(), strict=True) if subject[0] == model)
    return f"{name.title} {name.size}".strip()


def _is(subject: Subject) -> pl.Expr:
    return (pl.col("model") == subject[0]) & (pl.col("variant") == subject[1])


def _published_points(shown: Shown) -> pl.DataFrame:
    """The published points of the rows shown: columns of ``published_granularity`` and model, variant."""
    rows = []
    for subject in shown.order:
        if (row := shown.name(subject).published) is not None:
            check_published_row(row, subject[0])
            if row == GRANULARITY_MODEL:
                rows.append({"model": subject[0], "variant": subject[1], "tuned": subject[1] != BASE})
    named = pl.DataFrame(rows, schema={"model": pl.String, "variant": pl.String, "tuned": pl.Boolean})
    return named.join(published_granularity(), on="tuned").sort("model", "variant", "benchmark", "level")


def _draw_published(axes: Axes, points: pl.DataFrame, moved: float) -> None:
    for (variant,), here in points.group_by("variant", maintain_order=True):
        colour = _ASKED["no_share"][1] if variant == BASE else "#000000"
        x = here["level"].to_numpy() + moved
        axes.scatter(x, here["published"].to_numpy(), marker="x", s=34, linewidths=1.3, color=colour, zorder=4)


def _legend(figure: Figure, kinds: Sequence[tuple[str, str, str]], shown: Shown) -> None:
    """Add one legend for all panels: what the colours are and, if anything is tuned, what the lines are."""
    handles = [Line2D([], [], label=label, **drawing.look(colour, marker, False)) for label, colour, marker in kinds]
    titles = list(dict.fromkeys(shown.name(subject).variant or subject[1] for subject in shown.tuned))
    if titles:
        for label, tuned in (("base", False), (", ".join(titles), True)):
            handles.append(Line2D([], [], label=label, **drawing.look(drawing.GREY, "o", tuned)))
    if handles:
        figure.legend(handles=handles, loc="outside upper center", ncols=4)
