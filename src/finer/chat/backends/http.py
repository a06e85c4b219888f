"""Requests -> replies of a server that speaks OpenAI's protocol (cloud, vLLM, llama.cpp, Ollama, …).

The official client carries them; its own retries are off, since attempts are counted and told here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import openai
from openai.types.chat import ChatCompletion
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from finer.chat.backends.backend import Answer
from finer.chat.backends.http_errors import PassingError, explain, is_too_long, passing, refused
from finer.chat.backends.wire import turn
from finer.chat.ledger import most_input_tokens
from finer.chat.messages import Failure, Reply, Request
from finer.config.language import Backend, LanguageModel, shown_address
from finer.errors import InputError

_LOG = logging.getLogger(__name__)
_NO_KEY = "none"  # the client insists on one
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds
_FINISHES = {"stop": "stop", "length": "length", "content_filter": "content_filter"}


class HttpBackend:
    """A model of a server."""

    def __init__(self, backend: Backend, model: LanguageModel) -> None:
        self.backend = backend
        self.model = model
        self.concurrency = backend.concurrency
        self.pauses = wait_random_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE)
        self._key = _key(backend)
        self._client: openai.AsyncOpenAI | None = None
        self._quiet_until = 0.0

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Open connections for the block."""
        client = openai.AsyncOpenAI(
            base_url=self.backend.base_url, api_key=self._key, max_retries=0, timeout=self.backend.timeout
        )
        async with client:
            self._client = client
            yield
        self._client = None

    async def answer(self, request: Request) -> Answer:
        """Ask until there is a reply, or attempts are spent."""
        begin = time.monotonic()
        attempts = 0
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.backend.attempts), wait=self._pause, before_sleep=self._tell,
            retry=retry_if_exception_type(PassingError), reraise=True,
        )  # fmt: skip
        result: Reply | Failure
        try:
            async for attempt in retrying:
                attempts = attempt.retry_state.attempt_number
                with attempt:
                    result = await self._once(request)
        except PassingError as error:
            result = Failure(error.reason, error.detail, attempts)
        return Answer(result, attempts, time.monotonic() - begin)

    async def _once(self, request: Request) -> Reply:
        if self._client is None:
            raise RuntimeError("ask inside `session`")
        while (pause := self._quiet_until - time.monotonic()) > 0:
            await asyncio.sleep(pause)
        body = body_of(request, self.backend, self.model)
        try:
            async with asyncio.timeout(self.backend.timeout):
                raw = await self._client.chat.completions.create(
                    model=body.pop("model"), messages=body.pop("messages"), extra_body=body
                )
            return reply_of(raw, request)
        except openai.APIStatusError as error:
            if is_too_long(error):
                return Reply("", "too_long", 0, 0, self.model.model)
            if refused(error):
                return Reply("", "content_filter", 0, 0, self.model.model)
            raise passing(error, self._key) or self._hopeless(error) from None
        except (openai.APIError, TimeoutError, ValueError) as error:
            raise passing(error, self._key) or self._hopeless(error) from None

    def _hopeless(self, error: Exception) -> InputError:
        return explain(error, shown_address(self.backend.base_url or ""), self.model.model, self.backend.key, self._key)

    def _pause(self, state: RetryCallState) -> float:
        """Return the seconds until the next attempt; where the server names them, all requests wait."""
        error = state.outcome.exception() if state.outcome else None
        named = error.retry_after if isinstance(error, PassingError) else None
        if named is not None:
            self._quiet_until = max(self._quiet_until, time.monotonic() + named)
        return max(float(self.pauses(state)), named or 0.0)

    def _tell(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0.0
        _LOG.warning(
            "%s: attempt %d of %d failed (%s); again in %.1f s",
            self.model.model, state.attempt_number, self.backend.attempts, error, pause,
        )  # fmt: skip


def _key(backend: Backend) -> str:
    if backend.key is None:
        return _NO_KEY
    key = os.environ.get(backend.key, "").strip()
    if not key:
        raise InputError(
            "the API key is not there", field="chat.backends.key", found=f"no environment variable {backend.key}",
            expected=f"the key in {backend.key}", cure=f"export {backend.key}=… before the run",
        )  # fmt: skip
    return key


def body_of(request: Request, backend: Backend, model: LanguageModel) -> dict[str, Any]:
    """Return a request as the server reads it; ``options`` of the model add fields, replace, or (null) remove them."""
    body: dict[str, Any] = {
        "model": model.model,
        "messages": [turn(message) for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
    }
    if request.schema is not None and backend.structured == "json_schema":
        form = {"name": _name(request.schema), "schema": dict(request.schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    elif request.schema is not None and backend.structured == "json_object":
        body["response_format"] = {"type": "json_object"}
    if request.logprobs:
        body |= {"logprobs": True, "top_logprobs": request.logprobs}
    return {name: value for name, value in (body | model.options).items() if value is not None}


def _name(schema: Mapping[str, Any]) -> str:
    return re.sub(r"\W", "_", str(schema.get("title") or "reply"))[:64]


def reply_of(raw: ChatCompletion, request: Request) -> Reply:
    """Return what a server said.

    Raises:
        ValueError: it is no reply: the client does not check what it is sent.
    """
    choices = getattr(raw, "choices", None)
    if not choices or choices[0].message is None:
        raise ValueError(f"no choices in {str(getattr(raw, 'model_extra', raw))[:200]}")
    choice, usage = choices[0], raw.usage
    refusal = getattr(choice.message, "refusal", None)
    text = refusal or choice.message.content or ""
    finish = "refusal" if refusal else _FINISHES.get(choice.finish_reason or "stop", choice.finish_reason)
    return Reply(
        text=text.encode("utf-8", "replace").decode(),  # lone surrogates have no place in a table
        finish=finish,
        input_tokens=usage.prompt_tokens if usage else most_input_tokens(request),
        output_tokens=usage.completion_tokens if usage else request.max_tokens,  # untold, so the most is counted
        model=raw.model or "",
        logprobs=_logprobs(choice),
    )


def _logprobs(choice: Any) -> tuple[tuple[str, float], ...]:
    content = getattr(choice.logprobs, "content", None) if choice.logprobs else None
    if not content:
        return ()
    return tuple((one.token, float(one.logprob)) for one in content[0].top_logprobs or ())
