"""Pairs <-> the interchange CSVs: one file a setting, the two rows of a pair adjacent.

Columns: `image, qtype, question, choice1..choice5, gt_index` (0-based). No pair id, entity count or slot is in it,
so after an import these are empty, and what depends on them is left out.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from finer.errors import InputError
from finer.keys import stable_key
from finer.raw.images import ImageShelf
from finer.raw.records import BadItems, BadRecordError, OnBadItem, bad_record, decoded, file_bytes
from finer.schemas import IMAGES, PAIRS, SETTINGS
from finer.store import table_from, write_text

OPTIONS = 5
COLUMNS = ("image", "qtype", "question", *(f"choice{number}" for number in range(1, OPTIONS + 1)), "gt_index")
_POLARITY = {"pos": "positive", "neg": "negative"}
_EXPECTED = f"a CSV with the columns {', '.join(COLUMNS)}"


@dataclass(frozen=True)
class InterchangeRaw:
    """What a folder of interchange CSVs holds: the tables of images, pairs and drops."""

    images: pl.DataFrame
    pairs: pl.DataFrame
    drops: pl.DataFrame


def interchange_csv(pairs: pl.DataFrame, images: pl.DataFrame, setting: str) -> str:
    """Return the CSV of one setting, in the order of the table."""
    named = pairs.filter(pl.col("setting") == setting).join(
        images.select("image_id", "file_name"), on="image_id", how="left", maintain_order="left"
    )
    if named["file_name"].null_count():
        raise InputError(
            "pairs of images that the table of images does not hold", field="image_id",
            found=named.filter(pl.col("file_name").is_null())["image_id"][0],
            expected="the images of the same benchmark", cure="rebuild both tables",
        )  # fmt: skip
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in named.iter_rows(named=True):
        writer.writerow((row["file_name"], row["qtype"], row["question"], *row["options"], row["gt_index"]))
    return text.getvalue()


def export_interchange(pairs: pl.DataFrame, images: pl.DataFrame, folder: str | Path) -> list[Path]:
    """Write one CSV for each of the four settings (without rows where there is no pair); return the paths."""
    paths = [Path(folder) / f"{setting}.csv" for setting in SETTINGS]
    for setting, path in zip(SETTINGS, paths, strict=True):
        write_text(path, interchange_csv(pairs, images, setting))
    return paths


@dataclass(frozen=True)
class _Question:
    """One row of a file."""

    row: str
    image: str
    qtype: str
    question: str
    options: tuple[str, ...]
    gt_index: int

    @property
    def base(self) -> str:
        return self.qtype.rpartition("_")[0]

    @property
    def polarity(self) -> str:
        return _POLARITY[self.qtype.rpartition("_")[2]]


def import_interchange(
    folder: str | Path,
    images: str | Path | None,
    benchmark: str,
    on_bad_item: OnBadItem = "stop",
    split: str = "test",
) -> InterchangeRaw:
    """Read and check a released benchmark; ``images`` None: questions only, images keyed by name.

    A missing or unreadable image can be dropped with its pairs; a fault in the rows always stops, since one row
    too few shifts every pair after it.
    """
    bad = BadItems(benchmark, on_bad_item)
    shelf = ImageShelf(None if images is None else Path(images), benchmark, split)
    known: dict[str, str | None] = {}
    repeats: Counter[str] = Counter()
    rows: list[dict[str, object]] = []
    for file in _files(Path(folder)):
        for pair in _pairs(file):
            image_id = _image(pair[0], file, shelf, known, bad)
            if image_id is not None:
                rows.extend(_rows(pair, image_id, benchmark, file.stem, repeats))
    bad.refuse_nothing_left(Path(folder), len(rows))
    return InterchangeRaw(table_from(shelf.rows, IMAGES), table_from(rows, PAIRS), bad.table())


def _files(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.csv"))
    unknown = [file for file in found if file.stem not in SETTINGS]
    if not found or unknown:
        raise InputError(
            "no interchange CSV" if not found else "the file is named after no setting", file=(unknown or [folder])[0],
            found=", ".join(file.name for file in found) or "no .csv file",
            expected=", ".join(f"{setting}.csv" for setting in SETTINGS), cure="name each file after its setting",
        )  # fmt: skip
    return [folder / f"{setting}.csv" for setting in SETTINGS if folder / f"{setting}.csv" in found]


def _pairs(file: Path) -> Iterator[tuple[_Question, _Question]]:
    """Yield adjacent rows as (positive, negative)."""
    questions = [_question(values, file, f"row {number}") for number, values in enumerate(_records(file), start=2)]
    for first, second in zip(questions[::2], questions[1::2], strict=False):
        for field, one, other in (("image", first.image, second.image), ("qtype", first.base, second.base)):
            if one != other:
                raise _fault(file, second.row, field, f"{other!r} after {one!r}", "the same as in the row before",
                             "the two rows of a pair do not belong together")  # fmt: skip
        if first.polarity == second.polarity:
            raise _fault(file, second.row, "qtype", second.qtype, "one _pos and one _neg row",
                         "both rows of a pair have the same polarity")  # fmt: skip
        yield (first, second) if first.polarity == "positive" else (second, first)
    if len(questions) % 2:
        raise _fault(file, questions[-1].row, "image", f"{len(questions)} rows", "an even number of rows",
                     "the last row has no partner")  # fmt: skip


def _records(file: Path) -> Iterator[dict[str, str]]:
    try:
        text = decoded(file_bytes(file, _EXPECTED), file)
    except BadRecordError as error:
        raise InputError(error.message, file, None, None, error.found, _EXPECTED, error.cure) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader)
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise _fault(file, "row 1", missing[0], ", ".join(header), _EXPECTED, "missing column")
        for number, values in enumerate(reader, start=2):
            if len(values) != len(header):
                raise _fault(file, f"row {number}", None, f"{len(values)} values", f"{len(header)} values",
                             "the row does not fit the header")  # fmt: skip
            yield dict(zip(header, values, strict=True))
    except csv.Error as error:
        raise _fault(file, f"line {reader.line_num}", None, str(error), _EXPECTED, "not a CSV") from error


def _question(values: dict[str, str], file: Path, row: str) -> _Question:
    for name in COLUMNS:
        if not values[name].strip():
            raise _fault(file, row, name, "nothing", "a value", "empty value")
    if values["qtype"].rpartition("_")[2] not in _POLARITY:
        raise _fault(file, row, "qtype", values["qtype"], "a qtype that ends in _pos or _neg", "unknown qtype")
    index = values["gt_index"]
    if index not in [str(number) for number in range(OPTIONS)]:
        raise _fault(file, row, "gt_index", index, f"0 to {OPTIONS - 1}", "no such option")
    options = tuple(values[f"choice{number}"] for number in range(1, OPTIONS + 1))
    return _Question(row, values["image"], values["qtype"], values["question"], options, int(index))


def _fault(file: Path, row: str, field: str | None, found: str, expected: str, message: str) -> InputError:
    cure = "mend the row; rows are counted from 1, the header included"
    return InputError(message, file=file, row=row, field=field, found=found, expected=expected, cure=cure)


def _image(
    question: _Question, file: Path, shelf: ImageShelf, known: dict[str, str | None], bad: BadItems
) -> str | None:
    """Return the image id, reading each image once; None if it was dropped."""
    name = question.image
    if name not in known:
        try:
            known[name] = shelf.keep(shelf.look(name, file, question.row, "image"))
        except BadRecordError as error:
            bad.take(error, name)
            known[name] = None
    elif known[name] is None:
        bad.take(
            bad_record("missing_image", "the pair's image was dropped", file=file, row=question.row, field="image"),
            name,
        )
    return known[name]


def _rows(
    pair: tuple[_Question, _Question], image_id: str, benchmark: str, setting: str, repeats: Counter[str]
) -> Iterator[dict[str, object]]:
    content = stable_key(benchmark, image_id, setting, *((each.question, each.options) for each in pair))
    repeats[content] += 1  # the same pair may stand twice in a release; both count there, so both count here
    pair_id = content if repeats[content] == 1 else stable_key(content, repeats[content])
    for each in pair:
        yield {
            "mcq_id": stable_key(pair_id, each.polarity), "pair_id": pair_id, "image_id": image_id,
            "benchmark": benchmark, "setting": setting, "polarity": each.polarity, "qtype": each.qtype,
            "question": each.question, "options": list(each.options), "gt_index": each.gt_index,
            "entity_count": None, "edited_slot": None, "negative_kind": None, "edited_element_id": None,
            "element_ids": None, "check": None,
        }  # fmt: skip
