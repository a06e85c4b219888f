"""DASH-B: two releases, file names that repeat across objects, rates of both answers."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from finer.errors import InputError
from finer.suites.dash_b import SUITE
from finer.suites.suite import Sources
from finer.world.pools import draw_pool
from finer.world.suites.dash_b import company, look_alikes
from finer.world.suites.writing import write_suite
from suite_runs import blank_images, items_of, numbers, replied

NEG = {"coco": {"kite": ["1.png"]}, "openimages": {"orange": ["2.png"]}}
POS = {"coco": {"kite": ["7.jpg"]}, "openimages": {"orange": ["7.jpg"]}}  # one name, two objects
REPLIES = {"1.png": "No", "2.png": "Yes", "coco": "yes", "openimages": "I cannot tell"}


def write(folder: Path, neg: object = NEG, pos: object = POS) -> Sources:
    folder.mkdir(exist_ok=True)
    (folder / "dash_benchmark_neg.json").write_text(json.dumps(neg))
    (folder / "dash_benchmark_pos.json").write_text(json.dumps(pos))
    names = ["neg/coco/kite/1.png", "neg/openimages/orange/2.png", "pos/coco/kite/7.jpg", "pos/openimages/orange/7.jpg"]
    return Sources(folder, blank_images(folder / "images", *names), "dash")


def write_table(folder: Path, drop: str = "") -> Sources:
    rows = [
        {"dataset": name, "object": thing, "answer": answer, "img_id": file, "question_id": number,
         "question": f"Can you see a {thing} in this image? Please answer only with yes or no.",
         "image_path": f"{side}/{name}/{thing}/{file}"}
        for number, (side, answer, lists) in enumerate((("neg", "no", NEG), ("pos", "yes", POS)))
        for name, objects in lists.items() for thing, (file,) in objects.items()
    ]  # fmt: skip
    frame = pl.DataFrame(rows)
    frame.drop([drop] if drop else []).write_parquet(folder / "test-00000-of-00001.parquet")
    return Sources(folder, folder / "images", "dash")


def test_rates_of_the_fixture(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path))
    found = numbers(SUITE, items, replied(items, lambda row: REPLIES[row["groups"][0]["value"]] if
                    row["answer_index"] else REPLIES[row["grouping"]]))  # fmt: skip
    for scorer in ("official", "first_substring"):
        for name in ("accuracy", "true_negative_rate", "true_positive_rate", "harmonic_mean"):
            assert found[scorer, "all", name] == pytest.approx(50)
    assert items["prompt"].unique().sort().to_list() == [
        f"Can you see a {thing} in this image? Please answer only with yes or no." for thing in ("kite", "orange")
    ]


@pytest.mark.parametrize(("reply", "rates"), [("No", (50, 100, 0)), ("Yes.", (50, 0, 100)), ("?", (0, 0, 0))])
def test_constant_answers(tmp_path: Path, reply: str, rates: tuple[float, float, float]) -> None:
    items, _ = items_of(SUITE, write(tmp_path))
    found = numbers(SUITE, items, replied(items, lambda row: reply))
    names = ("accuracy", "true_negative_rate", "true_positive_rate")
    assert tuple(found["official", "all", name] for name in names) == rates
    assert found["official", "all", "harmonic_mean"] in (0, None)


def test_both_releases_give_the_same_items(tmp_path: Path) -> None:
    lists, _ = items_of(SUITE, write(tmp_path))
    table, _ = items_of(SUITE, write_table(tmp_path))
    assert lists.equals(table)
    one_file = Sources(tmp_path / "test-00000-of-00001.parquet", tmp_path / "images", "dash")
    assert items_of(SUITE, one_file)[0].equals(table)


def test_order_of_lists_means_nothing(tmp_path: Path) -> None:
    one, _ = items_of(SUITE, write(tmp_path))
    other, _ = items_of(SUITE, write(tmp_path, dict(reversed(NEG.items())), dict(reversed(POS.items()))))
    assert one.equals(other)


@pytest.mark.parametrize(
    ("neg", "named"),
    [
        ({"coco": {"kite": ["1.png", "1.png"]}}, "row twice"),
        ({"coco": {"kite": ["1.png", "3.png"]}}, "3.png"),
        ({"coco": {"kite": ["1.png"], "cup": "2.png"}}, "a list of file names"),
        ({"coco": {"kite": ["1.png"]}, "openimages": []}, "list 'openimages'"),
        ({"coco": {"kite": ["1.png", "../../../../a.png"]}}, "outside"),
    ],
)
def test_bad_rows_are_named_or_dropped(tmp_path: Path, neg: object, named: str) -> None:
    sources = write(tmp_path, neg)
    with pytest.raises(InputError, match=named):
        items_of(SUITE, sources)
    items, drops = items_of(SUITE, sources, "drop")
    assert items.height == 3 and drops.height == 1


def test_parquet_without_a_column_or_content_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(InputError, match="img_id"):
        items_of(SUITE, write_table(tmp_path, "img_id"))
    (tmp_path / "test-00000-of-00001.parquet").write_text("no table")
    with pytest.raises(InputError, match="Parquet"):
        items_of(SUITE, Sources(tmp_path, tmp_path / "images", "dash"))


def test_micro_files_are_balanced_and_hold_the_object_or_what_stands_in_for_it(tmp_path: Path) -> None:
    write_suite("dash_b", 1, 200, tmp_path / "dash")
    items, drops = items_of(SUITE, Sources(tmp_path / "dash", tmp_path / "dash/images", "dash"))
    assert drops.is_empty() and 150 <= items.height <= 220
    balance = items.group_by("group_id").agg(pl.col("answer_index").mean())
    assert balance["answer_index"].unique().to_list() == [0.5] and balance.height >= 15
    assert "ring" in look_alikes("ball") and "fish" in company("boat")
    scenes = draw_pool(1, "suites", 200)
    for row in items.iter_rows(named=True):
        kind, number = row["group_id"].split(":")[1], int(row["groups"][0]["value"][:-4])
        assert (kind in scenes[number].counts) == (row["answer_index"] == 0)
    paths = items["image_paths"].list.first()
    assert all(Path(path).read_bytes()[1:4] == b"PNG" for path in paths if path.endswith("png"))
