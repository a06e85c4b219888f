"""The lexicon of negatives: categories of things that exclude one another, families of values, predicates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

from finer.scenes.phrases import number_free
from finer.scenes.words import noun_kind, type_of

_WORN = frozenset({"clothing", "accessory"})  # types whose compounds are replaced like their heads ("cowboy hat")


@dataclass(frozen=True)
class Member:
    """A candidate in the singular, and the other names that forbid it where the caption uses one."""

    text: str
    names: frozenset[str]


@dataclass(frozen=True)
class Category:
    """Mutually exclusive things; neighbours in ``members`` resemble each other."""

    name: str
    members: tuple[Member, ...]
    kinds: frozenset[str]
    closed: bool = False

    def place(self, *nouns: str) -> int | None:
        """Return where a noun stands among the members; None for a noun of the category that is no member."""
        for noun in nouns:
            for number, member in enumerate(self.members):
                if noun == member.text or noun in member.names:
                    return number
        return None


@cache
def data() -> dict[str, Any]:
    """Return the lexicon file."""
    with Path(__file__).with_name("lexicon.yaml").open(encoding="utf-8") as file:
        return cast(dict[str, Any], yaml.safe_load(file))


@cache
def word_set(name: str) -> frozenset[str]:
    """Return a list of words of the lexicon."""
    return frozenset(str(data()[name]).split())


@cache
def categories() -> dict[str, Category]:
    """Return the categories by name."""
    found = {}
    for name, entry in data()["categories"].items():
        members = tuple(Member(str(text), frozenset((names or "").split())) for text, names in entry["members"].items())
        kinds = frozenset(str(entry.get("kinds", "")).split())
        found[name] = Category(name, members, kinds, bool(entry.get("closed", False)))
    return found


@cache
def _by_type() -> dict[str, str]:
    return {kind: name for name, entry in data()["categories"].items() for kind in entry.get("covers", [])}


@cache
def _by_text() -> dict[str, str]:
    """Return the first open category of each member."""
    found: dict[str, str] = {}
    for name, category in categories().items():
        for member in category.members:
            if not category.closed:
                found.setdefault(member.text, name)
    return found


@cache
def closed_category() -> Category:
    """Return the category that makes a scene closed."""
    return next(category for category in categories().values() if category.closed)


@cache
def general(noun: str) -> Category | None:
    """Return the candidates of a noun that its category would suit badly ("building"), or None if it suits."""
    texts = data()["general"].get(noun)
    return None if texts is None else _listed(f"general {noun}", texts)


def _listed(name: str, texts: list[str]) -> Category:
    """Return a category of these things, with the other names that they have anywhere in the lexicon."""
    known = {member.text: member for category in categories().values() for member in category.members}
    also = {text: Member(text, frozenset(str(names).split())) for text, names in data()["also"].items()}
    members = tuple(known.get(text, also.get(text, Member(text, frozenset()))) for text in texts)
    return Category(name, members, frozenset())


@cache
def worn(being: str, part: str) -> Category | None:
    """Return what a being ("person", "pet", "horse") may wear on a part of its body, or None."""
    for zone in data()["bodies"][being]:
        if part.replace(" ", "_") in str(zone["parts"]).split():
            return _listed(f"worn by a {being}", zone["worn"])
    return None


@cache
def sense(noun: str, vocabulary: frozenset[str]) -> str:
    """Return the noun that stands for this one's sense among these words; mostly itself."""
    entry = data()["senses"].get(noun, {})
    told, untold = (vocabulary.intersection(str(entry.get(key, "")).split()) for key in ("words", "unless"))
    return str(entry["as"]) if told and not untold else noun


@cache
def needs(candidate: str) -> frozenset[str]:
    """Return words of which a scene must have one for a part to be proposed; none: no condition."""
    return frozenset(str(data()["needs"].get(candidate, "")).split())


@cache
def category_of(text: str, head: str, closed: bool) -> Category | None:
    """Return the category that offers candidates for a thing.

    ``text`` is the whole name, ``head`` its head noun, both in any number. ``closed``: a drawing of shapes.
    """
    text, head = number_free(text), number_free(head)
    if closed and closed_category().place(text, head) is not None:
        return closed_category()
    named = text != head and (text in type_of() or text in _by_text()) and noun_kind(head, text).type not in _WORN
    if (found := general(text) or (None if named else general(head))) is not None:
        return found
    kind = noun_kind(head, text).type
    if kind in _by_type():
        return categories()[_by_type()[kind]]
    return categories().get(_by_text().get(text, _by_text().get(head, "")))


@cache
def implied() -> dict[str, frozenset[str]]:
    """Return for a word of the caption the members that are likely there unsaid, as text to search in."""
    texts = {member.text for category in categories().values() for member in category.members}
    texts |= {text for listed in data()["general"].values() for text in listed}
    found = {}
    for word, listed in data()["implied"].items():
        line = f" {listed} "
        found[str(word)] = frozenset(text for text in texts if f" {text} " in line)
    return found


@dataclass(frozen=True)
class Families:
    """The values of one class of attributes: families, the families too near to each, heads that it is limited to."""

    families: tuple[tuple[str, ...], ...]
    adjacent: frozenset[frozenset[str]]
    graded: dict[frozenset[str], tuple[str, ...]]
    heads: frozenset[str]

    def of(self, value: str) -> set[str]:
        """Return the first words of the families that the words of a value belong to ("dark red": red)."""
        parts = set(value.replace("-", " ").replace(",", " ").split()) | {value}
        return {family[0] for family in self.families if parts & set(family)}

    def near(self, first: str) -> set[str]:
        """Return the first words of the families adjacent to a family."""
        return {other for pair in self.adjacent if first in pair for other in pair} - {first}


@cache
def families(attribute_class: str) -> Families | None:
    """Return the values of a class, or None for a class without candidates."""
    entry = data()["attributes"].get(attribute_class)
    if entry is None:
        return None
    return Families(
        tuple(tuple(str(family).split()) for family in entry.get("families", [])),
        frozenset(frozenset(str(pair).split()) for pair in entry.get("adjacent", [])),
        {frozenset(str(key).split()): tuple(str(values).split()) for key, values in entry.get("graded", {}).items()},
        frozenset(str(entry.get("heads", "")).split()),
    )
