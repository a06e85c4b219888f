"""Preference pairs -> the rows that an adapter is trained on, in the order in which they are drawn.

Every row draws by its own key: a larger draw contains the smaller one, and a row more changes no other row's place
relative to the rest. All steps are expressions over whole columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finer.config import Mixture
from finer.errors import InputError
from finer.keys import stable_key
from finer.schemas import PREFERENCES
from finer.store import check_table

_GROUP = ["source", "_caption", "phrase_type"]  # what one query is drawn of
_HALF = 0.5


def mixture(preferences: pl.DataFrame, wanted: Mixture, seed: int) -> pl.DataFrame:
    """Return the PREFERENCES of a mixture in the order drawn; who needs N pairs takes the first N.

    A row comes the sooner the heavier its type, as the first of exponential waiting times: of what is left, a row of
    a type with weight 2 is twice as likely to be next as one with weight 1.

    Raises:
        InputError: if no row is left.
    """
    rows = preferences.with_columns(_caption=pl.coalesce("caption_id", "image_id"))
    rows = rows.filter(pl.col("phrase_type").is_in(list(wanted.types)))
    if wanted.natural_only:
        rows = rows.filter(pl.col("image_class") == "natural_image")
    rows = _queries(rows, wanted, seed)
    if not rows.height:
        raise InputError(
            "the mixture is empty", field="mixtures", found=wanted.model_dump_json(),
            expected=f"something left of {preferences.height} preference pairs",
            cure="ask for types and queries that the sources have",
        )  # fmt: skip
    weight = pl.col("phrase_type").replace_strict(wanted.types, return_dtype=pl.Float64)
    draws = pl.Series("_draw", uniform(rows["preference_id"], seed, "order"))
    time = -pl.col("_draw").log() / weight
    ordered = rows.with_columns(draws).with_columns(_time=time).sort("_time", "preference_id")
    return check_table(ordered.drop("_caption", "_draw", "_time"), PREFERENCES)


def _queries(rows: pl.DataFrame, wanted: Mixture, seed: int) -> pl.DataFrame:
    """Return the rows of the polarities that are wanted; of each caption and type one, unless both are."""
    if wanted.queries == "both":
        return rows
    if wanted.queries == "negative":
        return rows.filter(pl.col("polarity") == "negative")
    share = _HALF if wanted.positive_share is None else wanted.positive_share
    groups = rows.select(_GROUP).unique(maintain_order=True)
    keys = groups.select(pl.concat_str(_GROUP, separator="\x1f")).to_series()
    coins = groups.with_columns(pl.Series("_positive", uniform(keys, seed, "polarity") < share))
    drawn = rows.join(coins, on=_GROUP, maintain_order="left").with_columns(
        _fits=(pl.col("polarity") == "positive") == pl.col("_positive"),
        _turn=pl.Series(uniform(rows["preference_id"], seed, "turn")),
    )
    if wanted.queries == "share":  # a caption without the polarity drawn gives no row, so that the share is kept
        drawn = drawn.filter("_fits")
    first = drawn.sort([*_GROUP, "_fits", "_turn"], descending=[False, False, False, True, False])
    return first.unique(_GROUP, keep="first", maintain_order=True).drop("_positive", "_fits", "_turn")


def uniform(keys: pl.Series, seed: int, use: str) -> NDArray[np.float64]:
    """Return for each key a number in (0, 1) that depends on it, the seed and the use alone.

    Keys that are 16 hex digits (``stable_key``) are taken as numbers at once, others are hashed first.
    """
    salt = np.uint64(int(stable_key(seed, use), 16))
    mixed = _mixed(_mixed(_numbers(keys)) ^ salt)
    return ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53


def _numbers(keys: pl.Series) -> NDArray[np.uint64]:
    """Return a number for each key, whatever the other keys are."""
    plain = keys.str.contains("^[0-9a-f]{16}$").to_numpy()
    found = np.empty(keys.len(), dtype=np.uint64)
    digits: Any = np.frombuffer("".join(keys.filter(pl.Series(plain)).to_list()).encode("ascii"), dtype=np.uint8)
    digits = digits.reshape(-1, 16)
    values = np.where(digits >= ord("a"), digits - (ord("a") - 10), digits - ord("0")).astype(np.uint64)
    found[plain] = (values << np.arange(60, -1, -4, dtype=np.uint64)).sum(axis=1, dtype=np.uint64)
    found[~plain] = [int(stable_key(key), 16) for key in keys.filter(pl.Series(~plain))]
    return found


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return splitmix64 of each value: every bit of the result depends on every bit of the value."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))
