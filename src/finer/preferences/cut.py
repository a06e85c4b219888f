"""Captions -> their first words: what comes after the limit is neither read nor asked about."""

from __future__ import annotations

import re

import polars as pl

from finer.schemas import CAPTIONS, DROPS
from finer.store import drop, table_from

_WORD = re.compile(r"\S+")


def cut_captions(captions: pl.DataFrame, words: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return CAPTIONS of at most so many words each, and a drop "caption_cut" for each that was longer.

    A caption keeps its id, and up to the cut its text to the letter.
    """
    rows, drops = [], []
    for row in captions.iter_rows(named=True):
        places = [found.end() for found in _WORD.finditer(row["text"])]
        if len(places) > words:
            detail = f"{len(places) - words} of {len(places)} words"
            drops.append(drop("read", row["benchmark"], row["caption_id"], "caption_cut", row["image_id"], detail))
            row["text"] = row["text"][: places[words - 1]]
        rows.append(row)
    return table_from(rows, CAPTIONS), table_from(drops, DROPS)
