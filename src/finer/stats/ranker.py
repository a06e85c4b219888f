"""Pairs of questions -> how many a reader who sees no image gets right, from their text alone, with intervals.

A logistic ranking model learns on the other folds (whole images) which options are true, and picks. In the list
settings it picks one *phrase* a pair, the same for both questions, so that it compares with the 20 % of a reader
who guesses one of five phrases and keeps to it; it does not see which phrase a question asks about. In ``wh`` the
options of the two questions differ, so it picks per question. The value is paired accuracy in percent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from finer.errors import InputError
from finer.keys import generator, stable_key
from finer.schemas import SETTINGS, TEXT_RANKER
from finer.stats.intervals import Array, bootstrap_weights, share_intervals, shares
from finer.stats.text_features import GROUPS, Case, Features, features, phrase

FEATURE_SETS: Mapping[str, tuple[str, ...]] = {**{name: (name,) for name in GROUPS}, "all": GROUPS}
_FOLDS = 5
_STRENGTH = 0.3  # C of the logistic regression: of 0.03, 0.1, 0.3, 1, 3 the one that finds most in leaky questions


def rank(pairs: pl.DataFrame, seed: int, resamples: int, confidence: float) -> pl.DataFrame:
    """Return one row (columns of TEXT_RANKER) a benchmark, setting and set of features.

    Args:
        pairs: PAIRS of one or more benchmarks.
        seed: seed of folds, ties and resamples.
        resamples, confidence: of the cluster bootstrap over images.

    Raises:
        InputError: a pair that is not one positive and one negative question.
    """
    rows: list[tuple[object, ...]] = []
    for (benchmark,), part in sorted(pairs.group_by("benchmark"), key=lambda group: str(group[0])):
        images = part["image_id"].unique().sort().to_list()
        weights = bootstrap_weights(len(images), resamples, seed, "text_only_ranker", benchmark)
        for setting in SETTINGS:
            chosen = part.filter(pl.col("setting") == setting)
            if chosen.height:
                found = _paired(chosen, setting, seed)
                rows += [
                    (benchmark, setting, name, *_estimate(hits, images, weights, confidence))
                    for name, hits in found.items()
                ]
    return pl.DataFrame(rows, schema=dict(TEXT_RANKER.columns), orient="row")


def cases(pairs: pl.DataFrame, setting: str) -> list[tuple[str, str, list[Case]]]:
    """Return (pair_id, image_id, cases) of one setting: one case where both questions carry the same five phrases."""
    found = []
    for (pair_id,), rows in pairs.sort("pair_id", "polarity").group_by("pair_id", maintain_order=True):
        records = rows.to_dicts()
        if [row["polarity"] for row in records] != ["negative", "positive"]:
            raise InputError(
                "not a pair", row=pair_id, field="polarity", found=[row["polarity"] for row in records],
                expected="one positive and one negative question", cure="rebuild the pairs",
            )  # fmt: skip
        found.append((str(pair_id), str(records[0]["image_id"]), _cases(records, setting)))
    return found


def _cases(records: Sequence[Mapping[str, Any]], setting: str) -> list[Case]:
    said = [[phrase(option) if setting != "wh" else option for option in row["options"]] for row in records]
    if setting != "wh" and len(set(said[0])) == len(said[0]) and set(said[0]) == set(said[1]):
        options = sorted(said[0])
        places = tuple(tuple(words.index(option) for words in said) for option in options)
        truth = options.index(said[1][records[1]["gt_index"]])
        return [Case(str(records[0]["pair_id"]), str(records[0]["image_id"]), "", tuple(options), places, truth)]
    return [
        Case(
            str(row["mcq_id"]), str(row["image_id"]), row["question"], tuple(words),
            tuple((place,) for place in range(len(words))), int(row["gt_index"]),
        )
        for row, words in zip(records, said, strict=True)
    ]  # fmt: skip


def _paired(pairs: pl.DataFrame, setting: str, seed: int) -> dict[str, list[tuple[str, bool]]]:
    """Return, per set of features, (image, whether all cases of the pair were ranked right) of each pair."""
    known = cases(pairs, setting)
    flat = [case for _, _, some in known for case in some]
    described = [features(case) for case in flat]
    result = {}
    for name, groups in FEATURE_SETS.items():
        merged = [[_merged(option, groups) for option in options] for options in described]
        right = dict(zip((case.key for case in flat), _ranked(flat, merged, seed), strict=True))
        result[name] = [(image, all(right[case.key] for case in some)) for _, image, some in known]
    return result


def _merged(option: Mapping[str, Features], groups: Sequence[str]) -> Features:
    return {name: value for group in groups for name, value in option[group].items()}


def _ranked(flat: Sequence[Case], described: Sequence[Sequence[Features]], seed: int) -> list[bool]:
    """Return whether the option ranked first is the true one, each case ranked by what the other folds teach."""
    starts = np.cumsum([0, *(len(case.options) for case in flat)])
    table = sparse.csr_matrix(DictVectorizer().fit_transform([option for options in described for option in options]))
    scores = np.zeros(table.shape[0])
    for train, test in _folds([case.image_id for case in flat], seed):
        rows = np.concatenate([np.arange(starts[n], starts[n + 1]) for n in test])
        scores[rows] = table[rows] @ _learned(table, flat, starts, train)
    return [
        _first(case, scores[starts[number] : starts[number + 1]], seed) == case.truth
        for number, case in enumerate(flat)
    ]


def _folds(images: Sequence[str], seed: int) -> Iterator[tuple[Any, Any]]:
    """Yield (train, test): whole images, drawn; nothing to learn from one image."""
    count = min(_FOLDS, len(set(images)))
    if count > 1:
        state = generator(seed, "text_only_ranker").getrandbits(32)
        yield from GroupKFold(count, shuffle=True, random_state=state).split(images, groups=images)


def _learned(table: Any, flat: Sequence[Case], starts: Any, train: Any) -> Array:
    """Return the weight of each feature: the true option of a case shall score above each other one."""
    true, other = zip(
        *((starts[n] + flat[n].truth, row) for n in train for row in range(starts[n], starts[n + 1])
          if row != starts[n] + flat[n].truth),
        strict=True,
    )  # fmt: skip
    better = table[list(true)] - table[list(other)]
    labels = np.repeat([1, 0], better.shape[0])
    model = LogisticRegression(C=_STRENGTH, fit_intercept=False, max_iter=300)
    model.fit(sparse.vstack([better, -better]), labels)
    return np.asarray(model.coef_[0], dtype=np.float64)


def _first(case: Case, scores: Array, seed: int) -> int:
    """Return the option of the highest score; ties are drawn by key, never by position or alphabet."""
    rounded = np.round(scores, 9)
    return max(
        range(len(case.options)),
        key=lambda place: (rounded[place], stable_key(seed, case.key, case.options[place])),
    )  # fmt: skip


def _estimate(
    hits: Sequence[tuple[str, bool]], images: Sequence[str], weights: Array, confidence: float
) -> tuple[float, float, float, int, int]:
    place = {image: number for number, image in enumerate(images)}
    right, trials = np.zeros((len(images), 1)), np.zeros((len(images), 1))
    for image, hit in hits:
        right[place[image], 0] += hit
        trials[place[image], 0] += 1
    found = share_intervals(right, trials, weights, confidence)
    value = shares(right.sum(axis=0), trials.sum(axis=0))[0]
    return 100 * value, 100 * found.low[0], 100 * found.high[0], len(hits), int((trials > 0).sum())
