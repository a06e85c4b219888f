"""The files of ``containers/`` that an image is made from, and their hash: an image of another hash is stale."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from finer.containers import debian
from finer.errors import InputError

KINDS = ("cpu", "gpu")
DEBIAN_LOCK = "debian.lock"
TOOLS_LOCK = "build-tools.lock"
SCRIPTS = ("prepare.sh", "smoke.py", "licences.py")


@dataclass(frozen=True)
class Recipe:
    """What one image is made from."""

    kind: str
    folder: Path

    @property
    def definition(self) -> Path:
        return self.folder / f"finer-{self.kind}.def"

    @property
    def requirements(self) -> Path:
        return self.folder / f"requirements-{self.kind}.lock"

    @property
    def files(self) -> list[Path]:
        """Everything that decides what is inside, in a fixed order."""
        names = (DEBIAN_LOCK, TOOLS_LOCK, *SCRIPTS)
        return [self.definition, self.requirements, *(self.folder / name for name in names)]

    def lock_hash(self) -> str:
        """Return 16 hex digits over names and contents of all files."""
        whole = hashlib.sha256()
        for path in self.files:
            whole.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
        return whole.hexdigest()[:16]

    def include(self) -> list[str]:
        """Return the Debian packages that the definition asks for beside the base system."""
        found = re.search(r"^Include: *(.+)$", self.definition.read_text(encoding="utf-8"), re.MULTILINE)
        return found[1].split() if found else []

    def debian(self) -> dict[str, str]:
        """Return name -> version of the locked Debian packages."""
        return {one.name: one.version for one in debian.read_lock(self.folder / DEBIAN_LOCK)}


def recipe(kind: str, folder: str | Path = "containers") -> Recipe:
    """Return the recipe of an image; raise InputError if there is none or a file of it is missing."""
    if kind not in KINDS:
        raise InputError("no such image", field="--image", found=kind, expected=" | ".join(KINDS), cure="name one")
    found = Recipe(kind, Path(folder))
    for path in found.files:
        if not path.is_file():
            raise InputError("no such file", file=path, expected="a part of the image's recipe",
                             cure="run: python -m finer containers lock")  # fmt: skip
    return found
