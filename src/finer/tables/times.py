"""Where the time of a run went: the benchmark files that Snakemake leaves of each job, added up by step.

Clocks differ from run to run, so this table is no part of what `make verify` compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from finer.errors import InputError
from finer.store import write_text
from finer.tables.layout import Cell, Column, Group, Layout, Row, write_layout

SCHEMA = {"step": pl.String(), "jobs": pl.Int64(), "seconds": pl.Float64(), "cpu_seconds": pl.Float64(),
          "max_rss_mb": pl.Float64()}  # fmt: skip


def write_times(files: Sequence[str | Path], outputs: Sequence[str | Path]) -> None:
    """Write the table, longest step first, as .csv, .md, .tex or .html.

    Args:
        files: Snakemake's benchmark files (tab-separated: s, max_rss, cpu_time, …), named STEP.WHATEVER.tsv.
        outputs: the files to write.
    """
    found = times(files)
    for output in outputs:
        if Path(output).suffix == ".csv":
            write_text(output, found.write_csv())
        else:
            write_layout(times_layout(found), output)


def times(files: Sequence[str | Path]) -> pl.DataFrame:
    """Return columns ``SCHEMA``: per step its jobs, wall and CPU seconds of all of them, and the largest memory.

    Raises:
        InputError: a file without the columns that are needed.
    """
    rows = []
    for file in map(Path, files):
        read = pl.read_csv(file, separator="\t", null_values=["NA", "-"])
        if missing := {"s", "max_rss", "cpu_time"} - set(read.columns):
            raise InputError("not a benchmark file of Snakemake", file=file, field=min(missing), found=read.columns,
                             expected="columns s, max_rss, cpu_time", cure="run the job again")  # fmt: skip
        one = read.cast({"s": pl.Float64, "max_rss": pl.Float64, "cpu_time": pl.Float64})
        rows.append((file.name.split(".")[0], 1, one["s"].sum(), one["cpu_time"].sum(), one["max_rss"].max() or 0.0))
    each = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    summed = each.group_by("step").agg(pl.col("jobs", "seconds", "cpu_seconds").sum(), pl.col("max_rss_mb").max())
    return summed.with_columns(pl.col(pl.Float64).round(1)).sort(-pl.col("seconds"), "step")


def times_layout(found: pl.DataFrame) -> Layout:
    """Lay out the steps and their sum."""
    total = float(found["seconds"].sum())
    lines = [
        Row((row["step"],), (
            Cell(str(row["jobs"])), Cell(f"{row['seconds']:,.0f}"), Cell(f"{100 * row['seconds'] / total:.0f} %"),
            Cell(f"{row['cpu_seconds']:,.0f}"), Cell(f"{row['max_rss_mb']:,.0f}"),
        ))
        for row in found.iter_rows(named=True)
    ]  # fmt: skip
    jobs, cpu = int(found["jobs"].sum()), float(found["cpu_seconds"].sum())
    lines.append(Row(("all",), (Cell(str(jobs)), Cell(f"{total:,.0f}"), Cell("100 %"), Cell(f"{cpu:,.0f}"), Cell("")),
                     opens=True))  # fmt: skip
    columns = tuple(Column(title) for title in ("Jobs", "Seconds", "Share", "CPU seconds", "Memory (MB)"))
    note = "Seconds of all jobs of a step, one after the other; jobs that ran side by side took less."
    return Layout("Where the time goes", "times", ("Step",), (Group("", columns),), tuple(lines), (note,))
