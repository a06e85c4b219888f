"""Scenes as DOCCI's files: ``docci_descriptions.jsonlines`` and ``images/``."""

from __future__ import annotations

import json
from pathlib import Path

from finer.keys import generator
from finer.world.folders import whole_folder
from finer.world.pools import MANIFEST, draw_pool, write_manifest
from finer.world.render import jpeg, render
from finer.world.stories import tell
from finer.world.truth import Named, write_truth


def write_docci(
    seed: int, pool: str, count: int, folder: str | Path,
    truth: str | Path | None = None, split: str = "test",
) -> list[Named]:  # fmt: skip
    """Write ``folder/docci_descriptions.jsonlines`` and ``folder/images``; return (file name, scene) in order.

    ``truth``: where the truth of the scenes goes, if anywhere. ``folder/scenes.csv`` is their manifest.
    """
    scenes = draw_pool(seed, pool, count)
    ids = [f"{split}_{number:05d}" for number in range(count)]
    with whole_folder(folder) as partial:
        (partial / "images").mkdir()
        lines = []
        for example_id, scene in zip(ids, scenes, strict=True):
            (partial / "images" / f"{example_id}.jpg").write_bytes(jpeg(render(scene)))
            row = {
                "example_id": example_id,
                "split": split,
                "image_file": f"{example_id}.jpg",
                "description": tell(scene, generator(seed, "docci", scene.graph_hash)),
            }
            lines.append(json.dumps(row, ensure_ascii=False))
        (partial / "docci_descriptions.jsonlines").write_text("\n".join(lines) + "\n", encoding="utf-8")
        write_manifest(partial / MANIFEST, pool, scenes)
    named = [(f"{example_id}.jpg", scene) for example_id, scene in zip(ids, scenes, strict=True)]
    if truth is not None:
        write_truth(truth, pool, named)
    return named
