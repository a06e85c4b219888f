"""ChartQA's two files: bar and line charts; people's questions need two values, the machine's look up one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from finer.keys import generator
from finer.store import write_text
from finer.world.catalogue import CELL, SIDE, WORLD
from finer.world.pictures import GENERAL, Chart, Pixels, draw_picture
from finer.world.pools import draw_unique
from finer.world.suites.writing import POOL

LINE_SHARE = 0.25
PLACES = ("first", "second", "third", "last")
_DOT_PX = 3
Question = tuple[str, str]  # question, answer


@dataclass(frozen=True)
class LineChart:
    """A line through four points: its colour and the heights (in half cells) from left to right."""

    color: str
    heights: tuple[int, ...]
    grey: int

    @property
    def content(self) -> str:
        """What the picture shows."""
        return f"line:{self.color},{self.heights},{self.grey}"

    @property
    def graph_hash(self) -> str:
        """32 hex digits of what the picture shows."""
        return hashlib.sha256(self.content.encode()).hexdigest()[:32]

    def pixels(self) -> Pixels:
        """Return uint8 of shape (96, 96, 3)."""
        image = Image.new("RGB", (SIDE, SIDE), (self.grey, self.grey, self.grey))
        pen, rgb = ImageDraw.Draw(image), tuple(WORLD["colors"][self.color])
        points = [
            (column * CELL + CELL // 2, SIDE - 1 - height * CELL // 2) for column, height in enumerate(self.heights)
        ]
        pen.line(points, fill=rgb, width=2)
        for x, y in points:
            pen.rectangle([x - _DOT_PX, y - _DOT_PX, x + _DOT_PX, y + _DOT_PX], fill=rgb)
        return np.asarray(image)


Charts = Chart | LineChart


def write(seed: int, count: int, folder: Path) -> Sequence[Charts]:
    """Write ``test_human.json``, ``test_augmented.json`` and the images: two questions a chart, one in each file."""
    charts = draw_unique(seed, POOL, max(1, count // 2), "chartqa", _draw)
    rows: dict[str, list[dict[str, str]]] = {"human": [], "augmented": []}
    for chart in charts:
        rng = generator(seed, "chartqa", chart.graph_hash)
        name = _save(folder, f"{int(chart.graph_hash[:10], 16)}.png", chart.pixels())
        for split, ask in (("human", _reasoning), ("augmented", _looking_up)):
            question, answer = ask(chart, rng)
            rows[split].append({"imgname": name, "query": question, "label": answer})
    for split, found in rows.items():
        write_text(folder / f"test_{split}.json", json.dumps(found, indent=1) + "\n")
    return charts


def _draw(rng: Random) -> Charts:
    if rng.random() < LINE_SHARE:
        heights = rng.sample(range(1, GENERAL["bars"]["highest"] + 1), len(PLACES))
        return LineChart(rng.choice(list(WORLD["colors"])), tuple(heights), rng.randint(225, 250))
    while True:
        picture = draw_picture(rng)
        if isinstance(picture, Chart):
            return picture


def _looking_up(chart: Charts, rng: Random) -> Question:
    if isinstance(chart, LineChart):
        place = rng.randrange(len(PLACES))
        return f"How high is the line at the {PLACES[place]} point?", str(chart.heights[place])
    color, height = rng.choice(chart.bars)
    return f"How high is the {color} bar?", str(height)


def _reasoning(chart: Charts, rng: Random) -> Question:
    return rng.choice(_OF_LINES)(chart, rng) if isinstance(chart, LineChart) else rng.choice(_OF_BARS)(chart, rng)


def _heights(chart: Charts) -> tuple[int, ...]:
    return chart.heights if isinstance(chart, LineChart) else tuple(height for _, height in chart.bars)


def _range(chart: Charts, rng: Random) -> Question:
    heights = _heights(chart)
    named = "points" if isinstance(chart, LineChart) else "bars"
    question = f"What is the difference between the highest and the lowest of the {named}?"
    return question, str(max(heights) - min(heights))


def _rising(chart: Charts, rng: Random) -> Question:
    heights = _heights(chart)
    question = "Is the last point higher than the first point?"
    return question, "Yes" if heights[-1] > heights[0] else "No"


def _number(chart: Charts, rng: Random) -> Question:
    return "How many bars are there?", str(len(_heights(chart)))


def _highest(chart: Charts, rng: Random) -> Question:
    assert isinstance(chart, Chart)
    return "Which bar is the highest?", max(chart.bars, key=lambda bar: bar[1])[0]


def _higher(chart: Charts, rng: Random) -> Question:
    assert isinstance(chart, Chart)
    (one, first), (other, second) = rng.sample(chart.bars, 2)
    return f"Is the {one} bar higher than the {other} bar?", "Yes" if first > second else "No"


_OF_BARS: Sequence[Callable[[Charts, Random], Question]] = (_range, _number, _highest, _higher)
_OF_LINES: Sequence[Callable[[Charts, Random], Question]] = (_range, _rising)


def _save(folder: Path, name: str, pixels: Pixels) -> str:
    """Save an image as PNG, the format of the official ones; return its name."""
    path = folder / "images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format="PNG")
    return name
