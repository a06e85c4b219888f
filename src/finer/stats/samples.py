"""Samples of images: which are resampled together, tallies spread over them, and shares as rows of estimates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from finer.schemas import POOLED
from finer.stats.intervals import Array, Flags, bootstrap_weights, share_intervals, shares
from finer.stats.tallies import CELL

CELLS_AT_ONCE = 512  # bounds the memory of (resamples, cells) arrays; the numbers do not depend on it


@dataclass(frozen=True)
class Sample:
    """The images of one suite and benchmark, or of all of a suite's benchmarks (``pooled``), with their resamples."""

    suite: str
    benchmark: str
    images: pl.DataFrame  # image, image_id: in the order of the weights' columns
    weights: Array  # resamples x images

    def tallies(self, counted: pl.DataFrame) -> pl.DataFrame:
        """Return the tallies of this sample under its name."""
        here = (pl.col("suite") == self.suite) & ((pl.col("benchmark") == self.benchmark) | (self.benchmark == POOLED))
        return counted.filter(here).with_columns(benchmark=pl.lit(self.benchmark))

    def spread(self, counted: pl.DataFrame) -> tuple[pl.DataFrame, Array, Array]:
        """Spread the sample's tallies: cells (one row each, columns ``CELL``), hits and trials (images, cells)."""
        own = self.tallies(counted)
        cells = own.select(CELL).unique().sort(CELL)
        placed = own.join(self.images, on="image_id").join(
            cells.with_row_index("cell"), on=CELL, nulls_equal=True, validate="m:1"
        )
        at = (placed["image"].to_numpy(), placed["cell"].to_numpy())
        hits, trials = (np.zeros((self.images.height, cells.height)) for _ in range(2))
        hits[at], trials[at] = placed["hits"].to_numpy(), placed["trials"].to_numpy()
        return cells, hits, trials


def samples(counted: pl.DataFrame, seed: int, resamples: int) -> Iterator[Sample]:
    """Yield each benchmark of each suite and, of suites with several, all together.

    Pooled, each benchmark's images are resampled apart from the others' (a stratified bootstrap): which benchmarks
    there are is no accident.
    """
    for suite, benchmarks in counted.group_by("suite", maintain_order=True):
        name = str(suite[0])
        found: list[tuple[pl.DataFrame, Array]] = []
        for key, rows in benchmarks.sort("benchmark").group_by("benchmark", maintain_order=True):
            images = rows.select("image_id").unique().sort("image_id")
            weights = bootstrap_weights(images.height, resamples, seed, name, str(key[0]))
            found.append((images, weights))
            yield Sample(name, str(key[0]), images.with_row_index("image"), weights)
        if len(found) > 1:
            pooled = pl.concat([images for images, _ in found]).with_row_index("image")
            yield Sample(name, POOLED, pooled, np.hstack([weights for _, weights in found]))


def share_rows(
    cells: pl.DataFrame, hits: Array, trials: Array, weights: Array, confidence: float
) -> tuple[pl.DataFrame, Array, Array]:
    """Return rows of estimates with each cell's share in percent and its interval; and the bounds as shares."""
    found = share_intervals(hits, trials, weights, confidence)
    share = shares(hits.sum(axis=0), trials.sum(axis=0))
    return estimate_rows(cells, share, (found.low, found.high), trials, found.wilson, "wilson"), found.low, found.high


def estimate_rows(
    cells: pl.DataFrame, value: Array, bounds: tuple[Array, Array], trials: Array, other: Flags, method: str
) -> pl.DataFrame:
    """Return rows of estimates in percent; ``other``: cells whose interval is by ``method``, not by the bootstrap."""
    return cells.with_columns(
        value=pl.Series(100 * value),
        ci_low=pl.Series(100 * bounds[0]),
        ci_high=pl.Series(100 * bounds[1]),
        n=pl.Series(trials.sum(axis=0).astype(np.int64)),
        n_images=pl.Series((trials > 0).sum(axis=0).astype(np.int64)),
        interval=pl.Series(np.where(other, method, "bootstrap").tolist(), dtype=pl.String),
    )
