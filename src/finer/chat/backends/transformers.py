"""Requests -> replies of a text model in the job's own process: greedy, in batches padded on the left.

Nothing holds such a model to a form; the prompt tells it, and replies are checked as all are.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from finer.chat.backends.backend import Answer
from finer.chat.messages import Reply, Request
from finer.config.language import LanguageModel
from finer.errors import InputError

_BATCH = 8


class TransformersBackend:
    """A causal language model with a chat template."""

    batch = _BATCH

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        try:
            tokenizer = AutoTokenizer.from_pretrained(model.model, revision=model.revision, padding_side="left")
            network = AutoModelForCausalLM.from_pretrained(
                model.model, revision=model.revision, dtype=getattr(torch, model.dtype), use_safetensors=True,
                device_map="auto" if model.device == "auto" and torch.cuda.is_available() else None,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise InputError(
                "a language model cannot be loaded", file=model.model, found=str(error).splitlines()[0],
                expected="a causal language model with safetensors weights", cure="correct chat.models.…model",
            ) from error  # fmt: skip
        if tokenizer.chat_template is None:
            raise InputError("a language model without a chat template", file=model.model, expected="chat_template",
                             cure="use an instruction-tuned model")  # fmt: skip
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self._tokenizer = tokenizer
        self._network = (network if model.device == "auto" else network.to(model.device)).eval()
        self._ends = _ends(network, tokenizer)

    def answers(self, requests: Sequence[Request]) -> list[Answer]:
        """Return one answer a request, in their order.

        Raises:
            InputError: a request shows images, or draws.
        """
        begin = time.monotonic()
        for request in requests:
            _check(request, self.model.model)
        encoded = self._tokenizer(
            [self._prompt(request) for request in requests], return_tensors="pt", padding=True, add_special_tokens=False
        ).to(self._network.device)
        with torch.inference_mode():
            made = self._network.generate(
                **encoded, do_sample=False, num_beams=1, temperature=None, top_p=None, top_k=None,
                max_new_tokens=max(request.max_tokens for request in requests),
                pad_token_id=self._tokenizer.pad_token_id,
                return_dict_in_generate=True, output_logits=any(request.logprobs for request in requests),
            )  # fmt: skip
        width, read = encoded.input_ids.shape[1], encoded.attention_mask.sum(dim=1).tolist()
        replies = [
            self._reply(request, made.sequences[row, width:].tolist(), read[row], made.logits and made.logits[0][row])
            for row, request in enumerate(requests)
        ]
        seconds = (time.monotonic() - begin) / len(requests)
        return [Answer(reply, 1, seconds) for reply in replies]

    def _prompt(self, request: Request) -> str:
        turns = [{"role": message.role, "content": message.text} for message in request.messages]
        text: str = self._tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True, **self.model.options
        )
        return text

    def _reply(self, request: Request, ids: list[int], read: int, first: Any) -> Reply:
        ids = ids[: request.max_tokens]  # the batch may have gone on for another request
        end = next((place for place, token in enumerate(ids) if token in self._ends), None)
        said = ids if end is None else ids[:end]
        return Reply(
            text=self._tokenizer.decode(said, skip_special_tokens=True), finish="length" if end is None else "stop",
            input_tokens=read, output_tokens=len(said) + (end is not None), model=self.model.model,
            logprobs=self._likeliest(first, request.logprobs),
        )  # fmt: skip

    def _likeliest(self, logits: Any, count: int) -> tuple[tuple[str, float], ...]:
        if not count:
            return ()
        values, ids = torch.log_softmax(logits.float(), dim=-1).topk(min(count, logits.shape[-1]))
        return tuple(
            (self._tokenizer.decode([token]), value) for token, value in zip(ids.tolist(), values.tolist(), strict=True)
        )


def _ends(network: Any, tokenizer: Any) -> frozenset[int]:
    """Return the tokens that end a turn."""
    named = network.generation_config.eos_token_id
    ends = named if isinstance(named, list) else [named]
    return frozenset(token for token in (*ends, tokenizer.eos_token_id) if token is not None)


def _check(request: Request, model: str) -> None:
    if any(message.images for message in request.messages):
        raise InputError("a text model cannot see", field=f"model {model}", found="a request with images",
                         expected="text", cure="give this role an MLLM by API")  # fmt: skip
    if request.temperature:
        raise InputError("in process a model replies greedily", field="temperature", found=request.temperature,
                         expected="0", cure="set the role's temperature to 0")  # fmt: skip
