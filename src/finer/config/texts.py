"""Parts of the configuration as text: JSON with a stable order, wildcard patterns, what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError


def compact(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def pattern(names: Iterable[str]) -> str:
    """Return a regular expression that matches these names; one that matches nothing if there are none."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def explain(error: ValidationError) -> str:
    lines = [f"{error.error_count()} error(s) in the configuration"]
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "(whole file)"
        value = item["input"]
        shown = "" if item["type"] in ("missing",) or isinstance(value, dict) else f" (found {value!r})"
        lines.append(f"  {key}: {item['msg']}{shown}")
    return "\n".join(lines)
