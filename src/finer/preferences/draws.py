"""Which replacement a slot gets: drawn from what is true elsewhere in the source, so that the text alone tells nothing.

A reader who sees no image must find a value as often in true phrases as in edited ones. That holds if a true value
turns into another as often as the other into it. So replacements are drawn as often as they are true, the true value
takes part in the draw, and a slot in which it wins stays as it is; and a value that could itself never be drawn (a
noun that the lexicon does not know) is not replaced at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import log

import polars as pl

from finer.keys import generator
from finer.negatives.candidates import Candidate, exchangeable
from finer.negatives.lexicon import data, families
from finer.negatives.scene import Row, Scene
from finer.scenes.words import predicate_class

Slot = tuple[str, ...]


class Frequencies:
    """How often each value fills a slot in the elements of a source."""

    def __init__(self, elements: pl.DataFrame) -> None:
        self._counts: dict[Slot, Counter[str]] = {}
        things = {row["element_id"]: row for row in elements.filter(pl.col("kind") == "object").to_dicts()}
        for row in elements.to_dicts():
            if row["kind"] == "relation":
                self._add("predicate", row, things[row["target_id"]], row["text"])
                self._add("relation_object", row, things[row["target_id"]], things[row["target_id"]]["text"])
            else:
                self._add(row["kind"], row, None, row["text"])

    def _add(self, kind: str, row: Row, target: Row | None, text: str) -> None:
        self._counts.setdefault(_slot(kind, row, target), Counter())[text] += 1

    def drawn(
        self, scene: Scene, row: Row, candidates: Sequence[Candidate], seed: int, *key: object, balanced: bool
    ) -> list[Candidate]:
        """Return candidates in the order drawn: balanced, those that are true elsewhere and come before the true value.

        Each draws by its own key, so that a candidate more disturbs no other. Candidates marked ``first`` are exempt:
        they are things of the scene, true of it in another place. Not balanced, all are returned, those that are
        true nowhere last.
        """
        kind = candidates[0].kind
        target = scene.by_id.get(str(row["target_id"]))
        counts = self._counts[_slot(kind, row, target)]
        truth = str(target["text"]) if target is not None and kind == "relation_object" else str(row["text"])
        limit = _time(counts[truth], seed, *key, "true") if balanced else None
        order = []
        for candidate in candidates:
            value = str(candidate.target) if kind == "relation_object" else candidate.text
            time = _time(counts[value], seed, *key, value)
            if limit is None or candidate.first or time < limit:
                order.append((not candidate.first, time, candidate))
        return [candidate for *_, candidate in sorted(order, key=lambda entry: entry[:2])]


def _time(weight: int, seed: int, *key: object) -> float:
    """Return an exponential waiting time: the smallest of several is each one's in proportion to its weight."""
    return -log(1 - generator(seed, *key).random()) / weight if weight else float("inf")


def _slot(kind: str, row: Row, target: Row | None) -> Slot:
    if kind == "object":
        return (kind,)
    if kind == "attribute":
        return kind, str(row["category"])
    if kind == "predicate":
        return kind, "" if target is None else str(target["category"])
    name = predicate_class(str(row["text"]))
    return kind, str(row["text"]) if name == "other" else name


def could_be_drawn(scene: Scene, row: Row, kind: str) -> bool:
    """Tell whether the true value could itself be drawn in the place of what replaces it."""
    if kind == "predicate":
        return True
    if kind == "attribute":
        return _value_is_offered(scene, str(row["category"]), str(row["value"]))
    thing = scene.by_id[str(row["target_id"])] if kind == "relation_object" else row
    return exchangeable(scene, str(thing["text"]), str(thing["category"]))


def _value_is_offered(scene: Scene, name: str, value: str) -> bool:
    if scene.closed and name in data()["closed_attributes"]:
        return True
    known = families(name)
    if known is None:
        return False
    return any(value == family[0] for family in known.families) or any(value in v for v in known.graded.values())
