"""Tiny random models, images and questions for tests that ask models."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from finer.mllm import families

torch.set_num_threads(1)  # tiny matrices: more threads only wait for each other
FAMILIES = tuple(families.FAMILIES)
_WORDS = ("red", "blue", "striped", "small", "big", "ball", "block", "cone", "kite", "star", "heart", "tree house")
_LIVELY = 4.0  # the usual initial weights are so small that hardly any logit depends on the question


def save_tiny(family: str, folder: Path, seed: int = 0) -> Path:
    """Save a tiny random model whose answers differ between questions and images."""
    model, processor = families.build(families.tiny(family), seed=seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight *= _LIVELY
    families.save(model, processor, folder, dtype=torch.float32)
    return folder


def save_images(folder: Path, count: int) -> list[Path]:
    """Save small images of random coloured blocks."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        cells = np.random.default_rng(number).integers(0, 255, (4, 4, 3), dtype=np.uint8)
        path = folder / f"{number}.png"
        Image.fromarray(np.kron(cells, np.ones((24, 24, 1), dtype=np.uint8))).save(path)
        paths.append(path)
    return paths


def phrase(rng: random.Random) -> str:
    """Return a list of one to four things, of different lengths."""
    things = [" ".join(rng.choices(_WORDS, k=rng.randint(1, 3))) for _ in range(rng.randint(1, 4))]
    return "a " + " and a ".join(things)


def multiple_choice(rng: random.Random) -> str:
    """Return a lettered question."""
    options = "\n".join(f"{letter}. No, but I can see {phrase(rng)}" for letter in "ABCDE")
    return (
        f"Choose the best answer.\nCan you see {phrase(rng)} in this image?\n{options}\nAnswer with one capital letter."
    )
