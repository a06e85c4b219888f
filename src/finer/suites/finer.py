"""FINER: the multiple-choice questions of the four settings, answered by letter."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from finer.keys import stable_key
from finer.schemas import IMAGES, ITEMS, PAIRS
from finer.store import check_table, read_table, write_table
from finer.suites.prompts import lettered, version, with_image_paths

SUITE = "finer"


def items(pairs: pl.DataFrame, images: pl.DataFrame) -> pl.DataFrame:
    """Return one item per question; both questions of a pair share ``group_id``, the setting is the cell.

    Args:
        pairs: PAIRS.
        images: IMAGES with a path for each image of the pairs.
    """
    asked = with_image_paths(pairs, images)
    prompts = [lettered(row["question"], row["options"]) for row in asked.iter_rows(named=True)]
    # A new wording makes another item, so that responses never join items that were asked otherwise.
    keys = [stable_key(SUITE, version(), mcq) for mcq in asked["mcq_id"]]
    built = asked.select(
        pl.Series("item_id", keys, pl.String),
        pl.lit(SUITE).alias("suite"),
        "benchmark",
        "image_paths",
        "image_id",
        pl.Series("prompt", prompts, pl.String),
        pl.lit("letter").alias("answering"),
        "options",
        pl.col("gt_index").alias("answer_index"),
        pl.col("pair_id").alias("group_id"),
        pl.col("setting").alias("grouping"),
        "polarity",
        "entity_count",
        pl.lit("none").alias("control"),
    )
    return check_table(built.sort("image_id", "grouping", "group_id", "polarity"), ITEMS)


def build(pairs: str | Path, images: str | Path, out: str | Path) -> None:
    """Read PAIRS and IMAGES, write ITEMS."""
    write_table(items(read_table(pairs, PAIRS), read_table(images, IMAGES)), ITEMS, out)
