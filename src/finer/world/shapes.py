"""Outlines of the kinds of thing, drawn as filled shapes with a few inked details.

Coordinates are in units of the thing's radius, x to the right, y down, the origin at the centre of its cell.
Each drawing function fills the body with ``paint`` and draws details that tell the kind with ``ink``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from PIL.ImageDraw import ImageDraw

Point = tuple[float, float]


class Pen:
    """Draws in radius units on a supersampled canvas."""

    def __init__(self, body: ImageDraw, details: ImageDraw, centre: float, radius: float) -> None:
        self.body, self.details, self.centre, self.radius = body, details, centre, radius

    def _at(self, points: Sequence[Point]) -> list[Point]:
        return [(self.centre + x * self.radius, self.centre + y * self.radius) for x, y in points]

    def polygon(self, *points: Point) -> None:
        """Fill a polygon of the body."""
        self.body.polygon(self._at(points), fill=255)

    def ellipse(self, left: float, top: float, right: float, bottom: float, fill: int = 255) -> None:
        """Fill an ellipse of the body; fill 0 cuts it out."""
        (x0, y0), (x1, y1) = self._at([(left, top), (right, bottom)])
        self.body.ellipse([x0, y0, x1, y1], fill=fill)

    def box(self, left: float, top: float, right: float, bottom: float, fill: int = 255) -> None:
        """Fill a rectangle of the body; fill 0 cuts it out."""
        (x0, y0), (x1, y1) = self._at([(left, top), (right, bottom)])
        self.body.rectangle([x0, y0, x1, y1], fill=fill)

    def ink_ellipse(self, left: float, top: float, right: float, bottom: float) -> None:
        """Ink an ellipse."""
        (x0, y0), (x1, y1) = self._at([(left, top), (right, bottom)])
        self.details.ellipse([x0, y0, x1, y1], fill=255)

    def ink_box(self, left: float, top: float, right: float, bottom: float) -> None:
        """Ink a rectangle."""
        (x0, y0), (x1, y1) = self._at([(left, top), (right, bottom)])
        self.details.rectangle([x0, y0, x1, y1], fill=255)


def _ball(pen: Pen) -> None:
    pen.ellipse(-1, -1, 1, 1)


def _block(pen: Pen) -> None:
    pen.box(-0.86, -0.86, 0.86, 0.86)


def _cone(pen: Pen) -> None:
    pen.polygon((0, -1), (1, 0.9), (-1, 0.9))


def _kite(pen: Pen) -> None:
    pen.polygon((0, -1), (0.7, -0.3), (0, 0.75), (-0.7, -0.3))
    pen.ink_box(-0.07, 0.7, 0.07, 1)
    pen.ink_ellipse(-0.3, 0.78, 0.3, 1.02)


def _star(pen: Pen) -> None:
    tips = [(1.0 if i % 2 == 0 else 0.42, math.pi * i / 5) for i in range(10)]
    pen.polygon(*[(r * math.sin(a) * 1.05, -r * math.cos(a) * 1.05 + 0.08) for r, a in tips])


def _heart(pen: Pen) -> None:
    pen.ellipse(-1, -0.9, 0.08, 0.2)
    pen.ellipse(-0.08, -0.9, 1, 0.2)
    pen.polygon((-0.97, -0.15), (0.97, -0.15), (0, 1))


def _cross(pen: Pen) -> None:
    pen.box(-0.36, -1, 0.36, 1)
    pen.box(-1, -0.36, 1, 0.36)


def _moon(pen: Pen) -> None:
    pen.ellipse(-1, -1, 1, 1)
    pen.ellipse(-0.28, -0.88, 1.48, 0.88, fill=0)


def _tree(pen: Pen) -> None:
    pen.box(-0.2, 0.3, 0.2, 1)
    pen.polygon((0, -1), (0.6, -0.15), (-0.6, -0.15))
    pen.polygon((0, -0.6), (0.9, 0.5), (-0.9, 0.5))


def _house(pen: Pen) -> None:
    pen.polygon((0, -1), (1, -0.1), (-1, -0.1))
    pen.box(-0.75, -0.1, 0.75, 0.95)
    pen.ink_box(-0.2, 0.35, 0.2, 0.95)


def _fish(pen: Pen) -> None:
    pen.ellipse(-1, -0.58, 0.5, 0.58)
    pen.polygon((0.25, 0), (1, -0.65), (1, 0.65))
    pen.ink_ellipse(-0.75, -0.28, -0.5, -0.03)


def _cup(pen: Pen) -> None:
    pen.ellipse(0.3, -0.55, 1.05, 0.4)
    pen.ellipse(0.48, -0.33, 0.83, 0.18, fill=0)
    pen.polygon((-0.95, -0.8), (0.65, -0.8), (0.45, 0.95), (-0.75, 0.95))


def _arrow(pen: Pen) -> None:
    pen.polygon((-1, -0.3), (0.1, -0.3), (0.1, -0.88), (1, 0), (0.1, 0.88), (0.1, 0.3), (-1, 0.3))


def _flower(pen: Pen) -> None:
    for petal in range(5):
        x, y = 0.58 * math.sin(2 * math.pi * petal / 5), -0.58 * math.cos(2 * math.pi * petal / 5)
        pen.ellipse(x - 0.42, y - 0.42, x + 0.42, y + 0.42)
    pen.ellipse(-0.35, -0.35, 0.35, 0.35)
    pen.ink_ellipse(-0.24, -0.24, 0.24, 0.24)


def _bolt(pen: Pen) -> None:
    pen.polygon((0.55, -1), (-0.9, 0.25), (-0.2, 0.25), (-0.55, 1), (0.9, -0.35), (0.15, -0.35))


def _boat(pen: Pen) -> None:
    pen.polygon((-1, 0.35), (1, 0.35), (0.6, 0.95), (-0.6, 0.95))
    pen.polygon((0.05, -1), (0.8, 0.2), (0.05, 0.2))
    pen.polygon((-0.1, -0.7), (-0.65, 0.2), (-0.1, 0.2))
    pen.ink_box(-0.1, -1, 0.05, 0.35)


FIGURE_SHAPES: dict[str, Callable[[Pen], None]] = {
    "ball": _ball, "block": _block, "cone": _cone, "kite": _kite, "star": _star, "heart": _heart, "cross": _cross,
    "moon": _moon, "tree": _tree, "house": _house, "fish": _fish, "cup": _cup, "arrow": _arrow, "flower": _flower,
    "bolt": _bolt, "boat": _boat,
}  # fmt: skip
