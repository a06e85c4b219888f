"""Asking an MLLM through vLLM's offline engine: on the job's own GPUs, adapters served as they are.

What it can do as it is meant to: one new token with the log-probabilities of the letters. Its prefix cache holds the
image and the shared prompt, so questions come sorted by image. Options are scored by the log-probabilities of prompt
tokens, for which vLLM passes its prefix cache by: every option costs a whole prompt. Written after vLLM's documentation
(SamplingParams.logprob_token_ids, prompt_logprobs, LoRARequest); what is built and read is tested on objects of these
shapes, the engine itself has not run yet: compare it with transformers first (``python -m finer parity``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finer.errors import InputError
from finer.mllm.dialogue import Dialogue
from finer.mllm.images import open_image
from finer.mllm.questions import Answer, Query, Scores, option_scores

if TYPE_CHECKING:
    from finer.config import Evaluation
    from finer.mllm.registry import Checkpoint

_PIXELS = {"min_pixels": "min_pixels", "max_pixels": "max_pixels", "max_tiles": "max_patches"}  # ours -> processors'


def engine_arguments(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the arguments of ``vllm.LLM`` for a checkpoint; ``engine_options`` come last and win."""
    budgets = {theirs: value for ours, theirs in _PIXELS.items() if (value := getattr(checkpoint, ours)) is not None}
    return {
        "model": checkpoint.path, "dtype": checkpoint.dtype, "seed": 0, "enable_prefix_caching": True,
        "limit_mm_per_prompt": {"image": 1}, "generation_config": "vllm",  # not the checkpoint's sampling and penalties
        **({"mm_processor_kwargs": budgets} if budgets else {}),
        **({"enable_lora": True, "max_lora_rank": lora_rank(checkpoint.adapter)} if checkpoint.adapter else {}),
        **checkpoint.engine_options,
    }  # fmt: skip


def lora_rank(folder: str | Path) -> int:
    """Return the rank of an adapter, which vLLM has to know before it loads one."""
    import json

    from finer.mllm.adapters import CONFIG

    return int(json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))["r"])


def prompt_of(text: str, image: Path | None) -> dict[str, Any]:
    """Return one request: chat text with one placeholder, and the image that stands for it."""
    pictures = {} if image is None else {"multi_modal_data": {"image": open_image(image)}}
    return {"prompt": text, **pictures}


def label_logprobs(step: Mapping[int, Any], wanted: Sequence[int]) -> tuple[float | None, ...]:
    """Return the log-probabilities of tokens after one step of an output; None for one that was not returned."""
    return tuple(None if (found := step.get(token)) is None else float(found.logprob) for token in wanted)


def answer_logprobs(prompt_logprobs: Sequence[Mapping[int, Any] | None], tokens: Sequence[int]) -> list[float]:
    """Return the log-probabilities of an answer's tokens, which are the last of a prompt.

    Raises:
        InputError: the prompt ends in other tokens.
    """
    values = []
    for step, token in zip(prompt_logprobs[len(prompt_logprobs) - len(tokens) :], tokens, strict=True):
        if step is None or token not in step:
            raise InputError(
                "vLLM's prompt does not end in the tokens of the answer", found=sorted(step or ()), expected=str(token),
                cure="ask this model with engine: transformers",
            )  # fmt: skip
        values.append(float(step[token].logprob))
    return values


class VllmEngine:
    """A checkpoint in vLLM's offline engine."""

    scores = True

    def __init__(self, llm: Any, dialogue: Dialogue, parameters: Any, version: str, lora: Any = None) -> None:
        """Wrap a loaded engine.

        Args:
            llm: a ``vllm.LLM``.
            parameters: the class ``vllm.SamplingParams``.
            lora: a ``vllm.lora.request.LoRARequest``, or None for the base.
        """
        self.llm, self.dialogue, self.parameters, self.lora = llm, dialogue, parameters, lora
        self.name = f"vllm {version}"

    def answer(self, queries: Sequence[Query], max_new_tokens: int) -> list[Answer]:
        """Return one answer a query, in their order; queries of one image should stand together."""
        labels = [self.dialogue.label_ids(query.labels) if query.labels else () for query in queries]
        prompts = [prompt_of(self._text(query), query.image) for query in queries]
        outputs = self._run(prompts, [self._spoken(max_new_tokens, ids) for ids in labels])
        return [
            Answer(query.key, output.outputs[0].text, label_logprobs(output.outputs[0].logprobs[0], ids) if ids else ())
            for query, output, ids in zip(queries, outputs, labels, strict=True)
        ]

    def _text(self, query: Query) -> str:
        return self.dialogue.text(query.prompt, query.image is not None)

    def _spoken(self, tokens: int, labels: Sequence[int]) -> Any:
        wanted = {"logprobs": len(labels), "logprob_token_ids": list(labels)} if labels else {}
        return self.parameters(temperature=0.0, max_tokens=tokens, **wanted)

    def score_continuations(self, queries: Sequence[Query], options: Sequence[Sequence[str]]) -> list[Scores]:
        """Return, for each query, the log-probabilities of its options as the answer and of their first words."""
        ids = [self.dialogue.answers_ids(some) for some in options]
        prompts = [
            prompt_of(self._text(query) + self.dialogue.answer_text(option), query.image)
            for query, some in zip(queries, options, strict=True)
            for option in some
        ]
        asked = self.parameters(temperature=0.0, max_tokens=1, prompt_logprobs=0)  # 0: of the prompt's own tokens alone
        outputs = iter(self._run(prompts, [asked] * len(prompts)))
        result = []
        for query, some, tokens in zip(queries, options, ids, strict=True):
            values = [answer_logprobs(next(outputs).prompt_logprobs, one) for one in tokens]
            covering = [self.dialogue.covering(text, one) for text, one in zip(some, tokens, strict=True)]
            result.append(option_scores(query.key, some, tokens, covering, values))
        return result

    def _run(self, prompts: Sequence[Mapping[str, Any]], parameters: Sequence[Any]) -> list[Any]:
        if not prompts:
            return []
        outputs: list[Any] = self.llm.generate(
            list(prompts), sampling_params=list(parameters), lora_request=self.lora, use_tqdm=False
        )
        return outputs


def load(checkpoint: Checkpoint, settings: Evaluation) -> VllmEngine:
    """Load the model of a checkpoint; its adapter is served beside it, not merged.

    Raises:
        InputError: vLLM is not installed.
    """
    del settings  # vLLM batches by itself
    try:
        import vllm
        from vllm.lora.request import LoRARequest
    except ImportError as error:
        raise InputError(
            "vLLM is not installed", field=f"models.{checkpoint.name}.engine", found=str(error),
            expected="transformers", cure="install vllm beside the other packages, or set engine: transformers",
        ) from error  # fmt: skip
    from finer.mllm.processors import load_processor

    assert checkpoint.family is not None  # the configuration sees to it
    lora = LoRARequest(Path(checkpoint.adapter).name, 1, checkpoint.adapter) if checkpoint.adapter else None
    dialogue = Dialogue(load_processor(checkpoint.path), checkpoint.family)
    llm = vllm.LLM(**engine_arguments(checkpoint))
    return VllmEngine(llm, dialogue, vllm.SamplingParams, vllm.__version__, lora)
