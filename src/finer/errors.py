"""Errors that a user can act on: where, what was found, what was expected, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass
class InputError(Exception):
    """Something the user gave cannot be used.

    ``str(error)`` names the file, the line or row, the field, what was found, what was expected and
    the cure. The command line prints it without a traceback and exits with code 1.
    """

    message: str
    file: str | Path | None = None
    row: int | str | None = None
    field: str | None = None
    found: object | None = None
    expected: str | None = None
    cure: str | None = None

    def __str__(self) -> str:
        where = [str(self.file)] if self.file is not None else []
        if self.row is not None:
            where.append(f"row {self.row}" if isinstance(self.row, int) else self.row)
        if self.field is not None:
            where.append(f"field '{self.field}'")
        lines = [": ".join([*where, self.message])]
        if self.found is not None:
            lines.append(f"  found:    {_short(self.found)}")
        if self.expected is not None:
            lines.append(f"  expected: {self.expected}")
        if self.cure is not None:
            lines.append(f"  cure:     {self.cure}")
        return "\n".join(lines)


def _short(value: object, limit: int = 200) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
