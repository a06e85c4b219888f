"""Negatives of a micro benchmark -> whether each is true of its scene after all: what thresholds are chosen by."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from finer.errors import InputError
from finer.schemas import TRUTHS
from finer.world.scenes import Scene
from finer.world.truth import is_true


def judge_negatives(
    negatives: pl.DataFrame, elements: pl.DataFrame, images: pl.DataFrame, truth: Mapping[str, Scene]
) -> pl.DataFrame:
    """Return TRUTHS for tables in the shapes of `negatives`, `elements` and `images`.

    What the world has no word for ("is admiring") and places that one might read either way count as not true.

    Raises:
        InputError: an image whose truth is not known.
    """
    names = dict(images.select("image_id", "file_name").iter_rows())
    texts = dict(elements.select("element_id", "text").iter_rows())
    parents = dict(elements.select("element_id", "parent_id").iter_rows())
    targets = dict(elements.select("element_id", "target_id").iter_rows())
    rows = []
    for row in negatives.iter_rows(named=True):
        scene = truth.get(names[row["image_id"]])
        if scene is None:
            raise InputError(
                "no truth for this image", field="file_name", found=names[row["image_id"]],
                expected="an image of the same run of the micro world", cure="rebuild the raw files",
            )  # fmt: skip
        element = row["element_id"]
        parent = texts.get(parents[element] or "", "")
        if row["negative_kind"] == "object":
            found = is_true(scene, row["text"])
        elif row["negative_kind"] == "attribute":
            found = is_true(scene, parent, attribute=row["text"])
        else:
            target = row["target_text"] or texts.get(targets[element] or "", "")
            found = is_true(scene, parent, predicate=row["text"], target=target)
        rows.append((row["negative_id"], bool(found)))
    return pl.DataFrame(rows, schema=dict(TRUTHS.columns), orient="row")
