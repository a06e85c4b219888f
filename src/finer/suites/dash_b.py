"""DASH-B: is an object seen in images retrieved because models see it there although it is not?

Official files, either release:

* ``dash_benchmark_neg.json`` and ``dash_benchmark_pos.json`` (list -> object -> file names), images in
  ``{neg,pos}/<list>/<object>/`` of the two archives;
* Parquet files of the split ``test`` (``dataset``, ``object``, ``question``, ``answer``, ``image_path``, ``img_id``),
  one or a folder of them; the images, embedded there, are read from the archives by ``image_path``.

File names repeat across objects, so an item's key is answer, list, object and file name, in both releases alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from finer.errors import InputError
from finer.raw.records import BadItems, BadRecordError
from finer.suites.files import Record, bad_row, json_object, made, one_of, question_items, text_of
from finer.suites.prompts import wording
from finer.suites.suite import Sources, Statistic, Suite, entry, harmonic_of_ratios, long, named, ratio
from finer.suites.yes_no import YES_NO

SIDES = {"neg": "no", "pos": "yes"}  # folder of the images -> right answer
FIELDS = ("dataset", "object", "question", "answer", "image_path", "img_id")
MAX_NEW_TOKENS = 16


def read(sources: Sources, bad: BadItems) -> pl.DataFrame:
    """Return ITEMS: one an image and object."""
    parquet = [sources.raw] if sources.raw.suffix == ".parquet" else sorted(sources.raw.glob("*.parquet"))
    rows: list[dict[str, Any]] = []
    if parquet:
        for file in parquet:
            rows += made(_table_rows(file), partial(_row, sources, file), bad)
    else:
        for side in SIDES:
            file = sources.raw / f"dash_benchmark_{side}.json"
            rows += made(_list_rows(file, side, bad), partial(_row, sources, file), bad)
    return question_items(rows, "dash_b", sources, bad)


def _list_rows(file: Path, side: str, bad: BadItems) -> Iterator[tuple[str, Record]]:
    """Yield a record with the fields of the Parquet release for each file name, ``question`` apart."""
    for name, objects in json_object(file).items():
        if not isinstance(objects, dict):
            bad.take(_malformed(file, f"list '{name}'", objects, "an object of lists of file names"), name)
            continue
        for thing, files in objects.items():
            where = f"list '{name}', object '{thing}'"
            if not isinstance(files, list):
                bad.take(_malformed(file, where, files, "a list of file names"), where)
                continue
            for image in files:
                yield f"{where}, file '{image}'", {
                    "dataset": name, "object": thing, "answer": SIDES[side], "img_id": image,
                    "image_path": f"{side}/{name}/{thing}/{image}",
                }  # fmt: skip


def _malformed(file: Path, where: str, found: object, expected: str) -> BadRecordError:
    return bad_row("no_record", "not as released", file, where, "", type(found).__name__, expected)


def _table_rows(file: Path) -> Iterator[tuple[str, Record]]:
    try:
        schema = pl.read_parquet_schema(file)
        missing = [name for name in FIELDS if name not in schema]
        rows = [] if missing else pl.read_parquet(file, columns=list(FIELDS)).to_dicts()
    except (pl.exceptions.ComputeError, FileNotFoundError) as error:
        raise InputError("cannot be read as Parquet", file=file, found=str(error), expected="the split 'test'",
                         cure="fetch the file again") from error  # fmt: skip
    if missing:
        raise InputError("a column is missing", file=file, field=missing[0], found=", ".join(schema),
                         expected=", ".join(FIELDS), cure="fetch the file again")  # fmt: skip
    for number, row in enumerate(rows):
        yield f"row {number}", row


def _row(sources: Sources, file: Path, where: str, record: Record) -> dict[str, Any]:
    answer = one_of(record, "answer", YES_NO, file, where)
    name, thing, image = (text_of(record, field, file, where) for field in ("dataset", "object", "img_id"))
    asked = wording("dash_b", sources.prompt).format(object=thing)
    if "question" in record and sources.prompt == "official":
        asked = text_of(record, "question", file, where)
    return {
        "key": f"{answer}:{name}:{thing}:{image}", "image": text_of(record, "image_path", file, where),
        "prompt": asked, "answering": "yes_no", "options": list(YES_NO), "answer_index": YES_NO.index(answer),
        "grouping": name, "group_id": f"{name}:{thing}", "groups": named(file=image), "max_new_tokens": MAX_NEW_TOKENS,
    }  # fmt: skip


def tally(judged: pl.DataFrame) -> pl.DataFrame:
    """Return sums per file name, under which one image stands for several objects: hits and trials of each answer."""
    yes = pl.col("answer_index") == YES_NO.index("yes")
    wide = judged.with_columns(
        entry("groups", "file"), n=pl.lit(1), right=pl.col("score"), yes=yes, no=~yes,
        right_yes=pl.col("score") * yes, right_no=pl.col("score") * ~yes,
    )  # fmt: skip
    return long(wide, "file", "n", "right", "yes", "no", "right_yes", "right_no")


def _statistics() -> tuple[Statistic, ...]:
    found: list[Statistic] = []
    for scorer in ("official", "toolkit", "first_substring"):
        found += [
            Statistic("accuracy", "all", scorer, ratio, ("right", "n"), "n"),
            Statistic("true_negative_rate", "all", scorer, ratio, ("right_no", "no"), "no"),
            Statistic("true_positive_rate", "all", scorer, ratio, ("right_yes", "yes"), "yes"),
            Statistic(
                "harmonic_mean", "all", scorer, harmonic_of_ratios, ("right_yes", "yes", "right_no", "no"), "n"
            ),
        ]  # fmt: skip
    return tuple(found)


SUITE = Suite(
    name="dash_b", title="DASH-B", cluster="image", read=read, tally=tally,
    scorers={"yes_no": {
        "official": "yes_before_no", "toolkit": "one_word_yes_no", "first_substring": "first_substring_yes_no",
    }},
    statistics=_statistics(), column="accuracy", column_scorer="first_substring",
)  # fmt: skip
