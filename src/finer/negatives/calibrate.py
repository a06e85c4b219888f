"""Checks of a benchmark whose truth is known -> how well a sure failure finds negatives that are true after all.

An element is *spoiled* if at least one of its four negatives is true of the scene, and *flagged* if the
verifier picks a negative with an entropy below the threshold. Chosen is the threshold of the highest F2:
a spoiled element that is missed makes wrong labels, one flagged in vain costs a proposal, so recall
weighs twice. Of equal ones the lowest threshold is taken, which flags least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from finer.errors import InputError
from finer.negatives.truth import spoiled

RECALL_WEIGHT = 2.0
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 21))


@dataclass(frozen=True)
class Calibration:
    """The chosen threshold and the curve that it was chosen from.

    ``curve`` has one row a threshold: threshold, flagged, spoiled, hits (flagged and spoiled), precision, recall,
    f2 (shares; null where undefined).
    """

    threshold: float
    curve: pl.DataFrame


def calibrate(
    checks: pl.DataFrame, negatives: pl.DataFrame, truth: pl.DataFrame, thresholds: Sequence[float] = THRESHOLDS
) -> Calibration:
    """Choose the entropy threshold.

    Args:
        checks: NEGATIVE_CHECKS of one round.
        negatives: NEGATIVES of that round.
        truth: TRUTHS of these negatives.

    Raises:
        InputError: a negative without a truth, or no spoiled element, so nothing can be learned.
    """
    cases = checks.join(spoiled(negatives, truth), on="element_id", how="inner").select("picked", "entropy", "spoiled")
    if not cases["spoiled"].any():
        raise InputError(
            "no element has a negative that is true of its scene, so no threshold can be chosen",
            found=f"{cases.height} elements", expected="some spoiled elements", cure="use more scenes",
        )  # fmt: skip
    curve = pl.DataFrame([_point(cases, threshold) for threshold in thresholds])
    best = curve.sort(pl.col("f2").fill_null(-1.0), -pl.col("threshold")).row(-1, named=True)
    return Calibration(float(best["threshold"]), curve)


def _point(cases: pl.DataFrame, threshold: float) -> dict[str, float | int | None]:
    flags = (cases["picked"] > 0) & (cases["entropy"] < threshold)
    flagged, spoiled = int(flags.sum()), int(cases["spoiled"].sum())
    hits = int((flags & cases["spoiled"]).sum())
    weight = RECALL_WEIGHT**2
    return {
        "threshold": threshold,
        "flagged": flagged,
        "spoiled": spoiled,
        "hits": hits,
        "precision": hits / flagged if flagged else None,
        "recall": hits / spoiled,
        "f2": (1 + weight) * hits / (weight * spoiled + flagged),
    }
