"""What one item costs: the benchmark files of a real run become a small table, kept in the repository.

A step of the table is a rule, or several rules whose names begin with it. A step that no run has measured stands
there with ``jobs`` 0: what it costs is assumed, and a measured run of it replaces the line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl

from finer.config import Config
from finer.errors import InputError
from finer.planning.counts import STEPS, UNITS, Counts, step_of
from finer.store import write_text

FILE = Path("workflow/resources/costs.csv")
SCHEMA = {
    "step": pl.String(), "unit": pl.String(), "jobs": pl.Int64(), "items": pl.Float64(), "seconds": pl.Float64(),
    "seconds_median": pl.Float64(), "seconds_max": pl.Float64(), "cpu_seconds": pl.Float64(), "memory_mb": pl.Float64(),
}  # fmt: skip
# Seconds and megabytes of a process before its first item: bare, with a parser of language, with a model's libraries.
_BARE, _PARSER, _MODEL = (0.3, 100.0), (3.0, 300.0), (6.0, 500.0)


@dataclass(frozen=True)
class Cost:
    """A step's jobs as measured: means over them, but for the largest time and memory. ``items`` is 1 if none count."""

    step: str
    unit: str
    jobs: int
    items: float
    seconds: float
    seconds_median: float
    seconds_max: float
    cpu_seconds: float
    memory_mb: float

    @property
    def start(self) -> tuple[float, float]:
        """Seconds and megabytes that a job takes whatever its items are."""
        if self.step.startswith(("answer", "verify", "train", "base")):
            return _MODEL
        return _PARSER if self.step.startswith(("scene_graphs_from_captions", "scene_graphs_of")) else _BARE

    def time(self, items: float) -> float:
        """Return the seconds of a job with so many items: the start, and as much an item as was measured."""
        return self._grown(self.seconds, self.start[0], items)

    def memory(self, items: float) -> float:
        """Return the megabytes of a job with so many items."""
        return self._grown(self.memory_mb, self.start[1], items)

    def _grown(self, measured: float, start: float, items: float) -> float:
        if self.step not in UNITS:
            return measured
        start = min(start, measured)
        return start + (measured - start) * items / max(self.items, 1.0)


@cache
def load_costs(file: str | Path = FILE) -> dict[str, Cost]:
    """Read the table; the steps are its keys."""
    try:
        table = pl.read_csv(file, schema=SCHEMA)
    except OSError as error:
        raise InputError("cannot be read", file=file, found=str(error), expected="the table of measured costs",
                         cure="run from the repository's folder, or python -m finer costs") from error  # fmt: skip
    return {row["step"]: Cost(**row) for row in table.iter_rows(named=True)}


def cost_of(rule: str, costs: Mapping[str, Cost]) -> Cost:
    """Return the costs of a rule's step; a rule without any is an error."""
    step = step_of(rule, costs)
    if step is None:
        raise InputError(
            "a rule without measured or assumed costs", file=FILE, found=rule, expected="a line of its own",
            cure="add the line with jobs 0, or measure: python -m finer costs",
        )  # fmt: skip
    return costs[step]


def measure(files: Sequence[Path], config: Config, assumed: Mapping[str, Cost]) -> pl.DataFrame:
    """Return the table from a run's benchmark files (``RULE.WILDCARD….tsv``) and its configuration.

    Lines of ``assumed`` whose steps were not run are kept as they are.
    """
    counts = Counts(config)
    rows = []
    for file in files:
        rule, _, rest = file.stem.partition(".")
        step = step_of(rule, STEPS) or rule
        read = pl.read_csv(file, separator="\t", null_values=["NA", "-"]).row(0, named=True)
        rows.append((step, _items(counts, step, rest), float(read["s"]), float(read["cpu_time"] or 0.0),
                     float(read["max_rss"] or 0.0)))  # fmt: skip
    each = pl.DataFrame(rows, schema=["step", "items", "seconds", "cpu_seconds", "memory_mb"], orient="row")
    found = each.group_by("step").agg(
        jobs=pl.len().cast(pl.Int64), items=pl.col("items").mean(), seconds=pl.col("seconds").mean(),
        seconds_median=pl.col("seconds").median(), seconds_max=pl.col("seconds").max(),
        cpu_seconds=pl.col("cpu_seconds").mean(), memory_mb=pl.col("memory_mb").max(),
    )  # fmt: skip
    found = found.with_columns(unit=pl.col("step").replace_strict(STEPS, default="jobs", return_dtype=pl.String))
    kept = [vars(cost) for step, cost in assumed.items() if step not in set(found["step"])]
    table = pl.concat([found.select(list(SCHEMA)), pl.DataFrame(kept, schema=SCHEMA)])
    return table.with_columns(pl.col(pl.Float64).round(2)).sort("step")


def write_costs(folder: str | Path, config: Config, out: str | Path) -> None:
    """Measure a run and renew the table."""
    assumed = load_costs(out) if Path(out).is_file() else {}
    files = sorted(Path(folder).glob("*.tsv"))
    if not files:
        raise InputError("no benchmark files", file=folder, expected="RULE.WILDCARDS.tsv", cure="run the workflow")
    write_text(out, measure(files, config, assumed).write_csv())


def _items(counts: Counts, step: str, rest: str) -> float:
    unit = UNITS.get(step)
    if unit is None:
        return 1.0
    # Only the first wildcard, a model's name, may have dots in it.
    names = unit.wildcards
    pattern = r"\.".join(f"(?P<{name}>{'.+' if place == 0 else '[^.]+'})" for place, name in enumerate(names))
    matched = re.fullmatch(pattern, rest)
    return float(unit.count(counts, matched.groupdict() if matched else {}))
