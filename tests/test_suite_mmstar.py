"""MMStar: options inside the question, the official first-character rule, micro accuracy against the mean of axes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from finer.errors import InputError
from finer.suites.mmstar import AXES, FILE, SUITE, listed_options
from finer.suites.suite import Sources
from finer.world.suites.mmstar import write as write_micro
from suite_runs import items_of, numbers, replied

ALL_AXES = [(category, axis) for category, axes in AXES.items() for axis in axes]


def png(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(buffer, format="PNG")
    return buffer.getvalue()


def row(index: int, category: str, axis: str, answer: str = "B") -> dict[str, Any]:
    return {
        "index": index, "question": "What is on the desk?\nOptions: A: a lamp, B: a cup, C: a cat, D: a hat",
        "image": {"bytes": png(), "path": None}, "answer": answer, "category": category, "l2_category": axis,
    }  # fmt: skip


def write(folder: Path, rows: list[dict[str, Any]]) -> Sources:
    pl.DataFrame(rows).write_parquet(folder / FILE)
    return Sources(folder, folder / "images", "mmstar")


def right(row: Mapping[str, Any]) -> str:
    return "ABCD"[row["answer_index"]]


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("What?\nOptions: A: a lamp, B: a cup, C: a cat, D: a hat", ["a lamp", "a cup", "a cat", "a hat"]),
        ("What?\nOptions: A: red, green, B: blue, C: 1, 2, D: none", ["red, green", "blue", "1, 2", "none"]),
        ("Hint: give the letter.\nQuestion: How many?\nChoices:\n(A) 1\n(B) 2\n(C) 3", ["1", "2", "3"]),
        ("What?\nA. on\nB. under", ["on", "under"]),
        ("What is it?", []),
        ("Options: A: only one", []),
    ],
)
def test_options_are_read_out_of_the_question(question: str, options: list[str]) -> None:
    assert listed_options(question) == options


@given(st.lists(st.text("abc xyz", min_size=1).map(str.strip).filter(bool), min_size=2, max_size=5))
def test_listed_options_are_read_in_both_styles(options: list[str]) -> None:
    inline = ", ".join(f"{letter}: {option}" for letter, option in zip("ABCDE", options, strict=False))
    lines = "\n".join(f"({letter}) {option}" for letter, option in zip("ABCDE", options, strict=False))
    assert listed_options(f"Which?\nOptions: {inline}") == options
    assert listed_options(f"Question: Which?\nChoices:\n{lines}") == options


@pytest.mark.parametrize(
    ("reply", "official", "toolkit", "strict"),
    [
        ("B", 100, 100, 100),
        ("(b) a cup", 100, 100, 0),  # the toolkit finds the text
        ("Option B", 100, 100, 0),
        ("The answer is B.", 100, 100, 0),
        ("**B**", 0, 100, 100),  # official: "*" is the first character
        ("Based on the image, it is a hat", 100, 0, 0),  # "B" of "Based"
        ("It is a cup.", 0, 100, 0),
        ("A man", 0, 0, 0),  # official reads A
        ("", 0, 0, 0),
    ],
)  # fmt: skip
def test_how_replies_are_read(tmp_path: Path, reply: str, official: float, toolkit: float, strict: float) -> None:
    items, _ = items_of(SUITE, write(tmp_path, [row(0, "math", "geometry")]))
    found = numbers(SUITE, items, replied(items, lambda _: reply))
    values = [found[scorer, "all", "accuracy"] for scorer in ("official", "toolkit", "strict")]
    assert values == [official, toolkit, strict]


def test_overall_is_the_share_of_all_and_lmms_evals_the_mean_of_axes(tmp_path: Path) -> None:
    rows = [row(n, *pair) for n, pair in enumerate(ALL_AXES)] + [row(100 + n, "math", "geometry") for n in range(6)]
    items, _ = items_of(SUITE, write(tmp_path, rows))
    geometry = lambda r: right(r) if r["groups"][0]["value"] == "geometry" else "A"  # noqa: E731
    found = numbers(SUITE, items, replied(items, geometry))
    assert found["official", "all", "accuracy"] == pytest.approx(100 * 7 / 24)
    assert found["official", "math", "accuracy"] == pytest.approx(100 * 7 / 9)
    assert found["official", "geometry", "accuracy"] == pytest.approx(100)
    assert found["official", "all", "mean_axis_accuracy"] == pytest.approx(100 / 18)
    assert found["official", "math", "mean_axis_accuracy"] == pytest.approx(100 / 3)
    assert SUITE.column == "accuracy" and SUITE.column_scorer == "toolkit"


@pytest.mark.parametrize(("letter", "value"), [("A", 28.60), ("B", 29.80), ("C", 20.60), ("D", 21.00)])
def test_constant_letters_on_the_official_answers(tmp_path: Path, letter: str, value: float) -> None:
    gold = "A" * 429 + "B" * 447 + "C" * 309 + "D" * 315  # the composition of the release
    rows = [row(n, *ALL_AXES[n % 18], answer=answer) for n, answer in enumerate(gold)]
    images = tmp_path / "images"
    images.mkdir()
    for n in range(1500):
        (images / f"{n}.jpg").write_bytes(b"")
    items, _ = items_of(SUITE, write(tmp_path, rows))
    found = numbers(SUITE, items, replied(items, lambda _: letter))
    assert found["official", "all", "accuracy"] == pytest.approx(value)


def test_images_are_unpacked_once_and_those_of_the_folder_are_used(tmp_path: Path) -> None:
    sources = write(tmp_path, [row(3, "math", "geometry"), row(4, "math", "geometry")])
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "4.jpg").write_bytes(b"mine")
    items, _ = items_of(SUITE, sources)
    assert (tmp_path / "images" / "3.png").read_bytes() == png()
    assert {Path(paths[0]).name for paths in items["image_paths"]} == {"3.png", "4.jpg"}
    before = (tmp_path / "images" / "3.png").stat().st_mtime_ns
    again, _ = items_of(SUITE, sources)
    assert again.equals(items) and (tmp_path / "images" / "3.png").stat().st_mtime_ns == before


def test_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    rows = [row(n, *pair) for n, pair in enumerate(ALL_AXES)]
    one, _ = items_of(SUITE, write(tmp_path, rows))
    other, _ = items_of(SUITE, write(tmp_path, rows[::-1]))
    assert one.equals(other)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"answer": "F"}, "answer"),
        ({"category": "sport"}, "category"),
        ({"l2_category": "localization"}, "l2_category"),
        ({"index": 0}, "row twice"),
        ({"image": {"bytes": b"no image", "path": None}}, "image"),
        ({"image": {"bytes": None, "path": "3.jpg"}}, "image"),
        ({"question": " "}, "question"),
    ],
)
def test_bad_rows_are_named_or_dropped(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    rows = [row(n, *ALL_AXES[0]) for n in range(3)]
    rows[1] |= change
    sources = write(tmp_path, rows)
    with pytest.raises(InputError) as caught:
        items_of(SUITE, sources)
    assert named in str(caught.value) and "row 1" in str(caught.value)
    items, drops = items_of(SUITE, sources, "drop")
    assert items.height == 2 and drops.height == 1


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("index,question\n")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        items_of(SUITE, Sources(tmp_path, tmp_path / "images", "mmstar"))
    pl.DataFrame({"index": [1]}).write_parquet(tmp_path / FILE)
    with pytest.raises(InputError, match="a column is missing"):
        items_of(SUITE, Sources(tmp_path, tmp_path / "images", "mmstar"))


def test_micro_data_read_back(tmp_path: Path) -> None:
    shown = write_micro(5, 60, tmp_path)
    items, drops = items_of(SUITE, Sources(tmp_path, tmp_path / "images", "mmstar"))
    assert drops.height == 0 and items.height == len(shown) == 54
    assert items["options"].list.len().to_list() == [4] * 54
    assert items["options"].list.n_unique().to_list() == [4] * 54
    assert not items["labels"].list.eval(pl.element().struct.field("name") == "options").list.any().any()
    found = numbers(SUITE, items, replied(items, right))
    assert found["official", "all", "mean_axis_accuracy"] == pytest.approx(100)
    released = pl.read_parquet(tmp_path / FILE)
    assert released["image"].struct.field("bytes")[0] == (tmp_path / "images" / "0.jpg").read_bytes()
