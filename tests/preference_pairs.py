"""Preference pairs about random images, for tests of tuning."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl

from finer.keys import stable_key
from finer.schemas import PREFERENCES
from finer.store import table_from
from tiny_models import phrase, save_images


def preference_pairs(folder: Path, count: int, images: int = 4) -> pl.DataFrame:
    """Return PREFERENCES about images that are saved in ``folder``."""
    paths = save_images(folder, images)
    rng = random.Random(3)
    rows = []
    for number in range(count):
        path, asked = paths[number % images], phrase(rng)
        yes, no = f"Yes, I can see {asked}.", f"No, but I can see {phrase(rng)}."
        positive = number % 2 == 0
        rows.append(
            {
                "preference_id": stable_key("pair", number), "source": "test", "image_id": path.stem,
                "image_path": str(path), "image_class": "natural_image", "caption_id": None, "phrase_id": None,
                "edit_id": None, "phrase_type": "obj", "polarity": "positive" if positive else "negative",
                "wording": 0, "question": f"Can you see {asked} in this image?",
                "chosen": yes if positive else no, "rejected": no if positive else yes,
            }
        )  # fmt: skip
    return table_from(rows, PREFERENCES)
