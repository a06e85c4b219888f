"""ChartQA: two halves, numbers within five per cent, what the toolkit once exchanged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finer.errors import InputError
from finer.scoring.charts import relaxed, swapped, without_stop
from finer.suites.chartqa import SPLITS, SUITE
from finer.suites.suite import Sources
from finer.world.pictures import Chart
from finer.world.suites.chartqa import LineChart
from finer.world.suites.chartqa import write as write_world
from finer.world.suites.writing import write_suite
from suite_runs import blank_images, items_of, numbers, replied


def write(folder: Path, human: list[dict[str, object]], augmented: list[dict[str, object]]) -> Sources:
    for split, rows in zip(SPLITS, (human, augmented), strict=True):
        filled = [{"imgname": "1.png", "query": f"Value {n}?", "label": "42"} | row for n, row in enumerate(rows)]
        (folder / f"test_{split}.json").write_text(json.dumps(filled))
    return Sources(folder, blank_images(folder / "png", "1.png", "2.png"), "chartqa")


@pytest.mark.parametrize(
    ("gold", "answer", "right"),
    [
        ("100", "104", True), ("100", "105", True), ("100", "106", False),
        ("0", "0", True), ("0", "0.0", False),
        ("Yes", "yes", True), ("Yes", "Yes.", False),
        ("2", "2%", False), ("5%", "0.051", True),
        ("2010", "2008", True),  # a year is a number like any other
        ("1200", "1,200", False), ("5", "$5", False), ("-4", "-4.1", True), ("four", "4", False),
    ],
)  # fmt: skip
def test_relaxed_correctness(gold: str, answer: str, right: bool) -> None:
    assert relaxed(answer, gold) is right


def test_only_the_swap_refuses_what_is_just_within_five_per_cent_below() -> None:
    assert relaxed("95.1", "100") and not swapped("95.1", "100")
    assert not relaxed("105.2", "100") and swapped("105.2", "100")
    assert relaxed("2008", "2010") and swapped("2008", "2010")


@given(st.floats(0.01, 1e6), st.floats(-0.2, 0.2))
def test_tolerance_is_relative(gold: float, error: float) -> None:
    if abs(abs(error) - 0.05) > 1e-6:
        assert relaxed(repr(gold * (1 + error)), repr(gold)) is (abs(error) < 0.05)


def test_without_stop_is_never_stricter_for_sentences() -> None:
    assert without_stop("Yes.", "yes") and without_stop("4.", "4") and not without_stop("No.", "yes")


def test_halves_and_their_mean(tmp_path: Path) -> None:
    sources = write(tmp_path, [{"label": "100"}, {"label": "Blue", "imgname": "2.png"}], [{"label": "95.1"}] * 3)
    items, _ = items_of(SUITE, sources)
    found = numbers(SUITE, items, replied(items, lambda row: " 100\n"))
    assert items.height == 5  # the same question three times counts three times
    assert found["official", "human", "accuracy"] == pytest.approx(50)
    assert found["official", "augmented", "accuracy"] == 0.0  # 4.9 / 95.1 > 0.05
    assert found["swapped", "augmented", "accuracy"] == 100.0
    assert found["official", "all", "accuracy"] == pytest.approx(20)
    assert found["official", "all", "mean_accuracy"] == pytest.approx(25)


@pytest.mark.parametrize("half", range(2))
@pytest.mark.parametrize(
    ("change", "named"), [({"label": 42}, "label"), ({"imgname": "9.png"}, "9.png"), ({"query": ""}, "query")]
)
def test_bad_rows_are_named_or_dropped(tmp_path: Path, change: dict[str, object], named: str, half: int) -> None:
    rows: list[list[dict[str, object]]] = [[{}, {}], [{}, {}]]
    rows[half][1] = change
    sources = write(tmp_path, *rows)
    with pytest.raises(InputError) as caught:
        items_of(SUITE, sources)
    assert named in str(caught.value) and "row 1" in str(caught.value)
    items, drops = items_of(SUITE, sources, "drop")
    assert items.height == 3 and drops.height == 1


def test_official_folder_with_a_space_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "ChartQA Dataset" / "test"
    folder.mkdir(parents=True)
    inner = write(folder, [{}], [{}])
    items, _ = items_of(SUITE, Sources(tmp_path, inner.images, "chartqa"))
    assert items.height == 2


def test_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    human: list[dict[str, object]] = [{"query": query} for query in ("a", "b", "a", "c")]
    one, _ = items_of(SUITE, write(tmp_path, human, [{}]))
    other, _ = items_of(SUITE, write(tmp_path, human[::-1], [{}]))
    assert one.equals(other)


def test_micro_data_reads_back_with_the_heights_of_its_charts(tmp_path: Path) -> None:
    write_suite("chartqa", 7, 80, tmp_path / "chartqa")
    items, drops = items_of(SUITE, Sources(tmp_path / "chartqa", tmp_path / "chartqa" / "images", "chartqa", "bare"))
    assert items.height == 80 and drops.is_empty()
    charts = {f"{int(chart.graph_hash[:10], 16)}": chart for chart in write_world(7, 80, tmp_path / "again")}
    assert {type(chart) for chart in charts.values()} == {Chart, LineChart}
    for row in items.iter_rows(named=True):
        chart, label = charts[Path(row["image_paths"][0]).stem], row["references"][0]
        heights = chart.heights if isinstance(chart, LineChart) else tuple(height for _, height in chart.bars)
        if row["prompt"].startswith("How high"):
            named = dict(chart.bars) if isinstance(chart, Chart) else None
            place = {"first": 0, "second": 1, "third": 2, "last": 3}
            word = row["prompt"].split("the ")[-1].split()[0]
            assert label == str(named[word] if named else heights[place[word]])
        elif "difference" in row["prompt"]:
            assert label == str(max(heights) - min(heights))
    found = numbers(SUITE, items, replied(items, lambda row: f"{row['references'][0].capitalize()}."))
    assert found["without_stop", "all", "accuracy"] == 100.0
    assert 50 < (found["official", "all", "accuracy"] or 0) < 100  # "4." is a number, "Yes." is not "Yes"
    yes = numbers(SUITE, items, replied(items, lambda row: "Yes"))
    assert yes["official", "augmented", "accuracy"] == 0.0
