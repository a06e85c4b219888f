"""The plan of a preset before anything is submitted: jobs, hours of CPUs and GPUs, memory and disk, by stage and step.

Jobs are those of Snakemake's own dry run. What one takes is an ``Estimate``: from measured costs where it runs on
CPUs, from the model's size and `cluster` where it runs on GPUs, and then the line says "assumed".
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from finer.config import Config
from finer.errors import InputError
from finer.planning.costs import Cost, cost_of
from finer.planning.needs import Estimate, Needs

# Stages in the order of the work, and how the names of their rules begin; the longest that fits, counts.
STAGES: dict[str, tuple[str, ...]] = {
    "models": ("retrieve_model", "base_"),
    "raw data": ("retrieve_", "world_", "scenes_of_tuning"),
    "benchmarks": ("read_comprecap", "read_docci", "read_csv", "import_interchange", "scene_graphs_from",
                   "scene_graphs_by", "propose",
                   "verify", "calibrate", "settle_negatives", "compose", "granularity", "export_interchange", "yields"),
    "tuning data": ("read_long", "import_sharegpt", "scene_graphs_of", "phrase", "edit", "preference", "leaks",
                    "without_leaks", "mixture", "dataset_info", "export_sharegpt", "table_leaks", "tuning_yields"),
    "tuning": ("train_adapter", "adapters"),
    "audit": ("judge_negatives", "settle_unverified", "compose_unverified", "items_unverified", "answer_unverified",
              "verdicts_unverified", "estimates_unverified", "audit", "table_audit"),
    "suites": ("items_suite", "answer_hallucination", "answer_general", "answer_ablation_suites", "judge_suite",
               "verdicts_suite", "verdicts_ablation_suite", "estimates_suite", "estimates_ablation_suite",
               "hallucination_", "general_", "suites", "import_predictions", "export_", "predictions"),
    "evaluation": ("items_", "answer_", "verdicts_", "estimates_", "comparisons_", "text_ranker"),
}  # fmt: skip
LAST_STAGE = "tables"
SCHEMA = {
    "stage": pl.String(), "step": pl.String(), "jobs": pl.Int64(), "items": pl.Int64(), "unit": pl.String(),
    "cpu_hours": pl.Float64(), "gpu_hours": pl.Float64(), "longest_hours": pl.Float64(), "memory_gb": pl.Float64(),
    "gpus": pl.Int64(), "from": pl.String(),
}  # fmt: skip
_LOCAL_SECONDS = 1.0  # of rules that only collect or install


@dataclass(frozen=True)
class Job:
    """One job of the workflow."""

    rule: str
    wildcards: tuple[tuple[str, str], ...]


def jobs_of(configfiles: Sequence[str | Path], targets: Sequence[str] = (), everything: bool = True) -> list[Job]:
    """Return the jobs that Snakemake would run.

    Args:
        configfiles: overlays of `config.yaml`.
        everything: the whole preset, as if no result existed; False: only what is still to be done.
    """
    overlays = ["--configfile", *map(str, configfiles)] if configfiles else []
    command = [sys.executable, "-m", "snakemake", "-n", "--nolock", *(["--forceall"] if everything else []), *overlays]
    done = subprocess.run([*command, "--", *targets], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode:
        raise InputError(
            "Snakemake cannot plan this configuration", file=" + ".join(map(str, configfiles)) or "config.yaml",
            found=said.strip()[-600:], cure="give the files that it misses, or mend the configuration",
        )  # fmt: skip
    return parse_jobs(said)


def parse_jobs(said: str) -> list[Job]:
    """Read the jobs in what a dry run prints: a line "rule NAME:", then lines "    key: value"."""
    found: list[Job] = []
    for block in re.split(r"^(?=(?:local)?rule \w+:$)", said, flags=re.MULTILINE)[1:]:
        name = re.match(r"(?:local)?rule (\w+):", block)
        given = re.search(r"^    wildcards: (.+)$", block, re.MULTILINE)
        pairs = (one.split("=", 1) for one in given[1].split(", ")) if given else ()
        found.append(Job(name[1] if name else "", tuple((key, value) for key, value in pairs)))
    return found


def stage_of(rule: str) -> str:
    """Return the stage that a rule belongs to."""
    fitting = [
        (len(beginning), stage)
        for stage, beginnings in STAGES.items() for beginning in beginnings if rule.startswith(beginning)
    ]  # fmt: skip
    return max(fitting, default=(0, LAST_STAGE))[1]


def plan(config: Config, costs: Mapping[str, Cost], jobs: Iterable[Job]) -> pl.DataFrame:
    """Return a row a step, in the order of the stages; ``from``: measured, assumed, or both."""
    needs = Needs(config, costs)
    rows = []
    for job in jobs:
        stage = stage_of(job.rule)
        estimate, step, unit = _estimate(needs, costs, job)
        hours = estimate.seconds / 3600
        rows.append((
            stage, step, 1, estimate.items, unit, hours * estimate.cores, hours * estimate.gpus, hours,
            estimate.asked_mb / 1000, estimate.gpus, "assumed" if estimate.assumed else "measured",
        ))  # fmt: skip
    each = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    order = pl.Enum([*STAGES, LAST_STAGE])
    return (
        each.group_by("stage", "step", "unit", "from")
        .agg(pl.col("jobs", "items", "cpu_hours", "gpu_hours").sum(),
             pl.col("longest_hours", "memory_gb", "gpus").max())
        .sort(pl.col("stage").cast(order), -pl.col("gpu_hours"), -pl.col("cpu_hours"), "step")
        .select(list(SCHEMA))
    )  # fmt: skip


def _estimate(needs: Needs, costs: Mapping[str, Cost], job: Job) -> tuple[Estimate, str, str]:
    try:
        cost = cost_of(job.rule, costs)
    except InputError:  # rules that collect, and those that download: their time is the network's
        download = job.rule.startswith("retrieve_")
        return Estimate(_LOCAL_SECONDS, 0.0, 0, 1, 1, download), job.rule, "downloads" if download else "jobs"
    return needs.estimate(cost.step, dict(job.wildcards)), cost.step, cost.unit


def measured_hours(folder: str | Path) -> float:
    """Return the hours of all jobs of a run, from its benchmark files."""
    files = sorted(Path(folder).glob("*.tsv"))
    if not files:
        raise InputError("no benchmark files", file=folder, expected="RULE.WILDCARDS.tsv", cure="run the workflow")
    return sum(float(pl.read_csv(file, separator="\t")["s"].sum()) for file in files) / 3600
