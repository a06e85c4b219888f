"""AMBER, the discriminative part: yes/no questions about existence, attributes (state, number, action) and relations.

Official files, under one folder: ``query/query_discriminative.json`` (``id``, ``image``, ``query``) and
``annotations.json`` (``id``, ``type``, ``truth``), an array in which the annotation of id n is at place n - 1.
Relations come under two types, one for the questions with the answer yes, one for those with no.

The positive class of precision and recall is "No": to find the statement that is not true of the image. The official
script starts every denominator at 0.001, rounds percentages to one decimal and computes F1 from the rounded values;
the statistics ``printed_…`` do the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from finer.errors import InputError
from finer.raw.records import BadItems
from finer.suites.files import Record, bad_row, json_array, made, one_of, question_items, text_of
from finer.suites.prompts import wording
from finer.suites.suite import Array, Sources, Statistic, Suite, f1, mean_of_ratios, ratio
from finer.suites.yes_no import PARTS, YES_NO, yes_no_sums

GENERATIVE = "generative"
TYPES = {
    "discriminative-hallucination": "existence", "discriminative-attribute-state": "state",
    "discriminative-attribute-number": "number", "discriminative-attribute-action": "action",
    "discriminative-relation": "relation", "relation": "relation",
}  # fmt: skip
ATTRIBUTE = ("state", "number", "action")
DIMENSIONS = ("existence", "attribute", "relation")
SPLITS = ("all", *DIMENSIONS, *ATTRIBUTE)
MAX_NEW_TOKENS = 16
_START = 0.001  # of the official script's denominators
_ADDED = {"existence": 0.001}  # to the denominator of F1
_ADDED_ELSE = 0.0001


def read(sources: Sources, bad: BadItems) -> pl.DataFrame:
    """Return ITEMS: one a query, with the truth of its annotation."""
    file = sources.raw / "query" / "query_discriminative.json"
    annotations = read_annotations(sources)
    rows = made(queries(file, annotations, tuple(TYPES), bad), partial(_row, sources, annotations), bad)
    return question_items(rows, "amber", sources, bad)


def read_annotations(sources: Sources) -> list[Record]:
    """Return the annotations, that of id n at place n - 1.

    Raises:
        InputError: an annotation at another place: upstream finds them by place alone, so nothing in the file could
            be trusted.
    """
    file = sources.raw / "annotations.json"
    found = [record for _, record in json_array(file, ("id", "type", "truth"), BadItems("amber", "stop"))]
    for place, record in enumerate(found):
        if record["id"] != place + 1:
            raise InputError(
                "annotations that are not in the order of their ids", file=file, row=f"row {place}", field="id",
                found=record["id"], expected=str(place + 1), cure="fetch the file again; do not sort or cut it",
            )  # fmt: skip
    return found


def queries(file: Path, annotations: Sequence[Record], types: Sequence[str], bad: BadItems) -> list[tuple[str, Record]]:
    """Return (place, query) of a file, each with an annotation of one of these types.

    Raises:
        InputError: annotations of these types without a query: the numbers would be of another benchmark.
    """
    kept: list[tuple[str, Record]] = []
    asked: set[int] = set()
    for where, record in json_array(file, ("id", "image", "query"), bad):
        number = record["id"]
        asked.add(number)
        kind = annotations[number - 1]["type"] if isinstance(number, int) and 0 < number <= len(annotations) else None
        if kind in types:
            kept.append((where, record))
        else:
            bad.take(bad_row("no_annotation", "a query without its annotation", file, where, "id", number,
                             f"an id of annotations.json with the type {' | '.join(types)}"), where)  # fmt: skip
    unasked = [record["id"] for record in annotations if record["type"] in types and record["id"] not in asked]
    if unasked and bad.on_bad_item == "stop":
        raise InputError(
            f"{len(unasked)} annotation(s) without a query", file=file, field="id", found=f"no query {unasked[0]}",
            expected="a query for each annotation", cure="fetch the file again",
        )  # fmt: skip
    return kept


def _row(sources: Sources, annotations: Sequence[Record], where: str, record: Record) -> dict[str, Any]:
    file = sources.raw / "query" / "query_discriminative.json"
    annotation = annotations[record["id"] - 1]
    truth = one_of(annotation, "truth", YES_NO, sources.raw / "annotations.json", f"row {record['id'] - 1}")
    question = text_of(record, "query", file, where)
    image = text_of(record, "image", file, where)
    return {
        "key": record["id"], "image": image, "prompt": wording("amber", sources.prompt).format(question=question),
        "answering": "yes_no", "options": list(YES_NO), "answer_index": YES_NO.index(truth),
        "grouping": TYPES[annotation["type"]], "group_id": image, "max_new_tokens": MAX_NEW_TOKENS,
    }  # fmt: skip


# ---------------------------------------------------------------- sums and numbers
def tally(judged: pl.DataFrame) -> pl.DataFrame:
    """Return sums per image of all questions, the three dimensions and the three kinds of attributes."""
    sums = yes_no_sums(judged, "image_id", "grouping", positive="no")
    kinds = pl.col("part").str.split(".").list.first().is_in(ATTRIBUTE)
    attribute = (
        sums.filter(kinds)
        .with_columns(part=pl.col("part").str.replace(r"^\w+\.", "attribute."))
        .group_by("cluster", "part").agg(pl.col("value").sum())
    )  # fmt: skip
    none = pl.DataFrame(
        [(sums["cluster"][0], f"{split}.{part}", 0.0) for split in SPLITS for part in PARTS],
        schema=sums.schema, orient="row",
    )  # fmt: skip
    return pl.concat([sums, attribute, none]).group_by("cluster", "part").agg(pl.col("value").sum()).sort(
        "cluster", "part"
    )  # fmt: skip


def printed(hits: Array, trials: Array) -> Array:
    """Return hits / trials as the official script prints it: 1 of 1 is 99.9 %."""
    return np.asarray(np.round(100 * hits / (trials + _START), 1) / 100)


def _printed_f1(added: float) -> Any:
    def value(true_positive: Array, predicted: Array, positive: Array) -> Array:
        precision, recall = printed(true_positive, predicted), printed(true_positive, positive)
        return np.asarray(np.round(100 * 2 * precision * recall / (precision + recall + added), 1) / 100)

    return value


def _statistics() -> tuple[Statistic, ...]:
    found: list[Statistic] = []
    note = "denominators + 0.001, rounded to one decimal"
    for scorer in ("official", "toolkit", "first_word"):
        for split in SPLITS:
            n, right, tp, said, gold = (f"{split}.{part}" for part in ("n", "right", "tp", "said", "gold"))
            shares: Mapping[str, tuple[str, str]] = {
                "accuracy": (right, n), "precision": (tp, said), "recall": (tp, gold)
            }  # fmt: skip
            found += [Statistic(name, split, scorer, ratio, parts, n) for name, parts in shares.items()]
            found.append(Statistic("f1", split, scorer, f1, (tp, said, gold), n))
            if scorer == "official":
                for name, parts in shares.items():
                    found.append(Statistic(f"printed_{name}", split, scorer, printed, parts, n, variant=note))
                value = _printed_f1(_ADDED.get(split, _ADDED_ELSE))
                found.append(Statistic("printed_f1", split, scorer, value, (tp, said, gold), n, variant=note))
        thirds = tuple(f"{split}.{part}" for split in DIMENSIONS for part in ("right", "n"))
        found.append(Statistic("mean_accuracy", "all", scorer, mean_of_ratios, thirds, "all.n",
                               variant="toolkit: plain mean of the three dimensions"))  # fmt: skip
    return tuple(found)


SUITE = Suite(
    name="amber", title="AMBER", cluster="image", read=read, tally=tally,
    scorers={"yes_no": {"official": "exact_yes_no", "toolkit": "one_word_yes_no", "first_word": "strict_yes_no"}},
    statistics=_statistics(), column="mean_accuracy", column_scorer="toolkit",
)  # fmt: skip
