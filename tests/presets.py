"""The presets as Snakemake merges them: config.yaml with an overlay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finer.config.overlay import merged

ROOT = Path(__file__).parents[1]


def preset(*names: str) -> dict[str, Any]:
    """Return the values of config.yaml with some presets over it."""
    return merged(ROOT / "config.yaml", *(ROOT / "workflow" / "presets" / f"{name}.yaml" for name in names))
