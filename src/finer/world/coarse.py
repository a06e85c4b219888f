"""Short questions about a scene: look-ups, presence, values, places, balanced yes/no and short lettered ones."""

from __future__ import annotations

from finer.world.catalogue import COLORS, GRID, KINDS, PATTERNS
from finer.world.claims import View
from finer.world.finegrained import WRONG, attribute_phrases, object_phrases, relation_phrases
from finer.world.phrases import (
    PREDICATES,
    TEXT,
    WHERE,
    adjectives,
    attribute_phrase,
    attributes,
    capital,
    cell_name,
    with_article,
)
from finer.world.prompts import WORDING, drawn, lettered, option_count

Exchange = tuple[str, str]  # question, answer
VALUE_QUESTIONS = {
    "color": "What color is the {}?",
    "pattern": "What pattern does the {} have?",
    "size": "What size is the {}?",
}


def lookup(view: View) -> Exchange | None:
    """Ask what a thing is like and where it is, or what a cell holds."""
    return _lookup_of(view) if view.rng.random() < 0.5 else _lookup_at(view)


def _lookup_of(view: View) -> Exchange | None:
    if not view.named:
        return None
    index = view.rng.choice(view.named)
    thing = view.things[index]
    parts = [adjectives(thing, attributes(thing))]
    if thing.outlined:
        parts.append("black outline")
    parts.append(cell_name(thing.row, thing.column))
    return drawn(view.rng, WORDING["lookup_of"]).format(name=view.name(index)), ", ".join(parts)


def _lookup_at(view: View) -> Exchange:
    rng = view.rng
    if rng.random() < 0.8:
        thing = rng.choice(view.things)
        row, column = thing.row, thing.column
    else:
        row, column = rng.randrange(GRID), rng.randrange(GRID)
    question = drawn(rng, WORDING["lookup_at"]).format(cell=cell_name(row, column))
    here = sorted((t for t in view.things if (t.row, t.column) == (row, column)), key=lambda t: not t.is_figure)
    if not here:
        return question, "nothing"
    parts = [with_article(here[0].kind), here[0].color]
    if here[0].pattern:
        parts.append(here[0].pattern)
    if len(here) == 2:
        place = "on" if here[0].raised else "inside"
        parts.append(f"{place} {with_article(f'{here[1].color} {here[1].kind}')}")
    return question, ", ".join(parts)


def presence(view: View) -> Exchange | None:
    """Ask whether one kind of thing is there; yes and no equally often."""
    yes = view.rng.random() < 0.5
    kind = view.rng.choice(view.present) if yes else view.absent_kinds(1)[0]
    return drawn(view.rng, WORDING["presence"]).format(p=with_article(kind)), _yes_no(yes)


def short(view: View) -> Exchange | None:
    """Ask for one value of one thing."""
    if not view.named:
        return None
    index = view.rng.choice(view.named)
    thing = view.things[index]
    names = ["color", "pattern", "size", "outline"] if thing.is_figure else ["color"]
    name = view.rng.choice(names)
    if name == "outline":
        return f"Does the {view.name(index)} have a black outline?", _yes_no(thing.outlined)
    if str(getattr(thing, name)) in view.name(index).split():
        return None  # the name gives the answer away
    return VALUE_QUESTIONS[name].format(view.name(index)), f"{capital(getattr(thing, name))}."


def where(view: View) -> Exchange | None:
    """Ask for the relation of two things."""
    found = _related_pair(view)
    if found is None:
        return None
    index, name, other = found
    return f"Where is the {view.name(index)} relative to the {view.name(other)}?", f"{capital(WHERE[name])}."


def which(view: View) -> Exchange | None:
    """Ask which thing stands in a relation to a named one, where only one does."""
    sides = view.only_ones()
    if not sides:
        return None
    asked, name, named = view.rng.choice(sides)
    return f"What {PREDICATES[name]} the {view.name(named)}?", f"The {view.name(asked)}."


def refer(view: View) -> Exchange | None:
    """Ask for a value of the one thing that stands in a relation to a named one."""
    sides = [side for side in view.only_ones() if view.things[side[0]].is_figure]
    if not sides:
        return None
    asked, name, named = view.rng.choice(sides)
    value = view.rng.choice(("color", "color", "pattern", "size"))
    question = VALUE_QUESTIONS[value].format(f"thing that {PREDICATES[name]} the {view.name(named)}")
    return question, f"{capital(str(getattr(view.things[asked], value)))}."


def truth_attr(view: View) -> Exchange | None:
    """Ask yes/no about one attribute of one thing, in two wordings."""
    if not view.named:
        return None
    rng, yes = view.rng, view.rng.random() < 0.5
    index = rng.choice(view.named)
    thing = view.things[index]
    values = attributes(thing)
    name = rng.choice(["color", "pattern", "size", "outline"] if thing.is_figure else ["color"])
    if name == "outline" and not thing.outlined:
        if yes and rng.random() < 0.5:  # keeps "outline" from meaning yes
            return None
        return _attribute_question(view, index, "outline", "black"), _yes_no(False)
    if values[name] in view.name(index).split():
        return None
    wrong = None if yes else view.wrong_values(index, name, 1)
    if not yes and wrong is None:
        return None
    return _attribute_question(view, index, name, wrong[0] if wrong else values[name]), _yes_no(wrong is None)


def _attribute_question(view: View, index: int, name: str, value: str) -> str:
    phrase, thing = attribute_phrase(name, value), view.name(index)
    if name == "outline" or view.rng.random() < 0.4:
        having = phrase.removeprefix("with ")
        return view.rng.choice((f"Does the {thing} have {having}?", f"Can you see {with_article(thing)} {phrase}?"))
    if view.rng.random() < 0.5 or thing != view.things[index].kind:
        return f"Is the {thing} {value}?"
    return f"Is there {with_article(f'{value} {thing}')}?"


def truth_rel(view: View) -> Exchange | None:
    """Ask yes/no about one relation."""
    found = _related_pair(view)
    if found is None:
        return None
    index, name, other = found
    predicate, target, yes = PREDICATES[name], view.name(other), view.rng.random() < 0.5
    if not yes:
        wrong = view.wrong_claims(index, (name, other), 1)
        if wrong is None:
            return None
        predicate, target = wrong[0]
    if view.rng.random() < 0.5:
        return f"Is the {view.name(index)} {predicate.removeprefix('is ')} the {target}?", _yes_no(yes)
    return f"Can you see {with_article(view.name(index))} that {predicate} the {target}?", _yes_no(yes)


def truth_obj(view: View) -> Exchange | None:
    """Ask yes/no about one or two objects, one of them absent if the answer is no."""
    phrases = object_phrases(view, view.rng.choice((1, 1, 2)))
    if phrases is None:
        return None
    yes = view.rng.random() < 0.5
    return drawn(view.rng, WORDING["truth_objects"]).format(p=phrases[0] if yes else phrases[1][0]), _yes_no(yes)


def mcq_short(view: View) -> Exchange | None:
    """Ask a lettered question about one element: its value, its place, or which phrase is true."""
    rng, count = view.rng, option_count(view.rng)
    draw = rng.random()
    if draw < 0.2:
        return _lettered_value(view, count)
    if draw < 0.35:
        found = _related_pair(view)
        if found is None:
            return None
        index, name, other = found
        kinds = view.things[index].kind, view.things[other].kind
        wrong = [text for key, text in WHERE.items() if view.surely_false(kinds[0], key, kinds[1])]
        rng.shuffle(wrong)
        question = f"Where is the {view.name(index)} relative to the {view.name(other)}?"
        return lettered(rng, question, WHERE[name], wrong[: count - 1])
    maker = rng.choice((object_phrases, attribute_phrases, attribute_phrases, relation_phrases, relation_phrases))
    phrases = maker(view, rng.choice((1, 1, 1, 2)))
    if phrases is None:
        return None
    true, wrong = phrases
    if " that is " in true and rng.random() < 0.4:
        statements = [capital(text.replace(" that is ", " is ", 1)) + "." for text in (true, *wrong)]
        return lettered(rng, rng.choice(WORDING["facts"]), statements[0], statements[1:count])
    return lettered(rng, rng.choice(WORDING["statements"]), true, wrong[: count - 1])


def _lettered_value(view: View, count: int) -> Exchange | None:
    if not view.named:
        return None
    index = view.rng.choice(view.named)
    name = view.rng.choice(("color", "color", "pattern", "size") if view.things[index].is_figure else ("color",))
    value = str(getattr(view.things[index], name))
    wrong = view.wrong_values(index, name, WRONG)
    if wrong is None or value in view.name(index).split():
        return None
    return lettered(view.rng, VALUE_QUESTIONS[name].format(view.name(index)), value, wrong[: count - 1])


def bind(view: View) -> Exchange | None:
    """Ask for the letter of an option that the question quotes: needs no image."""
    rng, count = view.rng, option_count(view.rng)
    if rng.random() < 0.6:
        options = rng.sample([*KINDS, *COLORS, *PATTERNS, *TEXT["foreign"]["kind"]], count)
    else:
        phrases = rng.choice((attribute_phrases, relation_phrases, object_phrases))(view, rng.choice((1, 1, 2)))
        if phrases is None:
            return None
        options = [phrases[0], *phrases[1]][:count]
        rng.shuffle(options)
    return lettered(rng, rng.choice(WORDING["binding"]).format(p=options[0]), options[0], options[1:])


def _related_pair(view: View) -> tuple[int, str, int] | None:
    able = [index for index in view.related if view.names[index]]
    if not able:
        return None
    index = view.rng.choice(able)
    name, other = view.rng.choice(view.related[index])
    return index, name, other


def _yes_no(yes: bool) -> str:
    return "Yes." if yes else "No."
