"""What captions say becomes elements; what they only seem to say does not, and is recorded."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import polars as pl
import pytest

from caption_graphs import (
    OWN_CAPTIONS,
    PARSER,
    attributes,
    caption_table,
    graph_of,
    objects,
    read_captions,
    reasons,
    relations,
)
from finer.errors import InputError
from finer.scenes.captions import extract, load_parser, read_graphs
from finer.scenes.words import noun_kind, predicate_class, type_of, types, words
from finer.schemas import DROPS, ELEMENTS
from finer.store import check_table

KINDS = (
    "ball", "block", "cone", "kite", "star", "heart", "cross", "moon", "tree", "house", "fish", "cup", "arrow",
    "flower", "bolt", "boat", "box", "ring", "table",
)  # fmt: skip
MICRO = (
    "A small red ball with a striped pattern is to the left of a big blue box. The ball has a black outline. "
    "Inside the box there is a small yellow star. It is dotted and has a black outline. A green cup is resting on top "
    "of the pink table. To the right of the cup is a plain purple kite."
)


# ---------------------------------------------------------------- things, attributes, relations
def test_a_noun_phrase_becomes_an_object_with_its_attributes() -> None:
    graph = graph_of("There is a small red wooden chair with a striped cushion in the garden.")
    assert objects(graph)[:2] == ["chair", "cushion"]
    assert attributes(graph, "chair") == [
        "with a small size", "with a red color", "made of wood", "with a striped cushion",
    ]  # fmt: skip


def test_compounds_keep_their_name_and_plurals_their_number() -> None:
    graph = graph_of("Three fire hydrants stand next to a traffic light.")
    assert objects(graph) == ["fire hydrants", "traffic light"]
    assert [entity.plural for entity in graph.entities] == [True, False]
    assert [entity.head for entity in graph.entities] == ["hydrant", "light"]


def test_predicates_begin_with_is_and_verbs_take_the_ing_form() -> None:
    graph = graph_of("A cat sits on a desk. A man holds a cup. A lamp is attached to the wall.")
    assert relations(graph) == [
        ("cat", "is sitting on", "desk"), ("man", "is holding", "cup"), ("lamp", "is attached to", "wall"),
    ]  # fmt: skip


def test_lifeless_things_that_sit_somewhere_just_are_there() -> None:
    assert relations(graph_of("A box sits to the left of the ball.")) == [("box", "is to the left of", "ball")]


def test_a_place_before_the_verb_is_read_the_right_way_round() -> None:
    graph = graph_of("Behind the post is a wooden fence. To its left is a mailbox.")
    assert ("fence", "is behind", "post") in relations(graph)
    assert ("post", "is behind", "fence") not in relations(graph)


def test_coordinated_nouns_share_a_predicate() -> None:
    assert relations(graph_of("A cup and a plate are on the table.")) == [
        ("cup", "is on", "table"),
        ("plate", "is on", "table"),
    ]


def test_two_colors_of_one_thing_are_one_attribute() -> None:
    assert attributes(graph_of("A black and white cat is on the mat."), "cat") == ["with a black and white color"]


@pytest.mark.parametrize("kind", KINDS)
def test_shape_words_of_drawings_are_things_with_all_their_attributes(kind: str) -> None:
    graph = graph_of(f"There is a small red {kind} with a black outline and a dotted pattern.")
    assert objects(graph) == [kind]
    assert sorted(attributes(graph, kind)) == [
        "with a black outline", "with a dotted pattern", "with a red color", "with a small size",
    ]  # fmt: skip
    assert {a.category: a.value for a in graph.entities[0].attributes} == {
        "size": "small", "color": "red", "outline": "black", "pattern": "dotted",
    }  # fmt: skip


def test_a_caption_of_a_drawing_is_read_in_full() -> None:
    graph = graph_of(MICRO)
    assert objects(graph) == ["ball", "box", "star", "cup", "table", "kite"]
    assert relations(graph) == [
        ("ball", "is to the left of", "box"),
        ("star", "is inside", "box"),
        ("cup", "is resting on top of", "table"),
        ("kite", "is to the right of", "cup"),
    ]
    assert attributes(graph, "star") == [
        "with a small size", "with a yellow color", "with a dotted pattern", "with a black outline",
    ]  # fmt: skip


# ---------------------------------------------------------------- failure modes: what is not in the image
@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("A bird's eye view of a parking lot with a car.", "bird"),
        ("The building is shaped like a rocket.", "rocket"),
        ("The clouds look like a dragon.", "dragon"),
        ("The sign says \"DOG PARK\" on a pole.", "dog"),
        ("There are no people in the room.", "people"),
        ("A chair without a cushion is in the room.", "cushion"),
        ("The shadow of a tree falls across the road.", "tree"),
        ("The reflection of a tower is visible in the lake.", "tower"),
        ("A painting of a ship is on the wall.", "ship"),
        ("A statue of a soldier is on the roof. The soldier is gray.", "soldier"),
        ("One of the horses is near the fence.", "horses"),
    ],
)  # fmt: skip
def test_what_is_only_likened_denied_written_or_mirrored_is_no_object(text: str, absent: str) -> None:
    graph = graph_of(text)
    assert absent not in objects(graph)
    assert graph.dropped, "what was left out is recorded"


def test_drops_carry_a_fixed_reason() -> None:
    graph = graph_of("A view of a zorple with no beauty, like a rocket. The word is here. Paris is far.")
    assert reasons(graph)["view"] == "picture_word"
    assert reasons(graph)["zorple"] == "unknown_noun"
    assert all(item.reason.replace("_", "").isalpha() for item in graph.dropped)


def test_a_denied_attribute_is_not_stated() -> None:
    assert attributes(graph_of("The ball is not red. The box has no outline."), "ball") == []


def test_species_keep_their_name_and_lend_no_attribute() -> None:
    graph = graph_of("A snowy owl is perched on a branch next to a brown bear.")
    assert objects(graph) == ["snowy owl", "branch", "brown bear"]
    assert attributes(graph, "owl") == []
    assert attributes(graph, "bear") == []


def test_odd_compounds_are_things_only_by_their_head() -> None:
    assert noun_kind("deck", "floor plan").type == type_of()["deck"]
    assert noun_kind("hydrant", "fire hydrant").type == type_of()["fire hydrant"]
    assert noun_kind("treehouse").type == "building"
    assert noun_kind("loneliness").reason == "abstract_noun"
    assert noun_kind("zorple").reason == "unknown_noun"
    assert noun_kind("glass", counted=False).type is None


def test_two_referents_are_not_merged() -> None:
    graph = graph_of("There are two horses in a field. One horse is white, and the other horse is black.")
    for entity in graph.entities:
        assert len([a for a in entity.attributes if a.category == "color"]) <= 1
    assert all(entity.ambiguous for entity in graph.entities if entity.head == "horse")


def test_another_thing_of_the_kind_makes_both_ambiguous_and_a_lone_one_is_not() -> None:
    graph = graph_of("A red ball is near a box. Another ball is blue.")
    assert [entity.ambiguous for entity in graph.entities if entity.head == "ball"] == [True, True]
    assert not next(entity for entity in graph.entities if entity.head == "box").ambiguous


def test_the_definite_article_means_the_thing_named_before() -> None:
    graph = graph_of("A brown dog lies on a rug. The dog has a red collar.")
    assert objects(graph) == ["dog", "rug", "collar"]


def test_it_means_the_subject_before() -> None:
    graph = graph_of("A red ball is near a box. It has a black outline.")
    assert "with a black outline" in attributes(graph, "ball")
    assert attributes(graph, "box") == []


def test_it_is_left_open_where_two_things_fit() -> None:
    graph = graph_of("A tree stands above the box, and a pink heart is below it.")
    assert not [relation for relation in relations(graph) if relation[0] == "heart"]
    assert "pronoun_unresolved" in reasons(graph).values()


def test_it_inside_its_own_phrase_means_that_phrase() -> None:
    assert ("dirt", "is on", "floor") in relations(graph_of("A concrete floor with dirt on it is under the pigs."))


def test_things_of_one_kind_are_not_related() -> None:
    graph = graph_of("A dog is behind the other dog.")
    assert relations(graph) == []
    assert "relation_within_kind" in reasons(graph).values()


def test_a_place_within_a_thing_is_not_the_thing() -> None:
    graph = graph_of("The top of the tower is red. The left side of the image is dark.")
    assert attributes(graph, "tower") == []
    assert "image" not in objects(graph)
    assert "top" not in objects(graph)


def test_a_group_word_stands_for_what_it_groups() -> None:
    graph = graph_of("A row of tall trees is behind a pair of shoes.")
    assert objects(graph) == ["trees", "shoes"]
    assert relations(graph) == [("trees", "is behind", "shoes")]


def test_a_thing_that_stands_by_is_no_part() -> None:
    graph = graph_of("The wall is tan with two chairs in front of it.")
    assert attributes(graph, "wall") == ["with a tan color"]


# ---------------------------------------------------------------- tables
def test_elements_and_drops_fit_their_tables_and_parents_exist() -> None:
    elements, drops = extract(caption_table(read_captions(OWN_CAPTIONS)), PARSER)
    check_table(elements, ELEMENTS)
    check_table(drops, DROPS)
    known = set(elements.filter(pl.col("kind") == "object")["element_id"])
    assert set(elements.filter(pl.col("kind") != "object")["parent_id"]) <= known
    assert set(elements.filter(pl.col("kind") == "relation")["target_id"]) <= known
    assert elements.filter(pl.col("kind") == "relation")["text"].str.starts_with("is ").all()
    attribute = elements.filter(pl.col("kind") == "attribute")
    assert attribute["text"].str.contains(r"^(with|made of|in) ").all()
    assert attribute["value"].is_not_null().all()


def test_the_same_captions_give_the_same_elements_in_any_company() -> None:
    texts = read_captions(OWN_CAPTIONS)
    table = caption_table(texts)
    whole, _ = extract(table, PARSER)
    part, _ = extract(table.filter(pl.col("example_id") == "test_00003"), PARSER)
    image = part["image_id"][0]
    assert part.equals(whole.filter(pl.col("image_id") == image))


def test_a_caption_without_things_is_a_drop() -> None:
    elements, drops = extract(caption_table(["What a beautiful view."]), PARSER)
    assert elements.is_empty()
    assert "no_objects" in drops["reason"].to_list()


def test_a_missing_parser_is_an_error_with_a_cure() -> None:
    with pytest.raises(InputError, match="cure"):
        load_parser("no_such_pipeline")


def test_lists_of_things_do_not_contradict_each_other() -> None:
    named = [word for members in types().values() for word in members]
    assert len(named) == len(set(named)), "each noun has one type"
    shared = set(named) & (words("picture_words") | words("not_things") | words("attribute_words"))
    assert not shared


def test_predicates_fall_into_classes_by_their_ending() -> None:
    assert predicate_class("is to the left of") == "left"
    assert predicate_class("is resting on top of") == "on_top"
    assert predicate_class("is lying on") == "on"
    assert predicate_class("is holding") == "other"


# ---------------------------------------------------------------- yields
def test_own_captions_yield_about_what_real_ones_do() -> None:
    graphs = list(read_graphs(read_captions(OWN_CAPTIONS), PARSER))
    count = len(graphs)
    assert count == 20
    assert 9 <= sum(len(graph.entities) for graph in graphs) / count <= 14
    assert 7 <= sum(len(entity.attributes) for graph in graphs for entity in graph.entities) / count <= 12
    assert 3 <= sum(len(graph.relations) for graph in graphs) / count <= 7


def test_real_captions_yield_ten_objects_seven_attributes_three_relations(capsys: pytest.CaptureFixture[str]) -> None:
    folder = os.environ.get("FINER_REAL_CAPTIONS")
    if not folder:
        pytest.skip("FINER_REAL_CAPTIONS is unset: no folder with docci_test_100/docci_descriptions.jsonlines")
    texts = read_captions(Path(folder) / "docci_test_100" / "docci_descriptions.jsonlines")
    load_parser(PARSER)
    start = time.process_time()
    graphs = list(read_graphs(texts, PARSER))
    rate = len(texts) / (time.process_time() - start)
    found = {
        "objects": sum(len(graph.entities) for graph in graphs) / len(texts),
        "attributes": sum(len(entity.attributes) for graph in graphs for entity in graph.entities) / len(texts),
        "relations": sum(len(graph.relations) for graph in graphs) / len(texts),
    }
    with capsys.disabled():
        print(f"\nreal captions: {json.dumps(found)} a caption, {rate:.0f} captions per CPU second")
    assert 9 <= found["objects"] <= 12
    assert 6.5 <= found["attributes"] <= 9
    assert 2.7 <= found["relations"] <= 4
    assert rate >= 10
