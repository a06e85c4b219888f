"""Words of a caption -> the places that it may tell of, and which things can be met there."""

from __future__ import annotations

from collections.abc import Set
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

_SHARE = 0.5  # of the words of the place told best: what a place must exceed to count beside it


@cache
def _data() -> dict[str, Any]:
    with Path(__file__).with_name("places.yaml").open(encoding="utf-8") as file:
        return cast(dict[str, Any], yaml.safe_load(file))


@cache
def _words() -> dict[str, dict[str, frozenset[str]]]:
    """Return the telling words by side ("inside", "outside") and place."""
    return {
        side: {name: frozenset(str(place["words"]).split()) for name, place in _data()[side].items()}
        for side in ("inside", "outside")
    }


@cache
def _at() -> dict[str, frozenset[str]]:
    """Return the places by thing, for things that are not met everywhere."""
    found: dict[str, set[str]] = {name: set() for name in _names(_data()["never"])}
    for side in ("inside", "outside"):
        for name, place in _data()[side].items():
            for thing in _names(place["things"]):
                found.setdefault(thing, set()).add(name)
    return {thing: frozenset(places) for thing, places in found.items()}


@cache
def _side_words(side: str) -> frozenset[str]:
    return frozenset(str(_data()["side_words"][side]).split())


@cache
def _over() -> dict[str, list[str]]:
    """Return by place those that do not count beside it."""
    return {name: str(place.get("over", "")).split() for side in _words() for name, place in _data()[side].items()}


def _names(text: str) -> list[str]:
    return [word.replace("_", " ") for word in text.split()]


def places(vocabulary: Set[str]) -> frozenset[str]:
    """Return the places that words (singular) tell of: on the side that more of them tell of, those told nearly best.

    A side that is told and no place on it: all of its places. Nothing told: none. Sides told alike both count, since a
    window shows the street.
    """
    told = {side: {name: len(words & vocabulary) for name, words in known.items()} for side, known in _words().items()}
    totals = {side: len(vocabulary & frozenset().union(_side_words(side), *_words()[side].values())) for side in told}
    most = max(totals.values())
    counts = {name: count for side in told if totals[side] == most for name, count in told[side].items()}
    best = max(counts.values())
    if not best:
        return frozenset(counts) if most else frozenset()
    likely = {name for name, count in counts.items() if count > best * _SHARE}
    return frozenset(likely - {other for name in likely for other in _over().get(name, ())})


def fits(thing: str, at: Set[str]) -> bool:
    """Return whether a thing (singular) can be met at one of the places; where none is known, all of them can."""
    known = _at().get(thing)
    return known is None or bool(known & at) or (not at and bool(known))
