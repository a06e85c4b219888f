"""Reading a suite's official files: records with their place, fields checked, images found; errors name all of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from finer.errors import InputError
from finer.keys import stable_key
from finer.raw.records import BadItems, BadRecordError, bad_record, decoded, file_bytes
from finer.schemas import ITEMS
from finer.suites.suite import Sources, complete

Record = Mapping[str, Any]


def json_lines(file: Path, fields: Sequence[str], bad: BadItems) -> Iterator[tuple[str, Record]]:
    """Yield ("line 3", record) of a file of JSON lines; a line that is no record with these fields is bad."""
    text = decoded(file_bytes(file, "JSON lines"), file)
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        where = f"line {number}"
        try:
            yield where, _record(_parsed(line, file, where), fields, file, where)
        except BadRecordError as error:
            bad.take(error, where)


def json_array(file: Path, fields: Sequence[str], bad: BadItems) -> Iterator[tuple[str, Record]]:
    """Yield ("row 2", record) of a JSON array, rows counted from 0."""
    found = _whole(file)
    if not isinstance(found, list):
        raise InputError(
            "not a JSON array", file=file, found=type(found).__name__, expected="a list of records",
            cure="fetch the file again",
        )  # fmt: skip
    for number, value in enumerate(found):
        where = f"row {number}"
        try:
            yield where, _record(value, fields, file, where)
        except BadRecordError as error:
            bad.take(error, where)


def json_object(file: Path) -> dict[str, Any]:
    """Return a file that is one JSON object."""
    found = _whole(file)
    if not isinstance(found, dict):
        raise InputError("not a JSON object", file=file, found=type(found).__name__, expected="an object",
                         cure="fetch the file again")  # fmt: skip
    return found


def csv_rows(file: Path, fields: Sequence[str], bad: BadItems, delimiter: str = ",") -> Iterator[tuple[str, Record]]:
    """Yield ("row 2", record) of a CSV file with a header, rows counted from 0."""
    text = decoded(file_bytes(file, "a CSV file with a header"), file)
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    missing = [name for name in fields if name not in (reader.fieldnames or ())]
    if missing:
        raise InputError(
            "a column is missing", file=file, field=missing[0], found=", ".join(reader.fieldnames or ()),
            expected=", ".join(fields), cure="fetch the file again",
        )  # fmt: skip
    for number, value in enumerate(reader):
        where = f"row {number}"
        try:
            yield where, _record(value, fields, file, where)
        except BadRecordError as error:
            bad.take(error, where)


def made(
    records: Iterable[tuple[str, Record]], make: Callable[[str, Record], dict[str, Any]], bad: BadItems
) -> list[dict[str, Any]]:
    """Return what ``make(where, record)`` makes of each record, with its place as ``where``; bad ones are recorded."""
    rows = []
    for where, record in records:
        try:
            rows.append({**make(where, record), "where": where})
        except BadRecordError as error:
            bad.take(error, where)
    return rows


def text_of(record: Record, field: str, file: Path, where: str) -> str:
    """Return a field that must be a text with something in it."""
    value = record[field]
    if not isinstance(value, str) or not value.strip():
        raise bad_row("empty_field", "an empty field", file, where, field, value, "a text")
    return value


def one_of(record: Record, field: str, choices: Sequence[str], file: Path, where: str) -> str:
    """Return a field that must be one of some texts."""
    value = record[field]
    if value not in choices:
        raise bad_row("unknown_label", "an unknown label", file, where, field, value, " | ".join(choices))
    return str(value)


def bad_row(
    reason: str, message: str, file: Path, where: str, field: str, found: object, expected: str
) -> BadRecordError:
    """Return the error of a record that cannot be used; ``reason``: the word that it is counted under."""
    return bad_record(
        reason, message, file=file, row=where, field=field, found=found, expected=expected,
        cure="correct the record, or set on_bad_item: drop",
    )  # fmt: skip


def question_items(rows: Sequence[dict[str, Any]], suite: str, sources: Sources, bad: BadItems) -> pl.DataFrame:
    """Return ITEMS of a suite whose questions have one image or none.

    Args:
        rows: the columns that ``complete`` wants, with ``image`` (a file name under the images' folder, or None) in
            place of ``image_paths`` and ``image_id``, and ``where`` (its place in the official file).

    Raises:
        InputError: two rows with the same key, an image that is missing, or nothing left.
    """
    kept = []
    seen: set[object] = set()
    for row in rows:
        try:
            if row["key"] in seen:
                raise bad_row("row_twice", "a row twice", sources.raw, row["where"], "key", row["key"], "one row a key")
            seen.add(row["key"])
            kept.append({**_with_image(row, sources), "key": str(row["key"])})
        except BadRecordError as error:
            bad.take(error, str(row["key"]))
    bad.refuse_nothing_left(sources.raw, len(kept))
    for row in kept:
        row.pop("where")
    return complete(pl.DataFrame(kept, schema_overrides=_types(kept), infer_schema_length=None), suite, sources)


def _with_image(row: dict[str, Any], sources: Sources) -> dict[str, Any]:
    name = row["image"]
    rest = {key: value for key, value in row.items() if key != "image"}
    if name is None:
        return {**rest, "image_paths": [], "image_id": rest.get("image_id", f"{sources.benchmark}:none:{row['key']}")}
    folder = sources.images.resolve()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise bad_row("bad_image_name", "an image outside its folder", sources.raw, row["where"], "image", name,
                         f"a file under {sources.images}")  # fmt: skip
    if not path.is_file():
        raise bad_row("missing_image", "no such image", sources.raw, row["where"], "image", name,
                         f"a file under {sources.images}")  # fmt: skip
    return {
        **rest, "image_paths": [str(sources.images / name)],
        "image_id": rest.get("image_id", stable_key(sources.benchmark, name)),
    }  # fmt: skip


def _types(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: dtype for name, dtype in ITEMS.columns.items() if rows and name in rows[0]}


def _record(value: Any, fields: Sequence[str], file: Path, where: str) -> Record:
    if not isinstance(value, dict):
        raise bad_row("no_record", "not a record", file, where, "", type(value).__name__, "an object")
    for name in fields:
        if name not in value:
            raise bad_row("missing_field", "a field is missing", file, where, name, ", ".join(value), name)
    return value


def _parsed(line: str, file: Path, where: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise bad_row("not_json", "not JSON", file, where, "", str(error), "a JSON object a line") from error


def _whole(file: Path) -> Any:
    try:
        return json.loads(decoded(file_bytes(file, "a JSON file"), file))
    except json.JSONDecodeError as error:
        raise InputError(
            "not JSON", file=file, found=str(error), expected="a whole JSON file", cure="fetch the file again"
        ) from error
