"""AMBER's files: queries about scenes, annotations in the order of their ids, association words, safe words.

Ids run as upstream's: descriptions, attributes (state, number, action), existence, relations. Half of the questions
about attributes are true of the image, none of those about existence; relations come under two types, by their answer.
Actions are what can be done in the micro world: to lie inside something, or on top of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from finer.keys import generator
from finer.store import write_text
from finer.world.catalogue import COLORS, KINDS, WORLD, read_yaml
from finer.world.claims import View
from finer.world.phrases import PREDICATES, TEXT, with_article
from finer.world.pools import draw_pool
from finer.world.render import render
from finer.world.scenes import INSIDE, ON_TOP, PLACES, Scene
from finer.world.suites.writing import POOL, save_image

WORDS = read_yaml("suites/amber.yaml")
EXPECTED = 5  # kinds an image that people would expect and that are not there
ABSENT = 2  # questions an image about them
DESCRIBE = "Describe this image."
GENERATIVE = "generative"
STATE, NUMBER, ACTION = (f"discriminative-attribute-{name}" for name in ("state", "number", "action"))
EXISTENCE, TRUE_RELATION, FALSE_RELATION = "discriminative-hallucination", "discriminative-relation", "relation"
# Name of a query file -> the types of its queries, in the order of the ids.
FILES = {
    "generative": (GENERATIVE,),
    "discriminative-attribute": (STATE, NUMBER, ACTION),
    "discriminative-existence": (EXISTENCE,),
    "discriminative-relation": (TRUE_RELATION, FALSE_RELATION),
}
Asked = tuple[str, str, str]  # type, query, truth
_QUESTIONS_A_SCENE = 9


def write(seed: int, count: int, folder: Path) -> Sequence[Scene]:
    """Write the files and the images: about ``count`` yes/no questions."""
    return write_scenes(seed, max(1, count // _QUESTIONS_A_SCENE), folder)


def write_scenes(seed: int, count: int, folder: Path) -> list[Scene]:
    """Write the files about so many images, in the layout of upstream's folder ``data``; return the scenes."""
    scenes = draw_pool(seed, POOL, count)
    names = [save_image(folder, f"AMBER_{number}.jpg", render(scene)) for number, scene in enumerate(scenes, start=1)]
    queries: dict[str, list[dict[str, Any]]] = {file: [] for file in FILES}
    annotations: list[dict[str, Any]] = []
    views = [View(scene, generator(seed, "amber", scene.graph_hash)) for scene in scenes]
    asked = [list(_discriminative(view)) for view in views]
    for file, types in FILES.items():
        for kind in types:
            for view, image, questions in zip(views, names, asked, strict=True):
                if kind == GENERATIVE:
                    _add(queries[file], annotations, image, DESCRIBE, {"type": kind, **_words(view)})
                for name, query, truth in questions:
                    if name == kind:
                        _add(queries[file], annotations, image, query, {"type": name, "truth": truth})
    _write_files(folder, queries, annotations)
    return scenes


def _add(
    queries: list[dict[str, Any]], annotations: list[dict[str, Any]], image: str, query: str, truth: dict[str, Any]
) -> None:
    number = len(annotations) + 1
    queries.append({"id": number, "image": image, "query": query})
    annotations.append({"id": number, **truth})


def _write_files(folder: Path, queries: dict[str, list[dict[str, Any]]], annotations: list[dict[str, Any]]) -> None:
    discriminative = [row for name, rows in queries.items() if name != GENERATIVE for row in rows]
    files = {**queries, "discriminative": discriminative, "all": [*queries[GENERATIVE], *discriminative]}
    for name, rows in files.items():
        write_text(folder / "query" / f"query_{name}.json", json.dumps(rows, indent=1) + "\n")
    write_text(folder / "annotations.json", json.dumps(annotations, indent=1) + "\n")
    write_text(folder / "relation.json", json.dumps(associations(), indent=1) + "\n")
    write_text(folder / "safe_words.txt", "\n".join(WORDS["safe_words"]) + "\n")


def associations() -> dict[str, list[str]]:
    """Return the words that may stand for each word that counts: kinds, what is never there, safe words."""
    others = [*TEXT["foreign"]["kind"], *WORDS["safe_words"]]
    return {**WORDS["associations"], **{word: [] for word in others}}


def _words(view: View) -> dict[str, list[str]]:
    """Return the kinds of a scene, and those that its company would make one expect."""
    return {"truth": view.present, "hallu": _expected(view.scene)}


def _expected(scene: Scene) -> list[str]:
    """Return absent kinds, those first that share most themes with what is there."""
    together = Counter(
        kind for members in WORLD["themes"].values() for kind in members for _ in set(members) & set(scene.counts)
    )
    absent = [kind for kind in KINDS if kind not in scene.counts]
    return sorted(absent, key=lambda kind: (-together[kind], kind))[:EXPECTED]


def _discriminative(view: View) -> Iterator[Asked]:
    scene, rng = view.scene, view.rng
    for kind in _expected(scene)[:ABSENT]:
        yield EXISTENCE, f"Is there {with_article(kind)} in this image?", "no"
    if view.named:
        yield from _states(view, rng.choice(view.named))
    yield from _numbers(scene, rng.choice(view.present))
    yield from _placed(view, (INSIDE, ON_TOP), ACTION, ACTION)
    yield from _placed(view, PLACES, TRUE_RELATION, FALSE_RELATION)


def _states(view: View, index: int) -> Iterator[Asked]:
    """Ask for a thing's own color and for one that no thing of its kind has."""
    kind = view.things[index].kind
    own = {thing.color for thing in view.things if thing.kind == kind}
    wrong = view.rng.choice([color for color in COLORS if color not in own])
    for color, truth in ((view.things[index].color, "yes"), (wrong, "no")):
        yield STATE, f"Is the {kind if view.scene.unique(index) else view.name(index)} {color} in this image?", truth


def _numbers(scene: Scene, kind: str) -> Iterator[Asked]:
    one = f"Is there one {kind} in this image?"
    two = f"Are there two {WORDS['plurals'].get(kind, f'{kind}s')} in this image?"
    right, wrong = (one, two) if scene.counts[kind] == 1 else (two, one)
    yield NUMBER, right, "yes"
    yield NUMBER, wrong, "no"


def _placed(view: View, relations: Sequence[str], if_true: str, if_false: str) -> Iterator[Asked]:
    """Ask for a relation that holds, and for one to the same thing that does not."""
    true = [
        (i, name, j) for (i, j), name in view.scene.relations.items()
        if name in relations and view.names[i] and view.names[j]
    ]  # fmt: skip
    if not true:
        return
    i, name, j = view.rng.choice(true)
    false = _false(view, i, j, relations, view.rng)
    if false is None:
        return
    for (subject, relation), kind, truth in (((i, name), if_true, "yes"), (false, if_false, "no")):
        predicate = PREDICATES[relation].removeprefix("is ")
        yield kind, f"Is the {view.name(subject)} {predicate} the {view.name(j)} in this image?", truth


def _false(view: View, index: int, target: int, relations: Sequence[str], rng: Random) -> tuple[int, str] | None:
    """Draw (thing, relation) that does not hold of the target: the same thing if that can be, else another."""
    for candidates in ([index], [other for other in view.named if other not in (index, target)]):
        found = [
            (other, name) for other in candidates for name in relations
            if view.scene.holds(name, other, target) is False
        ]  # fmt: skip
        if found:
            return rng.choice(found)
    return None
