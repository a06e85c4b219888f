"""Stable keys and seeds: the same row has the same key and the same draws, whatever else is in the table."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")
_SEPARATOR = "\x1f"  # never occurs in captions, names or numbers, so parts cannot run together


def stable_key(*parts: object) -> str:
    """Return 16 hex digits that depend on the parts (their ``str``) and on nothing else."""
    text = _SEPARATOR.join(str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def generator(seed: int, *parts: object) -> random.Random:
    """Return a generator for one row: seeded by the config's seed and the row's stable key."""
    return random.Random(int(stable_key(seed, *parts), 16))


def shuffled(items: Sequence[_T], seed: int, *parts: object) -> list[_T]:
    """Return the items in an order drawn for this key."""
    result = list(items)
    generator(seed, *parts).shuffle(result)
    return result
