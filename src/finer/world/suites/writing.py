"""Writing a suite's micro data: scenes of the pool ``suites``, a folder that appears whole, hashes that are kept."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from finer.errors import InputError
from finer.world.folders import whole_folder
from finer.world.pools import MANIFEST, Hashed, write_manifest
from finer.world.render import jpeg

POOL = "suites"
#: seed, number of items wanted (about), empty folder to fill (official files, ``images/``) -> all that is shown
Write = Callable[[int, int, Path], Sequence[Hashed]]


def write_suite(name: str, seed: int, count: int, folder: str | Path) -> None:
    """Write about ``count`` items of a suite into ``folder``, as its official release lays them out.

    A suite in groups (a question of each type, each kind, each axis) has at least one of each.

    Raises:
        InputError: the micro world does not know the suite, or nothing is to be written.
    """
    if count < 1:
        raise InputError("no items to write", field="count", found=count, expected="1 or more",
                         cure="ask for more items, or leave the suite out")  # fmt: skip
    write = _writer(name)
    with whole_folder(folder) as partial:
        shown = {each.graph_hash: each for each in write(seed, count, partial)}
        write_manifest(partial / MANIFEST, POOL, list(shown.values()))


def _writer(name: str) -> Write:
    """Return what writes a suite's files; the modules beside them that only help have no ``write``."""
    module = f"finer.world.suites.{name}"
    write: Write | None = None
    if name.isidentifier() and importlib.util.find_spec(module) is not None:
        write = getattr(importlib.import_module(module), "write", None)
    if write is None:
        raise InputError(
            "the micro world has no data for this suite", field="suites", found=name,
            expected="a module of finer.world.suites that writes one", cure="give the suite's own files",
        )  # fmt: skip
    return write


def save_image(folder: Path, name: str, pixels: npt.NDArray[np.uint8]) -> str:
    """Save an image under ``folder/images``, as PNG or JPEG by its suffix; return its name."""
    path = folder / "images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        Image.fromarray(pixels).save(path)
    else:
        path.write_bytes(jpeg(pixels))
    return name
