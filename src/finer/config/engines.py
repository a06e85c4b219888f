"""Which models of a table have to be compared: those asked by another engine than most; and when engines agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

ENGINES = ("transformers", "vllm", "http")


def to_compare(engines: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the engine that asks most of some models (of equals the first of ``ENGINES``), and those of other engines.

    Args:
        engines: model -> its engine; models of which there is no checkpoint, which no other engine can ask, left out.
    """
    counts = Counter(engines.values())
    usual = max(ENGINES, key=lambda name: (counts[name], -ENGINES.index(name)))
    return usual, [model for model, engine in engines.items() if engine != usual]


def within(row: Mapping[str, Any], agreement: float, gap: float) -> bool:
    """Return whether a row of PARITY lets two engines stand in one table.

    Args:
        agreement: least share of the same letters, 0 to 1.
        gap: largest difference of a log-probability; where none were told, letters alone decide.
    """
    largest = row["largest_gap"]
    return bool(row["agreement"] >= 100 * agreement and (largest is None or largest <= gap))
