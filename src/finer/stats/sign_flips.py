"""The test of a paired difference: signs of whole images are flipped, since questions about one image go together.

If two variants are equally good, an image's difference is as likely to have one sign as the other. The p-value is
the share of flips whose total is at least as far from zero as the one found: of all flips where at most
``EXACT_IMAGES`` images differ, else of ``DRAWS`` drawn ones, with the flip found counted among them, so that it is
never zero (Phipson and Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9(1), 39).
"""

from __future__ import annotations

import numpy as np

from finer.keys import generator
from finer.stats.intervals import Array

EXACT_IMAGES = 12
DRAWS = 10_000
_SIGNS_AT_ONCE = 4_000_000  # bounds the memory; the numbers do not depend on it


def sign_flip_p(sums: Array, seed: int, *key: object, draws: int = DRAWS, exact_images: int = EXACT_IMAGES) -> Array:
    """Return the two-sided p-value of every cell.

    Args:
        sums: whole numbers, shape (images, cells): per image, hits of one variant minus hits of the other.
        seed, key: of the drawn signs, which all cells share: a further cell changes no other p-value.
        draws: number of drawn flips.
        exact_images: with at most so many images that differ, all flips are tried.
    """
    differing = (sums != 0).sum(axis=0)
    p = np.ones(sums.shape[1])
    few = differing <= exact_images
    for cell in np.flatnonzero(few):
        column = sums[:, cell]
        p[cell] = _exact(column[column != 0])
    if not few.all():
        p[~few] = _drawn(sums[:, ~few], seed, *key, draws=draws)
    return p


def _exact(sums: Array) -> float:
    """Return the share of all flips with a total at least as far from zero as the sums have as they are."""
    flips = 1 - 2 * ((np.arange(2**sums.size)[:, None] >> np.arange(sums.size)) & 1)
    return float(np.mean(np.abs(flips @ sums) >= abs(sums.sum())))


def _drawn(sums: Array, seed: int, *key: object, draws: int) -> Array:
    """Count among drawn flips; sums of whole numbers are exact, however the product is split over threads."""
    rng = np.random.default_rng(generator(seed, "sign flips", *key).getrandbits(64))
    found, as_far = np.abs(sums.sum(axis=0)), np.zeros(sums.shape[1])
    block = max(1, _SIGNS_AT_ONCE // sums.shape[0])
    for start in range(0, draws, block):
        size = (min(block, draws - start), sums.shape[0])
        signs = 1.0 - 2.0 * rng.integers(2, size=size, dtype=np.int8)
        as_far += (np.abs(signs @ sums) >= found).sum(axis=0)
    return (1 + as_far) / (1 + draws)
