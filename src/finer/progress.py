"""Progress of long jobs: a moving bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TextIO

from tqdm import tqdm

_LOG_SECONDS = 15.0  # between two lines where the output is a file


class _Lines:
    """A stream that writes each state of a progress bar as a line of its own: logs have no cursor to move back."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        line = text.strip("\r\n ")
        if line:
            self._stream.write(line + "\n")

    def flush(self) -> None:
        self._stream.flush()


@contextmanager
def progress_bar(total: int, label: str, done: int = 0, stream: TextIO | None = None) -> Iterator[tqdm[NoReturn]]:
    """Show items done, rate and time left: a moving bar on a terminal, a line now and then in a log.

    Args:
        done: items that an earlier run has left finished; they do not count in the rate.
    """
    stream = sys.stderr if stream is None else stream
    terminal = stream.isatty()
    shape = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{rate_fmt}, {remaining} left]"
    line = "{desc}: {n_fmt}/{total_fmt} ({percentage:.0f} %), {rate_fmt}, {remaining} left"
    bar: tqdm[NoReturn] = tqdm(
        total=total, initial=done, desc=label, unit="item", smoothing=0.1, dynamic_ncols=terminal,
        file=stream if terminal else _Lines(stream),
        mininterval=0.2 if terminal else _LOG_SECONDS, bar_format=shape if terminal else line,
    )  # fmt: skip
    try:
        yield bar
    finally:
        bar.close()
