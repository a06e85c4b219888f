"""Negatives are plausible, false and four: never in the scene, never a synonym, kind or number of what is there."""

from __future__ import annotations

import re
import time
from collections import Counter
from functools import cache

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caption_graphs import OWN_CAPTIONS, PARSER, caption_table, read_captions
from finer.errors import InputError
from finer.negatives.lexicon import categories, category_of, closed_category, data, families, general
from finer.negatives.propose import Limits, propose, scenes
from finer.scenes.attributes import plural_of
from finer.scenes.captions import extract
from finer.scenes.phrases import number_free
from finer.scenes.words import predicate_class, types
from finer.schemas import DROPS, NEGATIVES
from finer.store import check_table

SEED = 11
KINDS = (
    "ball", "block", "cone", "kite", "star", "heart", "cross", "moon", "tree", "house", "fish", "cup", "arrow",
    "flower", "bolt", "boat", "box", "ring", "table",
)  # fmt: skip
DRAWING = (
    "A small red ball with a striped pattern is to the left of a big blue box. The ball has a black outline. Inside "
    "the box is a small yellow star. A green cup is resting on top of the pink table. The moon is pink. "
    "The ball is to the right of the moon."
)


@cache
def own() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Captions, elements, negatives and drops of the captions that come with the tests."""
    captions = caption_table(read_captions(OWN_CAPTIONS))
    elements, _ = extract(captions, PARSER)
    return (captions, elements, *propose(elements, captions, seed=SEED))


@cache
def drawn(text: str = DRAWING) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Elements and negatives of one caption of a drawing."""
    captions = caption_table([text])
    elements, _ = extract(captions, PARSER)
    return elements, propose(elements, captions, seed=SEED)[0]


def texts(elements: pl.DataFrame, negatives: pl.DataFrame, kind: str, text: str) -> set[str]:
    """Return the negatives of the element of a kind with this text."""
    wanted = elements.filter((pl.col("kind") == kind) & (pl.col("text") == text))["element_id"]
    return set(negatives.filter(pl.col("element_id").is_in(wanted.to_list()))["text"])


# ---------------------------------------------------------------- four, or none
def test_an_element_has_four_different_negatives_or_none() -> None:
    _, elements, negatives, drops = own()
    check_table(negatives, NEGATIVES)
    check_table(drops, DROPS)
    by_element = negatives.group_by("element_id").agg(
        pl.col("rank").sort(), pl.struct("text", "target_text").n_unique().alias("different")
    )
    assert set(by_element["different"]) == {4}
    assert all(ranks == [0, 1, 2, 3] for ranks in by_element["rank"].to_list())
    assert set(by_element["element_id"]) | set(drops["item"]) == set(elements["element_id"])
    assert not set(by_element["element_id"]) & set(drops["item"])


def test_what_is_left_out_says_why() -> None:
    _, _, _, drops = own()
    assert set(drops["reason"]) <= {
        "too_few_candidates", "candidates_used_up", "no_category", "class_without_candidates",
    }  # fmt: skip


def test_most_elements_of_real_looking_captions_get_negatives() -> None:
    _, elements, negatives, _ = own()
    kinds = negatives.join(elements.select("element_id", "kind"), on="element_id").unique("element_id")
    for kind, least in (("object", 0.8), ("attribute", 0.75), ("relation", 0.8)):
        count = kinds.filter(pl.col("kind") == kind).height
        assert count >= least * elements.filter(pl.col("kind") == kind).height


# ---------------------------------------------------------------- never true of the scene
def test_no_negative_object_is_named_in_the_caption_in_any_number() -> None:
    captions, elements, negatives, _ = own()
    said = {row["image_id"]: _singulars(row["text"]) for row in captions.to_dicts()}
    for row in _replaced_objects(elements, negatives):
        name = number_free(row["name"])
        assert f" {name} " not in said[row["image_id"]], row
        assert f" {name.split()[-1]} " not in said[row["image_id"]], row


def test_no_negative_is_another_element_of_the_scene() -> None:
    _, elements, negatives, _ = own()
    there = elements.filter(pl.col("kind") == "object").group_by("image_id").agg(pl.col("text"), pl.col("category"))
    names = {row[0]: {number_free(name) for name in [*row[1], *row[2]]} for row in there.iter_rows()}
    for row in _replaced_objects(elements, negatives):
        assert number_free(row["name"]) not in names[row["image_id"]]
    of_object = elements.filter(pl.col("kind") == "attribute").select("parent_id", pl.col("text").alias("true"))
    attributes = negatives.join(elements.select("element_id", "parent_id", "kind"), on="element_id")
    clash = attributes.filter(pl.col("kind") == "attribute").join(
        of_object, left_on=["parent_id", "text"], right_on=["parent_id", "true"], how="semi"
    )
    assert clash.is_empty()


@pytest.mark.parametrize(
    ("text", "element", "never"),
    [
        ("A sofa is in the room.", "sofa", {"couch", "loveseat"}),
        ("A dog is near a kitten.", "dog", {"cat"}),
        ("A car is next to an animal.", "car", {"automobile"}),
        ("A chair is near a couch.", "chair", {"sofa"}),
        ("A tree is behind the house.", "tree", {"palm tree", "oak tree", "pine tree"}),
        ("A building is behind a fence.", "building", {"church", "skyscraper", "house"}),
        ("A bird sits on a branch.", "bird", {"owl", "pigeon", "crow"}),
        ("A boxcar is on the track next to a bus.", "bus", {"car"}),
        ("A mailbox is next to a trashcan.", "mailbox", {"trash can"}),
    ],
)
def test_no_negative_is_a_synonym_or_a_kind_of_what_is_there(text: str, element: str, never: set[str]) -> None:
    elements, negatives = drawn(text)
    assert texts(elements, negatives, "object", element)
    assert not texts(elements, negatives, "object", element) & never


def test_what_is_there_unsaid_is_no_negative() -> None:
    elements, negatives = drawn("A red car has a silver antenna. A wheel of the car is dirty.")
    assert not texts(elements, negatives, "object", "antenna") & {"bumper", "headlight", "windshield", "license plate"}


def test_a_negative_keeps_the_number_of_the_original() -> None:
    _, elements, negatives, _ = own()
    objects = negatives.filter(pl.col("negative_kind") == "object").join(
        elements.select("element_id", pl.col("plural").alias("original")), on="element_id"
    )
    assert (objects["plural"] == objects["original"]).all()
    everything = {member.text for category in categories().values() for member in category.members}
    everything |= {name for listed in data()["general"].values() for name in listed}
    plurals = {plural_of(name) for name in everything}
    assert set(objects.filter(~pl.col("plural"))["text"]) <= everything
    for row in objects.filter(pl.col("plural")).to_dicts():
        assert row["text"] in plurals, row["text"]


def test_a_color_negative_is_no_near_synonym() -> None:
    elements, negatives = drawn("A maroon cat is on a navy rug. A white dog is near it, beside a gold lamp.")
    assert "with a red color" not in texts(elements, negatives, "attribute", "with a maroon color")
    assert "with a blue color" not in texts(elements, negatives, "attribute", "with a navy color")
    assert "with a gray color" not in texts(elements, negatives, "attribute", "with a white color")
    assert "with a yellow color" not in texts(elements, negatives, "attribute", "with a gold color")


def test_an_attribute_negative_is_false_of_every_thing_of_the_kind() -> None:
    elements, negatives = drawn("A red ball is near a cat. Another ball is blue.")
    assert "with a blue color" not in texts(elements, negatives, "attribute", "with a red color")
    assert "with a red color" not in texts(elements, negatives, "attribute", "with a blue color")


def test_an_attribute_keeps_its_class() -> None:
    _, elements, negatives, _ = own()
    rows = negatives.join(elements.select("element_id", "kind", "category"), on="element_id")
    color = rows.filter((pl.col("kind") == "attribute") & (pl.col("category") == "color"))
    assert color["text"].str.contains(r"^with an? .* (color|look)$").all()
    assert rows.filter(pl.col("category") == "material")["text"].str.starts_with("made of ").all()


# ---------------------------------------------------------------- relations
def test_a_relation_is_swapped_by_predicate_or_by_its_object_and_the_other_stays() -> None:
    captions, elements, _, _ = own()
    negatives = pl.concat([propose(elements, captions, seed=seed)[0] for seed in range(6)])
    names = dict(elements.select("element_id", "text").iter_rows())
    true = elements.filter(pl.col("kind") == "relation").select("element_id", pl.col("text").alias("true"), "target_id")
    rows = negatives.join(true, on="element_id").to_dicts()
    assert {row["negative_kind"] for row in rows} == {"predicate", "relation_object"}
    for row in rows:
        if row["negative_kind"] == "predicate":
            assert row["text"] != row["true"]
            assert row["target_text"] == names[row["target_id"]]
        else:
            assert row["text"] == row["true"]
            assert row["target_text"] != names[row["target_id"]]


def test_the_four_negatives_of_a_relation_change_the_same() -> None:
    """Two of each would leave the truth as the one phrase that shares a word with every other."""
    captions, elements, _, _ = own()
    for seed in range(6):
        negatives, _ = propose(elements, captions, seed=seed)
        kinds = negatives.group_by("element_id").agg(pl.col("negative_kind").n_unique())
        assert set(kinds["negative_kind"]) == {1}


def test_a_thing_of_the_scene_takes_the_object_s_place_only_where_it_is_ruled_out() -> None:
    text = "The ball is to the left of the box. The ball is to the right of the moon. The ball is near the cup."
    elements, _ = drawn(text)
    captions = caption_table([text])
    seen: set[str | None] = set()
    for seed in range(12):
        negatives, _ = propose(elements, captions, seed=seed)
        left = elements.filter(pl.col("text") == "is to the left of")["element_id"].to_list()
        seen |= set(
            negatives.filter(pl.col("element_id").is_in(left) & (pl.col("negative_kind") == "relation_object"))[
                "target_text"
            ]
        )
    assert "moon" in seen, "the ball is to the right of it, so not to the left"
    assert "cup" not in seen, "the ball may well be to the left of it"


def test_a_contradicting_predicate_cannot_hold_beside_the_true_one() -> None:
    opposites = data()["opposites"]
    for table in ("predicates", "closed_predicates"):
        for name, listed in data()[table].items():
            assert name not in {predicate_class(other) for other in listed}
            if name in opposites:
                assert predicate_class(listed[0]) == opposites[name]


# ---------------------------------------------------------------- drawings of shapes
def test_a_drawing_of_shapes_stays_within_its_own_vocabulary() -> None:
    elements, negatives = drawn()
    for row in _replaced_objects(elements, negatives):
        assert row["name"] in KINDS
    assert texts(elements, negatives, "attribute", "with a red color") <= {
        f"with {'an' if color == 'orange' else 'a'} {color} color"
        for color in ("green", "blue", "yellow", "purple", "orange", "cyan", "pink")
    }


def test_every_shape_leaves_ten_candidates_beside_eight_others() -> None:
    members = {member.text for member in closed_category().members}
    assert members == set(KINDS)
    assert len(members) - 9 >= 10
    for kind in KINDS:
        assert category_of(kind, kind, closed=True) is closed_category()
        other = category_of(kind, kind, closed=False)
        assert other is None or not other.closed or kind in types()["shape_thing"]


def test_sizes_patterns_and_outlines_of_drawings_have_four_negatives_each() -> None:
    elements, negatives = drawn()
    for text in ("with a small size", "with a striped pattern", "with a black outline"):
        assert len(texts(elements, negatives, "attribute", text)) == 4
    assert not {"with a tiny size", "with a little size"} & texts(elements, negatives, "attribute", "with a small size")


def test_a_house_among_things_of_the_world_is_no_shape() -> None:
    elements, negatives = drawn("A house stands next to a mailbox, a dog and a sidewalk.")
    assert not texts(elements, negatives, "object", "house") & {"star", "heart", "cross", "arrow", "bolt"}


# ---------------------------------------------------------------- rounds and seeds
def test_a_later_round_repeats_none_of_the_earlier_negatives_of_an_element() -> None:
    captions, elements, first, _ = own()
    second, _ = propose(elements, captions, first, 1, SEED)
    third, drops = propose(elements, captions, pl.concat([first, second]), 2, SEED)
    assert set(second["round"]) == {1}
    everything = pl.concat([first, second, third])
    assert not everything.select("element_id", "text", "target_text").is_duplicated().any()
    assert "candidates_used_up" in set(drops["reason"])
    assert second["element_id"].n_unique() > 0.5 * first["element_id"].n_unique()


def test_only_the_wanted_elements_are_proposed_for_and_their_scene_still_counts() -> None:
    captions, elements, first, _ = own()
    wanted = elements["element_id"].to_list()[:7]
    some, drops = propose(elements, captions, None, 0, SEED, only=wanted)
    assert some.equals(first.filter(pl.col("element_id").is_in(wanted)))
    assert set(drops["item"]) <= set(wanted)
    with pytest.raises(InputError, match="no such element"):
        propose(elements, captions, None, 0, SEED, only=["nothing"])


def test_one_scene_s_negatives_do_not_depend_on_the_others() -> None:
    captions, elements, first, _ = own()
    image = elements["image_id"][0]
    alone, _ = propose(elements.filter(pl.col("image_id") == image), captions, seed=SEED)
    assert alone.sort("negative_id").equals(first.filter(pl.col("image_id") == image).sort("negative_id"))


def test_another_seed_draws_other_negatives_and_the_same_seed_the_same() -> None:
    captions, elements, first, _ = own()
    assert propose(elements, captions, seed=SEED)[0].equals(first)
    assert not propose(elements, captions, seed=SEED + 1)[0].equals(first)


def test_rank_zero_is_drawn_and_not_always_the_nearest() -> None:
    elements, _ = drawn("A dog is in the garden.")
    captions = caption_table(["A dog is in the garden."])
    firsts = {
        propose(elements, captions, seed=seed)[0].filter((pl.col("rank") == 0) & (pl.col("negative_kind") == "object"))[
            "text"
        ][0]
        for seed in range(10)
    }
    assert len(firsts) > 1


def test_a_thing_may_stand_anywhere_among_its_neighbours() -> None:
    """Were it always in the middle of the five, a reader could tell it without looking."""
    ring = [member.text for member in closed_category().members]
    places: Counter[int] = Counter()
    text = "A star is above a boat. A heart is below the star."
    captions = caption_table([text])
    for seed in range(60):
        elements, _ = drawn(text)
        negatives, _ = propose(elements, captions, seed=seed)
        four = texts(elements, negatives, "object", "star")
        others = [name for name in ring if name not in {"boat", "heart"}]
        turned = [others[(others.index("star") + step) % len(others)] for step in range(-4, 5)]
        five = [name for name in turned if name in four | {"star"}]
        assert len(five) == 5
        places[five.index("star")] += 1
    assert set(places) == set(range(5)) and max(places.values()) < 30


# ---------------------------------------------------------------- drawn from what is true elsewhere
COLORS = ("red", "green", "blue", "yellow", "pink")


def benchmark_of(count: int = 60) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Scenes of a ball of a color (red in two of three), a small size and a pattern, beside a star."""
    sentences = [
        f"A small {'red' if k % 3 else COLORS[k // 3 % 5]} ball is to the left of a star." for k in range(count)
    ]
    captions = caption_table(sentences)
    return captions, extract(captions, PARSER)[0]


def test_within_limits_a_value_that_is_never_true_is_no_negative() -> None:
    captions, elements = benchmark_of()
    negatives, drops = propose(elements, captions, limits=Limits(unheard=0))
    rows = negatives.join(elements.select("element_id", "kind", "category", true="text"), on="element_id")
    colors = rows.filter(pl.col("category") == "color")
    assert colors.height and set(colors["text"]) <= {f"with a {color} color" for color in COLORS}
    # All balls are small, so no four other sizes are true of any.
    assert rows.filter(pl.col("category") == "size").is_empty()
    assert drops.filter(pl.col("reason") == "too_few_true_elsewhere").height >= 60
    free, _ = propose(elements, captions)
    assert free.join(elements.filter(pl.col("category") == "size"), on="element_id", how="semi").height == 240


def test_within_limits_a_value_that_is_nearly_always_true_is_not_asked_about() -> None:
    captions, elements = benchmark_of()
    negatives, drops = propose(elements, captions, limits=Limits(unheard=4, predictable=0.5))
    red = elements.filter(pl.col("text") == "with a red color")["element_id"]
    assert set(red) <= set(drops.filter(pl.col("reason") == "predictable")["item"])
    assert not set(red) & set(negatives["element_id"])
    rare = elements.filter(pl.col("text") == "with a blue color")["element_id"]
    assert set(rare) <= set(negatives["element_id"])


def test_negatives_are_drawn_as_often_as_they_are_true_elsewhere() -> None:
    """Then the true one of the five is no likelier than by its share among them."""
    captions, elements = benchmark_of(300)
    first: Counter[str] = Counter()
    for seed in range(4):
        negatives, _ = propose(elements, captions, limits=Limits(unheard=1), seed=seed)
        blue = elements.filter(pl.col("text") == "with a blue color")["element_id"]
        first.update(negatives.filter(pl.col("element_id").is_in(blue.to_list()))["text"])
    assert first["with a red color"] == max(first.values())


def test_without_captions_the_stated_sentences_stand_for_them() -> None:
    _, elements, _, _ = own()
    negatives, _ = propose(elements, None, seed=SEED)
    assert negatives.height > 0
    assert all(scene.texts for scene in scenes(elements, None))


# ---------------------------------------------------------------- the lexicon
def test_categories_hold_enough_members_and_cover_every_type() -> None:
    covered = {kind for entry in data()["categories"].values() for kind in entry.get("covers", [])}
    assert covered == set(types())
    for category in categories().values():
        names = [member.text for member in category.members]
        assert len(names) == len(set(names))
        assert len(names) >= 5, category.name


def test_general_candidates_are_no_kinds_of_the_noun() -> None:
    for noun in data()["general"]:
        category = general(noun)
        assert category is not None
        assert noun not in {member.text for member in category.members}
        assert not category.members or len(category.members) >= 4, noun


@given(st.sampled_from(["color", "pattern", "material", "shape", "posture"]), st.data())
@settings(max_examples=60, deadline=None)
def test_no_family_is_its_own_neighbor(name: str, draw: st.DataObject) -> None:
    known = families(name)
    assert known is not None
    family = draw.draw(st.sampled_from(known.families))
    word = draw.draw(st.sampled_from(family))
    assert family[0] in known.of(word)
    assert family[0] not in known.near(family[0])
    firsts = {other[0] for other in known.families}
    assert known.near(family[0]) <= firsts


def test_a_hundred_captions_take_well_under_five_seconds() -> None:
    captions = caption_table(read_captions(OWN_CAPTIONS) * 5)
    elements, _ = extract(captions, PARSER)
    start = time.process_time()
    propose(elements, captions, seed=SEED)
    assert time.process_time() - start < 5


def _singulars(text: str) -> str:
    return " " + " ".join(number_free(word) for word in re.findall(r"[a-z'-]+", text.lower())) + " "


def _replaced_objects(elements: pl.DataFrame, negatives: pl.DataFrame) -> list[dict[str, str]]:
    """Return image id and name of every thing that a negative brings in."""
    objects = negatives.filter(pl.col("negative_kind") == "object").select("image_id", pl.col("text").alias("name"))
    absent = negatives.filter(pl.col("negative_kind") == "relation_object")
    there = elements.filter(pl.col("kind") == "object").select("image_id", pl.col("text").alias("target_text"))
    absent = absent.join(there, on=["image_id", "target_text"], how="anti")
    return [*objects.to_dicts(), *absent.select("image_id", pl.col("target_text").alias("name")).to_dicts()]
