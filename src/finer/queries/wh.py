"""Candidates of wh: one side of a relation is asked for, an attribute of the side that is named is edited."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from finer.keys import generator
from finer.queries import wording
from finer.queries.draft import Draft, Side
from finer.queries.scene import Drop, Element, Scene, statements
from finer.scenes.phrases import attributes_phrase, takes_plural
from finer.store import drop

ANSWER_NEGATIVES = 3  # of four: with the true answer and the correction they make five options


@dataclass(frozen=True)
class Asking:
    """A relation with the side that is asked for; the other side is named with all its attributes."""

    relation: Element
    asks_subject: bool
    answer: Element
    named: Element
    attributes: tuple[Element, ...]

    @property
    def item(self) -> str:
        """How a drop names it."""
        return f"{self.relation.element_id}:{'subject' if self.asks_subject else 'target'}"


def askings(scene: Scene) -> tuple[list[Asking], list[Drop]]:
    """Return what can be asked for in a scene, and a drop with its reason for what cannot."""
    kept: list[Asking] = []
    drops: list[Drop] = []
    for asking, reason in every_asking(scene):
        reason = reason or _without_negatives(asking)
        if reason is None:
            kept.append(asking)
        else:
            drops.append(drop("pairs", scene.benchmark, asking.item, reason, scene.image_id, asking.relation.text))
    return kept, drops


def every_asking(scene: Scene) -> Iterator[tuple[Asking, str | None]]:
    """Yield both sides of each relation between things that are singled out, and why one cannot be asked for."""
    said = {each for e in scene.relations for each in statements(e.text, str(e.parent_id), str(e.target_id))}
    for relation in scene.relations:
        if not (scene.singled_out(relation.parent_id) and scene.singled_out(relation.target_id)):
            continue  # dropped for all settings already, as ambiguous_object
        subject, target = scene.objects[str(relation.parent_id)], scene.objects[str(relation.target_id)]
        for asks_subject, answer, named in ((True, subject, target), (False, target, subject)):
            attributes = tuple({e.text: e for e in scene.attributes.get(named.element_id, ())}.values())
            asking = Asking(relation, asks_subject, answer, named, attributes)
            yield asking, _fault(asking, said)


def _fault(asking: Asking, said: set[tuple[str, str, str]]) -> str | None:
    relation = asking.relation
    if not relation.text.startswith("is "):
        return "wh_predicate_form"
    if asking.asks_subject:
        others = {one for predicate, one, target in said if (predicate, target) == (relation.text, relation.target_id)}
    else:
        others = {target for predicate, one, target in said if (predicate, one) == (relation.text, relation.parent_id)}
    if len(others) > 1:
        return "wh_answer_not_unique"
    return None if asking.attributes else "wh_named_without_attribute"


def _without_negatives(asking: Asking) -> str | None:
    if not any(attribute.editable for attribute in asking.attributes):
        return "wh_no_editable_attribute"
    return None if asking.answer.editable else "wh_answer_without_negatives"


def wh_drafts(scene: Scene, possible: list[Asking], seed: int) -> Iterator[Draft]:
    """Yield pairs of one image: each asking once with a drawn attribute, then each with its next attribute, …"""
    rng = generator(seed, scene.image_id, "wh")
    order = rng.sample(possible, len(possible))
    edits = [rng.sample(slots := _slots(each), len(slots)) for each in order]
    for turn in range(max((len(slots) for slots in edits), default=0)):
        for asking, slots in zip(order, edits, strict=True):
            if turn < len(slots):
                yield _draft(scene, asking, slots[turn], seed)


def _slots(asking: Asking) -> list[int]:
    return [slot for slot, attribute in enumerate(asking.attributes) if attribute.editable]


def _draft(scene: Scene, asking: Asking, slot: int, seed: int) -> Draft:
    edited, named, answer = asking.attributes[slot], asking.named, asking.answer
    true, wrong = edited.text, edited.negatives[0].text
    plural = takes_plural(named.text, named.plural)
    said = (answer, asking.relation, named, *asking.attributes)
    own = [attribute.text for attribute in scene.attributes.get(answer.element_id, ())]
    rng = generator(seed, scene.image_id, asking.item, edited.element_id)
    others = tuple(wording.wh_answer(negative.text, own) for negative in rng.sample(answer.negatives, ANSWER_NEGATIVES))
    right = wording.wh_answer(answer.text, own)

    def question(attribute: str) -> str:
        texts = [attribute if place == slot else each.text for place, each in enumerate(asking.attributes)]
        phrase = attributes_phrase(named.text, texts)
        return wording.wh_question(asking.relation.text, phrase, plural, asking.asks_subject, answer.text)

    return Draft(
        scene=scene, setting="wh", entity_count=len(asking.attributes), slot=slot, edited=edited,
        named=tuple(element.element_id for element in said),
        positive=Side(
            question(true), right, (*others, wording.wh_correction(named.text, plural, denied=true, affirmed=wrong))
        ),
        negative=Side(
            question(wrong), wording.wh_correction(named.text, plural, denied=wrong, affirmed=true), (right, *others)
        ),
    )  # fmt: skip
