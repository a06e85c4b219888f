"""Questions that test general abilities: counting, reading, charts, tiny details, comparing, long captions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from finer.world.catalogue import COLORS
from finer.world.claims import View
from finer.world.phrases import PREDICATES, attributes, capital, cell_name, described, with_article
from finer.world.pictures import GENERAL, Chart, Compare, Marked, Picture, Sign
from finer.world.prompts import drawn
from finer.world.scenes import Thing

Talk = tuple[str, str, str]  # task, question, answer


def count(view: View) -> tuple[str, str] | None:
    """Ask how many things, things of a color or things of a kind there are; never none."""
    rng, things = view.rng, view.things
    by = rng.choice(("all", "color", "kind"))
    if by == "all":
        name, number = "things", len(things)
    elif by == "color":
        color = rng.choice(things).color
        name, number = f"{color} things", sum(thing.color == color for thing in things)
    else:
        kind = rng.choice(things).kind
        name, number = f"things like the {kind}", view.scene.counts[kind]
    return rng.choice(GENERAL["count_of"]).format(name=name), f"{number}."


def long_caption(view: View) -> tuple[str, str]:
    """Ask for all things with their attributes, in the order of reading, and a relation of each where it has one."""
    order = sorted(range(len(view.things)), key=lambda index: (view.things[index].row, view.things[index].column))
    sentences = []
    for index in order:
        thing = view.things[index]
        text = capital(with_article(described(thing, attributes(thing))))
        related = view.related.get(index, [])
        if related and view.rng.random() < 0.5:
            name, other = view.rng.choice(related)
            sentences.append(f"{text} {PREDICATES[name]} the {view.name(other)}.")
        else:
            sentences.append(f"{text} is {cell_name(thing.row, thing.column)}.")
    return view.rng.choice(GENERAL["caption_long"]), " ".join(sentences)


def picture_talks(picture: Picture, rng: Random) -> list[Talk]:
    """Return what is asked of a picture, no question twice."""
    talks: dict[str, Talk] = {}
    for talk in _TALKS[type(picture)](picture, rng):
        talks.setdefault(talk[1], talk)
    return list(talks.values())


def _yes_no(yes: bool) -> str:
    return "Yes." if yes else "No."


def _sign(sign: Sign, rng: Random) -> Iterator[Talk]:
    for _ in range(2):
        yield "read", rng.choice(GENERAL["read"]), f"{sign.word.capitalize()}."
    yield "read", "What color is the word?", f"{capital(sign.color)}."
    yes = rng.random() < 0.5
    word = sign.word if yes else rng.choice([other for other in GENERAL["words"] if other != sign.word])
    yield "read", f"Does the sign say {word}?", _yes_no(yes)
    yield "caption", drawn(rng, ["Describe the image."]), f"A sign with the word {sign.word} in {sign.color}."


def _chart(chart: Chart, rng: Random) -> Iterator[Talk]:
    bars = chart.bars
    for color, height in rng.sample(bars, min(2, len(bars))):
        yield "chart", f"How high is the {color} bar?", f"{height}."
    highest, lowest = max(bars, key=lambda bar: bar[1]), min(bars, key=lambda bar: bar[1])
    yield "chart", "Which bar is the highest?", f"The {highest[0]} bar."
    yield "chart", "Which bar is the lowest?", f"The {lowest[0]} bar."
    yield "chart", "How many bars are there?", f"{len(bars)}."
    (one, first), (other, second) = rng.sample(bars, 2)
    yield "chart", f"Is the {one} bar higher than the {other} bar?", _yes_no(first > second)
    listed = ", ".join(f"{color} {height}" for color, height in bars)
    yield "caption", "Describe the image.", f"A bar chart: {listed}."


def _marked(marked: Marked, rng: Random) -> Iterator[Talk]:
    things, marks = marked.scene.things, dict(marked.marks)
    for place, color in marks.items():
        yield "detail", f"What color is the tiny dot on the {things[place].kind}?", f"{capital(color)}."
        if list(marks.values()).count(color) == 1:
            yield "detail", f"Which thing has a tiny {color} dot?", f"The {things[place].kind}."
    yield "detail", "How many tiny dots are there?", f"{len(marks)}."
    bare = [place for place in range(len(things)) if place not in marks and marked.scene.unique(place)]
    yes = rng.random() < 0.5 or not bare
    asked = things[rng.choice(list(marks) if yes else bare)].kind
    yield "detail", f"Is there a tiny dot on the {asked}?", _yes_no(yes)


def _compare(compare: Compare, rng: Random) -> Iterator[Talk]:
    changed = compare.changed
    yield "compare", GENERAL["same"], _yes_no(changed is None)
    if changed is None:
        said = "Nothing is different."
    else:
        left, right = changed
        said = f"The {left.color} {left.kind} is {_named(right, left)} on the right."
        yield "compare", "Which thing in the left picture is different on the right?", f"The {left.kind}."
    yield "compare", rng.choice(GENERAL["compare"]), said
    side = rng.choice(("left", "right"))
    things = compare.left if side == "left" else compare.right
    thing = rng.choice(things)
    yield "compare", f"What color is the {thing.kind} in the {side} picture?", f"{capital(thing.color)}."
    yes = rng.random() < 0.5
    color = thing.color if yes else rng.choice([name for name in COLORS if name != thing.color])
    yield "compare", f"Is the {thing.kind} in the {side} picture {color}?", _yes_no(yes)


def _named(thing: Thing, other: Thing) -> str:
    return thing.color if thing.kind == other.kind else with_article(thing.kind)


_TALKS: dict[type, Callable[..., Iterator[Talk]]] = {Sign: _sign, Chart: _chart, Marked: _marked, Compare: _compare}
