"""Writing a suite's micro data: scenes of the pool ``suites``, a folder that appears whole, hashes that are kept."""

from __future__ import annotations

import importlib
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

    Raises:
        InputError: the micro world does not know the suite.
    """
    try:
        write: Write = importlib.import_module(f"finer.world.suites.{name}").write
    except ModuleNotFoundError as error:
        raise InputError(
            "the micro world has no data for this suite", field="suites", found=name,
            expected="a module of finer.world.suites", cure="give the suite's own files",
        ) from error  # fmt: skip
    with whole_folder(folder) as partial:
        shown = {each.graph_hash: each for each in write(seed, count, partial)}
        write_manifest(partial / MANIFEST, POOL, list(shown.values()))


def save_image(folder: Path, name: str, pixels: npt.NDArray[np.uint8]) -> str:
    """Save an image under ``folder/images``, as PNG or JPEG by its suffix; return its name."""
    path = folder / "images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        Image.fromarray(pixels).save(path)
    else:
        path.write_bytes(jpeg(pixels))
    return name
