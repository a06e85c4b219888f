"""NaturalBench: the fixed pattern of answers, the first whole word, and the four accuracies."""

from __future__ import annotations

import io
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from finer.errors import InputError
from finer.suites.naturalbench import SUITE
from finer.suites.suite import Sources
from finer.world.suites.naturalbench import write as write_micro
from suite_runs import items_of, numbers, replied

FILE = "train-00000-of-00001.parquet"
NAMES = ("accuracy", "question_accuracy", "image_accuracy", "group_accuracy")


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(buffer, format="PNG")
    return buffer.getvalue()


def row(index: int, choice: bool = False) -> dict[str, Any]:
    first, second = ("A", "B") if choice else ("Yes", "No")
    option = "\nOption: A:asleep; B:awake;" if choice else ""
    return {
        "Index": index, "Image_0": {"bytes": png(0), "path": None}, "Image_1": {"bytes": png(9), "path": None},
        "Question_0": f"Is the cat asleep?{option}", "Question_1": f"Is the cat awake?{option}",
        "Image_0_Question_0": first, "Image_1_Question_0": second, "Image_0_Question_1": second,
        "Image_1_Question_1": first, "Question_Type": "multiple_choice" if choice else "yes_no", "Source": "Flickr30K",
    }  # fmt: skip


def write(folder: Path, rows: list[dict[str, Any]], prompt: str = "official") -> Sources:
    pl.DataFrame(rows).write_parquet(folder / FILE)
    return Sources(folder, folder / "images", "naturalbench", prompt)


def right(row: Mapping[str, Any]) -> str:
    return (("Yes", "No") if row["answering"] == "yes_no" else ("A", "B"))[row["answer_index"]]


def place(row: Mapping[str, Any]) -> tuple[str, str]:
    """(question, image) of an item."""
    found = {entry["name"]: entry["value"] for entry in row["groups"]}
    return found["question"], found["image"]


def values(found: Mapping[tuple[str, str, str], float | None], split: str = "all") -> list[float | None]:
    return [found["official", split, name] for name in NAMES]


def test_the_four_accuracies_of_a_whole_and_a_broken_group(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, [row(0), row(1)]))
    # The second group answers yes, no, no, no: its last question is wrong.
    found = numbers(
        SUITE, items,
        replied(items, lambda r: "No" if r["group_id"] == "1" and place(r) == ("1", "1") else right(r)),
    )  # fmt: skip
    assert values(found) == pytest.approx([100 * 7 / 8, 75, 75, 50])
    assert SUITE.column == "group_accuracy"


@pytest.mark.parametrize("position", [0, 1])
def test_constant_answers_get_half_of_the_questions_and_nothing_else(tmp_path: Path, position: int) -> None:
    items, _ = items_of(SUITE, write(tmp_path, [row(0), row(1, choice=True)]))
    found = numbers(
        SUITE, items, replied(items, lambda r: (("Yes", "No") if r["answering"] == "yes_no" else ("A", "B"))[position])
    )
    for split in ("all", "yes_no", "multiple_choice"):
        assert values(found, split) == pytest.approx([50, 0, 0, 0])


def test_all_answers_of_a_group_once_each_are_what_chance_gets(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, [row(n) for n in range(16)]))
    answers = dict(enumerate(product(("Yes", "No"), repeat=4)))
    found = numbers(
        SUITE, items,
        replied(items, lambda r: answers[int(r["group_id"])][2 * int(place(r)[0]) + int(place(r)[1])]),
    )  # fmt: skip
    assert values(found) == pytest.approx([50, 25, 25, 6.25])


@pytest.mark.parametrize(
    ("choice", "reply", "official", "strict"),
    [
        (False, "yes, no doubt", 50, 50),
        (False, "I know: it is asleep, yes", 50, 0),  # "know" is no word "no"
        (False, "It is not", 0, 0),
        (True, "It is a dog, so B", 50, 0),  # the article is A
        (True, "(B)", 50, 50),
        (True, "Because", 0, 0),
        (True, "C", 0, 0),
    ],
)  # fmt: skip
def test_how_replies_are_read(tmp_path: Path, choice: bool, reply: str, official: float, strict: float) -> None:
    items, _ = items_of(SUITE, write(tmp_path, [row(0, choice)]))
    found = numbers(SUITE, items, replied(items, lambda _: reply))
    assert [found[scorer, "all", "accuracy"] for scorer in ("official", "strict")] == [official, strict]


def test_the_official_request_follows_without_a_space(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, [row(0), row(1, choice=True)]))
    prompts = set(items["prompt"])
    assert "Is the cat asleep?Please answer Yes or No." in prompts
    assert (
        "Is the cat awake?\nOption: A:asleep; B:awake;Please output the letter corresponding to the correct option."
        in prompts
    )
    assert {tuple(options) for options in items["options"].to_list()} == {("yes", "no"), ("asleep", "awake")}
    spaced, _ = items_of(SUITE, write(tmp_path, [row(0)], "spaced"))
    assert "Is the cat asleep? Please answer Yes or No." in set(spaced["prompt"])


def test_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    rows = [row(n, bool(n % 2)) for n in range(4)]
    one, _ = items_of(SUITE, write(tmp_path, rows))
    other, _ = items_of(SUITE, write(tmp_path, rows[::-1]))
    assert one.equals(other)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"Image_0_Question_0": "No"}, "fixed pattern"),
        ({"Image_1_Question_1": "A"}, "Image_1_Question_1"),
        ({"Question_Type": "mcq"}, "Question_Type"),
        ({"Image_1": {"bytes": b"", "path": None}}, "Image_1"),
        ({"Question_1": ""}, "Question_1"),
        ({"Index": 0}, "row twice"),
    ],
)
def test_a_bad_row_is_named_or_dropped_whole(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    sources = write(tmp_path, [row(0), row(1) | change, row(2)])
    with pytest.raises(InputError) as caught:
        items_of(SUITE, sources)
    assert named in str(caught.value) and "row 1" in str(caught.value)
    items, drops = items_of(SUITE, sources, "drop")
    assert items.height == 8 and drops.height >= 1


def test_shards_are_read_as_one_file(tmp_path: Path) -> None:
    pl.DataFrame([row(0)]).write_parquet(tmp_path / "train-00000-of-00002.parquet")
    pl.DataFrame([row(1) | {"Question_Type": "yes_no"}]).write_parquet(tmp_path / "train-00001-of-00002.parquet")
    items, _ = items_of(SUITE, Sources(tmp_path, tmp_path / "images", "naturalbench"))
    assert items.height == 8 and sorted(path.name for path in (tmp_path / "images").iterdir()) == [
        "0_0.png", "0_1.png", "1_0.png", "1_1.png",
    ]  # fmt: skip
    with pytest.raises(InputError, match="no Parquet file"):
        items_of(SUITE, Sources(tmp_path / "images", tmp_path / "images", "naturalbench"))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(("Yes", "No", "Maybe")), min_size=8, max_size=8))
def test_a_whole_group_is_a_whole_pair_of_questions_and_of_images(
    tmp_path_factory: pytest.TempPathFactory, replies: list[str]
) -> None:
    items, _ = items_of(SUITE, write(tmp_path_factory.mktemp("naturalbench"), [row(0), row(1)]))
    answers = dict(zip(sorted(items["item_id"]), replies, strict=True))
    found = numbers(SUITE, items, replied(items, lambda r: answers[r["item_id"]]))
    single, question, image, group = (value or 0.0 for value in values(found))
    assert group <= min(question, image) <= max(question, image) <= single


def test_micro_data_read_back(tmp_path: Path) -> None:
    shown = write_micro(5, 60, tmp_path)
    items, drops = items_of(SUITE, Sources(tmp_path, tmp_path / "images", "naturalbench"))
    assert drops.height == 0 and items.height == 60 == 2 * len(shown)
    assert set(items["grouping"]) == {"yes_no", "multiple_choice"}
    scenes = {f"{n // 2}_{n % 2}.jpg": scene for n, scene in enumerate(shown)}
    checked = 0
    for found in items.filter(pl.col("answering") == "yes_no").iter_rows(named=True):
        words = found["prompt"].split("?")[0].split()
        if len(words) == 4 and words[0] == "Is":  # "Is the ball red"
            scene = scenes[Path(found["image_paths"][0]).name]
            thing = next(t for t in scene.things if t.kind == words[2])
            assert (words[3] in (thing.color, thing.pattern, thing.size)) == (found["answer_index"] == 0)
            checked += 1
    assert checked >= 10
    assert values(numbers(SUITE, items, replied(items, right))) == pytest.approx([100] * 4)
