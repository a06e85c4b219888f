"""Intervals: the cluster bootstrap against the closed form, coverage on synthetic clusters, Wilson at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finer.stats.detection import d_prime_and_criterion
from finer.stats.intervals import (
    RARE_IMAGES,
    Array,
    bootstrap_weights,
    clustered_error,
    minimal_detectable_difference,
    normal_quantile,
    percentile_bounds,
    rare_images,
    resampled_shares,
    share_intervals,
    shares,
    wilson,
    wilson_n,
)


def clustered(images: int, cells: int, share: float, spread: float, seed: int, size: int = 6) -> tuple[Array, Array]:
    """Images with 1..2*size-1 questions whose chance varies by image around ``share`` (beta-distributed)."""
    rng = np.random.default_rng(seed)
    trials = rng.integers(1, 2 * size, size=(images, cells)).astype(np.float64)
    chance = rng.beta(share / spread, (1 - share) / spread, size=(images, cells))
    return rng.binomial(trials.astype(np.int64), chance).astype(np.float64), trials


def bootstrap_error(hits: Array, trials: Array, weights: Array) -> Array:
    return np.asarray(resampled_shares(hits, trials, weights).std(axis=0))


def test_bootstrap_agrees_with_the_closed_form() -> None:
    hits, trials = clustered(200, 12, 0.4, 0.5, seed=1)
    found = bootstrap_error(hits, trials, bootstrap_weights(200, 2000, 7, "a"))
    assert np.allclose(found, clustered_error(hits, trials), rtol=0.08)


def test_ignoring_clusters_would_be_caught() -> None:
    """The mutation: resample questions as if each were an image of its own, and the error is far too small."""
    hits, trials = clustered(200, 1, 0.4, 0.5, seed=1)
    n = int(trials.sum())
    single = np.concatenate([np.ones(int(hits.sum())), np.zeros(n - int(hits.sum()))])[:, None]
    naive = bootstrap_error(single, np.ones_like(single), bootstrap_weights(n, 1000, 7, "a"))
    assert naive[0] < 0.75 * clustered_error(hits, trials)[0]


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """200 tables of 60 images from one population: the share covered is 0.95 within its own sampling error."""
    hits, trials = clustered(60, 200, 0.3, 0.3, seed=5, size=3)
    found = share_intervals(hits, trials, bootstrap_weights(60, 600, 3, "cover"), 0.95)
    covered = np.mean((found.low <= 0.3) & (found.high >= 0.3))
    assert 0.90 <= covered <= 0.985


def test_wilson_covers_rare_successes_where_the_bootstrap_does_not() -> None:
    hits, trials = clustered(60, 400, 0.01, 0.02, seed=6, size=3)
    weights = bootstrap_weights(60, 300, 3, "rare")
    found = share_intervals(hits, trials, weights, 0.95)
    assert found.wilson.all()
    low, high = percentile_bounds(resampled_shares(hits, trials, weights), 0.95)
    assert np.mean((found.low <= 0.01) & (found.high >= 0.01)) >= 0.93
    assert np.mean((low <= 0.01) & (high >= 0.01)) < 0.93


def test_the_edges_have_an_interval_with_width() -> None:
    trials = np.full((50, 2), 3.0)
    hits = np.stack([np.zeros(50), np.full(50, 3.0)], axis=1)
    found = share_intervals(hits, trials, bootstrap_weights(50, 200, 1, "edge"), 0.95)
    z = normal_quantile(0.95)
    assert found.wilson.all()
    # Images that go together count once: n_eff is the number of images, not of questions.
    assert found.low[0] == 0.0 and found.high[0] == pytest.approx(z**2 / (50 + z**2))
    assert found.high[1] == 1.0 and found.low[1] == pytest.approx(50 / (50 + z**2))


def test_wilson_agrees_with_a_printed_example() -> None:
    """Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263, and 0 of 20."""
    low, high = wilson(np.array([81 / 263, 0.0]), np.array([263.0, 20.0]), 0.95)
    assert np.round(low, 4).tolist() == [0.2553, 0.0]
    assert np.round(high, 4).tolist() == [0.3662, 0.1611]


def test_the_rule_changes_at_the_stated_number_of_images() -> None:
    trials = np.ones((40, 2))
    hits = np.zeros((40, 2))
    hits[: RARE_IMAGES - 1, 0] = 1
    hits[:RARE_IMAGES, 1] = 1
    assert rare_images(hits, trials).tolist() == [RARE_IMAGES - 1, RARE_IMAGES]
    assert share_intervals(hits, trials, bootstrap_weights(40, 200, 1, "x"), 0.95).wilson.tolist() == [True, False]


def test_effective_n_lies_between_images_gone_together_and_questions() -> None:
    hits, trials = clustered(30, 50, 0.05, 0.2, seed=9)
    n = trials.sum(axis=0)
    found = wilson_n(hits, trials)
    assert (found <= n * (1 + 1e-12)).all() and (found >= n**2 / (trials**2).sum(axis=0) * (1 - 1e-12)).all()


def test_weights_depend_on_the_key_alone() -> None:
    one = bootstrap_weights(30, 100, 1, "finer", "docci")
    assert np.array_equal(one, bootstrap_weights(30, 100, 1, "finer", "docci"))
    assert not np.array_equal(one, bootstrap_weights(30, 100, 1, "finer", "comprecap"))
    assert not np.array_equal(one, bootstrap_weights(30, 100, 2, "finer", "docci"))
    assert (one.sum(axis=1) == 30).all()


def test_percentiles_are_those_of_numpy_and_skip_empty_resamples() -> None:
    rng = np.random.default_rng(0)
    draws = rng.random((101, 3))
    draws[::7, 1] = np.nan
    low, high = percentile_bounds(draws, 0.9)
    assert np.allclose(low, np.nanquantile(draws, 0.05, axis=0))
    assert np.allclose(high, np.nanquantile(draws, 0.95, axis=0))


@given(st.integers(1, 40), st.integers(0, 2**31))
def test_bounds_enclose_the_share_near_the_edges_and_stay_within_0_and_1(images: int, seed: int) -> None:
    hits, trials = clustered(images, 4, 0.2, 0.5, seed=seed, size=2)
    found = share_intervals(hits, trials, bootstrap_weights(images, 100, 1, seed), 0.95)
    share = shares(hits.sum(axis=0), trials.sum(axis=0))
    assert ((found.low >= 0) & (found.high <= 1) & (found.low <= found.high)).all()
    assert (~found.wilson | ((found.low <= share) & (share <= found.high))).all()


def test_minimal_detectable_difference_is_found_with_the_stated_power() -> None:
    """Two shares that differ by it: a z test with their standard errors finds it in 80 % of the draws."""
    error = 0.03
    difference = minimal_detectable_difference(np.array([error]), 0.95)[0]
    rng = np.random.default_rng(2)
    draws = rng.normal(difference, error * np.sqrt(2), size=20000)
    assert np.mean(np.abs(draws) > normal_quantile(0.95) * error * np.sqrt(2)) == pytest.approx(0.8, abs=0.015)


def test_d_prime_separates_seeing_from_leaning() -> None:
    right = wrong = np.array([100.0])
    blind = d_prime_and_criterion(np.array([90.0]), right, np.array([90.0]), wrong)
    assert blind[0][0] == 0 and blind[1][0] < -1  # always yes: sees nothing, leans to yes
    sees, unbiased = d_prime_and_criterion(np.array([84.0]), right, np.array([16.0]), wrong)
    assert sees[0] == pytest.approx(1.967, abs=0.01) and unbiased[0] == pytest.approx(0, abs=1e-12)


def test_d_prime_is_finite_at_the_edges() -> None:
    d_prime, criterion = d_prime_and_criterion(*(np.array([x]) for x in (20.0, 20.0, 0.0, 20.0)))
    assert d_prime[0] == pytest.approx(2 * 1.9808, abs=1e-3)  # z(20.5 / 21) and z(0.5 / 21)
    assert criterion[0] == pytest.approx(0)
