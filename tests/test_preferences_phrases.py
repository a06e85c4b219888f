"""True phrases: what they say is what the scene graph says, of things that their words single out."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caption_graphs import OWN_CAPTIONS, caption_table, read_captions
from finer.keys import stable_key
from finer.preferences.cut import cut_captions
from finer.preferences.phrases import MOST, counted, filled, rule_phrases
from finer.scenes.phrases import number_free
from finer.schemas import CAPTIONS, PHRASE_TYPES
from finer.store import table_from
from preference_stages import Made, of_texts
from scene_tables import Picture, kitchen, pictures, tables

CAPTION = (
    "Two striped towels hang next to a small black cat. The cat is lying on a wooden chair. The chair is to the left "
    "of a green door. A red umbrella is leaning on the door."
)


@pytest.fixture(scope="module")
def own() -> Made:
    return of_texts(read_captions(OWN_CAPTIONS))


def captions_of(*drawn: Picture) -> pl.DataFrame:
    rows = [
        {"caption_id": stable_key(each.image_id), "image_id": each.image_id, "benchmark": "b", "example_id": "e",
         "text": "A picture."}
        for each in drawn
    ]  # fmt: skip
    return table_from(rows, CAPTIONS)


def phrased(*drawn: Picture, seed: int = 1) -> tuple[pl.DataFrame, pl.DataFrame]:
    return rule_phrases(captions_of(*drawn), tables(*drawn).elements, "b", seed)


def test_each_caption_has_one_phrase_a_type_or_a_reason_why_not(own: Made) -> None:
    phrases = own.phrases
    assert not phrases.select("caption_id", "phrase_type").is_duplicated().any()
    given = set(phrases.select("caption_id", "phrase_type").iter_rows())
    dropped = own.drops.filter((pl.col("stage") == "phrases") & pl.col("item").str.contains(":"))
    refused = {tuple(item.split(":")) for item in dropped["item"] if item.split(":")[1] in PHRASE_TYPES}
    assert given | refused == {(c, t) for c in own.captions["caption_id"] for t in PHRASE_TYPES}
    assert not given & refused


def test_text_is_frame_and_slots(own: Made) -> None:
    for row in own.phrases.iter_rows(named=True):
        assert row["text"] == filled(row["frame"], row["slots"])
        assert 1 <= len(row["slots"]) == len(row["element_ids"]) == len(row["frame"]) - 1 <= MOST
        assert "\x00" not in row["text"] + "".join(row["frame"])
        assert (row["question"] is not None) == (row["answer"] is not None) == (row["phrase_type"] == "wh")


@settings(max_examples=60, deadline=None)
@given(pictures(), st.integers(0, 5))
def test_named_things_are_singled_out_and_slots_are_stated(picture: Picture, seed: int) -> None:
    phrases, _ = phrased(picture, seed=seed)
    elements = tables(picture).elements
    rows = {row["element_id"]: row for row in elements.to_dicts()}
    names = [number_free(row["text"]) for row in rows.values() if row["kind"] == "object"]
    for phrase in phrases.iter_rows(named=True):
        for place, element_id in enumerate(phrase["element_ids"]):
            row = rows[element_id]
            if phrase["phrase_type"] == "obj":
                assert names.count(number_free(row["text"])) == 1
            else:
                assert row["parent_id"] == phrase["subject_id"] and row["text"].split()[-1] in phrase["slots"][place]
                assert names.count(number_free(phrase["subject"])) == 1
            if phrase["phrase_type"] == "rel":
                assert names.count(number_free(rows[row["target_id"]]["text"])) == 1
        assert len(set(phrase["element_ids"])) == len(phrase["element_ids"])


def test_wh_names_one_relation_and_asks_for_its_other_side() -> None:
    seen = set()
    for seed in range(40):
        phrase = phrased(kitchen(), seed=seed)[0].filter(phrase_type="wh").row(0, named=True)
        question = filled(phrase["question"], phrase["slots"])
        answer = phrase["answer"].removeprefix("The ").split()[0].rstrip(".")
        assert question.startswith("What ") and question.endswith("?")
        assert f"the {phrase['subject']} " in question and answer not in question
        assert f"he {answer}" in phrase["text"] and phrase["subject"] in phrase["text"]
        seen.add(question.split()[2] == "the")
    assert seen == {True, False}  # both sides are asked for


def test_counts_are_spread_over_what_the_caption_allows() -> None:
    drawn = [kitchen(f"image{number}") for number in range(400)]
    phrases, _ = phrased(*drawn)
    counts = phrases.filter(phrase_type="obj").group_by(pl.col("slots").list.len().alias("n")).len()
    assert sorted(counts["n"]) == [1, 2, 3, 4, 5]
    assert counts["len"].min() > 50 and counts["len"].max() < 110
    attributes = phrases.filter(phrase_type="attr").group_by(pl.col("slots").list.len().alias("n")).len()
    assert sorted(attributes["n"]) == [1, 2, 3] and attributes["len"].min() > 100


def test_numbers_are_kept() -> None:
    assert counted("towels", True, "Three large white towels hang there.") == "three towels"
    assert counted("towels", True, "Towels hang beside two hooks.") == "towels"
    assert counted("towels", True, "Two of the towels are red.") == "towels"
    assert counted("towels", True, "Two shelves and towels.") == "towels"
    assert counted("towels", True, "Two towels are left, three towels right.") == "towels"
    assert counted("cat", False, "Two dogs and a cat.") == "a cat"
    phrases = pl.concat(
        rule_phrases(caption_table([CAPTION]), of_texts([CAPTION]).elements, "docci", seed)[0] for seed in range(30)
    )
    slots = set(phrases.filter(phrase_type="obj")["slots"].explode())
    assert "two towels" in slots and "towels" not in slots


def test_a_caption_more_changes_no_phrase() -> None:
    texts = read_captions(OWN_CAPTIONS)
    fewer, more = of_texts(texts[:10]), of_texts(texts)
    assert set(fewer.phrases["phrase_id"]) <= set(more.phrases["phrase_id"])


def test_two_runs_and_any_order_give_the_same_phrases() -> None:
    drawn = [kitchen("one"), kitchen("two"), kitchen("three")]
    first, _ = phrased(*drawn)
    other, _ = rule_phrases(captions_of(*drawn[::-1]), tables(*drawn[::-1]).elements, "b", 1)
    assert first.equals(other)
    assert not first.equals(phrased(*drawn, seed=2)[0])


def test_captions_are_cut_at_the_limit_and_counted() -> None:
    table = caption_table(["one  two\nthree four", "short"])
    cut, drops = cut_captions(table, 3)
    assert cut["text"].to_list() == ["one  two\nthree", "short"]
    assert cut["caption_id"].equals(table["caption_id"])
    assert drops.select("reason", "detail").rows() == [("caption_cut", "1 of 4 words")]
