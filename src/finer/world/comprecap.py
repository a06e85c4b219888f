"""Scenes as CompreCap's files: ``anno.json`` with masks, descriptions and relation sentences, and ``images/``."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from finer.keys import generator
from finer.world.claims import View
from finer.world.folders import whole_folder
from finer.world.phrases import PREDICATES, attribute_phrase, attributes, capital, described, join, with_article
from finer.world.pools import MANIFEST, draw_pool, write_manifest
from finer.world.render import Mask, jpeg, masks, render
from finer.world.scenes import Scene
from finer.world.truth import Named, write_truth

_HIGHEST_NAME = 581_929  # COCO's names are twelve digits up to about this
_RELATION_COUNTS = (0, 1, 1, 2, 2, 3)


def write_comprecap(
    seed: int, pool: str, count: int, folder: str | Path,
    truth: str | Path | None = None,
) -> list[Named]:  # fmt: skip
    """Write ``folder/anno.json`` and ``folder/images``; return (file name, scene) in the order of the file.

    ``truth``: where the truth of the scenes goes, if anywhere. ``folder/scenes.csv`` is their manifest.
    """
    named = _named(seed, draw_pool(seed, pool, count))
    with whole_folder(folder) as partial:
        (partial / "images").mkdir()
        entries = []
        for name, scene in named:
            (partial / "images" / name).write_bytes(jpeg(render(scene)))
            entries.append({"image": name, "info": annotation(scene, generator(seed, "comprecap", scene.graph_hash))})
        (partial / "anno.json").write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")
        write_manifest(partial / MANIFEST, pool, [scene for _, scene in named])
    if truth is not None:
        write_truth(truth, pool, named)
    return named


def annotation(scene: Scene, rng: Random) -> list[dict[str, Any]]:
    """Return the entries of a scene's things, as a person might have written them."""
    view, seen = View(scene, rng), masks(scene)
    return [
        {
            "category": thing.kind,
            "short_description": _short(view, index),
            "extend_description": _extended(view, index),
            "mask_out": packed_mask(seen[index]),
            "relation": _relations(view, index),
        }
        for index, thing in enumerate(scene.things)
    ]


def packed_mask(mask: Mask) -> str:
    """Return base64 of zlib of the flat uint8 mask."""
    return base64.b64encode(zlib.compress(mask.astype(np.uint8).tobytes())).decode("ascii")


def _short(view: View, index: int) -> str:
    thing = view.things[index]
    names = view.rng.choice((("color",), ("color",), ("color", "size"), ("color", "pattern"), ()))
    return f"{capital(with_article(described(thing, names)))}."


def _extended(view: View, index: int) -> str:
    """Return one or two sentences with two to four attributes, always the color."""
    rng, thing = view.rng, view.things[index]
    values = attributes(thing)
    others = [name for name in values if name != "color"]
    names = {"color", *rng.sample(others, rng.randint(min(1, len(others)), len(others)))}
    front = {name for name in names if name != "outline" and (name != "pattern" or rng.random() < 0.4)}
    behind = [attribute_phrase(name, values[name]) for name in ("pattern", "outline") if name in names - front]
    if "size" in front and rng.random() < 0.2:
        front.discard("size")
        tail = f" It is {values['size']}."
    else:
        tail = ""
    if len(behind) == 2:  # "with a striped pattern and a black outline"
        behind = [f"{behind[0]} and {behind[1].removeprefix('with ')}"]
    return f"{capital(with_article(' '.join([described(thing, front), *behind])))}.{tail}"


def _relations(view: View, index: int) -> list[str]:
    """Return up to three sentences whose subject is this thing; the other category stands verbatim in each."""
    rng, thing = view.rng, view.things[index]
    known = view.related.get(index, [])
    held = [link for link in known if link[1] == thing.holder]
    free = [link for link in known if link[1] != thing.holder]
    wanted = min(rng.choice(_RELATION_COUNTS), len(known))
    chosen = (held + rng.sample(free, len(free)))[:wanted]
    name = view.names[index] or thing.kind
    if wanted >= 2 and rng.random() < 0.1:  # two facts in one sentence, as people do
        return [f"The {name} {join([f'{PREDICATES[relation]} the {view.name(other)}' for relation, other in chosen])}."]
    return [f"The {name} {PREDICATES[relation]} the {view.name(other)}." for relation, other in chosen]


def _named(seed: int, scenes: list[Scene]) -> list[Named]:
    """Give each scene a file name as COCO's, by its hash."""
    taken: set[int] = set()
    named = []
    for scene in scenes:
        rng = generator(seed, "coco name", scene.graph_hash)
        number = rng.randint(1, _HIGHEST_NAME)
        while number in taken:
            number = rng.randint(1, _HIGHEST_NAME)
        taken.add(number)
        named.append((f"{number:012d}.jpg", scene))
    return named
