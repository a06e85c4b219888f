"""CRPE relation: circular groups of four rotations, the official mean of three and the toolkit's micro value."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finer.errors import InputError
from finer.suites.crpe_relation import CATEGORIES, FILE, SUITE
from finer.suites.suite import Sources
from finer.world.suites.crpe_relation import write as write_micro
from suite_runs import blank_images, items_of, numbers, replied

OPTIONS = ("on", "under", "behind", "holding")


def group(first: int, category: str, question: str) -> list[dict[str, Any]]:
    """Four rotations; the right text is "on"."""
    rows = []
    for turn in range(4):
        options = OPTIONS[turn:] + OPTIONS[:turn]
        lines = "\n".join(f"{letter}. {option}" for letter, option in zip("ABCD", options, strict=True))
        rows.append(
            {
                "question_id": first + turn, "image": "coco/val2017/000000000123.jpg", "category": category,
                "text": f"{question}\n{lines}\nAnswer with the option's letter from the given choices directly.",
                "correct_option": "ABCD"[options.index("on")],
            }
        )  # fmt: skip
    return rows


def write(folder: Path, rows: list[dict[str, Any]]) -> Sources:
    (folder / FILE).write_text("\n".join(map(json.dumps, rows)))
    return Sources(folder, blank_images(folder / "images", "coco/val2017/000000000123.jpg"), "crpe_relation")


def two_groups() -> list[dict[str, Any]]:
    return group(0, "predicate", "What is the relation between the dog and the sofa?") + group(
        4, "predicate", "What is the relation between the cat and the sofa?"
    )


def right(row: Mapping[str, Any]) -> str:
    return "ABCD"[row["answer_index"]]


def test_a_group_counts_only_with_all_four_rotations_right(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, two_groups()))
    found = numbers(
        SUITE, items, replied(items, lambda r: "A" if "cat" in r["prompt"] and right(r) == "D" else right(r))
    )
    for scorer in ("official", "lenient", "toolkit"):
        assert found[scorer, "all", "circular_accuracy"] == pytest.approx(50)
        assert found[scorer, "predicate", "circular_accuracy"] == pytest.approx(50)
        assert found[scorer, "all", "accuracy"] == pytest.approx(87.5)
        assert found[scorer, "subject", "circular_accuracy"] is None


def test_official_overall_is_the_mean_of_three_and_the_toolkits_the_share_of_all_groups(tmp_path: Path) -> None:
    rows = [r for n, category in enumerate((*CATEGORIES, "object", "object")) for r in group(4 * n, category, f"Q{n}?")]
    items, _ = items_of(SUITE, write(tmp_path, rows))
    found = numbers(SUITE, items, replied(items, lambda row: "D" if row["grouping"] == "object" else right(row)))
    assert found["official", "all", "mean_circular_accuracy"] == pytest.approx(200 / 3)
    assert found["toolkit", "all", "circular_accuracy"] == pytest.approx(200 / 5)
    assert SUITE.column == "circular_accuracy" and SUITE.column_scorer == "toolkit"


@pytest.mark.parametrize(
    ("reply", "official", "lenient", "toolkit"),
    [
        ("{letter}", 100, 100, 100),
        ("{letter}.", 0, 100, 100),
        ("{letter}. on", 0, 100, 100),
        ("It is on it", 0, 0, 100),  # the right text, for the toolkit
        ("It is near", 0, 0, 0),  # in the toolkit's table of bare letters this might pass; never here
        ("", 0, 0, 0),
        ("A", 0, 0, 0),  # a constant answer is right in one rotation of four
    ],
)  # fmt: skip
def test_how_replies_are_read(tmp_path: Path, reply: str, official: float, lenient: float, toolkit: float) -> None:
    items, _ = items_of(SUITE, write(tmp_path, two_groups()))
    found = numbers(SUITE, items, replied(items, lambda row: reply.format(letter=right(row))))
    values = tuple(found[scorer, "all", "circular_accuracy"] for scorer in ("official", "lenient", "toolkit"))
    assert values == pytest.approx((official, lenient, toolkit))


def test_shuffled_rows_are_refused_even_if_bad_items_are_dropped(tmp_path: Path) -> None:
    rows = two_groups()
    Random(3).shuffle(rows)
    for policy in ("stop", "drop"):
        with pytest.raises(InputError, match="do not follow each other") as caught:
            items_of(SUITE, write(tmp_path, rows), policy)
        assert "line " in str(caught.value) and "shuffle" in str(caught.value)


def test_order_of_groups_and_of_rotations_changes_nothing(tmp_path: Path) -> None:
    rows = two_groups()
    one, _ = items_of(SUITE, write(tmp_path, rows))
    other, _ = items_of(SUITE, write(tmp_path, rows[:3:-1] + rows[3::-1]))
    assert one.drop("group_id").equals(other.drop("group_id"))  # named after the first row of the group
    reply = lambda row: right(row) if "cat" in row["prompt"] else "B"  # noqa: E731
    assert numbers(SUITE, one, replied(one, reply)) == numbers(SUITE, other, replied(other, reply))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"correct_option": "E"}, "correct_option"),
        ({"correct_option": "A"}, "no rotations"),
        ({"category": "exist"}, "category"),
        ({"image": "coco/val2017/1.jpg"}, "1.jpg"),
        ({"text": "What is it?\nA. a\nB. b"}, "four lines"),
        ({"question_id": 5}, "row twice"),
    ],
)
def test_a_bad_row_is_named_or_takes_its_group_with_it(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    rows = two_groups()
    for row in rows[:4] if "image" in change else rows[2:3]:
        row |= change
    with pytest.raises(InputError) as caught:
        items_of(SUITE, write(tmp_path, rows))
    assert named in str(caught.value) and "line " in str(caught.value)
    items, drops = items_of(SUITE, write(tmp_path, rows), "drop")
    if named == "row twice":  # the later row of the two goes, and its group
        assert set(items["group_id"]) == {"predicate:0"}
    else:
        assert items.height == 4 and set(items["group_id"]) == {"predicate:4"}
    assert drops.height >= 1


def test_a_file_that_ends_within_a_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="incomplete circular group"):
        items_of(SUITE, write(tmp_path, two_groups()[:7]))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from("ABCD"), min_size=8, max_size=8))
def test_circular_is_never_above_single_accuracy(tmp_path_factory: pytest.TempPathFactory, letters: list[str]) -> None:
    items, _ = items_of(SUITE, write(tmp_path_factory.mktemp("crpe"), two_groups()))
    answers = dict(zip(sorted(items["item_id"]), letters, strict=True))
    found = numbers(SUITE, items, replied(items, lambda row: answers[row["item_id"]]))
    circular, single = (found["official", "all", name] for name in ("circular_accuracy", "accuracy"))
    assert circular is not None and single is not None and circular <= single


def test_micro_data_read_back(tmp_path: Path) -> None:
    scenes = write_micro(5, 60, tmp_path)
    items, drops = items_of(SUITE, Sources(tmp_path, tmp_path / "images", "crpe_relation"))
    assert drops.height == 0 and 56 <= items.height <= 68
    assert set(items["grouping"]) == set(CATEGORIES)
    assert items["image_id"].n_unique() == len(scenes)
    assert Counter(items["answer_index"]) == dict.fromkeys(range(4), items.height // 4)
    found = numbers(SUITE, items, replied(items, right))
    assert found["official", "all", "mean_circular_accuracy"] == pytest.approx(100)
    assert items.filter(pl.col("options").list.n_unique() != 4).height == 0
