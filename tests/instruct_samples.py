"""A few made-up instruct rows: coloured squares in cells, for tests of base training."""

from __future__ import annotations

import io
import random
from pathlib import Path

import polars as pl
from PIL import Image, ImageDraw

COLORS = ("red", "green", "blue", "yellow")
SCHEMA = {
    "image_id": pl.Utf8, "image": pl.Binary, "cells": pl.List(pl.Int64),
    "conversations": pl.List(
        pl.Struct({"task": pl.Utf8, "question": pl.Utf8, "answer": pl.Utf8, "negative": pl.Boolean})
    ),
}  # fmt: skip


def _row(number: int) -> dict[str, object]:
    draw = random.Random(number)
    image = Image.new("RGB", (96, 96), "white")
    pen = ImageDraw.Draw(image)
    cells, items = [], []
    for place in range(16):
        color = draw.randrange(len(COLORS)) if draw.random() < 0.4 else None
        cells += [1, color + 1, 0, 0, 0, 0, 0] if color is not None else [0] * 7
        if color is None:
            continue
        x, y = place % 4 * 24, place // 4 * 24
        pen.rectangle((x + 4, y + 4, x + 19, y + 19), fill=COLORS[color])
        name = f"row {place // 4 + 1} column {place % 4 + 1}"
        items.append(("lookup", f"What is in {name}?", f"{COLORS[color]} square"))
        options = draw.sample(COLORS, 4)
        text = "".join(f"\n{letter}. {option}" for letter, option in zip("ABCD", options, strict=True))
        items.append(("mcq", f"What is in {name}? Answer with one letter.{text}", "ABCD"[options.index(COLORS[color])]))
        asked = draw.choice(COLORS)
        items.append(("presence", f"Is the square in {name} {asked}?", "Yes" if asked == COLORS[color] else "No"))
    items.append(("short", "How many squares are there?", str(len(items) // 3)))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=95)
    keys = ("task", "question", "answer", "negative")
    return {
        "image_id": f"i{number}", "image": data.getvalue(), "cells": cells,
        "conversations": [
            dict(zip(keys, (*item, item[0] == "mcq" and number % 2 == 1), strict=True))
            for number, item in enumerate(items)
        ],
    }  # fmt: skip


def write_instruct(path: Path, images: int) -> Path:
    """Write a Parquet file of so many images."""
    pl.DataFrame([_row(number) for number in range(images)], schema=SCHEMA, orient="row").write_parquet(path)
    return path
