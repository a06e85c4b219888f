"""What a benchmark's images are said to show, slot by slot: from it, and as often as it, negatives can be drawn.

A reader who sees no image finds the true option among five where the other four are never true of any image, or where
one value is true of nearly all. Drawn from what is true elsewhere, as often as it is, all five are alike to him.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import log
from random import Random

import polars as pl

from finer.negatives.candidates import Candidate
from finer.negatives.scene import Row, Scene

Slot = tuple[str, ...]


class Heard:
    """How often each value fills a slot in the elements of a benchmark."""

    def __init__(self, elements: pl.DataFrame) -> None:
        self._counts: dict[Slot, Counter[str]] = {}
        things = {row["element_id"]: row for row in elements.filter(pl.col("kind") == "object").to_dicts()}
        for row in elements.to_dicts():
            if row["kind"] == "relation":
                target = things[row["target_id"]]
                self._add(_predicates_of(target), row["text"])
                self._add(_targets_of(row), target["text"])
            else:
                self._add(_slot(row), row["text"])

    def _add(self, slot: Slot, text: str) -> None:
        self._counts.setdefault(slot, Counter())[text] += 1

    def share(self, scene: Scene, row: Row, kind: str) -> float:
        """Return how much of its slot the true value fills, when candidates of this kind replace it."""
        slot, text = _replaced(scene, row, kind)
        counts = self._counts[slot]
        return counts[text] / counts.total()

    def order(
        self, scene: Scene, row: Row, candidates: Sequence[Candidate], unheard: int, rng: Random
    ) -> list[Candidate]:
        """Return candidates that are true elsewhere, drawn as often as they are, then at most ``unheard`` others.

        Candidates marked ``first`` stay in front.
        """
        counts = self._counts[_replaced(scene, row, candidates[0].kind)[0]] if candidates else Counter[str]()
        drawn: list[tuple[bool, float, Candidate]] = []
        others: list[Candidate] = []
        for candidate in candidates:
            weight = counts[candidate.target if candidate.kind == "relation_object" else candidate.text]  # type: ignore[index]
            if weight:
                # The smallest of exponential waiting times: a draw without replacement in proportion to the weights.
                drawn.append((not candidate.first, -log(1 - rng.random()) / weight, candidate))
            else:
                others.append(candidate)
        drawn.sort(key=lambda entry: entry[:2])
        return [*(candidate for *_, candidate in drawn), *others[:unheard]]


def _slot(row: Row) -> Slot:
    return ("object",) if row["kind"] == "object" else ("attribute", str(row["category"]))


def _predicates_of(target: Row) -> Slot:
    return "predicate", str(target["category"])


def _targets_of(row: Row) -> Slot:
    return "target", str(row["text"])


def _replaced(scene: Scene, row: Row, kind: str) -> tuple[Slot, str]:
    """Return the slot that candidates of a kind fill, and the true value there."""
    if row["kind"] != "relation":
        return _slot(row), str(row["text"])
    target = scene.by_id[str(row["target_id"])]
    return (
        (_predicates_of(target), str(row["text"])) if kind == "predicate" else (_targets_of(row), str(target["text"]))
    )
