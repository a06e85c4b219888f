"""MMHal-Bench: 96 open questions of eight types; a judge rates each answer from 0 to 6, below 3 it hallucinates.

Official files: ``response_template.json`` (an array) and the images, named as in the path of ``image_src``. What the
datasets library makes of it must not be used: there ``image_content`` is a list of records, and a judge would be shown
the word "class" in place of the labels.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlparse

import polars as pl

from finer.raw.records import BadItems
from finer.suites.files import Record, bad_row, json_array, made, one_of, question_items, text_of
from finer.suites.free import FREE, apart, file_in, is_one_of, split_sums
from finer.suites.prompts import wording
from finer.suites.suite import Sources, Statistic, Suite, named, ratio

FILE = "response_template.json"
FIELDS = ("question_type", "question_topic", "image_id", "image_src", "image_content", "question", "gt_answer")
TYPES = ("attribute", "adversarial", "comparison", "counting", "relation", "environment", "holistic", "other")
_ALIASES = {"adversarial object": "adversarial", "spatial relation": "relation"}
HALLUCINATED_BELOW = 3
MAX_NEW_TOKENS = 256
SCORER = "judge"
READ_ONLY = "ours: answers whose verdict cannot be read are left out, and counted as unparsed"


def read(sources: Sources, bad: BadItems) -> pl.DataFrame:
    """Return ITEMS: one a question, with what a judge is shown (question, labels of the image) as labels."""
    file = file_in(sources.raw, FILE)
    rows = apart(made(json_array(file, FIELDS, bad), partial(_row, sources, file), bad))
    return question_items(rows, "mmhal", sources, bad)


def _row(sources: Sources, file: Path, where: str, record: Record) -> dict[str, Any]:
    contents = record["image_content"]
    if not isinstance(contents, list) or not all(isinstance(label, str) for label in contents):
        raise bad_row("bad_image_content", "image contents that are no texts", file, where, "image_content", contents,
                      f"a list of labels, as in the official {FILE}")  # fmt: skip
    kind = record["question_type"]
    kind = one_of({"question_type": _ALIASES.get(kind, kind)}, "question_type", TYPES, file, where)
    question, answer, source = (text_of(record, name, file, where) for name in ("question", "gt_answer", "image_src"))
    image_id = str(record["image_id"])
    return {
        "key": f"{image_id}:{question}", "image": _image(sources, source, image_id),
        "prompt": wording("mmhal", sources.prompt).format(question=question), "answering": FREE,
        "references": [answer], "grouping": kind, "group_id": image_id, "max_new_tokens": MAX_NEW_TOKENS,
        "labels": named(
            question=question, image_content=json.dumps(contents), question_topic=str(record["question_topic"])
        ),
    }  # fmt: skip


def _image(sources: Sources, source: str, image_id: str) -> str:
    name = PurePosixPath(unquote(urlparse(source).path)).name
    by_id = f"{image_id}.jpg"
    return by_id if not (sources.images / name).is_file() and (sources.images / by_id).is_file() else name


def tally(judged: pl.DataFrame) -> pl.DataFrame:
    """Return sums per image, of all and of each type.

    The official script takes a verdict without a rating for 0, so for a hallucination; ``read``, ``read_score`` and
    ``read_hallucinated`` are sums over the verdicts that can be read.
    """
    hallucinated, legible = pl.col("score") < HALLUCINATED_BELOW, ~pl.col("unparsed")
    parts = {
        "n": pl.lit(1.0), "score": pl.col("score"), "hallucinated": hallucinated, "read": legible,
        "read_score": pl.when(legible).then("score").otherwise(0.0), "read_hallucinated": hallucinated & legible,
    }  # fmt: skip
    return split_sums(judged, "image_id", is_one_of(pl.col("grouping"), TYPES), parts)


def _statistics() -> tuple[Statistic, ...]:
    found: list[Statistic] = []
    for split in ("all", *TYPES):
        for name, prefix, n, variant in (("", "", "n", ""), ("_read", "read_", "read", READ_ONLY)):
            score, hallucinated, count = (f"{split}.{part}" for part in (f"{prefix}score", f"{prefix}hallucinated", n))
            found += [
                Statistic(f"mean_score{name}", split, SCORER, ratio, (score, count), count, "score", variant=variant),
                Statistic(f"hallucination_rate{name}", split, SCORER, ratio, (hallucinated, count), count,
                          lower_is_better=True, variant=variant),
            ]  # fmt: skip
    return tuple(found)


SUITE = Suite(
    name="mmhal", title="MMHal-Bench", cluster="image", read=read, tally=tally,
    scorers={FREE: {SCORER: "judge:any"}}, statistics=_statistics(), column="mean_score", column_scorer=SCORER,
)  # fmt: skip
