"""DOCCI's `docci_descriptions.jsonlines` -> images and captions.

Without a folder of images the captions alone are read and images are keyed by name: scene graphs, negatives and
questions can be made from text only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import Field

from finer.errors import InputError
from finer.keys import stable_key
from finer.raw.images import ImageShelf
from finer.raw.records import BadItems, BadRecordError, FilledText, OnBadItem, Record, bad_record, checked, json_lines
from finer.schemas import CAPTIONS, IMAGES
from finer.store import table_from

_EXPECTED = "DOCCI's docci_descriptions.jsonlines: one JSON object a line"


class _Description(Record):
    example_id: FilledText = Field(description="text: the example's id, <split>_<digits>")
    split: FilledText = Field(description="text: train, test, qual_dev or qual_test")
    image_file: FilledText = Field(description="text: file name of the image")
    description: FilledText = Field(description="text: the caption, not empty")


@dataclass(frozen=True)
class DocciRaw:
    """What a DOCCI file holds: the tables of images, captions and drops."""

    images: pl.DataFrame
    captions: pl.DataFrame
    drops: pl.DataFrame


def read_docci(
    descriptions: str | Path,
    images: str | Path | None,
    benchmark: str,
    split: str | None = "test",
    on_bad_item: OnBadItem = "stop",
) -> DocciRaw:
    """Read the captions of one split (None: of all) and, where a folder is given, check and measure their images."""
    file = Path(descriptions)
    bad = BadItems(benchmark, on_bad_item)
    shelf = ImageShelf(None if images is None else Path(images), benchmark, split or "all")
    captions: list[dict[str, str]] = []
    first_row: dict[str, str] = {}
    splits: Counter[str] = Counter()
    for row, value in json_lines(file, _EXPECTED, bad):
        item = row
        try:
            record = checked(_Description, value, file, row)
            item = record.example_id
            splits[record.split] += 1
            if split is not None and record.split != split:
                continue
            _refuse_twice(record.example_id, first_row, file, row)
            image_id = shelf.keep(shelf.look(record.image_file, file, row, "image_file"))
        except BadRecordError as error:
            bad.take(error, item)
            continue
        captions.append(caption_row(benchmark, image_id, record.example_id, record.description))
    if split is not None and splits and split not in splits:
        raise InputError(
            "no row of this split", file=file, field="split", found=dict(splits), expected=split,
            cure="set `split` of this benchmark to one of those found",
        )  # fmt: skip
    bad.refuse_nothing_left(file, len(captions))
    return DocciRaw(table_from(shelf.rows, IMAGES), table_from(captions, CAPTIONS), bad.table())


def _refuse_twice(example_id: str, first_row: dict[str, str], file: Path, row: str) -> None:
    if example_id in first_row:
        raise bad_record(
            "duplicate_id", "an example id occurs twice", file=file, row=row, field="example_id",
            found=f"{example_id}, first at {first_row[example_id]}", expected="each id once",
            cure="remove one of the rows, or set on_bad_item: drop",
        )  # fmt: skip
    first_row[example_id] = row


def caption_row(benchmark: str, image_id: str, example_id: str, text: str) -> dict[str, str]:
    """Return a row of the table of captions."""
    return {
        "caption_id": stable_key(image_id, text), "image_id": image_id, "benchmark": benchmark,
        "example_id": example_id, "text": text.strip(),
    }  # fmt: skip
