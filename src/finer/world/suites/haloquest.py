"""HaloQuest's file: questions about what is not there, what no picture tells, and what is tiny or inside a thing."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

from finer.keys import generator
from finer.store import write_text
from finer.world.catalogue import KINDS
from finer.world.phrases import capital, with_article
from finer.world.pictures import Marked, draw_picture
from finer.world.pools import draw_unique
from finer.world.render import render
from finer.world.scenes import CONTAINERS, Scene, draw_scene
from finer.world.suites.writing import POOL, save_image

FILE = "haloquest-eval.csv"
HEADER = (
    "", "image_name", "url", "image type", "hallucination type", "question", "groundtruth responses", "split"
)  # fmt: skip
# Of ten questions in turn, about the official shares: 304, 183 and 121 of 608.
TURNS = ("false premises",) * 5 + ("visual challenge",) * 3 + ("insufficient context",) * 2
GENERATED_SHARE = 0.64  # 391 of 608 images
MARKED_SHARE = 0.65  # of what is hard to see; the rest lies inside something
Shown = Scene | Marked
Asked = tuple[str, list[str]]  # question, right answers


def write(seed: int, count: int, folder: Path) -> Sequence[Shown]:
    """Write ``haloquest-eval.csv`` and the images: one question an image."""
    kinds = [TURNS[number % len(TURNS)] for number in range(count)]
    drawn = {
        kind: iter(draw_unique(seed, POOL, kinds.count(kind), f"haloquest {kind}", _DRAW[kind]))
        for kind in dict.fromkeys(kinds)
    }
    sheet, shown = io.StringIO(), []
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(HEADER)
    for number, kind in enumerate(kinds):
        picture = next(drawn[kind])
        rng = generator(seed, "haloquest", kind, picture.graph_hash)
        question, answers = _ASK[kind](picture, rng)
        pixels = render(picture) if isinstance(picture, Scene) else picture.pixels()
        name = save_image(folder, f"{picture.graph_hash[:15]}{list(_ASK).index(kind)}.jpg", pixels)
        image_type = "generated" if rng.random() < GENERATED_SHARE else "real"
        stated = "; ".join(answers) + (";" if rng.random() < 0.2 else "")
        writer.writerow(
            (number, name, f"https://example.org/micro/{name}", image_type, kind, question, stated, "eval")
        )  # fmt: skip
        shown.append(picture)
    write_text(folder / FILE, sheet.getvalue())
    return shown


def _draw_hard(rng: Random) -> Shown:
    marked = rng.random() < MARKED_SHARE
    while True:
        if marked:
            picture = draw_picture(rng)
            if isinstance(picture, Marked):
                return picture
        elif _inside(scene := draw_scene(rng)):
            return scene


def _inside(scene: Scene) -> list[tuple[int, int]]:
    """Return (thing, container) where a container that is the only one of its kind holds something."""
    return [
        (index, thing.holder) for index, thing in enumerate(scene.things)
        if thing.holder is not None and scene.things[thing.holder].kind in CONTAINERS and scene.unique(thing.holder)
    ]  # fmt: skip


def _draw_telling(rng: Random) -> Scene:
    """Draw a scene with a thing that is the only one of its kind."""
    while True:
        scene = draw_scene(rng)
        if 1 in scene.counts.values():
            return scene


def _false_premise(picture: Shown, rng: Random) -> Asked:
    assert isinstance(picture, Scene)
    kind = rng.choice([kind for kind in KINDS if kind not in picture.counts])
    question = rng.choice(
        (f"What color is the {kind}?", f"Where is the {kind}?", f"What pattern does the {kind} have?")
    )  # fmt: skip
    answers = [f"There is no {kind} in the image", f"The image does not show {with_article(kind)}"]
    return question, [*answers, f"No {kind} can be seen"]


def _hard(picture: Shown, rng: Random) -> Asked:
    if isinstance(picture, Scene):
        index, holder = rng.choice(_inside(picture))
        thing, container = picture.things[index], picture.things[holder].kind
        inside = with_article(f"{thing.color} {thing.kind}")
        return f"What is inside the {container}?", [capital(with_article(thing.kind)), capital(inside)]
    place, color = rng.choice(picture.marks)
    if rng.random() < 0.6:
        kind = picture.scene.things[place].kind
        return f"What color is the tiny dot on the {kind}?", [capital(color), f"The dot is {color}"]
    count = len(picture.marks)
    return "How many tiny dots are there?", [str(count), f"There {'is' if count == 1 else 'are'} {count}"]


def _no_context(picture: Shown, rng: Random) -> Asked:
    assert isinstance(picture, Scene)
    kind = rng.choice(sorted(kind for kind, number in picture.counts.items() if number == 1))
    question = rng.choice((f"Who made the {kind}?", f"What is behind the {kind}?", f"What will happen to the {kind}?"))
    return question, ["It cannot be known from the image", "It cannot be seen", "It is unknown"]


_DRAW: Mapping[str, Callable[[Random], Shown]] = {
    "false premises": draw_scene, "visual challenge": _draw_hard, "insufficient context": _draw_telling,
}  # fmt: skip
_ASK: Mapping[str, Callable[[Shown, Random], Asked]] = {
    "false premises": _false_premise, "visual challenge": _hard, "insufficient context": _no_context,
}  # fmt: skip
