"""The two roles of the pipeline that a language model can take: who states true phrases, who replaces a slot.

Both are functions from tables to tables. Whatever an editor proposes is checked by ``finer.preferences.validate``,
so a model may be let in without being trusted.
"""

from __future__ import annotations

from typing import Protocol

import polars as pl


class Phraser(Protocol):
    """States for each caption and type a true phrase, or says why there is none."""

    def __call__(
        self, captions: pl.DataFrame, elements: pl.DataFrame, source: str, seed: int
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return PHRASES and DROPS.

        Args:
            captions: CAPTIONS, already cut to the words that may be read.
            elements: ELEMENTS of the same images; a language model needs none.
            source: name of the source.
            seed: the config's seed.
        """


class Editor(Protocol):
    """Replaces one slot of each phrase by something plausible and wrong, or says why it cannot."""

    def __call__(
        self, phrases: pl.DataFrame, elements: pl.DataFrame, captions: pl.DataFrame, source: str, seed: int
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return EDITS, not checked yet, and DROPS.

        Args:
            phrases: PHRASES.
            elements, captions: ELEMENTS and CAPTIONS of the same images.
            source: name of the source.
            seed: the config's seed.
        """
