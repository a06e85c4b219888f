"""HallusionBench's file: sets of a figure, an edited figure and, for charts and signs, no figure, with two questions.

VD (the question needs the figure): scenes in which a thing has another color (``figure``) or is another thing
(``illusion``), signs with another word (``ocr``). VS (the figure supplements the question): bar charts whose bars
change order (``chart``) and signs (``ocr``), asked without an image first; the answer is then that of the unedited
figure, which nobody can know: to say so counts as right. Edited pictures belong to the pool as the others do.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from finer.keys import generator
from finer.store import write_text
from finer.world.catalogue import COLORS, FIGURES, GRID
from finer.world.phrases import with_article
from finer.world.pictures import GENERAL, Chart, Sign, draw_picture
from finer.world.pools import Hashed, draw_pool, draw_unique, hash_position, pool_range
from finer.world.render import render
from finer.world.scenes import Scene
from finer.world.suites.writing import POOL, save_image

Shown = Scene | Chart | Sign
_T = TypeVar("_T", Chart, Sign)
_ROWS_A_ROUND = 24  # one set of each of the five kinds: three of four rows, two of six
_TRIES = 2000


@dataclass(frozen=True)
class Question:
    """A question, with the answer for the figure and for the edited one, and each answer as a sentence."""

    text: str
    answers: tuple[bool, bool]
    true: tuple[str, str]


@dataclass(frozen=True)
class Set:
    """A figure, the edited figure and the questions about both."""

    shown: tuple[Shown, Shown]
    questions: tuple[Question, Question]


def write(seed: int, count: int, folder: Path) -> Sequence[Hashed]:
    """Write ``HallusionBench.json`` and the images: about ``count`` questions."""
    rounds = max(1, count // _ROWS_A_ROUND)
    scenes = iter(draw_pool(seed, POOL, 8 * rounds + 20))  # some allow no edit within the pool
    signs = iter(draw_unique(seed, POOL, 2 * rounds, "hallusionbench sign", _drawer(Sign)))
    charts = iter(draw_unique(seed, POOL, rounds, "hallusionbench chart", _drawer(Chart)))
    rows: list[dict[str, str | None]] = []
    shown: list[Hashed] = []
    numbers: Counter[tuple[str, str]] = Counter()
    for _ in range(rounds):
        made = (
            ("VD", "figure", _first(scenes, seed, recolored)), ("VD", "illusion", _first(scenes, seed, exchanged)),
            ("VD", "ocr", _first(signs, seed, reworded)), ("VS", "chart", _first(charts, seed, reordered)),
            ("VS", "ocr", _first(signs, seed, reworded)),
        )  # fmt: skip
        for category, subcategory, one in made:
            number = numbers[category, subcategory]
            numbers[category, subcategory] += 1
            rows += _rows(category, subcategory, number, one, folder)
            shown += one.shown
    write_text(folder / "HallusionBench.json", json.dumps(rows, indent=1) + "\n")
    return shown


def _rows(category: str, subcategory: str, number: int, one: Set, folder: Path) -> Iterator[dict[str, str | None]]:
    versions: list[tuple[str, int, Shown | None]] = [("1", 0, one.shown[0]), ("2", 1, one.shown[1])]
    if category == "VS":
        versions = [("0", 0, None), *versions]
    for figure, (visual_input, edited, picture) in enumerate(versions):
        name = f"{category}/{subcategory}/{number}_{figure}.png"
        if picture is not None:
            save_image(folder, name, _pixels(picture))
        for question_id, question in enumerate(one.questions):
            yield {
                "category": category, "subcategory": subcategory, "visual_input": visual_input, "set_id": str(number),
                "figure_id": str(figure), "sample_note": subcategory, "question_id": str(question_id),
                "question": question.text, "gt_answer_details": question.true[edited],
                "gt_answer": str(int(question.answers[edited])),
                "filename": None if picture is None else f"./{name}",
            }  # fmt: skip


def _pixels(picture: Shown) -> npt.NDArray[np.uint8]:
    return render(picture) if isinstance(picture, Scene) else picture.pixels()


def _drawer(kind: type[_T]) -> Callable[[Random], _T]:
    def draw(rng: Random) -> _T:
        while not isinstance(picture := draw_picture(rng), kind):
            pass
        return picture

    return draw


_Made = TypeVar("_Made", Scene, Chart, Sign)


def _first(pictures: Iterator[_Made], seed: int, edit: Callable[[_Made, Random], Set | None]) -> Set:
    """Return the set of the next picture that can be edited within the pool."""
    for picture in pictures:
        made = edit(picture, generator(seed, "hallusionbench", picture.graph_hash))
        if made is not None:
            return made
    raise AssertionError("enough pictures were drawn for every set")


def _owned(picture: Shown) -> bool:
    low, high = pool_range(POOL)
    return low <= hash_position(picture.graph_hash) < high


# ---------------------------------------------------------------- edits
def recolored(scene: Scene, rng: Random) -> Set | None:
    """Give a thing another color and ask for both colors."""
    for index, color in _shuffled(rng, range(len(scene.things)), COLORS):
        thing = scene.things[index]
        edited = _with(scene, index, color=color)
        if scene.unique(index) and color != thing.color and _owned(edited):
            colors = (thing.color, color)
            true = (f"The {thing.kind} is {colors[0]}.", f"The {thing.kind} is {colors[1]}.")
            return Set((scene, edited), _either([f"Is the {thing.kind} {name}?" for name in colors], true, rng))
    return None


def exchanged(scene: Scene, rng: Random) -> Set | None:
    """Put another thing in the place of one and ask for both."""
    for index, kind in _shuffled(rng, range(len(scene.things)), FIGURES):
        thing = scene.things[index]
        edited = _with(scene, index, kind=kind)
        if thing.is_figure and scene.unique(index) and kind not in scene.counts and _owned(edited):
            names = (with_article(thing.kind), with_article(kind))
            true = (f"There is {names[0]} in the image.", f"There is {names[1]} in the image.")
            return Set((scene, edited), _either([f"Is there {name} in the image?" for name in names], true, rng))
    return None


def reworded(sign: Sign, rng: Random) -> Set | None:
    """Write another word on a sign and ask for both."""
    for word, grey in _shuffled(rng, GENERAL["words"], range(120, 201)):
        if word != sign.word and sign.column + len(word) <= GRID:
            edited = replace(sign, word=word, grey=grey)
            if _owned(edited):
                words = (sign.word, word)
                true = (f"The sign says {words[0]}.", f"The sign says {words[1]}.")
                return Set((sign, edited), _either([f"Does the sign say {name}?" for name in words], true, rng))
    return None


def reordered(chart: Chart, rng: Random) -> Set | None:
    """Change the heights of the bars and ask which of two is higher, both ways round."""
    one, other = rng.sample(range(len(chart.bars)), 2)
    colors = [color for color, _ in chart.bars]
    for _ in range(_TRIES):
        heights = rng.sample(range(1, GENERAL["bars"]["highest"] + 1), len(colors))
        edited = Chart(tuple(zip(colors, heights, strict=True)), rng.randint(225, 250))
        if (heights[one] > heights[other]) != (chart.bars[one][1] > chart.bars[other][1]) and _owned(edited):
            said = [f"{colors[a]} bar is higher than the {colors[b]} bar" for a, b in ((one, other), (other, one))]
            if chart.bars[one][1] < chart.bars[other][1]:
                said.reverse()
            true = (f"The {said[0]}.", f"The {said[1]}.")
            texts = [f"Is the {each.replace(' is higher', ' higher')}?" for each in said]
            return Set((chart, edited), _either(texts, true, rng))
    return None


def _either(texts: Sequence[str], true: tuple[str, str], rng: Random) -> tuple[Question, Question]:
    """Return two questions, the first true of the figure and the second of the edited one, in an order drawn."""
    questions = [Question(texts[0], (True, False), true), Question(texts[1], (False, True), true)]
    rng.shuffle(questions)
    return questions[0], questions[1]


def _with(scene: Scene, index: int, **changes: str) -> Scene:
    things = list(scene.things)
    things[index] = replace(things[index], **changes)  # type: ignore[arg-type]
    return replace(scene, things=tuple(things))


_A = TypeVar("_A")
_B = TypeVar("_B")


def _shuffled(rng: Random, ones: Sequence[_A], others: Sequence[_B]) -> list[tuple[_A, _B]]:
    pairs = [(one, other) for one in ones for other in others]
    rng.shuffle(pairs)
    return pairs
