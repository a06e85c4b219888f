"""The images' locks -> the conda files in ``envs/``: Python from a channel, every package at the locked version."""

from __future__ import annotations

from pathlib import Path

from finer.containers.python import locked_versions, public

HEADER = """\
# For `snakemake --sdm conda`: Python itself from a channel, everything else at the versions of the {kind} image.
# Made by `python -m finer containers lock` from containers/requirements-{kind}.lock.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - pip:
"""
FILES = {"cpu": "finer.yaml", "gpu": "finer-gpu.yaml"}


def conda_file(kind: str, folder: Path) -> str:
    """Return the conda file of an image's lock. Hashes stay out: conda's pip section takes any build of a version."""
    versions = locked_versions(folder / f"requirements-{kind}.lock")
    return HEADER.format(kind=kind) + "".join(
        f"      - {name}=={public(one)}\n" for name, one in sorted(versions.items())
    )
