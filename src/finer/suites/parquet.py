"""Parquet releases with embedded images: rows one by one, images unpacked into a folder once."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet
from PIL import Image, UnidentifiedImageError

from finer.errors import InputError
from finer.raw.records import BadRecordError
from finer.store import atomic_path
from finer.suites.files import Record, bad_row

_ROWS = 64  # at once: embedded images are large
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tiff"}


def parquet_files(raw: Path) -> list[Path]:
    """Return the files of a release: ``raw`` itself, or all Parquet files of the folder ``raw`` or its ``data``."""
    if raw.is_file():
        return [raw]
    found = sorted(raw.glob("*.parquet")) or sorted(raw.glob("data/*.parquet"))
    if not found:
        raise InputError("no Parquet file", file=raw, expected="the released *.parquet",
                         cure="check `raw` of this benchmark")  # fmt: skip
    return found


def parquet_rows(file: Path, fields: Sequence[str]) -> Iterator[tuple[str, Record]]:
    """Yield ("row 2", record) of a Parquet file, rows counted from 0.

    Raises:
        InputError: not a Parquet file, or one without these columns.
    """
    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            names = table.schema_arrow.names
            missing = [name for name in fields if name not in names]
            if missing:
                raise InputError("a column is missing", file=file, field=missing[0], found=", ".join(names),
                                 expected=", ".join(fields), cure="fetch the file again")  # fmt: skip
            number = 0
            for batch in table.iter_batches(batch_size=_ROWS):
                for record in batch.to_pylist():
                    yield f"row {number}", record
                    number += 1
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError("cannot be read as Parquet", file=file, found=str(error), expected="a Parquet file",
                         cure="fetch the file again") from error  # fmt: skip


def unpack(record: Record, field: str, stem: str, images: Path, file: Path, where: str) -> str:
    """Return the name of an embedded image's file in the folder ``images``, written there unless it is there.

    Args:
        record: its ``field`` holds the bytes, or {bytes, path}.
        stem: name of the file without suffix; an existing "<stem>.*" is taken as it is.

    Raises:
        BadRecordError: neither a file nor an image in the record.
    """
    for suffix in _SUFFIXES.values():
        if (images / f"{stem}{suffix}").is_file():
            return f"{stem}{suffix}"
    value = record[field]
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes) or not content:
        raise _broken(file, where, field, value if content is None else type(content).__name__)
    try:
        with Image.open(io.BytesIO(content)) as image:
            name = f"{stem}{_SUFFIXES[image.format or '']}"
            image.load()
    except (UnidentifiedImageError, OSError, KeyError, SyntaxError) as error:
        raise _broken(file, where, field, f"{len(content)} bytes: {error}") from error
    images.mkdir(parents=True, exist_ok=True)
    with atomic_path(images / name) as partial:
        partial.write_bytes(content)
    return name


def _broken(file: Path, where: str, field: str, found: object) -> BadRecordError:
    return bad_row("missing_image", "no image", file, where, field, found, f"the bytes of {' | '.join(_SUFFIXES)}")
