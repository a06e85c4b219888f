"""Running a suite on hand-made files and replies, without a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

from finer.raw.records import BadItems
from finer.schemas import RESPONSES
from finer.scoring.suites import suite_verdicts
from finer.stats.suites import suite_estimates
from finer.store import table_from
from finer.suites.suite import Sources, Suite

Reply = Callable[[Mapping[str, Any]], str]


def blank_images(folder: Path, *names: str) -> Path:
    """Save small blank images."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    return folder


def items_of(suite: Suite, sources: Sources, on_bad_item: Any = "stop") -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return ITEMS and DROPS of a suite's files."""
    bad = BadItems(sources.benchmark, on_bad_item)
    return suite.read(sources, bad), bad.table()


def replied(items: pl.DataFrame, reply: Reply, model: str = "m", variant: str = "base") -> pl.DataFrame:
    """Return RESPONSES in which ``reply`` answers each item (a row of ITEMS as a mapping)."""
    rows = [
        {
            "item_id": row["item_id"], "model": model, "variant": variant, "answering": row["answering"],
            "control": row["control"], "text": reply(row), "option_logprobs": [0.0] * len(row["options"] or []),
            "engine": "hand", "run_id": "hand",
        }
        for row in items.iter_rows(named=True)
    ]  # fmt: skip
    return table_from(rows, RESPONSES)


def numbers(suite: Suite, items: pl.DataFrame, *responses: pl.DataFrame) -> dict[tuple[str, str, str], float | None]:
    """Return (scorer, split, statistic) -> value of the first model variant."""
    found = suite_estimates(
        suite, items, suite_verdicts(suite, items, pl.concat(responses)), seed=1, resamples=100, confidence=0.95
    )
    rows = found.filter(pl.col("variant") == "base")
    return {(row["scorer"], row["split"], row["statistic"]): row["value"] for row in rows.iter_rows(named=True)}
