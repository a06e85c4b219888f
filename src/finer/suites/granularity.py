"""Seven levels of granularity: yes/no questions with one wrong detail, and the matched right ones."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from finer.keys import stable_key
from finer.schemas import GRANULARITY, IMAGES, ITEMS
from finer.store import check_table, read_table, write_table
from finer.suites.prompts import version, with_image_paths, yes_no
from finer.suites.suite import unused

SUITE = "granularity"
OPTIONS = ("yes", "no")


def items(queries: pl.DataFrame, images: pl.DataFrame) -> pl.DataFrame:
    """Return one item per query; the wrong query and its match share ``group_id``, the level is the cell.

    Args:
        queries: GRANULARITY.
        images: IMAGES with a path for each image of the queries.
    """
    asked = with_image_paths(queries, images)
    keys = [stable_key(SUITE, version(), query) for query in asked["query_id"]]
    built = asked.select(
        pl.Series("item_id", keys, pl.String),
        pl.lit(SUITE).alias("suite"),
        "benchmark",
        "image_paths",
        "image_id",
        pl.Series("prompt", [yes_no(question) for question in asked["question"]], pl.String),
        pl.lit("yes_no").alias("answering"),
        pl.lit(list(OPTIONS), pl.List(pl.String)).alias("options"),
        (pl.col("polarity") == "negative").cast(pl.Int64).alias("answer_index"),
        pl.col("pair_id").alias("group_id"),
        pl.format("level_{}", "level").alias("grouping"),
        "polarity",
        pl.lit(None, pl.Int64).alias("entity_count"),
        pl.lit("none").alias("control"),
        **unused(),
    )
    return check_table(built.sort("image_id", "grouping", "group_id", "polarity"), ITEMS)


def build(queries: str | Path, images: str | Path, out: str | Path) -> None:
    """Read GRANULARITY and IMAGES, write ITEMS."""
    write_table(items(read_table(queries, GRANULARITY), read_table(images, IMAGES)), ITEMS, out)
