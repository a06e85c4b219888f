"""Which image, packages, cores and GPUs each job is given: what loads a model takes the GPU image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finer.config import Config
from finer.config.overlay import merged
from finer.planning.costs import FILE, load_costs
from finer.planning.needs import Needs
from finer.planning.software import CONDA, Software
from planned_jobs import planned_jobs
from presets import ROOT, preset

CPU, GPU = "containers/finer-cpu.sif", "containers/finer-gpu.sif"
ON_GPU = (GPU, "finer-gpu.yaml")
USUAL = (CPU, "finer.yaml")
ROLES = ("extractor", "proposer", "phraser", "editor", "judge", "second_judge")
# What a role's rule is called, and a job of it in the paper preset.
STEPS = {
    "scene_graphs_by_model": {"benchmark": "docci"}, "propose_by_model_0": {"benchmark": "docci"},
    "propose_by_model_2": {"benchmark": "comprecap"}, "phrase_by_model": {"source": "pixmo"},
    "edit_by_model": {"source": "pixmo"}, "judge_hallucination_suites": {"model": "internvl3.5-8b"},
    "second_judge_hallucination_suites": {"model": "internvl3.5-8b@finer-tuning"},
}  # fmt: skip


def overlay(kind: str, **model: Any) -> dict[str, Any]:
    """Return what gives every role of the paper preset to one back end."""
    address = {"base_url": "http://127.0.0.1:1/v1"} if kind == "http" else {}
    return {
        "chat": {
            "backends": {"one": {"kind": kind, **address}},
            "models": {name: {"backend": "one", "model": f"some/{name}-14B", **model} for name in ("one", "other")},
            "roles": {role: {"model": "other" if role == "second_judge" else "one"} for role in ROLES},
        },
        "benchmarks": {"comprecap": {"proposer_model": None}},
        "evaluation": {"second_judge": "llm"},
    }


def software(tmp_path: Path, values: dict[str, Any]) -> Software:
    file = tmp_path / "overlay.json"
    file.write_text(json.dumps(values))
    config = Config.model_validate(merged(ROOT / "config.yaml", ROOT / "workflow/presets/paper.yaml", file))
    return Software(Needs(config, load_costs(ROOT / FILE)))


def given(one: Software, rule: str, wildcards: dict[str, str]) -> tuple[str, str]:
    return one.image(rule)(wildcards), Path(one.conda(rule)(wildcards)).name


# ---------------------------------------------------------------- as Snakemake plans it
def test_jobs_of_roles_in_process_take_the_gpu_image_its_packages_and_gpus(tmp_path: Path) -> None:
    file = tmp_path / "in-process.json"
    file.write_text(json.dumps(overlay("vllm")))
    jobs = planned_jobs("all", ROOT / "workflow/presets/paper.yaml", file)
    asking = [job for job in jobs if job["rule"] in STEPS]
    assert {job["rule"] for job in asking} == set(STEPS)
    for job in asking:
        assert ((job["image"], job["conda"]), job["gpu"], job["threads"]) == (ON_GPU, 1, 2), job
    # Beside them: the models that answer, which always had it, and those that compute without a model.
    for job in jobs:
        if (
            job["rule"].startswith(("answer", "verify", "train"))
            and job["wildcards"].get("model") != "gemini-2.5-flash"
        ):
            assert (job["image"], job["conda"]) == ON_GPU and job["gpu"] >= 1 and job["threads"] > 1, job
        elif job["rule"] in ("compose", "judge_agreement", "estimates_finer", "mixture"):
            assert (job["image"], job["conda"]) == USUAL and job["gpu"] == 0 and job["threads"] == 1, job
    assert "judge_agreement" in {job["rule"] for job in jobs}


# ---------------------------------------------------------------- one rule at a time
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (overlay("vllm"), ON_GPU),
        (overlay("transformers"), ON_GPU),
        (overlay("transformers", device="cpu"), (GPU, "finer.yaml")),
        (overlay("http"), USUAL),
    ],
)
def test_the_back_end_of_a_role_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], expected: tuple[str, str]
) -> None:
    monkeypatch.chdir(ROOT)  # the tables of costs are read from the project's folder
    one = software(tmp_path, values)
    for rule, wildcards in STEPS.items():
        assert given(one, rule, wildcards) == expected, rule
        gpus = one.need(rule).get("gpu", lambda _: 0)
        assert gpus(wildcards) == (expected == ON_GPU), rule  # type: ignore[operator]
        assert one.need.threads(rule)(wildcards) == (2 if expected == ON_GPU else 1), rule


def test_of_one_rule_the_job_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    one = software(tmp_path, {})  # the paper's: CompreCap's negatives in process, DOCCI's by API
    assert given(one, "propose_by_model_0", {"benchmark": "comprecap"}) == ON_GPU
    assert given(one, "propose_by_model_0", {"benchmark": "docci"}) == USUAL


def test_without_a_gpu_image_the_one_image_serves_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    one = software(tmp_path, {"containers": {"gpu": None}})
    assert given(one, "phrase_by_model", {"source": "pixmo"}) == (CPU, "finer-gpu.yaml")


def test_a_model_on_the_cpu_keeps_the_usual_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    one = Software(Needs(Config.model_validate(preset()), load_costs(FILE)))
    assert given(one, "answer_finer", {"model": "internvl3.5-micro-s"}) == USUAL
    assert all((ROOT / "workflow/rules" / file).resolve().is_file() for file in CONDA.values())


def test_a_row_asked_through_vllm_runs_on_gpus_whatever_its_device_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    values = preset()
    values["models"]["fast"] = {"title": "F", "size": "8B", "family": "internvl", "path": "x", "engine": "vllm"}
    one = Software(Needs(Config.model_validate(values), load_costs(FILE)))
    for rule in ("answer_finer", "parity"):
        assert one.need(rule)["gpu"]({"model": "fast"}) == 1, rule  # type: ignore[operator]
        assert Path(one.conda(rule)({"model": "fast"})).name == "finer-gpu.yaml", rule
        assert one.need(rule)["gpu"]({"model": "internvl3.5-micro-s"}) == 0, rule  # type: ignore[operator]
