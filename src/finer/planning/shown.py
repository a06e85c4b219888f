"""A plan as text for a terminal and for documents: its steps by stage, sums, disk, language models, what is assumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from finer.config import Config
from finer.planning.disk import Part
from finer.planning.language import RoleUse

_HOURS = ("cpu_hours", "gpu_hours", "longest_hours")
_SHORT = 5.0  # a plan of fewer hours is shown in minutes
_SMALL = 0.02  # steps below this share of all hours are summed in one line of their stage


def show(
    config: Config,
    planned: pl.DataFrame,
    disk: Sequence[Part],
    roles: Sequence[RoleUse] = (),
    measured: float | None = None,
) -> str:
    """Return the whole text.

    Args:
        planned: what ``plan`` returned.
        disk: what each stage leaves on disk.
        roles: what the language models' roles will read and write.
        measured: hours that all jobs of a run of this preset took, to compare with.
    """
    parts = [
        f"Plan of the preset '{config.preset}': {planned['jobs'].sum()} jobs",
        _steps(planned),
        disk_by_stage(disk),
        language_models(config, roles),
        _basis(config, planned, disk, roles),
    ]
    if measured is not None:
        hours = float(planned["cpu_hours"].sum())
        parts.append(
            f"A run of it took {measured:.2f} h, all jobs one after the other; the plan is {hours:.2f} h: "
            f"{hours / measured:.2f} times as much."
        )
    return "\n\n".join(part for part in parts if part) + "\n"


def _steps(planned: pl.DataFrame) -> str:
    cpu, gpu = float(planned["cpu_hours"].sum()), float(planned["gpu_hours"].sum())
    unit, factor = ("min", 60.0) if cpu < _SHORT else ("h", 1.0)
    times = planned.with_columns(pl.col(_HOURS) * factor)
    large = (pl.col("cpu_hours") >= _SMALL * cpu) | (pl.col("gpu_hours") >= max(_SMALL * gpu, 1e-9))
    marked = times.with_columns(large=planned.select(large).to_series())
    lines = []
    for (stage,), steps in marked.group_by("stage", maintain_order=True):
        shown, small = steps.filter("large"), steps.filter(~pl.col("large"))
        lines.append([f"{stage}:", *_sums(steps), ""])
        lines += [["  " + row["step"], *_cells(row)] for row in shown.iter_rows(named=True)]
        if shown.height and small.height:
            lines.append(
                [f"  {small.height} small steps", *_sums(small), "/".join(small["from"].unique().sort().to_list())]
            )
    lines.append(["all", *_sums(times), ""])
    timed = (f"CPU {unit}", f"GPU {unit}", f"Longest {unit}")
    return _table(("Step", "Jobs", "Items", *timed, "GB a job", "GPUs", "From"), lines)


def _cells(row: Mapping[str, object]) -> list[str]:
    items = f"{row['items']:,} {row['unit']}" if row["unit"] not in ("jobs", "downloads") else ""
    return [f"{row['jobs']:,}", items, *(_time(row[key]) for key in _HOURS),
            f"{row['memory_gb']:,.0f}", str(row["gpus"] or ""), str(row["from"])]  # fmt: skip


def _sums(steps: pl.DataFrame) -> list[str]:
    summed = steps.select(
        pl.col("jobs", "cpu_hours", "gpu_hours").sum(), pl.col("longest_hours", "memory_gb", "gpus").max()
    ).row(0, named=True)
    return [f"{summed['jobs']:,}", "", *(_time(summed[key]) for key in _HOURS),
            f"{summed['memory_gb']:,.0f}", str(summed["gpus"] or "")]  # fmt: skip


def _time(value: object) -> str:
    number = float(str(value))
    return "" if number == 0 else f"{number:,.2f}" if number < 10 else f"{number:,.0f}"


def disk_by_stage(disk: Sequence[Part]) -> str:
    """Return the stages that leave something on disk, and their sum."""
    lines = [[part.stage, part.what, _size(part.gigabytes), part.basis] for part in disk if part.gigabytes]
    total = _size(sum(part.gigabytes for part in disk))
    return f"Disk by stage\n\n{_table(('Stage', 'What', 'GB', 'From'), [*lines, ['all', '', total, '']])}"


def _size(gigabytes: float) -> str:
    return f"{gigabytes:,.1f}" if gigabytes >= 0.05 else "under 0.1"


def language_models(config: Config, roles: Sequence[RoleUse]) -> str:
    """Return what the roles will read, write and cost, as a table."""
    if not config.chat.roles:
        return "Language models by API: no role has one."
    if not roles:
        return f"Language models ({', '.join(config.chat.roles)}): tokens and money are not counted in this plan."
    headings = ("Role", "Model", "Requests", "Tokens in", "Tokens out", "Money", "Tokens from")
    counted = ("requests", "tokens_in", "tokens_out")
    lines = [
        [one.role, one.model, *(f"{getattr(one, key):,}" for key in counted), f"{one.money:,.2f}", one.basis]
        for one in roles
    ]
    total = [f"{sum(getattr(one, key) for one in roles):,}" for key in counted]
    lines.append(["all", "", *total, f"{sum(one.money for one in roles):,.2f}", ""])
    return f"Language models\n\n{_table(headings, lines)}"


def _basis(config: Config, planned: pl.DataFrame, disk: Sequence[Part], roles: Sequence[RoleUse]) -> str:
    """Return which of the figures were measured, which are assumed, and from what."""
    cluster = config.cluster
    said = []
    if (planned["from"] == "measured").any():
        said.append(
            "CPU hours and memory of steps marked measured: seconds an item of the micro preset on one core "
            "(workflow/resources/costs.csv), times this preset's items."
        )
    if ((planned["from"] == "assumed") & (planned["gpu_hours"] == 0)).any():
        said.append("CPU hours of steps marked assumed, and of downloads: guessed; no run has measured them.")
    if planned["gpu_hours"].sum():
        said.append(
            "GPU hours, and CPU hours and memory of steps with GPUs: all assumed, nothing was measured on a GPU. "
            f"Operations of the model's size over {cluster.teraflops:g} TFLOP/s sustained; {cluster.image_tokens:,} "
            f"tokens an image, encoded once, {cluster.text_tokens:,} a question; a pair of training at its longest "
            "(keys cluster.teraflops, image_tokens, text_tokens). Expect a factor of two either way; the first "
            "answering job tells (docs/cluster.md)."
        )
    if disk:
        said.append(
            "Disk: as marked; measured are a scene and an answer of the micro preset, assumed the mean size of "
            "photographs, bytes a parameter, size of adapters. Not counted: the suites' own files (`python -m finer "
            "doctor` sums what is still to be fetched), the hub's cache with the language models of roles in process, "
            "and the tables of stages that are not listed."
        )
    if roles:
        said.append(
            "Tokens marked rehearsal: measured on a few real captions (workflow/resources/tokens.csv), four bytes "
            "counted as one token, with replies written by rules, none sent back: a model may write several times as "
            "many. Tokens marked assumed: image_tokens and text_tokens a question."
        )
        said.append(
            "Prices: assumed; those of chat.models, which nobody asked the providers for, without discounts; 0 where "
            "none are given (a model on GPUs of its own costs GPU hours). Money is tokens times prices."
        )
    if config.world is None:
        said.append("Items: those asked for; images and captions are as many as `size` says.")
    return "What is measured, what assumed\n\n" + "\n".join(f"- {line}" for line in said) if said else ""


def _table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, aligned to be read as it is: the first column left, the others right."""
    widths = [max(map(len, column)) for column in zip(headings, *lines, strict=True)]
    rows = [headings, ["-" * width for width in widths], *lines]
    return "\n".join(
        "| " + " | ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ) + " |"
        for row in rows
    )  # fmt: skip
