"""MMHal-Bench's file: open questions of its eight types about scenes, with labels of all things and a right answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random

from finer.keys import generator
from finer.store import write_text
from finer.world.claims import View
from finer.world.phrases import PREDICATES, capital, described, join, with_article
from finer.world.pools import draw_unique
from finer.world.render import render
from finer.world.scenes import Scene, Thing, draw_scene
from finer.world.suites.writing import POOL, save_image

FILE = "response_template.json"
MOST = 96  # as officially: twelve topics of each of the eight types
TOPICS = 12
_ADJECTIVES = ("size", "color", "pattern")
Exchange = tuple[str, str]  # question, answer


def write(seed: int, count: int, folder: Path) -> Sequence[Scene]:
    """Write ``response_template.json`` and the images: 96 questions at most, types in turn."""
    total = min(count, MOST)
    by_type = {
        kind: draw_unique(seed, POOL, -(-total // len(_TYPES)), f"mmhal {kind}", partial(_fit, seed, kind))
        for kind in _TYPES
    }
    rows, shown = [], []
    for number in range(total):
        kind = list(_TYPES)[number % len(_TYPES)]
        scene = by_type[kind][number // len(_TYPES)]
        exchange = _TYPES[kind](_view(scene, seed, kind))
        assert exchange is not None, "the scene was drawn to allow the question"
        image_id = f"{scene.graph_hash[:15]}{number % len(_TYPES)}"
        name = save_image(folder, f"{image_id}.jpg", render(scene))
        shown.append(scene)
        rows.append(
            {
                "question_type": kind, "question_topic": f"topic {number // len(_TYPES) % TOPICS + 1}",
                "image_id": image_id, "image_src": f"https://example.org/micro/{name}",
                "image_content": [capital(_label(thing)) for thing in scene.things],
                "question": exchange[0], "gt_answer": exchange[1], "model_answer": "",
            }
        )  # fmt: skip
    write_text(folder / FILE, json.dumps(rows, indent=1) + "\n")
    return shown


def _fit(seed: int, kind: str, rng: Random) -> Scene:
    """Draw a scene that allows a question of the type."""
    while True:
        scene = draw_scene(rng)
        if _TYPES[kind](_view(scene, seed, kind)) is not None:
            return scene


def _view(scene: Scene, seed: int, kind: str) -> View:
    return View(scene, generator(seed, "mmhal", kind, scene.graph_hash))


def _label(thing: Thing) -> str:
    return described(thing, _ADJECTIVES)


def _only_figures(view: View) -> list[int]:
    return [index for index in view.figures if view.scene.unique(index)]


def _attribute(view: View) -> Exchange | None:
    able = _only_figures(view)
    if not able:
        return None
    thing = view.things[view.rng.choice(able)]
    if view.rng.random() < 0.5:
        return f"What color is the {thing.kind}?", f"The {thing.kind} is {thing.color}."
    return f"What pattern does the {thing.kind} have?", f"The {thing.kind} is {thing.pattern}."


def _adversarial(view: View) -> Exchange | None:
    kind = view.rng.choice(view.absent)
    question = view.rng.choice((f"What color is the {kind}?", f"What pattern does the {kind} have?"))
    return question, f"There is no {kind} in the image."


def _comparison(view: View) -> Exchange | None:
    able = _only_figures(view)
    if len(able) < 2:
        return None
    one, other = (view.things[index] for index in view.rng.sample(able, 2))
    both = f"the {one.kind} is {one.color} and the {other.kind} is {other.color}"
    same = one.color == other.color
    return f"Do the {one.kind} and the {other.kind} have the same color?", f"{'Yes' if same else 'No'}, {both}."


def _counting(view: View) -> Exchange | None:
    color = view.rng.choice(view.things).color
    number = sum(thing.color == color for thing in view.things)
    return f"How many {color} things can you see?", f"{number} {color} thing{'s' * (number > 1)}."


def _relation(view: View) -> Exchange | None:
    able = [
        (i, name, j) for (i, j), name in view.scene.relations.items() if view.scene.unique(i) and view.scene.unique(j)
    ]
    if not able:
        return None
    i, name, j = view.rng.choice(able)
    one, other = view.things[i].kind, view.things[j].kind
    return f"Where is the {one} relative to the {other}?", f"The {one} {PREDICATES[name]} the {other}."


def _environment(view: View) -> Exchange | None:
    return "What is the background like?", "The background is plain and gray."


def _holistic(view: View) -> Exchange | None:
    return "Describe the image.", f"There is {join([with_article(_label(thing)) for thing in view.things])}."


def _other(view: View) -> Exchange | None:
    able = [side for side in view.only_ones() if view.scene.unique(side[0]) and view.scene.unique(side[2])]
    if not able:
        return None
    asked, name, named = view.rng.choice(able)
    one, other = view.things[asked].kind, view.things[named].kind
    return f"What {PREDICATES[name]} the {other}?", f"The {one} {PREDICATES[name]} the {other}."


_TYPES: Mapping[str, Callable[[View], Exchange | None]] = {
    "attribute": _attribute, "adversarial": _adversarial, "comparison": _comparison, "counting": _counting,
    "relation": _relation, "environment": _environment, "holistic": _holistic, "other": _other,
}  # fmt: skip
