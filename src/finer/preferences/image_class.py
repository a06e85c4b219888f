"""A caption -> what kind of image it describes, by what its first sentences call it."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

import yaml

_DATA = yaml.safe_load((resources.files("finer.preferences") / "image_classes.yaml").read_text(encoding="utf-8"))
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
NATURAL = "natural_image"


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (name, re.compile(r"\b(?:" + "|".join(patterns) + r")\b", re.IGNORECASE))
        for name, patterns in _DATA.items()
        if isinstance(patterns, list)
    )


def image_class(caption: str) -> str:
    """Return natural_image, chart_graph, screenshot_ui or document_text."""
    start = " ".join(_SENTENCE_END.split(caption.strip())[: _DATA["sentences"]])
    return next((name for name, pattern in _patterns() if pattern.search(start)), NATURAL)
