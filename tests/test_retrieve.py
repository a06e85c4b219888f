"""Fetching raw data: nothing half written, nothing outside the folder."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from finer.errors import InputError
from finer.raw.retrieve import retrieve_docci


def archive(folder: Path, names: list[str]) -> str:
    folder.mkdir()
    (folder / "docci_descriptions.jsonlines").write_text("{}\n")
    (folder / "one").write_bytes(b"image")
    with tarfile.open(folder / "docci_images.tar.gz", "w:gz") as tar:
        for name in names:
            tar.add(folder / "one", arcname=name)
    return folder.as_uri()


def test_docci_images_are_unpacked_flat_and_stay_in_their_folder(tmp_path: Path) -> None:
    source = archive(tmp_path / "source", ["images/a.jpg", "../../b.jpg", "images/readme.txt"])
    retrieve_docci(source, tmp_path / "raw/d.jsonlines", tmp_path / "raw/images")
    assert sorted(path.name for path in (tmp_path / "raw").rglob("*")) == ["a.jpg", "b.jpg", "d.jsonlines", "images"]
    assert not (tmp_path.parent / "b.jpg").exists()


def test_a_missing_source_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot retrieve"):
        retrieve_docci((tmp_path / "nowhere").as_uri(), tmp_path / "raw/d.jsonlines", tmp_path / "raw/images")
    assert not list((tmp_path / "raw").iterdir())
