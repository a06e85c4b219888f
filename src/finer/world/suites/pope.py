"""POPE's three files: of each scene, three objects that are there and three that are not, by three samplings.

Random: any absent kind; popular: the absent kinds seen in most scenes; adversarial: the absent kinds seen most often
together with those of the scene. The questions about what is there are the same in all three files.

Some labels are wrong, as COCO's annotations make some of POPE's wrong: about 4 % of the questions (``MISLABELLED``).
RePOPE's files (``finer.world.suites.repope``) hold the same questions with the truth as label.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from finer.keys import generator
from finer.store import write_text
from finer.world.catalogue import KINDS
from finer.world.phrases import with_article
from finer.world.pools import draw_pool
from finer.world.render import render
from finer.world.scenes import Scene
from finer.world.suites.writing import POOL, save_image

ASKED = 3  # objects labelled as there, and as many labelled as not there, an image
SPLITS = ("random", "popular", "adversarial")
MISLABELLED = {"yes": 0.06, "no": 0.02}  # share of the questions with this label that should have the other


@dataclass(frozen=True)
class Poll:
    """A question of one file, the label that POPE gives it and the true one."""

    split: str
    question_id: int
    scene: Scene
    kind: str
    label: str

    @property
    def truth(self) -> str:
        """What the scene says."""
        return "yes" if self.kind in self.scene.counts else "no"

    @property
    def image(self) -> str:
        """The image's file name."""
        return f"COCO_val2014_{int(self.scene.graph_hash[:10], 16) % 10**12:012d}.jpg"

    def line(self, label: str) -> str:
        """Return the line of the official file with this label."""
        question = f"Is there {with_article(self.kind)} in the image?"
        return json.dumps({"question_id": self.question_id, "image": self.image, "text": question, "label": label})


def write(seed: int, count: int, folder: Path) -> Sequence[Scene]:
    """Write ``coco_pope_{random,popular,adversarial}.json`` and the images: about ``count`` different questions."""
    asked = polls(seed, count)
    for split in SPLITS:
        lines = [poll.line(poll.label) for poll in asked if poll.split == split]
        write_text(folder / f"coco_pope_{split}.json", "\n".join(lines) + "\n")
    return save_scenes(asked, folder)


def save_scenes(asked: Sequence[Poll], folder: Path) -> list[Scene]:
    """Save the images of the questions; return their scenes."""
    scenes = {poll.image: poll.scene for poll in asked}
    for name, scene in scenes.items():
        save_image(folder, name, render(scene))
    return list(scenes.values())


def polls(seed: int, count: int) -> list[Poll]:
    """Return about ``count`` different questions, each file's in its order."""
    # Three questions about what is there and three times three about what is not, some of them twice.
    scenes: list[Scene] = []
    drawn = max(1, count // 10)
    while not scenes:  # a single scene may have too few kinds
        scenes = [scene for scene in draw_pool(seed, POOL, drawn) if len(scene.counts) >= ASKED]
        drawn += 1
    seen = Counter(kind for scene in scenes for kind in scene.counts)
    numbers: Counter[str] = Counter()
    found = []
    for scene in scenes:
        for split, kind, label in _asked(scene, scenes, seen, generator(seed, "pope", scene.graph_hash)):
            numbers[split] += 1
            found.append(Poll(split, numbers[split], scene, kind, label))
    return found


def _asked(scene: Scene, scenes: Sequence[Scene], seen: Counter[str], rng: Random) -> Iterator[tuple[str, str, str]]:
    """Yield (split, kind, label): yes and no in turn."""
    kinds = rng.sample(sorted(scene.counts), len(scene.counts))
    there, unasked = kinds[:ASKED], kinds[ASKED:]
    imagined = _not_there(scene, seen)
    for place in range(ASKED):
        if rng.random() < MISLABELLED["yes"]:
            there[place] = imagined.pop(rng.randrange(len(imagined)))
    for split in SPLITS:
        absent = _absent(scene, scenes, seen, split, rng, there)
        if unasked and rng.random() < MISLABELLED["no"] * ASKED:
            absent[rng.randrange(ASKED)] = unasked[0]
        for yes, no in zip(there, absent, strict=True):
            yield split, yes, "yes"
            yield split, no, "no"


def _absent(
    scene: Scene, scenes: Sequence[Scene], seen: Counter[str], split: str, rng: Random, barred: Sequence[str]
) -> list[str]:
    """Return kinds that are not in the scene, drawn or those that come first by the split's order."""
    others = _not_there(scene, seen, barred)
    if split == "random":
        return rng.sample(others, ASKED)
    if split == "popular":
        return sorted(others, key=lambda kind: (-seen[kind], kind))[:ASKED]
    together = Counter(
        kind for other in scenes if set(other.counts) & set(scene.counts) for kind in other.counts
        for _ in set(other.counts) & set(scene.counts)
    )  # fmt: skip
    return sorted(others, key=lambda kind: (-together[kind], kind))[:ASKED]


def _not_there(scene: Scene, seen: Counter[str], barred: Sequence[str] = ()) -> list[str]:
    """Return the kinds of the other scenes; where few scenes show too few kinds, all that the world has."""
    of_scenes, of_world = (
        sorted(kind for kind in kinds if kind not in scene.counts and kind not in barred) for kinds in (seen, KINDS)
    )
    return of_scenes if len(of_scenes) >= ASKED else of_world
