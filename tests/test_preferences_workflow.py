"""Preference data in the workflow: what is planned, what a small run writes, and how images are retrieved."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from finer import workflow
from finer.preferences.yields import markdown, read_stages, tuning_yields
from finer.schemas import PREFERENCES
from finer.store import read_table

ROOT = Path(__file__).parent.parent
SMOKE = ("--configfile", "workflow/presets/smoke.yaml")


def snakemake(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--quiet", "rules", "--nolock", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    folder = results / "smoke"
    wanted = ["tables/tuning_yields.md", "tables/leaks.csv", "tuning/mixtures/pon.dev.parquet",
              "interchange/tuning/pon.jsonl"]  # fmt: skip
    done = snakemake("--cores", "2", *SMOKE, "--config", f"results={results}", "--", *(str(folder / w) for w in wanted))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_a_small_run_writes_mixtures_of_both_roles(run: Path) -> None:
    train = read_table(run / "tuning/mixtures/pon.parquet", PREFERENCES)
    held_out = read_table(run / "tuning/mixtures/pon.dev.parquet", PREFERENCES)
    assert train.height >= 80 and held_out.height >= 40
    assert set(train["source"]) == {"pixmo"} and set(held_out["source"]) == {"pixmo_dev"}
    assert not set(train["image_id"]) & set(held_out["image_id"])
    assert (run / "tables/leaks.csv").read_text().startswith("source,image_id,") and len(
        train["phrase_type"].unique()
    ) == 4
    lines = (run / "interchange/tuning/pon.jsonl").read_text().splitlines()
    assert [json.loads(line)["meta"]["preference_id"] for line in lines] == train["preference_id"].to_list()
    assert (run / json.loads(lines[0])["images"][0]).is_file()
    assert "finer_pon" in json.loads((run / "interchange/tuning/dataset_info.json").read_text())


def test_yields_add_up(run: Path) -> None:
    stages = read_stages(run / "tuning/pixmo")
    numbers = tuning_yields([stages])
    count = {(section, name): number for _, section, name, number in numbers.iter_rows()}
    for kind in ("obj", "attr", "rel", "wh"):
        dropped = numbers.filter((pl.col("section") == "drops") & pl.col("name").str.starts_with(f"phrases, {kind}:"))
        assert count["phrases", kind] + dropped["count"].sum() == count["input", "captions"]
        unedited = numbers.filter((pl.col("section") == "drops") & pl.col("name").str.starts_with(f"edits, {kind}:"))
        assert count["edits", kind] + unedited["count"].sum() == count["phrases", kind]
        assert count["pairs", kind] == 2 * count["edits", kind]
    assert "## pixmo" in markdown(numbers)


def test_finished_pairs_replace_the_stages_before_them(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "released"
    shutil.copytree(run / "raw/pixmo_tuning/images", copy / "raw/pixmo_tuning/images")
    shutil.copy(run / "interchange/tuning/pon.jsonl", copy)
    source = {"reader": "sharegpt", "raw": str(copy / "pon.jsonl"), "images": str(copy)}
    overlay = tmp_path / "overlay.json"
    overlay.write_text(json.dumps({"preferences": {"sources": {"pixmo": None, "released": source}}}))
    target = f"{run.parent}/smoke/tuning/mixtures/negative.parquet"
    configured = (*SMOKE, str(overlay), "--config", f"results={run.parent}")
    planned = snakemake("-n", *configured, "--", target)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "import_sharegpt" in planned.stdout and "phrase" not in planned.stdout
    done = snakemake("--cores", "2", *configured, "--", target)
    assert done.returncode == 0, done.stdout + done.stderr
    made = read_table(target, PREFERENCES)
    assert set(made["source"]) == {"released"} and set(made["polarity"]) == {"negative"} and made.height > 30


def test_paper_preset_plans_all_preference_data() -> None:
    done = snakemake("-n", "--configfile", "workflow/presets/paper.yaml", "--", "preferences")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "retrieve_pixmo" in done.stdout and "scenes_of_tuning_are_new" not in done.stdout


def test_micro_preset_compares_scenes_before_anything_is_learnt(tmp_path: Path) -> None:
    done = snakemake("-n", "--config", f"results={tmp_path}", "--", f"{tmp_path}/micro/tuning/mixtures/pon.parquet")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "scenes_of_tuning_are_new" in done.stdout and "world_instruct" not in done.stdout


def test_fingerprints_keep_stages_apart() -> None:
    assert "finer.preferences.mixtures" not in workflow.modules("edit")
    assert "finer.preferences.edits" not in workflow.modules("mix")
    assert "finer.preferences.validate" in workflow.modules("edit")
