"""ChartQA, test split: questions about charts, by people (reasoning) and made by machine (look-ups).

Official files: ``test_human.json`` and ``test_augmented.json`` (arrays of ``imgname``, ``query``, ``label``, all texts)
in the folder ``ChartQA Dataset/test``, images in ``png`` beside them.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from finer.raw.records import BadItems
from finer.suites.files import Record, json_array, made, question_items, text_of
from finer.suites.free import FREE, apart, is_one_of, split_sums
from finer.suites.prompts import wording
from finer.suites.suite import Sources, Statistic, Suite, mean_of_ratios, ratio

SPLITS = ("human", "augmented")
FIELDS = ("imgname", "query", "label")
OFFICIAL_FOLDER = ("ChartQA Dataset", "test")
MAX_NEW_TOKENS = 32
VARIANTS = {
    "official": "",
    "swapped": "toolkit until September 2025: error relative to the prediction",
    "without_stop": "ours: a full stop at the end of the answer is ignored",
}


def read(sources: Sources, bad: BadItems) -> pl.DataFrame:
    """Return ITEMS: one a question of both files; there are no official ids, so the key is what the row says."""
    folder = sources.raw.joinpath(*OFFICIAL_FOLDER)
    folder = folder if folder.is_dir() else sources.raw
    rows: list[dict[str, Any]] = []
    for split in SPLITS:
        file = folder / f"test_{split}.json"
        rows += apart(made(json_array(file, FIELDS, bad), partial(_row, sources, file, split), bad))
    return question_items(rows, "chartqa", sources, bad)


def _row(sources: Sources, file: Path, split: str, where: str, record: Record) -> dict[str, Any]:
    image, question, label = (text_of(record, name, file, where) for name in FIELDS)
    return {
        "key": f"{split}:{image}:{question}:{label}", "image": image, "answering": FREE,
        "prompt": wording("chartqa", sources.prompt).format(question=question), "references": [label],
        "grouping": split, "group_id": f"{split}:{image}", "max_new_tokens": MAX_NEW_TOKENS,
    }  # fmt: skip


def tally(judged: pl.DataFrame) -> pl.DataFrame:
    """Return sums of right answers per image, of each split and of both."""
    splits = is_one_of(pl.col("grouping"), SPLITS)
    return split_sums(judged, "image_id", splits, {"n": pl.lit(1.0), "right": pl.col("score")})


def _statistics() -> tuple[Statistic, ...]:
    halves = tuple(f"{split}.{part}" for split in SPLITS for part in ("right", "n"))
    found: list[Statistic] = []
    for scorer, variant in VARIANTS.items():
        found += [
            Statistic("accuracy", split, scorer, ratio, (f"{split}.right", f"{split}.n"), f"{split}.n", variant=variant)
            for split in (*SPLITS, "all")
        ]
        found.append(Statistic("mean_accuracy", "all", scorer, mean_of_ratios, halves, "all.n", variant=variant))
    return tuple(found)


SUITE = Suite(
    name="chartqa", title="ChartQA", cluster="image", read=read, tally=tally,
    scorers={FREE: {"official": "relaxed", "swapped": "relaxed_swapped", "without_stop": "relaxed_without_stop"}},
    statistics=_statistics(), column="mean_accuracy",
)  # fmt: skip
