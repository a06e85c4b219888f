"""A rehearsal of the preset paper-mini: its files drawn or written here, its models tiny, its APIs on loopback.

Only paths, devices, precisions and addresses differ from the preset: an overlay says which. The captions are real; no
pictures come with them, so plain ones stand under their file names.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from finer.keys import stable_key
from finer.world.comprecap import write_comprecap
from finer.world.suites.writing import write_suite
from tiny_models import save_tiny

ROOT = Path(__file__).parents[1]
PRESETS = tuple(f"workflow/presets/{name}.yaml" for name in ("paper", "paper-mini"))
MODELS = {"qwen2.5-vl-7b": "qwen2_5_vl", "qwen3-vl-8b": "qwen3_vl"}
CHAT_RULES = ("scene_graphs_by_model", "propose_by_model_0", "propose_by_model_1", "propose_by_model_2",
              "phrase_by_model", "edit_by_model", "judge_hallucination_suites")  # fmt: skip
_SEED = 11
_SUITES = {"pope": 40, "repope": 40, "mmhal": 8, "mmstar": 12, "mmvp": 8, "vstar": 8}
_COCO = ("pope", "repope")


@dataclass(frozen=True)
class Rehearsal:
    """Where a rehearsal's data and results are."""

    folder: Path

    @property
    def data(self) -> Path:
        """Folder of the raw files."""
        return self.folder / "data"

    @property
    def root(self) -> Path:
        """Folder of the preset's results."""
        return self.folder / "results" / "paper-mini"

    @property
    def overlays(self) -> list[str]:
        """The configuration files, in their order."""
        return [*PRESETS, str(self.folder / "here.yaml")]

    def snakemake(self, *arguments: str, **environment: str) -> str:
        """Run the workflow in this preset and return what it said."""
        command = ["-m", "snakemake", "--nolock", *arguments, "--configfile", *self.overlays]
        return self.python(*command, **environment).stdout

    def python(
        self, *arguments: str, allowed: Sequence[int] = (0,), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run Python without a network but loopback's, and return what came of it."""
        known = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"} | environment
        done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=known, capture_output=True, text=True)
        assert done.returncode in allowed, (done.stdout + done.stderr)[-6000:]
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout + done.stderr, done.stderr)


def prepare(folder: Path, address: str, images: int, captions: int) -> Rehearsal:
    """Write all files of a rehearsal with so many images a benchmark and so many captions for tuning."""
    rehearsal = Rehearsal(folder)
    benchmark, tuning = real_captions(images, captions)
    write_comprecap(_SEED, "comprecap_test", images, rehearsal.data / "comprecap")
    _write_docci(benchmark, rehearsal.data / "docci")
    _write_pixmo(tuning, rehearsal.data / "pixmo_sample")
    _write_suites(rehearsal.data)
    for name, family in MODELS.items():
        save_tiny(family, rehearsal.root / "models" / name)
    (folder / "here.yaml").write_text(yaml.safe_dump(overlay(folder, address)))
    return rehearsal


def overlay(folder: Path, address: str) -> dict[str, Any]:
    """Return what differs here from the preset: paths, devices, precisions, addresses."""
    here: dict[str, Any] = {"dtype": "float32", "device": "cpu"}
    place = {"base_url": address, "key": None}
    return {
        "data": str(folder / "data"),
        "results": str(folder / "results"),
        "chat": {"backends": {"gemini": place, "openai": place}},
        "models": dict.fromkeys(MODELS, here),
        "tuning": here,
    }


def real_captions(images: int, captions: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Return lines of DOCCI's file for the benchmark, and other real captions to learn from; or skip the test."""
    given = os.environ.get("FINER_REAL_CAPTIONS")
    if not given:
        pytest.skip("FINER_REAL_CAPTIONS is unset: no folder with docci_test_100 and comprecap_captions")
    lines = (Path(given) / "docci_test_100" / "docci_descriptions.jsonlines").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    long = json.loads((Path(given) / "comprecap_captions" / "gpt-4o.json").read_text(encoding="utf-8"))
    half = captions // 2
    tuning = [*(row["description"] for row in told[-half:]), *list(long.values())[: captions - half]]
    assert images + half <= len(told), "captions would be learnt from and asked about"
    return told[:images], tuning


def draw(file: Path) -> None:
    """Draw a picture that no other file's name gives: random blocks of colour."""
    seed = int(stable_key(file.name)[:8], 16)
    cells = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.kron(cells, np.ones((10, 10, 1), dtype=np.uint8))).save(file, quality=90)


def _write_docci(rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    for row in rows:
        draw(folder / "images" / str(row["image_file"]))
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "docci_descriptions.jsonlines").write_text(text, encoding="utf-8")


def _write_pixmo(captions: Sequence[str], folder: Path) -> None:
    names = [f"{stable_key('tuning', text)}.jpg" for text in captions]
    for name in names:
        draw(folder / "images" / name)
    frame = pl.DataFrame({"image_url": names, "caption": list(captions), "transcripts": [[""] for _ in names]})
    frame.write_parquet(folder / "captions.parquet")
    frame.clear().write_parquet(folder / "drops.parquet")


def _write_suites(data: Path) -> None:
    """Write the suites' official files, images where the preset looks for them."""
    for name, count in _SUITES.items():
        write_suite(name, _SEED, count, data / name)
        to = data / "coco_val2014" if name in _COCO else data / name if name == "vstar" else None
        if to is not None:
            shutil.copytree(data / name / "images", to, dirs_exist_ok=True)
            shutil.rmtree(data / name / "images")
    for name in _COCO:  # Snakemake fetches a folder again that is older than what its retrieval waits for
        os.utime(data / name)
