"""HallusionBench: groups of figures and of questions, the unclear answer without an image, the toolkit's 951."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finer.errors import InputError
from finer.keys import generator
from finer.suites.hallusionbench import SUITE
from finer.suites.suite import Sources, entry
from finer.world.phrases import attribute_phrase
from finer.world.pools import draw_pool
from finer.world.scenes import Scene
from finer.world.suites.hallusionbench import exchanged, recolored
from finer.world.suites.writing import write_suite
from finer.world.truth import is_true
from suite_runs import blank_images, items_of, numbers, replied

Rows = list[dict[str, Any]]
RIGHT, WRONG, UNCLEAR = 1, 0, 2


def row(place: str, visual_input: int, gold: int) -> dict[str, Any]:
    """A row at "VS chart set figure question"."""
    category, subcategory, number, figure, question = place.split()
    file = None if visual_input == 0 else f"./{category}/{subcategory}/{number}_{figure}.png"
    return {
        "category": category, "subcategory": subcategory, "visual_input": str(visual_input), "set_id": number,
        "figure_id": figure, "sample_note": "", "question_id": question, "question": f"Is it so, {place}?",
        "gt_answer_details": "It is.", "gt_answer": str(gold), "filename": file,
    }  # fmt: skip


# The specification's fixture: a question with and without its chart, and a figure with two questions.
SMALL = [row("VS chart 0 0 0", 0, 1), row("VS chart 0 1 0", 1, 1), row("VD ocr 0 0 0", 1, 1), row("VD ocr 0 0 1", 1, 0)]
# Sets of all kinds, the same numbers in different subcategories.
LARGE = [
    row(f"{kind} {number} {figure} {question}", figure if kind.startswith("VS") else 1 + (figure > 0), gold)
    for kind, golds in (("VS chart", "010110"), ("VS ocr", "110100"), ("VD ocr", "1001"), ("VD math", "0110"))
    for number in range(2)
    for place, gold in enumerate(map(int, golds))
    for figure, question in [divmod(place, 2)]
]


def write(folder: Path, rows: Rows) -> Sources:
    (folder / "HallusionBench.json").write_text(json.dumps(rows))
    files = {row["filename"] for row in rows if isinstance(row["filename"], str)} - {"./missing.png"}
    return Sources(folder, blank_images(folder / "images", *sorted(files)), "h")


def saying(verdict: Callable[[str], int]) -> Callable[[Any], str]:
    """Reply to each item so that its verdict is what a function of its prompt says."""

    def reply(item: Any) -> str:
        found = verdict(item["prompt"])
        return "It is unclear" if found == UNCLEAR else ("Yes", "No")[item["answer_index"] ^ (found == WRONG)]

    return reply


def test_numbers_of_the_fixture(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, SMALL))
    verdicts = dict(zip((row["question"] for row in SMALL), (UNCLEAR, RIGHT, RIGHT, WRONG), strict=True))
    found = numbers(SUITE, items, replied(items, saying(lambda prompt: verdicts[prompt])))
    assert found["official", "all", "accuracy"] == pytest.approx(75)
    assert found["official", "all", "pair_accuracy"] == pytest.approx(200 / 3)
    assert found["official", "all", "figure_accuracy"] == pytest.approx(50)
    assert found["official", "all", "mean_of_three"] == pytest.approx((75 + 200 / 3 + 50) / 3)
    # the toolkit leaves the image-less question out
    assert found["toolkit", "image", "accuracy"] == pytest.approx(200 / 3)
    assert found["toolkit", "all", "accuracy"] == pytest.approx(75)
    assert found["toolkit", "VS_chart_image", "accuracy"] == 100 and found["toolkit", "VD_ocr_image", "accuracy"] == 50
    assert found["toolkit", "VD_math_image", "accuracy"] is None
    # inferred yes: right with the answer yes (three), or wrong with no (one)
    assert found["official", "all", "yes_difference"] == pytest.approx(4 / 4 - 3 / 4)
    assert found["official", "all", "false_positive_ratio"] == 1


def test_unclear_is_right_only_without_an_image(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, LARGE))
    found = numbers(SUITE, items, replied(items, lambda item: "Hard to say"))
    imageless = sum(row["visual_input"] == "0" for row in LARGE)
    assert found["official", "all", "accuracy"] == pytest.approx(100 * imageless / len(LARGE))
    assert found["toolkit", "image", "accuracy"] == 0


@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_constant_answers_leave_no_contradictory_pair_right(tmp_path: Path, answer: str) -> None:
    # As many of each answer as the official file has; every question's edited version has the other answer.
    rows = [row(f"VD math {n} {figure} 0", 1 + figure, n % 2 ^ figure) for n in range(484) for figure in range(2)]
    rows += [row(f"VD figure {n} 0 0", 1, 0) for n in range(161)]
    items, _ = items_of(SUITE, write(tmp_path, rows))
    found = numbers(SUITE, items, replied(items, lambda item: answer))
    for scorer in ("official", "toolkit"):
        assert found[scorer, "all", "accuracy"] == pytest.approx(57.13 if answer == "No" else 42.87, abs=0.005)
        assert found[scorer, "all", "pair_accuracy"] == pytest.approx(100 * (answer == "No") * 161 / 645)
    assert found["official", "all", "yes_difference"] == pytest.approx((answer == "Yes") - 484 / 1129)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([RIGHT, WRONG, UNCLEAR]), min_size=len(LARGE), max_size=len(LARGE)))
def test_groups_are_right_as_a_whole_and_every_wrong_pair_has_its_blame(tmp_path: Path, drawn: list[int]) -> None:
    items, _ = items_of(SUITE, write(tmp_path, LARGE))
    verdicts = dict(zip((row["question"] for row in LARGE), drawn, strict=True))
    found = numbers(SUITE, items, replied(items, saying(lambda prompt: verdicts[prompt])))
    groups: dict[str, dict[Any, list[bool]]] = {name: defaultdict(list) for name in ("figure", "pair", "easy", "hard")}
    for one in LARGE:
        imageless = one["visual_input"] == "0"
        right = verdicts[one["question"]] in ((RIGHT, UNCLEAR) if imageless else (RIGHT,))
        place = (one["category"], one["subcategory"], one["set_id"])
        groups["pair"][*place, one["question_id"]].append(right)
        groups["hard" if one["visual_input"] == "2" else "easy"][*place, one["question_id"]].append(right)
        if not imageless:
            groups["figure"][*place, one["figure_id"]].append(right)
    for name, members in groups.items():
        expected = 100 * sum(map(all, members.values())) / len(members)
        assert found["official", "all", f"{name}_accuracy"] == pytest.approx(expected)
    blames = [found["official", "all", f"blame_{name}"] for name in ("language", "vision", "mixed")]
    if all(map(all, groups["pair"].values())):
        assert blames == [None, None, None]
    else:
        assert sum(blame or 0 for blame in blames) == pytest.approx(100)
    three = [found["official", "all", name] for name in ("figure_accuracy", "figures_wrong", "figures_inconsistent")]
    assert sum(share or 0 for share in three) == pytest.approx(100)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.tuples(*[st.sampled_from([RIGHT, WRONG, UNCLEAR])] * 3), st.sampled_from(["0000", "0110", "1011"]))
def test_blame_of_a_pair_is_what_the_official_rules_say(
    tmp_path: Path, drawn: tuple[int, int, int], golds: str
) -> None:
    rows = [row(f"VS chart 0 {figure} 0", figure, int(golds[figure])) for figure in range(3)]
    items, _ = items_of(SUITE, write(tmp_path, rows))
    verdicts = dict(zip((row["question"] for row in rows), drawn, strict=True))
    found = numbers(SUITE, items, replied(items, saying(lambda prompt: verdicts[prompt])))
    language, vision = drawn[0] == WRONG, False
    for figure in (1, 2):
        # the same answer as without the image: both read, and the golds alike where the verdicts are
        same = (golds[0] == golds[figure]) == (drawn[0] == drawn[figure])
        if drawn[figure] == RIGHT:
            continue
        if drawn[0] == WRONG:
            language = True
            vision |= drawn[figure] == UNCLEAR or not same
        elif drawn[0] == RIGHT and figure == 2 and drawn[2] == WRONG and same:
            language = True
        else:
            vision = True
    expected = {"language": language and not vision, "vision": vision and not language, "mixed": language and vision}
    for name, blamed in expected.items():
        value = found["official", "all", f"blame_{name}"]
        assert value == (100 * blamed if language or vision else None)


@pytest.mark.parametrize(
    ("place", "change", "named"),
    [
        (1, {"gt_answer": 1}, "row 1: field 'gt_answer'"),
        (1, {"category": "V"}, "VD | VS"),
        (1, {"subcategory": "illusion"}, "'subcategory'"),
        (1, {"visual_input": "0"}, "none where there is one"),
        (0, {"visual_input": "1", "filename": "./VS/chart/0_1.png"}, "none where there is one"),
        (0, {"filename": "./VS/chart/0_1.png"}, "no image"),
        (1, {"filename": None}, "'filename'"),
        (1, {"filename": "./missing.png"}, "missing.png"),
        (1, {"figure_id": "0", "visual_input": "0", "filename": None}, "row twice"),
        (0, {"question_id": "1"}, "without its version of figure 0"),
    ],
)
def test_bad_rows_are_named_and_a_dropped_one_takes_its_set_along(
    tmp_path: Path, place: int, change: dict[str, Any], named: str
) -> None:
    rows = [row | (change if number == place else {}) for number, row in enumerate(SMALL)]
    sources = write(tmp_path, rows)
    with pytest.raises(InputError) as caught:
        items_of(SUITE, sources)
    assert named in str(caught.value)
    items, drops = items_of(SUITE, sources, "drop")
    # a row of no known set takes none along
    alone = "category" in change or "subcategory" in change
    assert items["grouping"].to_list() == ["VD_ocr"] * 2 + ["VS_chart"] * alone
    assert set(drops["reason"]) >= ({"unknown_label"} if alone else {"incomplete_set"})


def test_nothing_but_incomplete_sets_stops(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no item"):
        items_of(SUITE, write(tmp_path, [row("VS chart 0 1 0", 1, 1)]), "drop")


def test_order_of_the_rows_means_nothing(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, LARGE))
    assert items_of(SUITE, write(tmp_path, LARGE[::-1]))[0].equals(items)
    assert items_of(SUITE, Sources(tmp_path / "HallusionBench.json", tmp_path / "images", "h"))[0].equals(items)


def test_micro_file_has_every_kind_of_set_and_says_what_is_true(tmp_path: Path) -> None:
    write_suite("hallusionbench", 1, 200, tmp_path / "h")
    items, drops = items_of(SUITE, Sources(tmp_path / "h", tmp_path / "h/images", "h"))
    assert drops.is_empty() and items.height == 192
    assert set(items["grouping"]) == {"VD_figure", "VD_illusion", "VD_ocr", "VS_chart", "VS_ocr"}
    shown = items.filter(pl.col("image_paths").list.len() > 0)
    assert shown.height == 192 - 32
    # each question is true of one of the two figures; without an image it has the answer of the first
    per_pair = shown.group_by("group_id").agg(pl.col("answer_index").sum(), pl.len().alias("rows"))
    assert per_pair["answer_index"].to_list() == [1] * per_pair.height and set(per_pair["rows"]) == {2}
    flat = items.with_columns(entry("groups", "figure"))
    for _, versions in flat.filter(pl.col("grouping").str.starts_with("VS")).group_by("group_id"):
        answers = dict(versions.select("figure", "answer_index").iter_rows())
        assert answers["0"] == answers["1"] != answers["2"]


def test_micro_edits_are_seen_in_their_scenes() -> None:
    edits = 0
    for scene in draw_pool(1, "suites", 12):
        for edit in (recolored, exchanged):
            made = edit(scene, generator(1, scene.graph_hash))
            if made is None:
                continue
            edits += 1
            assert made.shown[0] == scene
            for question in made.questions:
                for picture, answer in zip(made.shown, question.answers, strict=True):
                    assert isinstance(picture, Scene)
                    words = question.text.rstrip("?").split()  # Is the star red?  Is there a star in the image?
                    claim = (words[2], attribute_phrase("color", words[3])) if edit is recolored else (words[3],)
                    assert is_true(picture, *claim) is answer
    assert edits > 8
