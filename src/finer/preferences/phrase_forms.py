"""The forms in which a language model states phrases, and what may be wrong with a reply that has its form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from finer.preferences.phrases import MOST, numbers_of
from finer.preferences.stated import BEGINNINGS, NUMBERS, unstated
from finer.scenes.phrases import number_free

_SEVERAL = re.compile(r"[,;]|\b(?:and|or)\b")
_NUMBER = re.compile(rf"^(?:{'|'.join(NUMBERS)}|\d+)\b")
_ARTICLE = re.compile(r"^(?:an?|the) ", re.IGNORECASE)
_PARTICIPLE = ("ing", "ed")


class PhraseForm(BaseModel):
    """What a model states of one type."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Objects(PhraseForm):
    """1 to 5 main objects; none if the caption names none."""

    objects: list[str]


class Attributes(PhraseForm):
    """One object with 1 to 5 attributes."""

    object: str
    plural: bool
    attributes: list[str]


class Related(PhraseForm):
    """A relation and what it leads to."""

    relation: str
    target: str


class Relations(PhraseForm):
    """One object with 1 to 5 relations."""

    object: str
    plural: bool
    relations: list[Related]


class Side(PhraseForm):
    """An object of a sentence with up to 5 attributes."""

    name: str
    plural: bool
    attributes: list[str]


class Sentence(PhraseForm):
    """Two objects and exactly one relation, or ``skip``."""

    skip: bool
    subject: Side | None
    relation: str | None
    target: Side | None


FORMS: Mapping[str, type[PhraseForm]] = {"obj": Objects, "attr": Attributes, "rel": Relations, "wh": Sentence}


def problems_of(reply: PhraseForm, caption: str) -> list[str]:
    """Return what is wrong with a reply, "fixed_word: a sentence for the model" each."""
    match reply:
        case Objects():
            found = _objects(reply.objects, caption)
        case Attributes():
            found = _described(reply.object, reply.attributes, caption)
        case Relations():
            found = _related(reply, caption)
        case Sentence():
            found = _sentence(reply, caption)
        case _:
            raise TypeError(type(reply))
    return list(found)


def _objects(objects: Sequence[str], caption: str) -> Iterator[str]:
    yield from _count(objects)
    for item in objects:
        if _SEVERAL.search(item):
            yield f"several_in_one_item: '{item}' names more than one object; give each an item of its own"
        yield from _stated(item, caption)
        bare = _NUMBER.sub("", _ARTICLE.sub("", item)).strip()
        counted = set(numbers_of(bare, caption)) if bare == item else set()
        if len(counted) == 1:
            yield f"number_lost: the caption says '{min(counted)} {bare}'; keep the number"


def _described(name: str, attributes: Sequence[str], caption: str) -> Iterator[str]:
    yield from _count(attributes)
    if attributes:
        yield from _stated(name, caption)
    for item in attributes:
        first = item.partition(" ")[0].lower()
        if first not in BEGINNINGS and not first.endswith(_PARTICIPLE):
            yield (
                f"attribute_form: '{item}' must be able to follow its object: begin it with 'with', 'in', 'made of' "
                "or a word like 'wearing'"
            )
        yield from _stated(item, caption)


def _related(reply: Relations, caption: str) -> Iterator[str]:
    yield from _count([f"{one.relation} {one.target}" for one in reply.relations])
    if reply.relations:
        yield from _stated(reply.object, caption)
    for one in reply.relations:
        yield from _relation(one.relation, caption)
        yield from _target(one.target, caption)


def _sentence(reply: Sentence, caption: str) -> Iterator[str]:
    if reply.skip:
        return
    if reply.subject is None or reply.target is None or reply.relation is None:
        yield "incomplete: give subject, relation and target, or set skip to true"
        return
    yield from _relation(reply.relation, caption)
    for side in (reply.subject, reply.target):
        yield from _target(side.name, caption)
        yield from _described(side.name, side.attributes, caption)
    if number_free(_ARTICLE.sub("", reply.subject.name)) == number_free(_ARTICLE.sub("", reply.target.name)):
        yield "same_object: subject and target must be two different objects"


def _count(items: Sequence[str]) -> Iterator[str]:
    if len(items) > MOST:
        yield f"too_many_items: {len(items)} items; give {MOST} at most"
    if len({item.strip().lower() for item in items}) < len(items):
        yield "doubled_item: an item occurs twice"
    if any(not item.strip() for item in items):
        yield "empty_item: an item is empty"


def _relation(relation: str, caption: str) -> Iterator[str]:
    if not relation.startswith("is ") or relation.endswith((" the", " a", " an")):
        yield f"relation_form: '{relation}' must begin with 'is' and end before its target: 'is lying on'"
    yield from _stated(relation, caption)


def _target(name: str, caption: str) -> Iterator[str]:
    if _SEVERAL.search(name) or " the " in f" {_ARTICLE.sub('', name)} ":
        yield f"several_in_one_item: '{name}' must be one object, without another thing"
    yield from _stated(name, caption)


def _stated(text: str, caption: str) -> Iterator[str]:
    if lost := unstated(text, caption):
        yield f"not_in_caption: the caption does not say '{lost[0]}' ('{text}'); state only what it says, in its words"
