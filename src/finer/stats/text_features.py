"""The options of a question -> what their text alone tells of them: named features, for a reader who sees nothing.

Of five options, the words that not all share are the *slot* ("red", "to the left of"), the others the *context*.
Groups of features, so that what gives a truth away can be told apart:

- ``prior``: the slot, its words, and each with each word of the context ("red" of a heart): what is often true;
- ``similarity``: words shared with the other options (mean, least, most), with the question, and which other slots
  stand beside this one: the truth may be the centre of its near neighbours;
- ``length``: words and characters;
- ``position``: the letters it stands at.

Whether an option says "Yes" is no feature: the phrase asked is true in every positive question, so over a pair it
would tell what neither question tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GROUPS = ("prior", "similarity", "length", "position")
_WORD = re.compile(r"[a-z0-9][a-z0-9'-]*")
_EMPTY = frozenset({"a", "an", "the", "is", "are", "and", "with", "that", "of", "to"})
_SAID = re.compile(r"^(?:yes|no)\b.*?\bcan see\s+", re.IGNORECASE)
Features = dict[str, float]


@dataclass(frozen=True)
class Case:
    """Options to rank: the phrases of a pair (``questions`` empty), or the options of one question.

    ``places`` holds the positions (from 0) at which each option stands, one a question that the case covers.
    """

    key: str
    image_id: str
    question: str
    options: tuple[str, ...]
    places: tuple[tuple[int, ...], ...]
    truth: int


def phrase(option: str) -> str:
    """Return what an option of a list setting says is to be seen; other options as they are."""
    return _SAID.sub("", option)


def features(case: Case) -> list[dict[str, Features]]:
    """Return, per option, the features of each group."""
    texts = [_words(option) for option in case.options]
    slots, context = _slots(texts)
    asked = set(_words(case.question))
    return [
        {
            "prior": dict(_prior(slots[place], context)),
            "similarity": dict(_similarity(place, texts, slots, asked)),
            "length": {"words": len(texts[place]) / 10, "characters": len(case.options[place]) / 50},
            "position": {f"letter {letter}": 1.0 for letter in case.places[place]},
        }
        for place in range(len(case.options))
    ]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _slots(texts: Sequence[Sequence[str]]) -> tuple[list[tuple[str, ...]], frozenset[str]]:
    """Return what is left of each option without the first and last words that all share, and the words shared."""
    plain = [[word for word in words if word not in {"a", "an"}] for words in texts]
    shortest = min(map(len, plain))
    front = next((n for n in range(shortest) if len({words[n] for words in plain}) > 1), shortest)
    left = shortest - front
    back = next((n for n in range(left) if len({words[-1 - n] for words in plain}) > 1), left)
    slots = [tuple(words[front : len(words) - back]) for words in plain]
    context = plain[0][:front] + (plain[0][-back:] if back else [])
    return slots, frozenset(context) - _EMPTY


def _prior(slot: tuple[str, ...], context: frozenset[str]) -> Iterator[tuple[str, float]]:
    said = " ".join(slot)
    yield f"slot {said}", 1.0
    for other in context:
        yield f"slot {said} | {other}", 0.5
    for word in set(slot) - _EMPTY:
        yield f"word {word}", 0.5


def _similarity(
    place: int, texts: Sequence[Sequence[str]], slots: Sequence[tuple[str, ...]], asked: set[str]
) -> Iterator[tuple[str, float]]:
    own, said = set(texts[place]), " ".join(slots[place])
    shared = []
    for number, other in enumerate(texts):
        if number != place:
            shared.append(len(own & set(other)) / max(1, len(own | set(other))))
            yield f"beside {said} | {' '.join(slots[number])}", 0.5
    yield "shared, mean", 5 * sum(shared) / max(1, len(shared))
    yield "shared, least", 5 * min(shared, default=0.0)
    yield "shared, most", 5 * max(shared, default=0.0)
    yield "shared with question", 5 * len(own & asked) / max(1, len(own))
