"""Entries of models: contradictions are refused when the configuration is read, what decides numbers is in the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from finer import workflow
from finer.config import Config, parse
from finer.config.overlay import load_files
from finer.errors import InputError
from finer.mllm.registry import ENGINE_MODULES, Checkpoint
from finer.tables.published_values import check_published_row
from finer.tables.shown import shown

ROOT = Path(__file__).parents[1]
CHAT = {
    "backends": {"local": {"kind": "http", "base_url": "http://127.0.0.1:1/v1"}, "here": {"kind": "vllm"}},
    "models": {
        "silent": {"backend": "local", "model": "m"},
        "telling": {"backend": "local", "model": "m", "logprobs": True, "revision": "2025"},
        "here": {"backend": "here", "model": "m"},
    },
}


def config(**models: Any) -> dict[str, Any]:
    values = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return values | {"models": {**values["models"], **models}, "chat": CHAT}


def paper() -> Config:
    """The paper preset on top of config.yaml, as the workflow reads it."""
    return load_files([ROOT / "config.yaml", ROOT / "workflow/presets/paper.yaml"])


API = {"title": "A", "engine": "http", "chat": "telling"}
LOCAL = {"title": "L", "family": "internvl", "path": "x"}


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        (LOCAL | {"chat": "telling"}, "chat names the model of an API"),
        ({"title": "A", "engine": "http"}, "chat names the model of an API"),
        (API | {"chat": "unheard"}, "'unheard' is not one of `chat.models`"),
        (API | {"chat": "here"}, "must be one"),
        (API | {"role": "verifier", "chat": "silent"}, "logprobs must be true"),
        (API | {"repo": "a/b", "revision": "main"}, "needs a family"),
        (API | {"adapter_repo": "a/b", "adapter_revision": "main"}, "no adapter_repo"),
        (API | {"image_backend": "pil"}, "image_backend belongs to engine: transformers"),
        ({"title": "L", "engine": "vllm", "chat": None}, "needs a family"),
        (LOCAL | {"thinking_tokens": 5}, "thinking_tokens belongs to engine: http"),
        (LOCAL | {"engine_options": {"x": 1}}, "engine_options belongs to engine: vllm"),
        (LOCAL | {"max_memory": {"0": "20GiB"}}, "max_memory belongs to device: auto"),
        (LOCAL | {"max_pixels": 100}, "min_pixels and max_pixels belong to the families"),
        (LOCAL | {"family": "llava", "max_tiles": 2}, "max_tiles belongs to the family internvl"),
        (LOCAL | {"family": "qwen3_vl", "min_pixels": 9, "max_pixels": 4}, "is above max_pixels"),
        (LOCAL | {"adapter_repo": "a/b"}, "needs a revision"),
        (LOCAL | {"engine": "ollama"}, "engine"),
    ],
)
def test_contradictions_are_refused(entry: dict[str, Any], found: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(config(mine=entry))
    assert found in str(caught.value)


def test_an_adapter_is_not_trained_for_an_api_or_on_top_of_a_released_adapter() -> None:
    for entry in (API, LOCAL | {"adapter_repo": "a/b", "adapter_revision": "main"}):
        values = config(mine=entry)
        values["adapters"]["finer-tuning"]["models"].append("mine")
        with pytest.raises(InputError, match="no plain checkpoint"):
            parse(values)


def test_a_verifier_may_be_an_api_that_tells_log_probabilities() -> None:
    values = config(judge=API | {"role": "verifier"})
    values["negatives"]["verifier"] = "judge"
    plan = parse(values).plan()["models"]["judge"]
    assert plan["path"] == [] and json.loads(plan["load"])["api"]["model"]["logprobs"] is True


@pytest.mark.parametrize(
    "changes",
    [{"dtype": "bfloat16"}, {"attention": "eager"}, {"device": "auto"}, {"image_backend": "torchvision"},
     {"max_tiles": 6}, {"engine": "vllm"}],
)  # fmt: skip
def test_what_decides_numbers_is_part_of_the_run(changes: dict[str, Any]) -> None:
    one, other = (
        Checkpoint.read("mine", parse(config(mine=entry)).plan()["models"]["mine"]["load"])
        for entry in (LOCAL, LOCAL | changes)
    )
    assert one.numerics != other.numerics


def test_options_of_an_api_are_part_of_the_run_and_its_key_is_not() -> None:
    values = config(mine=API)
    load = parse(values).plan()["models"]["mine"]["load"]
    values["chat"] = CHAT | {"models": {**CHAT["models"], "telling": CHAT["models"]["telling"] | {"options": {"x": 1}}}}  # type: ignore[dict-item,operator]
    changed = parse(values).plan()["models"]["mine"]["load"]
    assert Checkpoint.read("mine", load).numerics != Checkpoint.read("mine", changed).numerics
    assert Checkpoint.read("mine", load).source() == "m@2025"


def test_a_title_changes_no_answer() -> None:
    plans = [parse(config(mine=LOCAL | {"title": title})).plan()["models"]["mine"]["load"] for title in "ab"]
    assert plans[0] == plans[1]


def test_models_of_another_engine_are_compared_with_the_usual_one() -> None:
    served = API | {"family": "internvl", "path": "x"}
    parsed = parse(config(mine=served, closed=API, fast=LOCAL | {"engine": "vllm"}))
    assert parsed.compared() == {"mine": ["transformers", "http"], "fast": ["transformers", "vllm"]}
    plan = parsed.plan()["models"]
    assert plan["mine"]["checkpoint"] == "x" and plan["mine"]["path"] == [] and "compared" not in plan["closed"]
    names = shown(json.loads(parsed.layout())).models
    assert names["mine"].comparable and not names["mine"].scores and not names["closed"].comparable


def test_a_change_of_one_engine_asks_only_its_models_again() -> None:
    plan = workflow.with_code(parse(config(mine=API, fast=LOCAL | {"engine": "vllm"})).plan())["models"]
    assert len({plan[name]["answer_code"] for name in ("mine", "fast", "internvl3.5-micro-s")}) == 3
    assert not set(ENGINE_MODULES.values()) & set(workflow.modules("answer"))
    assert "finer.chat.service" not in workflow.modules("answer")


def test_released_adapters_have_a_rule_of_their_own() -> None:
    parsed = parse(config(mine=LOCAL | {"adapter_repo": "a/b", "adapter_revision": "main"}))
    plan = parsed.plan()["models"]["mine"]
    assert plan["adapter"] == "results/micro/adapters/released/mine"
    assert json.loads(plan["load"])["adapter"] == plan["adapter"]
    assert parsed.unpinned() == {"models.mine.adapter_revision": ("a/b", "main")}


# ---------------------------------------------------------------- the paper
def test_the_paper_s_models_are_entries_and_pinned_where_a_commit_is_known() -> None:
    parsed = paper()
    assert {"llava-1.5-7b", "llava-1.5-13b", "llava-1.6-7b", "qwen2.5-vl-7b", "qwen3-vl-8b", "internvl3.5-8b",
            "internvl3.5-14b", "internvl3.5-38b", "gemini-2.5-flash"} == set(parsed.subjects)  # fmt: skip
    assert list(parsed.unpinned()) == ["models.finer-qwen2.5-vl-7b.revision", "models.finer-internvl3.5-8b.revision"]
    page = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    for name in parsed.run_here():
        text = parsed.chat.models[name]
        assert name in page and text.model in page and (text.revision or "")[:12] in page, name
    assert parsed.run_here() == ["phi-4", "qwen3-14b"]
    for name, model in parsed.models.items():
        if model.repo and not model.unpinned:
            assert f"{model.repo} | {(model.revision or '')[:12]} |" in page, name
        if model.published:
            check_published_row(model.published, name)
    assert {"LRV-V2", "LLaVA-RLHF", "RLHF-V", "OPA-DPO", "RLAIF-V"} <= set(page.replace("|", " ").split())
