"""Requests that wait -> a back end, as many at once as it takes; each reply is handed over the moment it comes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from finer.chat.backends.backend import Answer, Batched, Concurrent
from finer.chat.cache import Claim
from finer.chat.messages import Failure, Request
from finer.errors import InputError

_POLL = 0.1  # seconds between two looks at what other jobs have done
_FEWEST_FAILURES = 8  # in a row that mean an outage, not a request that a server cannot digest


class Desk(Protocol):
    """Who knows which request may be asked, and takes what becomes of it."""

    def admit(self, key: str) -> Claim:
        """Claim a request."""

    def request(self, key: str) -> Request:
        """Return the request itself."""

    def take(self, key: str, answer: Answer) -> None:
        """Keep a reply, or note a failure."""

    def give_back(self, key: str) -> None:
        """Take back the claim of a request that was not answered."""


async def concurrently(backend: Concurrent, keys: Iterable[str], desk: Desk) -> None:
    """Ask requests one by one, ``backend.concurrency`` at a time.

    Stops to start new ones when the budget is spent, when no attempt can succeed, or when twice as many requests
    in a row as run at once have failed; those that run are awaited and kept.

    Raises:
        InputError: no attempt can succeed.
    """
    waiting, elsewhere = deque(keys), deque[str]()
    running: set[asyncio.Task[None]] = set()
    state = _State(backend, desk)
    async with backend.session():
        while running or ((waiting or elsewhere) and not state.stopped):
            held = False
            while waiting and not held and not state.stopped and len(running) < backend.concurrency:
                key = waiting.popleft()
                claim = desk.admit(key)
                if claim is Claim.GRANTED:
                    running.add(asyncio.create_task(state.ask(key)))
                elif claim is Claim.BUSY:
                    elsewhere.append(key)
                elif claim is not Claim.KNOWN:
                    waiting.appendleft(key)
                    held, state.stopped = True, claim is Claim.SPENT
            look = held or bool(elsewhere)
            if running:
                done, running = await asyncio.wait(
                    running, timeout=_POLL if look else None, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
            elif look and not state.stopped:
                await asyncio.sleep(_POLL)
            waiting.extend(elsewhere)
            elsewhere.clear()
    if state.error is not None:
        raise state.error


class _State:
    """What running requests tell the loop."""

    def __init__(self, backend: Concurrent, desk: Desk) -> None:
        self.backend = backend
        self.desk = desk
        self.stopped = False
        self.error: InputError | None = None
        self._failed_in_a_row = 0

    async def ask(self, key: str) -> None:
        try:
            answer = await self.backend.answer(self.desk.request(key))
        except InputError as error:
            self.desk.give_back(key)
            self.error, self.stopped = self.error or error, True
            return
        self.desk.take(key, answer)
        failed = isinstance(answer.result, Failure)
        self._failed_in_a_row = self._failed_in_a_row + 1 if failed else 0
        if self._failed_in_a_row >= max(_FEWEST_FAILURES, 2 * self.backend.concurrency):
            self.stopped = True


def in_batches(backend: Batched, keys: Iterable[str], desk: Desk) -> None:
    """Ask requests in batches, in their order; stops when the budget is spent."""
    waiting, elsewhere, stopped = deque(keys), deque[str](), False
    while (waiting or elsewhere) and not stopped:
        batch: list[str] = []
        held = False
        while waiting and not held and len(batch) < backend.batch:
            key = waiting.popleft()
            claim = desk.admit(key)
            if claim is Claim.GRANTED:
                batch.append(key)
            elif claim is Claim.BUSY:
                elsewhere.append(key)
            elif claim is not Claim.KNOWN:
                waiting.appendleft(key)
                held, stopped = True, claim is Claim.SPENT
        if batch:
            answers = backend.answers([desk.request(key) for key in batch])
            for key, answer in zip(batch, answers, strict=True):
                desk.take(key, answer)
        elif (held or elsewhere) and not stopped:
            time.sleep(_POLL)
        waiting.extend(elsewhere)
        elsewhere.clear()
