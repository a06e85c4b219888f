"""What must hold after a rehearsal of the paper's run: all tables, rows that lead to replies, nothing asked twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from finer.schemas import (
    CALLS,
    CAPTIONS,
    EDITS,
    ELEMENTS,
    JUDGEMENTS,
    NEGATIVES,
    PHRASES,
    PREFERENCES,
    TRAINING_LOG,
    Table,
)
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


def replies_of(rehearsal: Rehearsal, place: str) -> dict[str, list[Any]]:
    """Return subject -> the replies about it that could be used."""
    calls = read_table(rehearsal.root / place, CALLS)
    assert calls["request"].str.len_chars().min() and calls["cost"].null_count() == 0
    found: dict[str, list[Any]] = {}
    for row in calls.filter(pl.col("problem").is_null()).iter_rows(named=True):
        found.setdefault(row["subject"], []).append(json.loads(row["reply"]))
    return found


def check_calls(rehearsal: Rehearsal) -> None:
    """Rows that a language model made lead to the replies that hold their words."""
    captions = {row["image_id"]: row for row in rows(rehearsal, "benchmark/docci/captions.parquet", CAPTIONS)}
    said = replies_of(rehearsal, "benchmark/docci/elements.calls.parquet")
    things = [row for row in rows(rehearsal, "benchmark/docci/elements.parquet", ELEMENTS) if row["kind"] == "object"]
    for row in things:
        (reply,) = said[f"{captions[row['image_id']]['caption_id']}.objects"]
        assert row["text"] in [one["name"] for one in reply["objects"]]
    assert len({row["image_id"] for row in things}) == len(captions)
    for benchmark in BENCHMARKS:
        made = rows(rehearsal, f"benchmark/{benchmark}/rounds/negatives.0.parquet", NEGATIVES)
        said = replies_of(rehearsal, f"benchmark/{benchmark}/rounds/negatives.0.calls.parquet")
        for row in made:
            (reply,) = said[f"{row['element_id']}.0"]
            said_of = f"{row['text']} {row['target_text'] or ''}"  # "rust-colored" becomes "with a rust color"
            assert any(one.partition("-")[0] in said_of for one in reply["negatives"]), (said_of, reply)
        assert made
    phrases = {row["phrase_id"]: row for row in rows(rehearsal, "tuning/pixmo/phrases.parquet", PHRASES)}
    said = replies_of(rehearsal, "tuning/pixmo/phrases.calls.parquet")
    assert {f"{row['caption_id']}:{row['phrase_type']}" for row in phrases.values()} <= set(said)
    said = replies_of(rehearsal, "tuning/pixmo/edits.calls.parquet")
    for row in rows(rehearsal, "tuning/pixmo/edits.parquet", EDITS):
        (reply,) = said[f"{row['phrase_id']}:{row['slot']}"]
        assert row["replacement"] in reply["items"] and row["phrase_id"] in phrases
    pairs = rows(rehearsal, "tuning/pixmo/preferences.parquet", PREFERENCES)
    assert {row["phrase_type"] for row in pairs} == {"obj", "attr", "rel", "wh"}
    for name in ROWS:
        judged = rows(rehearsal, f"judgements/{name}/mmhal.parquet", JUDGEMENTS)
        calls = rows(rehearsal, f"judgements/{name}/hallucination_suites.calls.parquet", CALLS)
        assert judged and {one["request_hash"] for one in judged} <= {one["subject"] for one in calls}


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
