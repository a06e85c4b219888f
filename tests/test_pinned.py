"""Pinned weights are used only if they are the ones that were pinned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from finer.config import parse
from finer.errors import InputError
from finer.mllm import pinned
from finer.mllm.training.recipe import load_recipe

ROOT = Path(__file__).parents[1]
CONFIG = parse(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))
MICRO = {name: model.recipe for name, model in CONFIG.models.items() if model.recipe}


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


@pytest.mark.parametrize("name", MICRO)
def test_the_pinned_weights_are_those_of_their_recipe_and_of_one_world(name: str) -> None:
    """A recipe that was changed after the training, or weights of an earlier world, would make the docs untrue."""
    folder = ROOT / CONFIG.micro.pinned / name
    pinned.check(folder)
    card = json.loads((folder / "model_card.json").read_text(encoding="utf-8"))
    recipe = load_recipe(MICRO[name])
    assert (card["model"], card["recipe_sha256"]) == (recipe.name, recipe.digest)
    assert card["negative_share"] == recipe.negative_share
    of_the_pool = {
        json.loads((ROOT / CONFIG.micro.pinned / other / "model_card.json").read_text(encoding="utf-8"))["data_sha256"]
        for other, its in MICRO.items() if load_recipe(its).data == recipe.data
    }  # fmt: skip
    assert of_the_pool == {card["data_sha256"]}


def test_all_subjects_were_trained_with_the_same_share_of_negatives() -> None:
    assert len({load_recipe(MICRO[name]).negative_share for name in CONFIG.subjects}) == 1
