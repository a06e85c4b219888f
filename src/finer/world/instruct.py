"""Instruction data for the base models: one row a scene with its picture, its cells and some 28 conversations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from finer.errors import InputError
from finer.keys import generator, stable_key
from finer.store import atomic_path
from finer.world import coarse
from finer.world.captions import short_caption
from finer.world.catalogue import COLORS, FIGURES, GRID, HOLDERS, PATTERNS, SIZES
from finer.world.claims import View
from finer.world.finegrained import fine_question
from finer.world.pools import draw_pool, write_manifest
from finer.world.prompts import WORDING, drawn, lettered, option_count
from finer.world.render import jpeg, render
from finer.world.scenes import Scene

ROW_GROUP = 2000
CELL_LABELS = 7  # kind, color, pattern, size, outline, kind of holder, color of holder; 0 is none
Row = tuple[str, bytes, list[int], list[dict[str, str]]]
_TRIES = 5  # draws of a question before a scene is taken not to allow it
SCHEMA = {
    "image_id": pl.String(),
    "image": pl.Binary(),
    "cells": pl.List(pl.Int64()),
    "conversations": pl.List(pl.Struct({"task": pl.String(), "question": pl.String(), "answer": pl.String()})),
}


def write_instruct(
    seed: int, pool: str, count: int, path: str | Path, negative_share: float, manifest: str | Path | None = None
) -> list[Scene]:
    """Write the instruction data of a pool as Parquet; return its scenes.

    ``manifest``: where the hashes of the scenes go, if anywhere.
    ``negative_share``: share of the fine-grained questions (tasks see, mcq) that ask for something false.
    """
    if not 0 <= negative_share <= 1:
        raise InputError(
            "not a share", field="negative_share", found=negative_share, expected="0 to 1", cure="correct it"
        )
    scenes = draw_pool(seed, pool, count)
    frames = [
        pl.DataFrame(
            [instruct_row(seed, pool, scene, negative_share) for scene in scenes[start : start + ROW_GROUP]],
            schema=SCHEMA, orient="row",
        )
        for start in range(0, max(count, 1), ROW_GROUP)
    ]  # fmt: skip
    with atomic_path(path) as partial:
        pl.concat(frames).write_parquet(partial, compression="zstd", row_group_size=ROW_GROUP, statistics=False)
    if manifest is not None:
        write_manifest(manifest, pool, scenes)
    return scenes


def instruct_row(seed: int, pool: str, scene: Scene, negative_share: float) -> Row:
    """Return one row: image id, JPEG, 112 cell labels, conversations."""
    rng = generator(seed, "instruct", scene.graph_hash)
    talks = [
        {"task": task, "question": question, "answer": answer}
        for task, question, answer in conversations(View(scene, rng), negative_share)
    ]
    return stable_key(pool, scene.graph_hash), jpeg(render(scene)), cell_labels(scene), talks


def conversations(view: View, negative_share: float) -> Iterator[tuple[str, str, str]]:
    """Yield (task, question, answer) in the order of the plan, no question twice; some scenes allow fewer."""
    asked: set[str] = set()
    for task, times in WORDING["plan"].items():
        for _ in range(times):
            negative = view.rng.random() < negative_share  # drawn before the tries, so that failures do not shift it
            for _ in range(_TRIES):
                found = _ask(task, view, negative)
                if found is not None and found[0] not in asked:
                    asked.add(found[0])
                    yield task, *found
                    break


def _ask(task: str, view: View, negative: bool) -> tuple[str, str] | None:
    if task not in ("see", "mcq"):
        return _COARSE[task](view)
    choices = fine_question(view, negative)
    if choices is None:
        return None
    if task == "see":
        return choices.question, choices.right
    count = option_count(view.rng)
    # The first wrong option of a negative question is the "Yes" that follows its premise: it always stays.
    return lettered(view.rng, choices.question, choices.right, choices.wrong[: count - 1])


def cell_labels(scene: Scene) -> list[int]:
    """Return 16 cells x 7 labels, row by row; 0 is none, values count from 1 in the order of ``world.yaml``."""
    labels = [0] * (GRID * GRID * CELL_LABELS)
    for thing in scene.things:
        start = (thing.row * GRID + thing.column) * CELL_LABELS
        color = COLORS.index(thing.color) + 1
        if thing.pattern is None or thing.size is None:
            labels[start + 5 : start + 7] = [HOLDERS.index(thing.kind) + 1, color]
        else:
            labels[start : start + 5] = [
                FIGURES.index(thing.kind) + 1, color, PATTERNS.index(thing.pattern) + 1, SIZES.index(thing.size) + 1,
                1 + (not thing.outlined),
            ]  # fmt: skip
    return labels


def _caption(view: View) -> tuple[str, str] | None:
    return drawn(view.rng, WORDING["caption"]), short_caption(view)


_COARSE: dict[str, Callable[[View], tuple[str, str] | None]] = {
    "lookup": coarse.lookup, "presence": coarse.presence, "short": coarse.short, "where": coarse.where,
    "which": coarse.which, "truth_attr": coarse.truth_attr, "truth_rel": coarse.truth_rel,
    "truth_obj": coarse.truth_obj, "mcq_short": coarse.mcq_short, "bind": coarse.bind, "caption": _caption,
}  # fmt: skip
