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
