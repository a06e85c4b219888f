"""Locks of the images: they hold what is pinned, by hash, and a disagreement is named."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from finer.containers import record
from finer.containers.check import problems
from finer.containers.locking import FREE_IN_GPU_IMAGE, PINS, chosen_hash, supported
from finer.containers.python import locked_versions, pinned_versions, public
from finer.containers.recipe import KINDS, recipe
from finer.errors import InputError

ROOT = Path(__file__).parents[2]
CONTAINERS, ENVS = ROOT / "containers", ROOT / "envs"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the locks and pins, to be changed."""
    for folder in (CONTAINERS, ENVS):
        shutil.copytree(folder, tmp_path / folder.name, ignore=shutil.ignore_patterns("*.sif"))
    return tmp_path


def said(copy: Path) -> list[str]:
    return list(problems(copy / "containers", copy / "envs"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_cpu_image_holds_exactly_what_is_pinned() -> None:
    pins = pinned_versions(ENVS / name for name in PINS)
    locked = locked_versions(CONTAINERS / "requirements-cpu.lock")
    assert {name: public(version) for name, version in locked.items()} == pins
    assert locked["torch"].endswith("+cpu")


def test_the_gpu_image_differs_only_where_vllm_asks() -> None:
    pins = pinned_versions(ENVS / name for name in PINS)
    locked = locked_versions(CONTAINERS / "requirements-gpu.lock")
    assert {name for name in pins.keys() & locked.keys() if pins[name] != locked[name]} == FREE_IN_GPU_IMAGE
    assert "vllm" in locked and any(name.startswith("nvidia-") for name in locked)


def test_everything_committed_agrees(copy: Path) -> None:
    assert said(copy) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("envs/requirements.txt", "polars==2.1.0", "polars==2.1.1", "polars 2.1.1 -> 2.1.0"),
        ("envs/torch.txt", "torch==", "torch==9.", "torch 9."),
        ("containers/requirements-cpu.lock", "numpy==", "numpy==9.", "numpy"),
        ("containers/requirements-gpu.lock", "polars==", "polars==9.", "polars"),
        ("containers/build-tools.in", "pip==", "pip==9.", "pip 9."),
        ("containers/finer-cpu.def", "Include: ", "Include: gfortran ", "asks for 'gfortran'"),
        ("envs/finer.yaml", "  - pip\n", "  - pip\n  - numpy\n", "finer.yaml"),
        ("containers/lock.yaml", "lock: ", "lock: 0", "another recipe"),
        ("containers/lock.yaml", "    polars: 2.1.0", "    polars: 2.1.1", "polars 2.1.0 -> 2.1.1"),
        ("containers/lock.yaml", "    bash: ", "    bash: 9.", "bash"),
        ("containers/smoke.py", "import", "import  ", "another recipe"),
    ],
)
def test_a_disagreement_is_named(copy: Path, file: str, old: str, new: str, named: str) -> None:
    edit(copy / file, old, new)
    assert any(named in line for line in said(copy)), said(copy)


def test_an_image_that_is_not_the_recorded_one_is_named(copy: Path) -> None:
    (copy / "containers/finer-cpu.sif").write_bytes(b"another")
    assert any("is not the recorded image" in line for line in said(copy))


def test_a_requirement_without_a_hash_is_refused(copy: Path) -> None:
    path = copy / "containers/requirements-cpu.lock"
    path.write_text(path.read_text() + "left-pad==1.0\n")
    with pytest.raises(InputError, match="not pinned by version and hash"):
        locked_versions(path)


def test_a_record_that_cannot_be_read_is_an_error_with_a_cure(tmp_path: Path) -> None:
    (tmp_path / "lock.yaml").write_text("cpu: {lock: 1}\n")
    with pytest.raises(InputError, match="delete it and build"):
        record.read(tmp_path / "lock.yaml")


def test_the_record_keeps_the_other_image(tmp_path: Path) -> None:
    entry = record.Entry(lock="a", digest="sha256:b", bytes=1, apptainer="1.4.5", fetch_seconds=1, build_seconds=2,
                         debian={"bash": "5.2"}, python={"numpy": "2.4.6"})  # fmt: skip
    path = tmp_path / "lock.yaml"
    record.write(path, "cpu", entry)
    record.write(path, "gpu", entry)
    assert record.read(path) == {"cpu": entry, "gpu": entry}


def test_the_recipe_hash_covers_every_file_of_the_recipe(copy: Path) -> None:
    for path in recipe("cpu", copy / "containers").files:
        before = recipe("cpu", copy / "containers").lock_hash()
        path.write_text(path.read_text() + "\n")
        assert recipe("cpu", copy / "containers").lock_hash() != before, path


def test_the_wheel_of_the_image_is_chosen_as_pip_would() -> None:
    def wheel(name: str) -> dict[str, object]:
        return {"url": f"file:///w/{name}", "hashes": {"sha256": name}}

    names = [
        "a-1.0-cp311-cp311-macosx_11_0_arm64.whl",
        "a-1.0-py3-none-any.whl",
        "a-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        "a-1.0-cp312-cp312-manylinux_2_28_x86_64.whl",
        "a-1.0-cp311-cp311-manylinux_2_39_x86_64.whl",
    ]
    source = {"sdist": {"hashes": {"sha256": "source"}}}
    assert chosen_hash({"wheels": [wheel(name) for name in names]} | source, supported()) == names[2]
    assert chosen_hash({"wheels": [wheel(name) for name in names[3:]]} | source, supported()) == "source"


@pytest.mark.parametrize("kind", KINDS)
def test_conda_files_hold_the_locked_versions(kind: str) -> None:
    # No channel is reachable where tests run: the files are read, not installed.
    name = {"cpu": "finer.yaml", "gpu": "finer-gpu.yaml"}[kind]
    entries = yaml.safe_load((ENVS / name).read_text())["dependencies"]
    assert entries[:2] == ["python=3.11", "pip"]
    listed = dict(one.split("==") for one in entries[2]["pip"])
    locked = locked_versions(CONTAINERS / f"requirements-{kind}.lock")
    assert listed == {key: public(version) for key, version in locked.items()}


def test_nothing_names_a_host() -> None:
    address = re.compile(r"\b(?:https?|ftp)://|\b[a-z0-9-]+\.(?:org|com|net|io)/")
    for path in CONTAINERS.iterdir():
        if path.suffix in (".def", ".lock", ".in", ".yaml", ".sh", ".py"):
            assert not address.search(path.read_text()), path
