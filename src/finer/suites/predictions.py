"""Files of predictions as the two common toolkits write them: VLMEvalKit's table, lmms-eval's samples.

VLMEvalKit: the columns of the data set's own table (index, question, A, B, …, answer, category) and ``prediction``, as
tab-separated values with every field quoted; images are left out. lmms-eval: a JSON object a line with ``doc_id``,
``target``, ``input``, ``filtered_resps`` and, where a filter changed the text, ``resps``; older releases also keep
``doc`` and ``arguments``. What is written here has in addition ``item_id``, ``group_id`` and ``answering``.
"""

from __future__ import annotations

import csv
import io
import json
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finer.errors import InputError
from finer.raw.records import BadItems, BadRecordError, bad_record, decoded, file_bytes, json_lines

LETTERS = string.ascii_uppercase
SUFFIXES = (".tsv", ".jsonl")
FAILED = "Failed to obtain answer via API."  # VLMEvalKit puts this where a request failed; it is not an answer
_TSV = "tab-separated values with a header and a column 'prediction'"
_JSONL = "lines of JSON objects with 'filtered_resps' or 'resps'"
_CURE = "mend the row, or set on_bad_item: drop"
_FIELD_LIMIT = 2**31 - 1  # tables of questions may hold whole images
_QUESTION, _IMAGE = ("question", "text", "query"), ("image_path", "image")
_KEYS = ("index", "question_id", "id", "doc_id")


@dataclass(frozen=True)
class Prediction:
    """One row of a file, as far as it says which question it answers; what it does not say is empty."""

    where: str  # "row 3", "line 3": counted from 1, a header included
    text: str
    item_id: str = ""
    answering: str = ""
    questions: tuple[str, ...] = ()  # the bare question, the whole prompt
    image: str | None = None  # file name or path; "": none is shown; None: the file does not tell
    category: str = ""
    keys: tuple[str, ...] = ()  # index, question id: may be the official key
    options: tuple[str, ...] = ()


# ---------------------------------------------------------------- writing
def tsv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return VLMEvalKit's table of rows (each with the same keys), every field quoted."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def jsonl(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return lmms-eval's samples of the same rows."""
    return "".join(json.dumps(_sample(row), ensure_ascii=False) + "\n" for row in rows)


def _sample(row: Mapping[str, Any]) -> dict[str, Any]:
    own = ("index", "item_id", "answering", "prediction")
    said = row["prediction"]
    return {
        "doc_id": row["index"], "doc": {name: value for name, value in row.items() if name not in own},
        "target": row["answer"], "arguments": [row["question"]], "input": row["question"],
        "resps": [[said]], "filtered_resps": [said], "item_id": row["item_id"], "answering": row["answering"],
    }  # fmt: skip


# ---------------------------------------------------------------- reading
def read_predictions(file: Path, bad: BadItems) -> list[Prediction]:
    """Read a file by its suffix; a row that cannot be read is bad.

    Raises:
        InputError: another suffix, no such file, no column of predictions, or a bad row if these stop the run.
    """
    if file.suffix not in SUFFIXES:
        raise InputError(
            "not a file of predictions that can be read", file=file, found=file.suffix or "no suffix",
            expected=" | ".join(SUFFIXES),
            cure="VLMEvalKit writes .tsv with PRED_FORMAT=tsv in its environment; save a spreadsheet as tab-separated",
        )  # fmt: skip
    is_table = file.suffix == ".tsv"
    found = []
    for where, values in _table(file, bad) if is_table else json_lines(file, _JSONL, bad):
        try:
            row = _of_table(values, where) if is_table else _of_sample(values, file, where)
            _check_answer(row, file)
            found.append(row)
        except BadRecordError as error:
            bad.take(error, where)
    return found


def _table(file: Path, bad: BadItems) -> Iterator[tuple[str, dict[str, str]]]:
    text = decoded(file_bytes(file, _TSV), file)
    csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t")
    try:
        header = next(reader)
        if "prediction" not in header:
            raise InputError(
                "a column is missing", file=file, field="prediction", found=", ".join(header), expected=_TSV,
                cure="name the column of the responses 'prediction'",
            )  # fmt: skip
        for number, values in enumerate(reader, start=2):
            where = f"row {number}"
            if len(values) == len(header):
                yield where, dict(zip(header, values, strict=True))
            elif values:
                error = bad_record(
                    "wrong_length", "the row does not fit the header", file=file, row=where,
                    found=f"{len(values)} values", expected=f"{len(header)} values", cure=_CURE,
                )  # fmt: skip
                bad.take(error, where)
    except csv.Error as error:
        raise InputError("not a table", file=file, row=f"line {reader.line_num}", found=str(error), expected=_TSV,
                         cure="write the file again with quoted fields") from error  # fmt: skip


def _of_table(values: Mapping[str, str], where: str) -> Prediction:
    return Prediction(where, values["prediction"], **_told(values))


def _of_sample(values: Any, file: Path, where: str) -> Prediction:
    if not isinstance(values, dict):
        raise _bad("no_record", "not a record", file, where, None, type(values).__name__, _JSONL)
    doc: dict[str, Any] = values["doc"] if isinstance(values.get("doc"), dict) else {}
    told = _told({**doc, **{name: values[name] for name in ("item_id", "answering", "doc_id") if name in values}})
    prompt = _first(values.get("input", values.get("arguments", "")))
    questions = (*told["questions"], *([prompt] if isinstance(prompt, str) and prompt else []))
    # A filter may have cut the text down to a letter: what was said is in ``resps``, which is left out where equal.
    field = "resps" if "resps" in values else "filtered_resps"
    if field not in values:
        raise _bad("missing_field", "a field is missing", file, where, "filtered_resps", ", ".join(values), _JSONL)
    text = _only(values[field])
    if not isinstance(text, str):
        raise _bad("no_text", "not one text", file, where, field, values[field], "one response")
    return Prediction(where, text, **{**told, "questions": questions})


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record says of its question."""
    texts = {name: str(value) for name, value in values.items() if isinstance(value, str | int) and value != ""}
    options = []
    for letter in LETTERS:
        if letter not in texts:
            break
        options.append(texts[letter])
    return {
        "item_id": texts.get("item_id", ""), "answering": texts.get("answering", ""),
        "questions": tuple(texts[name] for name in _QUESTION if name in texts),
        "image": next((texts.get(name, "") for name in _IMAGE if name in values), None),
        "category": texts.get("category", ""),
        "keys": tuple(texts[name] for name in _KEYS if name in texts), "options": tuple(options),
    }  # fmt: skip


def _first(value: Any) -> Any:
    """Return the first element of lists within lists."""
    while isinstance(value, list) and value:
        value = value[0]
    return value


def _only(value: Any) -> Any:
    """Return the only element of lists within lists."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


def _check_answer(row: Prediction, file: Path) -> None:
    if row.text == FAILED:
        raise _bad("failed_request", "the request had failed: not an answer", file, row.where, "prediction", row.text,
                   "a response")  # fmt: skip
    if any(
        "\ud800" <= character <= "\udfff" for part in (row.text, *row.questions, row.image or "") for character in part
    ):
        raise _bad("not_unicode", "text with half of a surrogate pair", file, row.where, None, row.text, "Unicode text")


def _bad(
    reason: str, message: str, file: Path, where: str, field: str | None, found: object, expected: str
) -> BadRecordError:
    return bad_record(
        reason, message, file=file, row=where, field=field, found=found, expected=expected, cure=_CURE
    )  # fmt: skip
