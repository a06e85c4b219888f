"""Configuration files -> their values, overlays merged as Snakemake merges them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from finer.errors import InputError

PRESETS = Path("workflow/presets")


def merged(*files: str | Path) -> dict[str, Any]:
    """Return the values of the first file with the others over it: mappings key by key, all else replaced."""
    values: dict[str, Any] = {}
    for file in files:
        _update(values, _read(Path(file)))
    return values


def preset_file(name: str) -> Path:
    """Return the file of a preset; the default one has none of its own."""
    file = PRESETS / f"{name}.yaml"
    if not file.is_file():
        known = sorted(path.stem for path in PRESETS.glob("*.yaml"))
        raise InputError("no such preset", field="preset", found=name, expected=" | ".join(known) or str(PRESETS),
                         cure="run it in the project's folder")  # fmt: skip
    return file


def _read(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError("cannot be read", file=file, found=str(error), expected="a configuration file") from error
    if not isinstance(values, dict):
        raise InputError("not a configuration", file=file, found=type(values).__name__, expected="keys and values")
    return values


def _update(values: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(values.get(key), dict):
            _update(values[key], value)
        else:
            values[key] = value
