"""Requests -> replies, from the cache where they are there, else from the model's back end; paid once.

A ``Service`` is a model of the configuration with its cache and budget. Roles ask through it, and MLLMs by API.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from finer.chat.backends.backend import Answer, Batched, Concurrent
from finer.chat.cache import Cache, Claim
from finer.chat.canonical import canonical_json, request_key, request_record
from finer.chat.driving import concurrently, in_batches
from finer.chat.journal import Entry
from finer.chat.ledger import money, most_money
from finer.chat.messages import Failure, Reply, Request
from finer.config.language import Backend, LanguageModel, shown_address
from finer.errors import InputError
from finer.progress import progress_bar

OFFLINE = "FINER_CHAT_OFFLINE"  # set to 1: replies come from the cache alone


class Service:
    """A model that can be sent requests; close it when done.

    Args:
        name: of the model in the configuration.
        model: its entry.
        backend: where it is asked.
        cache: folder of replies.
        budget: money that all jobs together may spend; None: no limit.
        role: in which it is asked, for the ledger.
    """

    def __init__(
        self, name: str, model: LanguageModel, backend: Backend, cache: str | Path, budget: float | None = None,
        role: str = "mllm",
    ) -> None:  # fmt: skip
        self.name = name
        self.model = model
        self.backend = backend
        self.budget = budget
        self.role = role
        self.cache = Cache(cache)
        self.asked = 0  # requests that went to the back end
        self.retried = 0  # attempts beyond the first
        self._carrier: Concurrent | Batched | None = None

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Fold the journal of the cache."""
        self.cache.close()

    def key(self, request: Request) -> str:
        """Return the SHA-256 under which the reply is kept."""
        return self._key(request_record(request))

    def cost(self, reply: Reply) -> float:
        """Return what a reply costs at the configured prices."""
        return money(self.model, reply.input_tokens, reply.output_tokens)

    def send(self, requests: Sequence[Request]) -> list[Reply | Failure]:
        """Return a reply to each request, in their order; equal ones are asked once.

        A failure stands where all attempts were in vain; it is not kept, so the next run asks again.

        Raises:
            InputError: the budget is spent; no attempt can succeed; the server does not answer; or replies are missing
                offline. What came is kept, and a rerun asks the rest.
        """
        records = [request_record(request) for request in requests]
        keys = [self._key(record) for record in records]
        job = _Job(self, dict(zip(keys, requests, strict=True)), dict(zip(keys, records, strict=True)))
        found = self.cache.lookup(job.requests)
        missing = [key for key in job.requests if key not in found]
        if missing:
            self._ask(job, missing, len(found))
            found |= self.cache.lookup(missing)
        job.check(found)
        return [_reply(found[key]) if key in found else job.failures[key] for key in keys]

    def _key(self, record: dict[str, Any]) -> str:
        how: dict[str, Any] = {"options": self.model.options}
        if "schema" in record:
            how["structured"] = self.backend.held
        return request_key(record, self.model.model, self.model.revision, how)

    def _ask(self, job: _Job, missing: Sequence[str], known: int) -> None:
        if os.environ.get(OFFLINE, "") not in ("", "0"):
            raise _offline(self, job.requests[missing[0]], missing)
        if self._carrier is None:
            self._carrier = carrier(self.backend, self.model)
        self.cache.release_all()
        with progress_bar(known + len(missing), f"{self.role} {self.name}", done=known) as bar:
            job.advance = bar.update
            if self.backend.kind == "http":
                asyncio.run(concurrently(self._carrier, missing, job))  # type: ignore[arg-type]
            else:
                in_batches(self._carrier, missing, job)  # type: ignore[arg-type]


class _Job:
    """One call of ``send``: what it wants, and what became of that."""

    def __init__(self, service: Service, requests: dict[str, Request], records: dict[str, dict[str, Any]]) -> None:
        self.service = service
        self.requests = requests
        self.failures: dict[str, Failure] = {}
        self.spent = False
        self.advance: Any = lambda _: None
        self._records = records

    def admit(self, key: str) -> Claim:
        """Claim a request."""
        most = most_money(self.service.model, self.requests[key])
        claim = self.service.cache.claim(key, most, self.service.budget)
        self.spent = self.spent or claim is Claim.SPENT
        return claim

    def request(self, key: str) -> Request:
        """Return the request itself."""
        return self.requests[key]

    def take(self, key: str, answer: Answer) -> None:
        """Keep a reply, or note a failure."""
        service, reply = self.service, answer.result
        service.asked += 1
        service.retried += answer.attempts - 1
        if isinstance(reply, Failure):
            self.failures[key] = reply
            service.cache.release(key)
        else:
            service.cache.keep(
                Entry(
                    key=key, role=service.role, name=service.name, model=service.model.model,
                    revision=service.model.revision, request=canonical_json(self._records[key]), reply=reply.text,
                    finish=reply.finish, answered_by=reply.model, tokens=[token for token, _ in reply.logprobs],
                    logprobs=[value for _, value in reply.logprobs], input_tokens=reply.input_tokens,
                    output_tokens=reply.output_tokens, cost=service.cost(reply), attempts=answer.attempts,
                    asked=datetime.now(UTC).isoformat(timespec="seconds"), seconds=round(answer.seconds, 3),
                )
            )  # fmt: skip
        self.advance(1)

    def give_back(self, key: str) -> None:
        """Take back the claim of a request that was not answered."""
        self.service.cache.release(key)

    def check(self, found: dict[str, Entry]) -> None:
        """Raise if there are requests that were not even asked."""
        left = len(self.requests) - len(found) - len(self.failures)
        if not left:
            return
        if self.spent:
            raise _out_of_money(self.service, len(self.requests) - len(found))
        reasons = Counter(failure.reason for failure in self.failures.values())
        last = list(self.failures.values())[-1]
        raise InputError(
            "the server does not answer",
            file=shown_address(self.service.backend.base_url or ""), field=f"model {self.service.name}",
            found=f"{', '.join(f'{n} x {reason}' for reason, n in sorted(reasons.items()))} in a row; "
            f"the last: {last.detail}", expected=f"a reply within {last.attempts} attempts",
            cure=f"start the server, or correct `base_url`; {len(found)} replies are kept, and a rerun asks the other "
            f"{len(self.requests) - len(found)}",
        )  # fmt: skip


def carrier(backend: Backend, model: LanguageModel) -> Concurrent | Batched:
    """Return the back end itself; its library is imported only now."""
    if backend.kind == "http":
        from finer.chat.backends.http import HttpBackend

        return HttpBackend(backend, model)
    if backend.kind == "vllm":
        from finer.chat.backends.vllm import VllmBackend

        return VllmBackend(backend, model)
    from finer.chat.backends.transformers import TransformersBackend

    return TransformersBackend(model)


def _reply(entry: Entry) -> Reply:
    logprobs = tuple(zip(entry.tokens, entry.logprobs, strict=True))
    return Reply(entry.reply, entry.finish, entry.input_tokens, entry.output_tokens, entry.answered_by, logprobs)


def _offline(service: Service, request: Request, missing: Sequence[str]) -> InputError:
    return InputError(
        f"a reply is not in the cache, and {OFFLINE} forbids to ask for it", file=service.cache.folder,
        row=missing[0], field=f"{service.role} {service.name}", found=request.messages[-1].text,
        expected=f"replies to all requests; {len(missing)} are missing",
        cure=f"give the cache of the run that made them, or unset {OFFLINE}",
    )  # fmt: skip


def _out_of_money(service: Service, left: int) -> InputError:
    return InputError(
        "the budget is spent", field="chat.budget",
        found=f"{service.cache.spent:.6g} spent of {service.budget:.6g}; the next request could pass it",
        expected=f"money for {left} more requests of {service.role} {service.name}",
        cure="raise chat.budget and run again: what was answered is kept and is not asked again",
    )  # fmt: skip
