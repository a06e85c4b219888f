"""What suites of free answers share: where their file is, and sums of scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from finer.suites.suite import long

FREE = "free"


def file_in(raw: Path, *names: str) -> Path:
    """Return ``raw`` if it is a file, else the first of the names under it that there is (or the first name)."""
    if raw.is_file():
        return raw
    return next((raw / name for name in names if (raw / name).is_file()), raw / names[0])


def split_sums(
    judged: pl.DataFrame, cluster: str, splits: Mapping[str, pl.Expr], parts: Mapping[str, pl.Expr]
) -> pl.DataFrame:
    """Return the long table of sums "<split>.<part>"; a split without rows has sums of zero.

    Args:
        judged: items joined with verdicts of one model variant and scorer.
        cluster: column of what is resampled together.
        splits: name -> condition of the rows that belong to it; splits may overlap.
        parts: name -> what is summed.
    """
    names = [(split, part) for split in splits for part in parts]
    wide = judged.with_columns(
        pl.when(splits[split].fill_null(False)).then(parts[part].cast(pl.Float64)).otherwise(0.0)
        .alias(f"{split}.{part}")
        for split, part in names
    )  # fmt: skip
    return long(wide, cluster, *(f"{split}.{part}" for split, part in names)).sort("cluster", "part")


def is_one_of(column: pl.Expr, values: Sequence[str]) -> dict[str, pl.Expr]:
    """Return a split for each value of a column, and ``all``."""
    return {"all": pl.lit(True), **{value: column == value for value in values}}


def apart(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows whose keys are what the rows say, repeated ones numbered: the same question twice counts twice."""
    seen: Counter[str] = Counter()
    for row in rows:
        seen[row["key"]] += 1
        if seen[row["key"]] > 1:
            row["key"] = f"{row['key']}:{seen[row['key']]}"
    return rows
