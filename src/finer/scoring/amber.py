"""AMBER's reading of a description: its nouns, which of them are errors, which concepts of the image they cover.

As the official script does it, with its order: a noun counts for the first word of a list that it equals, and in
each list the words that may stand for a concept come before the concepts themselves. A concept whose word is also an
association of another concept of the image is therefore never covered by its own name.

What the script takes from elsewhere is a parameter: how nouns are found (upstream NLTK's tagger and WordNet) and how
alike two words are (upstream the vectors of spaCy's en_core_web_lg).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl

from finer.errors import InputError
from finer.suites.amber_generative import EXACT, PARTS
from finer.suites.suite import entry

ALIKE = 0.8  # two words are alike above this similarity
#: texts, vocabulary -> the nouns of each text as the vocabulary spells them, in their order, repeated ones repeated
Nouns = Callable[[Sequence[str], Collection[str]], Iterable[list[str]]]
Similarity = Callable[[str, str], float]
_LABELS = ("truth", "hallu", "associations", "vocabulary", "safe_words", "tagger", "similarity")
# Words with inner hyphens whole ("e-book"), clitics and punctuation apart, as NLTK's tokens.
_TOKEN = re.compile(r"[^\W_]+(?:-[^\W_]+)*|['’][^\W_]+|[^\w\s]|_+")


@dataclass(frozen=True)
class Concepts:
    """The word lists of one image."""

    truth: Sequence[str]
    hallu: Sequence[str]
    associations: Mapping[str, Sequence[str]]
    vocabulary: Collection[str]
    safe_words: Collection[str]

    def listed(self, concepts: Sequence[str]) -> list[tuple[str, int]]:
        """Return (word, place of its concept): the associations of all concepts first, then the concepts."""
        stand_ins = [(word, place) for place, one in enumerate(concepts) for word in self.associations[one]]
        return stand_ins + [(one, place) for place, one in enumerate(concepts)]


def exact(one: str, other: str) -> float:
    """Return 1 for the same word, else 0."""
    return float(one == other)


def count(nouns: Sequence[str], concepts: Concepts, similarity: Similarity = exact) -> dict[str, float]:
    """Return what a description adds to the sums (``finer.suites.amber_generative.PARTS``).

    Args:
        nouns: of the description, in their order; those outside the vocabulary do not count.
        concepts: the image's word lists.
        similarity: of two words; above ``ALIKE`` one stands for the other.
    """
    safe, expected = concepts.listed(concepts.truth), concepts.listed(concepts.hallu)
    covered: set[int] = set()
    marked: set[int] = set()
    kept = [noun for noun in nouns if noun in concepts.vocabulary]
    errors = 0
    for noun in kept:
        if noun in concepts.safe_words:
            continue
        there = _first(safe, noun, exact)
        if there is None:
            # A noun of the list marks its concept, and then the first concept that it is like, which may be another.
            marked |= {place for like in (exact, similarity) if (place := _first(expected, noun, like)) is not None}
            there = _first(safe, noun, similarity)
        if there is None:
            errors += 1
        else:
            covered.add(there)
    values = (errors, len(kept), len(covered), len(concepts.truth), len(marked), len(concepts.hallu), not errors)
    return {name: float(value) for name, value in zip(PARTS, values, strict=True)}


def _first(words: Sequence[tuple[str, int]], noun: str, similarity: Similarity) -> int | None:
    return next((place for word, place in words if similarity(noun, word) > ALIKE), None)


# ---------------------------------------------------------------- what upstream takes from NLTK and spaCy
def pipeline_nouns(pipeline: str) -> Nouns:
    """Return a finder of nouns: tagged by a spaCy pipeline, plural made singular where the vocabulary has that."""

    def nouns(texts: Sequence[str], vocabulary: Collection[str]) -> Iterable[list[str]]:
        from spacy.tokens import Doc  # spaCy takes a second to import

        tagger = _loaded(pipeline, "tagger")
        docs = (Doc(tagger.vocab, words=_TOKEN.findall(text)) for text in texts)
        for doc in tagger.pipe(docs):
            yield [spelled(token.text, vocabulary) for token in doc if token.tag_.startswith("NN")]

    return nouns


def spelled(noun: str, vocabulary: Collection[str]) -> str:
    """Return the shortest of a noun and its singulars that the vocabulary has, or the noun.

    Upper case is kept, and therefore outside the vocabulary, as upstream.
    """
    return min((word for word in (noun, *_singulars(noun)) if word in vocabulary), key=len, default=noun)


@cache
def _singulars(noun: str) -> tuple[str, ...]:
    from lemminflect import getLemma

    return tuple(getLemma(noun, "NOUN")) if noun.islower() else ()


@cache
def similarity_of(name: str) -> Similarity:
    """Return "exact", or the similarity by the vectors of a spaCy pipeline.

    Raises:
        InputError: the pipeline has no vectors.
    """
    if name == EXACT:
        return exact
    pipeline = _loaded(name, "similarity")
    if not pipeline.vocab.vectors_length:
        raise InputError(
            "the pipeline has no word vectors", field="amber_generative.options.similarity", found=name,
            expected=f"'{EXACT}' or a spaCy pipeline with vectors", cure="name another, such as en_core_web_lg",
        )  # fmt: skip

    @cache
    def similarity(one: str, other: str) -> float:
        return float(pipeline.make_doc(one).similarity(pipeline.make_doc(other)))

    return similarity


@cache
def _loaded(pipeline: str, option: str) -> Any:
    import spacy

    try:
        return spacy.load(pipeline, exclude=["ner", "parser", "lemmatizer"])
    except OSError as error:
        raise InputError(
            "the pipeline is not installed", field=f"amber_generative.options.{option}", found=pipeline,
            expected="the name of an installed spaCy pipeline for English", cure="install it, or name another",
        ) from error  # fmt: skip


# ---------------------------------------------------------------- the scorer
def described(
    nouns: Callable[[str], Nouns] = pipeline_nouns, similarity: Callable[[str], Similarity] = similarity_of
) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Return the scorer of descriptions: the score is 1 for one without an error, ``parts`` holds what is counted.

    Args:
        nouns: name of a tagger (the item's label) -> finder of nouns.
        similarity: name of a measure (the item's label) -> similarity.
    """

    def score(joined: pl.DataFrame) -> pl.DataFrame:
        labelled = joined.select("text", *(entry("labels", name) for name in _LABELS)).with_row_index("place")
        found: dict[int, tuple[str, dict[str, float]]] = {}
        for (tagger, measure, vocabulary), rows in labelled.group_by("tagger", "similarity", "vocabulary"):
            known = frozenset(json.loads(str(vocabulary)))
            alike = similarity(str(measure))
            read = nouns(str(tagger))(rows["text"].to_list(), known)
            for row, words in zip(rows.iter_rows(named=True), read, strict=True):
                counted = count(words, _concepts(row, known), alike)
                found[row["place"]] = " ".join(word for word in words if word in known), counted
        in_order = [found[place] for place in range(joined.height)]
        return joined.with_columns(
            read=pl.Series([words for words, _ in in_order], dtype=pl.String),
            parts=pl.Series([_parts(counted) for _, counted in in_order], dtype=_PARTS_TYPE),
            score=pl.Series([counted["clean"] for _, counted in in_order], dtype=pl.Float64),
            unparsed=pl.col("text").str.strip_chars() == "",
        )

    return score


def _concepts(row: Mapping[str, Any], vocabulary: frozenset[str]) -> Concepts:
    truth, hallu, associations, safe_words = (json.loads(row[name]) for name in (*_LABELS[:3], "safe_words"))
    return Concepts(truth, hallu, associations, vocabulary, frozenset(safe_words))


def _parts(counted: Mapping[str, float]) -> list[dict[str, object]]:
    return [{"name": name, "value": value} for name, value in counted.items()]


_PARTS_TYPE = pl.List(pl.Struct({"name": pl.String(), "value": pl.Float64()}))
