"""What must hold after a rehearsal of the paper's run: all tables, calls from rows to replies, nothing asked twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from finer.schemas import CALLS, EDITS, ELEMENTS, JUDGEMENTS, NEGATIVES, PHRASES, PREFERENCES, TRAINING_LOG, Table
from finer.store import read_table
from loopback import Body
from rehearsal_run import CHAT_RULES, MODELS, Rehearsal

BENCHMARKS = ("comprecap", "docci")
ROWS = ("qwen2.5-vl-7b", "qwen2.5-vl-7b@finer-tuning")
FORMATS = ("md", "csv", "tex", "html")
TABLES = ("finer_benchmarks", "finer_answering", "blind_controls", "hallucination_suites", "hallucination_splits",
          "general_suites")  # fmt: skip
FIGURES = ("granularity", "entity_count", "training")


def check_tables(rehearsal: Rehearsal) -> None:
    """All tables and figures are there, and tables have a line for each row and real numbers in it."""
    expected = [f"tables/{name}.{kind}" for name in TABLES for kind in FORMATS]
    expected += [f"figures/{name}.{kind}" for name in FIGURES for kind in ("svg", "png")]
    expected += [f"tables/yields.{name}.csv" for name in BENCHMARKS]
    expected += ["tables/examples.md", "figures/contact_sheet.png", "finer.duckdb", "times.md"]
    missing = [name for name in expected if not (rehearsal.root / name).stat().st_size]
    assert not missing
    for name in TABLES:
        shown = (rehearsal.root / f"tables/{name}.md").read_text()
        assert "Qwen2.5-VL" in shown and "+ FINER-Tuning" in shown, name
    suites = pl.read_csv(rehearsal.root / "tables/hallucination_suites.csv")
    assert set(suites["suite"]) == {"pope", "repope", "mmhal"}
    assert set(pl.read_csv(rehearsal.root / "tables/general_suites.csv")["suite"]) == {"mmstar", "mmvp", "vstar"}
    training = read_log(rehearsal)
    assert training.height > 0 and training["loss"].is_finite().all()


def read_log(rehearsal: Rehearsal) -> pl.DataFrame:
    """Return the losses of the training steps."""
    return read_table(rehearsal.root / f"tuning/logs/{ROWS[1]}.parquet", TRAINING_LOG)


def calls_of(rehearsal: Rehearsal, place: str) -> dict[str, set[str]]:
    """Return subject -> the replies that were got about it."""
    calls = read_table(rehearsal.root / place, CALLS)
    found: dict[str, set[str]] = {}
    for row in calls.iter_rows(named=True):
        assert row["request"] and row["input_tokens"] and row["cost"] is not None
        found.setdefault(row["subject"], set()).add(row["reply"] or "")
    return found


def check_calls(rehearsal: Rehearsal) -> None:
    """Rows that a language model made lead to the replies that hold their words."""
    elements = rows(rehearsal, "benchmark/docci/elements.parquet", ELEMENTS)
    said = calls_of(rehearsal, "benchmark/docci/elements.calls.parquet")
    things = [row for row in elements if row["kind"] == "object"]
    assert things and {row["image_id"] for row in elements} <= set(images_of(said, rehearsal))
    for benchmark in BENCHMARKS:
        made = list(rows(rehearsal, f"benchmark/{benchmark}/rounds/negatives.0.parquet", NEGATIVES))
        calls = calls_of(rehearsal, f"benchmark/{benchmark}/rounds/negatives.0.calls.parquet")
        assert made and {row["element_id"] for row in made} <= set(calls)
    for stage, table in (("phrases", PHRASES), ("edits", EDITS)):
        made = rows(rehearsal, f"tuning/pixmo/{stage}.parquet", table)
        assert made and calls_of(rehearsal, f"tuning/pixmo/{stage}.calls.parquet")
    pairs = rows(rehearsal, "tuning/pixmo/preferences.parquet", PREFERENCES)
    assert {row["phrase_type"] for row in pairs} == {"obj", "attr", "rel", "wh"}
    for row in ROWS:
        judged = rows(rehearsal, f"judgements/{row}/mmhal.parquet", JUDGEMENTS)
        calls = calls_of(rehearsal, f"judgements/{row}/hallucination_suites.calls.parquet")
        assert judged and {one["request_hash"] for one in judged} <= set(calls)


def images_of(said: dict[str, set[str]], rehearsal: Rehearsal) -> list[str]:
    """Return the images whose captions were asked about."""
    captions = pl.read_parquet(rehearsal.root / "benchmark/docci/captions.parquet")
    return captions.filter(pl.col("caption_id").is_in(list(said)))["image_id"].to_list()


def rows(rehearsal: Rehearsal, place: str, table: Table) -> list[dict[str, Any]]:
    """Return the rows of a table of the run."""
    return read_table(rehearsal.root / place, table).to_dicts()


def check_requests(requests: Sequence[Body]) -> None:
    """No request came twice, and all roles were asked."""
    digests = [hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest() for request in requests]
    assert len(digests) == len(set(digests))


def tables_of(rehearsal: Rehearsal) -> dict[str, bytes]:
    """Return the tables' and figures' bytes by name, but for those that hold times or run ids."""
    kept = [*(rehearsal.root / "tables").iterdir(), *(rehearsal.root / "figures").iterdir()]
    kept += sorted((rehearsal.root / "benchmark").rglob("*.parquet"))
    return {str(path.relative_to(rehearsal.root)): path.read_bytes() for path in kept if ".run." not in path.name}


def check_repeated(rehearsal: Rehearsal, requests: list[Body]) -> None:
    """All jobs that ask language models, run again without them, give the same tables."""
    before, asked = tables_of(rehearsal), len(requests)
    said = rehearsal.snakemake("--cores", "2", "--forcerun", *CHAT_RULES, FINER_CHAT_OFFLINE="1")
    assert all(rule in said for rule in CHAT_RULES)
    assert len(requests) == asked
    after = tables_of(rehearsal)
    assert [name for name in before if after.get(name) != before[name]] == []


def check_verbs(rehearsal: Rehearsal) -> None:
    """Doctor and plan know where they are."""
    overlays = ["--configfile", *rehearsal.overlays]
    told = rehearsal.python("-m", "finer", "doctor", *overlays, allowed=(0, 1)).stdout
    assert "Traceback" not in told and "A run can" in told
    for name in MODELS:
        assert f"model {name}" in told
    plan = rehearsal.python("-m", "finer", "plan", *overlays).stdout
    assert "Plan of the preset 'paper-mini'" in plan and "Language models" in plan
