"""The word lists of the caption rules, and the decision whether a noun names a thing that can be pointed at.

No dictionary of English is assumed: a noun is a thing if ``things.yaml`` lists it, alone or as the end of a compound.
Of the nouns that no list knows, only closed compounds of two things ("treehouse") are things; abstract endings and all
others are turned down with a reason, so that the table of drops shows what to add.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

_FOLDER = Path(__file__).parent
_SHORTEST_PART = 3  # letters of each part of a closed compound: "car|port"; shorter parts match by chance


@dataclass(frozen=True)
class NounKind:
    """What a noun is: the type of a thing, or the reason why it is none."""

    type: str | None
    reason: str = ""


@cache
def _file(name: str) -> dict[str, Any]:
    with (_FOLDER / name).open(encoding="utf-8") as file:
        return cast(dict[str, Any], yaml.safe_load(file))


@cache
def words(name: str) -> frozenset[str]:
    """Return a list of words of ``lexicon.yaml``."""
    return frozenset(str(_file("lexicon.yaml")[name]).split())


@cache
def mapping(name: str) -> dict[str, str]:
    """Return a mapping of words of ``lexicon.yaml``."""
    return dict(_file("lexicon.yaml")[name])


@cache
def idioms() -> tuple[tuple[str, ...], ...]:
    """Return the fixed phrases, longest first, as tuples of tokens."""
    phrases = [tuple(str(phrase).split()) for phrase in _file("lexicon.yaml")["idioms"]]
    return tuple(sorted(phrases, key=len, reverse=True))


@cache
def predicate_endings() -> tuple[tuple[str, str], ...]:
    """Return (ending, class) of predicates, longest ending first."""
    classes = _file("lexicon.yaml")["predicate_classes"]
    pairs = [(ending, name) for name, endings in classes.items() for ending in endings]
    return tuple(sorted(pairs, key=lambda pair: (-len(pair[0]), pair[0])))


def predicate_class(predicate: str) -> str:
    """Return the class of a predicate ("is to the left of": "left"), or "other"."""
    for ending, name in predicate_endings():
        if predicate == ending or predicate.endswith(" " + ending):
            return name
    return "other"


@cache
def types() -> dict[str, list[str]]:
    """Return the nouns of each type; compounds are joined by spaces."""
    return {
        name: [word.replace("_", " ") for word in text.split()] for name, text in _file("things.yaml")["types"].items()
    }


@cache
def type_of() -> dict[str, str]:
    """Return the type of each noun."""
    return {word: name for name, members in types().items() for word in members}


@cache
def _no_thing() -> dict[str, str]:
    reasons = {
        "picture_words": "picture_word", "location_words": "location_word", "group_words": "group_word",
        "attribute_words": "attribute_word", "not_things": "abstract_noun",
    }  # fmt: skip
    return {word: reason for name, reason in reasons.items() for word in words(name)}


def noun_kind(lemma: str, name: str | None = None, counted: bool = True) -> NounKind:
    """Decide whether a noun names a thing.

    ``lemma`` is the singular head, ``name`` the whole compound with a singular head ("fire hydrant"), ``counted``
    whether an article, a number or a plural stands with it: "a glass" is a thing, "glass" a material.
    """
    known = type_of()
    if name is not None:
        parts = name.split()
        for start in range(len(parts) - 1):
            if (tail := " ".join(parts[start:])) in known:
                return NounKind(known[tail])
    if lemma in known:
        if not counted and (lemma in words("things_if_counted") or lemma in words("materials")):
            return NounKind(None, "uncounted_noun")
        return NounKind(known[lemma])
    if lemma in words("colors") or lemma in words("materials"):
        return NounKind(None, "color_word" if lemma in words("colors") else "material_noun")
    if lemma in _no_thing():
        return NounKind(None, _no_thing()[lemma])
    if (closed := _closed_compound(lemma)) is not None:
        return NounKind(closed)
    if any(lemma.endswith(ending) and len(lemma) > len(ending) + 2 for ending in words("abstract_endings")):
        return NounKind(None, "abstract_noun")
    return NounKind(None, "unknown_noun")


@cache
def _closed_compound(lemma: str) -> str | None:
    known = type_of()
    for cut in range(_SHORTEST_PART, len(lemma) - _SHORTEST_PART + 1):
        front, back = lemma[:cut].rstrip("-"), lemma[cut:].lstrip("-")
        if front in known and back in known and len(back) >= _SHORTEST_PART:
            return known[back]
    return None


def is_animate(lemma: str, name: str | None = None) -> bool:
    """Whether the noun names a person or an animal."""
    return noun_kind(lemma, name).type in words("animate_types")
