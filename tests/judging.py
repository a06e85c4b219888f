"""Judges for tests: by a function, by rules, or none at all; and the numbers of a judged suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from finer.schemas import ITEMS, RESPONSES
from finer.scoring.judge_requests import Request
from finer.scoring.judges import Judge, judge_suite, run_of
from finer.scoring.suites import suite_verdicts
from finer.stats.suites import suite_estimates
from finer.store import write_table
from finer.suites.suite import Suite


@dataclass
class ByFunction:
    """A judge whose replies a function gives; remembers what it was asked."""

    reply: Callable[[Request], str]
    name: str = "hand"
    revision: str = "1"
    asked: list[Request] = field(default_factory=list)

    @property
    def run_id(self) -> str:
        return run_of(self.name, self.revision)

    def ask(self, requests: Sequence[Request]) -> list[str]:
        self.asked += requests
        return [self.reply(request) for request in requests]


def judged(
    folder: Path, suite: Suite, items: pl.DataFrame, responses: pl.DataFrame, judge: Judge,
    wording: str = "structured", output: str = "judgements.parquet", known: Sequence[Path] = (),
) -> pl.DataFrame:  # fmt: skip
    """Return JUDGEMENTS, written to ``output`` under the folder."""
    write_table(items, ITEMS, folder / "items.parquet")
    write_table(responses, RESPONSES, folder / "responses.parquet")
    return judge_suite(
        suite.name, [folder / "items.parquet"], [folder / "responses.parquet"], judge, folder / output,
        wording=wording, known=known,
    )  # fmt: skip


def judged_numbers(
    suite: Suite, items: pl.DataFrame, responses: pl.DataFrame, judgements: pl.DataFrame
) -> dict[tuple[str, str], float | None]:
    """Return (split, statistic) -> value."""
    verdicts = suite_verdicts(suite, items, responses, judgements)
    found = suite_estimates(suite, items, verdicts, seed=1, resamples=100, confidence=0.95)
    return {(row["split"], row["statistic"]): row["value"] for row in found.iter_rows(named=True)}
