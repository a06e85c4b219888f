"""CRPE, relation split: who stands in which relation to what? Lettered questions asked in all four rotations.

Official file: ``crpe_relation.jsonl`` (``question_id``, ``image``, ``text``, ``correct_option``, ``category``), the
four rotations of a question in consecutive rows; images under ``coco/val2017/`` and ``abnormal_images/``. The official
script cuts each category, in the file's order, into blocks of four, so the order must be the released one; here
it is checked, and a group is known by what it asks.

The official overall is the plain mean of subject, predicate and object; the toolkit's is over all groups alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from finer.errors import InputError
from finer.raw.records import BadItems, BadRecordError
from finer.suites.files import Record, bad_row, json_lines, made, one_of, question_items, text_of
from finer.suites.letters import MAX_NEW_TOKENS, official_file, option_lines, split_sums, whole_groups
from finer.suites.prompts import wording
from finer.suites.suite import Sources, Statistic, Suite, mean_of_ratios, ratio

FILE = "crpe_relation.jsonl"
FIELDS = ("question_id", "image", "text", "correct_option", "category")
CATEGORIES = ("subject", "predicate", "object")
ROTATIONS = 4
LETTERS = "ABCD"
SCORERS = {"official": "one_character_letter", "lenient": "lenient_letter", "toolkit": "crpe_toolkit_choice"}


def read(sources: Sources, bad: BadItems) -> pl.DataFrame:
    """Return ITEMS: one a rotation; ``group_id`` is the circular group."""
    file = official_file(sources.raw, FILE)
    rows = made(json_lines(file, FIELDS, bad), partial(_row, sources, file), bad)
    return whole_groups(
        question_items(_grouped(rows, file, bad), "crpe_relation", sources, bad), ROTATIONS, "circular group", file, bad
    )


def _row(sources: Sources, file: Path, where: str, record: Record) -> dict[str, Any]:
    text = text_of(record, "text", file, where)
    category = one_of(record, "category", CATEGORIES, file, where)
    letter = one_of(record, "correct_option", tuple(LETTERS), file, where)
    found = option_lines(text)
    if found is None or len(found[1]) != ROTATIONS:
        raise bad_row("no_options", "a text without its options", file, where, "text", text,
                      "a question and four lines 'A. …' to 'D. …'")  # fmt: skip
    question, options = found
    return {
        "key": f"{record['question_id']}", "image": text_of(record, "image", file, where),
        "prompt": wording("crpe_relation", sources.prompt).format(question=text), "answering": "letter",
        "options": options, "answer_index": LETTERS.index(letter), "grouping": category,
        "max_new_tokens": MAX_NEW_TOKENS, "asked": (category, record["image"], question, tuple(sorted(options))),
    }  # fmt: skip


def _grouped(rows: Sequence[dict[str, Any]], file: Path, bad: BadItems) -> list[dict[str, Any]]:
    """Return the rows with their circular group: consecutive ones that ask the same, in blocks of four."""
    runs = [list(run) for _, run in groupby(rows, key=lambda row: row["asked"])]
    _refuse_disorder(runs, file)
    kept = []
    for run in runs:
        for start in range(0, len(run), ROTATIONS):
            block = run[start : start + ROTATIONS]
            try:
                _check_rotations(block, file)
            except BadRecordError as error:
                bad.take(error, block[0]["key"])
                continue
            group = f"{block[0]['grouping']}:{block[0]['key']}"
            kept += [{**{name: row[name] for name in row if name != "asked"}, "group_id": group} for row in block]
    return kept


def _refuse_disorder(runs: Sequence[Sequence[dict[str, Any]]], file: Path) -> None:
    """Stop if rows of one group stand apart: the file was shuffled, and the official blocks would mix groups."""
    seen: dict[object, Sequence[dict[str, Any]]] = {}
    for run in runs:
        earlier = seen.setdefault(run[0]["asked"], run)
        if earlier is not run and (len(earlier) % ROTATIONS or len(run) % ROTATIONS):
            raise InputError(
                "rows of one circular group do not follow each other", file=file, row=run[0]["where"],
                field="question_id", found=f"the group of {earlier[0]['where']} again",
                expected="the four rotations of a question in consecutive rows",
                cure="restore the released order of the file; do not shuffle or shard it",
            )  # fmt: skip


def _check_rotations(block: Sequence[dict[str, Any]], file: Path) -> None:
    """Refuse a block whose right option is not the same text, or stands twice under the same letter."""
    first = block[0]
    texts = {row["options"][row["answer_index"]] for row in block}
    letters = [LETTERS[row["answer_index"]] for row in block]
    if len(texts) > 1 or len(set(letters)) < len(letters):
        raise bad_row("no_rotation", "rows that are no rotations of one question", file, first["where"],
                      "correct_option", f"{', '.join(letters)} for {', '.join(sorted(texts))}",
                      "one right text, under another letter in each row")  # fmt: skip


def tally(judged: pl.DataFrame) -> pl.DataFrame:
    """Return sums per image, of each category and of all: rows, right rows, groups, groups with all four right."""
    groups = judged.group_by("group_id").agg(
        pl.col("image_id", "grouping").first(), pl.len().alias("rows"), pl.col("score").sum().alias("hits"),
        pl.col("score").min().alias("all_right"),
    )  # fmt: skip
    splits = {"all": pl.lit(True), **{name: pl.col("grouping") == name for name in CATEGORIES}}
    parts = {"n": pl.col("rows"), "right": pl.col("hits"), "groups": pl.lit(1), "whole": pl.col("all_right")}
    return split_sums(groups, "image_id", splits, parts)


def _statistics() -> tuple[Statistic, ...]:
    found: list[Statistic] = []
    thirds = tuple(f"{split}.{part}" for split in CATEGORIES for part in ("whole", "groups"))
    for scorer in SCORERS:
        for split in ("all", *CATEGORIES):
            variant = "toolkit: over all circular groups alike" if split == "all" else ""
            whole, groups = f"{split}.whole", f"{split}.groups"
            found += [
                Statistic("circular_accuracy", split, scorer, ratio, (whole, groups), groups, variant=variant),
                Statistic("accuracy", split, scorer, ratio, (f"{split}.right", f"{split}.n"), f"{split}.n",
                          variant="each rotation by itself"),
            ]  # fmt: skip
        found.append(Statistic("mean_circular_accuracy", "all", scorer, mean_of_ratios, thirds, "all.groups"))
    return tuple(found)


SUITE = Suite(
    name="crpe_relation", title="CRPE relation", cluster="image", read=read, tally=tally,
    scorers={"letter": SCORERS}, statistics=_statistics(), column="circular_accuracy", column_scorer="toolkit",
)  # fmt: skip
