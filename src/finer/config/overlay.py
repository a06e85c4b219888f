"""Configuration files -> their values or the configuration, laid over one another as Snakemake does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finer.config.whole import Config, parse
from finer.errors import InputError

PRESETS = Path("workflow/presets")
MICRO = "micro"  # config.yaml itself
_BELOW = {"paper-mini": ("paper",)}  # presets that are laid over others


def load_files(files: Sequence[str | Path]) -> Config:
    """Read the files, each over those before it, and validate what comes out."""
    return parse(merged(*files), " + ".join(map(str, files)))


def merged(*files: str | Path) -> dict[str, Any]:
    """Return the values of the first file with the others over it: mappings key by key, all else replaced."""
    values: dict[str, Any] = {}
    for file in files:
        values = overlaid(values, _read(Path(file)))
    return values


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``below`` with the values of ``above``: mappings are merged key by key, all else is replaced."""
    over = dict(below)
    for key, value in above.items():
        old = over.get(key)
        over[key] = overlaid(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return over


def preset_files(name: str | None) -> list[Path]:
    """Return the files of a preset over config.yaml, in their order; the default preset has none."""
    if not name or name == MICRO:
        return []
    files = [PRESETS / f"{part}.yaml" for part in (*_BELOW.get(name, ()), name)]
    if not files[-1].is_file():
        known = sorted(path.stem for path in PRESETS.glob("*.yaml"))
        raise InputError("no such preset", field="preset", found=name, expected=" | ".join(known) or str(PRESETS),
                         cure="run it in the project's folder")  # fmt: skip
    return files


def _read(file: Path) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError("cannot be read", file=file, found=str(error), expected="a configuration file") from error
    if not isinstance(values, dict):
        raise InputError("not a configuration", file=file, found=type(values).__name__, expected="keys and values")
    return values
