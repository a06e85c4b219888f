"""How long, and in how much memory, a mixture of the paper's size is drawn and written, and leaks are searched for.

    python benchmarks/preferences.py [--pairs 220000] [--images 160000] [--benchmark-images 5500]

Makes both queries of that many edits, writes them as Parquet, and then measures, in a process of its own: reading,
drawing "one" of both, writing Parquet and ShareGPT JSON lines. The search compares random hashes of as many images.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from finer.config import Mixture
from finer.keys import stable_key
from finer.preferences.leaks import near
from finer.preferences.mixtures import mixture
from finer.preferences.sharegpt import export_sharegpt
from finer.schemas import PHRASE_TYPES, PREFERENCES
from finer.store import read_table, table_from, write_table

_PHRASE = "the striped ball with a red color, with a big size and with a black outline number"
_LONGEST, _MOST_MB = 30.0, 2000.0


def write_pairs(path: Path, edits: int) -> None:
    """Write both queries of so many edits, four a caption, with texts of the usual length."""
    rows = []
    for number in range(edits):
        caption, kind = stable_key("caption", number // 4), PHRASE_TYPES[number % 4]
        for polarity in ("positive", "negative"):
            rows.append({
                "preference_id": stable_key(number, polarity), "source": "pixmo", "image_id": caption,
                "image_path": f"results/paper/raw/pixmo/images/{caption}.jpg", "image_class": "natural_image",
                "caption_id": caption, "phrase_id": stable_key("phrase", number), "edit_id": stable_key("edit", number),
                "phrase_type": kind, "polarity": polarity, "wording": number % 5,
                "question": f"Can you see {_PHRASE} {number} in this image?",
                "chosen": f"Yes, I can see {_PHRASE} {number} in this image.",
                "rejected": f"No, but I can see {_PHRASE} {number + 1} in this image.",
            })  # fmt: skip
    write_table(table_from(rows, PREFERENCES), PREFERENCES, path)


def measure_mixture(folder: Path) -> None:
    """Draw and write; print the times of the steps and the peak memory of this process."""
    start = time.perf_counter()
    pairs = read_table(folder / "preferences.parquet", PREFERENCES)
    read = time.perf_counter()
    drawn = mixture(pairs, Mixture(queries="one"), seed=1)
    sampled = time.perf_counter()
    write_table(drawn, PREFERENCES, folder / "pon.parquet")
    stored = time.perf_counter()
    export_sharegpt(drawn, folder / "pon.jsonl", "results/paper")
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    steps = f"read {read - start:.1f} s, drawn {sampled - read:.1f} s, Parquet {stored - sampled:.1f} s"
    print(f"{drawn.height:,} of {pairs.height:,} preference pairs: {steps}, ShareGPT {done - stored:.1f} s")
    print(f"in all {done - start:.1f} s, peak memory {peak:.0f} MB")
    if done - start > _LONGEST or peak > _MOST_MB:
        sys.exit(f"more than {_LONGEST:.0f} s or {_MOST_MB:.0f} MB")


def measure_leaks(images: int, others: int) -> None:
    """Search random hashes for near ones, of which there are none."""
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, 2**63, (count, 4), dtype=np.uint64) for count in (images, others))
    start = time.perf_counter()
    found = sum(1 for _ in near(one, other, 48))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{images:,} x {others:,} hashes: {time.perf_counter() - start:.1f} s, {found} near, peak memory {peak:.0f} MB"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=220_000)
    parser.add_argument("--images", type=int, default=160_000)
    parser.add_argument("--benchmark-images", type=int, default=5_500)
    parser.add_argument("--drawing", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--making", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--searching", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.drawing is not None:
        measure_mixture(chosen.drawing)
    elif chosen.making is not None:
        write_pairs(chosen.making / "preferences.parquet", chosen.pairs)
    elif chosen.searching:
        measure_leaks(chosen.images, chosen.benchmark_images)
    else:
        with tempfile.TemporaryDirectory() as name:
            # Each step in a process of its own: a peak of memory is inherited by what a process starts.
            subprocess.run([sys.executable, __file__, "--making", name, "--pairs", str(chosen.pairs)], check=True)
            subprocess.run([sys.executable, __file__, "--drawing", name], check=True)
        sizes = ["--images", str(chosen.images), "--benchmark-images", str(chosen.benchmark_images)]
        subprocess.run([sys.executable, __file__, "--searching", *sizes], check=True)


if __name__ == "__main__":
    main()
