"""Whether a caption states a phrase, by its words: what holds a language model to what it was given.

Every word of a phrase that carries meaning must occur in the caption, in whatever form of it ("lying", "lies"). Words
that only say what kind of value another word is ("a red color") need not.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from lemminflect import getAllLemmas

from finer.scenes.phrases import number_free

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_FUNCTION = frozenset(
    "a an the and or of in on at to with by for from into over under is are has have was were be being its it their his "
    "her that which there one some several".split()
)
_CLASSES = frozenset(
    "color colour shade tone hue posture pose position state condition look appearance shape form size texture surface "
    "pattern design material finish style expression amount number part made colored coloured shaped sized".split()
)
NUMBERS = dict(
    zip("two three four five six seven eight nine ten eleven twelve".split(), map(str, range(2, 13)), strict=True)
)


def unstated(text: str, caption: str) -> list[str]:
    """Return the words of a text that the caption does not say, in their order; [] if it says all of them."""
    said = _forms(caption)
    return [word for word in meaningful(text) if not _of(word) & said]


def meaningful(text: str) -> list[str]:
    """Return the words that carry meaning, lower case; a hyphenated one in its parts."""
    return [word for word in _parts(text) if word not in _FUNCTION | _CLASSES]


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
