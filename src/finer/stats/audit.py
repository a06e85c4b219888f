"""What a benchmark's own tables say of its quality: truth of negatives, the verifier, drops, duplicates, positions.

The truth is the micro world's. All shares are percent with an interval that clusters by image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import chisquare

from finer.negatives.truth import judged, spoiled
from finer.schemas import AUDIT, ELEMENT_KINDS, NEGATIVE_KINDS, SETTINGS
from finer.scoring.parsers import LETTERS
from finer.stats.intervals import bootstrap_weights, share_intervals
from finer.store import table_from

BEFORE, AFTER = "before", "after"
_FAILED = ("sure_failure", "unsure_failure")


@dataclass(frozen=True)
class Tables:
    """The tables of one benchmark: NEGATIVES and NEGATIVE_CHECKS of the first round and as settled, and the rest."""

    name: str
    elements: pl.DataFrame
    first: pl.DataFrame
    first_checks: pl.DataFrame
    settled: pl.DataFrame
    pairs: pl.DataFrame
    unverified: pl.DataFrame  # PAIRS from the first proposals, as if nobody had checked them
    drops: pl.DataFrame
    truth: pl.DataFrame  # negative_id, is_true


@dataclass(frozen=True)
class Sampling:
    """How intervals are resampled."""

    seed: int
    resamples: int
    confidence: float


def audit(tables: Tables, sampling: Sampling) -> pl.DataFrame:
    """Return the AUDIT rows of one benchmark."""
    shares = [*_truth(tables), *_verifier(tables), *_labels(tables)]
    images = tables.elements["image_id"].unique().sort()
    weights = bootstrap_weights(len(images), sampling.resamples, sampling.seed, "audit", tables.name)
    place = pl.DataFrame({"image_id": images}).with_row_index("image")
    rows = [
        {"section": section, "name": name, **_share(hits, place, weights, sampling.confidence)}
        for section, name, hits in shares
    ]
    rows += [*_counts(tables), *_positions(tables.pairs)]
    return table_from([{"benchmark": tables.name, **row} for row in rows], AUDIT)


def _truth(tables: Tables) -> Iterator[tuple[str, str, pl.DataFrame]]:
    for when, negatives in ((BEFORE, tables.first), (AFTER, tables.settled)):
        told = judged(negatives, tables.truth)
        for kind in NEGATIVE_KINDS:
            of_kind = told.filter(pl.col("negative_kind") == kind)
            if of_kind.height:
                yield f"true_negatives_{when}", kind, of_kind.select("image_id", hit="is_true")
        yield f"true_negatives_{when}", "all", told.select("image_id", hit="is_true")


def _verifier(tables: Tables) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """What the first round's checks found: an element is spoiled if one of its negatives is true of the scene."""
    known = spoiled(tables.first, tables.truth)
    checks = tables.first_checks.join(known.drop("image_id"), on="element_id", how="inner", validate="1:1")
    flagged, wrong = pl.col("check") == "sure_failure", pl.col("check").is_in(_FAILED)
    kinds = tables.elements.select("element_id", "kind")
    for name, found in (("sure failures", flagged), ("all failures", wrong)):
        yield "verifier", f"precision of {name}", checks.filter(found).select("image_id", hit="spoiled")
        yield "verifier", f"recall of {name}", checks.filter("spoiled").select("image_id", hit=found)
    sound = checks.filter(~pl.col("spoiled")).join(kinds, on="element_id")
    for kind in ELEMENT_KINDS:
        of_kind = sound.filter(pl.col("kind") == kind)
        if of_kind.height:
            yield "verifier", f"right where sound: {kind}", of_kind.select("image_id", hit=pl.col("check") == "passed")


def _labels(tables: Tables) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """How many pairs of the list settings have an option that is true against its label.

    Their four wrong phrases are the four negatives of the edited element; a question of ``wh`` takes one of them, and
    objects from another element.
    """
    for when, pairs, negatives in ((BEFORE, tables.unverified, tables.first), (AFTER, tables.pairs, tables.settled)):
        known = spoiled(negatives, tables.truth).select("element_id", hit="spoiled")
        listed = (pl.col("polarity") == "negative") & (pl.col("setting") != "wh")
        asked = pairs.filter(listed).join(known, left_on="edited_element_id", right_on="element_id", how="left")
        yield "false_labels", when, asked.select("image_id", pl.col("hit").fill_null(False))


def _share(
    hits: pl.DataFrame, place: pl.DataFrame, weights: np.ndarray[tuple[int, int], np.dtype[np.float64]], level: float
) -> dict[str, object]:
    counted = hits.join(place, on="image_id").group_by("image").agg(pl.col("hit").sum(), pl.len())
    right, trials = np.zeros((place.height, 1)), np.zeros((place.height, 1))
    right[counted["image"].to_numpy(), 0] = counted["hit"].to_numpy()
    trials[counted["image"].to_numpy(), 0] = counted["len"].to_numpy()
    if not hits.height:
        return {"value": None, "ci_low": None, "ci_high": None, "count": 0, "n": 0}
    found = share_intervals(right, trials, weights, level)
    count = int(right.sum())
    return {
        "value": 100 * count / hits.height, "ci_low": 100 * float(found.low[0]), "ci_high": 100 * float(found.high[0]),
        "count": count, "n": hits.height,
    }  # fmt: skip


def _counts(tables: Tables) -> Iterator[dict[str, object]]:
    """Duplicates and drops, as counts."""
    nothing = {"value": None, "ci_low": None, "ci_high": None}
    for setting in SETTINGS:
        asked = tables.pairs.filter(pl.col("setting") == setting, pl.col("polarity") == "negative")
        if asked.height:
            shown = asked.select("image_id", "question", pl.col("options").list.sort())
            twice = shown.height - shown.unique().height
            yield {"section": "duplicates", "name": setting, **nothing, "count": twice, "n": asked.height}
    for stage, reason, count in tables.drops.group_by("stage", "reason").len().sort("stage", "reason").iter_rows():
        yield {"section": "drops", "name": f"{stage.partition('.')[0]}: {reason}", **nothing, "count": count, "n": None}


def _positions(pairs: pl.DataFrame) -> Iterator[dict[str, object]]:
    """Where right answers stand, and the p-value of a chi-squared test that all letters are equally frequent."""
    counts = [pairs.filter(pl.col("gt_index") == place).height for place in range(len(LETTERS))]
    nothing = {"ci_low": None, "ci_high": None, "n": pairs.height}
    for letter, count in zip(LETTERS, counts, strict=True):
        value = 100 * count / pairs.height if pairs.height else None
        yield {"section": "positions", "name": letter, "value": value, "count": count, **nothing}
    if pairs.height:
        p = float(chisquare(counts).pvalue)
        yield {"section": "positions", "name": "p", "value": p, "count": None, **nothing}
