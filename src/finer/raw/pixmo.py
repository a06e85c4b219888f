"""PixMo-Cap's parquet (`image_url`, `caption`, `transcripts`) -> images and captions for tuning.

The data set holds URLs, no images. This project downloads nothing: images are looked for in a folder, under the
name that ``image_name`` gives to their URL.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import polars as pl
from pydantic import Field

from finer.errors import InputError
from finer.keys import stable_key
from finer.raw.images import ImageShelf
from finer.raw.records import BadItems, BadRecordError, FilledText, OnBadItem, Record, checked, file_bytes
from finer.schemas import CAPTIONS, IMAGES
from finer.store import table_from

_EXPECTED = "PixMo-Cap's parquet: image_url, caption, transcripts"
_COLUMNS = ("image_url", "caption")


class _Row(Record):
    image_url: FilledText = Field(description="text: URL or file name of the image")
    caption: FilledText = Field(description="text: the long caption, not empty")


@dataclass(frozen=True)
class PixmoRaw:
    """What a PixMo-Cap file holds: the tables of images, captions and drops."""

    images: pl.DataFrame
    captions: pl.DataFrame
    drops: pl.DataFrame


def image_name(url: str) -> str:
    """Return the local file name of an image: of a web address a hash (last parts repeat), else the name itself."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https"):
        return stable_key(url) + PurePosixPath(parts.path).suffix.lower()
    return url


def read_pixmo(
    captions: str | Path,
    images: str | Path | None,
    benchmark: str,
    split: str = "train",
    on_bad_item: OnBadItem = "stop",
) -> PixmoRaw:
    """Read the captions and, where a folder is given, check and measure their images."""
    file = Path(captions)
    bad = BadItems(benchmark, on_bad_item)
    shelf = ImageShelf(None if images is None else Path(images), benchmark, split)
    rows: list[dict[str, str]] = []
    for number, value in enumerate(_table(file).iter_rows(named=True)):
        where = f"row {number}"
        try:
            record = checked(_Row, value, file, where)
            name = image_name(record.image_url)
            image_id = shelf.keep(shelf.look(name, file, where, "image_url"))
        except BadRecordError as error:
            bad.take(error, str(value["image_url"] or where))
            continue
        rows.append(
            {
                "caption_id": stable_key(image_id, record.caption), "image_id": image_id, "benchmark": benchmark,
                "example_id": record.image_url, "text": record.caption.strip(),
            }
        )  # fmt: skip
    bad.refuse_nothing_left(file, len(rows))
    return PixmoRaw(table_from(shelf.rows, IMAGES), table_from(rows, CAPTIONS), bad.table())


def _table(file: Path) -> pl.DataFrame:
    file_bytes(file, _EXPECTED)
    try:
        frame = pl.read_parquet(file)
    except pl.exceptions.PolarsError as error:
        raise InputError(
            "cannot be read as Parquet", file=file, found=str(error), expected=_EXPECTED, cure="fetch the file again"
        ) from error
    missing = [name for name in _COLUMNS if name not in frame.columns]
    if missing:
        raise InputError(
            "missing field", file=file, field=missing[0], found=", ".join(frame.columns), expected=_EXPECTED,
            cure="check that `raw` names the right file",
        )  # fmt: skip
    return frame.select(_COLUMNS)
