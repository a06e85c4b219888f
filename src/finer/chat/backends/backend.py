"""What a back end does: turn requests into replies, one by one at once or batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from finer.chat.messages import Failure, Reply, Request


@dataclass(frozen=True)
class Answer:
    """What a request led to, after how many attempts and seconds."""

    result: Reply | Failure
    attempts: int
    seconds: float


class Concurrent(Protocol):
    """A back end that is sent many requests at once."""

    concurrency: int

    def session(self) -> AbstractAsyncContextManager[object]:
        """Open connections for the block."""

    async def answer(self, request: Request) -> Answer:
        """Ask until there is a reply, or attempts are spent.

        Raises:
            InputError: no attempt can succeed (key, address, model, form of the request).
        """


class Batched(Protocol):
    """A back end that takes a batch of requests."""

    batch: int

    def answers(self, requests: Sequence[Request]) -> Sequence[Answer]:
        """Return one answer a request, in their order."""
