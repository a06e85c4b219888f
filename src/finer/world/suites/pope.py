"""POPE's three files: of each scene, three objects that are there and three that are not, by three samplings.

Random: any absent kind; popular: the absent kinds seen in most scenes; adversarial: the absent kinds seen most often
together with those of the scene. The questions about what is there are the same in all three files.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

from finer.keys import generator
from finer.store import write_text
from finer.world.phrases import with_article
from finer.world.pools import draw_pool
from finer.world.render import render
from finer.world.scenes import Scene
from finer.world.suites.writing import POOL, save_image

ASKED = 3  # objects that are there, and as many that are not, an image
SPLITS = ("random", "popular", "adversarial")


def write(seed: int, count: int, folder: Path) -> Sequence[Scene]:
    """Write ``coco_pope_{random,popular,adversarial}.json`` and the images: about ``count`` different questions."""
    # Three questions about what is there and three times three about what is not, some of them twice.
    scenes = [scene for scene in draw_pool(seed, POOL, max(1, count // 10)) if len(scene.counts) >= ASKED]
    seen = Counter(kind for scene in scenes for kind in scene.counts)
    lines: dict[str, list[str]] = {split: [] for split in SPLITS}
    for scene in scenes:
        rng = generator(seed, "pope", scene.graph_hash)
        image = save_image(folder, f"COCO_val2014_{int(scene.graph_hash[:10], 16) % 10**12:012d}.jpg", render(scene))
        there = rng.sample(sorted(scene.counts), ASKED)
        for split in SPLITS:
            absent = _absent(scene, scenes, seen, split, rng)
            for kind, label in (
                pair for two in zip(there, absent, strict=True) for pair in zip(two, ("yes", "no"), strict=True)
            ):
                question = f"Is there {with_article(kind)} in the image?"
                record = {"question_id": len(lines[split]) + 1, "image": image, "text": question, "label": label}
                lines[split].append(json.dumps(record))
    for split in SPLITS:
        write_text(folder / f"coco_pope_{split}.json", "\n".join(lines[split]) + "\n")
    return scenes


def _absent(scene: Scene, scenes: Sequence[Scene], seen: Counter[str], split: str, rng: Random) -> list[str]:
    """Return kinds that are not in the scene, drawn or those that come first by the split's order."""
    others = sorted(kind for kind in seen if kind not in scene.counts)
    if split == "random":
        return rng.sample(others, ASKED)
    if split == "popular":
        return sorted(others, key=lambda kind: (-seen[kind], kind))[:ASKED]
    together = Counter(
        kind for other in scenes if set(other.counts) & set(scene.counts) for kind in other.counts
        for _ in set(other.counts) & set(scene.counts)
    )  # fmt: skip
    return sorted(others, key=lambda kind: (-together[kind], kind))[:ASKED]
