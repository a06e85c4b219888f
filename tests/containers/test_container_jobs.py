"""Jobs in images: every rule names one, jobs run the checkout's code in it, and their runs name its digest."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from finer.containers import digest
from finer.mllm.runs import Stopwatch, run_row
from planned_jobs import planned_jobs

ROOT = Path(__file__).parents[2]
CPU, GPU = "containers/finer-cpu.sif", "containers/finer-gpu.sif"


def images(target: str, *files: Path) -> dict[str, set[str]]:
    """Return the images of the jobs that are planned for a target, by rule."""
    found: dict[str, set[str]] = {}
    for job in planned_jobs(target, *files):
        found.setdefault(job["rule"], set()).add(job["image"])
    return found


@pytest.mark.parametrize(
    ("preset", "target", "expected"),
    [("micro", "all", {CPU}), ("smoke", "all", {CPU}), ("captions", "captions", {CPU}), ("paper", "all", {CPU, GPU})],
)
def test_every_job_names_an_image(preset: str, target: str, expected: set[str], tmp_path: Path) -> None:
    captions = tmp_path / "own.yaml"
    captions.write_text("captions: tests/data/captions/docci_descriptions.jsonlines\n")
    files = [] if preset == "micro" else [ROOT / f"workflow/presets/{preset}.yaml"]
    rules = images(target, *files, captions)
    assert len(rules) > 5
    assert {image for named in rules.values() for image in named} == expected


def test_jobs_that_load_models_take_the_gpu_image_when_there_is_one(tmp_path: Path) -> None:
    overlay = tmp_path / "gpu.yaml"
    overlay.write_text("containers: {gpu: images/gpu.sif}\n")
    rules = images("all", overlay)
    on_gpu = {name for name, named in rules.items() if named == {"images/gpu.sif"}}
    assert {"answer_finer", "answer_granularity", "verify_0", "train_adapter"} <= on_gpu
    assert not {"compose", "finer_benchmarks", "world_docci", "estimates_finer"} & on_gpu


def run_prefixed(prefix: str, command: str, **environment: str) -> str:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("APPTAINER", "PYTHONPATH"))}
    words = ["bash", "-euo", "pipefail", "-c", prefix + command]
    return subprocess.run(words, env=clean | environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "finer-cpu.sif"
    path.write_bytes(b"an image")
    return path


def test_outside_an_image_jobs_call_the_python_of_the_workflow(image: Path, tmp_path: Path) -> None:
    prefix = digest.shell_prefix(Path("/some where/bin"), Path("/src"), [str(image)], tmp_path / "cache.json")
    assert run_prefixed(prefix, "echo $PATH").startswith("/some where/bin:")
    assert run_prefixed(prefix, "echo ${PYTHONPATH:-unset} ${FINER_IMAGE_DIGEST:-unset}") == "unset unset"


def test_in_an_image_jobs_run_the_checkouts_code_with_the_images_python(image: Path, tmp_path: Path) -> None:
    prefix = digest.shell_prefix(
        Path("/venv/bin"), Path("/a checkout/src"), [str(image), None], tmp_path / "cache.json"
    )
    said = run_prefixed(prefix, "echo $PATH; echo $PYTHONPATH; echo $FINER_IMAGE_DIGEST", APPTAINER_NAME=image.name)
    path, source, found = said.splitlines()
    assert "/venv/bin" not in path and source == "/a checkout/src"
    assert found == f"sha256:{hashlib.sha256(b'an image').hexdigest()}"


def test_in_another_image_no_digest_is_handed_on(image: Path, tmp_path: Path) -> None:
    prefix = digest.shell_prefix(Path("/venv/bin"), Path("/src"), [str(image)], tmp_path / "cache.json")
    said = run_prefixed(
        prefix, "echo ${FINER_IMAGE_DIGEST:-unset}", APPTAINER_NAME="other.sif", FINER_IMAGE_DIGEST="old"
    )
    assert said == "unset"


def test_a_new_image_of_the_same_name_has_a_new_digest(image: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    first = digest.cached_digest(image, cache)
    assert digest.cached_digest(image, cache) == first
    image.write_bytes(b"another image")
    assert digest.cached_digest(image, cache) == f"sha256:{hashlib.sha256(b'another image').hexdigest()}" != first


def recorded() -> str:
    return str(run_row("r", "answer", Stopwatch(), config_hash="c", code_hash="d")["image_digest"].item())


def test_a_run_names_the_image_it_was_made_in(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("APPTAINER_CONTAINER", raising=False)
    monkeypatch.setenv("FINER_IMAGE_DIGEST", "sha256:left over")
    assert recorded() == "none"
    monkeypatch.setenv("APPTAINER_CONTAINER", str(image))
    assert recorded() == "sha256:left over"
    monkeypatch.delenv("FINER_IMAGE_DIGEST")
    assert recorded() == f"sha256:{hashlib.sha256(b'an image').hexdigest()}"
    monkeypatch.setenv("APPTAINER_CONTAINER", str(tmp_path / "not seen.sif"))
    assert recorded() == "unknown"


def test_a_verb_may_be_written_as_two_words() -> None:
    command = [sys.executable, "-m", "finer", "containers", "check", "--help"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "agree" in done.stdout
