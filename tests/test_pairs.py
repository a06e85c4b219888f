"""Pairs of questions: who is edited, which option is right, what stays the same."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finer.config import Range
from finer.errors import InputError
from finer.queries.compose import Composition, compose
from finer.queries.spread import Source, balanced_positions, spread
from finer.schemas import SETTINGS
from scene_tables import Picture, Tables, Thing, kitchen, pictures, renegated, tables

LISTS = ("multi_obj", "multi_attr", "multi_rel")
COUNTS = {"multi_obj": Range(low=1, high=6), "multi_attr": Range(low=1, high=3), "multi_rel": Range(low=1, high=3)}
QUESTION, YES, NO = "Can you see {} in this image?", "Yes, I can see ", "No, but I can see "
Pair = tuple[dict[str, Any], dict[str, Any]]


def composed(*scenes: Picture, wanted: int = 30, seed: int = 1, **pairs: int) -> Composition:
    return composed_tables(tables(*scenes), wanted, seed, **pairs)


def composed_tables(made: Tables, wanted: int = 30, seed: int = 1, **pairs: int) -> Composition:
    targets = pairs or dict.fromkeys(SETTINGS, wanted)
    return compose(made.elements, made.negatives, made.checks, "b", targets, COUNTS, seed)


def pairs_of(composition: Composition, *which: str) -> list[Pair]:
    """The (positive, negative) rows of each pair, as they stand in the table: adjacent."""
    rows = [row for row in composition.pairs.iter_rows(named=True) if row["setting"] in (which or SETTINGS)]
    return list(zip(rows[::2], rows[1::2], strict=True))


def right(row: dict[str, Any]) -> str:
    return str(row["options"][row["gt_index"]])


def wrong(row: dict[str, Any]) -> list[str]:
    return [option for place, option in enumerate(row["options"]) if place != row["gt_index"]]


def phrase(option: str) -> str:
    """What an option of a list setting says is to be seen."""
    return option.removeprefix(YES).removeprefix(NO).removesuffix(".")


@pytest.fixture(scope="module")
def kitchen_pairs() -> Composition:
    return composed(kitchen())


# ---------------------------------------------------------------- the pair
def test_pair_is_a_positive_and_a_negative_question_about_the_same_elements(kitchen_pairs: Composition) -> None:
    shared = ("pair_id", "image_id", "setting", "entity_count", "edited_slot", "edited_element_id", "element_ids")
    pairs = pairs_of(kitchen_pairs)
    assert {row["setting"] for row, _ in pairs} == set(SETTINGS)
    for positive, negative in pairs:
        assert [positive[name] for name in shared] == [negative[name] for name in shared]
        assert (positive["qtype"], negative["qtype"]) == (f"{positive['setting']}_pos", f"{positive['setting']}_neg")
        assert len(set(positive["options"])) == len(set(negative["options"])) == 5


def test_check_of_the_edited_element_is_recorded(kitchen_pairs: Composition) -> None:
    assert kitchen_pairs.pairs["check"].unique().to_list() == ["skipped"]


# ---------------------------------------------------------------- lists of objects, attributes, relations
def test_positive_question_asks_the_true_phrase_and_only_its_yes_is_right(kitchen_pairs: Composition) -> None:
    for positive, _ in pairs_of(kitchen_pairs, *LISTS):
        assert right(positive).startswith(YES)
        assert positive["question"] == QUESTION.format(phrase(right(positive)))
        assert all(option.startswith(NO) for option in wrong(positive))


def test_negative_question_has_one_yes_option_and_it_repeats_the_question(kitchen_pairs: Composition) -> None:
    for _, negative in pairs_of(kitchen_pairs, *LISTS):
        affirmative = [option for option in negative["options"] if option.startswith(YES)]
        assert len(affirmative) == 1 and right(negative).startswith(NO)
        assert negative["question"] == QUESTION.format(phrase(affirmative[0]))


def test_right_answer_of_both_questions_names_the_true_phrase(kitchen_pairs: Composition) -> None:
    for positive, negative in pairs_of(kitchen_pairs, *LISTS):
        assert phrase(right(positive)) == phrase(right(negative))


def test_both_questions_carry_the_same_five_phrases(kitchen_pairs: Composition) -> None:
    for positive, negative in pairs_of(kitchen_pairs, *LISTS):
        assert sorted(map(phrase, positive["options"])) == sorted(map(phrase, negative["options"]))


def test_negative_question_asks_about_the_negative_of_rank_zero() -> None:
    made = tables(kitchen())
    first = dict(made.negatives.filter(pl.col("rank") == 0).select("element_id", "text").iter_rows())
    target = dict(made.negatives.filter(pl.col("rank") == 0).select("element_id", "target_text").iter_rows())
    for _, negative in pairs_of(composed_tables(made), *LISTS):
        edited = negative["edited_element_id"]
        assert (target[edited] or first[edited]) in negative["question"]


def slots(text: str) -> list[str]:
    """The entities of a phrase: what is listed, or what is said of the one thing."""
    body = re.split(r"(?: that is | that are )", text)[-1]
    return re.split(r", | and (?:is |are )?", body.removeprefix("the "))


def test_only_the_edited_slot_differs(kitchen_pairs: Composition) -> None:
    for positive, _ in pairs_of(kitchen_pairs, *LISTS):
        true = slots(phrase(right(positive)))
        assert len(true) == positive["entity_count"] and positive["edited_slot"] < positive["entity_count"]
        for option in wrong(positive):
            false = slots(phrase(option))
            differing = [place for place, (one, other) in enumerate(zip(true, false, strict=True)) if one != other]
            assert differing == [positive["edited_slot"]]


def test_phrases_read_like_the_paper() -> None:
    relations = [(0, "is lying on", 1), (0, "is looking at", 2)]
    puppy = Picture([Thing("puppy"), Thing("chair"), Thing("cat")], relations)
    questions = composed(puppy).pairs.filter(polarity="positive", entity_count=2, setting="multi_rel")["question"]
    assert "Can you see the puppy that is lying on the chair and is looking at the cat in this image?" in {
        re.sub(r"that (is .*) and (is .*) in", r"that \2 and \1 in", text) for text in questions
    } | set(questions)


def test_plural_subject_takes_plural_verbs() -> None:
    two = Picture([Thing("cat", plural=True), Thing("floor", (("color", "red"),))], [(0, "is lying on", 1)])
    [(positive, _)] = pairs_of(composed(two, multi_rel=1))
    assert positive["question"] == "Can you see the cat that are lying on the floor in this image?"


# ---------------------------------------------------------------- wh
def corrections(row: dict[str, Any]) -> list[str]:
    return [option for option in row["options"] if " not with " in option]


def test_wh_options_are_four_objects_with_the_same_attributes_and_one_correction(kitchen_pairs: Composition) -> None:
    assert pairs_of(kitchen_pairs, "wh")
    for pair in pairs_of(kitchen_pairs, "wh"):
        for row in pair:
            objects = [option for option in row["options"] if option not in corrections(row)]
            assert len(corrections(row)) == 1 and len(objects) == 4
            assert len({re.sub(r"^The \w+", "", option) for option in objects}) == 1
        one, other = ([o for o in row["options"] if o not in corrections(row)] for row in pair)
        assert sorted(one) == sorted(other)


def test_wh_positive_right_answer_is_the_object(kitchen_pairs: Composition) -> None:
    for positive, _ in pairs_of(kitchen_pairs, "wh"):
        answer = positive["element_ids"][0].split(":")[2]
        assert right(positive).startswith(f"The {answer}") and right(positive) not in corrections(positive)


def test_wh_negative_right_answer_denies_the_wrong_attribute_and_affirms_the_true_one() -> None:
    made = tables(kitchen())
    text = dict(made.elements.select("element_id", "text").iter_rows())
    first = dict(made.negatives.filter(pl.col("rank") == 0).select("element_id", "text").iter_rows())
    for positive, negative in pairs_of(composed_tables(made), "wh"):
        edited = negative["edited_element_id"]
        named = text[negative["element_ids"][2]]
        assert right(negative) == f"The {named} is not {first[edited]}, but is {text[edited]}."
        assert corrections(positive) == [f"The {named} is not {text[edited]}, but is {first[edited]}."]
        assert first[edited] in negative["question"] and text[edited] in positive["question"]
        assert negative["question"] == positive["question"].replace(text[edited], first[edited])


def test_wh_question_names_all_attributes_of_the_named_side(kitchen_pairs: Composition) -> None:
    for positive, _ in pairs_of(kitchen_pairs, "wh"):
        _, _, named, *attributes = positive["element_ids"]
        own = [text for name, text in _attribute_texts() if name == named]
        assert len(own) == len(attributes) == positive["entity_count"]
        assert all(text in positive["question"] for text in own)


def _attribute_texts() -> Iterator[tuple[str, str]]:
    yield from tables(kitchen()).elements.filter(kind="attribute").select("parent_id", "text").iter_rows()


def test_wh_asks_for_either_side() -> None:
    pair = Picture([Thing("cat", (("color", "red"),)), Thing("floor", (("color", "blue"),))], [(0, "is lying on", 1)])
    questions = composed(pair, wh=5).pairs.filter(polarity="positive")["question"].to_list()
    assert sorted(questions) == [
        "What is lying on the floor with a blue color?", "What is the cat with a red color lying on?"
    ]  # fmt: skip


def test_persons_are_asked_for_with_who() -> None:
    scene = Picture([Thing("man"), Thing("floor", (("color", "blue"),))], [(0, "is lying on", 1)])
    assert composed(scene, wh=1).pairs["question"][0].startswith("Who is lying on the floor")


@pytest.mark.parametrize(
    "relations",
    [
        [(0, "is lying on", 2), (1, "is lying on", 2)],  # two answers
        [(0, "is to the left of", 2), (2, "is to the right of", 1)],  # the second said from the other side
    ],
)
def test_wh_with_two_possible_answers_is_not_asked(relations: list[tuple[int, str, int]]) -> None:
    things = [Thing("cat"), Thing("puppy"), Thing("floor", (("color", "blue"),))]
    made = composed(Picture(things, relations), wh=9)
    assert made.pairs.height == 0 and "wh_answer_not_unique" in made.drops["reason"].to_list()


# ---------------------------------------------------------------- validity
def test_object_that_is_not_the_only_one_of_its_kind_is_never_singled_out() -> None:
    things = [
        Thing("cup", (("color", "red"),)), Thing("cup", (("color", "blue"),)), Thing("floor", (("size", "big"),))
    ]  # fmt: skip
    made = composed(Picture(things, [(0, "is lying on", 2)]))
    assert set(made.pairs["setting"]) == {"multi_obj", "multi_attr"}
    assert not made.pairs.filter(setting="multi_attr")["question"].str.contains("cup").any()
    assert made.drops.filter(reason="ambiguous_object").height == 3


def test_kind_of_two_objects_is_named_once_in_a_list() -> None:
    made = composed(Picture([Thing("cup"), Thing("cup"), Thing("floor")]), multi_obj=9)
    assert made.pairs["entity_count"].max() == 2
    assert not made.pairs["question"].str.contains(r"cup.*cup").any()


def test_truck_beside_a_fire_truck_is_not_the_only_truck() -> None:
    things = [Thing("truck", (("color", "red"),)), Thing("fire truck", (("color", "blue"),))]
    questions = composed(Picture(things), multi_attr=9).pairs["question"].to_list()
    assert questions and all("the fire truck" in question for question in questions)


@pytest.mark.parametrize(
    ("edited", "negatives", "reason"),
    [
        ("cat", ["dog", "cow", "chairs", "fox"], "negative_in_scene"),  # in another number
        ("cat", ["dog", "cow", "armchair", "arm chair"], "negative_in_scene"),  # a kind of one that is there
        ("cat", ["dog", "cow", "fox"], "fewer_than_four"),
        ("cat", [], "no_negatives"),
        ("cat", ["dog", "cow", "cows", "fox"], "negative_repeated"),
        ("with a red color", [f"with a {c} color" for c in ("white", "blue", "pink", "grey")], "negative_in_scene"),
        ("is lying on", ["is above", "is below", "is under", "is inside"], "negative_in_scene"),
        ("is lying on", ["is above", "is behind", "is under", "is inside"], None),
    ],
)
def test_element_with_a_bad_negative_is_named_but_never_edited(
    edited: str, negatives: list[str], reason: str | None
) -> None:
    cat = Thing("cat", (("color", "red"), ("color", "blue and white"), ("size", "small")))
    relations = [(0, "is lying on", 1), (0, "is below", 1)]
    scene = Picture([cat, Thing("chair"), Thing("lamp")], relations, negatives={edited: negatives})
    made = tables(scene)
    ids = made.elements.filter(text=edited)["element_id"].to_list()
    if edited.startswith("is "):
        made = renegated(made, ids[0], "predicate", [(text, None) for text in negatives])
    result = composed_tables(made)
    assert (reason is None) == (ids[0] in result.pairs["edited_element_id"].to_list())
    assert ids[0] in result.pairs["element_ids"].explode().to_list()
    assert (ids[0], reason) in result.drops.select("item", "reason").rows() or reason is None


def test_negative_may_name_a_thing_of_the_scene_to_which_the_relation_is_not_stated() -> None:
    things = [Thing("cat"), Thing("chair"), Thing("lamp"), Thing("door")]
    said = [(0, "is above", 1), (0, "is above", 3)]
    made = tables(Picture(things, said))
    edited = made.elements.filter(kind="relation")["element_id"][0]
    for other, drops in (("lamp", []), ("door", ["negative_in_scene"]), ("cats", ["negative_in_scene"])):
        swaps = [("is above", name) for name in (other, "dog", "cow", "fox")]
        result = composed_tables(renegated(made, edited, "relation_object", swaps), multi_rel=9)
        assert result.drops.filter(item=edited)["reason"].to_list() == drops


def test_negative_relation_is_never_about_an_object_that_the_phrase_relates_already() -> None:
    things = [Thing("cat"), Thing("chair"), Thing("lamp")]
    made = tables(Picture(things, [(0, "is above", 1), (0, "is below", 2)]))
    edited = made.elements.filter(kind="relation")["element_id"][0]
    swaps = [("is above", name) for name in ("lamp", "dog", "cow", "fox")]
    result = composed_tables(renegated(made, edited, "relation_object", swaps), multi_rel=9).pairs
    assert edited in result.filter(entity_count=1)["edited_element_id"].to_list()
    assert edited not in result.filter(entity_count=2)["edited_element_id"].to_list()
    assert edited in result.filter(entity_count=2)["element_ids"].explode().to_list()


def test_relation_that_needs_two_objects_is_not_asked_of_one() -> None:
    things = [Thing("cat"), Thing("chair", (("size", "big"),)), Thing("door", (("size", "big"),), plural=True)]
    made = composed(Picture(things, [(0, "is between", 1), (0, "is between", 2)]))
    assert not made.pairs["question"].str.contains("between the chair").any()
    assert made.pairs["question"].str.contains("between the door").any()
    assert made.drops.filter(reason="one_of_two_named").height == 1


def test_setting_without_entity_counts_is_refused() -> None:
    made = tables(kitchen())
    with pytest.raises(InputError, match=r"entity_counts\.multi_obj"):
        compose(made.elements, made.negatives, made.checks, "b", {"multi_obj": 1}, {}, 1)


def test_too_few_candidates_are_a_recorded_shortage() -> None:
    made = composed(Picture([Thing("cat")]), multi_obj=7)
    assert made.pairs.height == 2
    assert made.drops.filter(reason="shortage")["detail"].to_list() == ["wanted 7 pairs, made 1"]


# ---------------------------------------------------------------- the table as a whole
def many(number: int) -> list[Picture]:
    return [kitchen(f"image{index:03d}") for index in range(number)]


def test_right_answers_are_spread_over_positions() -> None:
    made = composed(*many(20), wanted=53)
    for _, group in made.pairs.group_by("setting", "polarity"):
        counts = Counter(group["gt_index"].to_list())
        assert set(counts) == set(range(5)) and max(counts.values()) - min(counts.values()) <= 1


def test_entity_counts_are_spread_evenly() -> None:
    made = composed(*many(30), wanted=60)
    for setting in LISTS:
        counts = Counter(row["entity_count"] for row, _ in pairs_of(made, setting))
        assert max(counts.values()) - min(counts.values()) <= 1


def offers(candidates: dict[int, int]) -> list[Source[int]]:
    """As many images as stand behind each count, with one candidate each."""
    return [Source(f"{c}-{i}", c, 0, f"{c}{i}", iter([c])) for c, n in candidates.items() for i in range(n)]


def test_counts_that_few_scenes_allow_leave_their_share_to_others() -> None:
    assert Counter(spread(offers({1: 9, 2: 9, 3: 2}), 14)) == {1: 6, 2: 6, 3: 2}
    assert Counter(spread(offers({1: 9, 2: 9, 3: 2}), 99)) == {1: 9, 2: 9, 3: 2}
    assert Counter(spread(offers({1: 1, 2: 9, 3: 9}), 10)) == {1: 1, 2: 5, 3: 4}


def test_images_come_once_before_any_comes_twice() -> None:
    made = composed(*many(12), multi_obj=12)
    assert Counter(row["image_id"] for row, _ in pairs_of(made)).most_common(1)[0][1] == 1


def test_another_image_leaves_the_pairs_of_the_others_alone() -> None:
    few, more = composed(*many(3), wanted=10_000), composed(*many(4), wanted=10_000)
    columns = ["mcq_id", "question", "edited_slot", "element_ids"]
    kept = more.pairs.filter(pl.col("image_id") != "image003").select(columns)
    assert kept.sort("mcq_id").equals(few.pairs.select(columns).sort("mcq_id"))


def test_order_of_the_input_does_not_matter() -> None:
    made = tables(*many(3))
    mixed = Tables(
        *(frame.sample(fraction=1, shuffle=True, seed=5) for frame in (made.elements, made.negatives, made.checks))
    )
    assert composed_tables(made).pairs.equals(composed_tables(mixed).pairs)


def test_another_seed_draws_other_pairs() -> None:
    assert not composed(*many(5), seed=1).pairs.equals(composed(*many(5), seed=2).pairs)


def test_positions_rotate_by_rank_of_the_key() -> None:
    assert balanced_positions([("a", "3"), ("a", "1"), ("b", "9"), ("a", "2")]) == [2, 0, 0, 1]


# ---------------------------------------------------------------- any scene
@settings(max_examples=60, deadline=None)
@given(pictures(), st.integers(0, 9))
def test_pairs_of_any_scene_follow_the_protocol(scene: Picture, seed: int) -> None:
    made = tables(scene)
    result = composed_tables(made, seed=seed)
    names = [thing.name for thing in scene.things]
    text = dict(made.elements.select("element_id", "text").iter_rows())
    for positive, negative in pairs_of(result):
        assert len(set(positive["options"])) == len(set(negative["options"])) == 5
        assert positive["question"] != negative["question"]
        named = [text[each] for each in positive["element_ids"]]
        if positive["setting"] == "wh":
            assert names.count(named[0]) == names.count(named[2]) == 1
            assert right(negative) not in positive["options"] and right(positive) in wrong(negative)
            continue
        assert phrase(right(positive)) == phrase(right(negative))
        assert sum(option.startswith(YES) for option in positive["options"]) == 1
        assert sum(option.startswith(YES) for option in negative["options"]) == 1
        if positive["setting"] == "multi_obj":
            assert len(set(named)) == len(named) == positive["entity_count"]
        else:
            assert names.count(named[0]) == 1 and len(named) == positive["entity_count"] + 1
        offered = {phrase(option) for option in wrong(positive)}
        truths = {phrase(right(other)) for other, _ in pairs_of(result, positive["setting"])}
        assert not offered & truths
