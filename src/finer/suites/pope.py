"""POPE: is there an object in the image? Balanced yes/no questions in three samplings of the absent objects.

Official files: ``coco_pope_{random,popular,adversarial}.json``, JSON lines despite the suffix (``question_id``,
``image``, ``text``, ``label``), images by file name. The official script aligns answers by line order; here items have
keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from finer.raw.records import BadItems
from finer.suites.files import Record, json_lines, made, one_of, question_items, text_of
from finer.suites.prompts import wording
from finer.suites.suite import Sources, Statistic, Suite, f1, mean_of_ratios, ratio
from finer.suites.yes_no import YES_NO, yes_no_sums

SPLITS = ("random", "popular", "adversarial")
FIELDS = ("question_id", "image", "text", "label")
MAX_NEW_TOKENS = 16


def read(sources: Sources, bad: BadItems) -> pl.DataFrame:
    """Return ITEMS: one a line of the three files; the key is the file's split and the question's id."""
    return question_items(poll_rows("pope", sources, bad), "pope", sources, bad)


def poll_rows(suite: str, sources: Sources, bad: BadItems) -> list[dict[str, Any]]:
    """Return the rows of ``coco_<suite>_<split>.json``, the three files in turn."""
    rows: list[dict[str, Any]] = []
    for split in SPLITS:
        file = sources.raw / f"coco_{suite}_{split}.json"
        rows += made(json_lines(file, FIELDS, bad), partial(_row, suite, sources, file, split), bad)
    return rows


def _row(suite: str, sources: Sources, file: Path, split: str, where: str, record: Record) -> dict[str, Any]:
    label = one_of(record, "label", YES_NO, file, where)
    question = text_of(record, "text", file, where)
    return {
        "key": f"{split}:{record['question_id']}", "image": text_of(record, "image", file, where),
        "prompt": wording(suite, sources.prompt).format(question=question), "answering": "yes_no",
        "options": list(YES_NO), "answer_index": YES_NO.index(label), "grouping": split,
        "group_id": f"{split}:{record['image']}", "max_new_tokens": MAX_NEW_TOKENS,
    }  # fmt: skip


def tally(judged: pl.DataFrame) -> pl.DataFrame:
    """Return sums per image, of each split and of all together (``finer.suites.yes_no``)."""
    return yes_no_sums(judged, "image_id", "grouping", positive="yes")


def poll_statistics(scorers: Mapping[str, tuple[str, str]]) -> tuple[Statistic, ...]:
    """Return the five numbers of each split and of all questions, and the mean accuracy of the three splits.

    Args:
        scorers: of each scorer, the parts whose sums are the questions counted and those of them with the answer yes.
    """
    found: list[Statistic] = []
    for scorer, counted in scorers.items():
        for split in (*SPLITS, "all"):
            n, gold, right, tp, said = (f"{split}.{part}" for part in (*counted, "right", "tp", "said"))
            found += [
                Statistic("accuracy", split, scorer, ratio, (right, n), n),
                Statistic("precision", split, scorer, ratio, (tp, said), n),
                Statistic("recall", split, scorer, ratio, (tp, gold), n),
                Statistic("f1", split, scorer, f1, (tp, said, gold), n),
                Statistic("yes_ratio", split, scorer, ratio, (said, n), n),
            ]
        thirds = tuple(f"{split}.{part}" for split in SPLITS for part in ("right", counted[0]))
        found.append(Statistic("mean_accuracy", "all", scorer, mean_of_ratios, thirds, f"all.{counted[0]}"))
    return tuple(found)


SUITE = Suite(
    name="pope", title="POPE", cluster="image", read=read, tally=tally,
    scorers={"yes_no": {
        "official": "pope_official", "toolkit": "one_word_yes_no", "first_substring": "first_substring_yes_no",
    }},
    statistics=poll_statistics(dict.fromkeys(("official", "toolkit", "first_substring"), ("n", "gold"))),
    column="mean_accuracy",
    column_scorer="first_substring",  # as the paper's harness reads it
)  # fmt: skip
