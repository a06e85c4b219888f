"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty folder beside ``path`` that takes its place, an older one removed, only if the block succeeds."""
    final = Path(path)
    partial = final.with_name(f".{final.name}.{os.getpid()}.part")
    old = final.with_name(f".{final.name}.{os.getpid()}.old")
    partial.mkdir(parents=True)
    try:
        yield partial
        if final.exists():
            final.rename(old)
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
