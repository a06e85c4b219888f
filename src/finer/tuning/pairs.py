"""Preference pairs as the trainers take them: rows in draw order, too long ones dropped, some held out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import polars as pl
from PIL import Image
from trl.data_utils import apply_chat_template

from finer.config import Training
from finer.errors import InputError
from finer.keys import stable_key
from finer.mllm.images import image_size, open_image
from finer.schemas import DROPS, PREFERENCES
from finer.store import drop, table_from

STAGE = "tuning"


@dataclass(frozen=True)
class Chosen:
    """What an adapter is trained on and watched on (PREFERENCES), and what was left out (DROPS)."""

    train: pl.DataFrame
    held_out: pl.DataFrame
    drops: pl.DataFrame


def shrunk_size(size: tuple[int, int], pixels: int) -> tuple[int, int]:
    """Return the width and height of an image of at most so many pixels, its shape kept."""
    width, height = size
    scale = min(1.0, math.sqrt(pixels / (width * height)))
    return (width, height) if scale == 1.0 else (max(1, int(width * scale)), max(1, int(height * scale)))


def shrunk(image: Image.Image, pixels: int) -> Image.Image:
    """Return an image of at most so many pixels, its shape kept."""
    size = shrunk_size(image.size, pixels)
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


@dataclass
class Writer:
    """Turns a pair into the texts that the processor takes, by the model's own chat template."""

    processor: Any
    image_pixels: int
    _sizes: dict[tuple[int, int], int] = field(default_factory=dict)

    def image(self, path: str) -> Image.Image:
        """Open an image, shrunk to the budget."""
        return shrunk(open_image(Path(path)), self.image_pixels)

    def texts(self, question: str, *answers: str) -> tuple[str, list[str]]:
        """Return the chat text up to the answer, with an image first, and each answer with the end of its turn."""
        prompt = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]
        texts: list[str] = []
        start = ""
        for answer in answers:
            reply = [{"role": "assistant", "content": [{"type": "text", "text": answer}]}]
            rendered = apply_chat_template({"prompt": prompt, "completion": reply}, self.processor)
            start = rendered["prompt"]
            texts.append(rendered["completion"])
        return start, texts

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of texts, image placeholders unexpanded."""
        encoded: list[list[int]] = self.processor.tokenizer(list(texts), add_special_tokens=False).input_ids
        return encoded

    def image_tokens(self, path: str) -> int:
        """Return how many tokens an image becomes beyond its placeholder; images of one size become equally many."""
        size = shrunk_size(image_size(Path(path)), self.image_pixels)
        if size not in self._sizes:
            start, _ = self.texts("x", "x")
            encoded = self.processor(images=[[self.image(path)]], text=[start], add_special_tokens=False)
            self._sizes[size] = len(encoded["input_ids"][0]) - len(self.ids([start])[0])
        return self._sizes[size]


def choose(preferences: pl.DataFrame, training: Training, writer: Writer) -> Chosen:
    """Take the first ``samples`` pairs of a mixture, drop what is too long, hold some out by key.

    Args:
        preferences: PREFERENCES in draw order.

    Raises:
        InputError: nothing is left to train on.
    """
    drawn = preferences.head(training.samples)
    lengths = list(_lengths(drawn, writer))
    fits = pl.Series([length <= training.max_tokens for length in lengths], dtype=pl.Boolean)
    drops = [
        drop(STAGE, row["source"], row["preference_id"], "too_long", row["image_id"],
             f"{length} tokens, at most {training.max_tokens}")
        for row, length in zip(drawn.to_dicts(), lengths, strict=True) if length > training.max_tokens
    ]  # fmt: skip
    kept = drawn.filter(fits)
    watched = pl.Series([_held_out(key, training.held_out) for key in kept["preference_id"]], dtype=pl.Boolean)
    chosen = Chosen(kept.filter(~watched), kept.filter(watched), table_from(drops, DROPS))
    if chosen.train.is_empty():
        raise InputError(
            "no preference pair is left to train on", field="tuning.max_tokens, tuning.held_out",
            found=f"{drawn.height} pairs drawn, {len(drops)} too long, {chosen.held_out.height} held out",
            expected="at least one pair", cure="raise tuning.max_tokens or draw more samples",
        )  # fmt: skip
    return chosen


def _lengths(pairs: pl.DataFrame, writer: Writer) -> Iterator[int]:
    """Yield the tokens of each pair's longer sequence, image included."""
    image_tokens = cache(writer.image_tokens)
    for row in pairs.iter_rows(named=True):
        start, answers = writer.texts(row["question"], row["chosen"], row["rejected"])
        question, *ends = writer.ids([start, *answers])
        yield len(question) + image_tokens(row["image_path"]) + max(map(len, ends))


def _held_out(key: str, share: float) -> bool:
    return int(stable_key("held_out", key)[:8], 16) < share * 16**8


def dataset(pairs: pl.DataFrame, method: str) -> datasets.Dataset:
    """Return pairs as TRL's conversational data set with one image each; images stay paths until they are needed."""
    columns: dict[str, list[Any]] = {
        "images": [[path] for path in pairs["image_path"]],
        "prompt": [[{"role": "user", "content": text}] for text in pairs["question"]],
    }
    answers = {"completion": "chosen"} if method == "sft" else {"chosen": "chosen", "rejected": "rejected"}
    for name, column in answers.items():
        columns[name] = [[{"role": "assistant", "content": text}] for text in pairs[column]]
    return datasets.Dataset.from_dict(columns)


def check_preferences(pairs: pl.DataFrame, file: str | Path) -> None:
    """Raise InputError if the mixture is empty."""
    if pairs.is_empty():
        raise InputError(
            "the mixture holds no preference pair", file=file, expected=f"rows of the table '{PREFERENCES.name}'",
            cure="see which stage dropped them in the table tuning_yields",
        )  # fmt: skip
