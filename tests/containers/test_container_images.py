"""The real image: what is inside it, and that a run in it, with no network, gives the bytes of a run outside.

Run by `make test-containers`, which brings up Apptainer and builds the image first.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from finer.containers import record
from finer.containers.build import check_contents, contents, in_image
from finer.containers.digest import file_digest
from finer.containers.recipe import recipe
from finer.schemas import RUNS
from finer.store import read_table

ROOT = Path(__file__).parents[2]
CONTAINERS = ROOT / "containers"
IMAGE = CONTAINERS / "finer-cpu.sif"
TARGET = "tables/finer_benchmarks.md"

pytestmark = pytest.mark.skipif("FINER_TEST_IMAGES" not in os.environ, reason="run by make test-containers")


def make(results: Path, *arguments: str) -> Path:
    """Make the FINER table of the smoke preset from raw files; return the folder of its results."""
    command = [sys.executable, "-m", "snakemake", "--nolock", "--cores", "2", *arguments,
               "--configfile", "workflow/presets/smoke.yaml", "--config", f"results={results}",
               "--", f"{results}/smoke/{TARGET}"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    assert ("Activating singularity image" in said) == ("--sdm" in arguments)
    return results / "smoke"


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inside")
    arguments = f"--net --network none --bind {folder}"
    return make(folder, "--sdm", "apptainer", "--apptainer-args", arguments)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("outside"))


def test_the_image_holds_the_locked_packages_and_is_the_recorded_one() -> None:
    check_contents(recipe("cpu", CONTAINERS), contents(IMAGE))
    entry = record.read(CONTAINERS / "lock.yaml")["cpu"]
    assert file_digest(IMAGE) == entry.digest and recipe("cpu", CONTAINERS).lock_hash() == entry.lock


def test_the_labels_and_the_licences_are_those_of_the_recipe() -> None:
    labels = subprocess.run(
        ["apptainer", "inspect", "--labels", str(IMAGE)], capture_output=True, text=True, check=True
    )
    assert f"org.finer.lock: {recipe('cpu', CONTAINERS).lock_hash()}" in labels.stdout
    licences = contents(IMAGE).licences
    assert licences == (CONTAINERS / "licences.md").read_text()
    assert all(name in licences for name in ("| torch |", "| bash |", "| libc6 |", "| transformers |"))


def test_the_image_passes_its_own_test() -> None:
    done = subprocess.run(["apptainer", "test", str(IMAGE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "smoke: torch" in done.stdout


def test_the_package_itself_is_not_in_the_image() -> None:
    found = in_image(IMAGE, ["python", "-c", "import importlib.util as u; print(u.find_spec('finer'))"])
    assert found.strip() == "None"


def test_tables_made_in_the_image_without_a_network_are_byte_identical(inside: Path, outside: Path) -> None:
    tables = sorted(path.name for path in (outside / "tables").iterdir())
    assert len(tables) >= 4 and sorted(path.name for path in (inside / "tables").iterdir()) == tables
    compared = [*(f"tables/{name}" for name in tables), "estimates/finer.parquet", "benchmark/docci/pairs.parquet"]
    for name in compared:
        assert (inside / name).read_bytes() == (outside / name).read_bytes(), name


def test_runs_name_the_image_that_they_were_made_in(inside: Path, outside: Path) -> None:
    run = "responses/internvl3.5-micro-s/finer.run.parquet"
    assert read_table(inside / run, RUNS)["image_digest"].item() == file_digest(IMAGE)
    assert read_table(outside / run, RUNS)["image_digest"].item() == "none"
    assert read_table(inside / run, RUNS)["lock_hash"].item() != ""


def test_a_rerun_in_the_image_does_nothing(inside: Path) -> None:
    results = inside.parent
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--nolock", "-n", "--sdm", "apptainer", "--configfile",
         "workflow/presets/smoke.yaml", "--config", f"results={results}", "--", f"{inside}/{TARGET}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Nothing to be done" in done.stdout + done.stderr
