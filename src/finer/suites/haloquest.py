"""HaloQuest, evaluation split: open questions, of a false premise, without context or hard to see; judged right or not.

Official file: ``haloquest-eval.csv``, whose header names contain spaces; of the images there are only URLs. One image
name stands for two different URLs, so an image is told apart by its URL: it is looked for under ``cached_name`` and,
where its name is nobody else's, under ``image_name``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from finer.keys import stable_key
from finer.raw.addresses import cached_name
from finer.raw.records import BadItems
from finer.suites.files import Record, bad_row, csv_rows, made, one_of, question_items, text_of
from finer.suites.free import FREE, apart, file_in, split_sums
from finer.suites.prompts import wording
from finer.suites.suite import Sources, Statistic, Suite, entry, named, ratio

FILE = "haloquest-eval.csv"
FIELDS = (
    "image_name", "url", "image type", "hallucination type", "question", "groundtruth responses", "split"
)  # fmt: skip
TYPES = {
    "false premises": "false_premise", "visual challenge": "visual_challenge",
    "insufficient context": "insufficient_context",
}  # fmt: skip
IMAGE_TYPES = ("generated", "real")
SPLIT = "eval"
MAX_NEW_TOKENS = 128
SCORER = "judge"


def read(sources: Sources, bad: BadItems) -> pl.DataFrame:
    """Return ITEMS: one a question; the references are the alternatives that the file joins by ";"."""
    file = file_in(sources.raw, FILE)
    records = list(csv_rows(file, FIELDS, bad))
    urls: dict[str, set[str]] = {}
    for _, record in records:
        urls.setdefault(record["image_name"], set()).add(record["url"])
    rows = apart(made(records, partial(_row, sources, file, urls), bad))
    return question_items(rows, "haloquest", sources, bad)


def _row(
    sources: Sources, file: Path, urls: Mapping[str, set[str]], where: str, record: Record
) -> dict[str, Any]:  # fmt: skip
    kind = TYPES[one_of(record, "hallucination type", tuple(TYPES), file, where)]
    image_type = one_of(record, "image type", IMAGE_TYPES, file, where)
    one_of(record, "split", (SPLIT,), file, where)
    url, question = (text_of(record, name, file, where) for name in ("url", "question"))
    stated = text_of(record, "groundtruth responses", file, where)
    references = [part.strip() for part in stated.split(";") if part.strip()]  # some end with a ";"
    if not references:
        raise bad_row("no_reference", "no right answer", file, where, "groundtruth responses", stated,
                      'answers joined by ";"')  # fmt: skip
    return {
        "key": f"{url}:{question}:{stated}", "image": _image(sources, file, urls, where, record),
        "image_id": stable_key(sources.benchmark, url),
        "prompt": wording("haloquest", sources.prompt).format(question=question), "answering": FREE,
        "references": references, "grouping": kind, "group_id": stable_key(sources.benchmark, url),
        "max_new_tokens": MAX_NEW_TOKENS, "labels": named(question=question, image_type=image_type),
    }  # fmt: skip


def _image(sources: Sources, file: Path, urls: Mapping[str, set[str]], where: str, record: Record) -> str:
    name, cached = text_of(record, "image_name", file, where), cached_name(record["url"])
    if (sources.images / cached).is_file():
        return cached
    if len(urls[name]) > 1:
        raise bad_row("ambiguous_image_name", "an image name that stands for several URLs", file, where, "image_name",
                      name, f"the image of {record['url']} as {cached} under {sources.images}")  # fmt: skip
    return name


def tally(judged: pl.DataFrame) -> pl.DataFrame:
    """Return sums per image, of all, of each type of question and of each type of image; unreadable is wrong."""
    kind, image_type = pl.col("grouping"), entry("labels", "image_type")
    splits = {
        "all": pl.lit(True), **{name: kind == name for name in TYPES.values()},
        **{name: image_type == name for name in IMAGE_TYPES},
    }  # fmt: skip
    parts = {"n": pl.lit(1.0), "right": pl.col("score"), "read": ~pl.col("unparsed")}
    return split_sums(judged, "image_id", splits, parts)


def _statistics() -> tuple[Statistic, ...]:
    found: list[Statistic] = []
    for split in ("all", *TYPES.values(), *IMAGE_TYPES):
        right, n, legible = (f"{split}.{part}" for part in ("right", "n", "read"))
        found += [
            Statistic("accuracy", split, SCORER, ratio, (right, n), n),
            Statistic("accuracy_read", split, SCORER, ratio, (right, legible), legible,
                      variant="ours: answers whose verdict cannot be read are left out, and counted as unparsed"),
        ]  # fmt: skip
    return tuple(found)


SUITE = Suite(
    name="haloquest", title="HaloQuest", cluster="image", read=read, tally=tally,
    scorers={FREE: {SCORER: "judge:any"}}, statistics=_statistics(), column="accuracy", column_scorer=SCORER,
)  # fmt: skip
