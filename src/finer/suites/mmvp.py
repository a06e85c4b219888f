"""MMVP: pairs of images that an image encoder takes for the same, one question, opposite answers.

Official file: ``Questions.csv`` (``Index``, ``Question``, ``Options`` "(a) Open (b) Closed", ``Correct Answer``
"(a)"); images ``1.jpg`` to ``300.jpg`` of the folder ``MMVP Images``. Rows (1, 2), (3, 4), … are pairs, and a row's
image is found by its place, so that the order must be the released one.

The official result is the share of pairs with both questions right, replies judged by GPT-4; no judge is asked here.
Toolkits before December 2025 print the share of single questions. Four labels are known to be wrong
(``CORRECTED``): each number is given by the released labels and by the corrected ones.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from finer.errors import InputError
from finer.raw.records import BadItems
from finer.suites.files import Record, bad_row, csv_rows, made, question_items, text_of
from finer.suites.letters import as_lines, official_file, split_sums, whole_groups
from finer.suites.prompts import LETTERS, wording
from finer.suites.suite import Sources, Statistic, Suite, entry, named, ratio

FILE = "Questions.csv"
FIELDS = ("Index", "Question", "Options", "Correct Answer")
FOLDER = "MMVP Images"
PAIR = 2
MAX_NEW_TOKENS = 64  # the official wording does not ask for the letter alone
#: index -> a word of its question (the correction is of the released question, not of whatever has its number).
#: Reported to the authors; of row 99 the reports disagree. lmms-eval's copy of the data swaps all four.
CORRECTED = {99: "tusks", 100: "tusks", 279: "sitting", 280: "sitting"}
SCORERS = {"toolkit": "toolkit_choice", "lenient": "lenient_letter", "strict": "strict_letter"}
_MARK = re.compile(r"\(([a-e])\)", re.IGNORECASE)


def read(sources: Sources, bad: BadItems) -> pl.DataFrame:
    """Return ITEMS: one a row; ``group_id`` is the pair."""
    file = official_file(sources.raw, FILE)
    rows = made(csv_rows(file, FIELDS, bad), partial(_row, sources, file), bad)
    items = whole_groups(question_items(rows, "mmvp", sources, bad), PAIR, "pair", file, bad)
    return _opposite(items, file, bad)


def _row(sources: Sources, file: Path, where: str, record: Record) -> dict[str, Any]:
    index = int(where.removeprefix("row ")) + 1
    if str(record["Index"]).strip() != str(index):
        raise InputError(
            "a row out of its place", file=file, row=where, field="Index", found=record["Index"], expected=str(index),
            cure="restore the released order: pairs and images go by it",
        )  # fmt: skip
    question, listed = (text_of(record, field, file, where).strip() for field in ("Question", "Options"))
    options = _options(listed, file, where)
    right = _place(text_of(record, "Correct Answer", file, where), options, file, where)
    swapped = str(1 - right) if CORRECTED.get(index, "\n") in question.lower() and len(options) == PAIR else None
    folder = f"{FOLDER}/" if (sources.images / FOLDER).is_dir() else ""
    return {
        "key": f"{index:03d}", "image": f"{folder}{index}.jpg",
        "prompt": wording("mmvp", sources.prompt).format(question=question, options=listed, lines=as_lines(options)),
        "answering": "letter", "options": options, "answer_index": right, "grouping": "single",
        "group_id": f"{(index + 1) // PAIR:03d}", "labels": named(corrected=swapped), "max_new_tokens": MAX_NEW_TOKENS,
    }  # fmt: skip


def _options(listed: str, file: Path, where: str) -> list[str]:
    marks = _MARK.findall(listed)
    texts = [text.strip() for text in _MARK.split(listed)[2::2]]
    if len(marks) < PAIR or "".join(marks).upper() != LETTERS[: len(marks)] or not all(texts):
        raise bad_row("no_options", "options that cannot be told apart", file, where, "Options", listed,
                      "(a) … (b) …")  # fmt: skip
    return texts


def _place(answer: str, options: list[str], file: Path, where: str) -> int:
    letter = answer.strip().strip("()").upper()
    if len(letter) != 1 or letter not in LETTERS[: len(options)]:
        raise bad_row("unknown_label", "an unknown label", file, where, "Correct Answer", answer,
                      " | ".join(f"({one.lower()})" for one in LETTERS[: len(options)]))  # fmt: skip
    return LETTERS.index(letter)


def _opposite(items: pl.DataFrame, file: Path, bad: BadItems) -> pl.DataFrame:
    """Return the items without pairs whose right options read the same: such a pair tests nothing."""
    right = pl.col("options").list.get(pl.col("answer_index")).str.to_lowercase().alias("right")
    same = items.group_by("group_id").agg(right, pl.col("image_id")).filter(pl.col("right").list.n_unique() < PAIR)
    for group, answers, _ in same.sort("group_id").iter_rows():
        bad.take(
            bad_row("same_answer", "a pair with one answer", file, f"pair {int(group)}", "Correct Answer", answers[0],
                    "opposite answers to rows 2n - 1 and 2n"),
            group,
        )  # fmt: skip
    kept = items.join(same, on="group_id", how="anti", maintain_order="left")
    bad.refuse_nothing_left(file, kept.height)
    return kept


def tally(judged: pl.DataFrame) -> pl.DataFrame:
    """Return sums per pair: questions and pairs, right by the released labels and by the corrected ones."""
    corrected = pl.coalesce(entry("labels", "corrected").cast(pl.Int64), pl.col("answer_index"))
    pairs = (
        judged.with_columns(mended=(pl.col("prediction") == corrected).fill_null(False).cast(pl.Float64))
        .group_by("group_id")
        .agg(
            n=pl.len(), right=pl.col("score").sum(), right_corrected=pl.col("mended").sum(),
            both=pl.col("score").min(), both_corrected=pl.col("mended").min(), pairs=pl.lit(1),
        )
    )  # fmt: skip
    parts = ("n", "right", "right_corrected", "pairs", "both", "both_corrected")
    return split_sums(pairs, "group_id", {"all": pl.lit(True)}, {part: pl.col(part) for part in parts})


def _statistics() -> tuple[Statistic, ...]:
    found: list[Statistic] = []
    for scorer in SCORERS:
        for labels, said in (("", ""), ("_corrected", "corrected labels of rows 99, 100, 279 and 280")):
            found += [
                Statistic(f"accuracy{labels}", "all", scorer, ratio, (f"all.right{labels}", "all.n"), "all.n",
                          variant=said or "toolkit before December 2025: single questions"),
                Statistic(f"pair_accuracy{labels}", "all", scorer, ratio, (f"all.both{labels}", "all.pairs"),
                          "all.pairs", variant=said),
            ]  # fmt: skip
    return tuple(found)


SUITE = Suite(
    name="mmvp", title="MMVP", cluster="pair of images", read=read, tally=tally, scorers={"letter": SCORERS},
    statistics=_statistics(), column="accuracy", column_scorer="toolkit",
)  # fmt: skip
