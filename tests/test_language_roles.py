"""Extractor and proposer through a real server on loopback: verbs, rules, calls, and a rerun that pays nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from caption_graphs import OWN_CAPTIONS, PARSER, caption_table, read_captions
from finer.cli import main
from finer.config import parse
from finer.errors import InputError
from finer.negatives.llm import PROMPTS
from finer.scenes.llm import OBJECTS, RELATIONS
from finer.schemas import CALLS, CAPTIONS, DROPS, ELEMENTS, NEGATIVE_CHECKS, NEGATIVES, RUNS
from finer.store import read_table, table_from, write_table
from loopback import Loopback
from loopback_roles import reply_with_mistakes
from test_workflow import config

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with Loopback(reply_with_mistakes) as running:
        yield running


def language(address: str, cache: str = "{results}/chat") -> dict[str, Any]:
    """Settings in which a model on loopback has both roles."""
    return {
        "scene_graphs": {"extractor": "llm"},
        "negatives": {"proposer": "llm", "unheard": 4, "predictable": 1.0},
        "chat": {
            "backends": {"here": {"kind": "http", "base_url": address}},
            "models": {
                "tiny": {"backend": "here", "model": "tiny", "revision": "r1", "price_in": 1.0, "price_out": 2.0}
            },
            "roles": {"extractor": {"model": "tiny", "max_tokens": 4096}, "proposer": {"model": "tiny"}},
            "cache": cache,
        },
    }


def role(name: Any, address: str, cache: Path, **more: Any) -> str:
    changed = language(address, str(cache))
    whole = config() | changed
    whole["negatives"] = config()["negatives"] | changed["negatives"]  # type: ignore[operator]
    return parse(whole).role(name, **more)


def run(verb: str, folder: Path, **options: Any) -> dict[str, pl.DataFrame]:
    """Run a verb; return its four tables."""
    tables = {"out": ELEMENTS if verb == "extract-by-model" else NEGATIVES, "drops": DROPS, "calls": CALLS, "run": RUNS}
    given = {name: folder / f"{name}.parquet" for name in tables} | options
    arguments = [str(part) for name, value in given.items() for part in (f"--{name}", *_many(value))]
    assert main([verb, "--code", "c0de", *arguments]) == 0
    return {name: read_table(folder / f"{name}.parquet", table) for name, table in tables.items()}


def _many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


@pytest.fixture(scope="module")
def made(server: Loopback, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Eight captions through the extractor and two rounds of the proposer."""
    folder = tmp_path_factory.mktemp("roles")
    captions = folder / "captions.parquet"
    write_table(caption_table(read_captions(OWN_CAPTIONS)[:8]), CAPTIONS, captions)
    chat = role("extractor", server.address, folder / "chat")
    wanted = {"config": json.dumps({"scene_graphs": {"parser": PARSER}}), "chat": chat, "captions": captions}
    graphs = run("extract-by-model", folder / "graphs", **wanted)
    chat = role("proposer", server.address, folder / "chat")
    common = {"chat": chat, "seed": 7, "elements": folder / "graphs" / "out.parquet", "captions": captions}
    first = run("propose-by-model", folder / "round0", round=0, earlier=[], checks=[], **common)
    failed = first["out"].filter(rank=1).sort("element_id").head(10)
    checks = folder / "checks.parquet"
    write_table(table_from([_failed(row) for row in failed.to_dicts()], NEGATIVE_CHECKS), NEGATIVE_CHECKS, checks)
    later = common | {"earlier": [folder / "round0" / "out.parquet"], "checks": [checks]}
    second = run("propose-by-model", folder / "round1", round=1, **later)
    return {
        "folder": folder, "graphs": graphs, "first": first, "second": second, "failed": set(failed["element_id"]),
        "wanted": wanted, "asked": len(server.requests),
    }  # fmt: skip


def _failed(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "element_id": row["element_id"], "image_id": row["image_id"], "round": 0, "verifier": "v",
        "check": "sure_failure", "picked": 2, "probabilities": [0.0, 0.0, 1.0, 0.0, 0.0], "entropy": 0.0,
        "letters": list("CBAED"), "run_id": "r",
    }  # fmt: skip


# ---------------------------------------------------------------- the verbs
def test_mistakes_are_mended_and_most_elements_get_four_negatives(made: dict[str, Any]) -> None:
    elements, negatives = made["graphs"]["out"], made["first"]["out"]
    assert elements["kind"].value_counts().height == 3 and set(elements["source"]) == {"caption_llm"}
    assert set(made["graphs"]["drops"]["reason"]) <= {"no_objects"}  # what was wrong on purpose was mended
    assert made["graphs"]["calls"].filter(pl.col("attempt") > 0).height >= 1
    assert negatives["element_id"].n_unique() >= 0.85 * elements.height
    assert set(negatives["proposer"]) == {"tiny"}


def test_every_reply_stands_with_its_question_and_what_was_wrong(made: dict[str, Any]) -> None:
    calls = made["first"]["calls"]
    mended = calls.filter(pl.col("attempt") > 0)
    assert mended.height and set(calls["role"]) == {"proposer"} and set(calls["model"]) == {"tiny"}
    before = calls.filter(attempt=0).join(mended, on="subject", how="semi")
    assert before["problem"].null_count() == 0 and before["reply"].null_count() == 0
    assert any("denies" in problem for problem in before["problem"])
    assert any("JSON" in problem for problem in before["problem"])


def test_a_job_is_a_run_a_prompt_and_its_calls_name_it(made: dict[str, Any]) -> None:
    runs = pl.concat(made[part]["run"] for part in ("graphs", "first", "second"))
    calls = pl.concat(made[part]["calls"] for part in ("graphs", "first", "second"))
    assert runs.height == 2 + 2 * len(PROMPTS) and runs["run_id"].is_unique().all()
    assert set(calls["run_id"]) <= set(runs["run_id"]) and calls.select(CALLS.key).is_unique().all()
    joined = calls.join(runs, on="run_id")
    assert joined.height == calls.height and (joined["prompt_hash"] == joined["prompt_hash_right"]).all()
    assert runs.filter(verb="extract-by-model")["prompt_hash"].n_unique() == len((OBJECTS, RELATIONS))


def test_a_later_round_asks_for_what_failed_alone(made: dict[str, Any]) -> None:
    second = made["second"]
    assert {subject.split(".")[0] for subject in second["calls"]["subject"]} == made["failed"]
    assert set(second["out"]["element_id"]) | set(second["drops"]["item"]) == made["failed"]
    shown = ("element_id", "text", "target_text")
    assert second["out"].join(made["first"]["out"], on=shown, how="semi", nulls_equal=True).is_empty()


def test_a_rerun_asks_nothing_and_gives_the_same_bytes(made: dict[str, Any], server: Loopback) -> None:
    folder: Path = made["folder"]
    run("extract-by-model", folder / "again", **made["wanted"])
    assert len(server.requests) == made["asked"]
    for name in ("out", "drops", "calls"):
        assert (folder / "again" / f"{name}.parquet").read_bytes() == (
            folder / "graphs" / f"{name}.parquet"
        ).read_bytes()


# ---------------------------------------------------------------- the configuration
def test_a_benchmark_may_have_a_proposer_of_its_own() -> None:
    whole = config() | language("http://127.0.0.1:1/v1")
    whole["negatives"] = config()["negatives"] | whole["negatives"]  # type: ignore[operator]
    whole["chat"]["models"]["other"] = {"backend": "here", "model": "other"}  # type: ignore[index]
    whole["benchmarks"]["comprecap"] |= {"proposer_model": "other"}  # type: ignore[index]
    plan = parse(whole).plan()["benchmarks"]
    assert json.loads(plan["comprecap"]["proposer"])["name"] == "other"
    assert json.loads(plan["docci"]["proposer"])["name"] == "tiny"
    assert parse(config()).plan()["benchmarks"]["docci"]["proposer"] == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"negatives": {"proposer": "llm", "unheard": 1}}, "negatives.unheard"),
        ({"negatives": {"proposer": "llm", "predictable": 0.3}}, "negatives.predictable"),
        ({"benchmarks": {"docci": {"proposer_model": "nobody"}}}, "proposer_model 'nobody'"),
        ({"chat": {"roles": {"extractor": {"model": "tiny"}}}}, "chat.roles.proposer"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, Any], expected: str) -> None:
    whole = config() | language("http://127.0.0.1:1/v1")
    whole["negatives"] = config()["negatives"] | whole["negatives"] | changes.get("negatives", {})  # type: ignore[operator]
    for name, entry in changes.get("benchmarks", {}).items():
        whole["benchmarks"][name] |= entry  # type: ignore[index]
    if "chat" in changes:
        whole["chat"]["roles"] = changes["chat"]["roles"]  # type: ignore[index]
    with pytest.raises(InputError, match=expected):
        parse(whole)


# ---------------------------------------------------------------- the workflow
def test_captions_become_questions_with_models_in_both_roles(server: Loopback, tmp_path: Path) -> None:
    lines = OWN_CAPTIONS.read_text(encoding="utf-8").splitlines()[:8]
    captions, overlay = tmp_path / "captions.jsonlines", tmp_path / "overlay.yaml"
    captions.write_text("\n".join(lines) + "\n", encoding="utf-8")
    overlay.write_text(yaml.safe_dump(language(server.address)), encoding="utf-8")
    command = [
        "snakemake", "--cores", "1", "--configfile", "workflow/presets/captions.yaml", str(overlay),
        "--config", f"captions={captions}", f"results={tmp_path}/results", "--", "captions",
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = tmp_path / "results/captions"
    assert "scene_graphs_by_model" in done.stderr and "propose_by_model_0" in done.stderr
    for setting in ("multi_obj", "multi_attr", "multi_rel", "wh"):
        assert len((made / f"interchange/captions/{setting}.csv").read_text().splitlines()) > 10
    calls = read_table(made / "benchmark/captions/rounds/negatives.0.calls.parquet", CALLS)
    negatives = read_table(made / "benchmark/captions/negatives.parquet", NEGATIVES)
    assert {f"{row[0]}.0" for row in negatives.select("element_id").iter_rows()} <= set(calls["subject"])
