"""A CSV of two columns, ``image`` (file name) and ``caption`` -> images and captions, as from DOCCI's file.

The plainest form that users' own captions can have. An image may stand once; its name is the example's id.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from finer.errors import InputError
from finer.raw.docci import DocciRaw, caption_row
from finer.raw.images import ImageShelf
from finer.raw.records import (
    BadItems,
    BadRecordError,
    FilledText,
    OnBadItem,
    Record,
    bad_record,
    checked,
    decoded,
    file_bytes,
)
from finer.schemas import CAPTIONS, IMAGES
from finer.store import table_from

COLUMNS = ("image", "caption")
_EXPECTED = "a CSV with the header image,caption"


class _Captioned(Record):
    image: FilledText = Field(description="text: file name of the image")
    caption: FilledText = Field(description="text: the caption, not empty")


def read_captions_csv(
    table: str | Path, images: str | Path | None, benchmark: str, on_bad_item: OnBadItem = "stop"
) -> DocciRaw:
    """Read the captions and, where a folder is given, check and measure their images.

    Raises:
        InputError: a file that is no such CSV, a name that leaves the folder, and, unless bad items are dropped, a row
            that is short or empty, an image that is missing, broken or named twice.
    """
    file = Path(table)
    bad = BadItems(benchmark, on_bad_item)
    shelf = ImageShelf(None if images is None else Path(images), benchmark, "all")
    captions: list[dict[str, str]] = []
    for row, values in _rows(file):
        item = row
        try:
            record = checked(_Captioned, _fitting(values, file, row), file, row)
            item = record.image
            image_id = shelf.keep(shelf.look(record.image, file, row, "image"))
        except BadRecordError as error:
            bad.take(error, item)
            continue
        captions.append(caption_row(benchmark, image_id, record.image, record.caption))
    bad.refuse_nothing_left(file, len(captions))
    return DocciRaw(table_from(shelf.rows, IMAGES), table_from(captions, CAPTIONS), bad.table())


def _rows(file: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield ("line 2", values) of each row that holds any; a caption may go over several lines."""
    try:
        text = decoded(file_bytes(file, _EXPECTED), file)
    except BadRecordError as error:
        raise InputError(error.message, file, None, None, error.found, _EXPECTED, error.cure) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader)]
        if tuple(header) != COLUMNS:
            raise InputError(
                "not the header of a CSV of captions", file=file, row="line 1", found=",".join(header),
                expected="image,caption", cure='make "image,caption" the first line (commas, no semicolons)',
            )  # fmt: skip
        start = reader.line_num + 1
        for values in reader:
            if values:
                yield f"line {start}", values
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            "not a CSV", file=file, row=f"line {reader.line_num}", found=str(error), expected=_EXPECTED,
            cure='put captions with commas, quotes or line breaks into double quotes, quotes doubled ("")',
        ) from error  # fmt: skip


def _fitting(values: list[str], file: Path, row: str) -> dict[str, str]:
    if len(values) != len(COLUMNS):
        raise bad_record(
            "bad_row", "a row that does not fit the header", file=file, row=row,
            field=COLUMNS[min(len(values), len(COLUMNS) - 1)], found=f"{len(values)} values: {values}",
            expected="an image and a caption",
            cure="put a caption with commas into double quotes, or set on_bad_item: drop",
        )  # fmt: skip
    return {name: value.strip() for name, value in zip(COLUMNS, values, strict=True)}
