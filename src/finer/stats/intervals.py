"""Confidence intervals of shares whose errors cluster by image; counts per image in, bounds out.

Questions about one image share its difficulty, so images are what is resampled, never questions. All functions
work on all cells of a table at once: ``hits`` and ``trials`` are float arrays of shape (images, cells).

The rule (``share_intervals``): a percentile cluster bootstrap, except where the rarer outcome occurs in fewer than
``RARE_IMAGES`` images. There resampling sees too few of the rare images (none at 0 % and 100 %, where its interval
would have no width), and the interval is Wilson's score interval with an effective number of questions n / deff.
The design effect deff is the one measured (clustered over binomial variance), pulled towards the largest possible
one the fewer rare images there are to measure it from (``wilson_n``): too wide rather than too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from finer.keys import generator

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

RARE_IMAGES = 10
POWER = 0.8


@dataclass(frozen=True)
class Intervals:
    """Bounds as shares in [0, 1], shape (cells,); ``wilson`` marks cells where the bootstrap was not used."""

    low: Array
    high: Array
    wilson: Flags


def bootstrap_weights(images: int, resamples: int, seed: int, *key: object) -> Array:
    """Draw how often each image occurs in each resample: shape (resamples, images), every row sums to ``images``.

    Multinomial with equal chances. The same key gives the same weights, so all cells and models that share them are
    resampled together.
    """
    rng = np.random.default_rng(generator(seed, "bootstrap", *key).getrandbits(64))
    drawn = rng.integers(images, size=(resamples, images))
    drawn += np.arange(resamples)[:, None] * images  # each resample counts in its own stretch
    counts = np.bincount(drawn.ravel(), minlength=resamples * images)
    weights: Array = counts.reshape(resamples, images).astype(np.float64)
    return weights


def shares(hits: Array, trials: Array) -> Array:
    """Return hits / trials, NaN where there were no trials."""
    result: Array = np.full(hits.shape, np.nan)
    np.divide(hits, trials, out=result, where=trials > 0)
    return result


def resampled_shares(hits: Array, trials: Array, weights: Array) -> Array:
    """Return the share of every cell in every resample: shape (resamples, cells).

    The counts are integers, so the sums are exact and do not depend on how the product is split over threads.
    """
    return shares(weights @ hits, weights @ trials)


def percentile_bounds(draws: Array, confidence: float) -> tuple[Array, Array]:
    """Return the lower and upper percentile over the resamples (axis 0), ignoring resamples without a trial."""
    tail = (1 - confidence) / 2
    ordered = np.sort(draws, axis=0)  # NaN goes last
    valid = np.sum(~np.isnan(ordered), axis=0)
    return _quantile(ordered, valid, tail), _quantile(ordered, valid, 1 - tail)


def clustered_error(hits: Array, trials: Array) -> Array:
    """Return the closed-form standard error of each share, clustered by image: shape (cells,), as a share.

    Linearisation of the ratio with the factor m / (m - 1) for m images (Cochran, Sampling Techniques, 3rd ed.,
    section 6.3); NaN with fewer than two images.
    """
    total = trials.sum(axis=0)
    share = shares(hits.sum(axis=0), total)
    residual = np.where(trials > 0, hits - share * trials, 0.0)
    images = (trials > 0).sum(axis=0).astype(np.float64)
    correction = shares(images, images - 1)
    return shares(np.sqrt(correction * (residual**2).sum(axis=0)), total)


def wilson_n(hits: Array, trials: Array) -> Array:
    """Return the effective number of questions n / deff for Wilson's interval, per cell.

    With r images that show the rarer outcome and R = ``RARE_IMAGES``, deff = (r measured + (R - r) largest) / R for
    r < R. Largest: sum n_i^2 / sum n_i, if all questions about an image succeed or fail together (Kish 1965).
    Measured: squared clustered error over p (1 - p) / n, held between 1 and the largest.
    """
    n = trials.sum(axis=0)
    share = shares(hits.sum(axis=0), n)
    largest = shares((trials**2).sum(axis=0), n)
    binomial = shares(share * (1 - share), n)
    ratio = shares(clustered_error(hits, trials) ** 2, binomial)
    measured = np.where(np.isnan(ratio), largest, np.clip(ratio, 1.0, largest))
    weight = np.minimum(rare_images(hits, trials), RARE_IMAGES) / RARE_IMAGES
    return np.asarray(n / (weight * measured + (1 - weight) * largest))


def wilson(share: Array, n: Array, confidence: float) -> tuple[Array, Array]:
    """Return Wilson's score interval; ``n`` need not be whole."""
    z = normal_quantile(confidence)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # The bound on the side of an exact 0 or 1 is that 0 or 1; rounding must not move it.
    low = np.where(share == 0, 0.0, np.clip(centre - half, 0, 1))
    high = np.where(share == 1, 1.0, np.clip(centre + half, 0, 1))
    return low, high


def newcombe(one: Array, bounds: Sequence[Array], other: Array, other_bounds: Sequence[Array]) -> tuple[Array, Array]:
    """Return the interval of ``one - other`` from the two shares' own bounds (low, high), as if independent.

    Newcombe 1998 (Statistics in Medicine 17:873), method 10; with other bounds than Wilson's, the method of variance
    estimates recovery. Bounds stay within [-1, 1].
    """
    difference = one - other
    low = difference - np.sqrt((one - bounds[0]) ** 2 + (other_bounds[1] - other) ** 2)
    high = difference + np.sqrt((bounds[1] - one) ** 2 + (other - other_bounds[0]) ** 2)
    return np.clip(low, -1, 1), np.clip(high, -1, 1)


def rare_images(hits: Array, trials: Array) -> npt.NDArray[np.int64]:
    """Return, per cell, in how many images the rarer outcome (a hit or a miss) occurs."""
    return np.asarray(np.minimum((hits > 0).sum(axis=0), (trials - hits > 0).sum(axis=0)), dtype=np.int64)


def share_intervals(hits: Array, trials: Array, weights: Array, confidence: float) -> Intervals:
    """Return each cell's interval by the rule of this module."""
    low, high = percentile_bounds(resampled_shares(hits, trials, weights), confidence)
    sparse = rare_images(hits, trials) < RARE_IMAGES
    low_w, high_w = wilson(shares(hits.sum(axis=0), trials.sum(axis=0)), wilson_n(hits, trials), confidence)
    return Intervals(np.where(sparse, low_w, low), np.where(sparse, high_w, high), sparse)


def minimal_detectable_difference(error: Array, confidence: float, power: float = POWER) -> Array:
    """Return the smallest difference between two such shares that a two-sided test finds with this power.

    For two models on the same questions it is an upper bound, since what is hard for one is hard for the other.
    """
    return (normal_quantile(confidence) + NormalDist().inv_cdf(power)) * math.sqrt(2) * error


def normal_quantile(confidence: float) -> float:
    """Return z such that a standard normal lies in [-z, z] with this probability."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _quantile(ordered: Array, valid: npt.NDArray[np.int64], q: float) -> Array:
    """Linear interpolation between order statistics, as numpy's default, over the first ``valid`` rows of a column."""
    place = q * np.maximum(valid - 1, 0)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(valid - 1, 0))
    column = np.arange(ordered.shape[1])
    first = ordered[below, column]
    return np.asarray(first + (ordered[above, column] - first) * (place - below))
