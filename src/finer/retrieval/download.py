"""One address -> one file, whole and checked: resumed after a cut, tried again after a fault, never half written.

What has arrived stands in ``<file>.part`` and what the server said about it (ETag or date) in ``<file>.part.tag``.
Only with the same tag, or with a known checksum to catch a mixture, is a part gone on with.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import tenacity

from finer.errors import InputError

AGENT = "finer (research; retrieves public data sets)"
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Patience:
    """How often and how long to try."""

    attempts: int = 8
    pause: float = 2.0  # seconds before the second try; doubled each time, with jitter
    longest_pause: float = 120.0
    silence: float = 60.0  # seconds without a byte that count as a cut


@dataclass(frozen=True)
class Checks:
    """What a file must be."""

    size: int | None = None
    sha256: str | None = None
    md5: str | None = None


class PassingError(Exception):
    """A fault that may be over at the next try."""

    def __init__(self, said: str, seconds: float = 0.0) -> None:
        super().__init__(said)
        self.seconds = seconds  # to wait before it, as the server asks


def download(address: str, out: Path, checks: Checks, patience: Patience, cure: str) -> None:
    """Fetch ``address`` as the file ``out``.

    Raises:
        InputError: it cannot be had, or is not what ``checks`` says; then nothing of it is left.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.part")
    try:
        with httpx.Client(timeout=patience.silence, follow_redirects=True, headers={"User-Agent": AGENT}) as client:
            tried(patience, lambda: _continued(client, address, part, checks))
    except (PassingError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise InputError(
            f"cannot retrieve {address}", file=out, found=str(error) or type(error).__name__,
            expected="a server that answers; what has arrived is kept for the next try", cure=cure,
        ) from error  # fmt: skip
    if (fault := faults(part, checks)) is not None:
        _forget(part)
        raise InputError(
            f"what came from {address} is not the file that it should be", file=out, found=fault[0], expected=fault[1],
            cure=f"try again; if it stays, the file was changed at its source. {cure}",
        )  # fmt: skip
    part.replace(out)
    _tag(part).unlink(missing_ok=True)


def tried(patience: Patience, once: Callable[[], Any]) -> Any:
    """Return what ``once`` returns, tried again after faults that pass."""

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        backoff = tenacity.wait_random_exponential(patience.pause, patience.longest_pause)(state)
        asked = min(getattr(error, "seconds", 0.0), patience.longest_pause)
        return max(asked, backoff)

    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(patience.attempts), wait=wait, reraise=True,
        retry=tenacity.retry_if_exception_type((PassingError, httpx.TransportError)),
    )(once)  # fmt: skip


def refuse_status(reply: httpx.Response) -> None:
    """Raise PassingError for a status that may pass, HTTPStatusError for one that will not."""
    if reply.status_code in _PASSING:
        after = reply.headers.get("Retry-After", "")
        raise PassingError(f"HTTP {reply.status_code}", float(after) if after.isdecimal() else 0.0)
    if not reply.is_success:
        raise httpx.HTTPStatusError(f"HTTP {reply.status_code}", request=reply.request, response=reply)


def _continued(client: httpx.Client, address: str, part: Path, checks: Checks) -> None:
    """Fetch what is missing of ``part``."""
    there = part.stat().st_size if part.is_file() else 0
    tag = _tag(part).read_text(encoding="utf-8") if _tag(part).is_file() else ""
    if there and not tag and checks.sha256 is None and checks.md5 is None:
        there = 0  # nothing would tell that the file was changed in between
    # Without this, what is counted and what is written may differ: a server may compress on the way.
    headers = {"Accept-Encoding": "identity"}
    if there:
        headers |= {"Range": f"bytes={there}-"} | ({"If-Range": tag} if tag else {})
    with client.stream("GET", address, headers=headers) as reply:
        if reply.status_code == 416:
            total = re.fullmatch(r"bytes \*/(\d+)", reply.headers.get("Content-Range", ""))
            if total and int(total[1]) == there:
                return
            _forget(part)
            raise PassingError(f"HTTP 416 at byte {there}")
        refuse_status(reply)
        follows = reply.headers.get("Content-Range", "").startswith(f"bytes {there}-")
        if reply.status_code == 206 and not follows:
            _forget(part)
            raise PassingError("another range than asked for")
        _tag(part).write_text(_validator(reply), encoding="utf-8")
        with part.open("ab" if reply.status_code == 206 else "wb") as file:
            for block in reply.iter_raw():  # as it comes: larger blocks would be lost at a cut
                file.write(block)
                if checks.size is not None and file.tell() > checks.size:
                    break  # refused below; no need to fill the disk first


def _validator(reply: httpx.Response) -> str:
    """Return what names this version of the file: a strong ETag, else the date."""
    etag = str(reply.headers.get("ETag", ""))
    return etag if etag and not etag.startswith("W/") else str(reply.headers.get("Last-Modified", ""))


def faults(file: Path, checks: Checks) -> tuple[str, str] | None:
    """Return what was found and what was expected where a file is not what ``checks`` says, else None."""
    size = file.stat().st_size
    if checks.size is not None and size != checks.size:
        return f"{size} bytes", f"{checks.size} bytes"
    for name in ("sha256", "md5"):
        wanted = getattr(checks, name)
        if wanted is not None and (found := digest(file, name)) != wanted:
            return f"{name} {found} ({size} bytes)", f"{name} {wanted}"
    return None


def digest(file: Path, name: str = "sha256") -> str:
    """Return the hash of a file's content in hex."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, name).hexdigest()


def _tag(part: Path) -> Path:
    return part.with_name(f"{part.name}.tag")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag(part).unlink(missing_ok=True)
