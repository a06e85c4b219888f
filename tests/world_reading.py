"""A second reading of the world's sentences, independent of the code that writes them: is this phrase true?"""

from __future__ import annotations

import re

from finer.world.scenes import Scene, Thing

KINDS = (
    "ball", "block", "cone", "kite", "star", "heart", "cross", "moon", "tree", "house", "fish", "cup", "arrow",
    "flower", "bolt", "boat", "box", "ring", "table",
)  # fmt: skip
VALUES = (
    "red", "green", "blue", "yellow", "purple", "orange", "cyan", "pink", "small", "big", "plain", "striped",
    "dotted", "checked",
)  # fmt: skip
RELATIONS = {
    "to the left of": "left", "to the right of": "right", "above": "above", "below": "below",
    "inside": "inside", "resting on top of": "on_top",
}  # fmt: skip
PLURALS = {"boxes": "box", "crosses": "cross", "fish": "fish", **{f"{kind}s": kind for kind in KINDS}}
_RELATION = "|".join(RELATIONS)


def values(thing: Thing) -> set[str]:
    """Every word and phrase that is true of a thing alone."""
    found = {thing.kind, thing.color, f"a {thing.color} color", f"an {thing.color} color"}
    if thing.pattern:
        found |= {thing.pattern, f"a {thing.pattern} pattern"}
    if thing.size:
        found |= {thing.size, f"a {thing.size} size"}
    if thing.outlined:
        found.add("a black outline")
    return found


def meant(scene: Scene, noun_phrase: str) -> list[int]:
    """Indices of the things that a noun phrase with article may mean; none if it is not true of any."""
    head, *attributes = re.split(r",? (?:and )?with ", noun_phrase)
    words = head.split()
    assert words[0] in ("a", "an", "the"), noun_phrase
    assert words[-1] in KINDS or not any(word in KINDS for word in words), noun_phrase
    return [
        index for index, thing in enumerate(scene.things)
        if words[-1] == thing.kind and {*words[1:], *attributes} <= values(thing)
    ]  # fmt: skip


def stands(scene: Scene, subjects: list[int], claim: str) -> list[int]:
    """Those of the subjects of which a claim ("is above the red cup", "is small and red") is true."""
    found = re.fullmatch(rf"is ({_RELATION}) (the .+)", claim)
    if found:
        targets, name = meant(scene, found[2]), RELATIONS[found[1]]
        return [i for i in subjects if any(i != j and scene.holds(name, i, j) is True for j in targets)]
    if re.match(r"is (behind|in front of|hanging from|leaning against|above|below|inside|to the|resting)", claim):
        return []
    adjectives = set(re.split(r", | and ", claim.removeprefix("is ")))
    return [i for i in subjects if adjectives <= values(scene.things[i])]


def is_phrase_true(scene: Scene, phrase: str) -> bool:
    """Whether "a cat and a dog", "a cat with …", "a cat that is … and is …" is true of a scene."""
    head, _, clauses = phrase.partition(" that ")
    if clauses:
        subjects = meant(scene, head)
        for claim in re.split(r", (?=is )| and (?=is )", clauses):
            subjects = stands(scene, subjects, claim)
        return bool(subjects)
    if " with " in phrase:
        return bool(meant(scene, phrase))
    return all(meant(scene, part) for part in re.split(r", | and ", phrase))
