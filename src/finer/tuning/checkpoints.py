"""Checkpoints of a training: only whole ones are continued from, and only by the training that wrote them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from finer.store import write_text

MARK, IDENTITY = "complete", "identity.json"


class CompleteCheckpoints(TrainerCallback):  # type: ignore[misc]
    """Marks a checkpoint when all its files are there: the trainer writes them one by one in the final place."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Mark the checkpoint of this step."""
        if state.is_world_process_zero:
            write_text(Path(args.output_dir) / f"checkpoint-{state.global_step}" / MARK, f"{state.global_step}\n")


def last_checkpoint(folder: str | Path, identity: str) -> Path | None:
    """Return the last whole checkpoint of this training; remove those cut short and those of another training.

    Args:
        identity: stable key of everything that the adapter depends on.
    """
    place = Path(folder)
    known = place / IDENTITY
    if not (known.is_file() and json.loads(known.read_text(encoding="utf-8")) == identity):
        discard(place)
        write_text(known, json.dumps(identity))
        return None
    whole: list[tuple[int, Path]] = []
    for checkpoint in place.glob("checkpoint-*"):
        if (checkpoint / MARK).is_file():
            whole.append((int(checkpoint.name.rpartition("-")[2]), checkpoint))
        else:
            shutil.rmtree(checkpoint)
    return max(whole)[1] if whole else None


def discard(folder: str | Path) -> None:
    """Remove all checkpoints."""
    if Path(folder).is_dir():
        shutil.rmtree(folder)
