"""Granularity: seven levels of context around one wrong element."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings

from finer.queries.granularity import LEVELS, Granularity, granularity_queries
from scene_tables import Picture, Thing, kitchen, pictures, tables


def queries(*scenes: Picture, wanted: int = 4) -> Granularity:
    made = tables(*scenes)
    return granularity_queries(made.elements, made.negatives, made.checks, "b", wanted, 1)


def rich(image_id: str = "image") -> Picture:
    """A cat with three attributes that has relations of both kinds of negatives to things with attributes."""
    scene = kitchen(image_id)
    more = [(0, "is above", 1), (0, "is to the left of", 2), (0, "is below", 3)]
    return Picture(scene.things, [*scene.relations, *more], image_id)


@pytest.fixture(scope="module")
def made() -> Granularity:
    return queries(*(rich(f"image{number}") for number in range(6)))


def asked(made: Granularity, level: int, polarity: str) -> list[str]:
    return made.queries.filter(level=level, polarity=polarity)["question"].to_list()


def test_every_level_has_as_many_wrong_queries_as_wanted(made: Granularity) -> None:
    for level in LEVELS:
        assert len(asked(made, level, "negative")) == len(asked(made, level, "positive")) == 4
    assert made.drops.height == 0


def test_each_wrong_query_is_matched_with_a_true_one_about_the_same_elements(made: Granularity) -> None:
    for _, pair in made.queries.group_by("pair_id"):
        assert sorted(pair["polarity"]) == ["negative", "positive"]
        assert pair["question"].n_unique() == 2
        assert pair.select("image_id", "level", "element_ids", "edited_element_id").n_unique() == 1


def test_wrong_query_names_the_first_negative_of_the_edited_element_or_its_predicate(made: Granularity) -> None:
    scenes = tables(*(rich(f"image{number}") for number in range(6)))
    first = dict(scenes.negatives.filter(pl.col("rank") == 0).select("element_id", "text").iter_rows())
    for row in made.queries.filter(polarity="negative").iter_rows(named=True):
        assert first[row["edited_element_id"]] in row["question"]


@pytest.mark.parametrize(("level", "attributes"), [(2, 1), (3, 2), (4, 3)])
def test_levels_two_to_four_add_attributes_and_the_last_is_wrong(
    made: Granularity, level: int, attributes: int
) -> None:
    for true, wrong in zip(asked(made, level, "positive"), asked(made, level, "negative"), strict=True):
        one, other = true.split(" with ")[1:], wrong.split(" with ")[1:]
        assert len(one) == attributes and one[:-1] == other[:-1] and one[-1] != other[-1]


def test_level_one_asks_for_an_object_alone(made: Granularity) -> None:
    assert all(question.startswith("Can you see a") for question in asked(made, 1, "negative"))
    assert not any(" with " in question or " that " in question for question in asked(made, 1, "negative"))


@pytest.mark.parametrize("level", [5, 6, 7])
def test_levels_five_to_seven_keep_three_true_attributes(made: Granularity, level: int) -> None:
    for true, wrong in zip(asked(made, level, "positive"), asked(made, level, "negative"), strict=True):
        subject, _, rest = true.partition(" that ")
        assert subject.count(" with ") == 3
        assert wrong.startswith(f"{subject} that ") and wrong != f"{subject} that {rest}"
        assert rest.count(" with ") == (level == 7)


def test_the_second_object_is_wrong_at_level_six_only(made: Granularity) -> None:
    def second(question: str) -> str:
        return question.partition(" that ")[2].removesuffix(" in this image?").split(" with ")[0].split()[-1]

    for level in (5, 6, 7):
        same = [
            second(true) == second(wrong)
            for true, wrong in zip(asked(made, level, "positive"), asked(made, level, "negative"), strict=True)
        ]
        assert same == [level != 6] * len(same)


def test_levels_that_the_scenes_cannot_fill_are_recorded() -> None:
    made = queries(Picture([Thing("cat", (("color", "red"),))]), wanted=2)
    assert made.queries["level"].unique().sort().to_list() == [1, 2]
    shortage = made.drops.filter(reason="shortage")
    assert shortage["item"].to_list() == [f"level_{level}" for level in LEVELS]
    assert shortage["detail"][0] == "wanted 2 queries, made 1"


def test_images_share_the_queries_of_a_level(made: Granularity) -> None:
    per_image = made.queries.filter(polarity="negative").group_by("level", "image_id").len()
    assert per_image["len"].max() == 1


@settings(max_examples=25, deadline=None)
@given(pictures())
def test_no_wrong_query_of_any_scene_is_a_true_one(scene: Picture) -> None:
    made = queries(scene, wanted=20).queries
    true = set(made.filter(polarity="positive")["question"])
    assert not true & set(made.filter(polarity="negative")["question"])
