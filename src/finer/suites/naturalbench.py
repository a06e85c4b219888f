"""NaturalBench: two questions about two images, each answered differently by them.

Official file: Parquet of the split ``train`` (``Index``, ``Image_0``, ``Image_1``, ``Question_0``, ``Question_1``,
``Image_<i>_Question_<q>`` with the four answers, ``Question_Type``), one file or a folder of shards. A group's answers
to (question 0 image 0, question 0 image 1, question 1 image 0, question 1 image 1) are always Yes, No, No, Yes, or A,
B, B, A: the official scorer takes that for granted and never reads the answers, so a group with others is refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl

from finer.raw.records import BadItems, BadRecordError
from finer.suites.files import Record, bad_row, one_of, question_items, text_of
from finer.suites.letters import MAX_NEW_TOKENS, split_sums, whole_groups
from finer.suites.parquet import parquet_files, parquet_rows, unpack
from finer.suites.prompts import wording
from finer.suites.suite import Sources, Statistic, Suite, entry, named, ratio
from finer.suites.yes_no import YES_NO

PLACES = ((0, 0), (0, 1), (1, 0), (1, 1))  # (question, image) in the official order
ANSWERS = {"yes_no": ("Yes", "No"), "multiple_choice": ("A", "B")}
PATTERN = (0, 1, 1, 0)  # places of the right answers
FIELDS = (
    "Index", "Image_0", "Image_1", "Question_0", "Question_1",
    *(f"Image_{image}_Question_{question}" for question, image in PLACES),
)  # fmt: skip
TYPE = ("Question_Type", "Question Type")  # as released, and as an early card spelled it
GROUP = 4
SCORERS = {
    "yes_no": {"official": "whole_word_yes_no", "strict": "strict_yes_no"},
    "letter": {"official": "whole_word_a_b", "strict": "strict_letter"},
}
_OPTIONS = re.compile(r"Options?:\s*A:\s*(?P<A>.*?)[;,]\s*B:\s*(?P<B>.*?)[;.]?\s*$", re.DOTALL)


def read(sources: Sources, bad: BadItems) -> pl.DataFrame:
    """Return ITEMS: four a row; ``group_id`` is the row. Images are unpacked into the folder of images."""
    rows: list[dict[str, Any]] = []
    for file in parquet_files(sources.raw):
        for where, record in parquet_rows(file, FIELDS):
            try:
                rows += [{**item, "where": f"{file.name}, {where}"} for item in _items(sources, file, where, record)]
            except BadRecordError as error:
                bad.take(error, f"{file.name}, {where}")
    return whole_groups(question_items(rows, "naturalbench", sources, bad), GROUP, "group", sources.raw, bad)


def _items(sources: Sources, file: Path, where: str, record: Record) -> list[dict[str, Any]]:
    field = next((name for name in TYPE if name in record), None)
    if field is None:
        raise bad_row("missing_field", "a field is missing", file, where, TYPE[0], ", ".join(record), TYPE[0])
    kind = one_of(record, field, tuple(ANSWERS), file, where)
    _check_pattern(record, kind, file, where)
    index = record["Index"]
    images = [unpack(record, f"Image_{n}", f"{index}_{n}", sources.images, file, where) for n in (0, 1)]
    return [
        {
            "key": f"{index}:q{question}i{image}", "image": images[image], "answer_index": right,
            **_asked(sources, kind, text_of(record, f"Question_{question}", file, where)),
            "grouping": kind, "group_id": f"{index}", "groups": named(question=str(question), image=str(image)),
            "max_new_tokens": MAX_NEW_TOKENS,
        }
        for (question, image), right in zip(PLACES, PATTERN, strict=True)
    ]  # fmt: skip


def _asked(sources: Sources, kind: str, question: str) -> dict[str, Any]:
    if kind == "yes_no":
        prompt = wording("naturalbench", sources.prompt).format(question=question)
        return {"prompt": prompt, "answering": "yes_no", "options": list(YES_NO)}
    prompt = wording("naturalbench_choice", sources.prompt).format(question=question)
    found = _OPTIONS.search(question)
    # Options that cannot be read stand for themselves: only their letters are ever compared.
    return {"prompt": prompt, "answering": "letter", "options": [found["A"], found["B"]] if found else ["A", "B"]}


def _check_pattern(record: Record, kind: str, file: Path, where: str) -> None:
    for (question, image), right in zip(PLACES, PATTERN, strict=True):
        field = f"Image_{image}_Question_{question}"
        one_of(record, field, ANSWERS[kind], file, where)
        if record[field] != ANSWERS[kind][right]:
            raise bad_row("other_pattern", "answers not in the fixed pattern", file, where, field, record[field],
                          ", ".join(ANSWERS[kind][place] for place in PATTERN))  # fmt: skip


def tally(judged: pl.DataFrame) -> pl.DataFrame:
    """Return sums per group, of both types and each: questions, and what of questions, images and groups is whole."""
    rows = judged.with_columns(entry("groups", "question"), entry("groups", "image"))
    groups = rows.group_by("group_id").agg(
        pl.col("grouping").first(), pl.len().alias("n"), pl.col("score").sum().alias("right"),
        pl.col("score").min().alias("whole"),
    )  # fmt: skip
    for name in ("question", "image"):
        pairs = rows.group_by("group_id", name).agg(pl.col("score").min().alias(f"{name}s"))
        groups = groups.join(pairs.group_by("group_id").agg(pl.col(f"{name}s").sum()), on="group_id")
    splits = {"all": pl.lit(True), **{kind: pl.col("grouping") == kind for kind in ANSWERS}}
    names = ("n", "right", "questions", "images", "whole")
    parts = {name: pl.col(name) for name in names} | {"groups": pl.lit(1), "pairs": pl.lit(2)}
    return split_sums(groups, "group_id", splits, parts)


def _statistics() -> tuple[Statistic, ...]:
    shares = {
        "accuracy": ("right", "n"), "question_accuracy": ("questions", "pairs"), "image_accuracy": ("images", "pairs"),
        "group_accuracy": ("whole", "groups"),
    }  # fmt: skip
    return tuple(
        Statistic(name, split, scorer, ratio, (f"{split}.{hits}", f"{split}.{trials}"), f"{split}.{trials}")
        for scorer in ("official", "strict") for split in ("all", *ANSWERS) for name, (hits, trials) in shares.items()
    )  # fmt: skip


SUITE = Suite(
    name="naturalbench", title="NaturalBench", cluster="group of two images", read=read, tally=tally, scorers=SCORERS,
    statistics=_statistics(), column="group_accuracy",
)  # fmt: skip
