"""RePOPE's three files: the questions of POPE's with the truth as label, without some that pass for ambiguous.

POPE's micro files hold a few wrong labels; here they are right. Ambiguous is what its name draws: the micro world has
no doubtful objects, but a question left out must be left out of every file, and the ids must keep their gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from finer.keys import generator
from finer.store import write_text
from finer.world.scenes import Scene
from finer.world.suites.pope import SPLITS, Poll, polls, save_scenes

AMBIGUOUS = 0.08  # share of the questions that are left out


def write(seed: int, count: int, folder: Path) -> Sequence[Scene]:
    """Write ``coco_repope_{random,popular,adversarial}.json`` and the images of POPE's questions."""
    asked = polls(seed, count)
    for split in SPLITS:
        lines = [poll.line(poll.truth) for poll in asked if poll.split == split and not _ambiguous(seed, poll)]
        write_text(folder / f"coco_repope_{split}.json", "\n".join(lines) + "\n")
    return save_scenes(asked, folder)


def _ambiguous(seed: int, poll: Poll) -> bool:
    return generator(seed, "repope", poll.scene.graph_hash, poll.kind).random() < AMBIGUOUS
