"""The journal of a cache: one line an event, appended and synced at once, so that a kill loses no reply that came.

Several processes append to one file, each while it holds the cache's lock. A line that a killed process left
unfinished is passed over. ``generation`` in the first line tells readers that the journal was folded and begun anew.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finer.store import atomic_path

_FIRST_LINE = 120  # bytes; holds the generation


@dataclass(frozen=True)
class Entry:
    """A reply as it is kept."""

    key: str  # request_key
    role: str
    name: str  # of the model in the configuration
    model: str  # at the back end
    revision: str | None
    request: str  # JSON
    reply: str
    finish: str
    answered_by: str  # the model as the back end names it
    tokens: list[str]  # the likeliest first tokens
    logprobs: list[float]  # natural, of these
    input_tokens: int
    output_tokens: int
    cost: float  # at the prices of the day it was paid
    attempts: int
    asked: str  # UTC, ISO
    seconds: float


class Journal:
    """Reader of what others append, and writer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self._generation = ""

    def begun_anew(self) -> bool:
        """Tell whether the journal was begun anew since it was last read; then reading starts at its beginning."""
        if not self.path.is_file():
            self.restart([])
        with self.path.open("rb") as file:
            first = file.read(_FIRST_LINE).split(b"\n", 1)[0].decode()
        if first == self._generation:
            return False
        self._generation, self.offset = first, 0
        return True

    def unread(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield (place, event) of each whole line that was not read yet."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                place, self.offset = self.offset, self.offset + len(line)
                event = _event(line)
                if event is not None:
                    yield place, event

    def at(self, place: int) -> dict[str, Any]:
        """Return the event at a place that ``unread`` gave."""
        with self.path.open("rb") as file:
            file.seek(place)
            event: dict[str, Any] = json.loads(file.readline())
        return event

    def append(self, event: Mapping[str, Any], durable: bool) -> None:
        """Write one event.

        Args:
            durable: whether it must be on disk before this returns.
        """
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line  # after a line that a killed process left unfinished
            while line:
                line = line[os.write(descriptor, line) :]
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def restart(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Begin anew with these events only."""
        with atomic_path(self.path) as partial, partial.open("wb") as file:
            for event in ({"generation": uuid.uuid4().hex}, *events):
                file.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def reply_event(entry: Entry) -> dict[str, Any]:
    """Return a reply as an event."""
    return {"reply": asdict(entry)}


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None  # cut off by a kill
    return event if isinstance(event, dict) else None
