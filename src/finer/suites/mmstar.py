"""MMStar: 1500 lettered questions that need their image, in six categories of three axes each.

Official file: ``mmstar.parquet`` (``index``, ``question``, ``image``, ``answer``, ``category``, ``l2_category``). The
options stand in the question, as "Options: A: x, B: y" or, in MathVista's style, as lines "(A) x" behind "Choices:".

The official result is the share of all 1500, with shares by category and axis. lmms-eval averages the 18 axes, which
are of unequal size.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from finer.raw.records import BadItems
from finer.suites.files import Record, bad_row, made, one_of, question_items, text_of
from finer.suites.letters import MAX_NEW_TOKENS, official_file, option_lines, split_sums
from finer.suites.parquet import parquet_rows, unpack
from finer.suites.prompts import LETTERS, wording
from finer.suites.suite import Sources, Statistic, Suite, mean_of_ratios, named, ratio

FILE = "mmstar.parquet"
FIELDS = ("index", "question", "image", "answer", "category", "l2_category")
AXES = {
    "coarse perception": ("image scene and topic", "image style & quality", "image emotion"),
    "fine-grained perception": ("object counting", "recognition", "localization"),
    "instance reasoning": (
        "single-instance reasoning", "cross-instance attribute reasoning", "cross-instance relation reasoning",
    ),
    "logical reasoning": ("code & sequence reasoning", "diagram reasoning", "common reasoning"),
    "science & technology": (
        "biology & chemistry & physics", "electronics & energy & mechanical eng.",
        "geography & earth science & agriculture",
    ),
    "math": ("geometry", "numeric commonsense and calculation", "statistical reasoning"),
}  # fmt: skip
SCORERS = {
    "official": "mmstar_official_letter", "toolkit": "toolkit_choice", "lenient": "lenient_letter",
    "strict": "strict_letter",
}  # fmt: skip
GOLD = LETTERS[:4]  # the letters of the official answers


def read(sources: Sources, bad: BadItems) -> pl.DataFrame:
    """Return ITEMS: one a row; images are unpacked into the folder of images, named by index."""
    file = official_file(sources.raw, FILE)
    rows = made(parquet_rows(file, FIELDS), partial(_row, sources, file), bad)
    return question_items(rows, "mmstar", sources, bad)


def _row(sources: Sources, file: Path, where: str, record: Record) -> dict[str, Any]:
    question = text_of(record, "question", file, where)
    letter = one_of(record, "answer", tuple(GOLD), file, where)
    category = one_of(record, "category", tuple(AXES), file, where)
    axis = one_of(record, "l2_category", AXES[category], file, where)
    index = record["index"]
    if not isinstance(index, int):
        raise bad_row("no_index", "an index that is no number", file, where, "index", index, "a whole number")
    options = listed_options(question)
    known = len(options) > GOLD.index(letter)
    return {
        "key": index, "image": unpack(record, "image", str(index), sources.images, file, where),
        "prompt": wording("mmstar", sources.prompt).format(question=question), "answering": "letter",
        # Where the options cannot be read, the letters stand for themselves: no scorer then looks for a text.
        "options": options if known else list(GOLD), "answer_index": GOLD.index(letter), "grouping": category,
        "group_id": str(index), "labels": named(options=None if known else "not listed"),
        "groups": named(axis=axis), "max_new_tokens": MAX_NEW_TOKENS,
    }  # fmt: skip


def listed_options(question: str) -> list[str]:
    """Return the texts of the options behind "Options:" or "Choices:", or of lines; none where there are none."""
    for head in ("Options:", "Choices:"):
        place = question.rfind(head)
        found = _marked(question[place + len(head) :]) if place >= 0 else []
        if found:
            return found
    lines = option_lines(question)
    return lines[1] if lines else []


def _marked(text: str) -> list[str]:
    """Return what stands behind the marks A, B, … ("A: " or "(A) "), each sought behind the one before it."""
    marks: list[tuple[int, int]] = []
    for letter in LETTERS:
        found = re.compile(rf"(?:^|(?<=[\s,;]))\(?{letter}[:.)]\s*").search(text, marks[-1][1] if marks else 0)
        if found is None:
            break
        marks.append(found.span())
    ends = [start for start, _ in marks[1:]] + [len(text)]
    texts = [text[start:end].strip(", \n") for (_, start), end in zip(marks, ends, strict=False)]
    return texts if len(texts) > 1 else []


def tally(judged: pl.DataFrame) -> pl.DataFrame:
    """Return sums per image, of all, each category and each axis."""
    axis = pl.col("groups").list.eval(pl.element().struct.field("value")).list.first()
    splits = {
        "all": pl.lit(True), **{name: pl.col("grouping") == name for name in AXES},
        **{name: axis == name for names in AXES.values() for name in names},
    }  # fmt: skip
    return split_sums(judged, "image_id", splits, {"n": pl.lit(1), "right": pl.col("score")})


def _sums(*splits: str) -> tuple[str, ...]:
    return tuple(f"{split}.{part}" for split in splits for part in ("right", "n"))


def _statistics() -> tuple[Statistic, ...]:
    every = tuple(axis for names in AXES.values() for axis in names)
    found: list[Statistic] = []
    for scorer in SCORERS:
        for split in ("all", *AXES, *every):
            found.append(Statistic("accuracy", split, scorer, ratio, _sums(split), f"{split}.n"))
        for split, axes in {"all": every, **AXES}.items():
            found.append(
                Statistic(
                    "mean_axis_accuracy",
                    split,
                    scorer,
                    mean_of_ratios,
                    _sums(*axes),
                    f"{split}.n",
                    variant="lmms-eval: plain mean of the axes",
                )
            )
    return tuple(found)


SUITE = Suite(
    name="mmstar", title="MMStar", cluster="image", read=read, tally=tally, scorers={"letter": SCORERS},
    statistics=_statistics(), column="accuracy", column_scorer="toolkit",
)  # fmt: skip
