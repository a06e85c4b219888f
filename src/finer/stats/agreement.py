"""Judgements of two judges on the same responses -> how far they agree, with intervals over images.

Agreement is the share of equal verdicts, Cohen's kappa what is beyond chance (Cohen 1960). An unreadable verdict is a
verdict of its own kind: it agrees with another unreadable one only. Ratings are also compared as hallucinating or not,
and over the responses whose two verdicts can both be read by kappa with quadratic weights (Cohen 1968) and by
Spearman's rank correlation. All of them are functions of one table of counts (verdict by verdict), so a resample of
images resamples counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from finer.errors import InputError
from finer.schemas import ITEMS, JUDGE_AGREEMENT, JUDGEMENTS
from finer.stats.intervals import Array, bootstrap_weights, percentile_bounds
from finer.store import check_table, read_tables, write_table

ANSWER = ("item_id", "model", "variant", "answering", "control")
HALLUCINATED_BELOW = 3.0  # of ratings from 0 to 6
RATED = frozenset({"rating_json", "rating_line"})
UNREAD = -1.0
Counts = Array  # (..., verdicts of one judge, of the other)


def write_judge_agreement(
    suites: Sequence[str], items: Sequence[str | Path], one: Sequence[str | Path], other: Sequence[str | Path],
    output: str | Path, *, seed: int, resamples: int, confidence: float,
) -> None:  # fmt: skip
    """Read items of some suites and two judges' JUDGEMENTS of their responses, and write JUDGE_AGREEMENT by suite.

    ``suites``: their names in the configuration, as the items' ``benchmark`` has them.
    """
    asked, judged = read_tables(items, ITEMS), [read_tables(files, JUDGEMENTS) for files in (one, other)]
    found = []
    for suite in suites:
        own = asked.filter(benchmark=suite)
        both = [table.join(own, on="item_id", how="semi") for table in judged]
        found.append(judge_agreement(suite, own, *both, seed=seed, resamples=resamples, confidence=confidence))
    write_table(pl.concat(found), JUDGE_AGREEMENT, output)


def judge_agreement(
    suite: str, items: pl.DataFrame, one: pl.DataFrame, other: pl.DataFrame, *, seed: int, resamples: int,
    confidence: float,
) -> pl.DataFrame:  # fmt: skip
    """Return JUDGE_AGREEMENT of two judges.

    Args:
        suite: name for the table.
        items: ITEMS, for the images.
        one: JUDGEMENTS of one judge.
        other: of the other, on the same responses; those that only one of them judged do not count.
        seed: the config's seed.
        resamples: bootstrap resamples over images.
        confidence: of the intervals.

    Raises:
        InputError: a table of several judges, or no response in common.
    """
    names = [_judge(table) for table in (one, other)]
    rated = all(set(table["parser"].unique()) <= RATED for table in (one, other))
    paired = _paired(items, one, other)
    images = paired["image_id"].unique().sort()
    values = sorted({*paired["verdict"], *paired["verdict_other"]})
    counts = _counts(paired, images, values)
    weights = bootstrap_weights(len(images), resamples, seed, "agreement", suite, *names)
    drawn = np.tensordot(weights, counts, axes=1)
    unread = int(((paired["verdict"] == UNREAD) | (paired["verdict_other"] == UNREAD)).sum())
    rows = []
    for name, statistic in _statistics(values, rated).items():
        low, high = percentile_bounds(statistic(drawn)[:, None], confidence)
        rows.append(
            {
                "suite": suite, "judge": names[0], "other": names[1], "statistic": name,
                "value": _number(statistic(counts.sum(axis=0)[None])[0]), "ci_low": _number(low[0]),
                "ci_high": _number(high[0]), "n": paired.height, "n_images": len(images), "unparsed": unread,
            }
        )  # fmt: skip
    return check_table(pl.DataFrame(rows, schema=dict(JUDGE_AGREEMENT.columns), orient="row"), JUDGE_AGREEMENT)


def _judge(table: pl.DataFrame) -> str:
    found = table.select("judge", "judge_revision", "prompt").unique()
    if found.height != 1:
        raise InputError("judgements of one judge and prompt are wanted", field="judge", found=found.height,
                         expected="1", cure="give one judge's file")  # fmt: skip
    return " ".join(found.row(0))


def _paired(items: pl.DataFrame, one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    read = pl.col("verdict").fill_null(UNREAD)
    both = (
        one.select(*ANSWER, read)
        .join(other.select(*ANSWER, read), on=list(ANSWER), suffix="_other")
        .join(items.select("item_id", "answering", "control", "image_id"), on=["item_id", "answering", "control"])
    )
    if both.is_empty():
        raise InputError(
            "no response that both judges judged", field="judgements", found="none",
            expected="judgements of the same responses", cure="give two judges' files of one run",
        )  # fmt: skip
    return both


def _counts(paired: pl.DataFrame, images: pl.Series, values: Sequence[float]) -> Counts:
    """Return counts of shape (images, values, values)."""
    places = [
        np.searchsorted(order, paired[column].to_numpy())
        for order, column in ((images.to_numpy(), "image_id"), (np.asarray(values), "verdict"),
                              (np.asarray(values), "verdict_other"))
    ]  # fmt: skip
    counts: Counts = np.zeros((len(images), len(values), len(values)))
    np.add.at(counts, tuple(places), 1.0)
    return counts


def _statistics(values: Sequence[float], rated: bool) -> Mapping[str, Callable[[Counts], Array]]:
    found: dict[str, Callable[[Counts], Array]] = {"agreement": agreement, "kappa": kappa}
    if rated:
        numbers = np.asarray(values)
        kinds = np.where(numbers == UNREAD, 2, np.where(numbers < HALLUCINATED_BELOW, 1, 0))
        merge = (kinds[:, None] == np.arange(3)).astype(np.float64)
        legible = numbers != UNREAD
        found["hallucination_agreement"] = lambda counts: agreement(merge.T @ counts @ merge)
        found["hallucination_kappa"] = lambda counts: kappa(merge.T @ counts @ merge)
        found["weighted_kappa"] = lambda counts: weighted_kappa(counts[:, legible][:, :, legible], numbers[legible])
        found["rank_correlation"] = lambda counts: rank_correlation(counts[:, legible][:, :, legible])
    return found


def agreement(counts: Counts) -> Array:
    """Return the share on the diagonal, in percent: shape (tables,)."""
    return 100 * _ratio(np.trace(counts, axis1=1, axis2=2), counts.sum(axis=(1, 2)))


def kappa(counts: Counts) -> Array:
    """Return Cohen's kappa; NaN where both judges always give one and the same verdict."""
    total = counts.sum(axis=(1, 2))
    observed = _ratio(np.trace(counts, axis1=1, axis2=2), total)
    expected = _ratio((counts.sum(axis=1) * counts.sum(axis=2)).sum(axis=1), total**2)
    return _ratio(observed - expected, 1 - expected)


def weighted_kappa(counts: Counts, values: Array) -> Array:
    """Return kappa with quadratic weights: 1 - squared differences of the verdicts / those expected by chance.

    Args:
        counts: of the verdicts in the order of ``values``.
        values: the verdicts as numbers.
    """
    apart = (values[:, None] - values[None, :]) ** 2
    margins = counts.sum(axis=2)[:, :, None] * counts.sum(axis=1)[:, None, :]
    expected = _ratio((margins * apart).sum(axis=(1, 2)), counts.sum(axis=(1, 2)))
    return np.asarray(1 - _ratio((counts * apart).sum(axis=(1, 2)), expected))


def rank_correlation(counts: Counts) -> Array:
    """Return Spearman's rho with middle ranks for ties, verdicts in ascending order; NaN without variation."""
    total = counts.sum(axis=(1, 2))
    ranks = [_middle_ranks(counts.sum(axis=axis)) - (total[:, None] + 1) / 2 for axis in (2, 1)]
    moments = [(counts.sum(axis=axis) * rank**2).sum(axis=1) for axis, rank in zip((2, 1), ranks, strict=True)]
    together = np.einsum("tij,ti,tj->t", counts, ranks[0], ranks[1])
    return _ratio(together, np.sqrt(moments[0] * moments[1]))


def _middle_ranks(margin: Array) -> Array:
    return np.asarray(np.cumsum(margin, axis=1) - margin / 2 + 0.5)


def _ratio(one: Array, other: Array) -> Array:
    result: Array = np.full(one.shape, np.nan)
    np.divide(one, other, out=result, where=np.abs(other) > 1e-12)
    return result


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
