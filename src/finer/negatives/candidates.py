"""Candidates for one element, near ones first: other things, other values of a class, other predicates or targets."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from random import Random

from finer.negatives.lexicon import (
    Category,
    Member,
    categories,
    category_of,
    data,
    families,
    general,
    sense,
    word_set,
    worn,
)
from finer.negatives.scene import Row, Scene
from finer.scenes.attributes import attribute_text, plural_of
from finer.scenes.phrases import article, indefinite, number_free, takes_plural
from finer.scenes.words import predicate_class, type_of
from finer.scenes.words import words as words_of

_ENOUGH = 4  # candidates; fewer make no set of negatives
_ANIMALS = frozenset({"animal_pet", "animal_farm", "animal_wild", "bird", "reptile", "insect", "sea_animal"})
# Where few of its own category fit a place, an animal is replaced by others that are met there.
_KIN = {
    "pet": ("farm", "bird", "wild"), "farm": ("wild", "pet", "bird"), "wild": ("farm", "pet", "bird"),
    "bird": ("pet", "wild", "farm"), "reptile": ("bird", "wild", "pet"),
}  # fmt: skip
PREDICATE_SHARE = 0.2  # of relations that could also be changed by their object


@dataclass(frozen=True)
class Candidate:
    """One possible replacement."""

    kind: str
    text: str
    target: str | None = None
    plural: bool = False
    first: bool = False  # to be among the four if any are


# ---------------------------------------------------------------- objects
def things(scene: Scene, text: str, head: str, plural: bool, rng: Random) -> list[str]:
    """Return names of things that could stand where a thing is and are not in the scene, near ones first.

    The first four and the thing itself are neighbours, among which the thing may stand anywhere: were it always in the
    middle, it could be told from the four without looking.
    """
    category = _category(scene, text, head)
    if category is None or not category.members:
        return []
    place = category.place(number_free(text), number_free(head))
    size = len(category.members)
    start = rng.randrange(size) if place is None else place
    ring = [category.members[(start + step) % size] for step in range(0 if place is None else 1, size)]
    able = [m.text for m in ring if _can_stand(scene, m, category) and _fits_number(m.text, plural)]
    if place is None:
        rng.shuffle(able)
    before = rng.randrange(_ENOUGH + 1)
    near = [*able[: _ENOUGH - before], *able[max(0, len(able) - before) :]]
    rest = able[_ENOUGH - before : len(able) - before]
    found = [*near, *(name for pair in zip_longest(rest, reversed(rest)) for name in pair if name)]
    if len(found) < _ENOUGH:  # any member may be meant, as the caption names the kind ("ship"), or few fit the place
        others = [general(kind) for kind in sorted(category.kinds)]
        others += [categories()[name] for name in _KIN.get(category.name, ())]
        for wider in filter(None, others):
            found += [m.text for m in wider.members if _can_stand(scene, m, wider)]
    fitting = [name for name in dict.fromkeys(found) if _fits_number(name, plural)]
    return [_plural(name) for name in fitting] if plural else fitting


def exchangeable(scene: Scene, text: str, head: str) -> bool:
    """Whether a thing could itself be proposed in the place of those that may be proposed for it."""
    category = _category(scene, text, head)
    return category is not None and any(member.text == number_free(text) for member in category.members)


def _can_stand(scene: Scene, member: Member, category: Category) -> bool:
    return scene.allows(member, category) and scene.suits(member.text)


def _plural(name: str) -> str:
    return name if takes_plural(name, plural=False) else plural_of(name)


def _fits_number(name: str, plural: bool) -> bool:
    """Whether a name can stand in a number: "sunglasses" only for several, "moss" only for one."""
    if takes_plural(name, plural=False):
        return plural
    return not plural or not (name.replace(" ", "_") in word_set("uncountable") or indefinite(name) == name)


def _category(scene: Scene, text: str, head: str) -> Category | None:
    if not scene.closed and (meant := sense(number_free(head), scene.vocabulary)) != number_free(head):
        text = head = meant
    found = category_of(text, head, scene.closed)
    if found is None or found.name not in {"body_part", "animal_part"}:
        return found
    if found.name == "animal_part" and "aircraft" in scene.types:
        return None  # the tail and wings of a plane
    being = "person" if number_free(head) in word_set("human_parts") and not scene.closed else _being(scene)
    return None if being is None else worn(being, number_free(head))


def _being(scene: Scene) -> str | None:
    """Return whose body a part belongs to, where the scene leaves no doubt."""
    persons = any(kind.startswith("person") for kind in scene.types)
    animals = scene.types & _ANIMALS
    if persons or animals:
        if persons and animals:
            return None
        if persons:
            return "person"
        if "horse" in scene.vocabulary:
            return "horse"
        return "pet" if animals == {"animal_pet"} else None
    return "person" if words_of("body_likenesses") & scene.vocabulary else None  # not the hands of a clock


def for_object(scene: Scene, row: Row, rng: Random) -> list[list[Candidate]]:
    """Return candidates for an object, in its number."""
    plural = bool(row["plural"])
    names = things(scene, str(row["text"]), str(row["category"]), plural, rng)
    return [[Candidate("object", name, plural=plural) for name in names]]


# ---------------------------------------------------------------- attributes
def for_attribute(scene: Scene, row: Row, rng: Random) -> list[list[Candidate]]:
    """Return candidates for an attribute from its own class.

    The same value on another thing of the scene is no obstacle, on another thing of the same kind it is one: asking
    which thing is red is the point, unless two of them answer to the name.
    """
    owner = scene.by_id[str(row["parent_id"])]
    name, value, head = str(row["category"]), str(row["value"] or ""), str(owner["category"])
    if name == "part":
        return [_parts(scene, value, rng)]
    taken = scene.values(head, name) | {value}
    if scene.closed and name in data()["closed_attributes"]:
        chosen = _closed_values(name, taken, rng)
    else:
        chosen = _family_values(name, taken, head, rng)
    texts = [attribute_of(name, str(row["text"]), value, other, head) for other in chosen]
    stated = {str(other["text"]) for other in scene.kind("attribute") if other["parent_id"] == row["parent_id"]}
    return [[Candidate("attribute", text) for text in dict.fromkeys(texts) if text not in stated]]


def _closed_values(name: str, taken: set[str], rng: Random) -> list[str]:
    """Return the other values that drawings of shapes have in an order drawn, then those that none has."""
    known = families(name)
    own = {first for value in taken for first in known.of(value)} if known else set()
    chosen: list[str] = []
    for part in ("own", "beyond"):
        listed = [str(value) for value in data()["closed_attributes"][name][part]]
        rng.shuffle(listed)
        chosen += [v for v in listed if v not in taken and not (known is not None and known.of(v) & own)]
    return chosen


def _family_values(name: str, taken: set[str], head: str, rng: Random) -> list[str]:
    known = families(name)
    if known is None or (known.heads and head not in known.heads):
        return []
    for graded, listed in known.graded.items():
        if taken & graded:
            return [] if any(other not in graded for other in taken) else [v for v in listed if v not in taken]
    own = {first for value in taken for first in known.of(value)}
    if not own:
        return []  # a value that no family knows could mean the same as any
    far = own | {near for first in own for near in known.near(first)}
    chosen = [family[0] for family in known.families if family[0] not in far]
    rng.shuffle(chosen)
    return chosen


def attribute_of(name: str, text: str, value: str, other: str, head: str) -> str:
    """Return the phrase of another value in the form of the original ("black and white": "black and red")."""
    first, joint, _ = value.rpartition(" and ")
    if name == "color" and joint and "," not in first:
        return attribute_text(name, f"{first} and {other}", head)
    if name == "size":  # "with a tall height" stays a height, whatever the other value measures
        return f"with {article(other)} {other} {text.split()[-1]}"
    return attribute_text(name, other, head)


def _parts(scene: Scene, phrase: str, rng: Random) -> list[Candidate]:
    """Return "with a long horn" for "with a long tail": only the last noun changes."""
    part = part_of(phrase)
    names = things(scene, part.name, part.head, part.plural, rng)
    return [Candidate("attribute", part.replaced(name)) for name in names]


@dataclass(frozen=True)
class Part:
    """The phrase of a part: the words before its noun, the noun (a compound with its first word), its number."""

    front: tuple[str, ...]
    name: str
    head: str  # singular
    plural: bool

    def replaced(self, name: str) -> str:
        """Return the attribute with another noun: "with an orange beak" from "with a long tail"."""
        front = list(self.front)
        if front and front[-1] in {"a", "an"}:
            front[-1] = article(name)
        return " ".join(["with", *front, name])


def part_of(phrase: str) -> Part:
    """Read the value of an attribute of class part: "a long tail"."""
    words = phrase.split()
    head = number_free(words[-1])
    size = 2 if len(words) > 1 and _is_compound(words[-2], head) else 1
    return Part(tuple(words[:-size]), " ".join(words[-size:]), head, words[-1] != head)


def _is_compound(word: str, head: str) -> bool:
    """Whether a word before a noun belongs to its name ("light bulb") rather than telling its stuff or color."""
    if f"{word} {head}" in type_of():
        return True
    return word in type_of() and word not in words_of("materials") and word not in words_of("colors")


# ---------------------------------------------------------------- relations
def for_relation(scene: Scene, row: Row, rng: Random) -> list[list[Candidate]]:
    """Return candidates for a relation: other predicates and other targets, in the order in which to try them.

    Four negatives change the same: if two of them changed the predicate and two the target, the truth would be the one
    that shares a word with all. Swapped targets are absent things, and things of the scene only where a stated
    relation rules the swap out.
    """
    target = scene.by_id[str(row["target_id"])]
    predicate, name = str(row["text"]), str(target["text"])
    plural = bool(target["plural"])
    swapped = [Candidate("predicate", other, name, plural) for other in _predicates(scene, row, target)]
    rng.shuffle(swapped)
    excluded = [str(other["text"]) for other in ruled_out(scene, row, target)]
    rng.shuffle(excluded)
    present = [
        Candidate("relation_object", predicate, other, plural, first=not place) for place, other in enumerate(excluded)
    ]
    absent = [
        Candidate("relation_object", predicate, other, plural)
        for other in things(scene, name, str(target["category"]), plural, rng)
    ]
    swapped_targets = [*present[:1], *absent, *present[1:]]
    return [swapped, swapped_targets] if rng.random() < PREDICATE_SHARE else [swapped_targets, swapped]


def _predicates(scene: Scene, row: Row, target: Row) -> list[str]:
    table = data()["closed_predicates" if scene.closed else "predicates"]
    stated = {
        predicate_class(str(other["text"]))
        for other in scene.kind("relation")
        if (other["parent_id"], other["target_id"]) == (row["parent_id"], row["target_id"])
    }
    holds = number_free(str(target["category"])) in word_set("holders")
    return [
        str(other)
        for other in table.get(predicate_class(str(row["text"])), [])
        if predicate_class(str(other)) not in stated
        and (holds or predicate_class(str(other)) not in {"inside", "on_top"})
    ]


def ruled_out(scene: Scene, row: Row, target: Row) -> list[Row]:
    """Return things of the scene of which the relation cannot hold, by what is stated of them.

    That is: the subject stands in the opposite relation to them, or the predicate holds of one target only and the
    two could hold one thing each ("inside the box": not inside the ring).
    """
    relation = predicate_class(str(row["text"]))
    opposite = data()["opposites"].get(relation)
    subject = row["parent_id"]
    found = []
    for other in scene.kind("object"):
        other_id = other["element_id"]
        if (
            other_id in {subject, row["target_id"]}
            or bool(other["plural"]) != bool(target["plural"])
            or other["ambiguous"]
        ):
            continue
        if other["category"] in {target["category"], scene.by_id[str(subject)]["category"]}:
            continue
        if opposite is not None and _stated(scene, subject, other_id, opposite, relation):
            found.append(other)
        elif scene.closed and relation in word_set("exclusive_predicates"):
            holds = number_free(str(other["category"])) in word_set("holders")
            if holds and not _linked(scene, other_id, row["target_id"]):
                found.append(other)
    return found


def _stated(scene: Scene, subject: object, target: object, opposite: str, relation: str) -> bool:
    for row in scene.kind("relation"):
        ends = (row["parent_id"], row["target_id"])
        name = predicate_class(str(row["text"]))
        if (ends == (subject, target) and name == opposite) or (ends == (target, subject) and name == relation):
            return True
    return False


def _linked(scene: Scene, one: object, other: object) -> bool:
    return any({row["parent_id"], row["target_id"]} == {one, other} for row in scene.kind("relation"))
