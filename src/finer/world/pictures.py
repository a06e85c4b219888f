"""Pictures beside scenes: a sign, a bar chart, a scene with tiny marks, two pictures side by side.

Each knows its pixels, what its cells hold and a hash of its content, so that pools share none of them either.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from random import Random

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from finer.world.catalogue import CELL, COLORS, FIGURES, GRID, HOLDERS, PATTERNS, SIDE, SIZES, WORLD, choice, read_yaml
from finer.world.render import render
from finer.world.scenes import Scene, Thing, draw_scene

GENERAL = read_yaml("general.yaml")
GLYPHS = tuple(sorted({letter for word in GENERAL["words"] for letter in word}))
LABELS = 10  # kind, color, pattern, size, outline, kind and color of holder, glyph, fill of a bar, mark; 0 is none
_GLYPH, _FILL, _MARK = 7, 8, 9
_FONT_PX = 21
_MARK_PX = 4
_BAR_PX = 14
_LEFT_COLUMNS = GRID // 2
Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]  # 4 x 4 x LABELS


def scene_labels(scene: Scene) -> Labels:
    """Return what the cells of a scene hold; values count from 1 in the order of ``world.yaml``."""
    labels = np.zeros((GRID, GRID, LABELS), dtype=np.int64)
    for thing in scene.things:
        cell, color = labels[thing.row, thing.column], COLORS.index(thing.color) + 1
        if thing.pattern is None or thing.size is None:
            cell[5:7] = HOLDERS.index(thing.kind) + 1, color
        else:
            cell[:5] = (
                FIGURES.index(thing.kind) + 1, color, PATTERNS.index(thing.pattern) + 1, SIZES.index(thing.size) + 1,
                1 + (not thing.outlined),
            )  # fmt: skip
    return labels


class _Shown(ABC):
    """What all pictures have in common."""

    @property
    @abstractmethod
    def content(self) -> str:
        """What the picture shows, in words."""

    @property
    def graph_hash(self) -> str:
        """32 hex digits of what the picture shows."""
        return hashlib.sha256(self.content.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Sign(_Shown):
    """A word in large letters, one a cell."""

    word: str
    color: str
    row: int
    column: int
    grey: int

    @property
    def content(self) -> str:
        """What the picture shows."""
        return f"sign:{self.word},{self.color},{self.row},{self.column},{self.grey}"

    def pixels(self) -> Pixels:
        """Return uint8 of shape (96, 96, 3)."""
        image, pen = _canvas(self.grey)
        left, top = self.column * CELL, self.row * CELL
        pen.rectangle([left, top, left + len(self.word) * CELL - 1, top + CELL - 1], fill=(250, 250, 250))
        for place, letter in enumerate(self.word):
            middle = (left + place * CELL + CELL / 2, top + CELL / 2)
            pen.text(middle, letter.upper(), font=_font(), fill=_rgb(self.color), anchor="mm", stroke_width=1)
        return np.asarray(image)

    def labels(self) -> Labels:
        """Return what the cells hold."""
        labels = np.zeros((GRID, GRID, LABELS), dtype=np.int64)
        for place, letter in enumerate(self.word):
            cell = labels[self.row, self.column + place]
            cell[1], cell[_GLYPH] = COLORS.index(self.color) + 1, GLYPHS.index(letter) + 1
        return labels


@dataclass(frozen=True)
class Chart(_Shown):
    """A bar chart: colors and heights (in half cells) from left to right."""

    bars: tuple[tuple[str, int], ...]
    grey: int

    @property
    def content(self) -> str:
        """What the picture shows."""
        return f"chart:{self.bars},{self.grey}"

    def pixels(self) -> Pixels:
        """Return uint8 of shape (96, 96, 3)."""
        image, pen = _canvas(self.grey)
        for column, (color, height) in enumerate(self.bars):
            left = column * CELL + (CELL - _BAR_PX) // 2
            pen.rectangle([left, SIDE - height * CELL // 2, left + _BAR_PX - 1, SIDE - 1], fill=_rgb(color))
        return np.asarray(image)

    def labels(self) -> Labels:
        """Return what the cells hold."""
        labels = np.zeros((GRID, GRID, LABELS), dtype=np.int64)
        for column, (color, height) in enumerate(self.bars):
            for up in range(GRID):
                fill = min(max(height - 2 * up, 0), 2)
                if fill:
                    cell = labels[GRID - 1 - up, column]
                    cell[1], cell[_FILL] = COLORS.index(color) + 1, fill
        return labels


@dataclass(frozen=True)
class Marked(_Shown):
    """A scene in which some things carry a tiny dot at the corner of their cell."""

    scene: Scene
    marks: tuple[tuple[int, str], ...]  # place of the thing, color of the dot

    @property
    def content(self) -> str:
        """What the picture shows."""
        return f"marked:{self.scene.graph_hash},{self.marks}"

    def pixels(self) -> Pixels:
        """Return uint8 of shape (96, 96, 3)."""
        image = Image.fromarray(render(self.scene))
        pen = ImageDraw.Draw(image)
        for place, color in self.marks:
            thing = self.scene.things[place]
            left, top = (thing.column + 1) * CELL - _MARK_PX - 1, thing.row * CELL + 1
            pen.rectangle([left - 1, top - 1, left + _MARK_PX, top + _MARK_PX], fill=(0, 0, 0))
            pen.rectangle([left, top, left + _MARK_PX - 1, top + _MARK_PX - 1], fill=_rgb(color))
        return np.asarray(image)

    def labels(self) -> Labels:
        """Return what the cells hold."""
        labels = scene_labels(self.scene)
        for place, color in self.marks:
            thing = self.scene.things[place]
            labels[thing.row, thing.column, _MARK] = COLORS.index(color) + 1
        return labels


@dataclass(frozen=True)
class Compare(_Shown):
    """Two pictures side by side, alike but for one thing at most: ``(kind, color)`` left and right per cell."""

    left: tuple[Thing, ...]
    right: tuple[Thing, ...]  # the same places, two columns further; None of them differs, or one
    grey: int

    @property
    def changed(self) -> tuple[Thing, Thing] | None:
        """The things that differ, left and right."""
        pairs = zip(self.left, self.right, strict=True)
        return next(((one, other) for one, other in pairs if one.label != other.label), None)

    @property
    def content(self) -> str:
        """What the picture shows."""
        return f"compare:{[(t.label, t.row, t.column) for t in (*self.left, *self.right)]}"

    @cached_property
    def scene(self) -> Scene:
        """Both pictures as one scene."""
        return Scene((*self.left, *self.right), self.grey, 0)

    def pixels(self) -> Pixels:
        """Return uint8 of shape (96, 96, 3)."""
        picture = render(self.scene)
        picture[:, SIDE // 2 - 1 : SIDE // 2 + 1] = 20
        return picture

    def labels(self) -> Labels:
        """Return what the cells hold."""
        return scene_labels(self.scene)


Picture = Sign | Chart | Marked | Compare


def draw_picture(rng: Random) -> Picture:
    """Draw a picture of one of the kinds."""
    weights = GENERAL["weights"]
    return _DRAWN[rng.choices(list(weights), list(weights.values()))[0]](rng)


def _draw_sign(rng: Random) -> Sign:
    word = rng.choice(GENERAL["words"])
    color = rng.choice([name for name in COLORS if name not in ("yellow", "cyan", "pink")])  # readable on white
    return Sign(word, color, rng.randrange(GRID), rng.randint(0, GRID - len(word)), rng.randint(120, 200))


def _draw_chart(rng: Random) -> Chart:
    bars = GENERAL["bars"]
    count = rng.randint(bars["fewest"], bars["most"])
    colors, heights = rng.sample(COLORS, count), rng.sample(range(1, bars["highest"] + 1), count)
    return Chart(tuple(zip(colors, heights, strict=True)), rng.randint(225, 250))


def _draw_marked(rng: Random) -> Marked:
    while True:
        scene = draw_scene(rng)
        able = [place for place, thing in enumerate(scene.things) if scene.unique(place) and thing.holder is None]
        able = [place for place in able if not any(thing.holder == place for thing in scene.things)]
        if able:
            break
    chosen = rng.sample(able, min(len(able), rng.randint(1, 2)))
    return Marked(scene, tuple((place, rng.choice(GENERAL["mark_colors"])) for place in chosen))


def _draw_compare(rng: Random) -> Compare:
    count = rng.randint(1, 4)
    cells = rng.sample([(row, column) for row in range(GRID) for column in range(_LEFT_COLUMNS)], count)
    kinds = rng.sample(FIGURES, count)
    left = [_figure(rng, kind, row, column) for kind, (row, column) in zip(kinds, cells, strict=True)]
    right = [_moved(thing, thing.kind, thing.color) for thing in left]
    if rng.random() < 0.7:
        place = rng.randrange(count)
        thing = left[place]
        if rng.random() < 0.5:
            right[place] = _moved(thing, thing.kind, rng.choice([name for name in COLORS if name != thing.color]))
        else:
            right[place] = _moved(thing, rng.choice([kind for kind in FIGURES if kind not in kinds]), thing.color)
    return Compare(tuple(left), tuple(right), rng.randint(165, 212))


def _figure(rng: Random, kind: str, row: int, column: int) -> Thing:
    color, pattern, size = (choice(name, kind).draw(rng) for name in ("color", "pattern", "size"))
    return Thing(kind, color, pattern, size, rng.random() < WORLD["outline_share"], row, column, (0, 0))


def _moved(thing: Thing, kind: str, color: str) -> Thing:
    return Thing(
        kind, color, thing.pattern, thing.size, thing.outlined, thing.row, thing.column + _LEFT_COLUMNS, (0, 0)
    )


_DRAWN: dict[str, Callable[[Random], Picture]] = {
    "sign": _draw_sign, "chart": _draw_chart, "marked": _draw_marked, "compare": _draw_compare,
}  # fmt: skip


def _canvas(grey: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (SIDE, SIDE), (grey, grey, grey))
    return image, ImageDraw.Draw(image)


def _rgb(color: str) -> tuple[int, int, int]:
    red, green, blue = WORLD["colors"][color]
    return red, green, blue


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_FONT_PX)  # the font that Pillow brings along: the same on every machine
