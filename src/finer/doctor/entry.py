"""One finding of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Entry:
    """What was looked at, what was found, and the cure where something is to be done.

    ok: as it should be. note: a run can start, but know this. fetch: the workflow brings it. missing: a run stops.
    """

    state: Literal["ok", "note", "fetch", "missing"]
    what: str
    found: str
    cure: str = ""
    gigabytes: float | None = 0.0  # still to come; None: not known

    def line(self, width: int) -> str:
        """Return the finding in one line."""
        cure = f" -> {self.cure}" if self.cure else ""
        return f"{self.state:<8}{self.what:<{width}}  {self.found}{cure}"
