"""Numbers of suites: any function of sums over clusters, its interval and its test."""

from __future__ import annotations

import itertools
import random

import numpy as np
import polars as pl
import pytest

from finer.errors import InputError
from finer.schemas import ITEMS, VERDICTS
from finer.stats.suites import EXACT, suite_comparisons, suite_estimates
from finer.store import table_from
from finer.suites.suite import Statistic, Suite, f1, harmonic_of_ratios, mean_of_ratios, ratio
from finer.suites.yes_no import yes_no_sums

HOW = {"seed": 3, "resamples": 400, "confidence": 0.95}
SUITE = Suite(
    name="s", title="S", cluster="image", read=lambda sources, bad: ITEMS.empty(),
    scorers={"yes_no": {"official": "x"}},
    tally=lambda judged: yes_no_sums(judged, "image_id", "grouping"),
    statistics=(
        Statistic("accuracy", "all", "official", ratio, ("all.right", "all.n"), "all.n"),
        Statistic("f1", "all", "official", f1, ("all.tp", "all.said", "all.gold"), "all.n"),
        Statistic("mean_accuracy", "all", "official", mean_of_ratios, ("a.right", "a.n", "b.right", "b.n"), "all.n"),
    ),
)  # fmt: skip


def run(images: int, tuned_better: float, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = random.Random(seed)
    items, verdicts = [], []
    for number in range(images * 4):
        gold = number % 2
        item = {
            "item_id": f"i{number:04d}", "suite": "s", "benchmark": "s", "image_paths": [], "prompt": "?",
            "image_id": f"m{number // 4:03d}", "answering": "yes_no", "options": ["yes", "no"], "answer_index": gold,
            "group_id": "g", "grouping": "ab"[number % 3 == 0], "control": "none",
        }  # fmt: skip
        items.append(item)
        for variant, chance in (("base", 0.5), ("tuned", 0.5 + tuned_better)):
            said = gold if rng.random() < chance else 1 - gold
            said_or_not = None if rng.random() < 0.05 else said
            verdicts.append(
                {
                    "item_id": item["item_id"], "model": "m", "variant": variant, "answering": "yes_no",
                    "control": "none", "scorer": "official", "prediction": said_or_not,
                    "score": float(said_or_not == gold), "unparsed": said_or_not is None,
                }
            )  # fmt: skip
    return table_from(items, ITEMS), table_from(verdicts, VERDICTS)


def test_values_are_those_of_the_formulas_over_all_items() -> None:
    items, verdicts = run(20, 0.2, 1)
    joined = verdicts.join(items, on=["item_id", "answering", "control"]).filter(variant="base").to_dicts()
    right = [row["score"] for row in joined]
    yes = [row for row in joined if row["prediction"] == 0]
    tp = sum(row["answer_index"] == 0 for row in yes)
    gold = sum(row["answer_index"] == 0 for row in joined)
    by_split = [[row["score"] for row in joined if row["grouping"] == split] for split in "ab"]
    found = suite_estimates(SUITE, items, verdicts, **HOW).filter(variant="base")
    values = dict(found.select("statistic", "value").iter_rows())
    assert values["accuracy"] == pytest.approx(100 * sum(right) / len(right))
    assert values["f1"] == pytest.approx(100 * 2 * tp / (len(yes) + gold))
    assert values["mean_accuracy"] == pytest.approx(100 * np.mean([sum(part) / len(part) for part in by_split]))
    assert (found["ci_low"] <= found["value"]).all() and (found["value"] <= found["ci_high"]).all()
    assert found["n"].to_list() == [80, 80, 80] and found["n_clusters"].to_list() == [20, 20, 20]


def test_the_swap_test_counts_all_swaps_of_few_clusters() -> None:
    items, verdicts = run(8, 0.3, 5)
    found = suite_comparisons(SUITE, items, verdicts, **HOW).filter(statistic="accuracy").row(0, named=True)
    joined = verdicts.join(items, on=["item_id", "answering", "control"])
    sums = joined.group_by("image_id", "variant").agg(pl.col("score").sum()).pivot("variant", values="score")
    changes = [tuned - base for _, base, tuned in sums.select("image_id", "base", "tuned").iter_rows()]
    totals = [abs(sum(sign * change for sign, change in zip(signs, changes, strict=True)))
              for signs in itertools.product((1, -1), repeat=len(changes))]  # fmt: skip
    assert len([change for change in changes if change]) <= EXACT
    assert found["p_value"] == pytest.approx(np.mean([total >= abs(sum(changes)) - 1e-9 for total in totals]))
    assert found["value"] == pytest.approx(100 * sum(changes) / 32)


def test_a_strong_effect_is_found_and_none_is_not_invented() -> None:
    strong = suite_comparisons(SUITE, *run(60, 0.4, 2), **HOW)
    assert (strong["p_value"] < 0.001).all() and (strong["ci_low"] > 0).all()
    null = [suite_comparisons(SUITE, *run(30, 0.0, 100 + seed), **HOW)["p_value"][0] for seed in range(30)]
    assert 0.25 < float(np.mean(null)) < 0.75 and sum(p < 0.05 for p in null) <= 6


def test_a_share_at_its_edge_and_a_difference_of_nothing_have_an_interval() -> None:
    items, verdicts = run(20, 0.0, 4)
    perfect = verdicts.with_columns(prediction=pl.lit(0, pl.Int64), score=pl.lit(1.0), unparsed=pl.lit(False))
    share = suite_estimates(SUITE, items, perfect, **HOW).filter(statistic="accuracy", variant="base")
    assert share["value"].item() == share["ci_high"].item() == 100 and 80 < share["ci_low"].item() < 99
    same = suite_comparisons(SUITE, items, perfect, **HOW).filter(statistic="accuracy")
    assert same["value"].item() == 0 and -20 < same["ci_low"].item() < 0 < same["ci_high"].item() < 20
    assert same["p_value"].item() == 1


def test_rows_in_another_order_change_nothing() -> None:
    items, verdicts = run(12, 0.1, 4)
    again = suite_estimates(SUITE, items.sample(fraction=1, shuffle=True, seed=1), verdicts.sample(
        fraction=1, shuffle=True, seed=2), **HOW)  # fmt: skip
    assert again.equals(suite_estimates(SUITE, items, verdicts, **HOW))


def test_what_is_not_defined_is_empty_and_not_zero() -> None:
    items, verdicts = run(4, 0.0, 4)
    never = verdicts.with_columns(prediction=pl.lit(1, pl.Int64), score=pl.lit(0.0))
    precision = Statistic("precision", "all", "official", ratio, ("all.tp", "all.said"), "all.n")
    found = suite_estimates(SUITE.__class__(**{**SUITE.__dict__, "statistics": (precision,)}), items, never, **HOW)
    assert found["value"].is_null().all()


def test_a_part_that_the_tally_lacks_is_named() -> None:
    items, verdicts = run(4, 0.0, 4)
    lost = Statistic("accuracy", "c", "official", ratio, ("c.right", "c.n"), "c.n")
    with pytest.raises(InputError, match=r"lacks a part(.|\n)*c\.right"):
        suite_estimates(SUITE.__class__(**{**SUITE.__dict__, "statistics": (lost,)}), items, verdicts, **HOW)


def test_harmonic_mean_of_two_shares() -> None:
    one, two, four = (np.array([float(number)]) for number in (1, 2, 4))
    assert harmonic_of_ratios(one, two, one, four)[0] == pytest.approx(2 * 0.5 * 0.25 / 0.75)
