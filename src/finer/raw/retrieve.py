"""Fetch raw data and checkpoints: the only part of the project that uses the network.

Everything is written beside its final place and renamed at the end; the commit that a revision stood for is
recorded in ``revision.txt``.
"""

from __future__ import annotations

import shutil
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

from finer.errors import InputError
from finer.store import atomic_path, write_text

DOCCI_DESCRIPTIONS = "docci_descriptions.jsonlines"
DOCCI_IMAGES = "docci_images.tar.gz"


def retrieve_model(repo: str, revision: str, out: str | Path) -> None:
    """Fetch a checkpoint: safetensors and configuration files only, no code, no pickle."""
    patterns = ["*.safetensors", "*.json", "*.txt", "*.jinja", "*.model"]
    with atomic_path(out) as partial:
        snapshot(repo, revision, "model", patterns, partial)


def retrieve_comprecap(repo: str, annotations: str | Path, images: str | Path, revision: str = "main") -> None:
    """Fetch CompreCap: ``anno.json`` and the folder ``images``."""
    with atomic_path(Path(annotations).parent / "download") as partial:
        snapshot(repo, revision, "dataset", ["anno.json", "images/*"], partial)
        _replace(partial / "images", Path(images))
        _replace(partial / "anno.json", Path(annotations))
        (partial / "revision.txt").replace(Path(annotations).parent / "revision.txt")
    shutil.rmtree(Path(annotations).parent / "download")


def retrieve_docci(source: str, descriptions: str | Path, images: str | Path) -> None:
    """Fetch DOCCI's descriptions and its archive of images from a base address (http(s) or file)."""
    with atomic_path(descriptions) as partial:
        _download(f"{source}/{DOCCI_DESCRIPTIONS}", partial)
    with atomic_path(Path(images).with_name(DOCCI_IMAGES)) as archive:
        _download(f"{source}/{DOCCI_IMAGES}", archive)
        with atomic_path(images) as folder:
            folder.mkdir()
            _unpack(archive, folder)
    Path(images).with_name(DOCCI_IMAGES).unlink()


def snapshot(repo: str, revision: str, kind: str, patterns: list[str], folder: Path) -> None:
    """Fetch the files of a hub repository that match the patterns, and record the commit in ``revision.txt``."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        commit = HfApi().repo_info(repo, revision=revision, repo_type=kind).sha
        snapshot_download(repo, revision=commit, repo_type=kind, allow_patterns=patterns, local_dir=folder)
    except (HfHubHTTPError, OSError) as error:
        raise InputError(
            f"cannot retrieve {kind} '{repo}' at revision '{revision}'", found=str(error).splitlines()[0],
            cure="check the network and, for gated repositories, that HF_TOKEN is set; "
            "or put the files in place by hand",
        ) from error  # fmt: skip
    write_text(folder / "revision.txt", f"{repo}@{commit}\n")


def _download(address: str, out: Path) -> None:
    try:
        with urllib.request.urlopen(address, timeout=60) as reply, out.open("wb") as file:
            shutil.copyfileobj(reply, file)
    except (urllib.error.URLError, OSError) as error:
        raise InputError(
            f"cannot retrieve {address}", found=str(error), cure="check the network, or put the file in place by hand"
        ) from error


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack the images of an archive, flat; names that leave the folder are refused by the data filter."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and member.name.lower().endswith((".jpg", ".jpeg", ".png")):
                member.name = Path(member.name).name
                tar.extract(member, folder, filter="data")


def _replace(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        shutil.rmtree(target)
    source.replace(target)
