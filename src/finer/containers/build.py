"""Locks, a Debian archive and wheels -> an image, and the record of what is inside it.

Everything from outside is fetched and checked first; the build itself runs confined and without a network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from finer.containers import confine, debian, record
from finer.containers.digest import file_digest
from finer.containers.locking import PYTHON, supported
from finer.containers.python import locked_versions, parse_list
from finer.containers.recipe import DEBIAN_LOCK, TOOLS_LOCK, Recipe
from finer.errors import InputError
from finer.store import write_text

EPOCH = 1767225600  # 2026-01-01: the time of every file inside, unless SOURCE_DATE_EPOCH says another
MIRROR, WHEELHOUSE = "mirror", "wheelhouse"  # folders of the work folder
INSIDE = "/mnt"  # where the image's scripts see the wheelhouse
SHARE = "/opt/finer/share"  # where the image keeps lists and licences
APPTAINER = "Apptainer is not installed: containers/apptainer.sh installs it on Debian (as root)"


@dataclass(frozen=True)
class Sources:
    """Where packages come from: the build arguments of an image."""

    mirror: str | None  # address of a Debian archive; None: the one that this machine's apt uses
    wheels: str | None  # folder or address of further wheels; None: what pip itself is set up to use


def build(recipe: Recipe, image: Path, sources: Sources, work: Path, lock: Path) -> record.Entry:
    """Build ``image``, check what is inside against the locks, and record it in ``lock``."""
    if shutil.which("apptainer") is None or os.geteuid() != 0:
        raise InputError("cannot build", field="apptainer", expected="Apptainer 1.4 and root", cure=APPTAINER)
    began, lock_hash = time.monotonic(), recipe.lock_hash()
    prepare(recipe, sources, work)
    fetched = time.monotonic()
    partial = run_confined(recipe, lock_hash, work)
    inside = contents(partial)
    check_contents(recipe, inside)
    image.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(partial, image)
    entry = record.Entry(
        lock=lock_hash, digest=file_digest(image), bytes=image.stat().st_size, apptainer=apptainer_version(),
        fetch_seconds=round(fetched - began), build_seconds=round(time.monotonic() - fetched),
        debian=inside.debian, python=inside.python,
    )  # fmt: skip
    record.write(lock, recipe.kind, entry)
    write_text(image.parent / licence_list(recipe.kind), inside.licences)
    return entry


def licence_list(kind: str) -> str:
    """Return the name of the list of licences beside an image."""
    return "licences.md" if kind == "cpu" else f"licences-{kind}.md"


def prepare(recipe: Recipe, sources: Sources, work: Path) -> None:
    """Fill the work folder: a mirror and a wheelhouse of just what is locked, and the recipe's own files."""
    mirror = (sources.mirror or debian.machine_mirror()).rstrip("/")
    locked = debian.read_lock(recipe.folder / DEBIAN_LOCK)
    index = debian.fetch_index(mirror, work / MIRROR)
    debian.check_offer(locked, index, recipe.folder / DEBIAN_LOCK)
    debian.fetch_packages(mirror, locked, work / MIRROR)
    for path in (recipe.folder / TOOLS_LOCK, recipe.requirements):
        fetch_wheels(path, work / WHEELHOUSE, sources.wheels)
    for path in recipe.files:
        # Both images call their lock by one name inside.
        shutil.copyfile(path, work / ("requirements.lock" if path == recipe.requirements else path.name))


def fetch_wheels(requirements: Path, folder: Path, wheels: str | None) -> None:
    """Download the locked Python packages, each checked against its hashes."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--require-hashes", *target(), "--dest", str(folder), "--requirement", str(requirements),
        *(["--find-links", wheels] if wheels else []),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError("not every locked package can be had", file=requirements, found=_errors(done.stderr),
                         expected="the locked files", cure="name a folder of wheels: --wheels FOLDER; a CPU build of "
                         "torch is not on the package index (docs/containers.md)")  # fmt: skip


def target() -> list[str]:
    """Return pip's options for the Python of the image, whatever the one of this machine is."""
    words = ["--python-version", ".".join(str(part) for part in PYTHON), "--implementation", "cp"]
    for abi in dict.fromkeys(tag.abi for tag in supported()):
        words += ["--abi", abi]
    for platform in dict.fromkeys(tag.platform for tag in supported()):
        words += ["--platform", platform]
    return words


def _errors(said: str) -> str:
    lines = [line for line in said.splitlines() if line.startswith("ERROR")]
    return " ".join(lines) or said[-400:]


def options(lock_hash: str) -> list[str]:
    """Return Apptainer's options of a build: what the definition's arguments are, and a file system without times."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", str(EPOCH))
    arguments = {
        "mirror": f"file://{confine.WORK}/{MIRROR}", "wheelhouse": INSIDE, "epoch": epoch,
        "version": metadata.version("finer"), "lock": lock_hash,
    }  # fmt: skip
    given = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    wheelhouse = f"{confine.WORK}/{WHEELHOUSE}:{INSIDE}:ro"
    return [
        "--bind",
        wheelhouse,
        "--mksquashfs-args",
        f"-comp zstd -Xcompression-level 6 -processors 2 -all-time {epoch}",
        *given,
    ]


def run_confined(recipe: Recipe, lock_hash: str, work: Path) -> Path:
    """Run the build in the work folder; return the new image."""
    name = f"finer-{recipe.kind}.sif"
    inner = [
        sys.executable,
        "-m",
        "finer.containers.client",
        recipe.definition.name,
        name,
        json.dumps(options(lock_hash)),
    ]
    command = confine.confined(inner, work, Path.home(), confine.interpreter())
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "SPYTHON_MESSAGELEVEL": "1"}
    try:
        done = subprocess.run(command, env=environment, check=False)
    finally:
        shutil.rmtree(work / "private", ignore_errors=True)
    if done.returncode or not (work / name).is_file():
        raise InputError("the build failed; its output is above", file=recipe.definition, expected="an image",
                         cure="mend the definition, or the locks, and build again")  # fmt: skip
    return work / name


@dataclass(frozen=True)
class Contents:
    """What an image says is inside it."""

    debian: dict[str, str]
    python: dict[str, str]
    licences: str


def contents(image: Path) -> Contents:
    """Read the lists that lie inside an image."""
    lists = [read_inside(image, f"{SHARE}/{name}") for name in ("debian.txt", "pip.txt", "licences.md")]
    return Contents(parse_list(lists[0], " "), parse_list(lists[1], "=="), lists[2])


def read_inside(image: Path, path: str) -> str:
    """Return a text file of an image."""
    return in_image(image, ["cat", path])


def in_image(image: Path, command: Sequence[str]) -> str:
    """Run a command in an image with nothing of the host in it; return what it printed."""
    from spython.main import Client

    said = Client.execute(str(image), list(command), options=["--containall"], return_result=True, quiet=True)
    if said["return_code"]:
        raise InputError("a command failed in the image", file=image, found=str(said["message"]), expected="no error",
                         cure="build the image again")  # fmt: skip
    return "".join(said["message"])


def check_contents(recipe: Recipe, inside: Contents) -> None:
    """Raise InputError that names the packages in which an image differs from the locks."""
    pairs = (
        (DEBIAN_LOCK, recipe.debian(), inside.debian),
        (recipe.requirements.name, locked_versions(recipe.requirements) | locked_versions(recipe.folder / TOOLS_LOCK),
         inside.python),
    )  # fmt: skip
    for name, locked, found in pairs:
        if different := debian.compare(locked, found):
            raise InputError("the image has other packages than its lock", file=recipe.folder / name,
                             found="; ".join(different), expected="the locked versions", cure=debian.RENEW)  # fmt: skip


def apptainer_version() -> str:
    """Return Apptainer's version."""
    return subprocess.run(["apptainer", "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
