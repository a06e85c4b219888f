"""Candidates of multi_obj, multi_attr and multi_rel: a true phrase and the same with each negative of one slot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random

from finer.keys import generator
from finer.queries import wording
from finer.queries.draft import Draft, Side
from finer.queries.scene import Element, Replacement, Scene
from finer.scenes import phrases

# Draws in a row that bring nothing new before an image is taken to have no further candidate at this count.
PATIENCE = 12


def list_drafts(scene: Scene, setting: str, count: int, seed: int) -> Iterator[Draft]:
    """Yield distinct pairs of one image, setting and entity count, in the order drawn by the image's key."""
    groups = [group for group in _groups(scene, setting) if len(group) >= count]
    if not any(element.editable for group in groups for element in group):
        return
    rng = generator(seed, scene.image_id, setting, count)
    rng.shuffle(groups)
    for members, slot in _draws(scene, groups, count, rng):
        yield _draft(scene, setting, members, slot)


def most_entities(scene: Scene, setting: str) -> int:
    """Return the largest entity count that the scene allows in this setting."""
    return max((len(group) for group in _groups(scene, setting)), default=0)


def _groups(scene: Scene, setting: str) -> list[list[Element]]:
    """Return what may stand in one phrase together: all objects, or what is said of one object."""
    if setting == "multi_obj":
        # The existence of "a cat" is true or false of all cats together, so repeats are named once, not avoided.
        return [_unlike(scene.objects.values(), lambda each: phrases.number_free(each.text))]
    singled_out = [object_id for object_id in scene.objects if scene.singled_out(object_id)]
    if setting == "multi_attr":
        return [_unlike(scene.attributes.get(each, ()), lambda attribute: attribute.text) for each in singled_out]
    return [
        _unlike(
            (e for e in scene.relations if e.parent_id == each and scene.singled_out(e.target_id)),
            lambda relation: f"{relation.text} {relation.target_id}",
        )
        for each in singled_out
    ]


def _unlike(elements: Iterable[Element], name: Callable[[Element], str]) -> list[Element]:
    found: dict[str, Element] = {}
    for element in elements:
        found.setdefault(name(element), element)
    return list(found.values())


def _draws(
    scene: Scene, groups: Sequence[Sequence[Element]], count: int, rng: Random
) -> Iterator[tuple[list[Element], int]]:
    """Draw members of one group after the other, and the slot to edit uniformly among those that can be edited."""
    seen: set[tuple[frozenset[str], str]] = set()
    in_vain = 0
    while in_vain < PATIENCE * len(groups):
        for group in groups:
            members = rng.sample(group, count)
            slots = [slot for slot in range(count) if _editable(scene, members, slot)]
            if not slots:
                in_vain += 1
                continue
            slot = rng.choice(slots)
            drawn = (frozenset(element.element_id for element in members), members[slot].element_id)
            if drawn in seen:
                in_vain += 1
                continue
            seen.add(drawn)
            in_vain = 0
            yield members, slot


def _editable(scene: Scene, members: list[Element], slot: int) -> bool:
    """Tell whether the slot can be edited in this phrase.

    No negative of a relation is about an object that the phrase relates already: "that is above the star and is
    below the star" contradicts itself, so nobody has to look.
    """
    edited = members[slot]
    if not edited.editable or edited.kind != "relation":
        return edited.editable
    others = {
        phrases.number_free(scene.objects[str(each.target_id)].text)
        for place, each in enumerate(members)
        if place != slot
    }
    named = {phrases.number_free(relation_clause(scene, edited, negative)[1]) for negative in edited.negatives}
    return not others & named


def _draft(scene: Scene, setting: str, members: list[Element], slot: int) -> Draft:
    edited = members[slot]
    true, *wrong = [_phrase(scene, setting, members, slot, negative) for negative in (None, *edited.negatives)]
    no = [wording.corrected(phrase) for phrase in wrong]
    named = [element.element_id for element in members]
    if setting != "multi_obj":
        named = [str(edited.parent_id), *named]
    return Draft(
        scene=scene, setting=setting, entity_count=len(members), slot=slot, edited=edited, named=tuple(named),
        positive=Side(wording.asked(true), wording.affirmed(true), tuple(no)),
        negative=Side(wording.asked(wrong[0]), wording.corrected(true), (wording.affirmed(wrong[0]), *no[1:])),
    )  # fmt: skip


def _phrase(scene: Scene, setting: str, members: list[Element], slot: int, negative: Replacement | None) -> str:
    """Return the phrase of these members, with the negative in the slot (None: the true phrase)."""
    if setting == "multi_obj":
        said = [(element.text, element.plural) for element in members]
        if negative is not None:
            said[slot] = (negative.text, negative.plural)
        return phrases.objects_phrase(said)
    owner = scene.objects[str(members[0].parent_id)]
    if setting == "multi_attr":
        texts = [element.text for element in members]
        if negative is not None:
            texts[slot] = negative.text
        return phrases.attributes_phrase(owner.text, texts)
    clauses = [relation_clause(scene, element, None) for element in members]
    clauses[slot] = relation_clause(scene, members[slot], negative)
    plural = phrases.takes_plural(owner.text, owner.plural)
    return phrases.relations_phrase(phrases.definite(owner.text), plural, clauses)


def relation_clause(scene: Scene, relation: Element, negative: Replacement | None) -> tuple[str, str]:
    """Return (predicate, object's text) of a relation, or of a negative of it."""
    target = scene.objects[str(relation.target_id)].text
    if negative is None:
        return relation.text, target
    return negative.text, target if negative.target_text is None else negative.target_text
