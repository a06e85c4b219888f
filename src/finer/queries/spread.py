"""Which candidates become pairs: counts as even as the scenes allow, images before repeats, nobody's draws disturbed.

Each image draws its own candidates and the order in which it offers entity counts, all by its own key. The table
then takes offers in rounds until the target is met, so an image more changes who is taken at the margin, never
what another image offers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

_T = TypeVar("_T")
POSITIONS = 5


@dataclass
class Source(Generic[_T]):
    """The candidates of one image at one entity count, best first.

    ``turn``: the place of this count in the order in which the image offers counts; ``key`` orders images.
    """

    image_id: str
    count: int
    turn: int
    key: str
    candidates: Iterator[_T]
    given: int = 0


def spread(sources: Sequence[Source[_T]], target: int) -> list[_T]:
    """Take ``target`` candidates, as evenly over the counts as they allow; fewer if they run out.

    Among images the least used come first, within an image the counts that it has not given yet.
    """
    open_sources = list(sources)
    taken: dict[int, int] = dict.fromkeys(sorted({source.count for source in sources}), 0)
    uses: Counter[str] = Counter()
    chosen: list[_T] = []
    most_uses = 0
    while open_sources and len(chosen) < target:
        quota = _quota(taken, {source.count for source in open_sources}, target)
        exhausted: set[int] = set()
        before = len(chosen)
        for source in sorted(open_sources, key=lambda source: (source.given, source.turn, source.key)):
            if uses[source.image_id] > most_uses or taken[source.count] >= quota[source.count]:
                continue
            candidate = next(source.candidates, None)
            if candidate is None:
                exhausted.add(id(source))
                continue
            source.given += 1
            taken[source.count] += 1
            uses[source.image_id] += 1
            chosen.append(candidate)
        open_sources = [source for source in open_sources if id(source) not in exhausted]
        if len(chosen) == before and not exhausted:
            most_uses += 1
    return chosen


def _quota(taken: dict[int, int], open_counts: set[int], target: int) -> dict[int, int]:
    """Level the counts that still have candidates: the poorest first, the lowest first among equals."""
    quota = dict(taken)
    left = target - sum(taken.values())
    levels = sorted(open_counts, key=lambda count: (taken[count], count))
    for index, count in enumerate(levels):
        upper = taken[levels[index + 1]] if index + 1 < len(levels) else None
        lower = levels[: index + 1]
        room = left if upper is None else min(left, (upper - taken[count]) * len(lower))
        share, rest = divmod(room, len(lower))
        for place, each in enumerate(lower):
            quota[each] += share + (place < rest)
        left -= room
    return quota


def balanced_positions(keys: Sequence[tuple[object, str]]) -> list[int]:
    """Return a position 0..4 for each (group, key): in each group all positions occur equally often, up to one.

    Rows are ranked by key within their group and the ranks rotate, so the order of the table does not matter.
    """
    groups: dict[object, list[int]] = defaultdict(list)
    for row, (group, _) in enumerate(keys):
        groups[group].append(row)
    positions = [0] * len(keys)
    for rows in groups.values():
        for rank, row in enumerate(sorted(rows, key=lambda row: keys[row][1])):
            positions[row] = rank % POSITIONS
    return positions
