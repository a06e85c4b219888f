"""Preference pairs: who says yes, who says no, and that both polarities mirror each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from caption_graphs import OWN_CAPTIONS, read_captions
from finer.preferences.image_class import image_class
from finer.preferences.pairs import LISTS, correction, sayings
from finer.preferences.phrases import filled
from finer.schemas import PREFERENCES
from finer.store import check_table
from preference_stages import Made, of_texts, of_world

Row = dict[str, Any]


@pytest.fixture(scope="module", params=["own", "world"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    if request.param == "own":
        return of_texts(read_captions(OWN_CAPTIONS))
    return of_world(tmp_path_factory.mktemp("world"), 60)


def pairs(made: Made) -> list[tuple[Row, Row, Row, Row]]:
    """Return (phrase, edit, positive, negative)."""
    phrases = {row["phrase_id"]: row for row in made.phrases.to_dicts()}
    edits = {row["edit_id"]: row for row in made.edits.to_dicts()}
    rows = made.preferences.to_dicts()
    found = []
    for positive, negative in zip(rows[::2], rows[1::2], strict=True):
        assert positive["edit_id"] == negative["edit_id"]
        found.append((phrases[positive["phrase_id"]], edits[positive["edit_id"]], positive, negative))
    return found


def test_each_edit_gives_both_queries(made: Made) -> None:
    check_table(made.preferences, PREFERENCES)
    assert made.preferences.height == 2 * made.edits.height > 40
    assert made.preferences["polarity"].to_list() == ["positive", "negative"] * made.edits.height


def test_positive_is_affirmed_negative_is_corrected_and_both_mirror(made: Made) -> None:
    for phrase, edit, positive, negative in pairs(made):
        if phrase["phrase_type"] == "wh":
            continue
        true, false = phrase["text"], filled(phrase["frame"], edit["slots"])
        assert positive["chosen"].startswith("Yes, ") and positive["rejected"].startswith("No, but ")
        assert negative["chosen"].startswith("No, but ") and negative["rejected"].startswith("Yes, ")
        assert true in positive["question"] and true in positive["chosen"] and false in positive["rejected"]
        assert false in negative["question"] and true in negative["chosen"] and false in negative["rejected"]
        assert positive["question"].replace(true, "_") == negative["question"].replace(false, "_")
        assert positive["rejected"].replace(false, "_") == negative["chosen"].replace(true, "_")
        assert positive["chosen"].replace(true, "_") == negative["rejected"].replace(false, "_")


def test_wh_denies_the_wrong_attribute_and_gives_the_right_one(made: Made) -> None:
    for phrase, edit, positive, negative in pairs(made):
        if phrase["phrase_type"] != "wh":
            continue
        true, false = (edit[name].removeprefix("with ") for name in ("original", "replacement"))
        assert positive["chosen"] == negative["rejected"] == phrase["answer"]
        assert edit["original"] in positive["question"] and edit["replacement"] in negative["question"]
        for row, denied, affirmed in ((positive, true, false), (negative, false, true)):
            said = row["rejected"] if row is positive else row["chosen"]
            before, _, after = said.partition(", but ")
            assert said.startswith(f"The {phrase['subject']} ") and " not " in before
            assert denied in before and affirmed in after and affirmed not in before


def test_the_five_wordings_are_drawn_evenly_and_shared_by_a_pair(made: Made) -> None:
    assert len(LISTS) == 5
    lists = made.preferences.filter(pl.col("phrase_type") != "wh")
    assert lists.group_by("edit_id").agg(pl.col("wording").n_unique())["wording"].max() == 1
    counts = lists["wording"].value_counts()["count"]
    assert lists["wording"].n_unique() == 5 and counts.min() > 0.4 * lists.height / 5
    assert (
        made.preferences.filter(phrase_type="wh")["wording"].null_count()
        == made.preferences.filter(phrase_type="wh").height
    )


@pytest.mark.parametrize("wording", range(5))
@pytest.mark.parametrize("phrase", ["a cat", "two towels and jeans", "grass", "the cat that is on the chair"])
def test_each_wording_is_a_whole_sentence(wording: int, phrase: str) -> None:
    row = {"text": phrase, "frame": ["", ""], "slots": [phrase]}
    for _, question, chosen, rejected in sayings(row, {"slots": ["a dog"]}, wording):
        assert question.endswith("?") and question[0].isupper() and "{" not in question + chosen + rejected
        assert chosen.endswith(".") and rejected.endswith(".")
        assert {chosen.split(",")[0], rejected.split(",")[0]} == {"Yes", "No"}
    assert len({text for entry in LISTS for text in entry.values()}) == 15


def test_corrections_agree_with_their_subject() -> None:
    assert correction("ball", False, "with a red color", "with a blue color") == (
        "The ball does not have a red color, but has a blue color."
    )
    assert correction("towels", True, "with a red color", "with a blue color") == (
        "The towels do not have a red color, but have a blue color."
    )
    assert (
        correction("bowl", False, "made of wood", "made of metal")
        == "The bowl is not made of wood, but is made of metal."
    )
    assert correction("door", False, "in an open state", "with a red color") == (
        "The door is not in an open state, but is with a red color."
    )


@pytest.mark.parametrize(
    ("caption", "found"),
    [
        ("A brown dog runs on grass. A sign stands behind it.", "natural_image"),
        ("This is a screenshot of a phone. It shows a chat.", "screenshot_ui"),
        ("The image shows the user interface of a music player.", "screenshot_ui"),
        ("A bar chart with five blue bars. Its title is hidden.", "chart_graph"),
        ("The image is a detailed line graph of sales over time.", "chart_graph"),
        ("The x-axis shows years.", "chart_graph"),
        ("The image shows a scanned page with two columns.", "document_text"),
        ("This image shows a crumpled receipt from a shop. It lies flat.", "document_text"),
        ("A man holds a phone. He sits down. On its screen is a screenshot of a game.", "natural_image"),
        ("The photo shows a bar with stools and a chart of drinks far away.", "natural_image"),
        ("", "natural_image"),
    ],
)
def test_image_class_is_told_from_the_first_sentences(caption: str, found: str) -> None:
    assert image_class(caption) == found


def test_paths_are_those_of_the_images(tmp_path: Path) -> None:
    made = of_world(tmp_path, 10)
    paths = dict(made.images.select("image_id", "path").iter_rows())
    assert all(paths[i] == p for i, p in made.preferences.select("image_id", "image_path").iter_rows())
