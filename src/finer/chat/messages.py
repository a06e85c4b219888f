"""What is sent to a language model and what comes back, whatever back end carries it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Message:
    """One turn of a conversation; images stand before the text."""

    role: Literal["system", "user", "assistant"]
    text: str
    images: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Request:
    """One conversation whose next turn is wanted. Its reply depends on these fields and the model alone."""

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float = 0.0
    schema: Mapping[str, Any] | None = field(default=None, hash=False)  # JSON schema of the reply
    logprobs: int = 0  # so many likeliest first tokens with their log-probabilities


@dataclass(frozen=True)
class Reply:
    """What a model said."""

    text: str
    finish: str  # stop | length | refusal | content_filter
    input_tokens: int
    output_tokens: int
    model: str  # as the back end names it
    logprobs: tuple[tuple[str, float], ...] = ()  # natural, of the likeliest first tokens


@dataclass(frozen=True)
class Failure:
    """Why no reply came, after all attempts."""

    reason: str  # overloaded | server_error | timeout | connection | rejected | budget
    detail: str
    attempts: int
