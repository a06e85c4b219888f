"""Web addresses of images -> image files and a table of those that are gone.

Years after a data set's release some addresses are dead. One is a row of the table of drops, not an error: the reader
drops what belongs to it with a reason. What is there already is not fetched again, so that a killed run goes on.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from PIL import Image, UnidentifiedImageError

from finer.errors import InputError
from finer.retrieval.download import AGENT, PassingError, Patience, refuse_status, tried
from finer.store import atomic_path, drop

THREADS = 32
BRIEF = Patience(attempts=3, pause=1.0, longest_pause=20.0, silence=20.0)
_MOST_BYTES = 50_000_000
_MOST_UNREACHABLE = 0.5  # beyond this share it is the network that is gone, not the images


def fetch_images(
    urls: Sequence[str], name_of: Callable[[str], str], folder: Path, source: str, patience: Patience = BRIEF
) -> list[dict[str, str | None]]:
    """Fetch images under the names that the reader looks for; return rows of DROPS for those that cannot be had.

    Raises:
        InputError: none can be had, or most servers cannot be reached; what was fetched is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    limits = httpx.Limits(max_connections=THREADS, max_keepalive_connections=THREADS)
    with (
        httpx.Client(
            timeout=patience.silence, follow_redirects=True, headers={"User-Agent": AGENT}, limits=limits
        ) as client,
        ThreadPoolExecutor(THREADS) as threads,
    ):
        reasons = list(threads.map(lambda url: _fetch(client, url, folder / name_of(url), patience), urls))
    counted = Counter(reason for reason in reasons if reason is not None)
    if urls and (counted.total() == len(urls) or counted["unreachable"] > _MOST_UNREACHABLE * len(urls)):
        raise InputError(
            "most images cannot be fetched", file=folder, found=", ".join(f"{n} {why}" for why, n in counted.items()),
            expected=f"most of {len(urls)} images", cure="check the network and start again: what is there is kept",
        )  # fmt: skip
    return [
        drop("retrieve", source, url, reason) for url, reason in zip(urls, reasons, strict=True) if reason is not None
    ]


def _fetch(client: httpx.Client, url: str, path: Path, patience: Patience) -> str | None:
    """Fetch one image; return why it cannot be had, or None."""
    if path.is_file():
        return None
    try:
        content = tried(patience, lambda: _content(client, url))
        if content is None:
            return "too_large"
        with Image.open(io.BytesIO(content)) as image:
            image.verify()
    except httpx.HTTPStatusError as error:
        return f"http_{error.response.status_code}"
    except PassingError as error:
        return str(error).lower().replace(" ", "_")
    except (SyntaxError, Image.DecompressionBombError, UnidentifiedImageError):
        return "no_image"
    except (OSError, httpx.HTTPError, httpx.InvalidURL, ValueError):
        return "unreachable"
    with atomic_path(path) as partial:
        partial.write_bytes(content)
    return None


def _content(client: httpx.Client, url: str) -> bytes | None:
    """Return what is at an address; None if it is larger than any photograph."""
    with client.stream("GET", url) as reply:
        refuse_status(reply)
        content = bytearray()
        for block in reply.iter_bytes():
            content += block
            if len(content) > _MOST_BYTES:
                return None
        return bytes(content)
