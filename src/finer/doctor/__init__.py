"""What a configuration needs -> what of it is here, what is missing, and what to do about it: one line each.

Nothing is fetched, started or changed. Whether a run can start is decided by what no rule of the workflow brings.
"""

from __future__ import annotations

from finer.config import Config
from finer.doctor.entry import Entry
from finer.doctor.inputs import checkpoints, data_sets, given_files, keys, language_weights, pipelines, revisions
from finer.doctor.machine import disk, engines, gpus, packages, python, tools

__all__ = ["Entry", "diagnose", "report"]


def diagnose(config: Config) -> list[Entry]:
    """Return all findings, those of the machine first."""
    data, models = data_sets(config), checkpoints(config)
    machine = [python(), *packages(), *pipelines(config), *gpus(config), *engines(config), *tools(), *keys(config)]
    return [*machine, *data, *given_files(config), *models, *language_weights(config), *revisions(config),
            *disk(config, data, models)]  # fmt: skip


def report(entries: list[Entry]) -> tuple[str, bool]:
    """Return the findings as text, and whether a run can start."""
    width = max(len(entry.what) for entry in entries)
    lines = [entry.line(width) for entry in entries]
    stops = sum(entry.state == "missing" for entry in entries)
    fetched = sum(entry.state == "fetch" for entry in entries)
    brought = (
        f"; {fetched} more {'is' if fetched == 1 else 'are'} retrieved by it, or before it by the target `data`"
        if fetched
        else ""
    )
    lines.append("")
    lines.append(
        f"A run cannot start: {stops} {'entry is' if stops == 1 else 'entries are'} missing{brought}." if stops
        else f"A run can start{brought}."
    )  # fmt: skip
    return "\n".join(lines) + "\n", stops == 0
