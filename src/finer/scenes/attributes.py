"""Attribute phrases: a class and a value ("color", "red") become the words that follow a thing ("with a red color")."""

from __future__ import annotations

from functools import cache
from typing import Any

import inflect

from finer.scenes.graph import Attribute, Entity
from finer.scenes.phrases import article
from finer.scenes.words import is_animate, noun_kind, words


@cache
def _engine() -> Any:
    return inflect.engine()


@cache
def plural_of(noun: str) -> str:
    """Return the plural of a noun or compound."""
    if noun.split()[-1] in words("plural_only"):
        return noun
    return str(_engine().plural_noun(noun)) or noun


def attribute_text(category: str, value: str, head: str = "") -> str:
    """Return the phrase for a value of a class, after a thing whose singular head is ``head``."""
    if category == "material":
        return f"made of {value}"
    if category == "color" and (value in {"colorful", "colourful", "rainbow"} or value.startswith("multi")):
        return f"with {article(value)} {value} look"
    if category == "state" and value not in words("look_states"):
        return f"in {article(value)} {value} state"
    return f"with {article(value)} {value} {_noun(category, value, head)}"


def _noun(category: str, value: str, head: str) -> str:
    if category == "size":
        if value in words("height_sizes"):
            return "length" if value == "short" and head in words("long_things") else "height"
        if value in words("shape_sizes"):
            return "shape"
        return "depth" if value in words("depth_sizes") else "size"
    if category == "texture":
        return "look" if value in words("look_textures") else "surface"
    return "look" if category == "state" else category


def add_attribute(entity: Entity, category: str, value: str, evidence: str) -> None:
    """Give a thing an attribute of a class."""
    if category == "outline":
        value = value.removesuffix("-outlined")
    if category == "posture" and not is_animate(entity.head, entity.text):
        return  # "a hanging sign": what its negatives say ("a kneeling sign") would be silly
    if value in {"open", "opened", "closed"} and noun_kind(entity.head, entity.text).type in words("types_always_open"):
        return  # "open water" is no state that it could change
    entity.add(Attribute(category, attribute_text(category, value, entity.head), value, evidence))


def add_part(entity: Entity, phrase: str, evidence: str) -> None:
    """Give a thing a part: "with a long tail"."""
    entity.add(Attribute("part", f"with {phrase}", phrase, evidence))
