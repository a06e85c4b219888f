"""Human annotations (CompreCap) -> elements: entries are objects, descriptions hold attributes, sentences relations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import polars as pl

from finer.keys import stable_key
from finer.raw.comprecap import AnnotatedImage, AnnotatedObject
from finer.scenes.captions import read_graphs
from finer.scenes.graph import Attribute, Graph
from finer.scenes.phrases import head, number_free, takes_plural
from finer.scenes.sentences import read_sentence
from finer.scenes.words import predicate_class
from finer.schemas import DROPS, ELEMENTS
from finer.store import drop, table_from

STAGE = "scene_graph"
SOURCE = "annotation"
_BLANK: dict[str, object] = {
    "value": None, "plural": False, "parent_id": None, "target_id": None, "ambiguous": False, "evidence": None,
}  # fmt: skip
Row = dict[str, object]
Drop = dict[str, str | None]


def elements_of(annotations: Sequence[AnnotatedImage], parser: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return ELEMENTS and DROPS of annotated images; ``parser`` names the spaCy pipeline that reads descriptions."""
    rows: list[Row] = []
    drops: list[Drop] = []
    described = _attributes(annotations, parser)
    for image in annotations:
        if not image.objects:
            drops.append(drop(STAGE, image.benchmark, image.file_name, "no_objects", image.image_id))
        graph = _Elements(image)
        for number, entry in enumerate(image.objects):
            graph.add_attributes(number, entry, next(described))
        for number, entry in enumerate(image.objects):
            graph.add_relations(number, entry)
        rows += [*graph.objects, *graph.attributes, *graph.relations]
        drops += graph.drops
    return table_from(rows, ELEMENTS), table_from(drops, DROPS)


def _attributes(annotations: Sequence[AnnotatedImage], parser: str) -> Iterator[list[tuple[Attribute, ...] | None]]:
    """Yield for each entry what its short and its extended description say of it; None: not understood."""
    entries = [entry for image in annotations for entry in image.objects]
    texts = [text for entry in entries for text in (entry.short_description, entry.extended_description)]
    graphs = iter(read_graphs(texts, parser))
    for entry in entries:
        yield [attributes_in(next(graphs), entry.category), attributes_in(next(graphs), entry.category)]


def attributes_in(graph: Graph, category: str) -> tuple[Attribute, ...] | None:
    """Return the attributes of the described object; None if the description names no object at all.

    The object is the one named by the category, else the first: a "person" may be described as "a man".
    """
    if not graph.entities:
        return None
    name, noun = number_free(category), number_free(head(category))
    by_name = [each for each in graph.entities if number_free(each.text) == name]
    by_head = [each for each in graph.entities if each.head == noun]
    return tuple([*by_name, *by_head, *graph.entities][0].attributes)


class _Elements:
    """The rows of one image while they are collected."""

    def __init__(self, image: AnnotatedImage) -> None:
        self.image = image
        self.names = [re.sub(r"[\s_]+", " ", entry.category).strip().lower() for entry in image.objects]
        self.ids = [stable_key(image.image_id, "object", name, number) for number, name in enumerate(self.names)]
        same = [number_free(name) for name in self.names]
        self.objects: list[Row] = [
            self._row("object", self.ids[number], number, {
                "text": name, "category": number_free(head(name)), "ambiguous": same.count(same[number]) > 1,
                "plural": takes_plural(name, number_free(name) != name), "evidence": entry.short_description or None,
            })
            for number, (name, entry) in enumerate(zip(self.names, image.objects, strict=True))
        ]  # fmt: skip
        self.attributes: list[Row] = []
        self.relations: list[Row] = []
        self.drops: list[Drop] = []

    def add_attributes(self, number: int, entry: AnnotatedObject, told: list[tuple[Attribute, ...] | None]) -> None:
        """Add what either description says, once; the extended one often repeats the short one."""
        known: set[tuple[str, str]] = set()
        for text, attributes in zip((entry.short_description, entry.extended_description), told, strict=True):
            if attributes is None:
                reason = "description_not_understood" if text else "no_description"
                self._drop(f"{self.names[number]}: {text}", reason)
            for attribute in attributes or ():
                if (attribute.category, attribute.value) in known:
                    continue
                known.add((attribute.category, attribute.value))
                element_id = stable_key(self.image.image_id, "attribute", self.ids[number], attribute.text)
                self.attributes.append(self._row("attribute", element_id, len(self.attributes), {
                    "text": attribute.text, "category": attribute.category, "value": attribute.value,
                    "parent_id": self.ids[number], "evidence": text,
                }))  # fmt: skip

    def add_relations(self, number: int, entry: AnnotatedObject) -> None:
        """Add what the sentences state of this object and others."""
        known = {row["element_id"] for row in self.relations}
        for sentence in entry.relations:
            for stated in read_sentence(sentence, self.names[number], self.names):
                if stated.reason:
                    self._drop(sentence, stated.reason, stated.clause)
                    continue
                target = self.ids[self.names.index(stated.category)]
                element_id = stable_key(self.image.image_id, "relation", self.ids[number], stated.predicate, target)
                if element_id in known:
                    self._drop(sentence, "stated_twice", stated.clause)
                    continue
                known.add(element_id)
                self.relations.append(self._row("relation", element_id, len(self.relations), {
                    "text": stated.predicate, "category": predicate_class(stated.predicate),
                    "parent_id": self.ids[number], "target_id": target, "evidence": sentence,
                }))  # fmt: skip

    def _row(self, kind: str, element_id: str, position: int, values: Row) -> Row:
        common: Row = {
            "image_id": self.image.image_id, "benchmark": self.image.benchmark, "source": SOURCE, "kind": kind,
            "element_id": element_id, "position": position,
        }  # fmt: skip
        return _BLANK | common | values

    def _drop(self, item: str, reason: str, detail: str | None = None) -> None:
        self.drops.append(drop(STAGE, self.image.benchmark, item, reason, self.image.image_id, detail))
