"""How many rows a file of a release has, and how many images a folder holds."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet

from finer.errors import InputError
from finer.retrieval.convert import IMAGE_SUFFIXES


def count_images(folder: Path) -> int:
    """Return the number of image files below a folder."""
    return sum(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.rglob("*") if path.is_file())


def count_rows(folder: Path, pattern: str) -> int:
    """Return the number of rows of the files that match: of Parquet, CSV, JSON lines, or the list that a JSON is.

    Some releases name JSON lines ``.json``; of an object, its list ``data`` counts.
    """
    files = sorted(folder.glob(pattern))
    if not files:
        raise InputError("no such file", file=folder, expected=pattern, cure="correct this source in the registry")
    return sum(_rows(file) for file in files)


def _rows(file: Path) -> int:
    if file.suffix == ".parquet":
        return int(pyarrow.parquet.read_metadata(file).num_rows)
    if file.suffix == ".csv":
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return sum(1 for _ in csv.DictReader(lines))
    if file.suffix == ".json":
        try:
            whole = json.loads(file.read_text(encoding="utf-8-sig"))
        except json.JSONDecodeError:
            return _lines(file)
        if isinstance(whole, dict) and isinstance(whole.get("data"), list):
            whole = whole["data"]
        return len(whole) if isinstance(whole, list) else 1
    return _lines(file)


def _lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for line in lines if line.strip())
