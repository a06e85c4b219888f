"""Negatives whose truth is known: which are true of the scene after all, and which elements that spoils."""

from __future__ import annotations

import polars as pl

from finer.errors import InputError


def judged(negatives: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """Return NEGATIVES with ``is_true`` of TRUTHS.

    Raises:
        InputError: a negative whose truth is not known.
    """
    found = negatives.join(truth, on="negative_id", how="left", validate="m:1")
    unknown = found.filter(pl.col("is_true").is_null())
    if unknown.height:
        raise InputError(
            "a negative whose truth is not known", row=unknown["negative_id"][0], field="is_true",
            expected="true or false for every negative", cure="judge the negatives of all rounds",
        )  # fmt: skip
    return found


def spoiled(negatives: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """Return each element and whether one of its negatives is true: element_id, image_id, spoiled."""
    each = judged(negatives, truth).group_by("element_id", "image_id").agg(spoiled=pl.col("is_true").any())
    return each.sort("element_id")
