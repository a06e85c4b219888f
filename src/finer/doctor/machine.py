"""The machine: versions against the pins, GPUs, disk, and the programs that a run may call."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from finer.config import Config
from finer.doctor.entry import Entry

ENVS = Path("envs")
PINS = ("requirements.txt", "torch.txt", "spacy-model.txt")
OLDEST = (3, 11)
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)")
_BYTES_A_WEIGHT = 2  # bfloat16
_ROOM = 1.25  # activations, images and the cache of keys, over the weights


def python() -> Entry:
    """Return whether Python is new enough."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST:
        return Entry("missing", "Python", found, f"install Python {'.'.join(map(str, OLDEST))} or newer")
    return Entry("ok", "Python", found)


def packages(envs: Path = ENVS) -> list[Entry]:
    """Return one entry if all packages are as pinned, else one for each that is not."""
    pins = [
        match for name in PINS if (envs / name).is_file()
        for line in (envs / name).read_text(encoding="utf-8").splitlines() if (match := _PIN.match(line))
    ]  # fmt: skip
    if not pins:
        return [Entry("note", "packages", f"no pins under {envs}", "run it in the project's folder")]
    other = [entry for pin in pins if (entry := _package(pin[1], pin[2], envs)) is not None]
    return other or [Entry("ok", "packages", f"all {len(pins)} as pinned")]


def _package(name: str, pinned: str, envs: Path) -> Entry | None:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Entry(
            "missing", f"package {name}", "not installed", f"make .venv/ready, or pip install {name}=={pinned}"
        )
    if found.partition("+")[0] == pinned:  # torch names its build behind a "+"
        return None
    return Entry("note", f"package {name}", f"{found}, pinned {pinned}",
                 f"results may differ in the last digits; pip install -r {envs}/requirements.txt")  # fmt: skip


def tools() -> list[Entry]:
    """Return whether the optional programs are there."""
    wanted = (("apptainer", "to run jobs in the container"), ("sbatch", "to send jobs to a SLURM cluster"))
    return [
        Entry("ok", program, path) if (path := shutil.which(program))
        else Entry("note", program, "not found", f"needed only {use}")
        for program, use in wanted
    ]  # fmt: skip


def weights(size: str) -> float | None:
    """Return the gigabytes of a checkpoint whose size is printed as "7B"; None if it is not."""
    match = re.fullmatch(r"([\d.]+)B", size)
    return float(match[1]) * _BYTES_A_WEIGHT if match else None


def in_process(config: Config) -> list[str]:
    """Return the roles whose language model runs on the GPUs of the jobs that ask it, as "role NAME"."""
    chat = config.chat
    return [
        f"role {name}" for name, role in chat.roles.items()
        if config.role(name) and chat.backends[chat.models[role.model].backend].kind == "vllm"
    ]  # fmt: skip


def engines(config: Config) -> list[Entry]:
    """Return whether vLLM is installed, if any model is asked through it: it is no pinned package (GPUs only)."""
    users = [*in_process(config), *(name for name, model in config.models.items() if model.engine == "vllm")]
    if not users:
        return []
    if importlib.util.find_spec("vllm") is not None:
        return [Entry("ok", "vLLM", "installed")]
    return [Entry("note", "vLLM", f"not installed here; asked for by {', '.join(users)}",
                  "install it where their jobs run (docs/new-model.md)")]  # fmt: skip


def gpus(config: Config) -> list[Entry]:
    """Return what GPUs there are, and models that fit on none of them, or not on all together."""
    asked = {name: model for name, model in config.models.items() if model.on_gpus}
    trained = bool(config.adapters) and config.tuning.device == "cuda"
    own = in_process(config)
    if not asked and not trained and not own:
        return [Entry("ok", "GPU", "none needed: all models run on the CPU")]
    users = ", ".join([*asked, *own, *(["tuning"] if trained else [])])
    try:
        import torch
    except ImportError:
        return [Entry("missing", "GPU", f"asked for by {users}; PyTorch is not installed", "install PyTorch for CUDA")]
    if not torch.cuda.is_available() and shutil.which("sbatch"):
        return [Entry("note", "GPU", f"none here, but SLURM, whose nodes may have them; asked for by {users}",
                      "run it on such a node too: python -m finer doctor")]  # fmt: skip
    if not torch.cuda.is_available():
        return [Entry("missing", "GPU", f"none that PyTorch {torch.__version__} can use; asked for by {users}",
                      "run on a machine with GPUs, or set `device: cpu`")]  # fmt: skip
    held = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    sizes = [each.total_memory / 1e9 for each in held]
    found = [Entry("ok", f"GPU {number}", f"{each.name}, {each.total_memory / 1e9:.0f} GB")
             for number, each in enumerate(held)]  # fmt: skip
    return found + _too_large({name: (model.size, model.device) for name, model in asked.items()}, sizes)


def _too_large(models: dict[str, tuple[str, str]], sizes: Sequence[float]) -> list[Entry]:
    """Return the models (size, device) that the memory of the GPUs does not hold; ``auto`` spreads over all."""
    found = []
    for name, (size, device) in models.items():
        need, room = weights(size), sum(sizes) if device == "auto" else max(sizes)
        if need is not None and need * _ROOM > room:
            found.append(
                Entry("missing", f"memory for {name}", f"about {need * _ROOM:.0f} GB wanted, {room:.0f} GB there",
                      "use larger or more GPUs (device: auto), or take the model out of `models`")
            )  # fmt: skip
    return found


def disk(config: Config, data: Sequence[Entry], models: Sequence[Entry]) -> list[Entry]:
    """Return whether the disks hold what is still to come: data sets in ``data``, checkpoints in ``results``."""
    wanted: dict[int, tuple[Path, list[Entry]]] = {}
    for folder, entries in ((config.data_root, data), (config.results, models)):
        place = Path(folder).resolve()
        while not place.exists():
            place = place.parent
        wanted.setdefault(place.stat().st_dev, (place, []))[1].extend(entries)
    return [_room(place, entries) for place, entries in wanted.values()]


def _room(place: Path, entries: Sequence[Entry]) -> Entry:
    free = shutil.disk_usage(place).free / 1e9
    need = sum(entry.gigabytes or 0.0 for entry in entries)
    unknown = [entry.what.removeprefix("data ") for entry in entries if entry.gigabytes is None]
    more = f" and room for {', '.join(unknown)}, of unknown size" if unknown else ""
    found = f"{free:.0f} GB free at {place}; to retrieve what is missing takes about {need:.0f} GB{more}"
    if free < need:
        return Entry("missing", "disk", found, "set `data` and `results` to a larger disk")
    return Entry("note" if unknown else "ok", "disk", found)
