"""Sentences about simple pictures -> what they claim: things, their values, numbers and places, affirmed or denied.

For the judge by rules only; the words it knows are those of ``judge_words.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

KIND, NUMBER, PLACE = "kind", "number", "place"
_SENTENCE = re.compile(r"[.!?\n]+(?:\s|$)")
_CLAUSE = re.compile(r"[,;:]|\bbut\b|\bwhile\b")
_TOKEN = re.compile(r"[a-z]+|\d+")


@dataclass(frozen=True)
class Claim:
    """One thing said: of which kind of thing (None: of none in particular), what sort, which value."""

    kind: str | None
    sort: str  # kind, number, place, or one of the values' sorts: color, pattern, size
    value: str
    denied: bool = False


@cache
def words() -> dict[str, Any]:
    """Return the words of ``judge_words.yaml``, with the sort of each value under ``sorts``."""
    source = resources.files(__package__).joinpath("judge_words.yaml")
    loaded: dict[str, Any] = yaml.safe_load(source.read_text("utf-8"))
    loaded["sorts"] = {value: sort for sort, values in loaded["values"].items() for value in values}
    loaded["apart"] = frozenset(loaded["apart"])
    return loaded


def tokens(text: str) -> list[str]:
    """Return the words in lower case: numbers as digits, kinds in the singular, synonyms as one, denials as "no"."""
    plain = text.lower().replace("’", "'").replace("cannot", "can not").replace("can't", "can not")
    known = words()
    return [_known(word, known) for word in _TOKEN.findall(plain.replace("n't", " not"))]


def _known(word: str, known: dict[str, Any]) -> str:
    found: str = known["numbers"].get(word) or known["same"].get(word, word)
    for ending in ("es", "s"):
        if found not in known["kinds"] and found.removesuffix(ending) in known["kinds"]:
            return found.removesuffix(ending)
    return found


def content(text: str) -> set[str]:
    """Return the words of a text that carry content."""
    return set(tokens(text)) - set(words()["fillers"])


def says(text: str, phrases: Sequence[str]) -> bool:
    """Return whether one of the phrases (as ``tokens`` has them) occurs."""
    joined = f" {' '.join(tokens(text))} "
    return any(f" {phrase} " in joined for phrase in phrases)


def denied_words(text: str) -> set[str]:
    """Return the content words that stand behind a denial in its clause."""
    found: set[str] = set()
    for clause in _clauses(text):
        found |= set(_behind_denial(clause)) - set(words()["fillers"])
    return found


def _behind_denial(clause: Sequence[str]) -> Sequence[str]:
    denial = words()["denial"]
    return clause[clause.index(denial) + 1 :] if denial in clause else ()


def _clauses(text: str) -> Iterator[list[str]]:
    for sentence in _SENTENCE.split(text):
        for clause in _CLAUSE.split(sentence):
            if found := tokens(clause):
                yield found


def claims(text: str, topic: str | None = None) -> list[Claim]:
    """Return what a text claims; a value without a thing is of the thing named last, at first of ``topic``."""
    found: list[Claim] = []
    for clause in _clauses(text):
        made, topic = _of_clause(clause, topic)
        found += made
    return found


def _of_clause(clause: Sequence[str], topic: str | None) -> tuple[list[Claim], str | None]:
    known, found = words(), []
    first_denial = clause.index(known["denial"]) if known["denial"] in clause else len(clause)
    for place, word in enumerate(clause):
        denied = place > first_denial
        if word in known["kinds"]:
            topic = word
            if not denied:
                found.append(Claim(word, KIND, word))
            elif _denies_presence(clause[first_denial + 1 : place]):
                found.append(Claim(word, KIND, word, denied=True))
        elif word in known["sorts"] and not known["apart"].intersection(clause[place + 1 : place + 2]):
            found.append(Claim(_owner(clause, place) or topic, known["sorts"][word], word, denied))
        elif word.isdigit():
            found.append(Claim(None, NUMBER, word, denied))
        elif word in known["places"]:
            found.append(Claim(None, PLACE, word, denied))
    return found, topic


def _denies_presence(between: Sequence[str]) -> bool:
    """Return whether "no … ball" says that there is no ball: nothing but function words stand between."""
    return all(word in words()["between"] for word in between)


def _owner(clause: Sequence[str], place: int) -> str | None:
    """Return the kind that a value stands before ("red striped ball"), other values between."""
    known = words()
    for word in clause[place + 1 :]:
        if word in known["kinds"]:
            return word
        if word not in known["sorts"]:
            return None
    return None
