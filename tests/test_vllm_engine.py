"""vLLM's engine: what is sent and what is read, on objects of vLLM's shapes. vLLM itself is not run here."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from finer.errors import InputError
from finer.mllm import registry
from finer.mllm.engine import TransformersEngine
from finer.mllm.questions import Query
from finer.mllm.registry import Checkpoint
from finer.mllm.vllm_engine import VllmEngine, answer_logprobs, engine_arguments, label_logprobs
from tiny_models import multiple_choice, save_images, save_tiny

LETTERS = tuple("ABCDE")
OPTIONS = ["Yes, I can see a red ball.", "No, but I can see a blue box.", "No, but I can see a cup."]


class Parameters:
    """Stands for vllm.SamplingParams: keeps what it is given."""

    def __init__(self, **given: Any) -> None:
        self.given = given


class Llm:
    """Stands for vllm.LLM: outputs in vLLM's form, computed by a transformers model on the same prompts."""

    def __init__(self, model: TransformersEngine) -> None:
        self.model, self.calls = model, []

    def generate(self, prompts: list[dict[str, Any]], sampling_params: list[Parameters], **rest: Any) -> list[Any]:
        self.calls.append((prompts, sampling_params, rest))
        return [self._output(prompt, one.given) for prompt, one in zip(prompts, sampling_params, strict=True)]

    def _output(self, prompt: dict[str, Any], given: dict[str, Any]) -> Any:
        images = {"images": [[prompt["multi_modal_data"]["image"]]]} if "multi_modal_data" in prompt else {}
        encoded = self.model.dialogue.processor(text=[prompt["prompt"]], return_tensors="pt", **images)
        if self.model._runner.qwen:
            self.model.model.model.rope_deltas = None
        with torch.inference_mode():
            logprobs = self.model.model(**encoded).logits[0].log_softmax(-1)
        ids = encoded["input_ids"][0].tolist()
        of_prompt = [None, *({t: entry(logprobs[n, t])} for n, t in enumerate(ids[1:]))]
        best = int(logprobs[-1].argmax())
        wanted = {best, *given.get("logprob_token_ids", [])}
        step = {token: entry(logprobs[-1, token]) for token in wanted}
        said = SimpleNamespace(text=self.model.dialogue.tokenizer.decode([best]), logprobs=[step])
        return SimpleNamespace(
            outputs=[said], prompt_logprobs=of_prompt if given.get("prompt_logprobs") is not None else None
        )


def entry(value: Any) -> Any:
    return SimpleNamespace(logprob=float(value), rank=1, decoded_token="x")


@pytest.fixture(scope="module", params=["internvl", "qwen2_5_vl", "llava"])
def both(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[VllmEngine, TransformersEngine, list[Query]]:
    folder = tmp_path_factory.mktemp("vllm")
    model = TransformersEngine(save_tiny(request.param, folder / "model"), request.param)
    images = save_images(folder / "images", 2)
    rng = random.Random(5)
    asked = [Query(f"q{n}", images[n % 2], multiple_choice(rng), LETTERS) for n in range(4)]
    asked.append(Query("blind", None, multiple_choice(rng), LETTERS))
    return VllmEngine(Llm(model), model.dialogue, Parameters, "0.0"), model, asked


def test_letters_are_read_as_the_first_token_s_log_probabilities(both: Any) -> None:
    engine, model, asked = both
    for one, other in zip(engine.answer(asked, 1), model.answer(asked, 1), strict=True):
        assert one.key == other.key and one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
    prompts, parameters, _ = engine.llm.calls[-1]
    assert parameters[0].given == {
        "temperature": 0.0, "max_tokens": 1, "logprobs": 5,
        "logprob_token_ids": list(engine.dialogue.label_ids(LETTERS)),
    }  # fmt: skip
    assert "multi_modal_data" in prompts[0] and "multi_modal_data" not in prompts[-1]
    assert prompts[0]["prompt"].count(engine.dialogue.processor.image_token) == 1


def test_options_are_scored_by_the_last_tokens_of_the_prompt(both: Any) -> None:
    engine, model, asked = both
    some = [asked[0], asked[-1]]
    ours = engine.score_continuations(some, [OPTIONS, OPTIONS[::-1]])
    theirs = model.score_continuations(some, [OPTIONS, OPTIONS[::-1]])
    for one, other in zip(ours, theirs, strict=True):
        assert one.key == other.key
        for name in ("sums", "means", "firsts"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-4)
    _, parameters, _ = engine.llm.calls[-1]
    assert len(parameters) == 6 and parameters[0].given["prompt_logprobs"] == 0


def test_nothing_asked_is_nothing_sent(both: Any) -> None:
    engine = both[0]
    before = len(engine.llm.calls)
    assert engine.answer([], 2) == [] and engine.score_continuations([], []) == []
    assert len(engine.llm.calls) == before


def test_a_letter_that_was_not_returned_is_unknown() -> None:
    assert label_logprobs({7: entry(-0.5)}, [7, 8]) == (-0.5, None)


def test_a_prompt_that_ends_in_other_tokens_is_refused() -> None:
    steps = [None, {3: entry(-1.0)}, {4: entry(-2.0)}]
    assert answer_logprobs(steps, (3, 4)) == [-1.0, -2.0]
    with pytest.raises(InputError, match="does not end in the tokens"):
        answer_logprobs(steps, (3, 5))


def test_arguments_carry_adapter_budgets_and_options(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 32}))
    made = engine_arguments(
        Checkpoint(
            name="m", path="models/m", family="qwen2_5_vl", engine="vllm", dtype="bfloat16", max_pixels=262144,
            adapter=str(tmp_path), engine_options={"tensor_parallel_size": 4},
        )
    )  # fmt: skip
    assert made["model"] == "models/m" and made["dtype"] == "bfloat16" and made["enable_prefix_caching"]
    assert made["enable_lora"] and made["max_lora_rank"] == 32 and made["tensor_parallel_size"] == 4
    assert made["mm_processor_kwargs"] == {"max_pixels": 262144}


def test_an_adapter_goes_with_every_request(both: Any) -> None:
    engine, _, asked = both
    adapted = VllmEngine(engine.llm, engine.dialogue, Parameters, "0.0", lora="the adapter")
    adapted.answer(asked[:1], 1)
    assert engine.llm.calls[-1][2]["lora_request"] == "the adapter"


def test_without_vllm_the_cure_is_named() -> None:
    with pytest.raises(InputError, match="vLLM is not installed"):
        registry.engine(Checkpoint(name="m", path="x", family="internvl", engine="vllm"), None)  # type: ignore[arg-type]
