"""Tuning images against benchmark images: none that is learnt from may be one that is asked about.

Two images are the same if their files are (SHA-256) or if they look the same: the perceptual hashes of a picture and
its recompressed, rescaled or slightly cropped copy differ in few of their 256 bits. How few: docs/preferences.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from finer.errors import InputError
from finer.schemas import DROPS, LEAKS
from finer.store import drop, table_from

STAGE = "leaks"
SIDE = 16  # bits a side of a perceptual hash: 256 in all
_WORDS = SIDE * SIDE // 64
_BLOCK = 256  # tuning images compared at a time
_DRAFT = 256  # pixels a side that a JPEG is decoded to at least; a hash looks at 64
Hashes = NDArray[np.uint64]


def look_hash(path: str | Path) -> Hashes:
    """Return the perceptual hash of an image as four words of 64 bits."""
    try:
        with Image.open(path) as image:
            image.draft("L", (_DRAFT, _DRAFT))
            return packed(imagehash.phash(image, hash_size=SIDE).hash)
    except OSError as error:
        raise InputError(
            "the image cannot be read", file=path, found=str(error), expected="the image as it was when it was listed",
            cure="fetch the image again and rerun the rule that reads this source",
        ) from error  # fmt: skip


def packed(bits: NDArray[Any]) -> Hashes:
    """Return 256 bits as four words."""
    return np.packbits(bits.reshape(-1)).view(np.uint64)


def look_hashes(images: pl.DataFrame) -> Hashes:
    """Return the hash of each image, one row of four words each."""
    found = [look_hash(path) for path in images["path"]]
    return np.stack(found) if found else np.empty((0, _WORDS), dtype=np.uint64)


def near(one: Hashes, other: Hashes, distance: int) -> Iterator[tuple[int, int, int]]:
    """Yield (row of ``one``, row of ``other``, bits that differ) for each pair at most ``distance`` apart.

    160,000 x 5,500 images are 880 million pairs: a block of rows is held against all others at once.
    """
    for start in range(0, len(one), _BLOCK):
        block = one[start : start + _BLOCK]
        bits = np.zeros((len(block), len(other)), dtype=np.uint16)
        for word in range(_WORDS):
            bits += np.bitwise_count(block[:, word, None] ^ other[None, :, word])
        for row, column in zip(*np.nonzero(bits <= distance), strict=True):
            yield start + int(row), int(column), int(bits[row, column])


def leaks(images: pl.DataFrame, benchmarks: Sequence[pl.DataFrame], source: str, distance: int) -> pl.DataFrame:
    """Return LEAKS: each pair of a tuning image and a benchmark image that are the same, by content or by look.

    Args:
        images: IMAGES of the source.
        benchmarks: IMAGES of each benchmark.
        source: name of the source.
        distance: bits of 256 in which the perceptual hashes of the same picture may differ.
    """
    known = pl.concat(benchmarks) if benchmarks else images.clear()
    known = known.filter(pl.col("path").is_not_null())
    mine = images.filter(pl.col("path").is_not_null())
    if not (known.height and mine.height):
        return LEAKS.empty()
    same = mine.join(known, on="sha256", suffix="_other").select(
        pl.lit(source).alias("source"), "image_id", "file_name", pl.col("benchmark_other").alias("benchmark"),
        pl.col("image_id_other").alias("other_image_id"), pl.col("file_name_other").alias("other_file_name"),
        pl.lit("content").alias("found_by"), pl.lit(0, dtype=pl.Int64).alias("distance"),
    )  # fmt: skip
    found = list(near(look_hashes(mine), look_hashes(known), distance))
    rows, columns = [row for row, _, _ in found], [column for _, column, _ in found]
    alike = pl.DataFrame(
        {
            "source": [source] * len(found), "image_id": mine["image_id"].gather(rows),
            "file_name": mine["file_name"].gather(rows), "benchmark": known["benchmark"].gather(columns),
            "other_image_id": known["image_id"].gather(columns), "other_file_name": known["file_name"].gather(columns),
            "found_by": ["look"] * len(found), "distance": [bits for _, _, bits in found],
        },
        schema=dict(LEAKS.columns),
    )  # fmt: skip
    both = pl.concat([same, alike]).unique(list(LEAKS.key), keep="first", maintain_order=True)
    return both.sort("image_id", "other_image_id")


def without_leaks(preferences: pl.DataFrame, found: pl.DataFrame, source: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the PREFERENCES of images that are no leak, and a drop "leak" for each image that was one."""
    kept = preferences.join(found.select("image_id").unique(), on="image_id", how="anti", maintain_order="left")
    drops = [
        drop(STAGE, source, row["file_name"], "leak", row["image_id"],
             f"{row['found_by']}, {row['distance']} bits: {row['benchmark']} {row['other_file_name']}")
        for row in found.unique("image_id", keep="first", maintain_order=True).iter_rows(named=True)
    ]  # fmt: skip
    return kept, table_from(drops, DROPS)
