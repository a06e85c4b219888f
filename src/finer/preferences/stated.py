"""Whether a caption states a phrase, by its words: what holds a language model to what it was given.

Every word of a phrase that carries meaning must occur in the caption, in whatever form of it ("lying", "lies"). Words
that only say what kind of value another word is ("a red color") need not.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib import resources

import yaml
from lemminflect import getAllLemmas

from finer.scenes.phrases import number_free

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_DATA = yaml.safe_load((resources.files("finer.preferences") / "stated.yaml").read_text(encoding="utf-8"))
_EMPTY = frozenset(f"{_DATA['function']} {_DATA['classes']}".split())
NUMBERS: dict[str, str] = {word: str(number) for word, number in _DATA["numbers"].items()}
BEGINNINGS = frozenset(str(_DATA["beginnings"]).split())  # of an attribute; participles come beside


def unstated(text: str, caption: str) -> list[str]:
    """Return the words of a text that the caption does not say, in their order; [] if it says all of them."""
    said = _forms(caption)
    return [word for word in meaningful(text) if not _of(word) & said]


def meaningful(text: str) -> list[str]:
    """Return the words that carry meaning, lower case; a hyphenated one in its parts."""
    return [word for word in _parts(text) if word not in _EMPTY]


@lru_cache(maxsize=1024)
def _forms(caption: str) -> frozenset[str]:
    return frozenset().union(*map(_of, _parts(caption)))


def _parts(text: str) -> list[str]:
    """Return the words, lower case, without "'s"; hyphenated ones in their parts."""
    words = _WORD.findall(text.lower().replace("’", "'"))
    return [part for word in words for part in word.removesuffix("'s").split("-")]


@cache
def _of(word: str) -> frozenset[str]:
    """Return a word with what it may be a form of."""
    lemmas = {lemma.lower() for found in getAllLemmas(word).values() for lemma in found}
    digits = {NUMBERS[word]} if word in NUMBERS else set()
    return frozenset({word, number_free(word), *lemmas, *digits})
