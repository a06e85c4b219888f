"""Asking an MLLM by API: a question a request, through the cache and the budget of ``finer.chat``.

An API says words, and some APIs the likeliest first tokens with their log-probabilities. It does not say how likely a
given option would have been: answering by text and by likelihood is left to the other engines. A log-probability that
is not told stays unknown.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from finer.chat.messages import Failure, Message, Reply, Request
from finer.chat.service import Service
from finer.config.language import Backend, LanguageModel
from finer.errors import InputError
from finer.mllm.questions import Answer, Query, Scores

if TYPE_CHECKING:
    from finer.config import Evaluation
    from finer.mllm.registry import Checkpoint

TOP = 20  # the most first tokens that OpenAI's protocol tells of


class HttpEngine:
    """A model behind a server that speaks OpenAI's protocol."""

    scores = False

    def __init__(
        self, name: str, model: LanguageModel, backend: Backend, cache: str | Path, budget: float | None = None,
        thinking_tokens: int = 0,
    ) -> None:  # fmt: skip
        """Describe where the model is asked; nothing is sent yet.

        Args:
            name: of the model in ``chat.models``.
            cache: folder of all requests and replies.
            budget: money that all jobs together may spend.
            thinking_tokens: added to the limit of each answer.
        """
        self.name = f"http {metadata.version('openai')}"
        self._service = (name, model, backend, cache, budget)
        self._logprobs = TOP if model.logprobs else 0
        self._thinking = thinking_tokens

    def answer(self, queries: Sequence[Query], max_new_tokens: int) -> list[Answer]:
        """Return one answer a query, in their order. What the API refuses to answer is an empty text.

        Raises:
            InputError: the budget is spent, or requests were not answered; what came is kept and not asked again.
        """
        requests = [self._request(query, max_new_tokens) for query in queries]
        with Service(*self._service) as service:
            replies = service.send(requests) if requests else []
        said = self._replies(replies)
        return [
            Answer(query.key, reply.text, label_logprobs(reply, query.labels) if self._logprobs else ())
            for query, reply in zip(queries, said, strict=True)
        ]

    def score_continuations(self, queries: Sequence[Query], options: Sequence[Sequence[str]]) -> list[Scores]:
        """Raise NotImplementedError: no chat API tells how likely a given answer would have been."""
        raise NotImplementedError("an API does not score options")

    def _request(self, query: Query, max_new_tokens: int) -> Request:
        images = () if query.image is None else (query.image,)
        return Request(
            (Message("user", query.prompt, images),), max_new_tokens + self._thinking,
            logprobs=self._logprobs if query.labels else 0,
        )  # fmt: skip

    def _replies(self, replies: Sequence[Reply | Failure]) -> list[Reply]:
        said = [reply for reply in replies if isinstance(reply, Reply)]
        failures = [reply for reply in replies if isinstance(reply, Failure)]
        if failures:
            reasons = Counter(failure.reason for failure in failures)
            raise InputError(
                f"{len(failures)} of {len(replies)} requests were not answered",
                field=f"chat.models.{self._service[0]}",
                found=f"{dict(reasons)}; the last: {failures[-1].detail}",
                expected=f"a reply within {failures[-1].attempts} attempts",
                cure="run again: what was answered is kept and is not asked again",
            )  # fmt: skip
        if said and all(not reply.text.strip() and reply.finish == "length" for reply in said):
            raise InputError(
                "every reply ran out of tokens before its first word", field=f"chat.models.{self._service[0]}",
                found=f"{len(said)} empty replies", expected="an answer",
                cure="this model thinks before it answers: switch that off in chat.models.NAME.options (for instance "
                "reasoning_effort: none), or allow for it with models.NAME.thinking_tokens",
            )  # fmt: skip
        return said


def label_logprobs(reply: Reply, labels: Sequence[str]) -> tuple[float | None, ...]:
    """Return each label's log-probability as the first token, or None where it is not among the tokens told.

    Tokens that are the label but for spaces ("A", " A") exclude each other, so their chances add up.
    """
    found: list[float | None] = []
    for label in labels:
        values = [value for token, value in reply.logprobs if token.strip(" \u2581\u0120") == label]
        found.append(math.log(math.fsum(map(math.exp, values))) if len(values) > 1 else next(iter(values), None))
    return tuple(found) if any(value is not None for value in found) else ()


def load(checkpoint: Checkpoint, settings: Evaluation) -> HttpEngine:
    """Return the engine of a model whose entry names an API."""
    del settings  # how requests are sent is the back end's business
    assert checkpoint.api is not None  # the configuration sees to it
    api = checkpoint.api
    return HttpEngine(
        api["name"], LanguageModel.model_validate(api["model"]), Backend.model_validate(api["backend"]), api["cache"],
        api["budget"], checkpoint.thinking_tokens,
    )  # fmt: skip
