"""FINER: the multiple-choice questions of the four settings, answered by letter and by likelihood."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from finer.keys import stable_key
from finer.schemas import IMAGES, ITEMS, PAIRS
from finer.store import check_table, read_table, write_table
from finer.suites.prompts import bare, lettered, version, with_image_paths

SUITE = "finer"


def items(pairs: pl.DataFrame, images: pl.DataFrame) -> pl.DataFrame:
    """Return one item per question and way of answering.

    Both questions of a pair share ``group_id``, and the setting is the cell.

    Args:
        pairs: PAIRS.
        images: IMAGES with a path for each image of the pairs.
    """
    asked = with_image_paths(pairs, images)
    prompts = {
        "letter": [lettered(row["question"], row["options"]) for row in asked.iter_rows(named=True)],
        "likelihood": [bare(question) for question in asked["question"]],
    }
    # A new wording makes another item, so that responses never join items that were asked otherwise.
    keys = [stable_key(SUITE, version(), mcq) for mcq in asked["mcq_id"]]
    built = pl.concat(_rows(asked, keys, answering, texts) for answering, texts in prompts.items())
    return check_table(built.sort("image_id", "grouping", "group_id", "polarity", "answering"), ITEMS)


def _rows(asked: pl.DataFrame, keys: list[str], answering: str, prompts: list[str]) -> pl.DataFrame:
    return asked.select(
        pl.Series("item_id", keys, pl.String),
        pl.lit(SUITE).alias("suite"),
        "benchmark",
        "image_paths",
        "image_id",
        pl.Series("prompt", prompts, pl.String),
        pl.lit(answering).alias("answering"),
        "options",
        pl.col("gt_index").alias("answer_index"),
        pl.col("pair_id").alias("group_id"),
        pl.col("setting").alias("grouping"),
        "polarity",
        "entity_count",
        pl.lit("none").alias("control"),
    )


def build(pairs: str | Path, images: str | Path, out: str | Path) -> None:
    """Read PAIRS and IMAGES, write ITEMS."""
    write_table(items(read_table(pairs, PAIRS), read_table(images, IMAGES)), ITEMS, out)
