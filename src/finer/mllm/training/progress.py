"""Where a training stands: checkpoints that a killed run continues from, and the training log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import torch

from finer.errors import InputError
from finer.store import atomic_path

LOG_SCHEMA = {
    "stage": pl.Utf8, "step": pl.Int64, "task": pl.Utf8, "loss": pl.Float64, "accuracy": pl.Float64,
    "tokens": pl.Int64, "cpu_seconds": pl.Float64,
}  # fmt: skip
FILE = "training.pt"


@dataclass
class Progress:
    """The state of a training between two steps."""

    identities: Sequence[str]  # by stage: recipe so far, seed and data; a checkpoint of another training is refused
    folder: Path | None
    every_seconds: float = 120.0
    stage: int = 0  # 0 is the vision stage
    step: int = 0
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    heads: dict[str, torch.Tensor] = field(default_factory=dict)
    optimizers: list[dict[str, object]] = field(default_factory=list)
    log: list[dict[str, object]] = field(default_factory=list)
    cpu_before: float = 0.0
    _started: float = field(default_factory=time.process_time)
    _saved: float = field(default_factory=time.monotonic)

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds so far, those of interrupted runs included."""
        return self.cpu_before + time.process_time() - self._started

    def due(self) -> bool:
        """Return whether a checkpoint is due."""
        return self.folder is not None and time.monotonic() - self._saved >= self.every_seconds

    def record(self, stage: str, step: int, task: str, loss: float, accuracy: float, tokens: int) -> None:
        """Add a row to the training log."""
        values = (stage, step, task, round(loss, 5), round(accuracy, 5), tokens, round(self.cpu_seconds, 1))
        self.log.append(dict(zip(LOG_SCHEMA, values, strict=True)))

    def identity(self, stage: int, step: int) -> str:
        """Return what a checkpoint there depends on; before the first step of a stage, on the stages before it."""
        return self.identities[min(stage if step else max(stage - 1, 0), len(self.identities) - 1)]

    def save(self) -> None:
        """Write the checkpoint atomically."""
        self._saved = time.monotonic()
        if self.folder is None:
            return
        content = {
            "identity": self.identity(self.stage, self.step), "stage": self.stage, "step": self.step,
            "weights": self.weights, "heads": self.heads, "optimizers": self.optimizers,
            "log": self.log, "cpu_seconds": self.cpu_seconds,
        }  # fmt: skip
        with atomic_path(self.folder / FILE) as partial:
            torch.save(content, partial)

    def log_frame(self) -> pl.DataFrame:
        """Return the training log as a table."""
        return pl.DataFrame(self.log, schema=LOG_SCHEMA, orient="row")


def resume(identities: Sequence[str], folder: str | Path | None, every_seconds: float) -> Progress:
    """Return the progress saved in ``folder``, or a new one.

    Raises:
        InputError: the checkpoint belongs to another recipe, seed or data file.
    """
    where = Path(folder) if folder is not None else None
    progress = Progress(identities, where, every_seconds)
    if where is None or not (where / FILE).is_file():
        return progress
    content = torch.load(where / FILE, weights_only=True)  # tensors and plain values only, no code
    if content["identity"] != progress.identity(content["stage"], content["step"]):
        raise InputError(
            "checkpoint of another training", file=where / FILE, found=content["identity"],
            expected=identities[-1],
            cure="delete the checkpoint or choose another folder",
        )  # fmt: skip
    progress.stage, progress.step = content["stage"], content["step"]
    progress.weights, progress.heads = content["weights"], content["heads"]
    progress.optimizers, progress.log = content["optimizers"], content["log"]
    progress.cpu_before = content["cpu_seconds"]
    return progress
