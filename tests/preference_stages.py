"""The stages of the preference data in one go, for tests: from captions, or from scenes of the micro world."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from caption_graphs import PARSER, caption_table, read_captions
from finer.config import Preferences
from finer.preferences.pairs import preference_pairs
from finer.preferences.stages import edit_phrases, state_phrases
from finer.raw.images import image_row
from finer.raw.pixmo import read_pixmo
from finer.scenes.captions import extract
from finer.schemas import IMAGES
from finer.store import table_from
from finer.world.pixmo import write_pixmo

SEED = 5
SOURCE = "docci"


@dataclass(frozen=True)
class Made:
    """Every table from captions to preference pairs."""

    captions: pl.DataFrame
    images: pl.DataFrame
    elements: pl.DataFrame
    phrases: pl.DataFrame
    edits: pl.DataFrame
    preferences: pl.DataFrame
    drops: pl.DataFrame


def made_of(captions: pl.DataFrame, images: pl.DataFrame, balanced: bool = True, source: str = SOURCE) -> Made:
    """Run the stages."""
    elements, _ = extract(captions, PARSER)
    return from_elements(captions, images, elements, balanced, source)


def from_elements(
    captions: pl.DataFrame, images: pl.DataFrame, elements: pl.DataFrame, balanced: bool, source: str = SOURCE
) -> Made:
    """Run the stages after the scene graphs."""
    settings = Preferences(balanced=balanced)
    phrases, no_phrase = state_phrases(captions, elements, source, SEED)
    edits, no_edit = edit_phrases(phrases, elements, captions, source, settings, SEED)
    pairs = preference_pairs(phrases, edits, captions, images, SEED)
    return Made(captions, images, elements, phrases, edits, pairs, pl.concat([no_phrase, no_edit]))


def of_texts(texts: list[str], balanced: bool = False) -> Made:
    """Run the stages on captions without images."""
    captions = caption_table(texts, SOURCE)
    return made_of(captions, named_images(captions), balanced)


def named_images(captions: pl.DataFrame) -> pl.DataFrame:
    """Return IMAGES without files for some captions."""
    rows = [
        image_row(SOURCE, "train", f"{example}.jpg", None) | {"image_id": image}
        for image, example in captions.select("image_id", "example_id").iter_rows()
    ]
    return table_from(rows, IMAGES)


def of_world(folder: Path, count: int) -> Made:
    """Run the stages on scenes of the micro world, whose truth is written to ``folder/truth.parquet``."""
    write_pixmo(7, "tuning", count, folder / "raw", truth=folder / "truth.parquet")
    raw = read_pixmo(folder / "raw" / "captions.parquet", folder / "raw" / "images", "pixmo")
    return made_of(raw.captions, raw.images, source="pixmo")


def real_captions() -> dict[str, list[str]]:
    """Return real captions by what they are, or skip the test."""
    folder = os.environ.get("FINER_REAL_CAPTIONS")
    if not folder:
        pytest.skip("FINER_REAL_CAPTIONS is unset: no folder with docci_test_100 and comprecap_captions")
    comprecap = json.loads((Path(folder) / "comprecap_captions" / "gpt-4o.json").read_text(encoding="utf-8"))
    return {
        "docci": read_captions(Path(folder) / "docci_test_100" / "docci_descriptions.jsonlines"),
        "gpt-4o": list(comprecap.values()),
    }
