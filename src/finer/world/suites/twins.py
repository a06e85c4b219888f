"""Two scenes alike but for one attribute or place of one thing, both of the suites' pool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from finer.keys import generator
from finer.world.catalogue import COLORS, GRID, PATTERNS, SIZES
from finer.world.pools import draw_pool, hash_position, pool_range
from finer.world.scenes import CONVERSE, Scene, Thing
from finer.world.suites.writing import POOL


@dataclass(frozen=True)
class Twins:
    """Two scenes, the one thing that differs, in what (color, pattern, size, outlined, place) and to what."""

    scenes: tuple[Scene, Scene]
    thing: int
    name: str
    values: tuple[str, str]  # of place: relations to ``other``
    other: int | None = None

    @property
    def kind(self) -> str:
        """What the thing is; there is no other of its kind."""
        return self.scenes[0].things[self.thing].kind

    @property
    def target(self) -> str:
        """What the thing's place is told by."""
        assert self.other is not None, "only places are told by another thing"
        return self.scenes[0].things[self.other].kind


def draw_twins(seed: int, count: int, name: str) -> list[Twins]:
    """Draw twins from different scenes of the pool, kinds of difference in turn; ``name`` sets their draws apart."""
    low, high = pool_range(POOL)
    found: list[Twins] = []
    shown: set[str] = set()
    size = 2 * count + 10
    while len(found) < count:
        size *= 2
        found, shown = [], set()
        for scene in draw_pool(seed, POOL, size):
            rng = generator(seed, name, scene.graph_hash)
            able = [
                twins for twins in _twins(scene)
                if low <= hash_position(twins.scenes[1].graph_hash) < high
                and not shown & {one.graph_hash for one in twins.scenes}
            ]  # fmt: skip
            kinds = sorted({twins.name for twins in able})
            if not kinds:
                continue
            wanted = rng.choice(kinds)
            twins = rng.choice([one for one in able if one.name == wanted])
            shown |= {one.graph_hash for one in twins.scenes}
            found.append(twins)
            if len(found) == count:
                break
    return found


def _twins(scene: Scene) -> Iterator[Twins]:
    for index, thing in enumerate(scene.things):
        if scene.unique(index):
            yield from _other_values(scene, index, thing)
            yield from _other_places(scene, index, thing)


def _other_values(scene: Scene, index: int, thing: Thing) -> Iterator[Twins]:
    for color in COLORS:
        if color != thing.color:
            yield _changed(scene, index, "color", thing.color, color)
    for pattern in PATTERNS if thing.pattern else ():
        if pattern != thing.pattern:
            yield _changed(scene, index, "pattern", str(thing.pattern), pattern)
    if thing.size and thing.holder is None:
        yield _changed(scene, index, "size", thing.size, next(size for size in SIZES if size != thing.size))
    if thing.is_figure:
        other = Twins((scene, _with(scene, index, replace(thing, outlined=not thing.outlined))), index, "outlined",
                      ("yes", "no") if thing.outlined else ("no", "yes"))  # fmt: skip
        yield other


def _changed(scene: Scene, index: int, name: str, value: str, other: str) -> Twins:
    changed = replace(scene.things[index], **{name: other})  # type: ignore[arg-type]
    return Twins((scene, _with(scene, index, changed)), index, name, (value, other))


def _other_places(scene: Scene, index: int, thing: Thing) -> Iterator[Twins]:
    """Yield twins in which the thing stands on the other side of another one; what is held or holds stays put."""
    if thing.holder is not None or any(other.holder == index for other in scene.things):
        return
    taken = {(other.row, other.column) for other in scene.things}
    for row in range(GRID):
        for column in range(GRID):
            if (row, column) in taken:
                continue
            moved = _with(scene, index, replace(thing, row=row, column=column))
            for target in range(len(scene.things)):
                before, after = scene.relations.get((index, target)), moved.relations.get((index, target))
                if scene.unique(target) and before in CONVERSE and after == CONVERSE[before]:
                    yield Twins((scene, moved), index, "place", (before, after), target)


def _with(scene: Scene, index: int, thing: Thing) -> Scene:
    return Scene((*scene.things[:index], thing, *scene.things[index + 1 :]), scene.grey, scene.noise)
