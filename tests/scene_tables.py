"""Small scene graphs written by hand or drawn, as the tables that composition reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from hypothesis import strategies as st

from finer.keys import stable_key
from finer.schemas import ELEMENTS, NEGATIVE_CHECKS, NEGATIVES
from finer.store import table_from

NAMES = (
    "cat",
    "door",
    "bag",
    "chair",
    "puppy",
    "floor",
    "lamp",
    "cup",
    "box",
    "ball",
    "apple",
    "orange",
    "kite",
    "table",
    "umbrella",
    "clock",
)
VALUES = {
    "color": ("red", "green", "blue", "yellow", "pink", "white", "black", "brown"),
    "size": ("small", "big", "tiny", "huge", "tall", "wide", "short", "long"),
    "pattern": ("striped", "dotted", "checked", "plain", "wavy", "floral", "tartan", "starry"),
}
PREDICATES = (
    "is to the left of", "is to the right of", "is above", "is below", "is lying on", "is looking at", "is leaning on",
)  # fmt: skip


@dataclass
class Thing:
    """An object with (class, value) attributes."""

    name: str
    attributes: Sequence[tuple[str, str]] = ()
    plural: bool = False


@dataclass
class Picture:
    """A scene: things, and relations as (index of subject, predicate, index of target)."""

    things: Sequence[Thing]
    relations: Sequence[tuple[int, str, int]] = ()
    image_id: str = "image"
    # (kind, text) of elements -> texts of their negatives, where a test wants others than those drawn here.
    negatives: dict[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Tables:
    """What ``compose`` reads."""

    elements: pl.DataFrame
    negatives: pl.DataFrame
    checks: pl.DataFrame


def tables(*pictures: Picture) -> Tables:
    """Return the tables of some pictures, with four negatives an element."""
    elements: list[dict[str, Any]] = []
    negatives: list[dict[str, Any]] = []
    for picture in pictures:
        rows = _elements(picture)
        elements += rows
        for row in rows:
            negatives += _negatives(picture, row)
    checks = [
        {
            "element_id": row["element_id"], "image_id": row["image_id"], "round": 0, "verifier": "none",
            "check": "skipped", "picked": None, "probabilities": None, "entropy": None, "letters": None, "run_id": "r",
        }
        for row in elements
    ]  # fmt: skip
    return Tables(table_from(elements, ELEMENTS), table_from(negatives, NEGATIVES), table_from(checks, NEGATIVE_CHECKS))


def _elements(picture: Picture) -> list[dict[str, Any]]:
    ids = [f"{picture.image_id}:{number}:{thing.name}" for number, thing in enumerate(picture.things)]
    rows: list[dict[str, Any]] = []

    def add(kind: str, element_id: str, text: str, category: str, **more: Any) -> None:
        position = sum(row["kind"] == kind for row in rows)
        rows.append(
            {
                "element_id": element_id, "image_id": picture.image_id, "benchmark": "b", "kind": kind,
                "position": position, "text": text, "category": category, "value": None, "plural": False,
                "parent_id": None, "target_id": None, "ambiguous": False, "source": "annotation", "evidence": None,
            } | more
        )  # fmt: skip

    for element_id, thing in zip(ids, picture.things, strict=True):
        add("object", element_id, thing.name, thing.name.split()[-1], plural=thing.plural)
        for name, value in thing.attributes:
            text = f"with a {value} {name}"
            add("attribute", f"{element_id}:{value}", text, name, value=value, parent_id=element_id)
    for subject, predicate, target in picture.relations:
        relation_id = f"{ids[subject]}:{predicate}:{target}"
        add("relation", relation_id, predicate, "other", parent_id=ids[subject], target_id=ids[target])
    return rows


def _negatives(picture: Picture, row: dict[str, Any]) -> list[dict[str, Any]]:
    here = {thing.name for thing in picture.things}
    absent = [name for name in NAMES if name not in here]
    kind, target = row["kind"], None
    if kind == "object":
        texts = absent
    elif kind == "attribute":
        taken = {value for thing in picture.things for _, value in thing.attributes}
        texts = [f"with a {value} {row['category']}" for value in VALUES[row["category"]] if value not in taken]
    elif int(stable_key(row["element_id"]), 16) % 2:
        kind = "predicate"
        texts = [f"{predicate} the edge of" for predicate in PREDICATES if predicate != row["text"]]
    else:
        kind, target, texts = "relation_object", row["text"], absent
    texts = list(picture.negatives.get(row["text"], texts))[:4]
    return [
        {
            "negative_id": stable_key(row["element_id"], rank), "element_id": row["element_id"],
            "image_id": row["image_id"], "round": 0, "rank": rank, "negative_kind": kind,
            "text": text if target is None else target, "target_text": None if target is None else text,
            "plural": False, "proposer": "test",
        }
        for rank, text in enumerate(texts)
    ]  # fmt: skip


def renegated(made: Tables, element_id: str, kind: str, said: Sequence[tuple[str, str | None]]) -> Tables:
    """Return the tables with other negatives of one element: (text, text of the target) each."""
    old = made.negatives.filter(element_id=element_id).to_dicts()
    new = [
        row | {"negative_kind": kind, "text": text, "target_text": target}
        for row, (text, target) in zip(old, said, strict=True)
    ]
    others = made.negatives.filter(pl.col("element_id") != element_id).to_dicts()
    return Tables(made.elements, table_from(others + new, NEGATIVES), made.checks)


@st.composite
def pictures(draw: st.DrawFn, image_id: str = "image") -> Picture:
    """Draw a scene of one to seven things, perhaps with repeats of a kind, and relations among them."""
    names = draw(st.lists(st.sampled_from(NAMES[:9]), min_size=1, max_size=7))
    values = st.fixed_dictionaries({}, optional={name: st.sampled_from(VALUES[name][:2]) for name in VALUES})
    things = [Thing(name, tuple(draw(values).items()), draw(st.integers(0, 5)) == 0) for name in names]
    indices = st.integers(0, len(names) - 1)
    triples = draw(st.lists(st.tuples(indices, st.sampled_from(PREDICATES), indices), max_size=8, unique=True))
    return Picture(things, [(a, p, b) for a, p, b in triples if names[a] != names[b]], image_id)


def kitchen(image_id: str = "image") -> Picture:
    """A scene with enough of everything."""
    things = [
        Thing("cat", (("color", "red"), ("size", "small"), ("pattern", "striped"))),
        Thing("door", (("color", "green"), ("size", "big"))),
        Thing("floor", (("color", "blue"), ("pattern", "dotted"))),
        Thing("chair", (("size", "small"),)),
        Thing("umbrella", (("color", "green"),)),
        Thing("lamp"),
    ]
    relations = [
        (0, "is lying on", 2), (0, "is looking at", 1), (0, "is leaning on", 3), (4, "is above", 2), (5, "is below", 1)
    ]  # fmt: skip
    return Picture(things, relations, image_id)
