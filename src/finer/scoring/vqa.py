"""TextVQA: an answer and ten annotators' answers, both normalised -> soft accuracy, as the official evaluator has it.

The official normaliser is that of the EvalAI processor in MMF and LLaVA, quirks included; the toolkit's
(VLMEvalKit) differs from it in three places. Tables: ``vqa.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import Any

import polars as pl
import yaml

ANNOTATORS = 10
_AGREEING = 3  # others who must agree for the full score
# The first group is meant to look behind for a digit but reads "not followed by <= and a digit": always true, so
# a digit before the stop does not protect it ("5." -> "5", while "1.5" stays by the second group).
_OFFICIAL_STOP = re.compile(r"(?!<=\d)(\.)(?!\d)")
_TOOLKIT_STOP = re.compile(r"(?<!\d)\.(?!\d)")
_COMMA = re.compile(r"\d,\d")  # never in the official one, where no comma is left
_MOST_STOPS = 32  # both pass a flag (re.UNICODE, 32) where the number of replacements belongs


@cache
def _tables() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(resources.files(__package__).joinpath("vqa.yaml").read_text("utf-8"))
    return loaded


@cache
def official_answer(text: str) -> str:
    """Return an answer as MMF's and LLaVA's evaluator normalises it."""
    bare = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    return _words(_punctuation(bare.replace("\n", " ").replace("\t", " ").strip(), _OFFICIAL_STOP))


@cache
def toolkit_answer(text: str) -> str:
    """Return an answer as VLMEvalKit normalises it: commas stay until the punctuation, "'s" is not split off."""
    return _words(_punctuation(text.replace("\n", " ").replace("\t", " ").strip(), _TOOLKIT_STOP))


def _punctuation(text: str, stop: re.Pattern[str]) -> str:
    """Remove a mark that touches a space, or any mark where a comma stands between digits; else make it a space."""
    numeric = _COMMA.search(text) is not None
    changed = text
    for mark in _tables()["punctuation"]:
        removed = numeric or f"{mark} " in text or f" {mark}" in text
        changed = changed.replace(mark, "" if removed else " ")
    return stop.sub("", changed, count=_MOST_STOPS)


def _words(text: str) -> str:
    numbers, articles, contractions = (_tables()[name] for name in ("numbers", "articles", "contractions"))
    words = [numbers.get(word, word) for word in text.lower().split()]
    return " ".join(contractions.get(word, word) for word in words if word not in articles)


def soft_accuracy(answer: str, annotators: Sequence[str]) -> float:
    """Return the mean over the annotators of min(1, how many of the others agree with the answer / 3)."""
    matches = [answer == other for other in annotators]
    agreeing = sum(matches)
    return sum(min(1.0, (agreeing - own) / _AGREEING) for own in matches) / len(matches)


def by_soft_accuracy(normalise: Callable[[str], str]) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Return the scorer of a normaliser; an answer of which nothing is left is unparsed."""

    def score(joined: pl.DataFrame) -> pl.DataFrame:
        read = [normalise(text) for text in joined["text"]]
        scores = [
            soft_accuracy(one, [normalise(other) for other in answers])
            for one, answers in zip(read, joined["references"], strict=True)
        ]
        return joined.with_columns(
            read=pl.Series(read, dtype=pl.String), score=pl.Series(scores, dtype=pl.Float64),
            unparsed=pl.Series([not one for one in read], dtype=pl.Boolean),
        )  # fmt: skip

    return score
