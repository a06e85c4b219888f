"""A real SLURM of one node on this machine: munged, slurmctld and slurmd on loopback, in a folder of their own.

    python tests/cluster/one_node.py up | down

There is no systemd, no control groups and no accounting database in it. Besides its folder it writes one link,
/etc/slurm/slurm.conf, since the step that Snakemake starts inside a job finds its configuration only there. The
node claims two GPUs that are links to /dev/null: SLURM hands them out and sets CUDA_VISIBLE_DEVICES as for real ones.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

FOLDER = Path("/run/finer-slurm")
LINK = Path("/etc/slurm/slurm.conf")
CONF = FOLDER / "slurm.conf"
PORT = 6917
DAEMONS = ("munged", "slurmctld", "slurmd")
PROGRAMS = {"munged": "munge", "slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client"}
ENVIRONMENT = {**os.environ, "SLURM_CONF": str(CONF), "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
KEY_BYTES = 128

# Without control groups, memory is watched by looking at it (OverMemoryKill). Finished jobs stay in squeue for
# MinJobAge: that is where Snakemake reads how they ended, as there is no accounting. Waits are short, for tests.
SETTINGS = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={next_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
PropagateResourceLimits=NONE
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
MinJobAge=3600
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
KillWait=5
CompleteWait=0
InactiveLimit=0
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:plain:2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=1-00:00:00 DefaultTime=60 State=UP
"""


class CannotRunError(Exception):
    """This machine cannot run the cluster; the message is one line that says what to do."""


def up(cpus: int = 4) -> str:
    """Bring the cluster up if it is not, wait until it is idle, and return what its node is."""
    _check_rights()
    _check_programs()
    if not _state():
        _configure(cpus)
        _start()
    for _ in range(150):
        if _state() == "idle":
            return _said("sinfo", "-h", "-N", "-o", "%N: %c CPUs, %m MB, %G")
        time.sleep(0.2)
    logs = "\n".join(path.read_text()[-2000:] for path in (FOLDER / "log").glob("*.log"))
    raise RuntimeError(f"the node did not become idle\n{logs}")


def down() -> list[str]:
    """Cancel all jobs, stop the daemons by their own process ids, remove what ``up`` wrote; return what was stopped."""
    if not FOLDER.is_dir():
        return []
    if _state():
        _said("scancel", "--user=root")
        for _ in range(50):
            if not _said("squeue", "-h", "-t", "running,completing", "-o", "%A"):
                break
            time.sleep(0.2)
    stopped = [name for name in reversed(DAEMONS) if _stop(name)]
    if LINK.is_symlink() and LINK.readlink() == CONF:
        LINK.unlink()
    shutil.rmtree(FOLDER)
    return stopped


@contextlib.contextmanager
def cluster(cpus: int = 4) -> Iterator[Mapping[str, str]]:
    """Yield the environment to submit from; what this started is stopped at the end, what ran before goes on."""
    ran = bool(_state())
    up(cpus)
    try:
        yield ENVIRONMENT
    finally:
        if not ran:
            down()


def _check_rights() -> None:
    if os.geteuid() != 0:
        raise CannotRunError("run as root: slurmd starts jobs as their users")
    if (LINK.exists() or LINK.is_symlink()) and not (LINK.is_symlink() and LINK.readlink() == CONF):
        raise CannotRunError(f"{LINK} is there already: this machine has a SLURM of its own, which is left alone")


def _check_programs() -> None:
    missing = [package for name, package in PROGRAMS.items() if not _path(name)]
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise CannotRunError(f"install {' '.join(PROGRAMS.values())}")
    # The packages must not start daemons of their own.
    policy = Path("/usr/sbin/policy-rc.d")
    own = not policy.exists()
    if own:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        get = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
        if subprocess.run(get, env=quiet, capture_output=True, check=False).returncode:
            subprocess.run(["apt-get", "update", "-q"], env=quiet, capture_output=True, check=False)
            if subprocess.run(get, env=quiet, capture_output=True, check=False).returncode:
                raise CannotRunError(f"apt-get install {' '.join(missing)}")
    finally:
        if own:
            policy.unlink(missing_ok=True)


def _configure(cpus: int) -> None:
    host = socket.gethostname().partition(".")[0]
    for name in ("log", "state", "spool"):
        (FOLDER / name).mkdir(parents=True, exist_ok=True)
    (FOLDER / "munge").mkdir(mode=0o711, exist_ok=True)
    key = FOLDER / "munge/key"
    key.write_bytes(os.urandom(KEY_BYTES))
    key.chmod(0o400)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 9 // 10
    CONF.write_text(
        SETTINGS.format(host=host, folder=FOLDER, port=PORT, next_port=PORT + 1, cpus=cpus, memory=memory).lstrip()
    )
    for number in range(2):
        (FOLDER / f"gpu{number}").unlink(missing_ok=True)
        (FOLDER / f"gpu{number}").symlink_to(os.devnull)
    (FOLDER / "gres.conf").write_text(
        f"NodeName={host} Name=gpu Type=plain File={FOLDER}/gpu[0-1] Flags=nvidia_gpu_env\n"
    )
    (FOLDER / "cgroup.conf").write_text("CgroupPlugin=disabled\n" if _version() >= (23, 11) else "")
    LINK.parent.mkdir(exist_ok=True)
    LINK.unlink(missing_ok=True)
    LINK.symlink_to(CONF)


def _start() -> None:
    munge = {"key-file": "munge/key", "socket": "munge/socket", "pid-file": "munged.pid", "log-file": "log/munged.log",
             "seed-file": "munge/seed"}  # fmt: skip
    commands = {
        "munged": [f"--{option}={FOLDER / file}" for option, file in munge.items()],
        "slurmctld": ["-f", str(CONF), "-c"],
        "slurmd": ["-f", str(CONF), "-c"],
    }
    for name in DAEMONS:
        if _pid(name) is None:
            subprocess.run([_path(name) or name, *commands[name]], env=ENVIRONMENT, check=True, capture_output=True)


def _stop(name: str) -> bool:
    pid = _pid(name)
    if pid is None:
        return False
    for sent in (signal.SIGTERM, signal.SIGKILL):
        os.kill(pid, sent)
        for _ in range(100):
            if _pid(name) is None:
                return True
            time.sleep(0.1)
    return False


def _pid(name: str) -> int | None:
    """Process id of a daemon that this folder's pid file names and that is alive and really it."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((FOLDER / f"{name}.pid").read_text())
        command, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
        if command == name and rest.split()[0] != "Z":  # a zombie waits for its parent and is gone
            return pid
    return None


def _state() -> str:
    """State of the node (idle, mix, alloc); "" if the cluster is not up."""
    if any(_pid(name) is None for name in DAEMONS):
        return ""
    return _said("sinfo", "-h", "-N", "-o", "%t")


def _version() -> tuple[int, ...]:
    return tuple(int(part) for part in _said("slurmctld", "-V").split()[-1].split(".")[:2])


def _said(*command: str) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            [_path(command[0]) or command[0], *command[1:]], env=ENVIRONMENT, capture_output=True, text=True,
            check=False, timeout=15,
        )  # fmt: skip
        return done.stdout.strip()
    return ""


def _path(name: str) -> str | None:
    return shutil.which(name, path=ENVIRONMENT["PATH"])


if __name__ == "__main__":
    try:
        print(up() if sys.argv[1:] == ["up"] else f"stopped: {', '.join(down()) or 'nothing'}")
    except CannotRunError as error:
        sys.exit(f"cluster tests cannot run here: {error}")
