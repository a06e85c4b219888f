"""Noun phrases -> English: articles, lists, numbers, agreement.

Article policy, for every question and option of the project: what is asked for as such takes the indefinite article
("a cat"; plurals and substances none, "the sky" as the only one there can be); what further words single out takes
the definite one ("the cat with a black color", "… on the chair"), in true and false phrases alike, so that no article
gives an answer away.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

import yaml

_DATA = yaml.safe_load((resources.files("finer.scenes") / "phrases.yaml").read_text(encoding="utf-8"))


def _words(name: str) -> frozenset[str]:
    return frozenset(word.replace("_", " ") for word in str(_DATA[name]).split())


_MASS, _PLURAL_ONLY, _SINGULAR_S = _words("mass"), _words("plural_only"), _words("singular_s")
_SINGLE = _words("single")
_AN_BEFORE, _A_BEFORE = tuple(_words("an_before")), tuple(_words("a_before"))
_IRREGULAR: dict[str, str] = _DATA["irregular"]


def article(text: str) -> str:
    """Return "a" or "an", by the sound that the phrase begins with."""
    start = text.lower()
    if start.startswith(_A_BEFORE):
        return "a"
    return "an" if start.startswith(_AN_BEFORE) or start[:1] in "aeiou" else "a"


def takes_plural(text: str, plural: bool) -> bool:
    """Tell whether the phrase takes a plural verb: flagged so, or a noun that has no singular ("jeans")."""
    return plural or head(text) in _PLURAL_ONLY


def indefinite(text: str, plural: bool = False) -> str:
    """Return "a cat", "an orange cat", "towels", "jeans", "grass" or "the sky"."""
    if head(text) in _SINGLE and not plural:
        return definite(text)
    if takes_plural(text, plural) or head(text) in _MASS or text.lower() in _MASS:
        return text
    return f"{article(text)} {text}"


def definite(text: str) -> str:
    """Return "the cat"."""
    return f"the {text}"


def listed(items: Sequence[str]) -> str:
    """Return "cat", "cat and door" or "cat, door and bag"."""
    if len(items) == 1:
        return items[0]
    return f"{', '.join(items[:-1])} and {items[-1]}"


def agreed(predicate: str, plural: bool) -> str:
    """Return the predicate as its subject wants it: "is lying on" -> "are lying on", "has" -> "have"."""
    verb, _, rest = predicate.partition(" ")
    if not plural:
        return predicate
    return " ".join(filter(None, ({"is": "are", "has": "have", "was": "were"}.get(verb, verb), rest)))


def capitalised(sentence: str) -> str:
    """Return the sentence with a capital first letter, the rest untouched."""
    return sentence[:1].upper() + sentence[1:]


def objects_phrase(objects: Sequence[tuple[str, bool]]) -> str:
    """Return "a cat, a door and towels" for (text, plural) of each object."""
    return listed([indefinite(text, plural) for text, plural in objects])


def attributes_phrase(text: str, attributes: Sequence[str]) -> str:
    """Return "the cat with a seated posture and with ears perked up"."""
    return " ".join(filter(None, (definite(text), listed(attributes) if attributes else "")))


def relations_phrase(subject: str, plural: bool, relations: Sequence[tuple[str, str]]) -> str:
    """Return "SUBJECT that is lying on the chair and is looking at the cat" for (predicate, object's text) each.

    ``subject`` is a finished phrase ("the puppy").
    """
    return (
        f"{subject} that {listed([f'{agreed(predicate, plural)} {definite(text)}' for predicate, text in relations])}"
    )


def head(text: str) -> str:
    """Return the last word of a noun phrase, lower case."""
    return text.rsplit(" ", 1)[-1].lower()


@lru_cache(maxsize=65536)
def number_free(text: str) -> str:
    """Return the phrase with its last word in the singular, lower case: "Fire Hydrants" -> "fire hydrant".

    Good enough to see that two phrases name the same kind of thing; never shown to anyone.
    """
    before, _, last = text.lower().strip().rpartition(" ")
    return f"{before} {_singular(last)}".strip()


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _SINGULAR_S or not word.endswith("s") or word.endswith("ss") or len(word) < 4:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2]
    return word[:-1]
