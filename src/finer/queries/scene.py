"""Elements and their final negatives -> one scene an image, as composition needs it: what may be edited, and what not.

The validity rules live here, since they do not depend on the setting: a negative is never another element of the
scene or of the phrase, an element without four such negatives may stand in a phrase but is never edited, and an
object that is not the only one of its kind is never singled out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from finer.queries.wording import INVERSE, SYMMETRIC
from finer.scenes.phrases import head, number_free
from finer.store import drop

FOUR = 4
_EMPTY_WORDS = frozenset(["a", "an", "the", "with", "of", "and", "in", "made", "is", "to", "it", "its"])
_NEEDS_TWO = frozenset({"between", "among", "amongst"})
Drop = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Replacement:
    """One negative of an element."""

    negative_id: str
    kind: str
    text: str
    target_text: str | None
    plural: bool


@dataclass(slots=True)
class Element:
    """An object, attribute or relation; ``negatives`` holds four, or none if it cannot be edited."""

    element_id: str
    kind: str
    text: str
    category: str
    plural: bool
    parent_id: str | None
    target_id: str | None
    ambiguous: bool
    negatives: tuple[Replacement, ...] = ()
    check: str | None = None

    @property
    def editable(self) -> bool:
        """Tell whether a query may name a negative in this element's place."""
        return len(self.negatives) == FOUR


@dataclass
class Scene:
    """One image's scene graph with negatives."""

    image_id: str
    benchmark: str
    objects: dict[str, Element] = field(default_factory=dict)
    attributes: dict[str, list[Element]] = field(default_factory=lambda: defaultdict(list))
    relations: list[Element] = field(default_factory=list)

    def singled_out(self, object_id: str | None) -> bool:
        """Tell whether the words "the <object>" mean this object alone."""
        return object_id is not None and object_id in self.objects and not self.objects[object_id].ambiguous


def scenes_of(elements: pl.DataFrame, negatives: pl.DataFrame, checks: pl.DataFrame) -> tuple[list[Scene], list[Drop]]:
    """Return the scenes in order of image id, and a drop for each element that cannot be edited or asked about.

    Args:
        elements: ELEMENTS of any number of images.
        negatives: NEGATIVES as they stand after verification: one round an element.
        checks: NEGATIVE_CHECKS, one an element with negatives.
    """
    scenes: dict[str, Scene] = {}
    replacements = _replacements(negatives)
    check_of = dict(checks.select("element_id", "check").iter_rows())
    columns = (
        "image_id", "benchmark", "element_id", "kind", "text", "category", "plural", "parent_id", "target_id",
        "ambiguous",
    )  # fmt: skip
    for image_id, benchmark, *values in elements.sort("image_id", "kind", "position").select(columns).iter_rows():
        scene = scenes.setdefault(image_id, Scene(image_id, benchmark))
        element = Element(*values)
        element.negatives = replacements.get(element.element_id, ())
        element.check = check_of.get(element.element_id)
        if element.kind == "object":
            scene.objects[element.element_id] = element
        elif element.kind == "attribute":
            scene.attributes[str(element.parent_id)].append(element)
        else:
            scene.relations.append(element)
    drops: list[Drop] = []
    for scene in scenes.values():
        drops.extend(_leave_half_said(scene))
        _mark_ambiguous(scene)
        drops.extend(_settle(scene))
    return list(scenes.values()), drops


def _replacements(negatives: pl.DataFrame) -> dict[str, tuple[Replacement, ...]]:
    columns = ("element_id", "negative_id", "negative_kind", "text", "target_text", "plural")
    found: dict[str, list[Replacement]] = defaultdict(list)
    for element_id, *values in negatives.sort("element_id", "rank").select(columns).iter_rows():
        found[element_id].append(Replacement(*values))
    return {element_id: tuple(rows) for element_id, rows in found.items()}


def _leave_half_said(scene: Scene) -> list[Drop]:
    """Take out relations that name one of two: "between the trees" is whole, "between the tree" is not."""
    half = [
        each
        for each in scene.relations
        if head(each.text) in _NEEDS_TWO and not scene.objects[str(each.target_id)].plural
    ]
    scene.relations = [each for each in scene.relations if each not in half]
    return [
        drop("pairs", scene.benchmark, each.element_id, "one_of_two_named", scene.image_id, each.text) for each in half
    ]


def _mark_ambiguous(scene: Scene) -> None:
    """A "truck" beside a "fire truck" is not the only truck, though the fire truck is the only fire truck."""
    names = [number_free(each.text) for each in scene.objects.values()]
    for element in scene.objects.values():
        own = number_free(element.text)
        meant = sum(name == own or name.endswith(f" {own}") for name in names)
        element.ambiguous = element.ambiguous or meant > 1


def _settle(scene: Scene) -> Iterable[Drop]:
    """Take the negatives from elements that must not be edited; yield the reason for each."""
    facts = Facts(scene)
    for element in [
        *scene.objects.values(),
        *(e for some in scene.attributes.values() for e in some),
        *scene.relations,
    ]:
        reason, detail = _asked_about(element, scene), None
        if reason is None and not element.negatives:
            reason = "no_negatives"
        elif reason is None:
            reason, detail = facts.fault(element)
        if reason is not None:
            element.negatives = ()
            yield drop("pairs", scene.benchmark, element.element_id, reason, scene.image_id, detail or element.text)


def _asked_about(element: Element, scene: Scene) -> str | None:
    """Return why an attribute or relation can be in no query: its object is not the only one of its kind."""
    if element.kind == "object":
        return None
    ends = [element.parent_id] if element.kind == "attribute" else [element.parent_id, element.target_id]
    return None if all(scene.singled_out(end) for end in ends) else "ambiguous_object"


class Facts:
    """What a scene graph says, looked up when negatives are held against it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.names = {number_free(each.text) for each in scene.objects.values()}
        self.names |= {number_free(each.category) for each in scene.objects.values()}
        self.statements = {
            statement
            for each in scene.relations
            for statement in statements(each.text, str(each.parent_id), str(each.target_id))
        }

    def fault(self, element: Element) -> tuple[str | None, str | None]:
        """Return the reason, and the negative, why the element's negatives cannot be used; (None, None) if they can."""
        if len(element.negatives) != FOUR:
            return "fewer_than_four", f"{len(element.negatives)} negatives of '{element.text}'"
        shown = [(number_free(each.text), number_free(each.target_text or "")) for each in element.negatives]
        if len(set(shown)) < FOUR:
            return "negative_repeated", element.text
        for negative in element.negatives:
            if self._in_scene(element, negative):
                return "negative_in_scene", " ".join(filter(None, (negative.text, negative.target_text)))
        return None, None

    def _in_scene(self, element: Element, negative: Replacement) -> bool:
        if element.kind == "object":
            return self._names(negative.text)
        if element.kind == "attribute":
            return self._describes(element, negative.text)
        return self._states(element, negative)

    def _states(self, element: Element, negative: Replacement) -> bool:
        """Tell whether the scene graph states the relation with the negative in it.

        A negative may name another thing of the scene, as long as the relation to that one is not stated: whether
        it can be ruled out is for the proposer and the verifier to know.
        """
        subject_id, targets = str(element.parent_id), {str(element.target_id)}
        if negative.kind == "relation_object":
            name = number_free(negative.target_text or "")
            targets = {each.element_id for each in self.scene.objects.values() if name == number_free(each.text)}
            if subject_id in targets:
                return True
        return any((negative.text, subject_id, target_id) in self.statements for target_id in targets)

    def _names(self, text: str) -> bool:
        """Tell whether a thing of this name may be in the scene: so named, or the negative is a kind of one named."""
        name = number_free(text)
        return name in self.names or number_free(head(name)) in self.names

    def _describes(self, element: Element, text: str) -> bool:
        """Tell whether what is new in the negative is said of the object, by its name or an attribute of that class."""
        new = content_words(text) - content_words(element.text)
        siblings = [e for e in self.scene.attributes[str(element.parent_id)] if e.category == element.category]
        said = [
            content_words(self.scene.objects[str(element.parent_id)].text),
            *(content_words(e.text) for e in siblings),
        ]
        return any(new <= words for words in said)


def statements(predicate: str, subject_id: str, target_id: str) -> list[tuple[str, str, str]]:
    """Return the statement and the same seen from the other side, where that has a word."""
    found = [(predicate, subject_id, target_id)]
    if predicate in INVERSE:
        found.append((INVERSE[predicate], target_id, subject_id))
    if predicate in SYMMETRIC:
        found.append((predicate, target_id, subject_id))
    return found


def content_words(text: str) -> frozenset[str]:
    """Return the words of a phrase that carry its meaning."""
    return frozenset(text.lower().split()) - _EMPTY_WORDS
