"""RePOPE: unbalanced labels, the official script's counting of what it can read, POPE's labels corrected."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from finer.errors import InputError
from finer.suites import pope
from finer.suites.pope import SPLITS
from finer.suites.repope import SUITE
from finer.suites.suite import Sources
from finer.world.suites.writing import write_suite
from suite_runs import blank_images, items_of, numbers, replied

# yes and no of the official files
OFFICIAL = {"random": (1159, 1615), "popular": (1193, 1534), "adversarial": (1187, 1497)}
ALL_YES = {"random": (41.78, 58.94), "popular": (43.75, 60.87), "adversarial": (44.23, 61.33)}


def write(folder: Path, labels: dict[str, tuple[int, int]], **changes: object) -> Sources:
    """Files with so many yes and no a split, ids with gaps; ``changes``: of the third row of the popular file."""
    for split in SPLITS:
        yes, no = labels[split]
        rows = [
            {"question_id": 3 * n, "image": "a.jpg", "text": f"Is there a {split} kite {n} in the image?",
             "label": "yes" if n < yes else "no"} | (changes if split == "popular" and n == 2 else {})
            for n in range(yes + no)
        ]  # fmt: skip
        (folder / f"coco_repope_{split}.json").write_text("\n".join(map(json.dumps, rows)))
    return Sources(folder, blank_images(folder / "images", "a.jpg"), "repope")


def test_constant_answers_on_the_official_numbers_of_labels(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, OFFICIAL))
    yes, no = (numbers(SUITE, items, replied(items, lambda row, word=word: word)) for word in ("Yes", "No."))
    for split, (accuracy, f1) in ALL_YES.items():
        for scorer in ("official", "first_substring"):
            assert yes[scorer, split, "accuracy"] == pytest.approx(accuracy, abs=0.005)
            assert yes[scorer, split, "f1"] == pytest.approx(f1, abs=0.005)
            assert no[scorer, split, "accuracy"] == pytest.approx(100 - accuracy, abs=0.01)
    mean = sum(accuracy for accuracy, _ in ALL_YES.values()) / 3
    assert yes[SUITE.column_scorer, "all", SUITE.column] == pytest.approx(mean, abs=0.005)


def test_what_the_official_script_cannot_read_counts_nowhere(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, dict.fromkeys(SPLITS, (3, 1))))
    # "know" and "nothing" hold "no"; "yes" anywhere wins; a reply with neither is not counted
    replies = {0: "I do not know", 1: "No... or yes", 2: "Maybe", 3: "There is nothing"}
    place = {prompt: int(prompt.split()[5]) for prompt in items["prompt"]}
    found = numbers(SUITE, items, replied(items, lambda row: replies[place[row["prompt"]]]))
    assert found["official", "random", "accuracy"] == pytest.approx(100 * 2 / 3)
    assert found["official", "random", "recall"] == pytest.approx(50)
    assert found["official", "random", "yes_ratio"] == pytest.approx(100 / 3)
    assert found["official", "random", "f1"] == pytest.approx(100 * 2 / 3)
    # whichever comes first, and what cannot be read is wrong
    assert found["first_substring", "random", "accuracy"] == pytest.approx(25)
    assert found["first_substring", "random", "recall"] == 0


def test_nothing_read_leaves_the_official_numbers_undefined(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, dict.fromkeys(SPLITS, (2, 2))))
    found = numbers(SUITE, items, replied(items, lambda row: "?"))
    assert found["official", "all", "accuracy"] is None
    assert found["first_substring", "all", "accuracy"] == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"label": "No"}, "label"),
        ({"image": "../a.jpg"}, "outside"),
        ({"question_id": 0}, "row twice"),
        ({"text": "Is there a random kite 0 in the image?", "label": "no"}, "two labels"),
    ],
)
def test_bad_rows_are_named_or_dropped(tmp_path: Path, change: dict[str, object], named: str) -> None:
    sources = write(tmp_path, dict.fromkeys(SPLITS, (3, 3)), **change)
    with pytest.raises(InputError) as caught:
        items_of(SUITE, sources)
    assert named in str(caught.value) and "line 3" in str(caught.value)
    items, drops = items_of(SUITE, sources, "drop")
    assert items.height == 17 and drops.height == 1


def test_order_of_the_lines_means_nothing(tmp_path: Path) -> None:
    sources = write(tmp_path, dict.fromkeys(SPLITS, (3, 3)))
    items, _ = items_of(SUITE, sources)
    for split in SPLITS:
        file = tmp_path / f"coco_repope_{split}.json"
        file.write_text("\n".join(reversed(file.read_text().splitlines())))
    assert items_of(SUITE, sources)[0].equals(items)


def test_micro_files_correct_the_wrong_labels_of_popes(tmp_path: Path) -> None:
    labels: dict[str, dict[tuple[str, str], int]] = {}
    asked: dict[str, pl.DataFrame] = {}
    for suite in (pope.SUITE, SUITE):
        folder = tmp_path / suite.name
        write_suite(suite.name, 1, 400, folder)
        asked[suite.name], drops = items_of(suite, Sources(folder, folder / "images", suite.name))
        assert drops.is_empty()
        rows = asked[suite.name].select(pl.col("image_paths").list.first(), "prompt", "answer_index").rows()
        labels[suite.name] = {(Path(path).name, prompt): label for path, prompt, label in rows}
        assert len({(path, prompt, label) for path, prompt, label in rows}) == len(labels[suite.name])
    assert set(labels["repope"]) < set(labels["pope"])
    changed = Counter(labels["pope"][key] for key, label in labels["repope"].items() if labels["pope"][key] != label)
    assert set(changed) == {0, 1}
    assert 0.01 < sum(changed.values()) / len(labels["repope"]) < 0.08
    assert asked["pope"].group_by("grouping").agg(pl.col("answer_index").mean())["answer_index"].to_list() == [0.5] * 3
