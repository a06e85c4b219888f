"""POPE: the official files, the official script's quirks, the toolkit's, and what a constant answer gets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finer.errors import InputError
from finer.suites.pope import SPLITS, SUITE
from finer.suites.suite import Sources
from suite_runs import blank_images, items_of, numbers, replied

REPLIES = ("Yes, it is.", "No.", "There is no kite", "NO", "", "Not sure")


def write(folder: Path, **changes: object) -> Sources:
    for split in SPLITS:
        rows = [
            {"question_id": n, "image": "a.jpg", "text": f"Is there a kite {n} in the image?",
             "label": "yes" if n % 2 else "no"} | (changes if n == 3 and split == "random" else {})
            for n in range(1, 7)
        ]  # fmt: skip
        (folder / f"coco_pope_{split}.json").write_text("\n".join(map(json.dumps, rows)))
    return Sources(folder, blank_images(folder / "images", "a.jpg"), "pope")


def test_official_parse_takes_all_but_its_three_words_for_yes(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path))
    number = {prompt: REPLIES[place] for place, prompt in enumerate(sorted(set(items["prompt"])))}
    found = numbers(SUITE, items, replied(items, lambda row: number[row["prompt"]]))
    # read: yes no no yes yes yes; gold: yes no yes no yes no
    assert found["official", "random", "accuracy"] == pytest.approx(100 * 3 / 6)
    assert found["official", "random", "yes_ratio"] == pytest.approx(100 * 4 / 6)
    assert found["official", "random", "f1"] == pytest.approx(100 * 4 / 7)
    # one word of the two: yes no no no unread unread
    assert found["toolkit", "random", "accuracy"] == pytest.approx(100 * 3 / 6)
    assert found["toolkit", "random", "yes_ratio"] == pytest.approx(100 * 1 / 6)


@pytest.mark.parametrize(("reply", "accuracy", "f1"), [("Yes", 50.0, 200 / 3), ("No", 50.0, 0.0)])
def test_constant_answers(tmp_path: Path, reply: str, accuracy: float, f1: float) -> None:
    items, _ = items_of(SUITE, write(tmp_path))
    found = numbers(SUITE, items, replied(items, lambda row: reply))
    for split in (*SPLITS, "all"):
        assert found["official", split, "accuracy"] == pytest.approx(accuracy)
        assert found["official", split, "f1"] == pytest.approx(f1)
    assert found["official", "all", "mean_accuracy"] == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"label": "maybe"}, "label"),
        ({"image": "b.jpg"}, "b.jpg"),
        ({"question_id": 2}, "row twice"),
        ({"text": ""}, "text"),
    ],
)
def test_bad_rows_are_named_or_dropped(tmp_path: Path, change: dict[str, object], named: str) -> None:
    sources = write(tmp_path, **change)
    with pytest.raises(InputError) as caught:
        items_of(SUITE, sources)
    assert named in str(caught.value) and "line 3" in str(caught.value)
    items, drops = items_of(SUITE, sources, "drop")
    assert items.height == 17 and drops.height == 1
