"""The committed reference of a preset: its tables and figures, as a clean run made them."""

from __future__ import annotations

import shutil
from pathlib import Path

from finer.errors import InputError
from finer.store import atomic_path

FOLDERS = ("tables", "figures")
STUDIES = "studies"  # not every run makes them, and no run is compared with them


def renew(results: str | Path, out: str | Path) -> None:
    """Replace the reference with a run's tables, figures and, where it made them, studies."""
    for folder in FOLDERS:
        source = Path(results) / folder
        if not source.is_dir():
            raise InputError(
                "no such folder", file=source, expected="a finished run", cure="run `make reproduce` first"
            )
    with atomic_path(out) as partial:
        for folder in FOLDERS:
            shutil.copytree(Path(results) / folder, partial / folder)
        studies = next((side for side in (results, out) if (Path(side) / STUDIES).is_dir()), None)
        if studies is not None:
            shutil.copytree(Path(studies) / STUDIES, partial / STUDIES)
        if Path(out).is_dir():
            shutil.rmtree(out)
