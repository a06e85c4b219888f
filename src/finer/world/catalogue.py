"""What exists in the micro world: kinds, attribute values, their uneven frequencies; read from ``world.yaml``."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from itertools import accumulate
from random import Random
from typing import Any

import yaml

GRID = 4  # cells a side
CELL = 24  # pixels a side of a cell
SIDE = GRID * CELL  # pixels a side of an image


def read_yaml(name: str) -> dict[str, Any]:
    """Return a data file that lies beside this module."""
    loaded = yaml.safe_load(files("finer.world").joinpath(name).read_text(encoding="utf-8"))
    return dict(loaded)


WORLD = read_yaml("world.yaml")
COLORS: tuple[str, ...] = tuple(WORLD["colors"])
PATTERNS: tuple[str, ...] = tuple(WORLD["patterns"])
SIZES: tuple[str, ...] = tuple(WORLD["sizes"])
FIGURES: tuple[str, ...] = tuple(WORLD["kinds"])
CONTAINERS: tuple[str, ...] = tuple(WORLD["containers"])
SUPPORTS: tuple[str, ...] = tuple(WORLD["supports"])
HOLDERS = CONTAINERS + SUPPORTS
KINDS = FIGURES + HOLDERS


class Choice:
    """A weighted choice that costs one random number and a search."""

    def __init__(self, weights: dict[Any, float]) -> None:
        self.values = list(weights)
        self.cumulative = list(accumulate(weights.values()))

    def draw(self, rng: Random) -> Any:
        """Return one value."""
        return rng.choices(self.values, cum_weights=self.cumulative)[0]


@cache
def choice(attribute: str, kind: str) -> Choice:
    """Return the distribution of an attribute (color, pattern, size, row) for a kind."""
    if attribute == "row":
        return Choice(dict(enumerate(WORLD["row_boosts"].get(kind, [1] * GRID))))
    values = {
        "color": dict.fromkeys(COLORS, 1.0),
        "pattern": WORLD["patterns"],
        "size": WORLD["sizes"],
    }[attribute]
    boosts = WORLD[f"{attribute}_boosts"].get(kind, {})
    return Choice({value: weight * boosts.get(value, 1.0) for value, weight in values.items()})


@cache
def kind_weights(theme: str | None) -> dict[str, float]:
    """Return the weights of the figures under a theme."""
    members = WORLD["themes"][theme] if theme else []
    return {
        kind: weight * (WORLD["theme_boost"] if kind in members else 1.0) for kind, weight in WORLD["kinds"].items()
    }
