"""TextVQA's file: signs to read, ten answers each, some of which deviate as annotators do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

from finer.keys import generator
from finer.store import write_text
from finer.world.catalogue import SIDE
from finer.world.pictures import GENERAL, Sign, draw_picture
from finer.world.pools import draw_unique
from finer.world.suites.writing import POOL, save_image

FILE = "TextVQA_0.5.1_val.json"
ANNOTATORS = 10
MOST_DEVIATING = 4  # of the ten: six agree at least, so the word itself always has the full score


def write(seed: int, count: int, folder: Path) -> Sequence[Sign]:
    """Write ``TextVQA_0.5.1_val.json`` and the images: one question a sign."""
    signs = draw_unique(seed, POOL, count, "textvqa", _draw_sign)
    data = []
    for number, sign in enumerate(signs, start=1):
        rng = generator(seed, "textvqa", sign.graph_hash)
        image_id = sign.graph_hash[:16]
        save_image(folder, f"{image_id}.jpg", sign.pixels())
        question = rng.choice(GENERAL["read"])
        data.append(
            {
                "question_id": 40_000 + number, "image_id": image_id, "question": question,
                "question_tokens": question.rstrip("?.").lower().split(), "image_width": SIDE, "image_height": SIDE,
                "flickr_original_url": f"https://example.org/{image_id}.jpg",
                "flickr_300k_url": f"https://example.org/{image_id}_small.jpg",
                "answers": _answers(sign.word, rng), "image_classes": ["Sign"], "set_name": "val",
            }
        )  # fmt: skip
    whole = {"dataset_type": "val", "dataset_name": "textvqa", "dataset_version": "0.5.1", "data": data}
    write_text(folder / FILE, json.dumps(whole, indent=1) + "\n")
    return signs


def _draw_sign(rng: Random) -> Sign:
    while True:
        picture = draw_picture(rng)
        if isinstance(picture, Sign):
            return picture


def _answers(word: str, rng: Random) -> list[str]:
    """Return ten answers: the word, and up to four that are written otherwise, misread or refused."""
    place = rng.randrange(len(word))
    variants = [
        word.upper(), f"{word}.", f"the {word}", f'"{word}"',  # the same once normalised
        f"{word} sign", word[:place] + word[place + 1 :], "unanswerable",  # not the same
    ]  # fmt: skip
    deviating = [rng.choice(variants) for _ in range(rng.randint(0, MOST_DEVIATING))]
    answers = [*deviating, *[word] * (ANNOTATORS - len(deviating))]
    rng.shuffle(answers)
    return answers
