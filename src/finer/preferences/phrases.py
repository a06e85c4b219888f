"""Captions and their scene graphs -> one true phrase a caption and type, by rule: the phraser "rules".

A phrase is a frame with slots ("the cat {} and {}"), so that what an editor may change is known to the letter. Counts
are drawn evenly among those that the caption allows, each caption by its own key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import polars as pl

from finer.keys import generator, stable_key
from finer.queries import wording
from finer.queries.scene import Element, Scene, scenes_of
from finer.queries.wh import Asking, every_asking
from finer.scenes import phrases as english
from finer.schemas import DROPS, NEGATIVE_CHECKS, NEGATIVES, PHRASE_TYPES, PHRASES
from finer.store import drop, table_from

STAGE = "phrases"
PHRASER = "rules"
MOST = 5  # slots of a phrase
SLOT = "\x00"  # stands for a slot while a frame is worded; no text that was parsed contains it
_NUMBERS = "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_NO_ADJECTIVE = frozenset(["of", "and", "or", "the", "a", "an", "with", "more", "other", "others", "in", "on"])


@dataclass(frozen=True)
class Made:
    """A phrase before it becomes a row."""

    frame: tuple[str, ...]
    slots: tuple[str, ...]
    elements: tuple[Element, ...]
    subject: Element | None = None
    question: tuple[str, ...] | None = None
    answer: str | None = None


def rule_phrases(
    captions: pl.DataFrame, elements: pl.DataFrame, source: str, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return PHRASES, at most one a caption and type, and DROPS with the reason where there is none.

    Several captions of an image share its scene graph: each draws from it by its own key.
    """
    scenes, found = scenes_of(elements, NEGATIVES.empty(), NEGATIVE_CHECKS.empty())
    drops = [each | {"stage": STAGE} for each in found if each["reason"] != "no_negatives"]
    by_image = {scene.image_id: scene for scene in scenes}
    evidence = dict(elements.filter(pl.col("kind") == "object").select("element_id", "evidence").iter_rows())
    rows: list[dict[str, object]] = []
    for caption_id, image_id in captions.sort("image_id", "caption_id").select("caption_id", "image_id").iter_rows():
        scene = by_image.get(image_id)
        for phrase_type in PHRASE_TYPES:
            rng = generator(seed, caption_id, phrase_type, PHRASER)
            made = "no_objects" if scene is None else _MAKERS[phrase_type](scene, evidence, rng)
            if isinstance(made, str):
                drops.append(drop(STAGE, source, f"{caption_id}:{phrase_type}", made, image_id))
            else:
                rows.append(_row(made, source, image_id, caption_id, phrase_type))
    return table_from(rows, PHRASES), table_from(drops, DROPS)


def filled(frame: Sequence[str], slots: Sequence[str]) -> str:
    """Return the text of a frame with these slots."""
    return "".join(part for pair in zip(frame, [*slots, ""], strict=True) for part in pair)


def _row(made: Made, source: str, image_id: str, caption_id: str, phrase_type: str) -> dict[str, object]:
    text = filled(made.frame, made.slots)
    ids = [element.element_id for element in made.elements]
    asked = None if made.question is None else filled(made.question, made.slots)
    return {
        "phrase_id": stable_key(caption_id, phrase_type, PHRASER, text, asked, *ids), "source": source,
        "image_id": image_id, "caption_id": caption_id, "phrase_type": phrase_type, "phraser": PHRASER, "text": text,
        "frame": list(made.frame), "slots": list(made.slots), "element_ids": ids,
        "subject": None if made.subject is None else made.subject.text,
        "subject_id": None if made.subject is None else made.subject.element_id,
        "subject_plural": made.subject is not None and _takes_plural(made.subject),
        "question": None if made.question is None else list(made.question), "answer": made.answer,
    }  # fmt: skip


# ---------------------------------------------------------------- one maker a type: a phrase, or why there is none
def _objects(scene: Scene, evidence: dict[str, str], rng: Random) -> Made | str:
    """Return 1-5 objects, of which something is stated if there are enough of those: the caption's main objects."""
    things = _unlike([e for e in scene.objects.values() if scene.singled_out(e.element_id)], _name)
    if not things:
        return "no_singled_out_object"
    count = rng.randint(1, min(MOST, len(things)))
    related = {end for each in scene.relations for end in (each.parent_id, each.target_id)}
    main = [e for e in things if e.element_id in related or scene.attributes.get(e.element_id)]
    drawn = rng.sample(main if len(main) >= count else things, count)
    slots = tuple(counted(e.text, e.plural, evidence.get(e.element_id) or "") for e in drawn)
    return Made(frame_of(english.listed([SLOT] * count)), slots, tuple(drawn))


def _attributes(scene: Scene, evidence: dict[str, str], rng: Random) -> Made | str:
    groups = {
        each: _unlike(scene.attributes.get(each, []), lambda attribute: attribute.text)
        for each in scene.objects
        if scene.singled_out(each)
    }
    drawn = _of_one_owner(groups, rng)
    if not drawn:
        return "no_attribute_of_a_singled_out_object"
    owner = scene.objects[str(drawn[0].parent_id)]
    frame = frame_of(english.attributes_phrase(owner.text, [SLOT] * len(drawn)))
    return Made(frame, tuple(each.text for each in drawn), tuple(drawn), owner)


def _relations(scene: Scene, evidence: dict[str, str], rng: Random) -> Made | str:
    groups: dict[str, list[Element]] = {}
    for each in scene.relations:
        if scene.singled_out(each.parent_id) and scene.singled_out(each.target_id):
            groups.setdefault(str(each.parent_id), []).append(each)
    drawn = _of_one_owner({k: _unlike(v, lambda e: f"{e.text} {e.target_id}") for k, v in groups.items()}, rng)
    if not drawn:
        return "no_relation_of_singled_out_objects"
    owner = scene.objects[str(drawn[0].parent_id)]
    plural = _takes_plural(owner)
    frame = frame_of(f"{english.definite(owner.text)} that {english.listed([SLOT] * len(drawn))}")
    slots = tuple(clause(each.text, scene.objects[str(each.target_id)].text, plural) for each in drawn)
    return Made(frame, slots, tuple(drawn), owner)


def _sentence(scene: Scene, evidence: dict[str, str], rng: Random) -> Made | str:
    """Return a sentence of two objects and their relation; its slots are the attributes of the side that is named."""
    reasons: set[str] = set()
    sides: dict[bool, list[Asking]] = {True: [], False: []}
    for asking, reason in every_asking(scene):
        if reason is None:
            sides[asking.asks_subject].append(asking)
        else:
            reasons.add(reason)
    order = rng.sample([True, False], 2)
    possible = sides[order[0]] or sides[order[1]]
    if not possible:
        return max(reasons, default="no_relation_of_singled_out_objects")
    return _asked(scene, rng.choice(possible), rng)


def _asked(scene: Scene, asking: Asking, rng: Random) -> Made:
    relation, answer, named = asking.relation, asking.answer, asking.named
    slots = rng.sample(asking.attributes, rng.randint(1, min(MOST, len(asking.attributes))))
    stated = _unlike(scene.attributes.get(answer.element_id, []), lambda attribute: attribute.text)
    shown = [each.text for each in rng.sample(stated, rng.randint(1, min(MOST, len(stated))))] if stated else []
    said = english.attributes_phrase(answer.text, shown)
    gap = english.attributes_phrase(named.text, [SLOT] * len(slots))
    first, subject, target = (answer, said, gap) if asking.asks_subject else (named, gap, said)
    sentence = english.capitalised(f"{subject} {english.agreed(relation.text, _takes_plural(first))} {target}")
    question = wording.wh_question(relation.text, gap, _takes_plural(named), asking.asks_subject, answer.text)
    return Made(
        frame_of(sentence), tuple(each.text for each in slots), tuple(slots), named, frame_of(question),
        wording.wh_answer(answer.text, shown),
    )  # fmt: skip


_MAKERS: dict[str, Callable[[Scene, dict[str, str], Random], Made | str]] = {
    "obj": _objects, "attr": _attributes, "rel": _relations, "wh": _sentence,
}  # fmt: skip


def _of_one_owner(groups: dict[str, list[Element]], rng: Random) -> list[Element]:
    """Draw a count evenly among those that some owner reaches, then an owner, then its elements; [] if none has any."""
    most = min(MOST, max(map(len, groups.values()), default=0))
    if not most:
        return []
    count = rng.randint(1, most)
    return rng.sample(rng.choice([group for group in groups.values() if len(group) >= count]), count)


def _unlike(elements: Sequence[Element], name: Callable[[Element], str]) -> list[Element]:
    found: dict[str, Element] = {}
    for element in elements:
        found.setdefault(name(element), element)
    return list(found.values())


def _name(element: Element) -> str:
    return english.number_free(element.text)


def _takes_plural(element: Element) -> bool:
    return english.takes_plural(element.text, element.plural)


def frame_of(text: str) -> tuple[str, ...]:
    """Return what stands before, between and after the slots of a text."""
    return tuple(text.split(SLOT))


# ---------------------------------------------------------------- words
def clause(predicate: str, target: str, plural: bool) -> str:
    """Return "is lying on the chair" as the subject's number wants it."""
    return f"{english.agreed(predicate, plural)} {english.definite(target)}"


def counted(text: str, plural: bool, evidence: str) -> str:
    """Return "two towels" where the sentence that states them numbers them, else "towels" or "a towel"."""
    numbers = set(numbers_of(text, evidence)) if plural else set()
    return f"{numbers.pop()} {text}" if len(numbers) == 1 else english.indefinite(text, plural)


def numbers_of(text: str, evidence: str) -> Iterator[str]:
    """Yield the number words before a name, with at most two adjectives between them."""
    pattern = rf"\b({_NUMBERS})((?: [a-z-]+){{0,2}}) {re.escape(text.lower())}\b"
    for number, between in re.findall(pattern, evidence.lower()):
        if not any(word in _NO_ADJECTIVE or word.endswith("s") for word in between.split()):
            yield number
