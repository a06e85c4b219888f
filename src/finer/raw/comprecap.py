"""CompreCap's `anno.json` -> images and typed annotations (objects, descriptions, relation sentences).

The file is a list with one entry an image; `mask_out` is base64 of zlib of the flat uint8 mask, height x width of
the image file. `relation` is a list of sentences; a bare string is read as one sentence, an empty one as none.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from finer.errors import InputError
from finer.raw.images import ImageShelf
from finer.raw.records import (
    BadItems,
    BadRecordError,
    FilledText,
    OnBadItem,
    Record,
    Text,
    bad_record,
    checked,
    decoded,
    file_bytes,
    parsed,
)
from finer.schemas import IMAGES
from finer.store import table_from

_EXPECTED = "CompreCap's anno.json: a list of {image, info}"


class _ObjectRecord(Record):
    category: FilledText = Field(description="text: the object's category")
    short_description: Text = Field(description="text: the short description")
    extend_description: Text = Field(description="text: the extended description")
    mask_out: Text = Field(description="text: base64 of zlib of the flat mask")
    relation: list[Text] | Text = Field(description="a list of sentences")


class _ImageRecord(Record):
    image: FilledText = Field(description="text: file name of the image")
    info: list[_ObjectRecord] = Field(description="a list with one entry an object")


@dataclass(frozen=True)
class AnnotatedObject:
    """One annotated object: its category, two descriptions and the sentences in which it is the subject."""

    category: str
    short_description: str
    extended_description: str
    relations: tuple[str, ...]


@dataclass(frozen=True)
class AnnotatedImage:
    """The human scene graph of one image, still in sentences."""

    image_id: str
    benchmark: str
    file_name: str
    objects: tuple[AnnotatedObject, ...]


@dataclass(frozen=True)
class ComprecapRaw:
    """What a CompreCap folder holds: the tables of images and drops, and the annotations of the images kept."""

    images: pl.DataFrame
    annotations: tuple[AnnotatedImage, ...]
    drops: pl.DataFrame


def read_comprecap(
    annotations: str | Path,
    images: str | Path,
    benchmark: str,
    on_bad_item: OnBadItem = "stop",
    split: str = "test",
) -> ComprecapRaw:
    """Read and check annotations and images; each image is decoded, each mask measured against its image.

    An image with one bad object is dropped whole: a scene graph that lacks an object which the photo shows would
    let that object pass as a negative.
    """
    file = Path(annotations)
    bad = BadItems(benchmark, on_bad_item)
    shelf = ImageShelf(Path(images), benchmark, split)
    kept: list[AnnotatedImage] = []
    for row, value in _entries(file):
        name = value.get("image") if isinstance(value, dict) else None
        item = name if isinstance(name, str) and name.isprintable() else row
        try:
            record = checked(_ImageRecord, value, file, row)
            image = shelf.look(record.image, file, row, "image")
            _check_masks(record, _number(image["width"]) * _number(image["height"]), file, row)
        except BadRecordError as error:
            bad.take(error, item)
            continue
        kept.append(_annotated(record, shelf.keep(image), benchmark))
    bad.refuse_nothing_left(file, len(kept))
    return ComprecapRaw(table_from(shelf.rows, IMAGES), tuple(kept), bad.table())


def annotations_of(annotations: str | Path, images: pl.DataFrame) -> tuple[AnnotatedImage, ...]:
    """Return the annotations of the images in the table, in the file's order, without opening any image.

    For the verb after ``read_comprecap``: what that one left out stays out.
    """
    file = Path(annotations)
    columns = images.select("file_name", "image_id", "benchmark")
    known = {name: (image_id, benchmark) for name, image_id, benchmark in columns.iter_rows()}
    kept: list[AnnotatedImage] = []
    for row, value in _entries(file):
        if not isinstance(value, dict) or value.get("image") not in known:
            continue
        try:
            record = checked(_ImageRecord, value, file, row)
        except BadRecordError:
            continue  # dropped when the images were read; if nothing better follows, the check below says so
        kept.append(_annotated(record, *known.pop(record.image)))
    if known:
        raise InputError(
            "images of the table are not annotated in this file", file=file, found=sorted(known)[0],
            expected=f"an entry for each of {images.height} images", cure="rerun the rule that reads the raw files",
        )  # fmt: skip
    return tuple(kept)


def _entries(file: Path) -> Sequence[tuple[str, Any]]:
    content = file_bytes(file, _EXPECTED)
    try:
        whole = parsed(decoded(content, file), file)
    except BadRecordError as error:  # one JSON value: there is nothing to go on with
        raise InputError(error.message, error.file, None, error.field, error.found, _EXPECTED, error.cure) from error
    if not isinstance(whole, list):
        raise InputError("not a list", file=file, found=type(whole).__name__, expected=_EXPECTED, cure="check `raw`")
    if not whole:
        raise InputError("the list is empty", file=file, found="[]", expected=_EXPECTED, cure="check `raw`")
    return [(f"entry {number}", value) for number, value in enumerate(whole, start=1)]


def _annotated(record: _ImageRecord, image_id: str, benchmark: str) -> AnnotatedImage:
    objects = tuple(
        AnnotatedObject(
            entry.category.strip(), entry.short_description.strip(), entry.extend_description.strip(),
            _sentences(entry.relation),
        )
        for entry in record.info
    )  # fmt: skip
    return AnnotatedImage(image_id, benchmark, record.image, objects)


def _sentences(relation: list[str] | str) -> tuple[str, ...]:
    listed = [relation] if isinstance(relation, str) else relation
    return tuple(sentence.strip() for sentence in listed if sentence.strip())


def _number(value: str | int | None) -> int:
    assert isinstance(value, int)
    return value


def _check_masks(record: _ImageRecord, size: int, file: Path, row: str) -> None:
    for number, entry in enumerate(record.info, start=1):
        where = {"file": file, "row": f"{row}, object {number} ('{entry.category}')", "field": "mask_out"}
        cure = "the mask may belong to another image: fetch both again, or set on_bad_item: drop"
        try:
            packed = base64.b64decode(entry.mask_out, validate=True)
            # One byte more than expected is enough to know, so a hostile mask cannot fill the memory.
            unpacker = zlib.decompressobj()
            found = len(unpacker.decompress(packed, size + 1))
        except (binascii.Error, ValueError, zlib.error) as error:
            raise bad_record(
                "bad_mask", f"the mask cannot be unpacked: {error}", found=entry.mask_out,
                expected="base64 of zlib of the flat uint8 mask", cure=cure, **where,
            ) from error  # fmt: skip
        if found != size or not unpacker.eof:
            raise bad_record(
                "bad_mask", "the mask has another size than the image",
                found=f"more than {size} bytes" if found > size else f"{found} bytes, then the data end",
                expected=f"{size} bytes (image height x width)", cure=cure, **where,
            )  # fmt: skip
