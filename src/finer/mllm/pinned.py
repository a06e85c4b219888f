"""The committed weights of the micro models: checked against their hashes before use, renewed on purpose only."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from finer.errors import InputError
from finer.store import atomic_path, write_text

HASHES = "hashes.json"


def hashes(folder: str | Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a folder, but for the list of hashes itself."""
    files = sorted(path for path in Path(folder).iterdir() if path.is_file() and path.name != HASHES)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def write_hashes(folder: str | Path) -> None:
    """Record the hashes of a folder's files in ``hashes.json`` beside them."""
    write_text(Path(folder) / HASHES, json.dumps(hashes(folder), indent=2) + "\n")


def check(folder: str | Path) -> None:
    """Raise InputError unless every file is there and is the one that was pinned."""
    listed = Path(folder) / HASHES
    if not listed.is_file():
        raise InputError(
            "no pinned weights here", file=listed, expected="a folder with weights and hashes.json",
            cure="restore the folder from version control, or set micro.base_weights: train",
        )  # fmt: skip
    pinned: dict[str, str] = json.loads(listed.read_text(encoding="utf-8"))
    found = hashes(folder)
    for name in sorted(pinned.keys() | found.keys()):
        if pinned.get(name) != found.get(name):
            raise InputError(
                "not the file that was pinned", file=Path(folder) / name,
                found=found.get(name, "no such file"), expected=pinned.get(name, "no such file"),
                cure="restore the folder from version control, or set micro.base_weights: train",
            )  # fmt: skip


def install(pinned: str | Path, out: str | Path) -> None:
    """Copy a pinned model to where models are, after checking it."""
    check(pinned)
    with atomic_path(out) as partial:
        shutil.copytree(pinned, partial)


def pin(trained: str | Path, pinned: str | Path) -> None:
    """Make a trained model the pinned one."""
    if Path(pinned).is_dir():
        shutil.rmtree(pinned)
    with atomic_path(pinned) as partial:
        shutil.copytree(trained, partial)
        write_hashes(partial)
