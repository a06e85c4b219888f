"""What suites with lettered options share: options read out of a question, whole groups of questions, sums by split."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from finer.raw.records import BadItems, bad_record
from finer.suites.prompts import LETTERS
from finer.suites.suite import long

MAX_NEW_TOKENS = 16
_LINE = re.compile(r"^[ \t]*\(?([A-E])[.):][ \t]*(\S.*?)[ \t]*$", re.MULTILINE)


def official_file(raw: Path, name: str) -> Path:
    """Return an official file: ``raw`` itself, or the file of that name in the folder ``raw``."""
    return raw / name if raw.is_dir() else raw


def option_lines(text: str) -> tuple[str, list[str]] | None:
    """Return (question, options) of a text with a line an option, "A. on" or "(A) on"; None if it has no such lines.

    Lines behind the options, a request for the letter, belong to neither.
    """
    lines = list(_LINE.finditer(text))
    if len(lines) < 2 or "".join(line[1] for line in lines) != LETTERS[: len(lines)]:
        return None
    return text[: lines[0].start()].strip(), [line[2] for line in lines]


def as_lines(options: Sequence[str], form: str = "{letter}. {option}") -> str:
    """Return a line an option."""
    return "\n".join(
        form.format(letter=letter, option=option) for letter, option in zip(LETTERS, options, strict=False)
    )


def whole_groups(items: pl.DataFrame, size: int, what: str, file: Path, bad: BadItems) -> pl.DataFrame:
    """Return the items whose group (``group_id``) has all its questions; an incomplete one is bad as a whole.

    Raises:
        InputError: an incomplete group, if bad items stop the run, or nothing left.
    """
    found = items.group_by("group_id").len().filter(pl.col("len") != size).sort("group_id")
    for group, number in found.iter_rows():
        error = bad_record(
            "incomplete_group", f"an incomplete {what}", file=file, row=group, field="group_id",
            found=f"{number} questions", expected=f"{size} questions",
            cure="fetch the file again, keep its order, or set on_bad_item: drop to leave the group out",
        )  # fmt: skip
        bad.take(error, group)
    kept = items.join(found, on="group_id", how="anti", maintain_order="left")
    bad.refuse_nothing_left(file, kept.height)
    return kept


def split_sums(
    judged: pl.DataFrame, cluster: str, splits: Mapping[str, pl.Expr], parts: Mapping[str, pl.Expr]
) -> pl.DataFrame:
    """Return the long table of sums "<split>.<part>" per cluster; a split without questions has sums of 0.

    Args:
        judged: one row a question, pair or group.
        cluster: column of what is resampled together.
        splits: name -> which rows it has.
        parts: name -> value of a row.
    """
    columns = {
        f"{split}.{part}": pl.when(mask.fill_null(False)).then(value.cast(pl.Float64)).otherwise(0.0)
        for split, mask in splits.items() for part, value in parts.items()
    }  # fmt: skip
    return long(judged.with_columns(**columns), cluster, *columns)
