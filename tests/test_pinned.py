"""Pinned weights are used only if they are the ones that were pinned."""

from __future__ import annotations

from pathlib import Path

import pytest

from finer.errors import InputError
from finer.mllm import pinned


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    trained = tmp_path / "trained"
    trained.mkdir()
    (trained / "model.safetensors").write_bytes(b"weights")
    (trained / "config.json").write_text("{}")
    pinned.pin(trained, tmp_path / "pinned")
    return tmp_path / "pinned"


def test_pinned_weights_install_unchanged(folder: Path, tmp_path: Path) -> None:
    pinned.install(folder, tmp_path / "out")
    assert (tmp_path / "out/model.safetensors").read_bytes() == b"weights"


@pytest.mark.parametrize("change", ["edited", "missing", "added", "unlisted"])
def test_any_change_of_the_pinned_files_is_refused(folder: Path, tmp_path: Path, change: str) -> None:
    if change == "edited":
        (folder / "model.safetensors").write_bytes(b"weightz")
    elif change == "missing":
        (folder / "config.json").unlink()
    elif change == "added":
        (folder / "extra.json").write_text("{}")
    else:
        (folder / pinned.HASHES).unlink()
    with pytest.raises(InputError, match="pinned"):
        pinned.install(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pinning_again_replaces_the_old_weights(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "trained/model.safetensors").write_bytes(b"better")
    pinned.pin(tmp_path / "trained", folder)
    pinned.check(folder)
    assert (folder / "model.safetensors").read_bytes() == b"better"
