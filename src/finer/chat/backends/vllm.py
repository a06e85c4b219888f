"""Requests -> replies of vLLM in the job's own process, on its GPUs; replies held to their form by JSON schema."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from typing import Any

from finer.chat.backends.backend import Answer
from finer.chat.backends.wire import turn
from finer.chat.messages import Reply, Request
from finer.config.language import Backend, LanguageModel
from finer.errors import InputError

_BATCH = 256  # requests between two saves; vLLM forms its own batches of them
_VERSION = "0.12"  # the first with `structured_outputs`


class VllmBackend:
    """A model in an engine of its own."""

    batch = _BATCH

    def __init__(self, backend: Backend, model: LanguageModel) -> None:
        self.backend = backend
        self.model = model
        try:
            self._vllm: Any = importlib.import_module("vllm")
            self._sampling: Any = importlib.import_module("vllm.sampling_params")
        except ImportError as error:
            raise InputError(
                "vLLM is not installed here", field="chat.backends.…kind: vllm", found=str(error),
                expected=f"vllm {_VERSION} or later",
                cure=f"pip install 'vllm>={_VERSION}' on a machine with a GPU, or serve the model and use kind: http",
            ) from error  # fmt: skip
        self._engine = self._vllm.LLM(model=model.model, revision=model.revision, dtype=model.dtype, **backend.options)

    def answers(self, requests: Sequence[Request]) -> list[Answer]:
        """Return one answer a request, in their order."""
        begin = time.monotonic()
        made = self._engine.chat(
            [[turn(message) for message in request.messages] for request in requests],
            sampling_params=[self._how(request) for request in requests], use_tqdm=False,
            chat_template_kwargs=self.model.options or None,
        )  # fmt: skip
        seconds = (time.monotonic() - begin) / len(requests)
        return [
            Answer(self._reply(request, output), 1, seconds) for request, output in zip(requests, made, strict=True)
        ]

    def _how(self, request: Request) -> Any:
        form = None
        if request.schema is not None and self.backend.held == "json_schema":
            form = self._sampling.StructuredOutputsParams(json=dict(request.schema))
        elif request.schema is not None and self.backend.held == "json_object":
            form = self._sampling.StructuredOutputsParams(json_object=True)
        return self._vllm.SamplingParams(
            temperature=request.temperature, max_tokens=request.max_tokens, seed=0,
            logprobs=request.logprobs or None, structured_outputs=form,
        )  # fmt: skip

    def _reply(self, request: Request, output: Any) -> Reply:
        said = output.outputs[0]
        first = said.logprobs[0].values() if request.logprobs and said.logprobs else ()
        likeliest = sorted(((one.decoded_token or "", float(one.logprob)) for one in first), key=lambda one: -one[1])
        return Reply(
            text=said.text, finish="length" if said.finish_reason == "length" else "stop",
            input_tokens=len(output.prompt_token_ids), output_tokens=len(said.token_ids), model=self.model.model,
            logprobs=tuple(likeliest[: request.logprobs]),
        )  # fmt: skip
