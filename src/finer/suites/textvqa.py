"""TextVQA, validation split: what do the words in the picture say? Ten annotators' answers a question.

Official files: ``TextVQA_0.5.1_val.json`` (one object whose ``data`` lists the questions) and the images
``<image_id>.jpg`` of the folder ``train_images``: those of the validation split lie there too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from finer.errors import InputError
from finer.raw.records import BadItems, BadRecordError
from finer.suites.files import Record, bad_row, json_object, made, question_items, text_of
from finer.suites.free import FREE, file_in, split_sums
from finer.suites.prompts import wording
from finer.suites.suite import Sources, Statistic, Suite, ratio

FILE = "TextVQA_0.5.1_val.json"
FIELDS = ("question_id", "image_id", "question", "answers")
ANNOTATORS = 10
MAX_NEW_TOKENS = 32


def read(sources: Sources, bad: BadItems) -> pl.DataFrame:
    """Return ITEMS: one a question; the references are the ten answers in their order, repeated ones included."""
    file = file_in(sources.raw, FILE)
    rows = made(_records(file, bad), partial(_row, sources, file), bad)
    return question_items(rows, "textvqa", sources, bad)


def _records(file: Path, bad: BadItems) -> Iterator[tuple[str, Record]]:
    data = json_object(file).get("data")
    if not isinstance(data, list):
        raise InputError("no list of questions", file=file, field="data", found=type(data).__name__,
                         expected="a list of records", cure=f"give the official {FILE}")  # fmt: skip
    for number, record in enumerate(data):
        where = f"row {number} of data"
        try:
            yield where, _checked(record, file, where)
        except BadRecordError as error:
            bad.take(error, where)


def _checked(record: Any, file: Path, where: str) -> Record:
    if not isinstance(record, dict):
        raise bad_row("no_record", "not a record", file, where, "", type(record).__name__, "an object")
    for name in FIELDS:
        if name not in record:
            raise bad_row("missing_field", "a field is missing", file, where, name, ", ".join(record), name)
    return record


def _row(sources: Sources, file: Path, where: str, record: Record) -> dict[str, Any]:
    answers = record["answers"]
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        raise bad_row("bad_answers", "answers that are no texts", file, where, "answers", answers, "a list of texts")
    if len(answers) != ANNOTATORS:
        raise bad_row("wrong_number_of_answers", "not ten answers", file, where, "answers", len(answers),
                      f"{ANNOTATORS} answers, one an annotator")  # fmt: skip
    question = text_of(record, "question", file, where)
    return {
        "key": record["question_id"], "image": f"{text_of(record, 'image_id', file, where)}.jpg",
        "prompt": wording("textvqa", sources.prompt).format(question=question), "answering": FREE,
        "references": answers, "grouping": "val", "group_id": str(record["question_id"]),
        "max_new_tokens": MAX_NEW_TOKENS,
    }  # fmt: skip


def tally(judged: pl.DataFrame) -> pl.DataFrame:
    """Return sums of soft scores per image."""
    return split_sums(judged, "image_id", {"all": pl.lit(True)}, {"n": pl.lit(1.0), "score": pl.col("score")})


SUITE = Suite(
    name="textvqa", title="TextVQA", cluster="image", read=read, tally=tally,
    scorers={FREE: {"official": "vqa_soft", "toolkit": "vqa_soft_toolkit"}},
    statistics=(
        Statistic("accuracy", "all", "official", ratio, ("all.score", "all.n"), "all.n"),
        Statistic("accuracy", "all", "toolkit", ratio, ("all.score", "all.n"), "all.n",
                  variant="toolkit: its own normaliser of answers"),
    ),
)  # fmt: skip
