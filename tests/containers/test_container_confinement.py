"""A build cannot touch the machine: how it is confined, and that the walls hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from finer.containers.confine import SCRIPT, confined, hidden, interpreter

HOME = Path("/home/someone")


def test_a_confined_command_has_its_own_mounts_network_and_processes(tmp_path: Path) -> None:
    words = confined(["apptainer", "build"], tmp_path, HOME, [])
    assert words[0] == "unshare" and words[-2:] == ["apptainer", "build"]
    assert {"--mount", "--net", "--pid", "--ipc", "--fork"} <= set(words)
    assert words[words.index("--propagation") + 1] == "private"
    assert words[words.index(SCRIPT) + 2 : -2] == [str(tmp_path), str(HOME), "0"]


def test_what_lies_in_a_hidden_folder_is_shown_and_no_more(tmp_path: Path) -> None:
    seen = [Path("/usr"), HOME / "python/lib", HOME / "python", Path("/tmp/clone/src"), Path("/srv/checkout")]
    assert hidden(seen, HOME) == [HOME / "python", Path("/tmp/clone/src")]


def can_confine() -> bool:
    probe = ["unshare", "--mount", "--net", "--pid", "--fork", "true"]
    return os.geteuid() == 0 and subprocess.run(probe, capture_output=True, check=False).returncode == 0


needs_root = pytest.mark.skipif(not can_confine(), reason="needs root and namespaces")


def run(work: Path, script: str, seen: list[Path]) -> subprocess.CompletedProcess[str]:
    words = confined(["bash", "-c", script], work, Path.home(), seen)
    return subprocess.run(words, capture_output=True, text=True, check=False)


@needs_root
def test_deleting_everything_in_temporary_folders_and_home_harms_nothing(tmp_path: Path) -> None:
    work, victim = tmp_path / "work", tmp_path / "victim"
    work.mkdir()
    victim.mkdir()
    (victim / "file").write_text("kept")
    done = run(
        work, "ls -A /tmp /var/tmp ~; rm -rf /tmp/* /var/tmp/* ~/*; touch /tmp/new ~/new; echo made >/srv/made", []
    )
    assert "victim" not in done.stdout
    assert (victim / "file").read_text() == "kept"
    assert (work / "made").read_text() == "made\n"
    assert not Path("/tmp/new").exists() and not Path.home().joinpath("new").exists()


@needs_root
@pytest.mark.parametrize("place", ["/", "/etc", "/usr", "/opt", "/var/lib", str(Path(__file__).parent)])
def test_the_rest_of_the_machine_is_read_only(tmp_path: Path, place: str) -> None:
    done = run(tmp_path, f"touch {place}/finer-was-here", [Path(__file__).parent])
    assert done.returncode != 0 and "Read-only" in done.stderr
    assert not Path(place, "finer-was-here").exists()


@needs_root
def test_there_is_no_network(tmp_path: Path) -> None:
    done = run(tmp_path, "cat /proc/net/dev", [])
    assert [line.split(":")[0].strip() for line in done.stdout.splitlines()[2:]] == ["lo"]


@needs_root
def test_this_python_and_its_packages_are_seen(tmp_path: Path) -> None:
    words = confined(
        [sys.executable, "-c", "import yaml, sys; print(sys.prefix)"], tmp_path, Path.home(), interpreter()
    )
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
