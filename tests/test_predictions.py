"""Predictions out and in: the same verdicts after a round trip, foreign files matched by what they say, faults told."""

from __future__ import annotations

import csv
import io
import json
import random
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finer.errors import InputError
from finer.scoring.suites import suite_verdicts
from finer.suites import interchange, suite
from finer.suites.predictions import FAILED, jsonl, tsv
from finer.suites.suite import Sources, Suite
from finer.world.suites.writing import write_suite
from suite_runs import items_of, numbers, replied

KINDS = ("tsv", "jsonl")
SUITES = (
    "pope", "repope", "dash_b", "amber", "amber_generative", "hallusionbench", "crpe_relation", "mmstar", "mmvp",
    "naturalbench", "textvqa", "chartqa",
)  # fmt: skip
WORDINGS = {"pope": "qwen_vl", "mmvp": "one_letter", "mmstar": "one_letter", "textvqa": "bare"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Suite, pl.DataFrame]]:
    """Each suite with the items of its micro data."""
    found = {}
    for name in (*SUITES, "vstar"):
        folder = tmp_path_factory.mktemp(name) / "raw"
        write_suite(name, 3, 24, folder)
        loaded = suite.load_suite(name)
        found[name] = (
            loaded,
            items_of(loaded, Sources(folder, folder / "images", name, WORDINGS.get(name, "official")))[0],
        )
    return found


def said(row: Mapping[str, Any]) -> str:
    """Something of everything: right, wrong and unreadable answers, the same to the same question."""
    place = random.Random(row["prompt"] + "".join(row["image_paths"])).randrange(4)
    if row["answering"] == "letter":
        return ("A", "B.", "the\tsecond\none", "")[place]
    if row["answering"] == "yes_no":
        return ("Yes", "No, it is not.", '"Yes"\r\n', "I\u2028do not know")[place]
    return ("a red cup", "12", "", 'tab\there, "quoted"\n')[place]


def rows_of(items: pl.DataFrame) -> list[dict[str, Any]]:
    return interchange.export_predictions(items, replied(items, said))


def written(folder: Path, rows: list[dict[str, Any]], kind: str = "tsv") -> Path:
    file = folder / f"predictions.{kind}"
    file.write_bytes((tsv(rows) if kind == "tsv" else jsonl(rows)).encode())
    return file


def foreign(items: pl.DataFrame, *names: str) -> list[dict[str, Any]]:
    """An export with some columns only, as another toolkit's file."""
    return [{name: row[name] for name in names if name in row} for row in rows_of(items)]


def imported(items: pl.DataFrame, file: Path, policy: Any = "stop") -> tuple[pl.DataFrame, pl.DataFrame]:
    return interchange.import_predictions(items, file, "m", "base", policy)


# ---------------------------------------------------------------- round trips
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SUITES)
def test_a_round_trip_gives_the_same_verdicts_and_numbers(made: Any, tmp_path: Path, name: str, kind: str) -> None:
    loaded, items = made[name]
    before = replied(items, said)
    rows = rows_of(items)
    after, drops = imported(items, written(tmp_path, rows, kind))
    assert drops.is_empty() and set(after["engine"]) == {"imported"} and after["run_id"].n_unique() == 1
    assert suite_verdicts(loaded, items, after).equals(suite_verdicts(loaded, items, before))
    assert numbers(loaded, items, after) == numbers(loaded, items, before)
    random.Random(1).shuffle(rows)
    assert imported(items, written(tmp_path, rows, kind))[0].drop("run_id").equals(after.drop("run_id"))


@pytest.mark.parametrize("name", SUITES)
def test_a_foreign_file_is_matched_by_image_question_and_options(made: Any, tmp_path: Path, name: str) -> None:
    loaded, items = made[name]
    file = written(tmp_path, foreign(items, "index", "question", "image", *"ABCDE", "category", "prediction"))
    after, _ = imported(items, file)
    assert suite_verdicts(loaded, items, after).equals(suite_verdicts(loaded, items, replied(items, said)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=3, max_size=3))
def test_any_text_survives_both_forms(made: Any, texts: list[str]) -> None:
    items = made["textvqa"][1].head(3)
    before = replied(items, lambda row: texts[items["item_id"].to_list().index(row["item_id"])])
    rows = interchange.export_predictions(items, before)
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            assert imported(items, written(Path(folder), rows, kind))[0]["text"].to_list() == texts


# ---------------------------------------------------------------- what the files look like
def test_the_table_is_as_the_toolkit_writes_it(made: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(tsv(rows_of(made["crpe_relation"][1]))), delimiter="\t"))
    assert list(rows[0]) == [
        "index", "image", "question", "A", "B", "C", "D", "answer", "category", "item_id", "group_id", "answering",
        "prediction",
    ]  # fmt: skip
    assert {row["answer"] for row in rows} <= set("ABCD") and rows[0]["A"]
    assert {row["answer"] for row in rows_of(made["pope"][1])} == {"Yes", "No"}
    assert rows_of(made["textvqa"][1])[0]["answer"].count("; ") == 9
    first = json.loads(jsonl(rows_of(made["pope"][1])).split("\n")[0])
    assert first["resps"] == [first["filtered_resps"]] and first["target"] in ("Yes", "No") and first["item_id"]


def test_questions_alone_are_exported_for_a_toolkit_to_ask(made: Any, tmp_path: Path) -> None:
    loaded, items = made["mmvp"]
    rows = interchange.export_predictions(items, None)
    assert "prediction" not in rows[0] and "A" not in rows[0] and Path(rows[0]["image_path"]).is_file()
    texts = dict(zip(items["item_id"], replied(items, said)["text"], strict=True))
    answered = [{**row, "prediction": texts[row["item_id"]]} for row in rows]
    after, _ = imported(items, written(tmp_path, answered))
    assert suite_verdicts(loaded, items, after).equals(suite_verdicts(loaded, items, replied(items, said)))


# ---------------------------------------------------------------- foreign files
def test_a_toolkit_request_and_the_bare_question_are_the_same(made: Any, tmp_path: Path) -> None:
    items = made["pope"][1]  # asked with "Please answer yes or no."
    rows = foreign(items, "question", "image", "category", "prediction")
    for ending in ("", "\nAnswer the question using a single word or phrase.", " Please answer yes or  no."):
        asked = [
            {**row, "question": row["question"].removesuffix(" Please answer yes or no.") + ending,
             "image": Path(row["image"]).name} for row in rows
        ]  # fmt: skip
        assert imported(items, written(tmp_path, asked))[0]["text"].to_list() == [row["prediction"] for row in rows]


def test_options_in_columns_tell_rotations_of_one_question_apart(made: Any, tmp_path: Path) -> None:
    items = made["crpe_relation"][1]
    rows = [
        {**row, "question": row["question"].splitlines()[0], "prediction": f"{row['A']} {row['D']}"}
        for row in foreign(items, "question", "image", *"ABCD", "prediction")
    ]
    after, _ = imported(items, written(tmp_path, rows))
    assert after["text"].to_list() == [f"{options[0]} {options[3]}" for options in items["options"]]


def test_one_row_answers_a_question_that_several_splits_ask(made: Any, tmp_path: Path) -> None:
    items = made["pope"][1]
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in foreign(items, "image", "question", "category", "prediction"):
        known = rows.setdefault((row["image"], row["question"]), {**row, "category": ""})
        known["category"] = f"{known['category']},{row['category']}".strip(",")
    assert len(rows) < items.height
    after, _ = imported(items, written(tmp_path, list(rows.values())))
    assert after["text"].to_list() == replied(items, said)["text"].to_list()


def test_samples_without_document_and_image_are_matched_by_prompt_and_official_key(made: Any, tmp_path: Path) -> None:
    items = made["mmstar"][1].unique("prompt", keep="none", maintain_order=True)
    rows = [
        {"doc_id": 7, "target": row["answer"], "input": row["question"], "filtered_resps": [row["prediction"]]}
        for row in rows_of(items)
    ]
    file = tmp_path / "samples.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    assert imported(items, file)[0]["text"].to_list() == [row["prediction"] for row in rows_of(items)]
    double = items.head(2).with_columns(prompt=pl.lit("What?"))  # of two images, told apart by the key alone
    keyed = double.with_columns(item_id=pl.Series([suite.stable_key("mmstar", key, "What?") for key in ("0", "1")]))
    table = [{"index": key, "question": "What?", "prediction": f"said {key}"} for key in ("1", "0")]
    assert imported(keyed, written(tmp_path, table))[0]["text"].to_list() == ["said 0", "said 1"]


def test_what_was_said_is_read_before_what_a_filter_made_of_it(made: Any, tmp_path: Path) -> None:
    items = made["mmvp"][1].head(1)
    file = tmp_path / "samples.jsonl"
    sample = {"item_id": items["item_id"][0], "resps": [["The answer is B"]], "filtered_resps": ["B"]}
    file.write_text(json.dumps(sample))
    assert imported(items, file)[0]["text"].to_list() == ["The answer is B"]


# ---------------------------------------------------------------- faults
def faulty(rows: list[dict[str, Any]], fault: str) -> list[dict[str, Any]]:
    last = rows[-1]
    return {
        "missing": rows[:-1],
        "twice": [*rows, {**last, "prediction": "another"}],
        "same twice": [*rows, last],
        "unknown id": [*rows, {**last, "item_id": "0123456789abcdef"}],
        "unknown question": [*rows, {**last, "item_id": "", "question": "Is it?"}],
        "unknown image": [*rows, {**last, "item_id": "", "image": "other.png"}],
        "neither": [*rows, {**last, "item_id": "", "question": ""}],
        "failed": [*rows[:-1], {**last, "prediction": FAILED}],
    }[fault]


@pytest.mark.parametrize(
    ("fault", "named", "lost"),
    [
        ("missing", "1 item(s) without a prediction", 1),
        ("twice", "several predictions", 1),
        ("same twice", "several predictions", 1),
        ("unknown id", "0123456789abcdef", 0),
        ("unknown question", "Is it?", 0),
        ("unknown image", "other.png", 0),
        ("neither", "neither an item nor a question", 0),
        ("failed", "the request had failed", 1),
    ],
)
def test_faults_are_named_or_counted_and_no_item_is_left_out(
    made: Any, tmp_path: Path, fault: str, named: str, lost: int
) -> None:
    loaded, items = made["mmvp"]
    rows = rows_of(items)
    file = written(tmp_path, faulty(rows, fault))
    with pytest.raises(InputError) as caught:
        imported(items, file)
    assert named in str(caught.value) and "predictions.tsv" in str(caught.value) and "cure" in str(caught.value)
    if fault not in ("missing", "twice", "same twice"):
        assert f"row {len(rows) + (1 if fault == 'failed' else 2)}" in str(caught.value)
    after, drops = imported(items, file, "drop")
    assert drops.height >= 1 and after.height == items.height
    assert after.filter(pl.col("item_id") == rows[-1]["item_id"])["text"].to_list() == [
        "" if lost else rows[-1]["prediction"]
    ]
    verdicts = suite_verdicts(loaded, items, after).filter(pl.col("item_id") == rows[-1]["item_id"])
    assert not lost or verdicts["unparsed"].all()


def test_questions_that_differ_are_never_guessed_apart(made: Any, tmp_path: Path) -> None:
    items = made["pope"][1]
    rows = [{"question": row["question"], "prediction": "Yes"} for row in rows_of(items)]
    with pytest.raises(InputError, match="they differ") as caught:
        imported(items, written(tmp_path, rows))
    assert "item_id" in str(caught.value)


def test_likelihood_cannot_be_imported_and_is_left_out_of_an_export(made: Any, tmp_path: Path) -> None:
    items = made["vstar"][1]
    rows = rows_of(items)
    assert {row["answering"] for row in rows} == {"letter"} and len(rows) == items.height // 2
    with pytest.raises(InputError, match="likelihood"):
        imported(items, written(tmp_path, rows))
    only = items.filter(pl.col("answering") == "likelihood")
    with pytest.raises(InputError, match="likelihood"):
        interchange.export_predictions(only, replied(only, said))


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.xlsx", b"PK", "PRED_FORMAT"),
        ("a.tsv", b"index\tanswer\n1\tA\n", "field 'prediction'"),
        ("a.tsv", b"index\tprediction\n1\n", "does not fit the header"),
        ("a.tsv", b"", "empty"),
        ("a.jsonl", b"[1]\n", "not a record"),
        ("a.jsonl", b'{"doc_id": 1}\n', "filtered_resps"),
        ("a.jsonl", b'{"doc_id": 1, "resps": [["a"], ["b"]]}\n', "not one text"),
        ("a.jsonl", b'{"item_id": "x", "resps": [["\\ud800"]]}\n', "surrogate"),
    ],
)
def test_files_that_cannot_be_read(made: Any, tmp_path: Path, name: str, content: bytes, named: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        imported(made["mmvp"][1], tmp_path / name)
    assert named in str(caught.value) and name in str(caught.value)


def test_a_file_of_another_suite_is_refused_even_if_bad_items_are_dropped(made: Any, tmp_path: Path) -> None:
    file = written(tmp_path, rows_of(made["mmvp"][1]))
    with pytest.raises(InputError, match="no row belongs to an item"):
        imported(made["pope"][1], file, "drop")
