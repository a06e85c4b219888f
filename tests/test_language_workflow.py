"""The workflow with language models as phraser, editor and judge, behind the loopback server; and what is planned."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

import language_roles
from finer.schemas import CALLS, EDITS, JUDGE_AGREEMENT, JUDGEMENTS, PHRASES, PREFERENCES, RUNS
from finer.store import read_table
from loopback import Loopback

ROOT = Path(__file__).parent.parent
MODEL = "internvl3.5-micro-s"
ROWS = (MODEL, f"{MODEL}@finer-tuning")


def overlay(folder: Path, address: str, **further: Any) -> list[str]:
    """Return the arguments of a small run whose language models are at an address."""
    tiny = {"backend": "here", "model": "tiny-1", "revision": "r1"}
    values = {
        "results": str(folder),
        "chat": {
            "backends": {"here": {"kind": "http", "base_url": address, "concurrency": 4}},
            "models": {"tiny": tiny},
            "roles": {role: {"model": "tiny"} for role in ("phraser", "editor", "judge")},
        },
        "preferences": {"phraser": "llm", "editor": "llm"},
        "evaluation": {"judge": "llm", "second_judge": "rules"},
        "suites": {"pope": None, "mmstar": None, "haloquest": {"table": "hallucination", "items": 24}},
        **further,
    }
    path = folder / "overlay.json"
    path.write_text(json.dumps(values))
    return ["--configfile", "workflow/presets/smoke.yaml", str(path)]


def snakemake(*arguments: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--nolock", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    return said


def planned(said: str) -> dict[str, int]:
    if "Nothing to be done" in said:
        return {}
    table = said.split("Job stats:")[1].split("total")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


TARGETS = ("tables/judge_agreement.md", "tables/hallucination_suites.md", "tables/tuning_yields.md", "tables/leaks.csv")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str], Loopback]]:
    folder = tmp_path_factory.mktemp("language")
    with Loopback(language_roles.reply) as server:
        preset = overlay(folder, server.address)
        snakemake("--cores", "2", *preset, "--", *(f"{folder}/smoke/{target}" for target in TARGETS))
        yield folder, preset, server


def test_captions_become_preference_pairs_without_a_scene_graph(run: tuple[Path, list[str], Loopback]) -> None:
    place = run[0] / "smoke/tuning/pixmo"
    phrases, edits = read_table(place / "phrases.parquet", PHRASES), read_table(place / "edits.parquet", EDITS)
    assert not (place / "elements.parquet").exists()
    assert set(phrases["phraser"]) == set(edits["editor"]) == {"tiny"}
    assert edits.height > 30 and edits["element_id"].null_count() == edits.height
    pairs = read_table(place / "preferences.parquet", PREFERENCES)
    assert pairs.height == 2 * edits.height and set(pairs["phrase_type"]) == {"obj", "attr"}
    yields = (run[0] / "smoke/tables/tuning_yields.md").read_text()
    assert "phrases, wh: skipped" in yields and "phrases, rel: nothing" in yields
    for stage in ("phrases", "edits"):
        calls = read_table(place / f"{stage}.calls.parquet", CALLS)
        (about,) = read_table(place / f"{stage}.run.parquet", RUNS).iter_rows(named=True)
        assert set(calls["run_id"]) == {about["run_id"]} and about["model_revision"] == "r1"
        assert calls["subject"].n_unique() == about["items"]


def test_both_judges_verdicts_are_kept_and_their_agreement_is_a_table(run: tuple[Path, list[str], Loopback]) -> None:
    smoke = run[0] / "smoke"
    for row in ROWS:
        for suite in ("mmhal", "haloquest"):
            first = read_table(smoke / f"judgements/{row}/{suite}.parquet", JUDGEMENTS)
            second = read_table(smoke / f"judgements/{row}/{suite}.second.parquet", JUDGEMENTS)
            assert set(first["judge"]) == {"tiny"} and set(second["judge"]) == {"rules"}
            assert first["item_id"].sort().equals(second["item_id"].sort())
            assert first["judge_revision"][0].startswith("tiny-1 r1 ")
        calls = read_table(smoke / f"judgements/{row}/hallucination_suites.calls.parquet", CALLS)
        (about,) = read_table(smoke / f"judgements/{row}/hallucination_suites.run.parquet", RUNS).iter_rows(named=True)
        assert set(calls["run_id"]) == {about["run_id"]} == set(first["run_id"])
        assert set(first["request_hash"]) <= set(calls["subject"])
        second_calls = read_table(smoke / f"judgements/{row}/hallucination_suites.second.calls.parquet", CALLS)
        assert second_calls.is_empty()
    agreement = read_table(smoke / "estimates/judge_agreement.parquet", JUDGE_AGREEMENT)
    assert set(agreement["suite"]) == {"mmhal", "haloquest"}
    assert "weighted_kappa" in set(agreement.filter(suite="mmhal")["statistic"])
    table = (smoke / "tables/judge_agreement.md").read_text()
    assert "MMHal-Bench" in table and "HaloQuest" in table and "tiny tiny-1 r1" in table


def test_unreadable_verdicts_are_counted_in_the_table(run: tuple[Path, list[str], Loopback]) -> None:
    smoke = run[0] / "smoke"
    files = [smoke / f"judgements/{row}/mmhal.parquet" for row in ROWS]
    unread = sum(read_table(file, JUDGEMENTS)["unparsed"].sum() for file in files)
    assert unread > 0
    agreement = read_table(smoke / "estimates/judge_agreement.parquet", JUDGE_AGREEMENT).filter(suite="mmhal")
    assert set(agreement["unparsed"]) == {unread}
    table = pl.read_csv(smoke / "tables/hallucination_suites.csv").filter(suite="mmhal", statistic="mean_score")
    assert table["unparsed"].sum() > 0 and table.height == len(ROWS)


def test_a_run_is_repeated_from_the_cache_alone(
    run: tuple[Path, list[str], Loopback], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, preset, server = run
    monkeypatch.setenv("FINER_CHAT_OFFLINE", "1")
    judged = folder / f"smoke/judgements/{MODEL}/mmhal.parquet"
    phrased = folder / "smoke/tuning/pixmo/phrases.parquet"
    before, asked = [path.read_bytes() for path in (judged, phrased)], len(server.requests)
    judged.unlink()
    phrased.unlink()
    snakemake("--cores", "2", *preset, "--", str(judged), str(phrased))
    assert [path.read_bytes() for path in (judged, phrased)] == before and len(server.requests) == asked


# ---------------------------------------------------------------- plans
def test_with_rules_nothing_is_asked_and_no_agreement_is_a_table(tmp_path: Path) -> None:
    said = planned(snakemake("-n", "--config", f"results={tmp_path}"))
    assert "phrase" in said and "edit" in said and "phrase_by_model" not in said
    assert "judge_hallucination_suites" in said and not any("second_judge" in name for name in said)
    assert not any("agreement" in name for name in said)


def test_suites_are_scored_by_one_job_a_model(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    said = planned(snakemake("-n", "--config", f"results={tmp_path}"))
    rows = 8
    for step in ("answer", "verdicts"):
        assert said[f"{step}_hallucination_suites"] == said[f"{step}_general_suites"] == rows
        assert said[f"{step}_ablation_suites"] == 7  # adapters of ablations that are no rows of the tables
    assert said["estimates_suite"] == len(config["suites"]) + 2


def test_one_table_of_suites_builds_its_ancestors_only(tmp_path: Path) -> None:
    target = f"{tmp_path}/micro/tables/hallucination_suites.md"
    said = planned(snakemake("-n", "--config", f"results={tmp_path}", "--", target))
    assert said["answer_hallucination_suites"] == 8 and said["items_suite"] == 9
    assert not {name for name in said if "general" in name or "ablation" in name or "agreement" in name}


def test_ablations_take_the_tables_answers_where_a_row_is_in_both(tmp_path: Path) -> None:
    target = f"{tmp_path}/micro/estimates/suites/ablation.mmstar.parquet"
    said = planned(snakemake("-n", "--config", f"results={tmp_path}", "--", target))
    assert said["answer_ablation_suites"] == 7 and said["answer_general_suites"] == 2
    assert "answer_hallucination_suites" not in said and said["estimates_suite"] == 1
