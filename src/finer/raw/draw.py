"""A part of a large data set, drawn: for a first run at the paper's scale with some hundred images.

An image is drawn by its file name and the seed alone, so that a larger limit keeps what a smaller one had.
"""

from __future__ import annotations

import polars as pl

from finer.keys import stable_key
from finer.schemas import DROPS, IMAGES
from finer.store import drop, table_from

NOT_DRAWN = "not_drawn"


def draw_images(images: pl.DataFrame, limit: int | None, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return at most ``limit`` of the IMAGES (None: all), in their order, and DROPS of the others."""
    if limit is None or images.height <= limit:
        return images, DROPS.empty()
    keys = [stable_key(seed, "draw_images", name) for name in images["file_name"]]
    chosen = images.with_columns(_key=pl.Series(keys)).sort("_key", "image_id")["image_id"].head(limit)
    is_chosen = pl.col("image_id").is_in(chosen.implode())
    rows = [
        drop("read", row["benchmark"], row["file_name"], NOT_DRAWN, row["image_id"], f"limit of {limit} images")
        for row in images.filter(~is_chosen).iter_rows(named=True)
    ]
    return images.filter(is_chosen).select(list(IMAGES.columns)), table_from(rows, DROPS)
