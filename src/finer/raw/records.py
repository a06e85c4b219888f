"""Text files of JSON records -> checked records, and the policy for bad ones.

One unreadable image of thousands may be dropped and counted; a file that is not what it says it is stops the
run. Every complaint names the file, the line or row, the field, what was found, what was expected and the cure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import polars as pl
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from finer.errors import InputError
from finer.schemas import DROPS
from finer.store import drop, table_from

OnBadItem = Literal["stop", "drop"]
_Model = TypeVar("_Model", bound="Record")
_BOM = b"\xef\xbb\xbf"


def _storable(value: str) -> str:
    """Refuse lone surrogates: JSON can spell them, no UTF-8 table can hold them."""
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("text with half of a surrogate pair is not Unicode text")
    return value


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("the text is empty")
    return value


Text = Annotated[str, AfterValidator(_storable)]
FilledText = Annotated[Text, AfterValidator(_filled)]


class Record(BaseModel):
    """A record of an official file: types are not coerced, unknown fields of newer releases are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class BadRecordError(InputError):
    """A bad item that ``on_bad_item: drop`` may leave out; ``reason`` is the word it is counted under."""

    reason: str = "bad_row"


def bad_record(reason: str, message: str, **where: Any) -> BadRecordError:
    """Return a droppable error counted under ``reason``; ``where`` as in InputError."""
    error = BadRecordError(message, **where)
    error.reason = reason
    return error


class BadItems:
    """Collects what was left out, or stops at the first bad item."""

    def __init__(self, benchmark: str, on_bad_item: OnBadItem) -> None:
        self.benchmark = benchmark
        self.on_bad_item = on_bad_item
        self.rows: list[dict[str, str | None]] = []

    def take(self, error: BadRecordError, item: str, image_id: str | None = None) -> None:
        """Record ``error`` as a drop of ``item``; with the policy ``stop`` raise it."""
        if self.on_bad_item == "stop":
            raise error
        self.rows.append(drop("read", self.benchmark, item, error.reason, image_id, str(error)))

    def refuse_nothing_left(self, file: Path, kept: int) -> None:
        """Stop if every item was bad: that is a wrong file, not an accident of some rows."""
        if kept == 0:
            raise InputError(
                "no item of the file can be used", file=file, found=self.rows[0]["detail"] if self.rows else "no items",
                expected="at least one good item", cure="check `raw` and `images` of this benchmark",
            )  # fmt: skip

    def table(self) -> pl.DataFrame:
        """Return what was left out as a table of drops."""
        return table_from(self.rows, DROPS)


def file_bytes(file: Path, expected: str) -> bytes:
    """Return the content of a file that must exist and hold something."""
    if not file.is_file():
        raise InputError("no such file", file=file, expected=expected, cure="check `raw` of this benchmark")
    content = file.read_bytes().removeprefix(_BOM)
    if not content.strip():
        raise InputError(
            "the file is empty", file=file, found="no records", expected=expected, cure="fetch the file again"
        )
    return content


def decoded(content: bytes, file: Path, row: str | None = None) -> str:
    """Decode UTF-8; the error tells the byte that is not."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad_record(
            "not_utf8", "not in UTF-8", file=file, row=row,
            found=f"byte 0x{content[error.start]:02x} at position {error.start}", expected="UTF-8 text",
            cure="convert the file to UTF-8 (iconv -f latin1 -t utf-8)",
        ) from error  # fmt: skip


def parsed(text: str, file: Path, row: str | None = None) -> Any:
    """Parse one JSON value."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = f"column {error.colno}" if row is not None else f"line {error.lineno}, column {error.colno}"
        raise bad_record(
            "broken_json", f"not JSON: {error.msg} at {at}", file=file, row=row,
            found=text[max(0, error.pos - 40) : error.pos + 40], expected="one JSON value",
            cure="the file may be cut off: fetch it again, or mend the line",
        ) from error  # fmt: skip
    except RecursionError as error:
        raise bad_record(
            "broken_json", "JSON nested too deeply", file=file, row=row, found=text, expected="a flat record"
        ) from error


def checked(model: type[_Model], value: object, file: Path, row: str) -> _Model:
    """Validate one record; the error names the first field that does not fit."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        missing = first["type"] == "missing"
        field = ".".join(str(part) for part in first["loc"]) or None
        raise bad_record(
            "bad_row", "missing field" if missing else first["msg"], file=file, row=row, field=field,
            found=_present(first["input"]) if missing else _typed(first["input"]),
            expected=_expected(model, first["loc"]), cure="mend the row, or set on_bad_item: drop",
        ) from error  # fmt: skip


def _present(value: object) -> str:
    return f"fields {', '.join(map(str, value)) or '(none)'}" if isinstance(value, dict) else _typed(value)


def _typed(value: object) -> str:
    return f"{type(value).__name__} {value!r}"


def _expected(model: type[Record], location: tuple[int | str, ...]) -> str:
    """Describe the innermost named field of ``location``, or the record itself."""
    names = [part for part in location if isinstance(part, str)]
    for name in names:
        field = model.model_fields.get(name)
        if field is None:
            break
        inner = _record_of(field.annotation)
        if inner is None or name == names[-1]:
            return field.description or str(field.annotation)
        model = inner
    return f"an object with the fields {', '.join(model.model_fields)}"


def _record_of(annotation: Any) -> type[Record] | None:
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, Record):
            return candidate
    return None


def json_lines(file: Path, expected: str, bad: BadItems) -> Iterator[tuple[str, Any]]:
    """Yield ("line 3", value) for each line that holds one.

    A line that cannot be read is a bad item; a file in which no line can be read is not JSON lines and always
    stops the run.
    """
    readable = False
    first_error: BadRecordError | None = None
    for number, line in enumerate(file_bytes(file, expected).splitlines(), start=1):
        row = f"line {number}"
        if not line.strip():
            continue
        try:
            value = parsed(decoded(line, file, row), file, row)
        except BadRecordError as error:
            first_error = first_error or error
            bad.take(error, row)
            continue
        readable = True
        yield row, value
    if not readable and first_error is not None:
        raise InputError(
            f"no line can be read; the first: {first_error.message}", file=file, row=first_error.row,
            found=first_error.found, expected=expected, cure="check that `raw` names the right file",
        )  # fmt: skip
