"""``containers/lock.yaml``: of each image that was built, its digest, the hash of its recipe and what is inside."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from finer.errors import InputError
from finer.store import write_text

HEADER = "# What the images were built from and hold; written by `python -m finer containers build`.\n"


class Entry(BaseModel):
    """One image: hash of its recipe, digest and size of its file, and name -> version of the packages inside."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lock: str
    digest: str
    bytes: int
    apptainer: str
    fetch_seconds: int
    build_seconds: int
    debian: dict[str, str]
    python: dict[str, str]


def read(path: Path) -> dict[str, Entry]:
    """Return the recorded images by kind; none if nothing was recorded."""
    if not path.is_file():
        return {}
    try:
        return {kind: Entry(**values) for kind, values in yaml.safe_load(path.read_text(encoding="utf-8")).items()}
    except (ValidationError, yaml.YAMLError, TypeError, AttributeError) as error:
        raise InputError("is no record of images", file=path, found=str(error), expected="what a build writes",
                         cure="delete it and build the images") from error  # fmt: skip


def write(path: Path, kind: str, entry: Entry) -> None:
    """Record one image beside the others."""
    entries = {name: one.model_dump() for name, one in (read(path) | {kind: entry}).items()}
    write_text(path, HEADER + yaml.safe_dump(entries, sort_keys=True))
