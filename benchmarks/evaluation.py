"""How much faster questions are answered when image and shared prompt are computed once for all of an image.

    python benchmarks/evaluation.py [MODEL_FOLDER] [--images 12] [--questions 16] [--batch-tokens 1024 2048 4096]

Asks lettered questions about random images on the plain path (one ``generate`` call a question) and on the
fast one, compares the answers and prints a table. Without a folder: the first pinned base, or a random model
of the same size if there is none.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from PIL import Image

from finer.mllm import families
from finer.mllm.engine import Answer, Query, TransformersEngine

BASES = Path(__file__).parents[1] / "workflow" / "resources" / "bases"
THINGS = ("ball", "box", "cone", "kite", "star", "heart", "tree", "house", "cup", "arrow")
ATTRIBUTES = ("with a red color", "with a striped pattern", "with a small size", "with a black outline")
LETTERS = ("A", "B", "C", "D", "E")


def question(rng: random.Random) -> str:
    """Return a lettered question of the benchmark's length."""

    def phrase() -> str:
        parts = [f"a {rng.choice(THINGS)} {rng.choice(ATTRIBUTES)}" for _ in range(rng.randint(1, 3))]
        return " and ".join(parts)

    options = "\n".join(f"{letter}. No, but I can see {phrase()}." for letter in LETTERS)
    return f"Choose the best answer.\nCan you see {phrase()} in this image?\n{options}\nAnswer with one capital letter."


def queries(folder: Path, images: int, questions: int, pixels: int) -> list[Query]:
    """Write random images and return questions about them, those of one image together."""
    rng = random.Random(0)
    asked = []
    for number in range(images):
        cells = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        path = folder / f"{number}.png"
        Image.fromarray(cells).resize((pixels, pixels)).save(path)
        asked += [Query(f"{number}-{k}", path, question(rng), LETTERS) for k in range(questions)]
    return asked


def random_base(folder: Path, pixels: int) -> Path:
    """Save a random model of the size of the micro bases, for images of this size (a token per 24 x 24 pixels)."""
    rng = random.Random(1)
    model, processor = families.build(families.Spec("internvl", image_px=pixels), [question(rng) for _ in range(200)])
    families.save(model, processor, folder, dtype=torch.float32)
    return folder


def timed(engine: TransformersEngine, asked: Sequence[Query]) -> tuple[list[Answer], float, float]:
    """Return answers, wall and processor milliseconds a question, after a warm-up."""
    engine.answer(asked[:2], 2)
    wall, cpu = time.perf_counter(), time.process_time()
    answers = engine.answer(asked, 2)
    scale = 1000 / len(asked)
    return answers, (time.perf_counter() - wall) * scale, (time.process_time() - cpu) * scale


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--questions", type=int, default=16, help="a image")
    parser.add_argument("--pixels", type=int, default=96)
    parser.add_argument("--batch-tokens", type=int, nargs="+", default=[1024, 2048, 4096, 8192])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        pinned = sorted(path.parent for path in BASES.glob("*/config.json"))
        folder = chosen.model or (pinned[0] if pinned else random_base(Path(name), chosen.pixels))
        family = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
        asked = queries(Path(name), chosen.images, chosen.questions, chosen.pixels)
        settings = {"dtype": chosen.dtype, "device": chosen.device}
        sample = asked[: 4 * chosen.questions]  # the plain path is slow and its time a question does not depend on n
        slow = TransformersEngine(folder, family, prefix_reuse=False, **settings)
        reference, wall, cpu = timed(slow, sample)
        parameters = families.parameter_count(slow.model) / 1e6
        print(f"{folder.name} ({family}, {parameters:.1f}M parameters, {chosen.dtype}), {len(asked)} questions\n")
        print("| path | batch tokens | ms a question | CPU-ms a question | ratio | log-probabilities differ by |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        print(f"| plain | | {wall:.1f} | {cpu:.1f} | 1.0 | |")
        for tokens in chosen.batch_tokens:
            fast = TransformersEngine(folder, family, batch_tokens=tokens, **settings)
            answers, wall_fast, cpu_fast = timed(fast, asked)
            worst = max(
                abs(a - b)
                for one, other in zip(answers, reference, strict=False)
                for a, b in zip(one.logprobs, other.logprobs, strict=True)
            )
            print(f"| fast | {tokens} | {wall_fast:.1f} | {cpu_fast:.1f} | {cpu / cpu_fast:.1f} | {worst:.1e} |")


if __name__ == "__main__":
    main()
