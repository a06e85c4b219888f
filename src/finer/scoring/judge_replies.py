"""A judge's reply -> its verdict and reason, or nothing: a parser never guesses, the caller counts what is unread."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

RATINGS = range(7)
_FENCE = re.compile(r"^```(?:json)?\s*\n(.*)\n```$", re.DOTALL)


@dataclass(frozen=True)
class Verdict:
    """What was read from a reply; ``value`` is None where it cannot be read."""

    value: float | None
    reason: str | None = None


class _Reply(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    reason: str


class _Rating(_Reply):
    rating: Annotated[int, Field(ge=min(RATINGS), le=max(RATINGS))]


class _Correct(_Reply):
    correct: bool


def rating_json(reply: str) -> Verdict:
    """Read ``{"reason": …, "rating": 0..6}`` and nothing around it but white space or one code fence."""
    try:
        found = _Rating.model_validate_json(_unfenced(reply))
    except ValidationError:
        return Verdict(None)
    return Verdict(float(found.rating), found.reason)


def correct_json(reply: str) -> Verdict:
    """Read ``{"reason": …, "correct": true | false}``: 1 or 0."""
    try:
        found = _Correct.model_validate_json(_unfenced(reply))
    except ValidationError:
        return Verdict(None)
    return Verdict(float(found.correct), found.reason)


def rating_line(reply: str) -> Verdict:
    """Read "rating: N" in any case as MMHal-Bench's own script does: exactly one N may occur, anywhere.

    "**Rating**: 5" and "rating 5" are unread, "Rating: 60" is 6.
    """
    found = [rating for rating in RATINGS if f"rating: {rating}" in reply.lower()]
    if len(found) != 1:
        return Verdict(None)
    return Verdict(float(found[0]), reply[: reply.lower().index("rating: ")].strip() or None)


def _unfenced(reply: str) -> str:
    fenced = _FENCE.match(reply.strip())
    return fenced.group(1) if fenced else reply.strip()


REPLY_PARSERS: Mapping[str, Callable[[str], Verdict]] = {
    "rating_json": rating_json,
    "rating_line": rating_line,
    "correct_json": correct_json,
}
