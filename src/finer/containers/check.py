"""Do pins, locks, conda files, the record and the images that lie here say the same?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from finer.containers import conda, debian, record
from finer.containers.digest import file_digest
from finer.containers.locking import FREE_IN_GPU_IMAGE, PINS
from finer.containers.python import locked_versions, pinned_versions, public
from finer.containers.recipe import KINDS, TOOLS_LOCK, Recipe, recipe


def problems(folder: Path, envs: Path) -> Iterator[str]:
    """Yield one line for each disagreement; none means that all is well."""
    pins = pinned_versions(envs / name for name in PINS)
    for kind in KINDS:
        one = recipe(kind, folder)
        locked = locked_versions(one.requirements)
        yield from _against_pins(one, pins, locked)
        yield from _against_tools(one, folder, locked)
        for name in set(one.include()) - one.debian().keys():
            yield f"{one.definition}: asks for '{name}', which {debian_lock(one)} does not hold"
        file = envs / conda.FILES[kind]
        if not file.is_file() or file.read_text(encoding="utf-8") != conda.conda_file(kind, folder):
            yield f"{file}: is not what the lock makes of it"
    for kind, entry in record.read(folder / "lock.yaml").items():
        yield from _against_record(recipe(kind, folder), entry)


def debian_lock(one: Recipe) -> Path:
    """Return the file of locked Debian packages."""
    return one.folder / "debian.lock"


def _against_pins(one: Recipe, pins: dict[str, str], locked: dict[str, str]) -> Iterator[str]:
    """The CPU image holds exactly what is pinned; the GPU image other versions only of what vLLM forbids."""
    found = {name: public(version) for name, version in locked.items()}
    if one.kind != "cpu":
        found = {name: version for name, version in found.items() if name in pins and name not in FREE_IN_GPU_IMAGE}
        pins = {name: version for name, version in pins.items() if name in found}
    yield from (f"{one.requirements}: {line}" for line in debian.compare(pins, found))


def _against_tools(one: Recipe, folder: Path, locked: dict[str, str]) -> Iterator[str]:
    tools = locked_versions(folder / TOOLS_LOCK)
    for path, versions in (
        (folder / "build-tools.in", pinned_versions([folder / "build-tools.in"])),
        (one.requirements, locked),
    ):
        for name in sorted(versions.keys() & {"pip", "setuptools"}):
            if versions[name] != tools.get(name):
                yield f"{path}: {name} {versions[name]}, but {TOOLS_LOCK} has {tools.get(name, 'none')}"


def _against_record(one: Recipe, entry: record.Entry) -> Iterator[str]:
    """What was recorded when the image was built against the recipe of today, and the image that lies here."""
    if entry.lock != one.lock_hash():
        yield f"{one.definition}: the image was built from another recipe ({entry.lock}, not {one.lock_hash()})"
        return
    tools = locked_versions(one.folder / TOOLS_LOCK)
    for locked, inside in ((one.debian(), entry.debian), (locked_versions(one.requirements) | tools, entry.python)):
        yield from (f"{one.folder / 'lock.yaml'}: {one.kind}: {line}" for line in debian.compare(locked, inside))
    image = one.folder / f"finer-{one.kind}.sif"
    if image.is_file() and file_digest(image) != entry.digest:
        yield f"{image}: is not the recorded image ({entry.digest})"
