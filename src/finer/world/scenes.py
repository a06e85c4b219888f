"""Scenes of the micro world: things with attributes on a 4 x 4 grid, drawn from a generator, and their truth.

A thing may lie inside a container or rest on top of a support: the two then share a cell. Relations between
other things follow from cells: only the clearly larger of the two offsets counts, so diagonals have none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from random import Random

from finer.world.catalogue import (
    CONTAINERS,
    FIGURES,
    GRID,
    HOLDERS,
    SUPPORTS,
    WORLD,
    Choice,
    choice,
    kind_weights,
)

JITTER = 2  # pixels by which a thing may be off the centre of its cell, each way
LEFT, RIGHT, ABOVE, BELOW = "left", "right", "above", "below"
INSIDE, ON_TOP = "inside", "on_top"
PLACES = (LEFT, RIGHT, ABOVE, BELOW)
RELATIONS = (*PLACES, INSIDE, ON_TOP)
CONVERSE = {LEFT: RIGHT, RIGHT: LEFT, ABOVE: BELOW, BELOW: ABOVE}


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing. Containers and supports have a colour only: their pattern and size are None.

    ``holder`` is the index of the container or support that this thing is in or on, within its scene.
    """

    kind: str
    color: str
    pattern: str | None
    size: str | None
    outlined: bool
    row: int
    column: int
    shift: tuple[int, int]  # pixels (down, right) off the centre of the cell
    holder: int | None = None
    raised: bool = False  # drawn higher in its cell, on top of a support

    @property
    def label(self) -> str:
        """What the thing is, without where it is; no two things of one scene share it."""
        return f"{self.kind},{self.color},{self.pattern},{self.size},{self.outlined}"

    @property
    def is_figure(self) -> bool:
        """False for containers and supports."""
        return self.pattern is not None


@dataclass(frozen=True)
class Scene:
    """Things and what else decides the pixels: the grey of the background and the place in the noise."""

    things: tuple[Thing, ...]
    grey: int
    noise: int

    @cached_property
    def relations(self) -> dict[tuple[int, int], str]:
        """Map (i, j) to the one relation that clearly holds of thing i to thing j; other pairs are missing."""
        found = {}
        for i, one in enumerate(self.things):
            for j, other in enumerate(self.things):
                if i != j and (name := relation(self, one, other, j)):
                    found[i, j] = name
        return found

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of things of each kind."""
        counted: dict[str, int] = {}
        for thing in self.things:
            counted[thing.kind] = counted.get(thing.kind, 0) + 1
        return counted

    @cached_property
    def graph_hash(self) -> str:
        """32 hex digits of the scene graph: kinds, attributes, relations; not order, cells or pixels."""
        labels = [thing.label for thing in self.things]
        edges = [f"{labels[i]}>{name}>{labels[j]}" for (i, j), name in self.relations.items()]
        text = ";".join([*sorted(labels), "|", *sorted(edges)])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def unique(self, index: int) -> bool:
        """Whether the thing is the only one of its kind."""
        return self.counts[self.things[index].kind] == 1

    def holds(self, name: str, i: int, j: int) -> bool | None:
        """Whether the relation holds of thing i to thing j; None where a person might say either."""
        known = self.relations.get((i, j))
        if known == name:
            return True
        one, other = self.things[i], self.things[j]
        if (one.row, one.column) == (other.row, other.column):
            return None if name in (ABOVE, BELOW) else False
        if known is None and name in PLACES:
            down, right = one.row - other.row, one.column - other.column
            possible = (ABOVE if down < 0 else BELOW, LEFT if right < 0 else RIGHT)
            return None if name in possible else False
        return False


def relation(scene: Scene, one: Thing, other: Thing, other_index: int) -> str | None:
    """Return the relation that clearly holds of ``one`` to ``other``, or None."""
    if one.holder == other_index:
        return INSIDE if other.kind in CONTAINERS else ON_TOP
    down, right = one.row - other.row, one.column - other.column
    if abs(down) == abs(right):  # a diagonal, or the holder of this thing
        return None
    if abs(right) > abs(down):
        return LEFT if right < 0 else RIGHT
    return ABOVE if down < 0 else BELOW


def draw_scene(rng: Random) -> Scene:
    """Draw a scene of one to eight things."""
    count = _COUNTS.draw(rng)
    theme = rng.choice(_THEMES) if rng.random() < WORLD["theme_share"] else None
    holders = _draw_holders(rng, count, theme)
    kinds = _draw_kinds(rng, count - len(holders), theme)
    taken: set[tuple[int, int]] = set()
    things: list[Thing] = []
    free = list(range(len(holders)))
    for kind in holders:
        row, column = _draw_cell(rng, kind, taken)
        things.append(Thing(kind, choice("color", kind).draw(rng), None, None, False, row, column, _draw_shift(rng)))
    free = [index for index in free if rng.random() < WORLD["filled_share"]]
    labels: set[str] = set()
    for kind in kinds:
        holder = free.pop() if free else None
        while True:
            thing = _draw_figure(rng, kind, holder, things, taken)
            if thing.label not in labels:  # twins must differ in what can be said of them
                break
            taken.discard((thing.row, thing.column))
        labels.add(thing.label)
        if holder is not None:
            taken.add((thing.row, thing.column))
        things.append(thing)
    order = list(range(len(things)))
    rng.shuffle(order)
    return Scene(_reordered(things, order), rng.randint(165, 212), rng.getrandbits(30))


def _reordered(things: list[Thing], order: list[int]) -> tuple[Thing, ...]:
    """Return the things in this order with holders renumbered."""
    new = {old: place for place, old in enumerate(order)}
    moved = []
    for old in order:
        thing = things[old]
        holder = None if thing.holder is None else new[thing.holder]
        moved.append(
            Thing(
                thing.kind, thing.color, thing.pattern, thing.size, thing.outlined,
                thing.row, thing.column, thing.shift, holder, thing.raised,
            )
        )  # fmt: skip
    return tuple(moved)


def _draw_holders(rng: Random, count: int, theme: str | None) -> list[str]:
    members = WORLD["themes"][theme] if theme else ()
    shares = {**WORLD["containers"], **WORLD["supports"]}
    drawn = [kind for kind in HOLDERS if rng.random() < shares[kind] * (1.6 if kind in members else 1.0)]
    rng.shuffle(drawn)
    return drawn[: max(0, count // 2)]


def _draw_kinds(rng: Random, count: int, theme: str | None) -> list[str]:
    """Draw distinct kinds, or with one kind twice."""
    weights = dict(kind_weights(theme))
    kinds: list[str] = []
    twins = count >= 2 and rng.random() < WORLD["scenes"]["twin_share"]
    for _ in range(count - twins):
        kind = Choice(weights).draw(rng)
        del weights[kind]
        kinds.append(kind)
    if twins:
        kinds.append(rng.choice(kinds))
    rng.shuffle(kinds)
    return kinds


def _draw_figure(rng: Random, kind: str, holder: int | None, things: list[Thing], taken: set[tuple[int, int]]) -> Thing:
    if holder is None:
        row, column = _draw_cell(rng, kind, taken)
        shift, size = _draw_shift(rng), choice("size", kind).draw(rng)
    else:  # only small things fit, and they move with what holds them
        row, column, shift, size = things[holder].row, things[holder].column, things[holder].shift, "small"
    return Thing(
        kind, choice("color", kind).draw(rng), choice("pattern", kind).draw(rng), size,
        rng.random() < WORLD["outline_share"], row, column, shift, holder,
        holder is not None and things[holder].kind in SUPPORTS,
    )  # fmt: skip


def _draw_cell(rng: Random, kind: str, taken: set[tuple[int, int]]) -> tuple[int, int]:
    while True:
        cell = (choice("row", kind).draw(rng), rng.randrange(GRID))
        if cell not in taken:
            taken.add(cell)
            return cell


def _draw_shift(rng: Random) -> tuple[int, int]:
    return rng.randint(-JITTER, JITTER), rng.randint(-JITTER, JITTER)


_COUNTS = Choice(WORLD["scenes"]["counts"])
_THEMES = list(WORLD["themes"])

__all__ = ["CONTAINERS", "FIGURES", "HOLDERS", "SUPPORTS", "Scene", "Thing", "draw_scene", "relation"]
