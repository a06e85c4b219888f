"""Captions become scene graphs by rule: a dependency parse is read for things, attributes and relations.

Every phrase that names no element is a row of the table of drops with a fixed word for the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import polars as pl
import spacy
from spacy.tokens import Doc

from finer.errors import InputError
from finer.keys import stable_key
from finer.scenes.clauses import negated, read_copula, read_having, read_look, read_with, subject_entities
from finer.scenes.coreference import QUOTED, References
from finer.scenes.graph import Graph
from finer.scenes.nouns import NOUNS, Token, is_head
from finer.scenes.relations import (
    read_action,
    read_being,
    read_existence,
    read_inverted,
    read_modifying_verb,
    read_place,
)
from finer.scenes.words import mapping, predicate_class, type_of, words
from finer.schemas import DROPS, ELEMENTS
from finer.store import drop, table_from

STAGE = "scene_graph"
SOURCE = "caption_rules"
_BATCH = 32  # captions a batch of the parser
_QUOTES = re.compile(r"[“\"‘](?=\S)([^“”\"]{1,200}?)[”\"]")
_OWNED = re.compile(
    r"\b(?P<lead>(?:[Aa]|[Aa]n|[Tt]he|[Ee]ach) (?:[\w-]+ ){0,2})(?P<owner>\w+)s (?P<part>\w+)"
    r"(?=[.,;]| (?:is|are|has|and|with|in|on|of)\b)"
)
_LINKING = frozenset({"appear", "look", "seem", "become"})
_PRONOUNS = frozenset({"it", "they", "them", "he", "she"})


def extract(captions: pl.DataFrame, parser: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return ELEMENTS and DROPS of the scene graphs of a table of CAPTIONS; ``parser`` names a spaCy pipeline.

    Several captions of one image are read one by one; an element that two of them state is kept once.
    """
    rows: list[dict[str, object]] = []
    drops: list[dict[str, str | None]] = []
    records = captions.sort("image_id", "caption_id").to_dicts()
    seen: set[object] = set()
    for record, graph in zip(records, read_graphs([str(r["text"]) for r in records], parser), strict=True):
        benchmark, image_id = str(record["benchmark"]), str(record["image_id"])
        fresh = [row for row in element_rows(graph, image_id, benchmark) if row["element_id"] not in seen]
        seen.update(row["element_id"] for row in fresh)
        rows += fresh
        drops += [drop(STAGE, benchmark, item.phrase, item.reason, image_id) for item in graph.dropped]
        if not graph.entities:
            drops.append(drop(STAGE, benchmark, str(record["caption_id"]), "no_objects", image_id))
    return table_from(rows, ELEMENTS), table_from(drops, DROPS)


def read_graphs(texts: Sequence[str], parser: str) -> Iterator[Graph]:
    """Yield the scene graph of each text."""
    for doc in _parsed([normalized(text) for text in texts], parser):
        yield read_graph(doc)


@cache
def load_parser(parser: str) -> Any:
    """Load a spaCy pipeline by name, without what the rules do not use."""
    try:
        return spacy.load(parser, exclude=["ner"])
    except OSError as error:
        raise InputError(
            "the parser is not installed", field="scene_graphs.parser", found=parser,
            expected="the name of an installed spaCy pipeline for English",
            cure="install the packages of envs/ again, or name another pipeline",
        ) from error  # fmt: skip


def _parsed(texts: Sequence[str], parser: str) -> Iterator[Any]:
    """Parse texts; nouns that the parser takes for verbs ("a small cross with") are read through a stand-in."""
    pipeline = load_parser(parser)
    originals = [pipeline.make_doc(text) for text in texts]
    for original, doc in zip(
        originals, pipeline.pipe([_stood_in(doc) for doc in originals], batch_size=_BATCH), strict=True
    ):
        yield _restored(original, doc)


def _stood_in(doc: Any) -> Any:
    return Doc(doc.vocab, words=[_stand_in(doc, token) for token in doc], spaces=[bool(t.whitespace_) for t in doc])


def _stand_in(doc: Any, token: Token) -> str:
    if token.i == 0 or token.lower_ not in mapping("stand_ins"):
        return str(token.text)
    before = str(doc[token.i - 1].lower_)
    word = str(token.lower_)
    if word == "can" and (before == "that" or _next_word(doc, token) in words("after_modals")):
        return str(token.text)  # "a rainbow can be seen"
    noun = before in _before_nouns() or f"{before} {word.removesuffix('s')}" in type_of()
    return mapping("stand_ins")[word] if noun else str(token.text)


def _next_word(doc: Any, token: Token) -> str:
    return str(doc[token.i + 1].lower_) if token.i + 1 < len(doc) else ""


@cache
def _before_nouns() -> frozenset[str]:
    return words("articles") | words("colors") | words("sizes") | words("patterns")


def _restored(original: Any, doc: Any) -> Any:
    """Return the parse with the words of the original."""
    if all(token.text == other.text for token, other in zip(original, doc, strict=True)):
        return doc
    singular = {word: mapping("stand_in_singulars").get(word, word) for word in mapping("stand_ins")}
    lemmas = [
        singular[str(token.lower_)] if token.text != other.text else other.lemma_
        for token, other in zip(original, doc, strict=True)
    ]
    return Doc(
        doc.vocab, words=[token.text for token in original], spaces=[bool(token.whitespace_) for token in original],
        tags=[token.tag_ for token in doc], pos=[token.pos_ for token in doc], lemmas=lemmas,
        heads=[token.head.i for token in doc], deps=[token.dep_ for token in doc],
        sent_starts=[token.is_sent_start for token in doc],
    )  # fmt: skip


def normalized(text: str) -> str:
    """Return a caption with quoted words hidden, dashes and spaces made plain, and frequent slips mended."""
    text = _QUOTES.sub(QUOTED, text).replace("’", "'").replace("--", ", ").replace("—", ", ")
    text = re.sub(r"\b(is|are|lies|lie|sits|sit|stands|stand) (left|right) of\b", r"\1 to the \2 of", text)
    text = re.sub(r"\b([tT])\s?-\s?(shirts?)\b", r"\1-\2", text)
    text = re.sub(r"\b(back|fore) ground\b", r"\1ground", text)
    text = re.sub(r"(^|[.;] )Past (the|a|an)\b", r"\1Beyond \2", text)  # the parser takes "past" for no place
    text = _OWNED.sub(_with_apostrophe, text)
    return re.sub(r"\s+", " ", text).strip()


def _with_apostrophe(match: re.Match[str]) -> str:
    """Mend "the dogs tail": a body part after its owner."""
    lead, owner, part = match["lead"], match["owner"], match["part"]
    if type_of().get(owner.lower(), "") in words("part_owner_types") and type_of().get(part, "").startswith("body_"):
        return f"{lead}{owner}'s {part}"
    return match[0]


def read_graph(doc: Any) -> Graph:
    """Read the scene graph of a parsed caption."""
    references = References(doc)
    for token in doc:
        if is_head(token):
            references.mention(token)
        elif token.lower_ in _PRONOUNS:
            references.resolve(token)
    for token in doc:
        if token.pos_ in {"VERB", "AUX"}:
            _read_verb(references, token)
        if token.dep_ == "prep":
            _read_preposition(references, token)
        if token.dep_ == "acl" and token.pos_ == "VERB":
            _read_modifier(references, token)
    references.graph.mark_ambiguous()
    return references.graph


def _read_verb(references: References, verb: Token) -> None:
    if verb.text == QUOTED or negated(verb) or verb.dep_ in {"aux", "auxpass", "acl", "amod", "compound"}:
        return
    existence = any(child.dep_ == "expl" for child in verb.children)
    if verb.lemma_ == "be":
        if existence:
            read_existence(references, verb)
        elif not read_inverted(references, verb):
            read_copula(references, verb)
            read_being(references, verb)
    elif verb.lemma_ in _LINKING:
        if not any(child.dep_ == "xcomp" for child in verb.children):
            read_copula(references, verb)
    elif verb.lemma_ in words("held_verbs"):
        read_having(references, verb)
    elif verb.pos_ == "VERB" and not (verb.lemma_ in words("resting_verbs") and read_inverted(references, verb)):
        entities = subject_entities(references, verb)
        if not read_look(references, verb, entities):
            read_action(references, verb, entities)


def _read_preposition(references: References, preposition: Token) -> None:
    noun, word = preposition.head, preposition.lower_
    if noun.pos_ not in NOUNS or word not in words("place_prepositions"):
        return
    predicate = noun.dep_ == "attr" and noun.head.lemma_ == "be"
    if predicate and not any(child.dep_ == "expl" for child in noun.head.children) and word != "with":
        return
    if word == "with":
        read_with(references, preposition)
    elif word not in words("weak_prepositions") or word == "to":
        read_place(references, noun, preposition)


def _read_modifier(references: References, verb: Token) -> None:
    if verb.lemma_ in words("held_verbs"):
        return
    read_modifying_verb(references, verb)


def element_rows(graph: Graph, image_id: str, benchmark: str) -> list[dict[str, object]]:
    """Return the rows of ELEMENTS of a graph: objects, attributes, relations, each counted from 0."""
    common = {"image_id": image_id, "benchmark": benchmark, "source": SOURCE}
    blank: dict[str, object] = {
        "value": None,
        "plural": False,
        "parent_id": None,
        "target_id": None,
        "ambiguous": False,
    }
    objects: list[dict[str, object]] = []
    attributes: list[dict[str, object]] = []
    relations: list[dict[str, object]] = []
    ids: list[str] = []
    for entity in graph.entities:
        ids.append(stable_key(image_id, "object", entity.text, entity.index))
        objects.append(blank | common | {
            "element_id": ids[-1], "kind": "object", "position": entity.index, "text": entity.text,
            "category": entity.head, "plural": entity.plural, "ambiguous": entity.ambiguous,
            "evidence": entity.evidence,
        })  # fmt: skip
        for attribute in entity.attributes:
            attributes.append(blank | common | {
                "element_id": stable_key(image_id, "attribute", ids[-1], attribute.text), "kind": "attribute",
                "position": len(attributes), "text": attribute.text, "category": attribute.category,
                "value": attribute.value, "parent_id": ids[-1], "evidence": attribute.evidence,
            })  # fmt: skip
    for place, relation in enumerate(graph.relations):
        subject, target = ids[relation.subject], ids[relation.target]
        relations.append(blank | common | {
            "element_id": stable_key(image_id, "relation", subject, relation.predicate, target), "kind": "relation",
            "position": place, "text": relation.predicate, "category": predicate_class(relation.predicate),
            "parent_id": subject, "target_id": target, "evidence": relation.evidence,
        })  # fmt: skip
    return objects + attributes + relations
