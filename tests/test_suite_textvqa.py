"""TextVQA: ten answers a question, the official soft accuracy and its normaliser, quirks included."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finer.errors import InputError
from finer.scoring.vqa import official_answer, soft_accuracy, toolkit_answer
from finer.suites.suite import Sources
from finer.suites.textvqa import FILE, SUITE
from finer.world.pictures import Sign
from finer.world.suites.textvqa import write as write_world
from finer.world.suites.writing import write_suite
from suite_runs import blank_images, items_of, numbers, replied

ANSWERS = ["acme"] * 8 + ["acme co", "unanswerable"]


def write(folder: Path, *rows: dict[str, object]) -> Sources:
    data = [
        {"question_id": n, "image_id": "00ab", "question": f"what is brand {n}?", "answers": ANSWERS} | row
        for n, row in enumerate(rows)
    ]
    (folder / FILE).write_text(json.dumps({"dataset_name": "textvqa", "data": data}))
    return Sources(folder, blank_images(folder / "images", "00ab.jpg"), "textvqa")


def test_soft_accuracy_of_one_file(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, {}, {"answers": [*["7"] * 2, *["x"] * 8]}, {"answers": ["no"] * 10}))
    replies = {"0": "The Acme.", "1": "seven", "2": "Yes"}  # 8 of 10; 2 of 10; none
    found = numbers(SUITE, items, replied(items, lambda row: replies[row["group_id"]]))
    assert found["official", "all", "accuracy"] == pytest.approx(100 * (1 + 0.6 + 0) / 3)


@pytest.mark.parametrize(("matching", "score"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (10, 1.0)])
def test_soft_accuracy_by_number_of_matching_annotators(matching: int, score: float) -> None:
    answers = ["a"] * matching + ["b"] * (10 - matching)
    assert soft_accuracy("a", answers) == pytest.approx(score)


@pytest.mark.parametrize(
    ("text", "official", "toolkit"),
    [
        ("The Red Car", "red car", "red car"),
        ("none", "0", "0"),
        ("Ten.", "10", "10"),
        ("5.", "5", "5."),  # the malformed lookbehind against the correct one
        ("1.5", "1.5", "1.5"),
        ("1,000", "1000", "1000"),
        ("a-b", "b", "b"),  # the hyphen becomes a space, "a" an article
        ("top- shelf", "top shelf", "top shelf"),
        ("wendy's", "wendy 's", "wendy's"),
        ("dont", "don't", "don't"),
        ("x, y?", "x y", "x y"),
        ("1,2 a-b", "12 b", "12 ab"),  # only where the comma is still there are all marks removed
        ("x\ny", "x y", "x y"),
        ("." * 40, "." * 8, "." * 8),  # at most 32 full stops go
        ("?", "", ""),
    ],
)
def test_normalisers(text: str, official: str, toolkit: str) -> None:
    assert (official_answer(text), toolkit_answer(text)) == (official, toolkit)


@given(st.text(alphabet="ab5 .,?'-/thenoneI\n", max_size=20))
def test_normalised_answers_are_words_with_single_spaces(text: str) -> None:
    for normalise in (official_answer, toolkit_answer):
        found = normalise(text)
        assert found == found.lower() and found == " ".join(found.split())


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=10, max_size=10), st.randoms(use_true_random=False))
def test_order_of_annotators_changes_nothing(answers: list[str], rng: random.Random) -> None:
    mixed = rng.sample(answers, len(answers))
    assert soft_accuracy("a", mixed) == pytest.approx(soft_accuracy("a", answers))


def test_the_toolkit_differs_where_its_normaliser_does(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, {"answers": ["5"] * 10}))
    found = numbers(SUITE, items, replied(items, lambda row: "5."))
    assert (found["official", "all", "accuracy"], found["toolkit", "all", "accuracy"]) == (100.0, 0.0)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"answers": ["acme"] * 9}, "10 answers"),
        ({"answers": ["acme"] * 9 + [3]}, "answers"),
        ({"image_id": "gone"}, "gone.jpg"),
        ({"question": " "}, "question"),
        ({"question_id": 0}, "row twice"),
    ],
)
def test_bad_rows_are_named_or_dropped(tmp_path: Path, change: dict[str, object], named: str) -> None:
    sources = write(tmp_path, {}, change)
    with pytest.raises(InputError) as caught:
        items_of(SUITE, sources)
    assert named in str(caught.value) and "row 1" in str(caught.value)
    items, drops = items_of(SUITE, sources, "drop")
    assert items.height == 1 and drops.height == 1


def test_a_file_without_data_is_refused(tmp_path: Path) -> None:
    sources = write(tmp_path, {})
    (tmp_path / FILE).write_text('{"questions": []}')
    with pytest.raises(InputError, match="data"):
        items_of(SUITE, sources)


def test_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"question_id": n, "question": f"which brand is {n}?"} for n in (3, 1, 2)]
    one, _ = items_of(SUITE, write(tmp_path, *rows))
    other, _ = items_of(SUITE, write(tmp_path, *rows[::-1]))
    assert one.equals(other)


def test_micro_data_reads_back_with_the_words_of_its_signs(tmp_path: Path) -> None:
    write_suite("textvqa", 7, 30, tmp_path / "textvqa")
    items, drops = items_of(SUITE, Sources(tmp_path / "textvqa", tmp_path / "textvqa" / "images", "textvqa", "bare"))
    assert items.height == 30 and drops.is_empty()
    signs: dict[str, Sign] = {sign.graph_hash[:16]: sign for sign in write_world(7, 30, tmp_path / "again")}
    words = {row["item_id"]: signs[Path(row["image_paths"][0]).stem].word for row in items.iter_rows(named=True)}
    found = numbers(SUITE, items, replied(items, lambda row: f"{words[row['item_id']].capitalize()}."))
    assert found["official", "all", "accuracy"] == found["toolkit", "all", "accuracy"] == 100.0
    assert any(len(set(answers)) > 1 for answers in items["references"])
    wrong = numbers(SUITE, items, replied(items, lambda row: ""))
    assert wrong["official", "all", "accuracy"] == 0.0
