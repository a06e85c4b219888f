"""Pairs with the answers of every model, and a contact sheet of the images: what a reader should see before numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

from finer.errors import InputError
from finer.keys import stable_key
from finer.schemas import IMAGES, ITEMS, SETTINGS, VERDICTS
from finer.scoring.parsers import LETTERS
from finer.store import atomic_path, read_tables, write_text
from finer.tables.labels import SETTING_TITLES
from finer.tables.shown import Shown

PAIRS = 10
ACROSS, DOWN = 8, 4
EDGE = 192  # pixels of an image on the sheet
GAP = 8


def write_examples(
    items: Sequence[str | Path], verdicts: Sequence[str | Path], images: Sequence[str | Path], seed: int,
    out: str | Path, sheet: str | Path, shown: Shown,
) -> None:  # fmt: skip
    """Write ``PAIRS`` pairs with all answers as Markdown, and a sheet of images as PNG, both drawn by key."""
    pictures = read_tables(images, IMAGES)
    text = examples(read_tables(items, ITEMS), read_tables(verdicts, VERDICTS), pictures, seed, shown)
    write_text(out, text)
    write_sheet(pictures, seed, sheet)


def examples(items: pl.DataFrame, verdicts: pl.DataFrame, images: pl.DataFrame, seed: int, shown: Shown) -> str:
    """Return the pairs in the order drawn, of the settings in turn, with what each model chose.

    Args:
        items, verdicts: ITEMS and VERDICTS of the suite; those of the configured answering with the image are shown.
        images: IMAGES, for file names.
        seed: of the draw.
        shown: models and benchmarks in order.
    """
    asked = items.filter(pl.col("answering") == shown.answering, pl.col("control") == "none")
    said = verdicts.filter(
        pl.col("answering") == shown.answering, pl.col("control") == "none", pl.col("scorer") == shown.scorer
    )
    files = dict(images.select("image_id", "file_name").iter_rows())
    chosen = {(row["item_id"], row["model"], row["variant"]): row["prediction"] for row in said.iter_rows(named=True)}
    subjects = shown.subjects(said)
    parts = [f"# {PAIRS} pairs with the models' answers\n", _reading(shown)]
    for number, group in enumerate(_drawn(asked, seed), start=1):
        pair = asked.filter(pl.col("group_id") == group).sort("polarity", descending=True)  # positive first
        first = pair.row(0, named=True)
        title = f"{SETTING_TITLES[first['grouping']]}, {shown.benchmarks[first['benchmark']]}"
        parts.append(f"## {number}. {title}, `{files[first['image_id']]}`\n")
        for row in pair.iter_rows(named=True):
            answers = {shown.title(one): chosen[(row["item_id"], *one)] for one in subjects}
            parts.append(_question(row, answers))
    return "\n".join(parts)


def _reading(shown: Shown) -> str:
    return (
        f"Drawn by key, the settings in turn; the right option is in bold. {shown.how} Behind an option: the models "
        "that chose it.\n"
    )


def _drawn(asked: pl.DataFrame, seed: int) -> list[str]:
    """Return pairs drawn by key, one a setting in turn."""
    groups = asked.select("group_id", "grouping").unique().rows()
    by_setting = {
        setting: sorted((stable_key(seed, "example", group), group) for group, own in groups if own == setting)
        for setting in SETTINGS
    }
    turns = [
        by_setting[setting][turn][1]
        for turn in range(PAIRS) for setting in SETTINGS if turn < len(by_setting[setting])
    ]  # fmt: skip
    return turns[:PAIRS]


def _question(row: Mapping[str, Any], answers: Mapping[str, int | None]) -> str:
    question = next(line for line in row["prompt"].splitlines() if line.endswith("?"))
    lines = [f"*{row['polarity'].capitalize()}:* {question}\n"]
    for place, option in enumerate(row["options"]):
        text = f"{LETTERS[place]}. {option}"
        chose = [title for title, prediction in answers.items() if prediction == place]
        marked = f"**{text}**" if place == row["answer_index"] else text
        lines.append(f"- {marked}" + (f" ← {', '.join(chose)}" if chose else ""))
    if unread := [title for title, prediction in answers.items() if prediction is None]:
        lines.append(f"- (unread) ← {', '.join(unread)}")
    return "\n".join(lines) + "\n"


def write_sheet(images: pl.DataFrame, seed: int, out: str | Path) -> None:
    """Write a sheet of images, drawn by key.

    Raises:
        InputError: no image has a file.
    """
    paths = images.filter(pl.col("path").is_not_null()).select("image_id", "path").rows()
    if not paths:
        raise InputError("no images to show", field="path", found="none", expected="a table of images with files",
                         cure="give the benchmark its images")  # fmt: skip
    drawn = sorted((stable_key(seed, "sheet", image), path) for image, path in paths)[: ACROSS * DOWN]
    down = -(-len(drawn) // ACROSS)
    sheet = Image.new("RGB", (ACROSS * (EDGE + GAP) + GAP, down * (EDGE + GAP) + GAP), "white")
    for place, (_, path) in enumerate(drawn):
        row, column = divmod(place, ACROSS)
        with Image.open(path) as image:
            tile = image.convert("RGB").resize((EDGE, EDGE), Image.Resampling.LANCZOS)
        sheet.paste(tile, (GAP + column * (EDGE + GAP), GAP + row * (EDGE + GAP)))
    with atomic_path(out) as partial:
        sheet.save(partial, "PNG")
