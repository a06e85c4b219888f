"""The audit counts what the truth says: true negatives, what the verifier found, doubles, drops, positions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from fake_estimates import fake_estimates
from fake_evaluation import SHOWN
from finer.config import Range
from finer.errors import InputError
from finer.queries.compose import compose
from finer.schemas import AUDIT, DROPS, ESTIMATES, POOLED, TRUTHS
from finer.stats.audit import Sampling, Tables, audit
from finer.store import drop, table_from, write_table
from finer.tables.audit import audit as audit_rows
from finer.tables.audit import audit_layout, write_audit
from scene_tables import kitchen, tables

SAMPLING = Sampling(seed=1, resamples=200, confidence=0.95)
WANTED = {"multi_obj": 12, "multi_attr": 6}
COUNTS = {"multi_obj": Range(low=1, high=2), "multi_attr": Range(low=1, high=2)}


def benchmark(name: str = "comprecap") -> Tables:
    """Six kitchens; nothing proposed is true, and every check passed."""
    made = tables(*(kitchen(f"image{number}") for number in range(6)))
    checks = made.checks.with_columns(check=pl.lit("passed"))
    pairs = compose(made.elements, made.negatives, checks, name, WANTED, COUNTS, 1).pairs
    truth = table_from([{"negative_id": key, "is_true": False} for key in made.negatives["negative_id"]], TRUTHS)
    return Tables(name, made.elements, made.negatives, checks, made.negatives, pairs, pairs, DROPS.empty(), truth)


def spoil(made: Tables, *elements: str) -> Tables:
    """Let the first negative of these elements be true."""
    ids = made.first.filter(pl.col("element_id").is_in(elements) & (pl.col("rank") == 0))["negative_id"]
    told = made.truth.with_columns(is_true=pl.col("negative_id").is_in(ids.implode()))
    return replace(made, truth=told)


def check_as(made: Tables, check: str, *elements: str) -> Tables:
    chosen = pl.when(pl.col("element_id").is_in(elements)).then(pl.lit(check)).otherwise("check")
    return replace(made, first_checks=made.first_checks.with_columns(check=chosen))


def row(made: Tables, section: str, name: str) -> dict[str, object]:
    return audit(made, SAMPLING).row(by_predicate=(pl.col("section") == section) & (pl.col("name") == name), named=True)


def test_a_sound_benchmark_has_nothing_to_show() -> None:
    made = benchmark()
    for when in ("before", "after"):
        found = row(made, f"true_negatives_{when}", "all")
        assert (found["count"], found["n"], found["value"]) == (0, made.first.height, 0.0)
        assert row(made, "false_labels", when)["count"] == 0
    assert row(made, "verifier", "precision of sure failures")["n"] == 0
    assert row(made, "verifier", "precision of sure failures")["value"] is None


def test_true_negatives_are_counted_before_and_after_by_kind() -> None:
    made = benchmark()
    objects = made.elements.filter(pl.col("kind") == "object")["element_id"].to_list()
    spoiled = spoil(made, *objects[:3])
    mended = replace(spoiled, settled=spoiled.settled.filter(~pl.col("element_id").is_in(objects[:2])))
    assert row(mended, "true_negatives_before", "object")["count"] == 3
    assert row(mended, "true_negatives_after", "object")["count"] == 1
    assert row(mended, "true_negatives_before", "attribute")["count"] == 0
    assert row(mended, "true_negatives_before", "object")["n"] == 4 * len(objects)


def test_precision_and_recall_of_the_verifier() -> None:
    made = benchmark()
    ids = made.elements["element_id"].to_list()
    made = check_as(check_as(spoil(made, *ids[:4]), "sure_failure", *ids[2:5]), "unsure_failure", ids[1])
    assert [row(made, "verifier", f"{what} of sure failures")[key] for what, key in (
        ("precision", "count"), ("precision", "n"), ("recall", "count"), ("recall", "n"))] == [2, 3, 2, 4]  # fmt: skip
    assert [row(made, "verifier", f"{what} of all failures")[key] for what, key in (
        ("precision", "count"), ("precision", "n"), ("recall", "count"), ("recall", "n"))] == [3, 4, 3, 4]  # fmt: skip


def test_pairs_with_a_spoiled_element_have_a_false_label() -> None:
    made = benchmark()
    edited = made.pairs["edited_element_id"][0]
    asked = made.pairs.filter(pl.col("polarity") == "negative", pl.col("edited_element_id") == edited).height
    found = row(spoil(made, edited), "false_labels", "before")
    assert (found["count"], found["n"]) == (asked, made.pairs.height // 2)
    as_wh = replace(made, unverified=made.pairs.with_columns(setting=pl.lit("wh")))
    assert row(spoil(as_wh, edited), "false_labels", "before")["n"] == 0


def test_doubles_are_the_same_question_and_options_about_one_image_in_any_order() -> None:
    made = benchmark()
    again = made.pairs.filter(pl.col("setting") == "multi_obj").with_columns(pl.col("options").list.reverse())
    twice = replace(made, pairs=pl.concat([made.pairs, again.head(2), again.head(2)]))
    assert row(made, "duplicates", "multi_obj")["count"] == 0
    assert row(twice, "duplicates", "multi_obj")["count"] == 2
    assert row(twice, "duplicates", "multi_attr")["count"] == 0


def test_drops_are_counted_by_stage_and_reason_whatever_the_round() -> None:
    drops = [
        drop("negatives", "b", f"e{k}", reason) for k, reason in enumerate(["predictable", "predictable", "other"])
    ]
    made = replace(benchmark(), drops=table_from(drops, DROPS))
    assert row(made, "drops", "negatives: predictable")["count"] == 2
    assert row(made, "drops", "negatives: other")["count"] == 1


def test_positions_of_right_answers_and_whether_they_are_even() -> None:
    made = benchmark()
    assert float(str(row(made, "positions", "p")["value"])) > 0.05
    first = replace(made, pairs=made.pairs.with_columns(gt_index=pl.lit(0, pl.Int64)))
    assert row(first, "positions", "A")["value"] == 100.0
    assert float(str(row(first, "positions", "p")["value"])) < 1e-6


def test_a_negative_of_unknown_truth_is_refused() -> None:
    made = benchmark()
    with pytest.raises(InputError, match="truth"):
        audit(replace(made, truth=made.truth.head(3)), SAMPLING)


# ---------------------------------------------------------------- the table
def rows() -> pl.DataFrame:
    audits = pl.concat([audit(benchmark(name), SAMPLING) for name in SHOWN.benchmarks])
    found = fake_estimates()
    return audit_rows(audits, found, found.filter(pl.col("benchmark") != POOLED), SHOWN)


def test_the_table_shows_both_benchmarks_and_results_with_and_without_verification() -> None:
    layout = audit_layout(rows(), SHOWN)
    assert [column.title for _, column in layout.columns] == list(SHOWN.benchmarks.values())
    labels = [line.labels[1] for line in layout.rows]
    assert "Multi-obj, with verification" in labels and "Multi-obj, without verification" in labels
    found = fake_estimates()
    value = found.filter(
        pl.col("model") == "seer-micro", pl.col("variant") == "base", pl.col("benchmark") == "comprecap",
        pl.col("setting") == "multi_obj", pl.col("answering") == "letter", pl.col("scorer") == "strict",
        pl.col("statistic") == "paired_accuracy", pl.col("control") == "none", pl.col("entity_count").is_null(),
    )["value"].item()  # fmt: skip
    shown = next(line for line in layout.rows if line.labels[1] == "Multi-obj, with verification")
    assert shown.cells[0].value == f"{value:.1f} %"


def test_all_forms_are_written(tmp_path: Path) -> None:
    for name in SHOWN.benchmarks:
        write_table(audit(benchmark(name), SAMPLING), AUDIT, tmp_path / f"{name}.parquet")
    write_table(fake_estimates(), ESTIMATES, tmp_path / "e.parquet")
    outputs = [tmp_path / f"audit.{kind}" for kind in ("md", "csv", "tex", "html")]
    audits = [tmp_path / f"{name}.parquet" for name in SHOWN.benchmarks]
    write_audit(audits, [tmp_path / "e.parquet"], [tmp_path / "e.parquet"], outputs, SHOWN)
    assert all(path.stat().st_size > 500 for path in outputs)
    assert "p-value" in outputs[0].read_text()
