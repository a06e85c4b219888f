"""ChartQA's relaxed correctness: a number within five per cent of the right one, any other answer the same text."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

TOLERANCE = 0.05
Correct = Callable[[str, str], bool]  # answer, right answer


def number(text: str) -> float | None:
    """Return the number that a text is ("62", "3%" -> 0.03), or None; "1,200", "$5" and "five" are none."""
    try:
        return float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None


def relaxed(answer: str, right: str) -> bool:
    """Return whether an answer is right; the error is relative to the right number, and a 0 is compared as text."""
    found, wanted = number(answer), number(right)
    if found is not None and wanted:
        return abs(found - wanted) / abs(wanted) <= TOLERANCE
    return answer.lower() == right.lower()


def swapped(answer: str, right: str) -> bool:
    """Return the same with the two exchanged: relative to the answer, as VLMEvalKit had it until September 2025."""
    return relaxed(right, answer)


def without_stop(answer: str, right: str) -> bool:
    """Return ``relaxed`` of the answer without the full stop of a sentence ("Yes." for "Yes")."""
    return relaxed(answer.removesuffix(".").rstrip(), right)


def by_first_reference(correct: Correct) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Return the scorer that compares a response, white space around it removed, with the one reference."""

    def score(joined: pl.DataFrame) -> pl.DataFrame:
        read = joined["text"].str.strip_chars()
        right = joined["references"].list.first()
        scores = [float(correct(one, other)) for one, other in zip(read, right, strict=True)]
        return joined.with_columns(read=read, score=pl.Series(scores, dtype=pl.Float64), unparsed=read == "")

    return score
