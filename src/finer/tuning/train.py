"""A mixture of preference pairs and a base model -> an adapter with its card, its training log and its run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from transformers.utils import logging as transformers_logging

from finer.config import Training
from finer.errors import InputError
from finer.keys import stable_key
from finer.mllm import families
from finer.mllm.adapters import adapter_revision
from finer.mllm.engine import DTYPES
from finer.mllm.registry import Checkpoint
from finer.mllm.runs import Stopwatch, frame_digest, run_row, versions
from finer.schemas import DROPS, PREFERENCES, RUNS, TRAINING_LOG
from finer.store import read_table, table_from, write_table
from finer.tuning import lora
from finer.tuning.checkpoints import discard, last_checkpoint
from finer.tuning.pairs import Writer, check_preferences, choose
from finer.tuning.trainers import base_digest, build, stop

PACKAGES = ("trl", "peft", "accelerate")
_TRAIN, _HELD_OUT = "train", "held_out"
#: column of TRAINING_LOG -> name in the trainer's log
_LOGGED = {
    "loss": "loss", "accuracy": "rewards/accuracies", "margin": "rewards/margins", "chosen_reward": "rewards/chosen",
    "rejected_reward": "rewards/rejected", "gradient_norm": "grad_norm", "learning_rate": "learning_rate",
}  # fmt: skip


@dataclass(frozen=True)
class Outputs:
    """Where a training writes: the adapter's folder, TRAINING_LOG, DROPS, RUNS, and checkpoints on the way."""

    adapter: Path
    log: Path
    drops: Path
    run: Path
    checkpoints: Path


def train_adapter(
    preferences: str | Path, base: Checkpoint, variant: str, training: Training, outputs: Outputs, code: str
) -> None:
    """Train one adapter; a killed training goes on from its last checkpoint and ends with the same bytes.

    Args:
        preferences: file of PREFERENCES in draw order: the mixture.
        base: the model that is tuned.
        variant: name of the adapter.
        code: fingerprint of the code that runs.

    Raises:
        InputError: nothing to train on, a wrong setting, or a guard that stopped a bad run.
    """
    watch = Stopwatch()
    _check_steps(training)
    _check_processes(training)
    drawn = read_table(preferences, PREFERENCES)
    check_preferences(drawn, preferences)
    transformers_logging.disable_progress_bar()
    model, processor = families.load(
        base.path, DTYPES[training.dtype], training.device, base.attention, images=base.images
    )
    writer = Writer(processor, training.image_pixels)
    chosen = choose(drawn, training, writer)
    revision, data = base.revision(), frame_digest(pl.concat([chosen.train, chosen.held_out]))
    packages = versions(*PACKAGES)
    run_id = stable_key("train", base.name, revision, variant, data, training.model_dump_json(), code, packages)
    before = base_digest(model)
    checkpoint = last_checkpoint(outputs.checkpoints, run_id)
    trainer = build(model, writer, training, chosen, outputs.checkpoints)
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    if base_digest(trainer.model) != before:
        raise stop("the base model's own weights changed", "other weights", "the base's", "see tuning.modules")
    if not trainer.is_world_process_zero():
        return
    log = training_log(trainer.state.log_history, base.name, variant, training)
    lora.save_adapter(trainer.model, outputs.adapter, base.name, {
        "model": base.name, "variant": variant, "base_revision": revision, "data": data, "run_id": run_id,
        "pairs": {_TRAIN: chosen.train.height, _HELD_OUT: chosen.held_out.height, "dropped": chosen.drops.height},
        "training": training.model_dump(mode="json"), "modules": lora.adapted_modules(trainer.model),
        "steps": trainer.state.global_step, "packages": packages.split(),
        "loss": dict(log.filter(pl.col("split") == _TRAIN).select(pl.col("step").cast(pl.String), "loss").rows()),
        _HELD_OUT: _last(log),
    })  # fmt: skip
    write_table(log, TRAINING_LOG, outputs.log)
    write_table(chosen.drops, DROPS, outputs.drops)
    row = run_row(
        run_id, "train-adapter", watch, config_hash=stable_key(training.model_dump_json()), code_hash=code,
        model=base.name, model_revision=revision, variant=variant, prompt_hash=data,
        adapter_revision=adapter_revision(outputs.adapter), items=chosen.train.height,
    )  # fmt: skip
    write_table(row, RUNS, outputs.run)
    discard(outputs.checkpoints)


def _check_steps(training: Training) -> None:
    """The trainer forgets what it averaged since its last row of the log when it is resumed."""
    if training.checkpoint_steps % training.log_steps:
        raise InputError(
            "a checkpoint between two rows of the training log", field="tuning.checkpoint_steps",
            found=training.checkpoint_steps, expected=f"a multiple of tuning.log_steps ({training.log_steps})",
            cure="change one of the two",
        )  # fmt: skip


def _check_processes(training: Training) -> None:
    processes = int(os.environ.get("WORLD_SIZE", "1"))  # set by the launcher of several processes
    if processes != training.devices:
        raise stop(
            "another number of processes than the steps are counted for", processes,
            f"tuning.devices: {training.devices}", "start it through the workflow, or change tuning.devices",
        )  # fmt: skip


def training_log(history: list[dict[str, float]], model: str, variant: str, training: Training) -> pl.DataFrame:
    """Return TRAINING_LOG from the trainer's history; what a resumed run logs once more is kept once."""
    a_step = training.batch * training.accumulation * training.devices
    rows: dict[tuple[str, int], dict[str, object]] = {}
    for entry in history:
        prefix, split = ("eval_", _HELD_OUT) if "eval_loss" in entry else ("", _TRAIN)
        if f"{prefix}loss" not in entry:
            continue  # the summary at the end
        step = int(entry["step"])
        values = {column: entry.get(f"{prefix}{name}") for column, name in _LOGGED.items()}
        if training.method == "sft":
            values |= dict.fromkeys(("accuracy", "margin", "chosen_reward", "rejected_reward"))
        elif values["margin"] == 0.0:  # before the first update: all rewards are zero, none is above another
            values["accuracy"] = None
        place = {"model": model, "variant": variant, "split": split, "step": step, "pairs": step * a_step}
        rows.setdefault((split, step), {**place, **values})
    return table_from([rows[key] for key in sorted(rows, key=lambda key: (key[0] != _TRAIN, key[1]))], TRAINING_LOG)


def _last(log: pl.DataFrame) -> Mapping[str, Any] | None:
    rows = log.filter(pl.col("split") == _HELD_OUT).sort("step").select("step", "loss", "accuracy", "margin")
    return rows.row(-1, named=True) if rows.height else None
