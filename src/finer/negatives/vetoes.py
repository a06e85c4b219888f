"""Negatives that somebody proposed -> candidates, or what is wrong with them: rules that no proposer is trusted with.

A negative must be false of the scene as far as words can tell: nothing that the caption or another element names, no
other name, kind or number of the true one, of the same class, in a form that fits the sentence, and no mere denial.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from finer.negatives.candidates import Candidate, attribute_of, part_of, ruled_out
from finer.negatives.lexicon import Category, Member, categories, category_of, data, families, word_set
from finer.negatives.scene import Row, Scene
from finer.scenes.attributes import attribute_text
from finer.scenes.extracted import DENIALS, bare, is_predicate, other_class, predicate_of, uncolored
from finer.scenes.grounding import content, parts, roots
from finer.scenes.phrases import head, number_free, takes_plural
from finer.scenes.words import is_animate, noun_kind, predicate_class, words

Changed = Literal["object", "attribute", "part", "predicate", "relation_object"]  # what of an element is replaced
LONGEST = 5  # words of a name or a value
_NO_THING = ("picture_words", "location_words", "group_words", "attribute_words", "not_things", "colors")
_SINGULAR_ENDINGS = ("ss", "us", "is")
_NO_CATEGORY = Category("", (), frozenset())


@dataclass(frozen=True)
class Veto:
    """Why a proposal cannot stand: a fixed word, and the same in words."""

    reason: str
    told: str


@dataclass(frozen=True)
class Slot:
    """What is replaced: the element in its scene, and which part of it."""

    scene: Scene
    row: Row
    changed: Changed

    @property
    def owner(self) -> Row:
        """The object of an attribute, the subject of a relation; of an object itself."""
        return self.row if self.row["kind"] == "object" else self.scene.by_id[str(self.row["parent_id"])]

    @property
    def target(self) -> Row:
        """The object of a relation."""
        return self.scene.by_id[str(self.row["target_id"])]

    @property
    def true(self) -> str:
        """What stands there: a name, a value, a predicate."""
        if self.changed == "relation_object":
            return str(self.target["text"])
        if self.changed == "part":
            return part_of(str(self.row["value"])).name
        return str(self.row["value"] if self.changed == "attribute" else self.row["text"])

    def candidate(self, proposal: str) -> Candidate | Veto:
        """Return the candidate that a proposal makes, or why it makes none."""
        if self.changed == "predicate":
            return self._predicate(proposal)
        text = bare(proposal)
        if not 0 < len(text.split()) <= LONGEST or re.search(r"[^a-z0-9' -]", text):
            return Veto("not_a_name", f"'{proposal}' is no short phrase")
        if DENIALS & set(parts(text)) or denies(text, self.true):
            return Veto("mere_denial", f"'{proposal}' only denies the true one")
        return self._value(text) if self.changed == "attribute" else self._named(text)

    def meaning(self, candidate: Candidate) -> str:
        """Return what two candidates share that mean the same: "sofa" and "couch", "red" and "crimson"."""
        if candidate.kind == "predicate":
            place = predicate_class(candidate.text)
            verb = sorted(roots(verb_of(candidate.text)))
            return candidate.text if place == "other" else " ".join([place, *verb[:1]])
        if self.changed == "attribute":
            known = families(str(self.row["category"]))
            new = frozenset(content(candidate.text)) - frozenset(content(str(self.row["text"])))
            family = sorted(known.of(" ".join(sorted(new)))) if known else []
            return " ".join(family or sorted(new))
        name = number_free(candidate.target or candidate.text)
        entries = _entries(name)
        return entries[0][0].text if len(entries) > 1 else name

    # ------------------------------------------------------------ things: objects, parts, objects of relations
    def _named(self, name: str) -> Candidate | Veto:
        scene, row = self.scene, self.row
        if self.changed == "relation_object":
            target = self.target
            plural = bool(target["plural"])
            present = {str(other["text"]) for other in ruled_out(scene, row, target)}
            veto = None if name in present else name_veto(scene, name, self.true, plural)
            return veto or Candidate("relation_object", str(row["text"]), name, plural)
        if self.changed == "part":
            part = part_of(str(row["value"]))
            return name_veto(scene, name, part.name, part.plural) or Candidate("attribute", part.replaced(name))
        plural = bool(row["plural"])
        return name_veto(scene, name, self.true, plural) or Candidate("object", name, plural=plural)

    # ------------------------------------------------------------ values
    def _value(self, value: str) -> Candidate | Veto:
        category, noun = str(self.row["category"]), str(self.owner["category"])
        value = uncolored(category, value)
        if named := other_class(category, value):
            return Veto("wrong_class", f"'{value}' is a {named}, no {category}")
        if category == "size" and not _comparable(value, self.true, noun):
            return Veto("wrong_class", f"'{value}' measures something else than '{self.true}'")
        for taken in sorted({self.true, *self.scene.values(noun, category)}):
            if may_be(category, value, taken):
                reason = "same_meaning" if taken == self.true else "in_scene"
                return Veto(reason, f"'{value}' may be true beside '{taken}'")
        text = attribute_of(category, str(self.row["text"]), self.true, value, noun)
        stated = {
            str(each["text"]) for each in self.scene.kind("attribute") if each["parent_id"] == self.row["parent_id"]
        } | {str(self.owner["text"])}
        if any(set(content(value)) <= set(content(other)) for other in stated):
            return Veto("in_scene", f"'{value}' is said of it already")
        return Candidate("attribute", text)

    # ------------------------------------------------------------ predicates
    def _predicate(self, proposal: str) -> Candidate | Veto:
        text = predicate_of(proposal)
        if not is_predicate(text):
            return Veto("not_a_predicate", f"'{proposal}' must begin with 'is' and end where the object follows")
        if DENIALS & set(parts(text)) or denies(text, self.true):
            return Veto("mere_denial", f"'{proposal}' only denies the true one")
        ends = {number_free(str(end["category"])) for end in (self.owner, self.target)}
        if ends & {number_free(word) for word in parts(text)}:
            return Veto("not_a_predicate", f"'{proposal}' names one of the two things")
        if predicate_class(text) == "between" and not self.target["plural"]:
            return Veto("not_a_predicate", f"'{proposal}' needs more than one thing")
        alive = is_animate(str(self.owner["category"]), str(self.owner["text"]))
        for other in self._stated():
            if not excludes(text, other, alive):
                reason = "same_meaning" if other == self.true else "in_scene"
                return Veto(reason, f"'{proposal}' may hold beside '{other}'")
        return Candidate("predicate", text, str(self.target["text"]), bool(self.target["plural"]))

    def _stated(self) -> Iterator[str]:
        """Yield the predicates that are stated of the two things, the true one first."""
        ends = (self.row["parent_id"], self.row["target_id"])
        yield self.true
        for other in self.scene.kind("relation"):
            if (other["parent_id"], other["target_id"]) == ends and other["text"] != self.true:
                yield str(other["text"])
            if (other["target_id"], other["parent_id"]) == ends:
                opposite = data()["opposites"].get(predicate_class(str(other["text"])))
                if opposite is not None:
                    yield _SAID[opposite]


_SAID = {
    "left": "is to the left of", "right": "is to the right of", "above": "is above", "below": "is below",
    "front": "is in front of", "behind": "is behind",
}  # fmt: skip


def denies(text: str, true: str) -> bool:
    """Whether a word of the text is a word of the truth with a denying prefix: "unpainted" for "painted"."""
    truth = {root for word in content(true) for root in roots(word)} | set(content(true))
    return any(
        word.startswith(prefix) and word.removeprefix(prefix).lstrip("-") in truth
        for word in [*content(text), text]
        for prefix in ("un", "non", "not ")
    )


# ---------------------------------------------------------------- names
def name_veto(scene: Scene, name: str, true: str, plural: bool) -> Veto | None:
    """Return why a name cannot stand in the place of a true one, or None."""
    noun, true_noun = number_free(head(name)), number_free(head(true))
    if reads_plural(name) != takes_plural(true, plural):
        return Veto("wrong_number", f"'{name}' must be {'plural' if plural else 'singular'}, as '{true}' is")
    if noun == true_noun or number_free(name) == number_free(true):
        return Veto("same_meaning", f"'{name}' is a kind of '{true}'")
    if noun_kind(noun, number_free(name)).type is None and any(noun in words(listed) for listed in _NO_THING):
        return Veto("not_a_thing", f"'{name}' is nothing that can be pointed at")
    if _means(true, name) or _means(name, true):
        return Veto("same_meaning", f"'{name}' may be another name for '{true}'")
    if not all(scene.allows(member, category) for member, category in _entries(name)):
        return Veto("in_scene", f"'{name}', or a name of its kind, is in the caption, or it goes without saying")
    for row in scene.kind("object"):
        present = str(row["category"])
        if len(present) > 2 and noun.endswith(number_free(present)):
            return Veto("in_scene", f"'{name}' is a kind of '{present}', which is there")
        if _means(str(row["text"]), name):
            return Veto("in_scene", f"'{name}' may name the {row['text']} that is there")
    return None


def reads_plural(name: str) -> bool:
    """Whether a name is plural by its form."""
    last = head(name)
    return takes_plural(name, plural=False) or (number_free(last) != last and not last.endswith(_SINGULAR_ENDINGS))


def _entries(name: str) -> list[tuple[Member, Category]]:
    """Return what the lexicon knows under a name, or the name alone."""
    text = number_free(name)
    found = [
        (category.members[place], category)
        for category in categories().values()
        if (place := category.place(text)) is not None
    ]
    return [*found, (Member(text, frozenset()), _NO_CATEGORY)]


def _means(text: str, name: str) -> bool:
    """Whether a name may be another word for a thing: a synonym, a kind of it, or its kind, by the lexicon."""
    category = category_of(text, head(text), closed=False)
    if category is None:
        return False
    if number_free(head(name)) in category.kinds:
        return True
    place = category.place(number_free(text), number_free(head(text)))
    return place is not None and place == category.place(number_free(name), number_free(head(name)))


# ---------------------------------------------------------------- values
def _comparable(value: str, true: str, noun: str) -> bool:
    """Whether two sizes measure the same ("tall", "low": height; "thick", "thin": shape) or are listed as opposites."""
    known = families("size")
    graded = known.graded.items() if known else ()
    if any(true in same and value in others for same, others in graded):
        return True
    return attribute_text("size", value, noun).split()[-1] == attribute_text("size", true, noun).split()[-1]


def may_be(category: str, value: str, taken: str) -> bool:
    """Whether a value may be true of a thing that has another one: the same word, family, or a neighbouring family."""
    ours, theirs = ({root for word in content(text) for root in roots(word)} for text in (value, taken))
    if not content(value) or all(roots(word) & theirs for word in content(value)):
        return True
    if all(roots(word) & ours for word in content(taken)):
        return True
    known = families(category)
    if known is None:
        return False
    if any(value in graded and taken in graded for graded in known.graded):
        return True
    own = known.of(taken)
    return bool(known.of(value) & (own | {near for first in own for near in known.near(first)}))


# ---------------------------------------------------------------- predicates
def excludes(one: str, other: str, alive: bool) -> bool:
    """Whether two predicates cannot both hold of the same two things; ``alive``: of a person or an animal.

    By place ("on" and "under"), or, where the place is the same, by verbs that exclude each other; verbs without a
    place ("is holding", "is chasing") count as different if they are different words.
    """
    here, there = predicate_class(one), predicate_class(other)
    placed = {name: str(listed).split() for name, listed in data()["apart"].items()}
    if there in placed.get(here, []) or here in placed.get(there, []) or one in data()["predicates"].get(there, []):
        return True
    first, second = verb_of(one), verb_of(other)
    if not first or not second or not roots(first).isdisjoint(roots(second)):
        return False
    if here == there == "other":
        return True
    exclusive = word_set("exclusive_verbs")
    return alive and bool(roots(first) & exclusive) and bool(roots(second) & exclusive)


def verb_of(predicate: str) -> str:
    """Return the verb after "is", or "": "is lying on" has "lying", "is on" has none."""
    spoken = predicate.split()
    word = spoken[1] if len(spoken) > 1 else ""
    return word if word.endswith(("ing", "ed", "en")) else ""
