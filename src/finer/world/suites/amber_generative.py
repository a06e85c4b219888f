"""AMBER's files (``finer.world.suites.amber``) about as many images as descriptions are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from finer.world.scenes import Scene
from finer.world.suites.amber import write_scenes


def write(seed: int, count: int, folder: Path) -> Sequence[Scene]:
    """Write the files and ``count`` images."""
    return write_scenes(seed, count, folder)
