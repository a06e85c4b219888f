"""What a step of preference tuning costs: the plain trainer against one row a pair.

    python benchmarks/tuning.py --preferences MIXTURE.parquet [--batch 32] [--steps 6] [MODEL_FOLDER …]

Trains for some steps on either path from the same start and prints a table: CPU seconds a step, tokens a pair through
the language model, images through the vision tower a pair, and the largest difference of the logged losses. Without
folders: the pinned bases that are measured. A mixture is, for example, results/micro/tuning/mixtures/pon.parquet.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import polars as pl
import torch

from finer.config import Training
from finer.mllm import families
from finer.schemas import PREFERENCES
from finer.store import read_table
from finer.tuning import pairs, trainers

BASES = Path(__file__).parents[1] / "workflow" / "resources" / "bases"
MEASURED = ("llava-1.6-micro", "qwen2.5-vl-micro", "internvl3.5-micro-s", "internvl3.5-micro-l")


def measure(folder: Path, rows: pl.DataFrame, batch: int, steps: int, shared: bool) -> dict[str, Any]:
    """Train for some steps; return what they cost and the losses."""
    training = Training(
        batch=batch, accumulation=1, samples=batch * steps, held_out=0.0, log_steps=1, checkpoint_steps=10**6,
        learning_rate=3e-4, shared_prompt=shared,
    )  # fmt: skip
    model, processor = families.load(folder)
    writer = pairs.Writer(processor, training.image_pixels)
    with tempfile.TemporaryDirectory() as place, contextlib.redirect_stdout(io.StringIO()):
        trainer = trainers.build(model, writer, training, pairs.choose(rows, training, writer), Path(place))
        example = trainer.data_collator([trainer.train_dataset[number] for number in range(batch)])
        started = time.process_time()
        trainer.train()
        seconds = time.process_time() - started
    lengths = [int(mask.sum()) for name, mask in example.items() if name in ("attention_mask", "prompt_mask")]
    # Tuned model and reference each; without sharing, each runs every answer with its own prompt and image.
    return {
        "seconds": seconds / steps,
        "tokens": 2 * sum(lengths) / batch,
        "images": 1 if shared else 4,
        "losses": torch.tensor([row["loss"] for row in trainer.state.log_history if "loss" in row]),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--preferences", required=True)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=6)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = read_table(options.preferences, PREFERENCES)
    print("| model | s a step, plain | shared | gain | tokens a pair, plain | shared | images | largest loss gap |")
    print("| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for folder in options.models or [BASES / name for name in MEASURED]:
        plain, one = (measure(folder, rows, options.batch, options.steps, shared) for shared in (False, True))
        gap = float((plain["losses"] - one["losses"]).abs().max())
        gain = plain["seconds"] / one["seconds"]
        print(
            f"| {folder.name} | {plain['seconds']:.2f} | {one['seconds']:.2f} | {gain:.2f} "
            f"| {plain['tokens']:.0f} | {one['tokens']:.0f} | {plain['images']} to {one['images']} | {gap:.1e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
