"""The workflow through a real SLURM: the same bytes as on one machine, and jobs that are stopped go on.

make test-cluster        (half an hour and more; as root)
"""

from __future__ import annotations

import io
import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import pytest
from submitting import ROOT, SLURM, Checkout, Parts, submitted, wait

IMAGE = ROOT / "containers/finer-cpu.sif"
SMOKE = ["--configfile", "workflow/presets/smoke.yaml"]
WAYS = [
    pytest.param([], id="plain"),
    pytest.param(
        ["--sdm", "apptainer"], id="apptainer",
        marks=pytest.mark.skipif(not IMAGE.exists(), reason=f"{IMAGE.name} is not built: make images"),
    ),
]  # fmt: skip
MODEL = "internvl3.5-micro-s"
# One model, and nobody who checks negatives: one job of some thirty blocks after a few that take seconds.
LONG = """
preset: long
world: {tuning: 40, tuning_dev: 20, benchmark_dev: 20, comprecap_test: 60, docci_test: 60}
benchmarks:
  comprecap: {pairs: {multi_obj: 40, multi_attr: 40, multi_rel: 40, wh: 40}, granularity: 0}
  docci: {pairs: {multi_obj: 40, multi_attr: 40, multi_rel: 40, wh: 40}, granularity: 0}
negatives: {verification: none, verifier: null}
evaluation: {shard_items: 64, control_pairs: 0}
"""
BLOCKS = 2 * 40 * 4 * 2 * 3 // 64


@pytest.fixture(scope="module")
def checkout(slurm: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("checkout"), slurm)


def tables(folder: Path) -> dict[str, bytes]:
    """Every file of the tables and figures, of questions, verdicts and estimates."""
    kinds = ("tables", "figures", "estimates", "benchmark", "items", "verdicts")
    found = [path for kind in kinds for path in (folder / kind).rglob("*") if path.is_file()]
    # A run says when it was; what leads to it names it.
    kept = [path for path in found if not path.name.endswith(".run.parquet")]
    return {path.relative_to(folder).as_posix(): without_run(path) for path in kept}


def without_run(path: Path) -> bytes:
    """A file's bytes; of a table with the column run_id, those of the table without it."""
    if path.suffix != ".parquet" or "run_id" not in pl.read_parquet_schema(path):
        return path.read_bytes()
    content = io.BytesIO()
    pl.read_parquet(path).drop("run_id").write_ipc(content)
    return content.getvalue()


@pytest.fixture(scope="module")
def local(checkout: Checkout) -> dict[str, bytes]:
    checkout.run("--cores", "2", *SMOKE)
    made = tables(checkout.folder / "results/smoke")
    shutil.rmtree(checkout.folder / "results/smoke")
    return made


@pytest.mark.parametrize("way", WAYS)
def test_smoke_preset_through_slurm_equals_the_local_run(
    checkout: Checkout, local: dict[str, bytes], way: list[str]
) -> None:
    said = checkout.run(*SLURM, *way, *SMOKE)
    assert said.count("has been submitted with SLURM jobid") > 20
    made = tables(checkout.folder / "results/smoke")
    shutil.rmtree(checkout.folder / "results/smoke")
    assert made.keys() == local.keys() and "tables/finer_benchmarks.csv" in made
    assert [name for name, content in made.items() if content != local[name]] == []


@pytest.fixture(scope="module")
def answered(checkout: Checkout) -> dict[str, pl.DataFrame]:
    """All that the long job needs, and what it answers without an interruption, on this machine."""
    (checkout.folder / "long.yaml").write_text(LONG)
    checkout.run("--cores", "2", "--configfile", *OVERLAYS, "--", TARGET)
    return responses(checkout)


OVERLAYS = ["workflow/presets/smoke.yaml", "long.yaml"]
FOLDER = f"results/long/responses/{MODEL}"
TARGET = f"{FOLDER}/finer.run.parquet"


def responses(checkout: Checkout) -> dict[str, pl.DataFrame]:
    names = ("comprecap", "docci")
    return {name: pl.read_parquet(checkout.folder / FOLDER / f"finer.{name}.parquet").drop("run_id") for name in names}


@pytest.fixture
def parts(checkout: Checkout, answered: dict[str, pl.DataFrame]) -> Iterator[Parts]:
    """The parts of the long job, which is to be done again."""
    for path in (checkout.folder / FOLDER).iterdir():
        path.unlink()
    watched = Parts(checkout.folder / FOLDER)
    watched.start()
    yield watched
    watched.end()


def arguments(way: list[str], *others: str) -> list[str]:
    return [*SLURM, *way, *others, "--configfile", *OVERLAYS, "--", TARGET]


def check(checkout: Checkout, parts: Parts, before: int, answered: dict[str, pl.DataFrame]) -> None:
    """Nothing that was kept before the interruption is done again, and the answers are those of an unbroken job."""
    parts.end()
    print(f"parts: {before} before the interruption, {len(parts.seen)} in all, {len(parts.repeated)} written twice")
    assert 0 < before < BLOCKS <= len(parts.seen)
    assert not parts.repeated
    for name, rows in responses(checkout).items():
        assert rows.equals(answered[name]), name


@pytest.mark.parametrize("way", WAYS)
def test_a_cancelled_job_goes_on_where_it_was(
    checkout: Checkout, parts: Parts, answered: dict[str, pl.DataFrame], way: list[str]
) -> None:
    run = checkout.start(*arguments(way))
    wait(lambda: len(parts.seen) > 3, 300, "for parts of the job")
    (job,) = submitted(checkout.said(), "answer_finer")
    checkout.slurm("scancel", job)
    wait(lambda: not checkout.slurm("squeue", "-h", "-t", "running,completing", "-j", job), 60, "for the job to end")
    before = len(parts.seen)
    assert run.wait() == 0, checkout.said()[-5000:]
    assert "SLURM status is: 'CANCELLED'" in checkout.said()
    assert len(submitted(checkout.said(), "answer_finer")) == 2
    check(checkout, parts, before, answered)


@pytest.mark.parametrize("way", WAYS)
def test_a_job_over_its_time_limit_goes_on_with_more(
    checkout: Checkout, parts: Parts, answered: dict[str, pl.DataFrame], way: list[str]
) -> None:
    run = checkout.start(*arguments(way, "--set-resources", "answer_finer:runtime=1 if attempt == 1 else 60"))
    wait(lambda: len(parts.seen) > 3, 300, "for parts of the job")
    for process in checkout.processes("finer", "answer"):
        process.suspend()  # however fast this machine is, the job is in the middle of its blocks at its limit
    wait(lambda: "SLURM status is: 'TIMEOUT'" in checkout.said(), 400, "for the time limit")
    before = len(parts.seen)
    assert run.wait() == 0, checkout.said()[-5000:]
    first, second = submitted(checkout.said(), "answer_finer")
    limits = [checkout.slurm("squeue", "-h", "-t", "all", "-j", job, "-o", "%l") for job in (first, second)]
    assert limits == ["1:00", "1:00:00"]
    check(checkout, parts, before, answered)


@pytest.mark.parametrize("way", WAYS)
def test_after_a_kill_of_snakemake_the_next_run_goes_on(
    checkout: Checkout, parts: Parts, answered: dict[str, pl.DataFrame], way: list[str]
) -> None:
    run = checkout.start(*arguments(way))
    wait(lambda: len(parts.seen) > 3, 300, "for parts of the job")
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    # As docs/cluster.md says: its jobs live on and are cancelled by the run's id, then the folder is unlocked.
    (job,) = submitted(checkout.said(), "answer_finer")
    assert checkout.slurm("squeue", "-h", "-j", job, "-o", "%T") == "RUNNING"
    name = checkout.said().split("SLURM run ID: ")[1].split()[0]
    checkout.slurm("scancel", "--name", name)
    wait(lambda: not checkout.slurm("squeue", "-h", "-t", "running,completing", "-j", job), 60, "for the job to end")
    before = len(parts.seen)
    checkout.run("--unlock", "--configfile", *OVERLAYS)
    checkout.run(*arguments(way))
    check(checkout, parts, before, answered)


def test_jobs_on_one_node_see_gpus_of_their_own(checkout: Checkout) -> None:
    # The node's GPUs are links to /dev/null; SLURM names them to the jobs as it does real ones.
    (checkout.folder / "gpus.smk").write_text(
        "rule all:\n    input: 'gpus/a', 'gpus/b', 'gpus/both'\n    localrule: True\n"
        "for name, number in (('a', 1), ('b', 1), ('both', 2)):\n    rule:\n        name: f'gpus_{name}'\n"
        "        output: f'gpus/{name}'\n        resources: gpu=number, mem_mb=500, runtime=5\n"
        "        shell: 'date +%s > {output}; sleep 15; echo $CUDA_VISIBLE_DEVICES >> {output}; date +%s >> {output}'\n"
    )
    checkout.run(*SLURM, "-s", "gpus.smk")
    said = {name: (checkout.folder / f"gpus/{name}").read_text().split() for name in ("a", "b", "both")}
    assert said["both"][1] == "0,1"
    overlap = int(said["a"][0]) < int(said["b"][2]) and int(said["b"][0]) < int(said["a"][2])
    assert {said["a"][1], said["b"][1]} <= {"0", "1"}
    assert said["a"][1] != said["b"][1] or not overlap
