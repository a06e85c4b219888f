"""What made a table: revision of the weights, versions of the packages, machine and times, as rows of RUNS.

The run id holds what determines the numbers; clocks and hardware are only recorded beside it, so that two
clean runs give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

import polars as pl

from finer.containers.digest import image_digest
from finer.keys import stable_key
from finer.schemas import RUNS
from finer.store import table_from

NUMERIC_PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "pillow")  # a version may move a number


def digest(parts: Iterable[str]) -> str:
    """Return 16 hex digits over texts in their order."""
    return stable_key(*parts)


def frame_digest(frame: pl.DataFrame) -> str:
    """Return 16 hex digits over the values of a table, rows in their order."""
    return hashlib.sha256(frame.write_ndjson().encode()).hexdigest()[:16]


def versions(*further: str) -> str:
    """Return the versions of the packages that compute the numbers, and of ``further`` ones."""
    return " ".join(f"{name}=={metadata.version(name)}" for name in (*NUMERIC_PACKAGES, *further))


@cache
def lock_hash() -> str:
    """Return 16 hex digits over the names and versions of all installed packages."""
    found = {f"{item.metadata['Name'].lower()}=={item.version}" for item in metadata.distributions()}
    return digest(sorted(found))


@cache
def hardware() -> str:
    """Return processor, cores, and GPUs if any."""
    import torch

    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        names = [line for line in information.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return "; ".join([f"{model}, {os.cpu_count()} cores", *gpus])


class Stopwatch:
    """Start and duration of a job."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        self._begin = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return round(time.monotonic() - self._begin, 3)


def run_row(
    run_id: str,
    verb: str,
    watch: Stopwatch,
    *,
    config_hash: str,
    code_hash: str,
    model: str | None = None,
    model_revision: str | None = None,
    variant: str | None = None,
    adapter_revision: str | None = None,
    prompt_hash: str | None = None,
    items: int | None = None,
    engine: str | None = None,
    numerics: str | None = None,
    source: str | None = None,
    unasked: int | None = None,
) -> pl.DataFrame:
    """Return one row of RUNS about the job that ``watch`` timed."""
    row = {
        "run_id": run_id, "verb": verb, "model": model, "model_revision": model_revision, "variant": variant,
        "adapter_revision": adapter_revision, "prompt_hash": prompt_hash, "config_hash": config_hash,
        "code_hash": code_hash, "lock_hash": lock_hash(), "image_digest": image_digest(),
        "hardware": hardware(), "started": watch.started, "seconds": watch.seconds, "items": items,
        "engine": engine, "numerics": numerics, "source": source, "unasked": unasked,
    }  # fmt: skip
    return table_from([row], RUNS)
