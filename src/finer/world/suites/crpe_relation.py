"""CRPE's relation split: who, in which relation, to what; each question in the four rotations of its options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from finer.keys import generator
from finer.store import write_text
from finer.world.claims import View
from finer.world.pools import draw_pool
from finer.world.prompts import LETTERS, WORDING
from finer.world.render import render
from finer.world.scenes import Scene
from finer.world.suites import asking
from finer.world.suites.asking import WRONG
from finer.world.suites.writing import POOL, save_image

ROTATIONS = WRONG + 1
_ASK = {"subject": asking.subject, "predicate": asking.relation, "object": asking.target}


def write(seed: int, count: int, folder: Path) -> Sequence[Scene]:
    """Write ``crpe_relation.jsonl`` and the images: about ``count`` rows, the four of a question together."""
    scenes: list[Scene] = []
    lines: list[str] = []
    for number, scene in enumerate(draw_pool(seed, POOL, max(3, count // 3))):
        if len(lines) >= count:
            break
        view = View(scene, generator(seed, "crpe_relation", scene.graph_hash))
        # Two questions an image, the categories in turn.
        asked = [(name, _ASK[name](view)) for name in (list(_ASK) * 2)[number % 3 : number % 3 + 2]]
        if not any(one for _, one in asked):
            continue
        scenes.append(scene)
        name = f"coco/val2017/{int(scene.graph_hash[:10], 16) % 10**12:012d}.jpg"
        image = save_image(folder, name, render(scene))
        for category, one in asked:
            if one is None:
                continue
            options = view.rng.sample([one.right, *one.wrong], ROTATIONS)
            for turn in range(ROTATIONS):
                turned = options[turn:] + options[:turn]
                shown = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, turned, strict=False))
                record = {
                    "question_id": len(lines), "image": image,
                    "text": f"{one.question}\n{shown}\n{WORDING['letter_request']}",
                    "correct_option": LETTERS[turned.index(one.right)], "category": category,
                }  # fmt: skip
                lines.append(json.dumps(record))
    write_text(folder / "crpe_relation.jsonl", "\n".join(lines) + "\n")
    return scenes
