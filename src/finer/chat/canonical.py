"""A request -> the JSON that stands for it, and the hash under which its reply is kept.

Images stand in it by the SHA-256 of their bytes, so that it names no folder and is the same on every machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from finer.chat.messages import Message, Request
from finer.errors import InputError


def canonical_json(value: object) -> str:
    """Return JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def request_record(request: Request) -> dict[str, Any]:
    """Return all that a reply depends on, but for the model."""
    record: dict[str, Any] = {
        "messages": [_turn(message) for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": float(request.temperature),
    }
    if request.schema is not None:
        record["schema"] = request.schema
    if request.logprobs:
        record["logprobs"] = request.logprobs
    return record


def request_key(record: Mapping[str, Any], model: str, revision: str | None, how: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a request to a model, in hex.

    Args:
        record: what ``request_record`` returns.
        model: its name at the back end.
        revision: its version or commit.
        how: what else of the configuration changes replies: how a form is enforced, further fields of a request.
    """
    whole = {"model": model, "revision": revision, "request": record, **{k: v for k, v in how.items() if v}}
    return hashlib.sha256(canonical_json(whole).encode("utf-8", "surrogatepass")).hexdigest()


def _turn(message: Message) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "text": message.text}
    if message.images:
        turn["images"] = [image_digest(path) for path in message.images]
    return turn


def image_digest(path: Path) -> str:
    """Return the SHA-256 of an image file, in hex.

    Raises:
        InputError: it cannot be read.
    """
    try:
        state = path.stat()
        return _digest(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise InputError(
            "an image to be shown to a language model cannot be read", file=path, found=error.strerror or str(error),
            expected="an image file", cure="restore the file",
        ) from error  # fmt: skip


@lru_cache(maxsize=65536)
def _digest(path: Path, modified: int, size: int) -> str:
    """Hash a file once for each of its states."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
