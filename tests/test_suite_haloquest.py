"""HaloQuest: a header with spaces, alternatives joined by ";", images told apart by URL, slices, the micro data."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest

from finer.errors import InputError
from finer.scoring.rules_judge import Rules
from finer.suites.haloquest import FILE, SUITE, cached_name
from finer.suites.suite import Sources
from finer.world.pictures import Marked
from finer.world.suites.haloquest import HEADER
from finer.world.suites.haloquest import write as write_world
from finer.world.suites.writing import write_suite
from judging import ByFunction, judged, judged_numbers
from suite_runs import blank_images, items_of, replied


def write(folder: Path, *rows: dict[str, str], header: tuple[str, ...] = HEADER) -> Sources:
    with (folder / FILE).open("w", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(header)
        for number, change in enumerate(rows):
            row = {
                "": str(number), "image_name": f"{number}.png", "url": f"https://a.example.org/{number}.png",
                "image type": "generated", "hallucination type": "false premises",
                "question": f"What colour is the hat of cat {number}?",
                "groundtruth responses": "The cat has no hat; There is no hat;", "split": "eval",
            } | change  # fmt: skip
            sheet.writerow(row.values())
    return Sources(folder, blank_images(folder / "images", *(f"{n}.png" for n in range(len(rows)))), "haloquest")


def test_slices_of_one_file(tmp_path: Path) -> None:
    rows = (
        {}, {"image type": "real"}, {"hallucination type": "visual challenge"},
        {"hallucination type": "insufficient context", "image type": "real"},
    )  # fmt: skip
    items, _ = items_of(SUITE, write(tmp_path, *rows))
    assert items["references"].to_list() == [["The cat has no hat", "There is no hat"]] * 4
    verdict = {"0": '{"reason": "", "correct": true}', "1": '{"reason": "", "correct": false}', "2": "Right!"}
    responses = replied(items, lambda row: row["prompt"][-2])
    judge = ByFunction(lambda request: verdict.get(request.reply, verdict["0"]))
    judgements = judged(tmp_path, SUITE, items, responses, judge)
    found = judged_numbers(SUITE, items, responses, judgements)
    assert found["all", "accuracy"] == 50.0  # the unreadable one is wrong, not left out
    assert found["all", "accuracy_read"] == pytest.approx(200 / 3)
    assert found["false_premise", "accuracy"] == 50.0
    assert (found["visual_challenge", "accuracy"], found["visual_challenge", "accuracy_read"]) == (0.0, None)
    assert found["insufficient_context", "accuracy"] == 100.0
    assert (found["generated", "accuracy"], found["real", "accuracy"]) == (50.0, 50.0)


def test_a_header_with_underscores_is_refused(tmp_path: Path) -> None:
    sources = write(tmp_path, {}, header=tuple(name.replace(" ", "_") for name in HEADER))
    with pytest.raises(InputError, match="image type"):
        items_of(SUITE, sources)


def test_one_name_for_two_urls_is_told_apart_by_url(tmp_path: Path) -> None:
    twin = {"image_name": "0.png", "url": "https://b.example.org/0.png"}
    sources = write(tmp_path, {}, twin, {})
    with pytest.raises(InputError, match="several URLs") as caught:
        items_of(SUITE, sources)
    assert cached_name("https://a.example.org/0.png") in str(caught.value)
    assert items_of(SUITE, sources, "drop")[0].height == 1
    blank_images(sources.images, cached_name("https://a.example.org/0.png"), cached_name(twin["url"]))
    items, _ = items_of(SUITE, sources)
    assert items.height == 3 and items["image_id"].n_unique() == 3 and cached_name(twin["url"]).endswith(".png")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"split": "train"}, "split"),
        ({"hallucination type": "false premise"}, "hallucination type"),
        ({"image type": "drawn"}, "image type"),
        ({"groundtruth responses": " ; "}, "groundtruth responses"),
        ({"image_name": "dead.png"}, "dead.png"),
    ],
)
def test_bad_rows_are_named_or_dropped(tmp_path: Path, change: dict[str, str], named: str) -> None:
    sources = write(tmp_path, {}, change)
    with pytest.raises(InputError) as caught:
        items_of(SUITE, sources)
    assert named in str(caught.value) and "row 1" in str(caught.value)
    items, drops = items_of(SUITE, sources, "drop")
    assert items.height == 1 and drops.height == 1


def test_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    sources = write(tmp_path, {}, {}, {})
    one, _ = items_of(SUITE, sources)
    header, *rows = (tmp_path / FILE).read_text().splitlines()
    (tmp_path / FILE).write_text("\n".join([header, *rows[::-1]]) + "\n")
    assert one.equals(items_of(SUITE, sources)[0])


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    folder = tmp_path_factory.mktemp("haloquest")
    write_suite("haloquest", 7, 60, folder / "haloquest")
    items, drops = items_of(SUITE, Sources(folder / "haloquest", folder / "haloquest" / "images", "haloquest"))
    assert drops.is_empty()
    return folder, items


def test_micro_data_reads_back_with_the_truth_of_its_pictures(micro: tuple[Path, pl.DataFrame]) -> None:
    folder, items = micro
    assert dict(items["grouping"].value_counts().iter_rows()) == {
        "false_premise": 30, "visual_challenge": 18, "insufficient_context": 12,
    }  # fmt: skip
    shown = {picture.graph_hash[:15]: picture for picture in write_world(7, 60, folder / "again")}
    for row in items.iter_rows(named=True):
        picture = shown[Path(row["image_paths"][0]).stem[:15]]
        scene = picture.scene if isinstance(picture, Marked) else picture
        question = row["prompt"].rstrip("?").split()
        if row["grouping"] == "false_premise":
            kind = row["references"][0].split()[3]
            assert kind in question and kind not in scene.counts
        elif row["prompt"].startswith("How many tiny"):
            assert isinstance(picture, Marked) and row["references"][0] == str(len(picture.marks))
        elif row["prompt"].startswith("What color is the tiny"):
            assert isinstance(picture, Marked)
            dots = {scene.things[place].kind: color for place, color in picture.marks}
            assert row["references"][0].lower() == dots[question[-1]]
        elif row["prompt"].startswith("What is inside"):
            kind = row["references"][0].split()[-1]
            thing = next(thing for thing in scene.things if thing.kind == kind and thing.holder is not None)
            assert scene.things[thing.holder or 0].kind == question[-1]


def test_the_judge_by_rules_takes_every_alternative_and_no_bare_word(micro: tuple[Path, pl.DataFrame]) -> None:
    folder, items = micro
    for place in (0, -1):
        right = replied(items, lambda row, place=place: row["references"][place])
        table = judged(folder, SUITE, items, right, Rules(), output=f"right{place}.parquet")
        assert judged_numbers(SUITE, items, right, table)["all", "accuracy"] == 100.0
    for word in ("No.", "Yes", "Nothing", "", "I'm sorry, I cannot assist with that."):
        bare = replied(items, lambda row, word=word: word)
        table = judged(folder, SUITE, items, bare, Rules(), output=f"bare{len(word)}.parquet")
        assert judged_numbers(SUITE, items, bare, table)["all", "accuracy"] == 0.0
