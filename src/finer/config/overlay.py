"""Configuration files laid over one another, as the workflow does it: `config.yaml`, then a preset, then another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finer.config.whole import Config, parse
from finer.errors import InputError


def load_files(files: Sequence[str | Path]) -> Config:
    """Read the files, each over those before it, and validate what comes out."""
    import yaml

    values: dict[str, Any] = {}
    for file in files:
        try:
            read = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise InputError("cannot be read", file=file, found=str(error), expected="a configuration file") from error
        values = overlaid(values, read or {})
    return parse(values, " + ".join(map(str, files)))


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``below`` with the values of ``above``: mappings are merged key by key, all else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = overlaid(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
