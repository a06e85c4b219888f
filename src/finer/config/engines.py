"""Which models of a table have to be compared: those asked by another engine than most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

ENGINES = ("transformers", "vllm", "http")


def to_compare(engines: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the engine that asks most of some models (of equals the first of ``ENGINES``), and those of other engines.

    Args:
        engines: model -> its engine; models of which there is no checkpoint, which no other engine can ask, left out.
    """
    counts = Counter(engines.values())
    usual = max(ENGINES, key=lambda name: (counts[name], -ENGINES.index(name)))
    return usual, [model for model, engine in engines.items() if engine != usual]
