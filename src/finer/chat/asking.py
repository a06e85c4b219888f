"""Questions to a role and what becomes of them: a checked value, or a counted failure with its transcript."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel

Form = TypeVar("Form", bound=BaseModel)


@dataclass(frozen=True)
class Question(Generic[Form]):
    """One thing wanted of a role.

    ``problems`` enforces in code what the prompt asks for: it returns what is wrong with a well-formed reply, in
    words that are sent back to the model; an empty list accepts it.
    """

    key: str  # stable key of the row it is about
    prompt: str
    form: type[Form]
    images: tuple[Path, ...] = ()
    problems: Callable[[Form], Sequence[str]] = lambda _: ()


@dataclass(frozen=True)
class Outcome(Generic[Form]):
    """What became of a question: ``value``, or the ``reason`` why there is none."""

    key: str
    value: Form | None
    reason: str  # "", or: refusal | invalid | overlong | rejected | unanswered
    detail: str  # the last problem, in words
    calls: tuple[str, ...]  # ids of the rows of CALLS, first to last


class Asker(Protocol):
    """A role that can be asked."""

    @property
    def model(self) -> str:
        """Name of the model in the configuration."""

    @property
    def prompt_hash(self) -> str:
        """16 hex digits over the role's prompt, its version and its examples."""

    @property
    def run_id(self) -> str:
        """Row of RUNS that the replies belong to."""

    def ask(self, questions: Sequence[Question[Form]]) -> list[Outcome[Form]]:
        """Return one outcome a question, in their order; each depends on its question alone.

        Raises:
            InputError: the budget is spent, or the back end cannot be reached; what came is kept.
        """
