"""Profiles name what Snakemake and its plugin have; jobs that run side by side never write the same file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser

ROOT = Path(__file__).parent.parent
PROFILES = {path.parent.name: path for path in (ROOT / "workflow/profiles").glob("*/config.yaml")}
PRESETS = ("smoke", "micro", "paper")


def profile(name: str) -> dict[str, object]:
    return yaml.safe_load(PROFILES[name].read_text())


def known_options() -> set[str]:
    """Names of all long options, those of the SLURM plugin included."""
    parser = get_argument_parser()  # with all plugins' options
    return {option.removeprefix("--") for action in parser._actions for option in action.option_strings}


def dry_run(preset: str) -> str:
    command = [
        sys.executable, "-m", "snakemake", "-n", "--forceall", "--nolock", "--printshellcmds",
        "--configfile", f"workflow/presets/{preset}.yaml", "--profile", "none", "--", "all",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module", params=PRESETS)
def said(request: pytest.FixtureRequest) -> str:
    return dry_run(request.param)


def listed(said: str, key: str) -> list[str]:
    """All files that jobs name under a key, one entry a job and file."""
    return [file for line in re.findall(rf"^    {key}: (.+)$", said, re.MULTILINE) for file in line.split(", ")]


def test_profiles_name_only_options_that_there_are() -> None:
    assert {"local", "slurm", "containers"} <= set(PROFILES)
    known = known_options()
    assert "slurm-status-command" in known and "group-components" in known
    for name in PROFILES:
        assert set(profile(name)) <= known, name


def test_every_line_of_the_slurm_profile_is_explained() -> None:
    """A comment stands above each key, or above the block of keys that it is in."""
    blocks = re.split(r"\n\n", PROFILES["slurm"].read_text())
    for block in blocks:
        assert block.startswith("#"), block


def test_jobs_of_language_models_by_api_run_one_at_a_time() -> None:
    assert all(profile(name)["resources"] == ["chat=1"] for name in ("local", "slurm"))


def test_slurm_is_asked_without_accounting_and_account_and_partition_are_the_users() -> None:
    chosen = profile("slurm")
    assert chosen["executor"] == "slurm" and chosen["slurm-status-command"] == "squeue"
    # SLURM forgets ended jobs after MinJobAge, 300 seconds by default.
    assert 3 * int(str(chosen["slurm-init-seconds-before-status-checks"])) < 300
    assert not {"slurm_account", "slurm_partition"} & set(chosen["default-resources"])  # type: ignore[call-overload]
    text = PROFILES["slurm"].read_text()
    assert "# slurm_account:" in text and "# slurm_partition:" in text


def test_groups_are_of_rules_that_there_are_and_that_need_no_gpu() -> None:
    chosen = profile("slurm")
    listing = [sys.executable, "-m", "snakemake", "--list-rules", "--nolock", "--profile", "none"]
    known = set(subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())
    pairs = [entry.split("=") for entry in chosen["groups"]]  # type: ignore[attr-defined]
    rules = {rule for rule, _ in pairs}
    assert len(rules) == len(pairs)
    for rule in rules:
        assert rule in known, rule
        assert not rule.startswith(("answer", "verify", "train", "judge_h", "judge_g")) and "by_model" not in rule
    components = dict(entry.split("=") for entry in chosen["group-components"])  # type: ignore[attr-defined]
    assert set(components) <= {group for _, group in pairs}


MODEL = {
    "chat": {
        "backends": {"api": {"kind": "http", "base_url": "http://127.0.0.1:1/v1"}},
        "models": {"m": {"backend": "api", "model": "m"}},
        "roles": {role: {"model": "m"} for role in ("extractor", "proposer", "phraser", "editor", "judge")},
    }
}
BY_MODEL = {
    "extractor": {"scene_graphs": {"extractor": "llm"}},
    "proposer": {"negatives": {"proposer": "llm", "unheard": 4, "predictable": 1.0}},
    "phraser and editor": {"preferences": {"phraser": "llm", "editor": "llm"}},
    "editor": {"preferences": {"editor": "llm"}},
    "judge": {"evaluation": {"judge": "llm"}},
}


@pytest.mark.parametrize("role", [None, *BY_MODEL, "paper"])
def test_groups_can_be_submitted_whatever_roles_a_language_model_has(tmp_path: Path, role: str | None) -> None:
    """A job outside of a group, between two of its jobs, stops the run before its first job."""
    overlay = tmp_path / "roles.json"
    overlay.write_text(json.dumps(MODEL | BY_MODEL[role] if role in BY_MODEL else {}))
    preset = "paper" if role == "paper" else "smoke"
    command = [
        sys.executable, "-m", "snakemake", "-n", "--forceall", "--nolock", "--profile", "workflow/profiles/slurm",
        "--configfile", f"workflow/presets/{preset}.yaml", str(overlay), "--", "all",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-2000:]
    if role in BY_MODEL and role != "judge":
        assert "_by_model" in said, "the role is not played by a model here"


def test_no_two_jobs_write_the_same_file(said: str) -> None:
    outputs = listed(said, "output")
    for files in (outputs, listed(said, "log"), listed(said, "benchmark")):
        assert len(files) > 20
        assert [file for file, times in Counter(files).items() if times > 1] == []
    # Nor does one write into a folder that another makes.
    folders = {f"{file}/" for file in outputs if not Path(file).suffix or "@" in file}
    inside = [file for file in outputs for folder in folders if file.startswith(folder)]
    assert inside == []


def test_what_jobs_keep_beside_their_outputs_is_their_own(said: str) -> None:
    """Parts lie in `<output>.parts`, so they are as unique as outputs; checkpoints of training are named by the job."""
    checkpoints = re.findall(r"--checkpoints (\S+)", said)
    assert checkpoints and len(checkpoints) == len(set(checkpoints))
    outputs = set(listed(said, "output"))
    assert not {place for place in checkpoints if place in outputs}


def test_the_catalogue_has_one_writer(said: str) -> None:
    writers = [file for file in listed(said, "output") if file.endswith(".duckdb")]
    assert len(writers) == 1
    # Everybody else opens it to read: only the module that writes it names the database.
    naming = {
        path.relative_to(ROOT / "src/finer").as_posix()
        for path in (ROOT / "src/finer").rglob("*.py")
        if "duckdb.connect(" in path.read_text()
    }
    assert naming == {"tables/catalogue.py"}
