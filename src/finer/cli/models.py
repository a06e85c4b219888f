"""Verbs that install or train models."""

from __future__ import annotations

import sys

from finer.cli.verb import Arguments, verb

CHECKPOINT_SECONDS = 120.0  # what a killed training repeats at most


@verb("pinned", "out")
def base_pinned(a: Arguments) -> None:
    """Install the committed weights of a micro model after checking their hashes."""
    from finer.mllm import pinned

    pinned.install(a.pinned, a.out)


@verb("recipe", "instruct", "out", "checkpoints")
def base_train(a: Arguments) -> None:
    """Train a micro model on the micro world's instruction data."""
    from finer.mllm.training.base import train_base
    from finer.mllm.training.recipe import load_recipe

    train_base(
        a.instruct, load_recipe(a.recipe), a.out, a.checkpoints, CHECKPOINT_SECONDS,
        lambda line: print(line, file=sys.stderr, flush=True),
    )  # fmt: skip


@verb("trained", "pinned")
def base_pin(a: Arguments) -> None:
    """Make a trained micro model the pinned one."""
    from finer.mllm import pinned

    pinned.pin(a.trained, a.pinned)


@verb("preferences", "load", "model", "training", "code", "out", "log", "drops", "run", "checkpoints")
def train_adapter(a: Arguments) -> None:
    """Tune a model on preference pairs: an adapter with its card, its training log and what was left out."""
    import json
    from pathlib import Path

    from finer.config import Training
    from finer.config.tuning import subject
    from finer.mllm.registry import Checkpoint
    from finer.tuning.train import Outputs
    from finer.tuning.train import train_adapter as train

    outputs = Outputs(*(Path(path) for path in (a.out, a.log, a.drops, a.run, a.checkpoints)))
    training = Training.model_validate(json.loads(a.training))
    name, variant = subject(a.model)
    train(a.preferences, Checkpoint.read(name, a.load), variant, training, outputs, a.code)
