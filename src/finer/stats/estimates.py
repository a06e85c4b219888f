"""Verdicts become estimates: every share with its interval, and d' and criterion beside the yes/no shares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from finer.schemas import ESTIMATES, ITEMS, VERDICTS
from finer.stats.detection import d_prime_and_criterion
from finer.stats.intervals import Array, clustered_error, minimal_detectable_difference, percentile_bounds
from finer.stats.samples import CELLS_AT_ONCE, Sample, samples, share_rows
from finer.stats.seeing import blind_tallies, seeing
from finer.stats.tallies import CELL, only, tallies
from finer.store import check_table, read_tables, write_table

#: statistics that are not shares in percent
NOT_PERCENT = ("d_prime", "criterion")


def estimate(
    items: Sequence[str | Path],
    verdicts: Sequence[str | Path],
    output: str | Path,
    *,
    seed: int,
    resamples: int,
    confidence: float,
    benchmark: str = "",
) -> None:
    """Read item and verdict files (each list is one table in parts) and write their estimates.

    ``benchmark``: the only one to estimate; empty: all of them.
    """
    tables = only(read_tables(items, ITEMS), read_tables(verdicts, VERDICTS), benchmark)
    frame = estimates(*tables, seed=seed, resamples=resamples, confidence=confidence)
    write_table(frame, ESTIMATES, output)


def estimates(
    items: pl.DataFrame,
    verdicts: pl.DataFrame,
    *,
    seed: int,
    resamples: int,
    confidence: float,
) -> pl.DataFrame:
    """Estimate every statistic of ``finer.stats.tallies.tallies`` in percent with its interval.

    Adds ``d_prime`` and ``criterion`` per yes/no cell (no interval where either share is too near 0 or 100 for the
    bootstrap) and ``minimal_detectable_difference`` in points per cell of paired accuracy; of questions that were also
    asked without seeing, the statistics of ``finer.stats.seeing``; and all of it once more ``pooled`` over a suite's
    benchmarks where there are several. The images of one suite and benchmark are resampled together, so a further
    model, cell or benchmark changes no other interval.
    """
    plain = pl.col("control") == "none"
    counted = tallies(items.filter(plain), verdicts.filter(plain))
    blind = blind_tallies(items, verdicts)
    parts = []
    for sample in samples(counted, seed, resamples):
        parts.append(_of_sample(counted, sample, confidence))
        parts.append(seeing(blind, sample, confidence).select(list(ESTIMATES.columns)))
    result = pl.concat(parts).sort(ESTIMATES.key) if parts else ESTIMATES.empty()
    return check_table(result, ESTIMATES)


def _of_sample(counted: pl.DataFrame, sample: Sample, confidence: float) -> pl.DataFrame:
    cells, hits, trials = sample.spread(counted)
    blocks = []
    for start in range(0, cells.height, CELLS_AT_ONCE):
        block = slice(start, start + CELLS_AT_ONCE)
        blocks.append(_share_rows(cells[block], hits[:, block], trials[:, block], sample.weights, confidence))
    rows = pl.concat(blocks)
    detected = _detection_rows(rows, hits, trials, sample.weights, confidence)
    return pl.concat([rows, *detected]).select(list(ESTIMATES.columns))


def _share_rows(cells: pl.DataFrame, hits: Array, trials: Array, weights: Array, confidence: float) -> pl.DataFrame:
    rows = share_rows(cells, hits, trials, weights, confidence)[0]
    detectable = 100 * minimal_detectable_difference(clustered_error(hits, trials), confidence)
    accuracy = (pl.col("statistic") == "paired_accuracy") & pl.col("entity_count").is_null()
    powers = rows.with_columns(detectable=pl.Series(detectable)).filter(accuracy).with_columns(
        statistic=pl.lit("minimal_detectable_difference"),
        # Where the accuracy is too near 0 or 100 for the bootstrap, its standard error means as little.
        value=pl.when(pl.col("interval") == "bootstrap").then(pl.col("detectable")),
        ci_low=pl.lit(None, dtype=pl.Float64), ci_high=pl.lit(None, dtype=pl.Float64), interval=pl.lit("none"),
    ).drop("detectable")  # fmt: skip
    return pl.concat([rows, powers])


def _detection_rows(
    rows: pl.DataFrame, hits: Array, trials: Array, weights: Array, confidence: float
) -> list[pl.DataFrame]:
    """d' and criterion of each cell that has both shares; ``rows`` starts with one row a column of ``hits``."""
    shared = [name for name in CELL if name != "statistic"]
    numbered = rows.filter(pl.col("statistic") != "minimal_detectable_difference").with_row_index("cell")
    wrong = numbered.filter(pl.col("statistic") == "no_share")
    right = numbered.filter(pl.col("statistic") == "yes_share")
    both = wrong.join(right, on=shared, nulls_equal=True, suffix="_right", maintain_order="left")
    if both.is_empty():
        return []
    at_wrong, at_right = both["cell"].to_numpy(), both["cell_right"].to_numpy()

    def detect(sums_hits: Array, sums_trials: Array) -> tuple[Array, Array]:
        denied, asked = sums_hits[..., at_wrong], sums_trials[..., at_wrong]
        return d_prime_and_criterion(sums_hits[..., at_right], sums_trials[..., at_right], asked - denied, asked)

    values = detect(hits.sum(axis=0), trials.sum(axis=0))
    draws = detect(weights @ hits, weights @ trials)
    trusted = (pl.col("interval") == "bootstrap") & (pl.col("interval_right") == "bootstrap")
    parts = []
    for statistic, value, draw in zip(NOT_PERCENT, values, draws, strict=True):
        low, high = percentile_bounds(draw, confidence)
        part = both.with_columns(value=pl.Series(value), low=pl.Series(low), high=pl.Series(high)).with_columns(
            statistic=pl.lit(statistic),
            ci_low=pl.when(trusted).then("low"),
            ci_high=pl.when(trusted).then("high"),
            n=pl.col("n") + pl.col("n_right"),
            n_images=pl.max_horizontal("n_images", "n_images_right"),
            interval=pl.when(trusted).then(pl.lit("bootstrap")).otherwise(pl.lit("none")),
        )
        parts.append(part.select(rows.columns))
    return parts
