"""How the world words things: noun phrases, attribute phrases, relation phrases; data in ``phrases.yaml``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from finer.world.catalogue import read_yaml
from finer.world.scenes import Scene, Thing

TEXT = read_yaml("phrases.yaml")
PREDICATES: dict[str, str] = TEXT["predicates"]
WHERE: dict[str, str] = TEXT["where"]
ATTRIBUTES = ("size", "color", "pattern", "outline")  # in the order in which adjectives stand


def with_article(text: str) -> str:
    """Return "a …" or "an …"."""
    return f"an {text}" if text[0] in "aeiou" else f"a {text}"


def capital(text: str) -> str:
    """Return the text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def join(parts: Sequence[str], comma: str = ", ") -> str:
    """Return "x", "x and y", "x, y and z"."""
    return parts[0] if len(parts) == 1 else f"{comma.join(parts[:-1])} and {parts[-1]}"


def attributes(thing: Thing) -> dict[str, str]:
    """Return the attributes that can be said of a thing, in the order of adjectives; no outline says nothing."""
    found = {"size": thing.size, "color": thing.color, "pattern": thing.pattern}
    if thing.outlined:
        found["outline"] = "black"
    return {name: value for name, value in found.items() if value is not None}


def attribute_phrase(name: str, value: str) -> str:
    """Return the phrase that follows an object: "with a red color"."""
    return str(TEXT["attributes"][name]).format(a=with_article(value))


def adjectives(thing: Thing, names: Iterable[str]) -> str:
    """Return "small red striped" for these attributes of a thing (an outline is no adjective)."""
    values = attributes(thing)
    return " ".join(values[name] for name in ("size", "color", "pattern") if name in names and name in values)


def described(thing: Thing, names: Iterable[str]) -> str:
    """Return "small red ball with a black outline", without article."""
    chosen = set(names)
    words = f"{adjectives(thing, chosen)} {thing.kind}".strip()
    return f"{words} {attribute_phrase('outline', 'black')}" if "outline" in chosen and thing.outlined else words


def relation_phrase(name: str, target: str) -> str:
    """Return "is to the left of the box"."""
    return f"{PREDICATES[name]} the {target}"


def cell_name(row: int, column: int) -> str:
    """Return the words for a cell, each from 0: "upper leftish"."""
    return f"{TEXT['rows'][row]} {TEXT['columns'][column]}"


def telling_name(scene: Scene, index: int) -> str | None:
    """Return words without article that mean this thing alone ("ball", "red ball"), or None if one word cannot."""
    thing = scene.things[index]
    twins = [other for other in scene.things if other.kind == thing.kind and other is not thing]
    if not twins:
        return thing.kind
    for value in ("color", "pattern", "size"):
        if all(getattr(thing, value) != getattr(twin, value) for twin in twins):
            return f"{getattr(thing, value)} {thing.kind}"
    return None
