"""MMVP: pairs by row order, single against pair accuracy, released against corrected labels."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from finer.errors import InputError
from finer.suites.mmvp import FIELDS, FILE, FOLDER, SUITE
from finer.suites.suite import Sources
from finer.world.suites.mmvp import write as write_micro
from finer.world.suites.twins import draw_twins
from suite_runs import blank_images, items_of, numbers, replied

Row = dict[str, Any]


def door(index: int, answer: str, question: str = "Is the door open or closed?") -> Row:
    return {"Index": index, "Question": question, "Options": "(a) Open (b) Closed", "Correct Answer": answer}


def write(folder: Path, rows: list[Row], prompt: str = "official") -> Sources:
    with (folder / FILE).open("w", newline="") as file:
        table = csv.DictWriter(file, FIELDS)
        table.writeheader()
        table.writerows(rows)
    blank_images(folder / "images" / FOLDER, *(f"{n + 1}.jpg" for n in range(len(rows))))
    return Sources(folder, folder / "images", "mmvp", prompt)


def pairs(count: int) -> list[Row]:
    return [door(n, "(a)" if n % 2 else "(b)") for n in range(1, 2 * count + 1)]


def right(row: Mapping[str, Any]) -> str:
    return "AB"[row["answer_index"]]


def test_pairs_are_rows_one_and_two_three_and_four(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, pairs(2)))
    image = {row["group_id"]: [] for row in items.iter_rows(named=True)}
    for row in items.iter_rows(named=True):
        image[row["group_id"]].append(Path(row["image_paths"][0]).name)
    assert {group: sorted(names) for group, names in image.items()} == {
        "001": ["1.jpg", "2.jpg"], "002": ["3.jpg", "4.jpg"],
    }  # fmt: skip
    assert items["prompt"].unique().to_list() == ["Is the door open or closed? (a) Open (b) Closed"]


def test_one_right_of_a_pair_counts_single_and_not_as_a_pair(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, pairs(2)))
    found = numbers(SUITE, items, replied(items, lambda r: "A" if r["group_id"] == "001" else right(r)))
    for scorer in ("toolkit", "lenient", "strict"):
        assert found[scorer, "all", "accuracy"] == pytest.approx(75)
        assert found[scorer, "all", "pair_accuracy"] == pytest.approx(50)
    assert (SUITE.column, SUITE.column_scorer) == ("accuracy", "toolkit")


@pytest.mark.parametrize("reply", ["A", "B"])
def test_a_constant_answer_gets_half_of_the_questions_and_no_pair(tmp_path: Path, reply: str) -> None:
    items, _ = items_of(SUITE, write(tmp_path, pairs(150)))
    found = numbers(SUITE, items, replied(items, lambda _: reply))
    assert found["toolkit", "all", "accuracy"] == pytest.approx(50)
    assert found["toolkit", "all", "pair_accuracy"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("reply", "toolkit", "lenient", "strict"),
    [
        ("(a) Open", 50, 50, 0),
        ("(a)", 0, 50, 50),  # the toolkit knows capital letters and texts
        ("It is open.", 50, 0, 0),
        ("Open or closed", 0, 0, 0),
        ("A door", 50, 0, 0),  # "A" as a word of two, to the toolkit
        ("", 0, 0, 0),
    ],
)  # fmt: skip
def test_how_replies_are_read(tmp_path: Path, reply: str, toolkit: float, lenient: float, strict: float) -> None:
    items, _ = items_of(SUITE, write(tmp_path, pairs(1)))
    found = numbers(SUITE, items, replied(items, lambda _: reply))
    assert [found[scorer, "all", "accuracy"] for scorer in ("toolkit", "lenient", "strict")] == [
        toolkit, lenient, strict,
    ]  # fmt: skip


def test_known_wrong_labels_are_mended_in_numbers_of_their_own(tmp_path: Path) -> None:
    rows = pairs(150)
    for index in (99, 100):
        rows[index - 1]["Question"] = "Does the elephant have long or short tusks?"
    items, _ = items_of(SUITE, write(tmp_path, rows))
    found = numbers(SUITE, items, replied(items, right))
    assert found["strict", "all", "accuracy"] == found["strict", "all", "pair_accuracy"] == 100
    # Rows 279 and 280 ask of doors here: what is corrected is the released question.
    assert found["strict", "all", "accuracy_corrected"] == pytest.approx(100 * 298 / 300)
    assert found["strict", "all", "pair_accuracy_corrected"] == pytest.approx(100 * 149 / 150)


def test_shuffled_rows_are_refused_even_if_bad_items_are_dropped(tmp_path: Path) -> None:
    rows = pairs(3)
    rows[1], rows[2] = rows[2], rows[1]
    for policy in ("stop", "drop"):
        with pytest.raises(InputError, match="out of its place") as caught:
            items_of(SUITE, write(tmp_path, rows), policy)
        assert "row 1" in str(caught.value) and "Index" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"Options": "Open or closed"}, "Options"),
        ({"Options": "(a) Open (c) Closed"}, "Options"),
        ({"Correct Answer": "(c)"}, "Correct Answer"),
        ({"Correct Answer": "(a)"}, "one answer"),
        ({"Question": ""}, "Question"),
    ],
)
def test_a_bad_row_is_named_or_takes_its_pair_with_it(tmp_path: Path, change: Row, named: str) -> None:
    rows = pairs(2)
    rows[3] |= change
    with pytest.raises(InputError) as caught:
        items_of(SUITE, write(tmp_path, rows))
    assert named in str(caught.value) and FILE in str(caught.value)
    items, drops = items_of(SUITE, write(tmp_path, rows), "drop")
    assert items["group_id"].unique().to_list() == ["001"] and drops.height >= 1


def test_a_missing_image_and_half_a_pair_are_refused(tmp_path: Path) -> None:
    sources = write(tmp_path, pairs(2))
    (tmp_path / "images" / FOLDER / "4.jpg").unlink()
    with pytest.raises(InputError, match="no such image"):
        items_of(SUITE, sources)
    assert items_of(SUITE, sources, "drop")[0].height == 2
    with pytest.raises(InputError, match="incomplete pair"):
        items_of(SUITE, write(tmp_path, pairs(2)[:3]))


def test_toolkits_ask_in_lettered_lines(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, pairs(1), "qwen_vl"))
    assert "Options:\nA. Open\nB. Closed\nPlease select" in items["prompt"][0]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from("AB"), min_size=6, max_size=6))
def test_pair_is_between_twice_single_less_one_and_single(
    tmp_path_factory: pytest.TempPathFactory, letters: list[str]
) -> None:
    items, _ = items_of(SUITE, write(tmp_path_factory.mktemp("mmvp"), pairs(3)))
    answers = dict(zip(sorted(items["item_id"]), letters, strict=True))
    found = numbers(SUITE, items, replied(items, lambda row: answers[row["item_id"]]))
    single, pair = (found["strict", "all", name] for name in ("accuracy", "pair_accuracy"))
    assert single is not None and pair is not None
    assert 2 * single - 100 - 1e-9 <= pair <= single + 1e-9


def test_micro_pairs_differ_in_one_thing(tmp_path: Path) -> None:
    shown = write_micro(5, 40, tmp_path)
    items, drops = items_of(SUITE, Sources(tmp_path, tmp_path / "images", "mmvp"))
    assert drops.height == 0 and items.height == 40 == len({scene.graph_hash for scene in shown})
    scenes = {f"{n + 1}.jpg": scene for n, scene in enumerate(shown)}
    for row in items.iter_rows(named=True):
        scene, text = scenes[Path(row["image_paths"][0]).name], row["options"][row["answer_index"]].lower()
        thing = next(t for t in scene.things if f" {t.kind} " in f" {row['prompt'].replace('?', ' ')} ")
        if "color" in row["prompt"]:
            assert text == thing.color
        elif "outline" in row["prompt"]:
            assert text == ("yes" if thing.outlined else "no")
        elif "pattern" in row["prompt"]:
            assert text == thing.pattern
    for number in range(1, 41, 2):
        one, other = (np.asarray(Image.open(tmp_path / "images" / f"{n}.jpg"), dtype=int) for n in (number, number + 1))
        assert 0 < (np.abs(one - other).max(axis=2) > 40).mean() < 0.2
    assert items["labels"].list.len().sum() == 0
    assert abs(items["answer_index"].mean() - 0.5) < 1e-9  # type: ignore[operator]


def test_twins_have_opposite_truth() -> None:
    drawn = draw_twins(3, 60, "test")
    assert {twins.name for twins in drawn} == {"color", "pattern", "size", "outlined", "place"}
    for twins in drawn:
        one, other = twins.scenes
        assert len(one.things) == len(other.things) and twins.values[0] != twins.values[1]
        if twins.name == "place" and twins.other is not None:
            for scene, relation, not_it in zip(twins.scenes, twins.values, twins.values[::-1], strict=True):
                assert scene.holds(relation, twins.thing, twins.other) is True
                assert scene.holds(not_it, twins.thing, twins.other) is False


def test_questions_csv_with_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("Index,Question,Options\n1,What?,(a) x (b) y\n")
    with pytest.raises(InputError, match="a column is missing"):
        items_of(SUITE, Sources(tmp_path, tmp_path, "mmvp"))
