"""Foreign predictions become a row of the suites' tables by configuration alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from finer.cli import main
from finer.config import Config, parse
from finer.errors import InputError
from finer.schemas import DROPS, ITEMS, RESPONSES, SUITE_COMPARISONS, SUITE_ESTIMATES
from finer.scoring.suites import suite_verdicts
from finer.stats.suites import suite_comparisons, suite_estimates
from finer.store import read_table, write_table
from finer.suites.suite import Sources, load_suite
from finer.tables.shown import shown
from finer.tables.suite_tables import write_suites
from finer.world.suites.writing import write_suite
from suite_runs import items_of, replied

ROOT = Path(__file__).parents[1]
HOW = {"seed": 1, "resamples": 100, "confidence": 0.95}
OTHER = {"title": "Other", "size": "70B", "predictions": {"mmvp": "given/other/mmvp.tsv"}}


def configured(**changes: Any) -> Config:
    values = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    values["models"] = {**values["models"], "other": OTHER} | changes.pop("models", {})
    return parse(values | changes)


def test_an_imported_model_is_a_row_of_its_suites_only() -> None:
    config = configured()
    assert "other" not in config.subjects and "other" not in config.rows
    assert config.suite_rows("mmvp") == [*config.rows, "other"] and config.suite_rows("pope") == config.rows
    assert "other" not in json.loads(config.layout())["models"]
    layout = json.loads(config.suite_layout("general"))
    assert list(layout["models"]) == [*config.rows, "other"]
    assert layout["suites"]["mmvp"]["absent"] == [] and layout["suites"]["mmstar"]["absent"] == ["other"]
    assert "other" not in json.loads(config.suite_layout("hallucination"))["models"]
    assert config.plan()["models"]["other"]["predictions"] == {"mmvp": "given/other/mmvp.tsv"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"models": {"m": {"title": "M"}}}, "needs a family"),
        ({"models": {"m": {**OTHER, "role": "verifier"}}}, "is not asked"),
        ({"models": {"m": {**OTHER, "predictions": {"nothing": "a.tsv"}}}}, "not one of `suites`"),
        ({"studies": {"s": {"title": "S", "models": {"other": "1"}}}}, "studies.s names 'other'"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError) as caught:
        configured(**changes)
    assert named in str(caught.value)


def test_the_verbs_make_a_row_of_the_table_that_a_model_would_make(tmp_path: Path) -> None:
    config = configured()
    estimates, comparisons = [], []
    for name in config.suites_of("general"):
        suite = load_suite(name)
        write_suite(name, 3, 16, tmp_path / name)
        items, _ = items_of(suite, Sources(tmp_path / name, tmp_path / name / "images", name))
        answered = [
            replied(items, lambda row: "B" if row["answering"] == "letter" else "Yes", model, adapter or "base")
            for model, _, adapter in (row.partition("@") for row in config.rows)
        ]
        if name == "mmvp":
            answered.append(exchanged(tmp_path, items, answered[0]))
        judged = suite_verdicts(suite, items, pl.concat(answered))
        estimates.append(tmp_path / f"{name}.e.parquet")
        comparisons.append(tmp_path / f"{name}.c.parquet")
        write_table(suite_estimates(suite, items, judged, **HOW), SUITE_ESTIMATES, estimates[-1])
        write_table(suite_comparisons(suite, items, judged, **HOW), SUITE_COMPARISONS, comparisons[-1])
    layout = json.loads(config.suite_layout("general"))
    suites = layout.pop("suites")
    outputs = [tmp_path / f"general_suites.{kind}" for kind in ("md", "csv", "tex", "html")]
    write_suites("general_suites", estimates, comparisons, outputs, shown(layout), suites)
    rows = pl.read_csv(outputs[1]).filter(pl.col("suite") == "mmvp")
    value = dict(zip(rows["model"], rows["value"], strict=False))
    assert value["other"] == value[config.subjects[0]]
    line = next(line for line in outputs[0].read_text(encoding="utf-8").splitlines() if "Other" in line)
    assert f"{value['other']:.1f}" in line and line.count("–") == len(suites)  # the other suites, and the average


def exchanged(folder: Path, items: pl.DataFrame, responses: pl.DataFrame) -> pl.DataFrame:
    """Export one model's responses and import them as another's."""
    write_table(items, ITEMS, folder / "items.parquet")
    write_table(responses, RESPONSES, folder / "responses.parquet")
    place = {name: str(folder / name) for name in ("items.parquet", "responses.parquet", "mmvp.tsv", "o", "d")}
    export = ["export-predictions", "--items", place["items.parquet"], "--responses", place["responses.parquet"]]
    assert main([*export, "--out", place["mmvp.tsv"]]) == 0
    read = ["import-predictions", "--items", place["items.parquet"], "--predictions", place["mmvp.tsv"]]
    assert main([*read, "--model", "other", "--on-bad-item", "stop", "--out", place["o"], "--drops", place["d"]]) == 0
    assert read_table(place["d"], DROPS).is_empty()
    return read_table(place["o"], RESPONSES)


def test_the_workflow_plans_imports_and_exports(tmp_path: Path) -> None:
    (tmp_path / "mmvp.tsv").write_text("index\tprediction\n")
    overlay = tmp_path / "other.yaml"
    entry = {**OTHER, "predictions": {"mmvp": str(tmp_path / "mmvp.tsv")}}
    overlay.write_text(yaml.safe_dump({"results": str(tmp_path), "models": {"other": entry}}))
    root = f"{tmp_path}/micro"
    targets = [f"{root}/tables/general_suites.md", f"{root}/interchange/predictions/other/mmvp.jsonl",
               f"{root}/interchange/questions/pope.official.tsv"]  # fmt: skip
    command = [sys.executable, "-m", "snakemake", "-n", "--nolock", "--configfile", str(overlay), "--", *targets]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    counts = dict(line.split() for line in said.split("Job stats:")[1].splitlines() if len(line.split()) == 2)
    assert counts["import_predictions"] == "1" and counts["export_predictions"] == "1"
    assert counts["export_questions"] == "1" and counts["estimates_suite"] == "6"
