"""Instruction data for the base models: one row a scene or other picture with its cells and conversations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from finer.keys import generator, stable_key
from finer.store import atomic_path
from finer.world import coarse, general
from finer.world.captions import short_caption
from finer.world.claims import View
from finer.world.finegrained import fine_question, mixed_question
from finer.world.pictures import GENERAL, Picture, draw_picture, scene_labels
from finer.world.pools import draw_pool, draw_unique, write_manifest
from finer.world.prompts import WORDING, drawn, lettered, option_count
from finer.world.render import jpeg, render
from finer.world.scenes import Scene

ROW_GROUP = 2000
Row = tuple[str, bytes, list[int], list[dict[str, object]]]
FINE_GRAINED = ("see", "mcq", "mixed")
_TRIES = 5  # draws of a question before a scene is taken not to allow it
SCHEMA = {
    "image_id": pl.String(),
    "image": pl.Binary(),
    "cells": pl.List(pl.Int64()),
    "conversations": pl.List(
        pl.Struct({"task": pl.String(), "question": pl.String(), "answer": pl.String(), "negative": pl.Boolean()})
    ),
}


def write_instruct(
    seed: int, pool: str, count: int, path: str | Path, manifest: str | Path | None = None
) -> list[Scene]:
    """Write the instruction data of a pool as Parquet; return its scenes.

    ``manifest``: where the hashes of the scenes go, if anywhere.
    Half of the fine-grained questions (tasks see, mcq, mixed) ask for something false and are marked ``negative``;
    which share of them a model is trained on, its recipe says.
    """
    pictures = round(count * GENERAL["share"])
    scenes = draw_pool(seed, pool, count - pictures)
    drawn = draw_unique(seed, pool, pictures, "picture", draw_picture)
    frames = [
        pl.DataFrame(
            [instruct_row(seed, pool, each) for each in mingled[start : start + ROW_GROUP]],
            schema=SCHEMA, orient="row",
        )
        for mingled in (mingle(scenes, drawn),) for start in range(0, max(count, 1), ROW_GROUP)
    ]  # fmt: skip
    with atomic_path(path) as partial:
        pl.concat(frames).write_parquet(partial, compression="zstd", row_group_size=ROW_GROUP, statistics=False)
    if manifest is not None:
        write_manifest(manifest, pool, [*scenes, *drawn])
    return scenes


def mingle(scenes: list[Scene], pictures: list[Picture]) -> list[Scene | Picture]:
    """Return both, the pictures spread evenly among the scenes."""
    total = len(scenes) + len(pictures)
    left, right = iter(scenes), iter(pictures)
    return [
        next(right) if (place + 1) * len(pictures) // total > place * len(pictures) // total else next(left)
        for place in range(total)
    ]


def instruct_row(seed: int, pool: str, shown: Scene | Picture) -> Row:
    """Return one row: image id, JPEG, 160 cell labels, conversations."""
    key = shown.graph_hash
    if isinstance(shown, Scene):
        pixels, labels = render(shown), scene_labels(shown)
        said = list(conversations(View(shown, generator(seed, "instruct", key))))
    else:
        pixels, labels = shown.pixels(), shown.labels()
        talked = general.picture_talks(shown, generator(seed, "instruct", key))
        said = [(*talk, False) for talk in talked]
    talks = [dict(zip(("task", "question", "answer", "negative"), talk, strict=True)) for talk in said]
    return stable_key(pool, key), jpeg(pixels), labels.ravel().tolist(), talks


def conversations(view: View) -> Iterator[tuple[str, str, str, bool]]:
    """Yield (task, question, answer, negative) in the order of the plan, no question twice; some allow fewer."""
    asked: set[str] = set()
    for task, times in WORDING["plan"].items():
        for _ in range(times):
            # Drawn before the tries, so that failures do not shift it.
            negative = task in FINE_GRAINED and view.rng.random() < 0.5
            for _ in range(_TRIES):
                found = _ask(task, view, negative)
                if found is not None and found[0] not in asked:
                    asked.add(found[0])
                    yield task, *found, negative
                    break


def _ask(task: str, view: View, negative: bool) -> tuple[str, str] | None:
    if task == "mixed":
        return mixed_question(view, negative)
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


def _caption(view: View) -> tuple[str, str] | None:
    if view.rng.random() < 0.25:
        return general.long_caption(view)
    return drawn(view.rng, WORDING["caption"]), short_caption(view)


_COARSE: dict[str, Callable[[View], tuple[str, str] | None]] = {
    "lookup": coarse.lookup, "presence": coarse.presence, "short": coarse.short, "where": coarse.where,
    "which": coarse.which, "truth_attr": coarse.truth_attr, "truth_rel": coarse.truth_rel,
    "truth_obj": coarse.truth_obj, "mcq_short": coarse.mcq_short, "bind": coarse.bind, "caption": _caption,
    "refer": coarse.refer, "count": general.count,
}  # fmt: skip
