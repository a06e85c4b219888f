"""Fetch PixMo-Cap: captions from the hub, images from the web, of whose addresses some are dead by now.

A dead address is listed, not an error: the reader drops its caption with a reason. What is there already is not
fetched again, so that a killed run goes on where it was.
"""

from __future__ import annotations

import io
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import polars as pl
from PIL import Image, UnidentifiedImageError

from finer.errors import InputError
from finer.raw.pixmo import image_name
from finer.raw.retrieve import snapshot
from finer.store import atomic_path, write_text

_COLUMNS = ("image_url", "caption", "transcripts")
_THREADS = 32
_SECONDS = 20.0  # to wait for one server
_MOST_BYTES = 50_000_000
_AGENT = "finer (research; fetches images named in PixMo-Cap)"


def retrieve_pixmo(repo: str, revision: str, captions: str | Path, images: str | Path, dead: str | Path) -> None:
    """Write all captions as one Parquet, the images that can be had into a folder, and a CSV of the dead addresses."""
    place = Path(captions).parent / "download"
    snapshot(repo, revision, "dataset", ["**/*.parquet", "*.parquet"], place)
    frame = _captions(place)
    lost = fetch_images(frame["image_url"].unique(maintain_order=True).to_list(), Path(images))
    write_text(dead, pl.DataFrame(lost, schema=["image_url", "reason"], orient="row").write_csv())
    (place / "revision.txt").replace(Path(captions).parent / "revision.txt")
    with atomic_path(captions) as partial:
        frame.write_parquet(partial, compression="zstd", statistics=False)
    shutil.rmtree(place)


def _captions(folder: Path) -> pl.DataFrame:
    files = sorted(folder.rglob("*.parquet"))
    if not files:
        raise InputError("the repository holds no Parquet file", file=folder, cure="check the repository's name")
    return pl.concat([pl.read_parquet(file).select(name for name in _COLUMNS) for file in files])


def fetch_images(urls: list[str], folder: Path) -> list[tuple[str, str]]:
    """Fetch images into a folder under the names that the reader looks for; return (address, reason) of the dead."""
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(_dead(urls, list(threads.map(lambda url: _fetch(url, folder), urls))))


def _dead(urls: list[str], reasons: list[str | None]) -> Iterator[tuple[str, str]]:
    yield from ((url, reason) for url, reason in zip(urls, reasons, strict=True) if reason is not None)


def _fetch(url: str, folder: Path) -> str | None:
    """Fetch one image; return why it cannot be had, or None."""
    path = folder / image_name(url)
    if path.is_file():
        return None
    try:
        request = urllib.request.Request(url, headers={"User-Agent": _AGENT})
        with urllib.request.urlopen(request, timeout=_SECONDS) as reply:
            content = reply.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            return "too_large"
        with Image.open(io.BytesIO(content)) as image:
            image.verify()
    except urllib.error.HTTPError as error:
        return f"http_{error.code}"
    except (SyntaxError, Image.DecompressionBombError, UnidentifiedImageError):
        return "no_image"
    except (OSError, HTTPException, ValueError):
        return "unreachable"
    with atomic_path(path) as partial:
        partial.write_bytes(content)
    return None
