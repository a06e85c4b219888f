"""What seeing the image adds: the same pairs answered with the right image, and about a wrong one or without any."""

from __future__ import annotations

import numpy as np
import polars as pl

from finer.schemas import CONTROLS
from finer.stats.intervals import (
    RARE_IMAGES,
    Array,
    Flags,
    newcombe,
    percentile_bounds,
    resampled_shares,
    shares,
)
from finer.stats.samples import Sample, estimate_rows, share_rows
from finer.stats.tallies import tallies

BLIND, SEEN, GAIN = "paired_accuracy", "seen_paired_accuracy", "gain_of_seeing"
_QUESTION = ["suite", "benchmark", "group_id", "answering"]


def blind_tallies(items: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Count right pairs of the questions that have a control: ``paired_accuracy`` under it, ``seen_…`` without it.

    Both carry the control's name in ``control``. Returns the columns of ``tallies``.
    """
    parts = []
    plain = items.filter(pl.col("control") == "none")
    for control in CONTROLS[1:]:
        asked = items.filter(pl.col("control") == control)
        seen = plain.join(asked, on=_QUESTION, how="semi")
        for part, statistic in ((asked, BLIND), (seen, SEEN)):
            judged = verdicts.join(part, on=["item_id", "answering", "control"], how="semi")
            right = tallies(part, judged).filter(
                (pl.col("statistic") == "paired_accuracy") & pl.col("entity_count").is_null()
            )
            parts.append(right.with_columns(statistic=pl.lit(statistic), control=pl.lit(control)))
    return pl.concat(parts)


def seeing(counted: pl.DataFrame, sample: Sample, confidence: float) -> pl.DataFrame:
    """Return both shares of each cell with their intervals, and ``gain_of_seeing``: their difference in points.

    The difference is resampled as a whole, so that what is hard with and without the image cancels. Where it has the
    same sign in all but ``RARE_IMAGES`` images, the interval is Newcombe's hybrid of the two shares' own, as if they
    were independent: too wide rather than too narrow.

    Args:
        counted: rows of ``blind_tallies``.
        sample: the images.
        confidence: of the intervals.
    """
    parts, sides = [], []
    for statistic in (SEEN, BLIND):
        cells, hits, trials = sample.spread(counted.filter(pl.col("statistic") == statistic))
        rows, low, high = share_rows(cells, hits, trials, sample.weights, confidence)
        parts.append(rows)
        sides.append((shares(hits.sum(axis=0), trials.sum(axis=0)), low, high, hits))
    (seen, *seen_bounds, seen_hits), (blind, *blind_bounds, blind_hits) = sides
    resampled = (resampled_shares(hits, trials, sample.weights) for hits in (seen_hits, blind_hits))
    bounds = percentile_bounds(next(resampled) - next(resampled), confidence)
    hybrid = newcombe(seen, seen_bounds, blind, blind_bounds)
    few = alike(seen_hits - blind_hits, trials)
    low, high = (np.where(few, rare, usual) for rare, usual in zip(hybrid, bounds, strict=True))
    gains = cells.with_columns(statistic=pl.lit(GAIN))
    return pl.concat([*parts, estimate_rows(gains, seen - blind, (low, high), trials, few, "newcombe")])


def alike(difference: Array, trials: Array) -> Flags:
    """Return, per cell, whether fewer than ``RARE_IMAGES`` images differ from the commonest sign of the difference."""
    signs = np.stack([((np.sign(difference) == sign) & (trials > 0)).sum(axis=0) for sign in (-1, 0, 1)])
    return np.asarray((signs.sum(axis=0) - signs.max(axis=0)) < RARE_IMAGES)
