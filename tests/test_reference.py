"""The committed reference is a run's tables and figures; studies, which not every run makes, are not lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from finer.errors import InputError
from finer.tables.reference import renew


def run(folder: Path, word: str, studies: bool) -> Path:
    for name in ("tables", "figures", *(["studies"] if studies else [])):
        (folder / name).mkdir(parents=True)
        (folder / name / "a.csv").write_text(word)
    return folder


def texts(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*.csv"))}


def test_a_run_replaces_the_reference_and_keeps_studies_that_it_did_not_make(tmp_path: Path) -> None:
    out = tmp_path / "reference"
    renew(run(tmp_path / "one", "old", studies=True), out)
    (out / "tables" / "gone.csv").write_text("x")
    renew(run(tmp_path / "two", "new", studies=False), out)
    assert texts(out) == {"figures/a.csv": "new", "studies/a.csv": "old", "tables/a.csv": "new"}
    renew(run(tmp_path / "three", "newest", studies=True), out)
    assert set(texts(out).values()) == {"newest"}


def test_an_unfinished_run_leaves_the_reference_alone(tmp_path: Path) -> None:
    out = tmp_path / "reference"
    renew(run(tmp_path / "one", "old", studies=False), out)
    (tmp_path / "two" / "tables").mkdir(parents=True)
    with pytest.raises(InputError, match="no such folder"):
        renew(tmp_path / "two", out)
    assert texts(out) == {"figures/a.csv": "old", "tables/a.csv": "old"}
