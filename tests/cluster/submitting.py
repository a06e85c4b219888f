"""Run the workflow from a copy of the checkout, here or through SLURM, and watch what its jobs leave."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent.parent
COPIED = ("config.yaml", "workflow", "src", "envs", "containers")
# The profile as users have it, but for a small node and a test's patience.
SLURM = [
    "--profile", "workflow/profiles/slurm", "--cores", "2", "--latency-wait", "5",
    "--slurm-init-seconds-before-status-checks", "3",
]  # fmt: skip


class Checkout:
    """A copy of what the workflow consists of; its results and its locks are its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = {**environment, "PYTHONPATH": str(folder / "src"), "HF_HUB_OFFLINE": "1"}
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=unwanted, copy_function=_copied)
            elif (ROOT / name).is_file():
                shutil.copy(ROOT / name, folder / name)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start Snakemake in a session of its own; what it says goes to ``said.log``."""
        with (self.folder / "said.log").open("w") as log:
            command = [sys.executable, "-m", "snakemake", *arguments]
            return subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=log, stderr=subprocess.STDOUT, text=True,
                start_new_session=True,
            )  # fmt: skip

    def run(self, *arguments: str) -> str:
        """Run Snakemake to its end; return what it said, of which a failure shows the last lines."""
        code = self.start(*arguments).wait()
        assert code == 0, self.said()[-5000:]
        return self.said()

    def said(self) -> str:
        """Return what the last Snakemake has said so far."""
        return (self.folder / "said.log").read_text()

    def slurm(self, *command: str) -> str:
        """Ask SLURM."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def processes(self, *words: str) -> list[psutil.Process]:
        """Return the processes that run below this folder and have these words in their command."""
        found = []
        for process in psutil.process_iter(["cmdline", "cwd"]):
            place, command = process.info["cwd"], process.info["cmdline"]
            if place and command and Path(place).is_relative_to(self.folder) and set(words) <= set(command):
                found.append(process)
        return found


def _copied(source: str, target: str) -> None:
    if source.endswith((".sif", ".safetensors")):  # large, and never changed in place
        with contextlib.suppress(OSError):
            os.link(source, target)
            return
    shutil.copy2(source, target)


class Parts(threading.Thread):
    """Look at the parts below a folder, again and again: which appeared, and which were written more than once."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.seen: dict[Path, set[tuple[int, int]]] = {}
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.is_set():
            self.look()
            time.sleep(0.05)

    def look(self) -> None:
        for path in self.folder.glob("*.parts/*.parquet"):
            try:
                found = path.stat()
            except FileNotFoundError:  # assembled meanwhile
                continue
            self.seen.setdefault(path, set()).add((found.st_ino, found.st_mtime_ns))

    def end(self) -> None:
        self._ended.set()
        self.join()

    @property
    def repeated(self) -> list[Path]:
        """Parts that were written twice."""
        return [path for path, versions in self.seen.items() if len(versions) > 1]


def wait(condition: Callable[[], object], seconds: float, doing: str) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain: {doing}"
        time.sleep(0.1)


def submitted(said: str, rule: str) -> list[str]:
    """SLURM ids of a rule's jobs in what Snakemake said."""
    return re.findall(rf"SLURM jobid (\d+) \(log: \S*/rule_{rule}/", said)
