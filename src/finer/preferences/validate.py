"""Proposed edits, whoever proposed them -> those that keep the rules, and a fixed word for each that does not.

An edit replaces exactly one slot by something that the caption does not say and that says something else. The rules
are checked on words and on the scene graph; they trust no editor, the one of this project included. A phrase that a
language model stated has no scene graph: its edits are checked on words alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import polars as pl

from finer.negatives.candidates import ruled_out
from finer.negatives.lexicon import Families, categories, data, families
from finer.negatives.propose import scenes
from finer.negatives.scene import Row, Scene
from finer.queries.scene import content_words
from finer.scenes.phrases import head, number_free
from finer.scenes.words import predicate_class
from finer.schemas import DROPS, EDITS
from finer.store import drop, table_from

STAGE = "edits"
REASONS = (
    "items_differ_in_number", "no_item_changed", "other_item_changed", "several_items_changed", "several_in_one_item",
    "negated", "in_caption", "synonym", "unknown_value",
)  # fmt: skip
_NEGATIONS = re.compile(
    r"\b(?:not?|none|never|without|nothing|nobody|neither|nor|lacks?|lacking|absent|absence|missing|minus|non)\b|n['’]t\b"
)
_WORD = re.compile(r"[a-z][a-z'-]*")
_BREAK = re.compile(r"[.!?;\n]|\bwhile\b")
# Where another thing's words begin: a determiner, unless it follows what still speaks of the thing before it.
_NEXT_THING = re.compile(
    r"(?<!with )(?<!is )(?<!are )(?<!has )(?<!have )(?<!in )\b(?:the|an?|its|their|his|her|another)\b"
)
_LEADING = re.compile(r"^(?:an?|the|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve) ")


def validate(
    edits: pl.DataFrame, phrases: pl.DataFrame, elements: pl.DataFrame, captions: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the EDITS that keep the rules, in their order, and DROPS of the others.

    Args:
        edits: EDITS as proposed, of any editor.
        phrases: PHRASES that hold theirs.
        elements, captions: ELEMENTS and CAPTIONS of the same images.
    """
    by_id = {row["phrase_id"]: row for row in phrases.iter_rows(named=True)}
    known = scenes_by_image(elements, captions)
    kept, drops = [], []
    for row in edits.iter_rows(named=True):
        reason = fault(row, by_id[row["phrase_id"]], known[row["image_id"]])
        if reason is None:
            kept.append(row)
        else:
            detail = f"{row['original']} -> {row['replacement']}"
            drops.append(drop(STAGE, row["source"], row["edit_id"], reason, row["image_id"], detail))
    return table_from(kept, EDITS), table_from(drops, DROPS)


def scenes_by_image(elements: pl.DataFrame, captions: pl.DataFrame) -> dict[str, Scene]:
    """Return the scene of each image; of one without elements, its captions alone."""
    texts = captions.group_by("image_id", maintain_order=True).agg("text")
    found = {image_id: Scene([], list(said)) for image_id, said in texts.iter_rows()}
    return found | {str(scene.rows[0]["image_id"]): scene for scene in scenes(elements, captions)}


def fault(edit: Mapping[str, Any], phrase: Mapping[str, Any], scene: Scene) -> str | None:
    """Return the rule that an edit breaks, or None."""
    before, after, slot = phrase["slots"], edit["slots"], edit["slot"]
    if len(before) != len(after):
        return "items_differ_in_number"
    changed = [place for place, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    if len(changed) > 1:
        return "several_items_changed"
    if not changed or _same_words(before[changed[0]], after[changed[0]]):
        return "no_item_changed"
    old, new = before[slot], after[slot]
    if changed != [slot] or (edit["original"], edit["replacement"]) != (old, new):
        return "other_item_changed"
    element = None if edit["element_id"] is None else scene.by_id[edit["element_id"]]
    return fault_of_item(old, new, phrase, element, scene)


def fault_of_item(old: str, new: str, phrase: Mapping[str, Any], element: Row | None, scene: Scene) -> str | None:
    """Return the rule that a replacement breaks, given that it replaces one slot and nothing else.

    ``element``: of the slot; None: words alone are checked.
    """
    if phrase["phrase_type"] == "obj" and re.search(r",|\band\b|\bor\b", new) and not re.search(r"\band\b", old):
        return "several_in_one_item"
    if _NEGATIONS.search(new.lower()) and not _NEGATIONS.search(old.lower()):
        return "negated"
    if element is None:
        return _fault_by_words(old, new, phrase, scene)
    if element["kind"] == "object":
        return _object_fault(bare(old), bare(new), scene)
    if element["kind"] == "attribute":
        return _attribute_fault(old, new, element, scene)
    return _relation_fault(old, new, phrase, element, scene)


def bare(item: str) -> str:
    """Return the name of a thing without its article or number."""
    return _LEADING.sub("", item)


def _same_words(one: str, other: str) -> bool:
    return [number_free(w) for w in bare(one).lower().split()] == [number_free(w) for w in bare(other).lower().split()]


# ---------------------------------------------------------------- objects
def _object_fault(old: str, new: str, scene: Scene) -> str | None:
    if _mentioned(new, scene):
        return "in_caption"
    name = number_free(new)
    if name in scene.unsaid and not scene.closed:
        return "in_caption"  # no word says so, but where there is a car there is a windshield
    return "synonym" if _means(number_free(old), name) or head(old) == head(new) else None


def _mentioned(name: str, scene: Scene) -> bool:
    """Tell whether the caption names a thing, in the singular or plural, as one word or two."""
    single = number_free(name)
    if f" {single} " in scene.line or f"|{single.replace(' ', '')}|" in scene.squeezed:
        return True
    return number_free(head(single)) in scene.vocabulary


@lru_cache(maxsize=65536)
def _means(one: str, other: str) -> bool:
    """Tell whether two names can mean the same thing: the same member of the lexicon, or the kind of the other."""
    pair = {one, other, number_free(head(one)), number_free(head(other))}
    for category in categories().values():
        places = {category.place(name, number_free(head(name))) for name in (one, other)}
        if len(places) == 1 and None not in places:
            return True
        if places != {None} and len(places) == 2 and pair & category.kinds:
            return True
    return False


# ---------------------------------------------------------------- attributes
def _attribute_fault(old: str, new: str, element: Row, scene: Scene) -> str | None:
    fresh = content_words(new) - content_words(old)
    if not fresh:
        return "synonym"
    owner, name = scene.by_id[str(element["parent_id"])], str(element["category"])
    if name == "part":
        noun = number_free(new.split()[-1])
        if noun == number_free(old.split()[-1]):
            return None if _excludes("color", old, new) or _excludes("size", old, new) else "synonym"
        if noun in scene.vocabulary or (noun in scene.unsaid and not scene.closed):
            return "in_caption"
        return "synonym" if _means(number_free(old.split()[-1]), noun) else None
    if _said_of(fresh, owner, name, scene):
        return "in_caption"
    known = families(name)
    if known is None or (scene.closed and not known.of(" ".join(fresh))):
        return None
    return _value_fault(known, old, fresh, scene.closed)


def _value_fault(known: Families, old: str, fresh: frozenset[str], closed: bool) -> str | None:
    """Return the rule that a value breaks in the place of another of its class."""
    grades = [group | {*listed} for group, listed in known.graded.items()]
    if not known.of(" ".join(fresh)) and not any(fresh & grade for grade in grades):
        return "unknown_value"  # "dark" may be what "black" is
    family = known.of(" ".join(content_words(old)))
    # Of a drawing's flat colors, neighbours ("red", "pink") exclude each other; of photographs they may be the same.
    close = family if closed else family | {near for first in family for near in known.near(first)}
    graded = any({*content_words(old)} & group and {*fresh} & group for group in known.graded)
    return "synonym" if graded or close & known.of(" ".join(fresh)) else None


def _excludes(name: str, old: str, new: str) -> bool:
    known = families(name)
    return known is not None and bool(known.of(old)) and not known.of(old) & known.of(new)


def _said_of(fresh: frozenset[str], owner: Row, name: str, scene: Scene) -> bool:
    """Tell whether the caption says it of the thing or of another of its kind, by the graph or beside the noun."""
    kind = str(owner["category"])
    same = {str(row["element_id"]) for row in scene.kind("object") if row["category"] == kind}
    stated = [
        content_words(str(row["text"]))
        for row in scene.kind("attribute")
        if row["parent_id"] in same and row["category"] == name
    ]
    stated += [content_words(str(scene.by_id[each]["text"])) for each in same]
    if any(fresh <= words for words in stated):
        return True
    noun = number_free(kind)
    return any(noun in words and fresh <= words for text in scene.texts for words in _spans(text))


@lru_cache(maxsize=4096)
def _spans(text: str) -> tuple[frozenset[str], ...]:
    """Return the words of each stretch of a caption that speaks of one thing, as written and in the singular."""
    return tuple(_words(part) for sentence in _BREAK.split(text.lower()) for part in _NEXT_THING.split(sentence))


@lru_cache(maxsize=4096)
def _sentences(text: str) -> tuple[frozenset[str], ...]:
    return tuple(_words(sentence) for sentence in _BREAK.split(text.lower()))


def _words(text: str) -> frozenset[str]:
    found = {part for word in _WORD.findall(text) for part in (word, *word.split("-"))}
    return frozenset(found | {number_free(word) for word in found})


# ---------------------------------------------------------------- relations
def _relation_fault(old: str, new: str, phrase: Mapping[str, Any], element: Row, scene: Scene) -> str | None:
    predicate, target = _parts(old)
    other, name = _parts(new)
    slots = [_parts(each) for each in phrase["slots"]]
    if _same_words(target, name):
        if (other, name) in slots or any(p != predicate and _same_words(t, name) for p, t in slots):
            return "in_caption"  # the phrase would say two things of one target that exclude each other
        return _predicate_fault(predicate, other, element, scene)
    if predicate != other:
        return "several_in_one_item"
    if any(_same_words(t, name) for _, t in slots):
        return "in_caption"
    goal = scene.by_id[str(element["target_id"])]
    if _mentioned(name, scene):
        excluded = {number_free(str(row["text"])) for row in ruled_out(scene, element, goal)}
        return None if number_free(name) in excluded else "in_caption"
    if number_free(name) in scene.unsaid and not scene.closed:
        return "in_caption"
    return "synonym" if _means(number_free(target), number_free(name)) or head(target) == head(name) else None


def _predicate_fault(predicate: str, other: str, element: Row, scene: Scene) -> str | None:
    old, new = predicate_class(predicate), predicate_class(other)
    if content_words(other) <= content_words(predicate) or (old == new and old != "other"):
        return "synonym"
    ends = (element["parent_id"], element["target_id"])
    stated = [row for row in scene.kind("relation") if (row["parent_id"], row["target_id"]) == ends]
    if any(_same_words(str(row["text"]).partition(" ")[2], other.partition(" ")[2]) for row in stated):
        return "in_caption"
    if any(predicate_class(str(row["text"])) == new != "other" for row in stated):
        return "in_caption"
    if scene.closed:
        return None  # such drawings state each relation plainly; their sentences name several things
    subject, target = (number_free(str(scene.by_id[str(end)]["category"])) for end in ends)
    needed = {subject, target} | content_words(other.partition(" ")[2])
    return "in_caption" if any(needed <= words for text in scene.texts for words in _sentences(text)) else None


def _parts(item: str) -> tuple[str, str]:
    """Return predicate and target of "is to the left of the chair"."""
    predicate, _, target = item.rpartition(" the ")
    return predicate, target


# ---------------------------------------------------------------- words alone
def _fault_by_words(old: str, new: str, phrase: Mapping[str, Any], scene: Scene) -> str | None:
    if phrase["phrase_type"] == "obj":
        return _object_fault(bare(old), bare(new), scene)
    if phrase["phrase_type"] == "rel":
        return _clause_fault(old, new, phrase, scene)
    fresh = content_words(new) - content_words(old)
    if not fresh:
        return "synonym"
    if _said_with(fresh | {_noun(phrase["subject"])}, scene, _spans):
        return "in_caption"
    known = [found for name in data()["attributes"] if (found := families(name)) is not None]
    values = " ".join(content_words(old))
    faults = (_value_fault(one, old, fresh, scene.closed) for one in known if one.of(values))
    return next((found for found in faults if found is not None), None)


def _clause_fault(old: str, new: str, phrase: Mapping[str, Any], scene: Scene) -> str | None:
    """Check "is lying on the chair": either the relation or its target differs."""
    (predicate, target), (other, name) = _parts(old), _parts(new)
    rest = [_parts(each) for each in phrase["slots"] if each != old]
    if _same_words(target, name):
        kinds = predicate_class(predicate), predicate_class(other)
        if content_words(other) <= content_words(predicate) or kinds[0] == kinds[1] != "other":
            return "synonym"
        said = content_words(other.partition(" ")[2]) | {_noun(phrase["subject"]), _noun(target)}
        return "in_caption" if (other, name) in rest or _said_with(said, scene, _sentences) else None
    if predicate != other:
        return "several_in_one_item"
    if any(_same_words(each, name) for _, each in rest):
        return "in_caption"
    return _object_fault(target, name, scene)


def _noun(name: str) -> str:
    return number_free(head(name))


def _said_with(wanted: frozenset[str], scene: Scene, parts: Callable[[str], tuple[frozenset[str], ...]]) -> bool:
    """Tell whether one stretch of a caption holds all these words."""
    return any(wanted <= words for text in scene.texts for words in parts(text))
