"""MMHal-Bench: official fields, ratings with an unreadable one among them, types, the micro data."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from finer.errors import InputError
from finer.scoring.judge_requests import Request
from finer.scoring.rules_judge import Rules
from finer.suites.mmhal import FILE, SUITE, TYPES
from finer.suites.suite import Sources
from finer.world.suites.mmhal import write as write_world
from finer.world.suites.writing import write_suite
from judging import ByFunction, judged, judged_numbers
from suite_runs import blank_images, items_of, replied

ROW = {
    "question_type": "counting", "question_topic": "vehicle", "image_content": ["Car", "Wheel"],
    "question": "How many cars are there?", "gt_answer": "There are two cars.", "model_answer": "",
}  # fmt: skip


def write(folder: Path, *rows: dict[str, object]) -> Sources:
    filled = [
        ROW | {"image_id": f"0a{n}", "image_src": f"https://example.org/x/0a{n}_o.jpg"} | row
        for n, row in enumerate(rows)
    ]
    (folder / FILE).write_text(json.dumps(filled))
    return Sources(folder, blank_images(folder / "images", *(f"0a{n}_o.jpg" for n in range(len(rows)))), "mmhal")


def test_official_metric_counts_a_verdict_without_rating_as_zero_and_hallucination(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, {}, {}, {"question_type": "holistic"}))
    said = {"0a0": "Fine. Rating: 6, very informative", "0a1": "Rating: 2", "0a2": "**Rating**: 5"}
    responses = replied(items, lambda row: row["group_id"])
    judge = ByFunction(lambda request: said[request.reply])
    judgements = judged(tmp_path, SUITE, items, responses, judge, "line")
    assert judgements["unparsed"].sum() == 1 and judgements.height == 3
    found = judged_numbers(SUITE, items, responses, judgements)
    assert found["all", "mean_score"] == pytest.approx(8 / 3)
    assert found["all", "hallucination_rate"] == pytest.approx(200 / 3)
    assert found["all", "mean_score_read"] == pytest.approx(4.0)
    assert found["all", "hallucination_rate_read"] == pytest.approx(50.0)
    assert found["counting", "mean_score"] == pytest.approx(4.0)
    assert found["holistic", "mean_score"] == 0.0 and found["holistic", "mean_score_read"] is None
    assert found["other", "mean_score"] is None


def test_items_hold_what_a_judge_is_shown(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, {"question_type": "spatial relation"}))
    seen: list[Request] = []
    judged(
        tmp_path, SUITE, items, replied(items, lambda row: "Two {cars}."), ByFunction(lambda r: seen.append(r) or "")
    )  # type: ignore[func-returns-value]
    assert items["grouping"].to_list() == ["relation"]
    assert items["prompt"].to_list() == ["How many cars are there?"]
    assert seen[0].contents == ("Car", "Wheel") and seen[0].references == ("There are two cars.",)
    for part in ("Car, Wheel", "How many cars are there?", "There are two cars.", "Two {cars}."):
        assert part in seen[0].text


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"image_content": [{"class": "Car"}]}, "image_content"),  # as the datasets library loads it
        ({"question_type": "poetry"}, "poetry"),
        ({"image_src": "https://example.org/gone.jpg"}, "gone.jpg"),
        ({"gt_answer": ""}, "gt_answer"),
    ],
)
def test_bad_rows_are_named_or_dropped(tmp_path: Path, change: dict[str, object], named: str) -> None:
    sources = write(tmp_path, {}, change)
    with pytest.raises(InputError) as caught:
        items_of(SUITE, sources)
    assert named in str(caught.value) and "row 1" in str(caught.value)
    items, drops = items_of(SUITE, sources, "drop")
    assert items.height == 1 and drops.height == 1


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    sources = write(tmp_path, {})
    rows = json.loads((tmp_path / FILE).read_text())
    del rows[0]["image_content"]
    (tmp_path / FILE).write_text(json.dumps(rows))
    with pytest.raises(InputError, match="image_content"):
        items_of(SUITE, sources)


def test_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    sources = write(tmp_path, {}, {"question_type": "other"}, {"question_type": "attribute"})
    one, _ = items_of(SUITE, sources)
    (tmp_path / FILE).write_text(json.dumps(json.loads((tmp_path / FILE).read_text())[::-1]))
    other, _ = items_of(SUITE, sources)
    assert one.equals(other)


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    folder = tmp_path_factory.mktemp("mmhal")
    write_suite("mmhal", 7, 200, folder / "mmhal")
    items, drops = items_of(SUITE, Sources(folder / "mmhal", folder / "mmhal" / "images", "mmhal"))
    assert drops.is_empty()
    return folder, items


def test_micro_data_has_twelve_questions_of_each_type_about_what_is_there(micro: tuple[Path, pl.DataFrame]) -> None:
    folder, items = micro
    assert items.height == 96
    assert items["grouping"].value_counts()["count"].to_list() == [12] * len(TYPES)
    scenes = write_world(7, 200, folder / "again")
    rows = json.loads((folder / "mmhal" / FILE).read_text())
    for row, scene in zip(rows, scenes, strict=True):
        named = [label.split()[-1] for label in row["image_content"]]
        assert sorted(kind.lower() for kind in named) == sorted(thing.kind for thing in scene.things)
        if row["question_type"] == "adversarial":
            assert row["gt_answer"].split()[3] not in scene.counts
        elif row["question_type"] == "attribute":
            kind, value = row["gt_answer"].rstrip(".").split()[1::2]
            assert [value] == [v for t in scene.things if t.kind == kind for v in (t.color, t.pattern) if v == value]
        elif row["question_type"] == "counting":
            number, color = row["gt_answer"].split()[:2]
            assert int(number) == sum(thing.color == color for thing in scene.things)


def test_the_judge_by_rules_tells_right_answers_from_false_ones(micro: tuple[Path, pl.DataFrame]) -> None:
    folder, items = micro
    right = replied(items, lambda row: row["references"][0])
    found = judged_numbers(SUITE, items, right, judged(folder, SUITE, items, right, Rules(), output="right.parquet"))
    assert found["all", "hallucination_rate"] == 0.0 and (found["all", "mean_score"] or 0) >= 5
    false = replied(items, lambda row: "There is a lamp on the ladder.")
    found = judged_numbers(SUITE, items, false, judged(folder, SUITE, items, false, Rules(), output="false.parquet"))
    assert found["all", "hallucination_rate"] == 100.0
    silent = replied(items, lambda row: "I do not know.")
    found = judged_numbers(SUITE, items, silent, judged(folder, SUITE, items, silent, Rules(), output="silent.parquet"))
    assert found["all", "hallucination_rate"] == 0.0 and (found["all", "mean_score"] or 6) < 4
