"""Multiple-choice questions about scenes and pictures, with a right option and wrong ones that are surely false."""

from __future__ import annotations

from dataclasses import dataclass

from finer.world.catalogue import COLORS, KINDS
from finer.world.claims import View
from finer.world.coarse import VALUE_QUESTIONS
from finer.world.phrases import PREDICATES, WHERE, cell_name, with_article
from finer.world.pictures import GENERAL, Chart, Compare, Marked, Sign

WRONG = 3
_MOST = 9  # of a count


@dataclass(frozen=True)
class Asked:
    """A question with its right option and the wrong ones; ``about``: the things of the scene that it names."""

    question: str
    right: str
    wrong: tuple[str, ...]
    about: tuple[int, ...] = ()


def value(view: View, name: str) -> Asked | None:
    """Ask for the color, pattern or size of a thing."""
    able = [
        index for index in view.named
        if getattr(view.things[index], name) and getattr(view.things[index], name) not in view.name(index).split()
    ]  # fmt: skip
    if not able:
        return None
    index = view.rng.choice(able)
    wrong = view.wrong_values(index, name, WRONG)
    right = str(getattr(view.things[index], name))
    return Asked(VALUE_QUESTIONS[name].format(view.name(index)), right, tuple(wrong), (index,)) if wrong else None


def value_of_related(view: View, name: str) -> Asked | None:
    """Ask for a value of the one thing that stands in a relation to a named one."""
    able = [side for side in view.only_ones() if getattr(view.things[side[0]], name)]
    if not able:
        return None
    asked, relation, other = view.rng.choice(able)
    wrong = view.wrong_values(asked, name, WRONG)
    question = VALUE_QUESTIONS[name].format(f"thing that {PREDICATES[relation]} the {view.name(other)}")
    right = str(getattr(view.things[asked], name))
    return Asked(question, right, tuple(wrong), (asked, other)) if wrong else None


def relation(view: View) -> Asked | None:
    """Ask where a thing is relative to another: the predicate."""
    able = [(i, name, j) for i in view.named for name, j in view.related.get(i, ())]
    if not able:
        return None
    i, name, j = view.rng.choice(able)
    kinds = view.things[i].kind, view.things[j].kind
    wrong = [text for key, text in WHERE.items() if key != name and view.surely_false(kinds[0], key, kinds[1])]
    question = f"Where is the {view.name(i)} relative to the {view.name(j)}?"
    return _asked(view, question, WHERE[name], wrong, (i, j))


def subject(view: View) -> Asked | None:
    """Ask which thing stands in a relation to a named one."""
    able = view.only_ones()
    if not able:
        return None
    i, name, j = view.rng.choice(able)
    target = view.things[j].kind
    wrong = [
        kind for kind in view.present
        if kind not in (view.things[i].kind, target) and view.surely_false(kind, name, target)
    ]  # fmt: skip
    question = f"What {PREDICATES[name]} the {view.name(j)}?"
    return _asked(view, question, view.things[i].kind, [*_mixed(view, wrong)], (i, j))


def target(view: View) -> Asked | None:
    """Ask to what a named thing stands in a relation: the object."""
    able = [(i, name, j) for i in view.named for name, j in view.related.get(i, ())]
    if not able:
        return None
    i, name, j = view.rng.choice(able)
    one = view.things[i].kind
    wrong = [
        kind for kind in view.present
        if kind not in (one, view.things[j].kind) and view.surely_false(one, name, kind)
    ]  # fmt: skip
    question = f"What is the {view.name(i)} {PREDICATES[name].removeprefix('is ')}?"
    return _asked(view, question, view.things[j].kind, [*_mixed(view, wrong)], (i, j))


def shown(view: View) -> Asked:
    """Ask what of some things is there."""
    kinds = [with_article(kind) for kind in view.rng.sample(view.absent, WRONG)]
    return Asked("Which of these is in the image?", with_article(view.rng.choice(view.present)), tuple(kinds))


def count(view: View, by_color: bool = False) -> Asked:
    """Ask how many things, or things of a color, there are."""
    name, number = "things", len(view.things)
    if by_color:
        color = view.rng.choice(view.things).color
        name, number = f"{color} things", sum(thing.color == color for thing in view.things)
    return Asked(GENERAL["count_of"][0].format(name=name), str(number), _numbers(view, number, _MOST))


def cell(view: View) -> Asked | None:
    """Ask which thing is at a place."""
    able = [thing for thing in view.things if thing.holder is None and thing.is_figure]
    if not able:
        return None
    thing = view.rng.choice(able)
    wrong = [kind for kind in view.present if kind != thing.kind]
    return _asked(view, f"What is {cell_name(thing.row, thing.column)}?", thing.kind, [*_mixed(view, wrong)])


def word(view: View, sign: Sign) -> Asked:
    """Ask for the word on a sign."""
    wrong = view.rng.sample([other for other in GENERAL["words"] if other != sign.word], WRONG)
    return Asked("Which word is on the sign?", sign.word, tuple(wrong))


def word_color(view: View, sign: Sign) -> Asked:
    """Ask for the color of the word on a sign."""
    return _color(view, "What color is the word?", sign.color)


def highest_bar(view: View, chart: Chart) -> Asked:
    """Ask for the highest bar of a chart."""
    color = max(chart.bars, key=lambda bar: bar[1])[0]
    others = [name for name, _ in chart.bars if name != color]
    more = [name for name in COLORS if name != color and name not in others]
    wrong = [*others, *view.rng.sample(more, WRONG)][:WRONG]
    return Asked("Which bar is the highest?", f"the {color} bar", tuple(f"the {name} bar" for name in wrong))


def bar_height(view: View, chart: Chart) -> Asked:
    """Ask how high a bar of a chart is."""
    color, height = view.rng.choice(chart.bars)
    return Asked(f"How high is the {color} bar?", str(height), _numbers(view, height, GENERAL["bars"]["highest"]))


def dot_color(view: View, marked: Marked) -> Asked:
    """Ask for the color of a tiny dot."""
    place, color = view.rng.choice(marked.marks)
    wrong = view.rng.sample([name for name in GENERAL["mark_colors"] if name != color], WRONG)
    question = f"What color is the tiny dot on the {marked.scene.things[place].kind}?"
    return Asked(question, color, tuple(wrong), (place,))


def dotted_thing(view: View, marked: Marked) -> Asked | None:
    """Ask which thing has a tiny dot of a color."""
    place, color = view.rng.choice(marked.marks)
    if [other for _, other in marked.marks].count(color) > 1:
        return None
    right = marked.scene.things[place].kind
    wrong = [kind for kind in view.present if kind != right]
    return _asked(view, f"Which thing has a tiny {color} dot?", right, [*_mixed(view, wrong)], (place,))


def changed_thing(view: View, compare: Compare) -> Asked | None:
    """Ask which thing differs between two pictures side by side."""
    if compare.changed is None:
        return None
    right = compare.changed[0].kind
    wrong = [thing.kind for thing in compare.left if thing.kind != right]
    return _asked(view, "Which thing in the left picture is different on the right?", right, [*_mixed(view, wrong)])


def _color(view: View, question: str, color: str) -> Asked:
    return Asked(question, color, tuple(view.rng.sample([name for name in COLORS if name != color], WRONG)))


def _numbers(view: View, number: int, most: int) -> tuple[str, ...]:
    return tuple(map(str, view.rng.sample([other for other in range(1, most + 1) if other != number], WRONG)))


def _mixed(view: View, kinds: list[str]) -> list[str]:
    """Return false kinds of the scene in random order, then as many others as are needed."""
    near = view.rng.sample(kinds, len(kinds))
    return [*near, *view.rng.sample([kind for kind in KINDS if kind in view.absent], WRONG)]


def _asked(view: View, question: str, right: str, wrong: list[str], about: tuple[int, ...] = ()) -> Asked | None:
    """Return the question with as many wrong options as all have, or nothing where there are too few."""
    different = [option for option in dict.fromkeys(wrong) if option != right]
    return Asked(question, right, tuple(different[:WRONG]), about) if len(different) >= WRONG else None
