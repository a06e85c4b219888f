"""V* Bench: the likelihood protocol and the lettered one, per type and over all questions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from finer.errors import InputError
from finer.suites.suite import Sources
from finer.suites.vstar import QUESTIONS, SUITE, TYPES
from finer.world.suites.vstar import write as write_micro
from suite_runs import blank_images, items_of, numbers, replied

COLORS = ("red", "blue", "green", "white")


def write(folder: Path, attributes: int = 3, positions: int = 2, **options: Any) -> Sources:
    """Questions about mugs, right letters A, B, C, …; and about sides, right letter B."""
    lines = []
    for kind, number in zip(TYPES, (attributes, positions), strict=True):
        (folder / kind).mkdir(exist_ok=True)
        for n in range(number):
            stem = f"{kind}/sa_{n}"
            blank_images(folder, f"{stem}.jpg")
            turned = [*COLORS[-(n % 4) :], *COLORS[: -(n % 4)]] if n % 4 else list(COLORS)
            question, texts, letters = "What is the color of the mug?", COLORS, turned
            if kind == "relative_position":
                question, texts, letters = "Is the dog on the left?", ("left", "right"), ["right", "left"]
            annotation = {"target_object": ["mug"], "bbox": [[1, 2, 3, 4]], "question": question,
                          "options": [f"It is {text}." for text in texts]}  # fmt: skip
            (folder / f"{stem}.json").write_text(json.dumps(annotation))
            listed = "\n".join(f"({letter}) {text}" for letter, text in zip("ABCD", letters, strict=False))
            lines.append(
                {
                    "image": f"{stem}.jpg", "category": kind, "question_id": str(len(lines)),
                    "label": "ABCD"[letters.index(texts[0])],
                    "text": f"{question}\n{listed}\nAnswer with the option's letter from the given choices directly.",
                }
            )  # fmt: skip
    (folder / QUESTIONS).write_text("\n".join(map(json.dumps, lines)))
    return Sources(folder, folder, "vstar", options=options)


def right(row: Mapping[str, Any]) -> str:
    return "ABCDE"[row["answer_index"]] if row["answering"] == "letter" else ""


def with_means(responses: pl.DataFrame, means: Mapping[str, Sequence[float]]) -> pl.DataFrame:
    """Give the responses to items mean log-probabilities of their options."""
    values = [means.get(item) for item in responses["item_id"]]
    return responses.with_columns(option_mean_logprobs=pl.Series(values, dtype=pl.List(pl.Float64())))


def likelihood(items: pl.DataFrame) -> pl.DataFrame:
    return items.filter(pl.col("answering") == "likelihood").sort("group_id")


def test_the_option_with_the_highest_mean_is_the_answer_and_the_first_is_right(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path))
    asked = likelihood(items)
    assert set(asked["answer_index"]) == {0} and asked["prompt"][0] == "What is the color of the mug?"
    best = dict(zip(asked["item_id"], (0, 0, 3, 0, 1), strict=True))  # three attributes, two positions
    means = {
        row["item_id"]: [-1.0 if n == best[row["item_id"]] else -2.0 for n in range(len(row["options"]))]
        for row in asked.iter_rows(named=True)
    }
    found = numbers(SUITE, items, with_means(replied(items, right), means))
    assert found["official", "direct_attributes", "accuracy"] == pytest.approx(200 / 3)
    assert found["official", "relative_position", "accuracy"] == pytest.approx(50)
    assert found["official", "all", "accuracy"] == pytest.approx(60)  # over all, not the mean of two types
    assert found["toolkit", "all", "accuracy"] == pytest.approx(100)
    assert (SUITE.column, SUITE.column_split, SUITE.column_scorer) == ("accuracy", "all", "toolkit")


def test_a_tie_of_likelihoods_is_not_decided_for_the_first_option(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path))
    means = {row["item_id"]: [-1.0] * len(row["options"]) for row in likelihood(items).iter_rows(named=True)}
    found = numbers(SUITE, items, with_means(replied(items, right), means))
    assert found["official", "all", "accuracy"] == 0


@pytest.mark.parametrize(
    ("reply", "toolkit", "lenient", "strict"),
    [("A", 20, 20, 20), ("(A)", 20, 20, 20), ("A. red", 20, 20, 0), ("It is red.", 60, 0, 0), ("", 0, 0, 0)],
)  # fmt: skip
def test_a_constant_reply_by_letter(tmp_path: Path, reply: str, toolkit: float, lenient: float, strict: float) -> None:
    items, _ = items_of(SUITE, write(tmp_path))  # right: A, B, C and B, B
    means = {row["item_id"]: [0.0] * len(row["options"]) for row in likelihood(items).iter_rows(named=True)}
    found = numbers(SUITE, items, with_means(replied(items, lambda _: reply), means))
    values = [found[scorer, "all", "accuracy"] for scorer in ("toolkit", "lenient", "strict")]
    assert values == pytest.approx([toolkit, lenient, strict])


def test_one_question_of_191_is_half_a_point(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, 115, 76))
    assert items.height == 2 * 191
    means = {row["item_id"]: [0.0] * len(row["options"]) for row in likelihood(items).iter_rows(named=True)}
    responses = with_means(replied(items, lambda r: "" if r["group_id"].endswith("s/sa_0") else right(r)), means)
    assert numbers(SUITE, items, responses)["toolkit", "all", "accuracy"] == pytest.approx(100 - 100 / 191)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**9))
def test_letters_of_a_seed_are_stable_and_not_always_a(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    folder = tmp_path_factory.getbasetemp() / "vstar_seeds"
    if not folder.exists():
        folder.mkdir()
        write(folder, 40, 4)
    sources = Sources(folder, folder, "vstar", options={"shuffle_seed": seed})
    items, again = items_of(SUITE, sources)[0], items_of(SUITE, sources)[0]
    assert items.equals(again)
    letters = items.filter(pl.col("answering") == "letter", pl.col("grouping") == "direct_attributes")
    assert 1 < len(Counter(letters["answer_index"])) <= 4
    assert all(row["options"][row["answer_index"]] == "It is red." for row in letters.iter_rows(named=True))
    assert "(A) It is" in letters["prompt"][0] and letters["prompt"][0].endswith("directly.")
    assert {"name": "letters", "value": f"shuffled with seed {seed}"} in letters["labels"][0].to_list()


def test_labels_record_the_letters_origin_and_the_size_of_the_image(tmp_path: Path) -> None:
    sources = write(tmp_path)
    Image.new("RGB", (20, 10)).save(tmp_path / TYPES[0] / "sa_0.jpg")
    items, _ = items_of(SUITE, sources)
    rows = {(row["answering"], row["group_id"]): row["labels"] for row in items.iter_rows(named=True)}
    assert rows["letter", f"{TYPES[0]}/sa_0"] == [
        {"name": "letters", "value": "as released"}, {"name": "pixels", "value": "20x10"},
    ]  # fmt: skip
    assert rows["likelihood", f"{TYPES[0]}/sa_1"] == [{"name": "pixels", "value": "8x8"}]


def test_order_of_rows_changes_nothing_and_other_folders_are_left_alone(tmp_path: Path) -> None:
    sources = write(tmp_path)
    one, _ = items_of(SUITE, sources)
    file = tmp_path / QUESTIONS
    file.write_text("\n".join(file.read_text().splitlines()[::-1]))
    (tmp_path / "OCR").mkdir()
    (tmp_path / "OCR" / "sa_9.json").write_text("{}")
    assert items_of(SUITE, sources)[0].equals(one)


def changed(folder: Path, **fields: Any) -> None:
    lines = [json.loads(line) for line in (folder / QUESTIONS).read_text().splitlines()]
    lines[1] |= fields
    (folder / QUESTIONS).write_text("\n".join(map(json.dumps, lines)))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"label": "E"}, "label"),
        ({"category": "OCR"}, "category"),
        ({"category": "relative_position"}, "another category"),
        ({"text": "What is it?"}, "text"),
        ({"image": "direct_attributes/sa_77.jpg"}, "sa_77.jpg"),
        ({"image": "direct_attributes/sa_0.jpg"}, "row twice"),
    ],
)
def test_a_bad_line_is_named_or_takes_its_question_with_it(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    sources = write(tmp_path)
    changed(tmp_path, **change)
    with pytest.raises(InputError) as caught:
        items_of(SUITE, sources)
    assert named in str(caught.value)
    items, drops = items_of(SUITE, sources, "drop")
    assert items.height == 8 and drops.height == 2  # the line, and the question asked in one way only
    assert not items["group_id"].str.ends_with("s/sa_1").any()


def test_bad_annotations_missing_images_and_files_are_named(tmp_path: Path) -> None:
    sources = write(tmp_path)
    file = tmp_path / TYPES[0] / "sa_1.json"
    file.write_text(json.dumps({"question": "What?", "options": ["one"]}))
    with pytest.raises(InputError, match="options that cannot be asked"):
        items_of(SUITE, sources)
    file.write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        items_of(SUITE, sources)
    assert items_of(SUITE, sources, "drop")[0].height == 8
    (tmp_path / TYPES[0] / "sa_0.jpg").unlink()
    assert items_of(SUITE, sources, "drop")[0].height == 6
    (tmp_path / QUESTIONS).unlink()
    with pytest.raises(InputError, match="shuffle_seed"):
        items_of(SUITE, sources, "drop")
    with pytest.raises(InputError, match="not a seed"):
        items_of(SUITE, Sources(tmp_path, tmp_path, "vstar", options={"shuffle_seed": "first"}), "drop")
    with pytest.raises(InputError, match="no such folder"):
        items_of(SUITE, Sources(tmp_path / TYPES[0], tmp_path, "vstar"))


def test_micro_data_read_back(tmp_path: Path) -> None:
    shown = write_micro(5, 40, tmp_path)
    items, drops = items_of(SUITE, Sources(tmp_path, tmp_path / "images", "vstar"))
    assert drops.height == 0 and items.height == 2 * len(shown) == 80
    assert Counter(items["grouping"]) == {"direct_attributes": 48, "relative_position": 32}
    by_stem = [f"{TYPES[0]}/sa_{n}" for n in range(24)] + [f"{TYPES[1]}/sa_{n}" for n in range(16)]
    pictures = dict(zip(by_stem, shown, strict=True))
    for row in items.iter_rows(named=True):
        marked, text = pictures[row["group_id"]], row["options"][row["answer_index"]].lower().rstrip(".")
        if row["grouping"] == "direct_attributes":
            colors = {marked.scene.things[place].kind: color for place, color in marked.marks}
            kind = row["prompt"].split("?")[0].split()[-1]
            assert colors[kind] == text
        assert {"name": "pixels", "value": "192x192"} in row["labels"]
    letters = items.filter(pl.col("answering") == "letter")
    assert len(Counter(letters["answer_index"])) == 4
