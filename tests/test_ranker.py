"""A reader of the text alone finds a planted leak, says of which kind it is, and finds nothing where there is none."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import polars as pl
import pytest

from finer.errors import InputError
from finer.schemas import PAIRS, TEXT_RANKER
from finer.stats.ranker import FEATURE_SETS, rank
from finer.store import check_table, table_from

CHOICES = {"seed": 5, "resamples": 200, "confidence": 0.95}
COLORS = ["red", "green", "blue", "pink", "cyan", "gold", "teal", "plum", "navy", "lime"]
Phrases = Callable[[Random, int], list[str]]  # of one pair, the true one first


def fair(rng: Random, _: int) -> list[str]:
    return [f"the ball with a {color} color" for color in rng.sample(COLORS, 5)]


def known_value(rng: Random, _: int) -> list[str]:
    true, others = rng.choice(COLORS[:2]), rng.sample(COLORS[2:], 4)
    return [f"the ball with a {color} color" for color in (true, *others)]


def longest(rng: Random, number: int) -> list[str]:
    return [f"{'very ' * (place == 0)}odd ball {rng.randrange(10**6)}" for place in range(5)]


def centre(rng: Random, _: int) -> list[str]:
    one, two = (rng.sample(range(10**6), 3) for _ in "ab")
    pairs = [(one[0], two[0]), (one[1], two[0]), (one[2], two[0]), (one[0], two[1]), (one[0], two[2])]
    return [f"a {first} that is above the {second}" for first, second in pairs]


def of_the_image(rng: Random, number: int) -> list[str]:
    """What is true is the same for all pairs of an image (of five), and of no other."""
    true = COLORS[number // 5 % 10]
    return [f"the ball with a {color} color" for color in (true, *rng.sample([c for c in COLORS if c != true], 4))]


def pairs(phrases: Phrases, place: int | None = None, count: int = 300) -> pl.DataFrame:
    """Pairs of a list setting; ``place``: where the right option stands, by default anywhere."""
    rows = []
    for number in range(count):
        rng = Random(f"{phrases.__name__} {number}")
        true, *false = phrases(rng, number)
        for polarity in ("positive", "negative"):
            asked = true if polarity == "positive" else false[0]
            options = [f"{'Yes, I' if text == asked else 'No, but I'} can see {text}." for text in (true, *false)]
            order = rng.sample(range(5), 5)
            if place is not None:
                order.remove(0)
                order.insert(place, 0)
            rows.append({
                "mcq_id": f"{number}-{polarity}", "pair_id": f"p{number}", "image_id": f"i{number // 5}",
                "benchmark": "b", "setting": "multi_attr", "polarity": polarity, "qtype": "x",
                "question": f"Can you see {asked} in this image?", "options": [options[k] for k in order],
                "gt_index": order.index(0), "entity_count": 1, "edited_slot": 0, "negative_kind": "attribute",
                "edited_element_id": "e", "element_ids": ["e"], "check": "passed",
            })  # fmt: skip
    return table_from(rows, PAIRS)


def found(table: pl.DataFrame) -> dict[str, float]:
    return dict(rank(table, **CHOICES).select("features", "value").iter_rows())


def test_without_a_leak_every_reader_is_at_one_in_five() -> None:
    ranked = rank(pairs(fair, count=600), **CHOICES)
    assert set(ranked["features"]) == set(FEATURE_SETS)
    assert ranked["value"].is_between(14, 26).all() and ranked.filter(features="all")["value"].is_between(16, 24).all()
    assert ((ranked["ci_low"] < ranked["value"]) & (ranked["value"] < ranked["ci_high"])).all()
    assert (ranked["n"].unique().to_list(), ranked["n_images"].unique().to_list()) == ([600], [120])
    check_table(ranked, TEXT_RANKER)


@pytest.mark.parametrize(("phrases", "features"), [(known_value, "prior"), (longest, "length"), (centre, "similarity")])
def test_a_planted_leak_is_found_by_its_features_and_by_all(phrases: Phrases, features: str) -> None:
    values = found(pairs(phrases))
    assert values[features] > 45 and values["all"] > 45
    assert values["position"] < 30


def test_a_right_answer_that_often_stands_first_is_found_by_position() -> None:
    values = found(pairs(fair, place=0))
    assert values["position"] > 90 and values["all"] > 90
    assert values["prior"] < 30


def test_what_is_true_of_an_image_helps_with_no_other() -> None:
    """Pairs of one image are in one fold, so a reader cannot learn from one what is true in the next."""
    assert found(pairs(of_the_image))["all"] < 35


def test_another_order_of_the_rows_changes_nothing() -> None:
    table = pairs(known_value, count=60)
    assert rank(table.reverse(), **CHOICES).equals(rank(table, **CHOICES))


def test_a_question_without_its_partner_is_an_error() -> None:
    with pytest.raises(InputError, match="not a pair"):
        rank(pairs(fair, count=10).head(19), **CHOICES)
