"""Which image a job runs in: its digest, found outside where the file is seen, handed to the job, recorded in RUNS."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from finer.store import write_text

IMAGE_DIGEST = "FINER_IMAGE_DIGEST"
NONE = "none"  # not in an image
UNKNOWN = "unknown"  # in an image whose file is not seen from inside
CACHE = Path(".snakemake/finer-images.json")


def image_digest() -> str:
    """Return the digest of the image that this process runs in, ``none`` outside."""
    image = os.environ.get("APPTAINER_CONTAINER")
    if not image:
        return NONE
    given = os.environ.get(IMAGE_DIGEST)
    if given:
        return given
    return file_digest(Path(image)) if Path(image).is_file() else UNKNOWN


def file_digest(path: Path) -> str:
    """Return ``sha256:`` and the hash of an image's file."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def cached_digest(path: Path, cache: Path = CACHE) -> str:
    """Return the digest of an image; a file of the same size and time is not read again."""
    state = path.stat()
    key = f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
    known: dict[str, str] = json.loads(cache.read_text(encoding="utf-8")) if cache.is_file() else {}
    if key not in known:
        known[key] = file_digest(path)
        write_text(cache, json.dumps(known, indent=1) + "\n")
    return known[key]


def shell_prefix(python: Path, source: Path, images: Iterable[str | None] = (), cache: Path = CACHE) -> str:
    """Return what stands before each job's command.

    Outside an image, jobs call the ``python`` that runs the workflow. Inside, they call the image's own, and run the
    package in ``source`` (the folder above ``finer``), so that a change of code needs no new image; the digest of the
    image, if it is one of ``images``, goes along.
    """
    found = {Path(image).name: Path(image) for image in images if image and Path(image).is_file()}
    cases = "".join(
        f" {shlex.quote(name)}) export {IMAGE_DIGEST}={cached_digest(path, cache)};;" for name, path in found.items()
    )
    inside = (
        f"export PYTHONPATH={shlex.quote(str(source))}; case $APPTAINER_NAME in{cases} *) unset {IMAGE_DIGEST};; esac"
    )
    return f'if [ -n "${{APPTAINER_NAME:-}}" ]; then {inside}; else export PATH={shlex.quote(str(python))}:$PATH; fi; '
