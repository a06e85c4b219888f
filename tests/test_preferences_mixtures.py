"""Mixtures: the share of each polarity and type, the first N of more rows, and nobody's place disturbed."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finer.config import Mixture
from finer.errors import InputError
from finer.keys import stable_key
from finer.preferences.mixtures import mixture, uniform
from finer.schemas import PHRASE_TYPES, PREFERENCES
from finer.store import table_from

MIXTURES = {
    "one": Mixture(queries="one"),
    "both": Mixture(queries="both"),
    "negative": Mixture(queries="negative"),
    "share": Mixture(queries="share", positive_share=0.25),
    "weighted": Mixture(queries="both", types={"obj": 1, "attr": 1, "rel": 2, "wh": 2}),
    "rel": Mixture(queries="both", types={"rel": 1}),
}


def pairs(captions: int, first: int = 0, polarities: tuple[str, ...] = ("positive", "negative")) -> pl.DataFrame:
    rows = [
        {
            "preference_id": stable_key(number, kind, polarity), "source": "s", "image_id": stable_key("i", number),
            "image_path": "i.jpg", "image_class": "natural_image" if number % 4 else "chart_graph",
            "caption_id": stable_key("c", number), "phrase_id": stable_key("p", number, kind),
            "edit_id": stable_key("e", number, kind), "phrase_type": kind, "polarity": polarity, "wording": None,
            "question": "Q?", "chosen": "a", "rejected": "b",
        }
        for number in range(first, first + captions) for kind in PHRASE_TYPES for polarity in polarities
    ]  # fmt: skip
    return table_from(rows, PREFERENCES)


@pytest.fixture(scope="module")
def many() -> pl.DataFrame:
    return pairs(2000)


def ids(frame: pl.DataFrame) -> list[str]:
    return frame["preference_id"].to_list()


@pytest.mark.parametrize("name", MIXTURES)
@settings(max_examples=15, deadline=None)
@given(shuffle=st.integers(0, 100), fewer=st.integers(1, 39))
def test_rows_keep_their_relative_order_when_others_come(name: str, shuffle: int, fewer: int) -> None:
    few, all_rows = pairs(fewer), pairs(40)
    small = ids(mixture(few, MIXTURES[name], 3))
    large = ids(mixture(all_rows.sample(fraction=1, shuffle=True, seed=shuffle), MIXTURES[name], 3))
    kept = set(small)
    assert [each for each in large if each in kept] == small
    assert large == ids(mixture(all_rows, MIXTURES[name], 3))  # the order of the input does not matter


def test_one_takes_one_query_a_caption_and_type(many: pl.DataFrame) -> None:
    drawn = mixture(many, MIXTURES["one"], 1)
    assert drawn.height == many.height // 2
    assert not drawn.select("caption_id", "phrase_type").is_duplicated().any()
    assert 0.47 < (drawn["polarity"] == "positive").mean() < 0.53


def test_one_takes_what_exists_if_only_one_does() -> None:
    only = pairs(50, polarities=("negative",))
    assert mixture(only, MIXTURES["one"], 1).height == only.height
    assert 0 < mixture(only, MIXTURES["share"], 1).height < only.height  # a share is kept, rows are not filled up


def test_share_holds_in_every_prefix(many: pl.DataFrame) -> None:
    drawn = mixture(many, MIXTURES["share"], 1)
    for count in (1000, 4000, drawn.height):
        assert abs((drawn["polarity"].head(count) == "positive").mean() - 0.25) < 0.04


def test_negative_and_both(many: pl.DataFrame) -> None:
    assert set(mixture(many, MIXTURES["negative"], 1)["polarity"]) == {"negative"}
    assert sorted(ids(mixture(many, MIXTURES["both"], 1))) == sorted(ids(many))
    assert set(mixture(many, MIXTURES["rel"], 1)["phrase_type"]) == {"rel"}


def test_weights_hold_in_prefixes(many: pl.DataFrame) -> None:
    drawn = mixture(many, MIXTURES["weighted"], 1)
    for count in (600, 1200):
        share = drawn["phrase_type"].head(count).is_in(["rel", "wh"]).mean()
        assert abs(share - 4 / 6) < 0.05
    assert sorted(ids(drawn)) == sorted(ids(many))


def test_equal_weights_take_types_as_often_as_they_come(many: pl.DataFrame) -> None:
    uneven = many.filter((pl.col("phrase_type") != "wh") | (pl.col("caption_id") < "4"))
    start = mixture(uneven, MIXTURES["both"], 1)["phrase_type"].head(3000)
    assert abs((start == "wh").mean() - (uneven["phrase_type"] == "wh").mean()) < 0.03


def test_natural_only(many: pl.DataFrame) -> None:
    drawn = mixture(many, Mixture(queries="one", natural_only=True), 1)
    assert set(drawn["image_class"]) == {"natural_image"} and drawn.height == many.height * 3 // 8


def test_seed_changes_draws_and_nothing_else_does(many: pl.DataFrame) -> None:
    assert ids(mixture(many, MIXTURES["one"], 1)) == ids(mixture(many, MIXTURES["one"], 1))
    assert ids(mixture(many, MIXTURES["one"], 1)) != ids(mixture(many, MIXTURES["one"], 2))


def test_rows_without_caption_are_grouped_by_image() -> None:
    imported = pairs(30).with_columns(caption_id=pl.lit(None, dtype=pl.String))
    drawn = mixture(imported, MIXTURES["one"], 1)
    assert drawn.height == 120 and drawn["caption_id"].null_count() == 120


def test_an_empty_mixture_is_an_error() -> None:
    with pytest.raises(InputError, match="mixture is empty"):
        mixture(pairs(3, polarities=("positive",)), MIXTURES["negative"], 1)


def test_uniform_numbers_are_uniform_and_independent() -> None:
    keys = pl.Series([stable_key(number) for number in range(20000)])
    one, other = uniform(keys, 1, "order"), uniform(keys, 1, "polarity")
    assert one.min() > 0 and one.max() < 1
    assert abs(one.mean() - 0.5) < 0.01 and abs(one.std() - 12**-0.5) < 0.01
    assert abs(((one - 0.5) * (other - 0.5)).mean()) < 0.003
    mixed = uniform(pl.Series(["x", *keys[:9], "y"]), 1, "order")
    assert mixed[0] == uniform(pl.Series(["x"]), 1, "order")[0] != mixed[-1]
    assert mixed[1:10].tolist() == one[:9].tolist()  # a key of another form disturbs none
