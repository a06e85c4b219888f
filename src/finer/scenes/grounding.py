"""A caption -> where its words stand, so that what somebody says it states can be held against it word by word.

Words are compared by their roots: "towels" grounds "towel", "sits" grounds "sitting", "wooden" grounds "wood".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache, cached_property, lru_cache
from typing import Any

import lemminflect

from finer.scenes.captions import load_parser, normalized
from finer.scenes.nouns import NOUNS, Token, is_plural, lemma
from finer.scenes.phrases import number_free
from finer.scenes.unreal import not_there
from finer.scenes.words import mapping, words

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_REFERRING = frozenset({"PRON", "DET"})  # "its", "which", "one", "another": may stand for a thing named before
_OTHER = frozenset({"another", "other", "more", "additional", "second"})
_EMPTY = frozenset(["a", "an", "the", "of", "with", "and", "or", "is", "are", "to", "its", "their", "his", "her"])
_FORMS = ("material_forms", "value_forms", "pattern_nouns")


def parts(phrase: str) -> list[str]:
    """Return the words of a phrase, lower case, hyphenated ones apart."""
    return _WORD.findall(phrase.lower().replace("’", "'"))


def content(phrase: str) -> list[str]:
    """Return the words of a phrase that carry its meaning."""
    return [word for word in parts(phrase) if word not in _EMPTY]


@lru_cache(maxsize=65536)
def roots(word: str) -> frozenset[str]:
    """Return the forms that a word may come from, itself included; two words are the same if they share one."""
    found = {word, number_free(word)} | {form for forms in lemminflect.getAllLemmas(word).values() for form in forms}
    return frozenset(form.lower() for form in found | {_base_forms()[form] for form in found & _base_forms().keys()})


@cache
def _base_forms() -> dict[str, str]:
    return {form: base for name in _FORMS for form, base in mapping(name).items()}


def same_word(one: str, other: str) -> bool:
    """Whether two words are forms of one word."""
    return not roots(one).isdisjoint(roots(other))


def captions_read(texts: Sequence[str], parser: str) -> Iterator[Caption]:
    """Yield each text, parsed by the spaCy pipeline named ``parser``; quoted words are hidden in it."""
    for doc in load_parser(parser).pipe([normalized(text) for text in texts], batch_size=32):
        yield Caption(doc)


class Caption:
    """A parsed caption that is asked which words it has, in which sentence, and what it denies."""

    def __init__(self, doc: Any) -> None:
        self.doc = doc
        self.sentences = list(doc.sents)

    @cached_property
    def _roots(self) -> list[frozenset[str]]:
        """Roots of each sentence's words."""
        return [
            frozenset(root for token in sentence for word in parts(token.text) for root in roots(word))
            | {token.lemma_.lower() for token in sentence}
            for sentence in self.sentences
        ]

    def mentions(self, noun: str) -> list[Token]:
        """Return the tokens that a noun may name, in any number; nouns only where the parser sees any."""
        noun = noun.rsplit("-", 1)[-1]  # the parser splits "t-shirt"
        wanted = {noun, number_free(noun)}
        found = [token for token in self.doc if wanted & {token.lower_, number_free(token.lower_), lemma(token)}]
        return [token for token in found if token.pos_ in NOUNS] or found

    def there(self, noun: str) -> tuple[list[Token], str]:
        """Return the mentions of a noun that put it in the scene, and why there is none ("" if there is one)."""
        found = self.mentions(noun)
        reasons = [not_there(token) for token in found]
        kept = [token for token, reason in zip(found, reasons, strict=True) if not reason]
        return kept, "" if kept else (reasons[0] if reasons else "not_in_caption")

    def several(self, noun: str) -> bool:
        """Whether the caption speaks of further things of a kind: in both numbers, or of "another" one."""
        found = self.mentions(noun)
        return len({is_plural(token) for token in found}) > 1 or any(
            child.lower_ in _OTHER for token in found for child in token.lefts
        )

    def stated(self, phrase: str, *nouns: str) -> tuple[str, str]:
        """Return the sentence that has all words of a phrase and may be about one of the nouns, or "" and the reason.

        A sentence may be about a thing if it names it or has a pronoun that can stand for it.
        """
        wanted = content(phrase) or parts(phrase)
        having = [place for place, known in enumerate(self._roots) if all(roots(w) & known for w in wanted)]
        if not wanted or not having:
            return "", "not_in_caption"
        naming = [place for place in having if any(roots(number_free(noun)) & self._roots[place] for noun in nouns)]
        about = naming or [place for place in having if self._refers(place)]
        if not about:
            return "", "not_said_of_it"
        affirmed = [place for place in about if not self._denied(place, wanted)]
        return (str(self.sentences[affirmed[0]].text).strip(), "") if affirmed else ("", "negated")

    def _refers(self, place: int) -> bool:
        return any(token.pos_ in _REFERRING and token.dep_ != "det" for token in self.sentences[place])

    def _denied(self, place: int, wanted: Sequence[str]) -> bool:
        """Whether one of the words stands denied each time that the sentence has it."""
        for word in wanted:
            found = [t for t in self.sentences[place] if any(same_word(part, word) for part in parts(t.text))]
            if found and all(_is_denied(token) for token in found):
                return True
        return False


def _is_denied(token: Token) -> bool:
    if token.pos_ in NOUNS:
        return not_there(token) == "negated"
    holders = [token, token.head] if token.dep_ in {"acomp", "prep", "attr"} else [token]
    if any(child.dep_ == "neg" or child.lower_ in _denials() for node in holders for child in node.children):
        return True
    return token.head.pos_ in NOUNS and token.dep_ in {"amod", "compound"} and not_there(token.head) == "negated"


@cache
def _denials() -> frozenset[str]:
    return frozenset({"not", "never", "barely", "no", "neither"}) | (words("hedges") & {"not", "almost"})
