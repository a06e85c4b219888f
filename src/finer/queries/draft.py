"""A pair of questions before its options are put in order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from finer.keys import stable_key
from finer.queries.scene import Element, Scene


@dataclass(frozen=True)
class Side:
    """One question of a pair: what is asked, the right option and the four wrong ones."""

    question: str
    right: str
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Draft:
    """A positive and a negative question about the same elements; ``slot`` is 0-based among the entities."""

    scene: Scene
    setting: str
    entity_count: int
    slot: int
    edited: Element
    named: tuple[str, ...]  # element ids: of attributes and relations the owner first
    positive: Side
    negative: Side

    @cached_property
    def pair_id(self) -> str:
        """The pair's key: whatever changes a word changes the key."""
        return stable_key(
            self.scene.benchmark, self.scene.image_id, self.setting, *self.named, self.slot, self.edited.element_id,
            self.positive, self.negative,
        )  # fmt: skip
