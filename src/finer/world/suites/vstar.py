"""V* Bench's files: tiny dots on things, in images twice as large as the world's others.

Direct attributes: the color of a dot. Relative position: on which side of another thing the dotted one is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from finer.keys import generator
from finer.store import write_text
from finer.world.catalogue import CELL
from finer.world.claims import View
from finer.world.phrases import WHERE, capital
from finer.world.pictures import Marked
from finer.world.pools import draw_unique
from finer.world.prompts import LETTERS, WORDING
from finer.world.scenes import CONVERSE
from finer.world.suites import asking
from finer.world.suites.asking import Asked
from finer.world.suites.mmstar import drawn_kind
from finer.world.suites.writing import POOL, save_image

ZOOM = 2
ATTRIBUTES = 0.6  # share of direct attributes, about that of the release


def write(seed: int, count: int, folder: Path) -> Sequence[Marked]:
    """Write annotations, ``test_questions.jsonl`` and images: ``count`` questions, at least one of each type."""
    attributes = max(1, round(count * ATTRIBUTES))
    wanted = {"direct_attributes": attributes, "relative_position": max(1, count - attributes)}
    shown: list[Marked] = []
    lines: list[str] = []
    # Some pictures allow no question about a place.
    pictures = iter(draw_unique(seed, POOL, 2 * count + 10, "vstar", partial(drawn_kind, Marked)))
    for kind, number in wanted.items():
        for place, (marked, asked) in zip(range(number), _questions(seed, kind, pictures), strict=False):
            stem = f"{kind}/sa_{place}"
            image = save_image(folder, f"{stem}.jpg", np.kron(marked.pixels(), np.ones((ZOOM, ZOOM, 1), np.uint8)))
            things = [marked.scene.things[about] for about in asked.about]
            annotation = {
                "target_object": [thing.kind for thing in things],
                "bbox": [[ZOOM * CELL * thing.column, ZOOM * CELL * thing.row, ZOOM * CELL, ZOOM * CELL]
                         for thing in things],
                "question": asked.question,
                "options": [f"{capital(option)}." for option in (asked.right, *asked.wrong)],
            }  # fmt: skip
            write_text(folder / f"{stem}.json", json.dumps(annotation))
            options = generator(seed, "vstar letters", stem).sample([asked.right, *asked.wrong], 1 + len(asked.wrong))
            listed = "\n".join(f"({letter}) {option}" for letter, option in zip(LETTERS, options, strict=False))
            record = {
                "image": image, "text": f"{asked.question}\n{listed}\n{WORDING['letter_request']}", "category": kind,
                "label": LETTERS[options.index(asked.right)], "question_id": str(len(lines)),
            }  # fmt: skip
            lines.append(json.dumps(record))
            shown.append(marked)
    write_text(folder / "test_questions.jsonl", "\n".join(lines) + "\n")
    return shown


def _questions(seed: int, kind: str, pictures: Iterator[Marked]) -> Iterator[tuple[Marked, Asked]]:
    for marked in pictures:
        view = View(marked.scene, generator(seed, "vstar", marked.graph_hash))
        asked = asking.dot_color(view, marked) if kind == "direct_attributes" else _side(view, marked)
        if asked is not None:
            yield marked, asked


def _side(view: View, marked: Marked) -> Asked | None:
    """Ask on which of two opposite sides of another thing the dotted one is."""
    able = [(place, name, other) for place, _ in marked.marks for name, other in view.related.get(place, ())]
    able = [one for one in able if one[1] in CONVERSE]
    if not able:
        return None
    place, name, other = view.rng.choice(able)
    question = f"Where is the {view.name(place)} relative to the {view.name(other)}?"
    return Asked(question, WHERE[name], (WHERE[CONVERSE[name]],), (place, other))
