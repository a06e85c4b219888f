"""The truth of written scenes, for audits and tests: a Parquet keyed by file name, and what it says of an element."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from finer.errors import InputError
from finer.store import atomic_path
from finer.world.phrases import PREDICATES, TEXT, attribute_phrase, attributes
from finer.world.scenes import Scene, Thing

Named = tuple[str, Scene]  # file name, scene
_THING = pl.Struct(
    {
        "kind": pl.String(), "color": pl.String(), "pattern": pl.String(), "size": pl.String(),
        "outlined": pl.Boolean(), "row": pl.Int64(), "column": pl.Int64(), "holder": pl.Int64(), "raised": pl.Boolean(),
    }
)  # fmt: skip
_RELATION = pl.Struct({"subject": pl.Int64(), "relation": pl.String(), "target": pl.Int64()})
SCHEMA = {
    "pool": pl.String(),
    "file_name": pl.String(),
    "scene_hash": pl.String(),
    "things": pl.List(_THING),
    "relations": pl.List(_RELATION),  # indices into `things`
}
_FIELDS = ("kind", "color", "pattern", "size", "outlined", "row", "column", "holder", "raised")
_RELATION_OF = {predicate: name for name, predicate in PREDICATES.items()} | {
    predicate: name for name, others in TEXT["same_predicates"].items() for predicate in others
}


def write_truth(path: str | Path, pool: str, named: Sequence[Named]) -> None:
    """Write what is true of each image."""
    rows = [
        (
            pool, name, scene.graph_hash,
            [{field: getattr(thing, field) for field in _FIELDS} for thing in scene.things],
            [{"subject": i, "relation": relation, "target": j} for (i, j), relation in scene.relations.items()],
        )
        for name, scene in named
    ]  # fmt: skip
    with atomic_path(path) as partial:
        pl.DataFrame(rows, schema=SCHEMA, orient="row").write_parquet(partial, compression="zstd", statistics=False)


def read_truth(path: str | Path) -> dict[str, Scene]:
    """Return the scenes by file name; background and shifts, which no element is about, are neutral."""
    if not Path(path).is_file():
        raise InputError(
            "no such file", file=path, expected="the truth of a micro benchmark", cure="run its rule first"
        )
    frame = pl.read_parquet(path)
    return {
        row["file_name"]: Scene(tuple(Thing(shift=(0, 0), **thing) for thing in row["things"]), 190, 0)
        for row in frame.iter_rows(named=True)
    }


def is_true(
    scene: Scene, thing: str, attribute: str | None = None, predicate: str | None = None, target: str | None = None
) -> bool | None:
    """Return whether an element is true of a scene: an object, its attribute, or its relation to a target.

    ``thing`` and ``target`` are words without article ("ball", "small red ball"), ``attribute`` a phrase
    ("with a red color"), ``predicate`` a relation phrase ("is above"). True if some instance bears it out; None where
    the world does not say: a predicate that it has no word for, or places that a person might read either way.
    """
    subjects = _meant(scene, thing)
    if attribute is not None:
        subjects = [index for index in subjects if attribute in _phrases(scene.things[index])]
    if predicate is None:
        return bool(subjects)
    targets = _meant(scene, target or "")
    if not subjects or not targets:
        return False
    if predicate in TEXT["foreign"]["predicate"]:
        return False
    relation = _RELATION_OF.get(predicate)
    if relation is None:
        return None
    found = [scene.holds(relation, i, j) for i in subjects for j in targets if i != j]
    if True in found:
        return True
    return None if None in found else False


def _meant(scene: Scene, words: str) -> list[int]:
    """Return the things that the words may mean: the last word is the kind, the others are values."""
    *values, kind = words.lower().split() or [""]
    return [
        index for index, thing in enumerate(scene.things)
        if thing.kind == kind and set(values) <= set(attributes(thing).values())
    ]  # fmt: skip


def _phrases(thing: Thing) -> set[str]:
    return {attribute_phrase(name, value) for name, value in attributes(thing).items()}
