"""Fine-grained questions of the four settings, positive or negative, with the five options of the benchmark.

The composition follows the benchmark's rules: one element of the phrase is edited, everything else is true and
stays the same in all options.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from finer.world.claims import View
from finer.world.phrases import PREDICATES, attribute_phrase, attributes, capital, join, with_article
from finer.world.prompts import WORDING, drawn
from finer.world.scenes import RELATIONS

WRONG = 4  # negatives of an element
DEFINITE_SHARE = 0.5


@dataclass(frozen=True)
class Choices:
    """A question, its right answer and the wrong ones; ``negative``: the question names something false."""

    question: str
    right: str
    wrong: tuple[str, ...]
    negative: bool


def fine_question(view: View, negative: bool) -> Choices | None:
    """Draw a question of one of the four settings; None where the scene does not allow it."""
    return view.rng.choice(_SETTINGS)(view, negative)


def object_phrases(view: View, count: int) -> tuple[str, list[str]] | None:
    """Return a true list of objects ("a cat, a door and a bag") and false ones with one object replaced."""
    if len(view.present) < count or len(view.absent) < WRONG:
        return None
    kinds = view.rng.sample(view.present, count)
    slot = view.rng.randrange(count)
    phrases = [[*kinds[:slot], kind, *kinds[slot + 1 :]] for kind in (kinds[slot], *view.absent_kinds(WRONG))]
    lists = [join([with_article(kind) for kind in phrase]) for phrase in phrases]
    return lists[0], lists[1:]


def attribute_phrases(view: View, count: int) -> tuple[str, list[str]] | None:
    """Return a true object with attributes and false ones with one value replaced."""
    index = view.rng.randrange(len(view.things))
    thing = view.things[index]
    values = attributes(thing)
    names = view.rng.sample(list(values), min(count, len(values)))
    edited = view.rng.choice(names)
    wrong = view.wrong_values(index, edited, WRONG)
    if wrong is None:
        return None
    style = drawn(view.rng, WORDING["attribute_joins"])
    lists = [
        with_attributes(thing.kind, {name: value if name == edited else values[name] for name in names}, style)
        for value in (values[edited], *wrong)
    ]
    return _definite(view, index, lists)


def relation_phrases(view: View, count: int) -> tuple[str, list[str]] | None:
    """Return a true object with relations and false ones with one predicate or target replaced."""
    able = [index for index, found in view.related.items() if len(found) >= count and view.names[index]]
    if not able:
        return None
    index = view.rng.choice(able)
    true = view.rng.sample(view.related[index], count)
    slot = view.rng.randrange(count)
    wrong = view.wrong_claims(index, true[slot], WRONG, [view.name(j) for _, j in true])
    if wrong is None:
        return None
    claims = [(PREDICATES[name], view.name(j)) for name, j in true]
    versions = [[*claims[:slot], claim, *claims[slot + 1 :]] for claim in (claims[slot], *wrong)]
    name = with_article(view.name(index))
    lists = [f"{name} that {join([f'{predicate} the {target}' for predicate, target in said])}" for said in versions]
    return _definite(view, index, lists)


def _definite(view: View, index: int, phrases: list[str]) -> tuple[str, list[str]]:
    """Return true and false phrases, half of them about "the ball" where there is but one."""
    if view.scene.unique(index) and view.rng.random() < DEFINITE_SHARE:
        phrases = [f"the {phrase.split(' ', 1)[1]}" for phrase in phrases]
    return phrases[0], phrases[1:]


def mixed_question(view: View, negative: bool) -> tuple[str, str] | None:
    """Ask yes/no about one thing with attributes and a relation; if negative, one element of it is wrong.

    Attributes are adjectives or stand behind "that is", never in the benchmarks' "with a …": how attributes join a
    relation is learned, not the wording of the levels of granularity that ask for it.
    """
    rng = view.rng
    able = [index for index in view.related if view.scene.unique(index)]
    if not able:
        return None
    index = rng.choice(able)
    relation, other = rng.choice([(name, j) for name, j in view.related[index] if view.scene.unique(j)] or [("", -1)])
    if other < 0:
        return None
    things, predicate = view.things, PREDICATES[relation]
    sides = [dict(attributes(things[place])) for place in (index, other)]
    sides[0] = {name: sides[0][name] for name in rng.sample(list(sides[0]), rng.randint(1, min(3, len(sides[0]))))}
    sides[1] = {name: sides[1][name] for name in rng.sample(list(sides[1]), rng.randint(0, 1))}
    kinds = [things[index].kind, things[other].kind]
    if negative:
        slot = rng.choice(("value", "predicate", "kind", "value of the other" if sides[1] else "predicate"))
        if slot.startswith("value"):
            side = int(slot != "value")
            name = rng.choice(list(sides[side]))
            wrong = view.wrong_values((index, other)[side], name, 1)
            if wrong is None:
                return None
            sides[side][name] = wrong[0]
        elif slot == "predicate":
            false = [name for name in RELATIONS if view.surely_false(kinds[0], name, kinds[1])]
            predicate = PREDICATES[rng.choice(false[:4])]
        else:
            kinds[1] = view.absent_kinds(1)[0]
    first, second = (
        _adjectival(kind, said, style) if said else kind
        for kind, said, style in zip(kinds, sides, (rng.choice(("short", "that is")), "short"), strict=True)
    )
    joint = " and" if " that is " in first else " that"
    question = rng.choice(WORDING["mixed_questions"])
    return question.format(
        p=with_article(first), n=first, j=joint, r=predicate, o=second
    ), "No." if negative else "Yes."


def _adjectival(kind: str, values: dict[str, str], style: str) -> str:
    """Return the object with its attributes, none of them as "with a …", without article."""
    plain = {name: value for name, value in values.items() if name != "outline"}
    words = with_attributes(kind, plain, style).split(" ", 1)[1] if plain else kind
    if "outline" not in values:
        return words
    outlined = f"outlined in {values['outline']}"
    return f"{words} and {outlined}" if " that is " in words else f"{words} {outlined}"


def with_attributes(kind: str, values: dict[str, str], style: str) -> str:
    """Return the object with its attributes in one of three styles, with article."""
    if style == "with":
        return f"{with_article(kind)} {join([attribute_phrase(name, value) for name, value in values.items()])}"
    outline = attribute_phrase("outline", values["outline"]) if "outline" in values else ""
    plain = [values[name] for name in ("size", "color", "pattern") if name in values]
    if style == "short" or not plain:
        return f"{with_article(' '.join([*plain, kind]))} {outline}".strip()
    return f"{with_article(kind)} {outline}".strip() + f" that is {join(plain)}"


def _listing(view: View, negative: bool, phrases: tuple[str, list[str]] | None) -> Choices | None:
    """Compose the question of a list setting: asked for the true phrase, or for the first false one."""
    if phrases is None:
        return None
    true, wrong = phrases
    question = drawn(view.rng, WORDING["see_questions"])
    yes, no = drawn(view.rng, WORDING["see_answers"])
    if not negative:
        return Choices(question.format(p=true), yes.format(p=true), tuple(no.format(p=p) for p in wrong), False)
    others = (yes.format(p=wrong[0]), *(no.format(p=p) for p in wrong[1:]))
    return Choices(question.format(p=wrong[0]), no.format(p=true), others, True)


def _objects(view: View, negative: bool) -> Choices | None:
    return _listing(view, negative, object_phrases(view, _drawn_count(view.rng, (1, 2, 2, 3, 3, 4, 5, 6))))


def _attributes(view: View, negative: bool) -> Choices | None:
    return _listing(view, negative, attribute_phrases(view, _drawn_count(view.rng, (1, 1, 2, 2, 3, 4))))


def _relations(view: View, negative: bool) -> Choices | None:
    return _listing(view, negative, relation_phrases(view, _drawn_count(view.rng, (1, 1, 2, 2, 3))))


def _drawn_count(rng: Random, counts: Sequence[int]) -> int:
    return rng.choice(counts)


def _wh(view: View, negative: bool) -> Choices | None:
    """Ask for one side of a relation and name the other with attributes, one of them edited."""
    rng = view.rng
    asks_target = rng.random() < 0.2
    sides = [
        (who, name, named) for who, name, named in (_only_targets(view) if asks_target else view.only_ones())
        if view.scene.unique(named) and view.scene.unique(who)
    ]  # fmt: skip
    if not sides or len(view.absent) < WRONG:
        return None
    asked, relation, named = rng.choice(sides)
    values = attributes(view.things[named])
    names = rng.sample(list(values), min(rng.choice((1, 1, 2)), len(values)))
    edited = rng.choice(names)
    wrong = view.wrong_values(named, edited, 1)
    if wrong is None:
        return None
    asked_value = wrong[0] if negative else values[edited]
    said = {name: asked_value if name == edited else values[name] for name in names}
    described = with_attributes(view.things[named].kind, said, "with").split(" ", 1)[1]
    template = WORDING["wh_target"][0] if asks_target else drawn(rng, WORDING["wh_subject"])
    question = template.format(rest=PREDICATES[relation].removeprefix("is "), named=described)
    return _wh_choices(view, question, (asked, named), (edited, values[edited], wrong[0]), negative)


def _wh_choices(
    view: View, question: str, sides: tuple[int, int], edit: tuple[str, str, str], negative: bool
) -> Choices:
    """Return the true object, three false ones of the same attributes and one correction, rightly ordered."""
    rng = view.rng
    thing, kind = view.things[sides[0]], view.things[sides[1]].kind
    values = attributes(thing)
    names = rng.sample(list(values), min(rng.choice((1, 1, 2)), len(values)))
    answer = drawn(rng, WORDING["wh_answers"])
    absent = view.absent_kinds(3, (thing.kind,))
    objects = [
        answer.format(p=with_attributes(other, {name: values[name] for name in names}, "with").split(" ", 1)[1])
        for other in (thing.kind, *absent)
    ]
    name, true, wrong = edit
    denied, affirmed = (wrong, true) if negative else (true, wrong)
    correction = drawn(rng, WORDING["wh_corrections"]).format(
        kind=kind, wrong=attribute_phrase(name, denied), true=attribute_phrase(name, affirmed)
    )
    if negative:
        return Choices(question, capital(correction), tuple(objects), True)
    return Choices(question, objects[0], (*objects[1:], correction), False)


def _only_targets(view: View) -> list[tuple[int, str, int]]:
    """Return (asked, relation, named) where the named thing stands in the relation to the asked one alone."""
    found = []
    for index, related in view.related.items():
        if view.names[index]:
            names = [name for name, _ in related]
            all_names = [name for (i, _), name in view.scene.relations.items() if i == index]
            found += [(j, name, index) for name, j in related if names.count(name) == all_names.count(name) == 1]
    return found


_SETTINGS: tuple[Callable[[View, bool], Choices | None], ...] = (_objects, _attributes, _relations, _wh)
