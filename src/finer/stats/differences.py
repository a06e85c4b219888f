"""Each variant of a model against its base on the same questions: differences, their intervals and p-values.

What is hard for both cancels, so differences are taken pair by pair and summed by image; images are resampled with the
weights of the estimates, and their signs are flipped for the p-value (``finer.stats.sign_flips``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from finer.errors import InputError
from finer.schemas import BASE, COMPARISONS, ITEMS, VERDICTS
from finer.stats.intervals import Array, newcombe, percentile_bounds, resampled_shares, shares, wilson, wilson_n
from finer.stats.samples import CELLS_AT_ONCE, Sample, estimate_rows, samples
from finer.stats.seeing import BLIND, GAIN, SEEN, alike, blind_tallies
from finer.stats.sign_flips import sign_flip_p
from finer.stats.tallies import only, tallies
from finer.store import check_table, read_tables, write_table

COMPARED = ("paired_accuracy", "positive_accuracy", "negative_accuracy", "yes_share", "no_share")
_ASKED = ["item_id", "answering", "control", "scorer"]
Side = list[tuple[Array, Array]]  # shares asked about: hits, trials


@dataclass(frozen=True)
class Resampling:
    """How intervals and p-values are drawn."""

    seed: int
    resamples: int
    confidence: float


def compare(
    items: Sequence[str | Path], verdicts: Sequence[str | Path], output: str | Path, how: Resampling, benchmark: str
) -> None:
    """Read item and verdict files (each list is one table in parts) and write their comparisons.

    Args:
        items, verdicts, output: files of ITEMS and VERDICTS, and of COMPARISONS.
        how: how to resample.
        benchmark: the only one to compare on; empty: all of them.
    """
    asked, judged = only(read_tables(items, ITEMS), read_tables(verdicts, VERDICTS), benchmark)
    write_table(comparisons(asked, judged, how), COMPARISONS, output)


def comparisons(items: pl.DataFrame, verdicts: pl.DataFrame, how: Resampling) -> pl.DataFrame:
    """Return the COMPARISONS of every variant with its model's base, per benchmark and setting and pooled.

    Values are points: the variant's percentage minus the base's, of the statistics ``COMPARED`` and of
    ``gain_of_seeing``. Raises InputError if a variant has no base, or the two were not asked the same questions.
    """
    check_same_questions(verdicts)
    plain = pl.col("control") == "none"
    counted = tallies(items.filter(plain), verdicts.filter(plain))
    blind = blind_tallies(items, verdicts)
    parts = []
    for sample in samples(counted, how.seed, how.resamples):
        chosen = counted.filter(pl.col("statistic").is_in(COMPARED), pl.col("entity_count").is_null())
        parts.append(_compared(sample, [chosen], how))
        sides = [blind.filter(pl.col("statistic") == name).with_columns(statistic=pl.lit(GAIN))
                 for name in (SEEN, BLIND)]  # fmt: skip
        parts.append(_compared(sample, sides, how))
    return check_table(pl.concat(parts).sort(COMPARISONS.key) if parts else COMPARISONS.empty(), COMPARISONS)


def check_same_questions(verdicts: pl.DataFrame) -> None:
    """Raise InputError unless each variant answered the questions that its model's base answered, and no others."""
    based = set(verdicts.filter(pl.col("variant") == BASE)["model"])
    asked = dict(_questions(verdicts))
    for (model, variant), questions in asked.items():
        if model not in based:
            raise InputError(
                "a variant without its base has nothing to be compared with", row=f"model {model}", field="variant",
                found=variant, expected=BASE, cure="give the verdicts of the base too",
            )  # fmt: skip
        base = asked[model, BASE]
        if not questions.equals(base):
            odd = pl.concat([questions.join(base, on=_ASKED, how="anti"), base.join(questions, on=_ASKED, how="anti")])
            raise InputError(
                "a variant and its base were not asked the same questions", row=f"model {model}, variant {variant}",
                field=", ".join(_ASKED), found=f"{odd.height} verdicts of one of them only, such as {odd.row(0)}",
                expected="the same questions for both", cure="answer and score all items with both",
            )  # fmt: skip


def _questions(verdicts: pl.DataFrame) -> Iterator[tuple[tuple[str, str], pl.DataFrame]]:
    for (model, variant), own in verdicts.group_by("model", "variant"):
        yield (str(model), str(variant)), own.select(_ASKED).sort(_ASKED)


def _compared(sample: Sample, parts: Sequence[pl.DataFrame], how: Resampling) -> pl.DataFrame:
    """Compare the sum of signed shares: the first part less, of a gain, the second one."""
    sides: list[Side] = []
    cells = pl.DataFrame()
    for frames in zip(*map(_sides, parts), strict=True):
        side: Side = []
        for counted in frames:
            cells, hits, trials = sample.spread(counted)
            side.append((hits, trials))
        sides.append(side)
    blocks = [COMPARISONS.empty()]
    for start in range(0, cells.height, CELLS_AT_ONCE):
        here = slice(start, start + CELLS_AT_ONCE)
        variant, base = ([(hits[:, here], trials[:, here]) for hits, trials in side] for side in sides)
        blocks.append(_rows(sample, cells[here], variant, base, how))
    return pl.concat(blocks)


def _sides(counted: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the tallies of the variants, and those of their bases under the same names."""
    tuned = counted.filter(pl.col("variant") != BASE)
    pairs = tuned.select("model", "variant").unique()
    base = counted.filter(pl.col("variant") == BASE).drop("variant").join(pairs, on="model")
    return tuned, base.select(counted.columns)


def _rows(sample: Sample, cells: pl.DataFrame, variant: Side, base: Side, how: Resampling) -> pl.DataFrame:
    trials = variant[0][1]
    sums = _signed(variant) - _signed(base)
    value = shares(sums.sum(axis=0), trials.sum(axis=0))
    low, high = percentile_bounds(resampled_shares(sums, trials, sample.weights), how.confidence)
    few = alike(sums, trials)
    rare = rare_difference(sums, trials, how.confidence)
    bounds = np.where(few, rare[0], low), np.where(few, rare[1], high)
    p = sign_flip_p(sums, how.seed, sample.suite, sample.benchmark)
    rows = estimate_rows(cells, value, bounds, trials, few, "newcombe")
    return rows.with_columns(against=pl.lit(BASE), p_value=pl.Series(p)).select(list(COMPARISONS.columns))


def _signed(side: Side) -> Array:
    """Return hits per image and cell; of a gain, those with the image less those without."""
    hits = side[0][0]
    return hits - side[1][0] if len(side) > 1 else hits


def rare_difference(sums: Array, trials: Array, confidence: float) -> tuple[Array, Array]:
    """Return the interval of a difference that few images make: what was gained less what was lost, each a share.

    What both have right or wrong does not enter, so that a difference in few pairs has a narrow interval however large
    the two shares are. Bounds of either share: Wilson's with an effective number of pairs; of their difference:
    Newcombe's hybrid (1998), as if gains and losses were independent, which is too wide rather than too narrow.

    Args:
        sums: images x cells, right pairs of the variant less those of the base.
        trials: images x cells, pairs.
        confidence: of the interval.
    """
    found = []
    for moved in (np.clip(sums, 0, trials), np.clip(-sums, 0, trials)):
        share = shares(moved.sum(axis=0), trials.sum(axis=0))
        found.append((share, wilson(share, wilson_n(moved, trials), confidence)))
    (gained, gained_bounds), (lost, lost_bounds) = found
    return newcombe(gained, gained_bounds, lost, lost_bounds)
