"""DASH-B's files: for each kind, scenes without it in which it is likeliest to be seen, and as many with it.

Upstream's images were retrieved because a model sees the object in them. Here the scenes without a kind are ranked by
what may stand in for it: things that look like it (the list ``look_alikes``) or that come with it (``company``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from finer.keys import generator
from finer.store import write_text
from finer.world.catalogue import KINDS, WORLD
from finer.world.pools import draw_pool
from finer.world.render import render
from finer.world.scenes import Scene
from finer.world.suites.writing import POOL, save_image

# Kinds with the same outline at a glance: round, boxy, pointed, tall, upright, flat.
LOOKS = (
    ("ball", "ring", "moon", "heart"), ("block", "box", "house"), ("cone", "kite", "arrow", "bolt"),
    ("star", "cross", "flower"), ("tree", "flower", "cone"), ("cup", "box", "block"), ("fish", "boat"),
    ("table", "house", "cross"),
)  # fmt: skip
_SIDES = ("neg", "pos")


def write(seed: int, count: int, folder: Path) -> Sequence[Scene]:
    """Write ``dash_benchmark_{neg,pos}.json`` and the images: about ``count``, half of them without their object."""
    scenes = draw_pool(seed, POOL, max(8, count))
    each = max(1, count // (2 * len(KINDS)))
    listed: dict[str, dict[str, dict[str, list[str]]]] = {side: {} for side in _SIDES}
    shown: dict[str, Scene] = {}
    for number, kind in enumerate(KINDS):
        name = ("look_alikes", "company")[number % 2]
        stand_ins = look_alikes(kind) if name == "look_alikes" else company(kind)
        rng = generator(seed, "dash_b", kind)
        without = [scene for scene in rng.sample(scenes, len(scenes)) if kind not in scene.counts]
        without.sort(key=lambda scene: -len(stand_ins & set(scene.counts)))
        having = [scene for scene in rng.sample(scenes, len(scenes)) if kind in scene.counts]
        size = min(each, len(without), len(having))
        if not size:
            continue
        for side, chosen in zip(_SIDES, (without[:size], having[:size]), strict=True):
            files = listed[side].setdefault(name, {}).setdefault(kind, [])
            for scene in chosen:
                files.append(_file_name(side, scenes.index(scene)))
                save_image(folder, f"{side}/{name}/{kind}/{files[-1]}", render(scene))
                shown[scene.graph_hash] = scene
    for side in _SIDES:
        write_text(folder / f"dash_benchmark_{side}.json", json.dumps(listed[side], indent=1) + "\n")
    return list(shown.values())


def look_alikes(kind: str) -> set[str]:
    """Return the kinds that look like this one."""
    return {other for looks in LOOKS if kind in looks for other in looks} - {kind}


def company(kind: str) -> set[str]:
    """Return the kinds that share a theme with this one."""
    return {other for members in WORLD["themes"].values() if kind in members for other in members} - {kind}


def _file_name(side: str, number: int) -> str:
    """Return the name of a scene's file, the same for every object, as upstream's repeat across objects."""
    return f"{number:09d}.{'png' if side == 'neg' else 'jpg'}"
