"""Verdicts of a suite -> its numbers with intervals, and differences of tuned models from their bases with tests.

Every number is a function of sums over clusters. A resample draws clusters with replacement and computes the function
anew from the resampled sums, so that a ratio, an F1 or a mean of ratios has its interval like a share. The test of a
difference swaps the two variants' answers cluster by cluster: if the variant made no difference, each cluster could as
well have gone the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from finer.errors import InputError
from finer.keys import generator
from finer.schemas import BASE, ITEMS, SUITE_COMPARISONS, SUITE_ESTIMATES, VERDICTS
from finer.stats.differences import rare_difference
from finer.stats.intervals import Array, bootstrap_weights, percentile_bounds, share_intervals
from finer.stats.seeing import alike
from finer.store import check_table, read_tables, write_table
from finer.suites.suite import Statistic, Suite, load_suite, ratio

SWAPS = 10_000
EXACT = 12  # clusters that differ: up to here all swaps are counted
_BLOCK = 1000  # swaps at once
_SCALE = {"percent": 100.0, "score": 1.0}
Sums = Mapping[str, Array]  # part -> values, one a cluster


class Counted:
    """Sums of one model variant and scorer per cluster, clusters in one order for all variants."""

    def __init__(self, suite: Suite, judged: pl.DataFrame, clusters: Sequence[str]) -> None:
        tallied = suite.tally(judged)
        place = {cluster: number for number, cluster in enumerate(clusters)}
        self.parts: dict[str, Array] = {}
        for cluster, part, value in tallied.select("cluster", "part", "value").iter_rows():
            self.parts.setdefault(part, np.zeros(len(clusters)))[place[cluster]] += value

    def column(self, part: str, statistic: Statistic) -> Array:
        """Return the values of a part.

        Raises:
            InputError: the suite's tally has no such part.
        """
        if part not in self.parts:
            raise InputError(
                f"the suite's tally lacks a part of '{statistic.name}'", row=statistic.split, field="parts",
                found=", ".join(sorted(self.parts)), expected=part, cure="correct the suite's module",
            )  # fmt: skip
        return self.parts[part]

    def value(self, statistic: Statistic, weights: Array | None = None) -> Array:
        """Return the statistic of the sums, or of each resample: shape (resamples,)."""
        columns = [self.column(part, statistic) for part in statistic.parts]
        sums = [np.atleast_1d(column.sum() if weights is None else weights @ column) for column in columns]
        with np.errstate(invalid="ignore", divide="ignore"):
            return statistic.value(*sums) * _SCALE[statistic.unit]


def suite_estimates(
    suite: Suite, items: pl.DataFrame, verdicts: pl.DataFrame, *, seed: int, resamples: int, confidence: float
) -> pl.DataFrame:
    """Return SUITE_ESTIMATES of all model variants of a suite.

    Args:
        suite: the suite.
        items: its ITEMS.
        verdicts: VERDICTS of every model variant.
        seed: the config's seed.
        resamples: bootstrap resamples over clusters.
        confidence: of the intervals.
    """
    rows: list[dict[str, object]] = []
    for (model, variant), scorer, counted, judged, weights in _counted(suite, items, verdicts, seed, resamples):
        for statistic in (one for one in suite.statistics if one.scorer == scorer):
            low, high = _bounds(counted, statistic, weights, confidence)
            rows.append(
                {
                    "suite": suite.name, "model": model, "variant": variant, "scorer": scorer,
                    "split": statistic.split, "statistic": statistic.name,
                    "value": _number(counted.value(statistic)[0]), "ci_low": _number(low[0]),
                    "ci_high": _number(high[0]), "n": round(float(counted.column(statistic.n, statistic).sum())),
                    "n_clusters": _clusters(counted, statistic), "unparsed": _unparsed(judged, statistic.split),
                }
            )  # fmt: skip
    return check_table(pl.DataFrame(rows, schema=dict(SUITE_ESTIMATES.columns), orient="row"), SUITE_ESTIMATES)


def suite_comparisons(
    suite: Suite, items: pl.DataFrame, verdicts: pl.DataFrame, *, seed: int, resamples: int, confidence: float
) -> pl.DataFrame:
    """Return SUITE_COMPARISONS: each variant of a model against its base, on the same items and resamples."""
    found = {
        (*subject, scorer): (counted, weights)
        for subject, scorer, counted, _, weights in _counted(suite, items, verdicts, seed, resamples)
    }
    rows: list[dict[str, object]] = []
    for (model, variant, scorer), (tuned, weights) in found.items():
        if variant == BASE or (model, BASE, scorer) not in found:
            continue
        base = found[model, BASE, scorer][0]
        for statistic in (one for one in suite.statistics if one.scorer == scorer):
            low, high = _difference_bounds(tuned, base, statistic, weights, confidence)
            difference = tuned.value(statistic)[0] - base.value(statistic)[0]
            key = (suite.name, model, variant, scorer, statistic.split, statistic.name)
            rows.append(
                {
                    "suite": suite.name, "model": model, "variant": variant, "against": BASE, "scorer": scorer,
                    "split": statistic.split, "statistic": statistic.name, "value": _number(difference),
                    "ci_low": _number(low[0]), "ci_high": _number(high[0]),
                    "p_value": swap_test(tuned, base, statistic, seed, *key),
                    "n": round(float(tuned.column(statistic.n, statistic).sum())),
                    "n_clusters": _clusters(tuned, statistic),
                }
            )  # fmt: skip
    return check_table(pl.DataFrame(rows, schema=dict(SUITE_COMPARISONS.columns), orient="row"), SUITE_COMPARISONS)


def _is_share(statistic: Statistic) -> bool:
    """Whether a statistic is a share of its items, so that a few clusters decide it near 0 and 100 %."""
    return statistic.value is ratio and statistic.unit == "percent"


def _bounds(counted: Counted, statistic: Statistic, weights: Array, confidence: float) -> tuple[Array, Array]:
    """Return the interval of a statistic; of a share by the rule of ``finer.stats.intervals``, Wilson's included."""
    if not _is_share(statistic):
        return percentile_bounds(counted.value(statistic, weights)[:, None], confidence)
    hits, trials = (counted.column(part, statistic)[:, None] for part in statistic.parts)
    found = share_intervals(hits, trials, weights, confidence)
    return 100 * found.low, 100 * found.high


def _difference_bounds(
    tuned: Counted, base: Counted, statistic: Statistic, weights: Array, confidence: float
) -> tuple[Array, Array]:
    """Return the interval of a difference; of shares that few clusters change, from the items gained and lost."""
    if _is_share(statistic):
        (one, trials), (other, asked) = ([side.column(part, statistic) for part in statistic.parts]
                                         for side in (tuned, base))  # fmt: skip
        sums = (one - other)[:, None]
        if np.array_equal(trials, asked) and bool(alike(sums, trials[:, None])[0]):
            low, high = rare_difference(sums, trials[:, None], confidence)
            return 100 * low, 100 * high
    draws = tuned.value(statistic, weights) - base.value(statistic, weights)
    return percentile_bounds(draws[:, None], confidence)


def swap_test(tuned: Counted, base: Counted, statistic: Statistic, seed: int, *key: object) -> float | None:
    """Return the two-sided p-value of a difference: how often swapping whole clusters gives one as large.

    All swaps are counted where few clusters differ, else ``SWAPS`` drawn ones, the observed one among them
    (Phipson and Smyth 2010). None where the difference is not defined.
    """
    columns = [(tuned.column(part, statistic), base.column(part, statistic)) for part in statistic.parts]
    observed = _difference(statistic, [(one.sum(), other.sum()) for one, other in columns])
    if np.isnan(observed[0]):
        return None
    differs = np.flatnonzero(np.any([one != other for one, other in columns], axis=0))
    if len(differs) == 0:
        return 1.0
    changes = [(one - other)[differs] for one, other in columns]
    totals = [(float(one.sum()), float(other.sum())) for one, other in columns]
    extreme = done = 0
    for swapped in _swaps(len(differs), seed, key):
        moved = [swapped @ change for change in changes]
        values = _difference(
            statistic, [(total - move, other + move) for (total, other), move in zip(totals, moved, strict=True)]
        )
        extreme += int(np.sum(np.abs(values) >= np.abs(observed[0]) - 1e-9))
        done += len(swapped)
    return extreme / done if len(differs) <= EXACT else (extreme + 1) / (done + 1)


def _swaps(clusters: int, seed: int, key: Sequence[object]) -> Iterator[Array]:
    """Yield blocks (swaps, clusters) of zeros and ones: which clusters are swapped."""
    if clusters <= EXACT:
        numbers = np.arange(2**clusters)[:, None]
        yield ((numbers >> np.arange(clusters)) & 1).astype(np.float64)
        return
    rng = np.random.default_rng(generator(seed, "swaps", *key).getrandbits(64))
    for _ in range(SWAPS // _BLOCK):
        yield rng.integers(0, 2, size=(_BLOCK, clusters)).astype(np.float64)


def _difference(statistic: Statistic, sums: Sequence[tuple[Array | float, Array | float]]) -> Array:
    tuned, base = ([np.atleast_1d(np.asarray(pair[side], dtype=np.float64)) for pair in sums] for side in (0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (statistic.value(*tuned) - statistic.value(*base)) * _SCALE[statistic.unit]


def _counted(
    suite: Suite, items: pl.DataFrame, verdicts: pl.DataFrame, seed: int, resamples: int
) -> Iterator[tuple[tuple[str, str], str, Counted, pl.DataFrame, Array]]:
    keys = ["item_id", "answering", "control"]
    joined = verdicts.join(items, on=keys, how="inner", validate="m:1")
    groups: dict[tuple[str, ...], pl.DataFrame] = {
        tuple(map(str, key)): rows
        for key, rows in sorted(
            joined.group_by("model", "variant", "scorer"), key=lambda pair: tuple(map(str, pair[0]))
        )
    }
    weights: dict[tuple[str, ...], Array] = {}
    for (model, variant, scorer), judged in groups.items():
        clusters = tuple(suite.tally(judged)["cluster"].unique().sort())
        if clusters not in weights:
            weights[clusters] = bootstrap_weights(len(clusters), resamples, seed, suite.name, scorer)
        yield (model, variant), scorer, Counted(suite, judged, clusters), judged, weights[clusters]


def _clusters(counted: Counted, statistic: Statistic) -> int:
    return int(np.sum(counted.column(statistic.n, statistic) > 0))


def _unparsed(judged: pl.DataFrame, split: str) -> float:
    own = judged if split == "all" else judged.filter(pl.col("grouping") == split)
    rows = own if own.height else judged
    return 100 * float(rows["unparsed"].mean())  # type: ignore[arg-type]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def write_suite_numbers(
    module: str,
    name: str,
    items: Sequence[str | Path],
    verdicts: Sequence[str | Path],
    estimates: str | Path,
    comparisons: str | Path,
    *,
    seed: int,
    resamples: int,
    confidence: float,
) -> None:
    """Read a suite's items and verdicts, write SUITE_ESTIMATES and SUITE_COMPARISONS under the configured name.

    Args:
        module: the suite's module.
        name: its name in the configuration.
        items, verdicts, estimates, comparisons: files.
        seed, resamples, confidence: of the intervals.
    """
    tables = read_tables(items, ITEMS), read_tables(verdicts, VERDICTS)
    suite = replace(load_suite(module), name=name)
    for compute, table, path in (
        (suite_estimates, SUITE_ESTIMATES, estimates), (suite_comparisons, SUITE_COMPARISONS, comparisons),
    ):  # fmt: skip
        found = compute(suite, *tables, seed=seed, resamples=resamples, confidence=confidence)
        write_table(found, table, path)
