"""Web addresses of images -> the file names under which retrieval keeps them and readers look for them."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import urlsplit

from finer.keys import stable_key


def cached_name(url: str) -> str:
    """Return the file name under which the image of a URL is kept: 16 hex digits and the URL's own suffix."""
    return stable_key(url) + PurePosixPath(urlsplit(url).path).suffix
