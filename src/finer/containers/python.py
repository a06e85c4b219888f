"""Hashed requirement files of the images: how they are read, and whether they agree with ``envs/``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from finer.errors import InputError

_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s\\;]+)")


def locked_versions(path: Path) -> dict[str, str]:
    """Return name -> version of a file of pinned requirements; raise InputError for one that is not pinned by hash."""
    text = path.read_text(encoding="utf-8")
    versions: dict[str, str] = {}
    for number, line in enumerate(re.sub(r"\\\n", " ", text).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _PINNED.match(line)
        if found is None or not re.search(r"--hash=sha256:[0-9a-f]{64}\b", line):
            raise InputError("is not pinned by version and hash", file=path, row=number, found=line[:80],
                             expected="NAME==VERSION --hash=sha256:…",
                             cure="renew the lock: python -m finer containers lock")  # fmt: skip
        versions[canonicalize_name(found[1])] = found[2]
    return versions


def pinned_versions(paths: Iterable[Path]) -> dict[str, str]:
    """Return name -> version of files of pinned requirements, with or without hashes."""
    lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    return {canonicalize_name(found[1]): found[2] for line in lines if (found := _PINNED.match(line))}


def parse_list(text: str, separator: str) -> dict[str, str]:
    """Return name -> version of lines ``NAME SEPARATOR VERSION``; Python's names in their normal form."""
    pairs = [line.split(separator, 1) for line in text.splitlines() if separator in line]
    normal = canonicalize_name if separator == "==" else str
    return {normal(name): version for name, version in pairs}


def public(version: str) -> str:
    """Return a version without its local label: 2.13.0 of 2.13.0+cpu."""
    return Version(version).public
