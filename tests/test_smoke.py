"""The real thing in small: raw files to tables with the smoke preset, and what a change rebuilds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from finer.schemas import CONTROLS, PAIRS, RUNS, VERDICTS
from finer.store import read_table
from finer.tables.catalogue import connect

ROOT = Path(__file__).parent.parent
PRESET = ["--configfile", "workflow/presets/smoke.yaml"]


def snakemake(results: Path, *arguments: str, source: Path | None = None) -> str:
    """Run the workflow from the checkout, with results (and, if given, the package) elsewhere; return what it said."""
    environment = os.environ | ({"PYTHONPATH": str(source)} if source else {})
    command = [sys.executable, "-m", "snakemake", "--nolock", *PRESET, "--config", f"results={results}", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    return said


def planned(said: str) -> set[str]:
    """Names of the rules in the statistics of a dry run."""
    if "Nothing to be done" in said:
        return set()
    table = said.split("Job stats:")[1].split("total")[0]
    return {match[1] for match in re.finditer(r"^(\w+) +\d+$", table, re.MULTILINE)}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smoke")
    snakemake(folder, "--cores", "2")
    return folder


def test_every_table_and_figure_is_there(results: Path) -> None:
    smoke = results / "smoke"
    for kind in ("md", "csv", "tex", "html"):
        assert (smoke / f"tables/finer_benchmarks.{kind}").stat().st_size > 200
    for name in ("granularity", "entity_count", "training"):
        assert (smoke / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (smoke / f"figures/{name}.svg").read_text()
    table = pl.read_csv(smoke / "tables/finer_benchmarks.csv")
    assert table.columns[:9] == [
        "model", "variant", "benchmark", "setting", "answering", "value", "ci_low", "ci_high", "n",
    ]  # fmt: skip
    asked = table.filter(pl.col("model") == "internvl3.5-micro-s")
    assert dict(asked["variant"].value_counts().iter_rows()) == {"base": 8, "finer-tuning": 8}
    tuned = asked.filter(variant="finer-tuning")
    assert tuned["p"].is_between(0, 1).all() and (tuned["diff_low"] <= tuned["difference"]).all()
    assert (asked["ci_low"] <= asked["value"]).all() and (asked["value"] <= asked["ci_high"]).all()


def test_every_pair_is_answered_and_leads_to_its_run(results: Path) -> None:
    smoke = results / "smoke"
    pairs = read_table(smoke / "benchmark/docci/pairs.parquet", PAIRS)
    verdicts = read_table(smoke / "verdicts/internvl3.5-micro-s/finer.parquet", VERDICTS)
    both = pairs.height + read_table(smoke / "benchmark/comprecap/pairs.parquet", PAIRS).height
    by_letter = verdicts.filter((pl.col("answering") == "letter") & (pl.col("scorer") == "strict"))
    # In this small preset every pair has its controls.
    assert dict(by_letter["control"].value_counts().iter_rows()) == dict.fromkeys(CONTROLS, both)
    for name in ("finer_answering", "blind_controls", "audit", "ablation_strategy"):
        assert (smoke / f"tables/{name}.md").stat().st_size > 500
    run = read_table(smoke / "responses/internvl3.5-micro-s/finer.run.parquet", RUNS)
    assert run["model"].item() == "internvl3.5-micro-s"
    catalogue = connect(smoke / "finer.duckdb")
    traced = catalogue.sql("select count(*) from responses join runs using (run_id)").fetchall()
    answers = catalogue.sql("select count(*) from responses").fetchall()
    assert traced == answers and answers[0][0] > both


def test_a_second_run_does_nothing(results: Path) -> None:
    assert planned(snakemake(results, "-n")) == set()


@pytest.mark.parametrize(
    ("changed", "expected", "spared"),
    [
        ("tables/layout.py", {"finer_benchmarks"}, {"estimates_finer", "answer_finer", "compose"}),
        ("queries/compose.py", {"compose", "answer_finer", "finer_benchmarks"}, {"propose_0", "answer_granularity"}),
        ("queries/templates.yaml", {"compose", "granularity", "answer_granularity"}, {"propose_0", "verify_0"}),
        ("scoring/parsers.py", {"verdicts_finer", "finer_benchmarks"}, {"answer_finer"}),
    ],
)
def test_a_change_of_code_rebuilds_what_follows_and_nothing_else(
    results: Path, tmp_path: Path, changed: str, expected: set[str], spared: set[str]
) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    file = tmp_path / "src/finer" / changed
    file.write_text(file.read_text() + "# changed\n")
    rules = planned(snakemake(results, "-n", source=tmp_path / "src"))
    assert expected <= rules
    assert not spared & rules


def test_one_table_from_nothing_needs_no_granularity(tmp_path: Path) -> None:
    rules = planned(snakemake(tmp_path, "-n", "--", f"{tmp_path}/smoke/tables/finer_benchmarks.md"))
    assert {"world_docci", "verify_0", "answer_finer", "train_adapter", "finer_benchmarks"} <= rules
    assert not {"granularity", "answer_granularity", "catalogue", "answer_ablation", "world_instruct"} & rules
