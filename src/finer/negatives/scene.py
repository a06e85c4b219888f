"""What a scene already holds: its words, its elements, and so which candidates could be true of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

from finer.negatives.lexicon import Category, Member, closed_category, implied, needs
from finer.negatives.places import fits, places
from finer.scenes.phrases import number_free
from finer.scenes.words import noun_kind

_WORD = re.compile(r"[a-z][a-z'-]*")
_CLOSED_SHARE = 0.8  # of the objects must be shapes: a remark about "the paper" does not open a drawing of shapes
_DEFINITE = frozenset(["the", "this", "that", "these", "those", "both", "its", "their", "his", "her", "each"])
_SHORTEST_TAIL = 3  # letters of a word that forbids as the end of a longer one: "boxcar" forbids "car"
Row = Mapping[str, Any]


@dataclass
class Scene:
    """The elements of one image and the words that describe it."""

    rows: Sequence[Row]
    texts: Sequence[str]  # captions; without them, the sentences that state the elements
    by_id: dict[str, Row] = field(init=False)

    def __post_init__(self) -> None:
        self.by_id = {str(row["element_id"]): row for row in self.rows}

    def kind(self, kind: str) -> list[Row]:
        """Return the elements of a kind."""
        return [row for row in self.rows if row["kind"] == kind]

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Words of the scene, as written and in the singular, and the parts of hyphenated ones."""
        found: set[str] = set()
        for word in self._all_words():
            for part in {word, *word.split("-")}:
                found |= {part, number_free(part)}
        return frozenset(found)

    @cached_property
    def line(self) -> str:
        """The words in the singular, in order, between spaces: to search for compounds."""
        return " " + " ".join(number_free(word) for word in self._all_words()) + " "

    @cached_property
    def squeezed(self) -> str:
        """The same without spaces: "trash can" is "trashcan"."""
        return self.line.replace(" ", "|").replace("-", "|")

    @cached_property
    def closed(self) -> bool:
        """Whether this is a drawing of shapes: negatives then come from the vocabulary of such drawings."""
        objects = self.kind("object")
        shapes = [row for row in objects if closed_category().place(number_free(row["category"])) is not None]
        return bool(objects) and len(shapes) >= _CLOSED_SHARE * len(objects)

    @cached_property
    def types(self) -> frozenset[str]:
        """Types of the things of the scene."""
        kinds = (noun_kind(number_free(row["category"])).type for row in self.kind("object"))
        return frozenset(kind for kind in kinds if kind)

    @cached_property
    def unsaid(self) -> frozenset[str]:
        """Things that are likely there though no word says so."""
        return frozenset(text for word in self.vocabulary & implied().keys() for text in implied()[word])

    def _all_words(self) -> Iterable[str]:
        for text in [
            *self.texts,
            *(str(row["text"]) for row in self.rows),
            *(str(row["category"]) for row in self.kind("object")),
        ]:
            yield from _WORD.findall(text.lower())

    # ------------------------------------------------------------ what may not be proposed
    def allows(self, member: Member, category: Category) -> bool:
        """Whether a thing can be proposed: no word of the scene names it, its kind, or a kind of it."""
        if member.text in self.unsaid and not self.closed:
            return False
        if (wanted := needs(member.text)) and not wanted & self.vocabulary:
            return False
        names = {member.text, *member.names}
        if " " in member.text:
            names.add(member.text.split()[-1])
            if f" {member.text} " in self.line or f"|{member.text.replace(' ', '')}|" in self.squeezed:
                return False
        if names & self.vocabulary or category.kinds & self.kinds_meant:
            return False
        long = tuple(name for name in names if len(name) >= _SHORTEST_TAIL)
        return not any(word.endswith(long) for word in self.vocabulary)

    @cached_property
    def places(self) -> frozenset[str]:
        """Places that the scene may be at."""
        return places(self.vocabulary)

    def suits(self, thing: str) -> bool:
        """Whether a thing can be met where the scene is; in drawings anything can."""
        return self.closed or fits(thing, self.places)

    @cached_property
    def kinds_meant(self) -> frozenset[str]:
        """Words that name a thing of their own rather than one named before ("the animal", "both animals")."""
        found: set[str] = set()
        for text in self.texts:
            for before, word in pairwise(["", *_WORD.findall(text.lower())]):
                if before not in _DEFINITE:
                    found.add(number_free(word))
        return frozenset(found)

    def values(self, head: str, attribute_class: str) -> set[str]:
        """Return the values of a class that any thing of this kind has: a negative must be false of all of them."""
        same = {str(row["element_id"]) for row in self.kind("object") if row["category"] == head}
        return {
            str(row["value"])
            for row in self.kind("attribute")
            if row["parent_id"] in same and row["category"] == attribute_class and row["value"] is not None
        }
