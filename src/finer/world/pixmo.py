"""Scenes as PixMo-Cap's Parquet (``image_url``, ``caption``, ``transcripts``) with their images in a folder."""

from __future__ import annotations

from pathlib import Path
from random import Random

import polars as pl

from finer.keys import generator, stable_key
from finer.world.folders import whole_folder
from finer.world.phrases import adjectives, join, with_article
from finer.world.pools import MANIFEST, draw_pool, write_manifest
from finer.world.render import jpeg, render
from finer.world.scenes import Scene
from finer.world.stories import STORY, tell
from finer.world.truth import Named, write_truth

CAPTION_FILE = "captions.parquet"
_LEAST, _MOST = 5, 11  # sentences: these captions are longer than DOCCI's


def write_pixmo(
    seed: int, pool: str, count: int, folder: str | Path,
    truth: str | Path | None = None,
) -> list[Named]:  # fmt: skip
    """Write ``folder/captions.parquet`` and ``folder/images``; return (file name, scene) in order.

    ``image_url`` holds the file name within ``images``: the world has no web addresses.
    """
    named = [(f"{stable_key(pool, scene.graph_hash)}.jpg", scene) for scene in draw_pool(seed, pool, count)]
    with whole_folder(folder) as partial:
        (partial / "images").mkdir()
        for name, scene in named:
            (partial / "images" / name).write_bytes(jpeg(render(scene)))
        rows = [(name, *_told(scene, generator(seed, "pixmo", scene.graph_hash))) for name, scene in named]
        schema = {"image_url": pl.String(), "caption": pl.String(), "transcripts": pl.List(pl.String())}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        frame.write_parquet(partial / CAPTION_FILE, compression="zstd", statistics=False)
        write_manifest(partial / MANIFEST, pool, [scene for _, scene in named])
    if truth is not None:
        write_truth(truth, pool, named)
    return named


def _told(scene: Scene, rng: Random) -> tuple[str, list[str]]:
    """Return the caption and one to three transcripts of people who speak about the picture."""
    caption = tell(scene, rng, _LEAST, _MOST, share=0.95)
    return caption, [transcript(scene, rng) for _ in range(rng.randint(1, 3))]


def transcript(scene: Scene, rng: Random) -> str:
    """Return what someone says while looking: lower case, things in any order, few attributes."""
    order = rng.sample(scene.things, rng.randint(1, len(scene.things)))
    said = [adjectives(thing, rng.choice((("color",), ("color", "size"), ("pattern",), ()))) for thing in order]
    things = [with_article(f"{words} {thing.kind}".strip()) for words, thing in zip(said, order, strict=True)]
    closing = rng.choice(STORY["spoken_closings"])
    return f"{rng.choice(STORY['spoken_openings'])} {join(things)} {closing}".strip()
