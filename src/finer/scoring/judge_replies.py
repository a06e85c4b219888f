"""A judge's reply -> its verdict and reason, or nothing: a parser never guesses, the caller counts what is unread."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

RATINGS = range(7)
CORRECTNESS = {"incorrect": 0.0, "unclear": 0.5, "correct": 1.0}
_FENCE = re.compile(r"^```(?:json)?\s*\n(.*)\n```$", re.DOTALL)


@dataclass(frozen=True)
class Verdict:
    """What was read from a reply; ``value`` is None where it cannot be read."""

    value: float | None
    reason: str | None = None


class _Reply(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    reason: str


class Rating(_Reply):
    """A rating from 0 to 6."""

    rating: Annotated[int, Field(ge=min(RATINGS), le=max(RATINGS))]

    @property
    def value(self) -> float:
        """The verdict as a number."""
        return float(self.rating)


class Correct(_Reply):
    """Right or wrong."""

    correct: bool

    @property
    def value(self) -> float:
        """The verdict as a number: 1 or 0."""
        return float(self.correct)


class Correctness(_Reply):
    """Right, wrong, or neither."""

    verdict: Literal["correct", "incorrect", "unclear"]

    @property
    def value(self) -> float:
        """The verdict as a number: 1, 0 or, unclear, one half."""
        return CORRECTNESS[self.verdict]


JudgeForm = Rating | Correct | Correctness
#: parser -> the form of the JSON object that it reads
FORMS: Mapping[str, type[JudgeForm]] = {
    "rating_json": Rating, "correct_json": Correct, "correctness_json": Correctness,
}  # fmt: skip


def json_verdict(form: type[JudgeForm], reply: str) -> Verdict:
    """Read one JSON object of a form, and nothing around it but white space or one code fence."""
    try:
        found = form.model_validate_json(_unfenced(reply))
    except ValidationError:
        return Verdict(None)
    return Verdict(found.value, found.reason)


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
    **{name: partial(json_verdict, form) for name, form in FORMS.items()},
    "rating_line": rating_line,
}
