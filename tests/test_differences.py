"""Differences between a tuned model and its base, against a slow re-computation, and the test of their signs."""

from __future__ import annotations

import itertools
from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fake_evaluation import CHOICES, SKILL, finer_items, granularity_items, item, responses
from finer.errors import InputError
from finer.schemas import COMPARISONS, ITEMS, POOLED, VERDICTS
from finer.scoring.verdicts import verdicts
from finer.stats.differences import COMPARED, Resampling, compare, comparisons, rare_difference
from finer.stats.estimates import estimates
from finer.stats.sign_flips import sign_flip_p
from finer.store import read_table, table_from, write_table

HOW = Resampling(CHOICES["seed"], CHOICES["resamples"], CHOICES["confidence"])
PLACE = ["model", "variant", "benchmark", "setting", "answering", "scorer", "statistic"]


def blind_of(items: pl.DataFrame) -> pl.DataFrame:
    """The items with some of them asked again without seeing."""
    some = items.filter(pl.col("grouping").is_in(["wh", "multi_rel"]))
    return pl.concat([items, *(some.with_columns(control=pl.lit(one)) for one in ("wrong_image", "text_only"))])


@pytest.fixture(scope="module")
def items() -> pl.DataFrame:
    return pl.concat([blind_of(finer_items(30)), granularity_items(30)])


@pytest.fixture(scope="module")
def judged(items: pl.DataFrame) -> pl.DataFrame:
    said = responses(items, SKILL)
    worse = responses(items.filter(pl.col("control") != "none"), {key: one - 0.3 for key, one in SKILL.items()})
    return verdicts(items, pl.concat([said.filter(pl.col("control") == "none"), worse]))


@pytest.fixture(scope="module")
def found(items: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    return comparisons(items, judged, HOW)


# ---------------------------------------------------------------- values
def test_a_difference_is_that_of_the_two_estimates(
    items: pl.DataFrame, judged: pl.DataFrame, found: pl.DataFrame
) -> None:
    shares = estimates(items, judged, **CHOICES).filter(pl.col("entity_count").is_null())
    key = [*PLACE, "control"]
    base = shares.filter(variant="base").drop("variant")
    joined = found.join(shares, on=key, suffix="_own", how="left").join(
        base, on=[name for name in key if name != "variant"], suffix="_base", how="left"
    )
    off = (joined["value"] - (joined["value_own"] - joined["value_base"])).abs()
    assert off.null_count() == 0 and off.max() < 1e-9
    assert (joined["n"] == joined["n_own"]).all() and (joined["n_images"] == joined["n_images_own"]).all()
    assert set(found["statistic"]) == {*COMPARED, "gain_of_seeing"} and POOLED in found["benchmark"]
    assert set(found.filter(statistic="gain_of_seeing")["control"]) == {"wrong_image", "text_only"}
    assert set(found["variant"]) == {"tuned"} and set(found["against"]) == {"base"}


def slow(items: list[dict[str, object]], right: dict[tuple[str, str], bool]) -> dict[str, tuple[int, int, list[int]]]:
    """Plain Python: statistic -> sum of differences, number of trials, sum per image."""
    pairs: dict[object, list[dict[str, object]]] = {}
    for one in items:
        pairs.setdefault(one["group_id"], []).append(one)
    found: dict[str, list[tuple[object, int]]] = {name: [] for name in COMPARED[:3]}
    for pair in pairs.values():
        both = [all(right[str(one["item_id"]), variant] for one in pair) for variant in ("base", "tuned")]
        found["paired_accuracy"].append((pair[0]["image_id"], both[1] - both[0]))
        for one in pair:
            key = str(one["item_id"])
            found[f"{one['polarity']}_accuracy"].append((one["image_id"], right[key, "tuned"] - right[key, "base"]))
    result = {}
    for name, rows in found.items():
        images: dict[object, int] = {}
        for image, difference in rows:
            images[image] = images.get(image, 0) + difference
        result[name] = (sum(images.values()), len(rows), list(images.values()))
    return result


@hypothesis_settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 4))
def test_values_and_p_equal_those_of_a_slow_recomputation(seed: int, images: int, pairs: int) -> None:
    draw = Random(seed)
    rows = [
        item(item_id=f"{image}-{pair}-{polarity}", group_id=f"{image}-{pair}", image_id=f"i{image}", polarity=polarity)
        for image in range(images) for pair in range(pairs) for polarity in ("positive", "negative")
    ]  # fmt: skip
    right = {(str(one["item_id"]), variant): draw.random() < 0.5 for one in rows for variant in ("base", "tuned")}
    said = [
        {"item_id": key, "model": "m", "variant": variant, "answering": "letter", "control": "none",
         "scorer": "strict", "prediction": 0 if ok else 1, "score": float(ok), "unparsed": False}
        for (key, variant), ok in right.items()
    ]  # fmt: skip
    frame = comparisons(table_from(rows, ITEMS), table_from(said, VERDICTS), HOW)
    assert frame.height == 3
    for name, (total, trials, sums) in slow(rows, right).items():
        row = frame.filter(statistic=name).row(0, named=True)
        flips = [abs(sum(s * x for s, x in zip(signs, sums, strict=True)))
                 for signs in itertools.product((1, -1), repeat=len(sums))]  # fmt: skip
        assert row["value"] == pytest.approx(100 * total / trials)
        assert row["p_value"] == pytest.approx(sum(one >= abs(total) for one in flips) / len(flips))
        assert row["n"] == trials and row["n_images"] == images
        assert row["ci_low"] <= row["value"] <= row["ci_high"]


def test_pooled_pairs_count_the_same_whatever_their_benchmark(found: pl.DataFrame) -> None:
    by = [name for name in (*PLACE, "control") if name != "benchmark"]
    apart = found.filter(pl.col("benchmark") != POOLED)
    mean = (pl.col("value") * pl.col("n")).sum() / pl.col("n").sum()
    joined = found.filter(benchmark=POOLED).join(apart.group_by(by).agg(mean=mean), on=by, how="left")
    assert joined.height > 20 and ((joined["value"] - joined["mean"]).abs() < 1e-9).all()


def test_intervals_are_narrower_than_if_the_two_were_independent(
    items: pl.DataFrame, judged: pl.DataFrame, found: pl.DataFrame
) -> None:
    same = judged.filter(variant="base")
    noise = pl.concat([same, same.with_columns(variant=pl.lit("tuned"))])
    twin = comparisons(items, noise, HOW)
    assert (twin["value"] == 0).all() and (twin["p_value"] == 1).all() and set(twin["interval"]) == {"newcombe"}
    assert ((twin["ci_low"] < 0) & (twin["ci_high"] > 0)).all()
    shares = estimates(items, judged, **CHOICES).filter(pl.col("entity_count").is_null(), interval="bootstrap")
    widths = shares.with_columns(width=pl.col("ci_high") - pl.col("ci_low")).select(*PLACE, "control", "width")
    joined = found.filter(interval="bootstrap", statistic="paired_accuracy").join(widths, on=[*PLACE, "control"])
    assert joined.height > 5 and ((joined["ci_high"] - joined["ci_low"]) < 2 * joined["width"]).all()


def test_a_difference_in_few_images_has_a_narrow_interval_however_large_the_shares() -> None:
    trials = np.ones((400, 2))
    sums = np.zeros((400, 2))
    sums[:3, 0], sums[3:7, 0] = 1.0, -1.0  # three pairs gained, four lost; the second cell: nothing changed
    low, high = rare_difference(sums, trials, 0.95)
    assert -0.025 < low[0] < -0.0025 < high[0] < 0.02
    assert low[1] == pytest.approx(-high[1]) and 0 < high[1] < 0.011


def test_the_interval_of_few_differences_covers_the_truth() -> None:
    rng = np.random.default_rng(4)
    gained, lost = 0.012, 0.006
    draws = rng.random((300, 400))
    sums = np.where(draws < gained, 1.0, np.where(draws < gained + lost, -1.0, 0.0))
    low, high = rare_difference(sums.T, np.ones((400, 300)), 0.95)
    covered = np.mean((low <= gained - lost) & (gained - lost <= high))
    assert covered > 0.93


# ---------------------------------------------------------------- what may not matter
def test_the_order_of_the_rows_changes_nothing(items: pl.DataFrame, judged: pl.DataFrame, found: pl.DataFrame) -> None:
    shuffled = comparisons(items.sample(fraction=1, shuffle=True, seed=3), judged.reverse(), HOW)
    assert shuffled.equals(found)


def test_another_model_changes_no_other_comparison(
    items: pl.DataFrame, judged: pl.DataFrame, found: pl.DataFrame
) -> None:
    assert comparisons(items, judged.filter(model="yes_man"), HOW).equals(found.filter(model="yes_man"))


def test_without_tuned_models_there_is_nothing_to_compare(items: pl.DataFrame, judged: pl.DataFrame) -> None:
    assert comparisons(items, judged.filter(variant="base"), HOW).is_empty()


def test_files_of_one_benchmark_are_picked_and_two_runs_write_the_same_bytes(
    items: pl.DataFrame, judged: pl.DataFrame, found: pl.DataFrame, tmp_path: Path
) -> None:
    write_table(items, ITEMS, tmp_path / "items.parquet")
    write_table(judged, VERDICTS, tmp_path / "verdicts.parquet")
    for name, benchmark in (("a", "docci"), ("b", "docci"), ("all", "")):
        compare([tmp_path / "items.parquet"], [tmp_path / "verdicts.parquet"], tmp_path / name, HOW, benchmark)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_table(tmp_path / "all", COMPARISONS).equals(found)
    assert read_table(tmp_path / "a", COMPARISONS).equals(found.filter(benchmark="docci"))
    with pytest.raises(InputError, match="no items of this benchmark"):
        compare([tmp_path / "items.parquet"], [tmp_path / "verdicts.parquet"], tmp_path / "c", HOW, "flickr")


# ---------------------------------------------------------------- what is refused, and what is noticed
def test_a_variant_without_its_base_is_an_error(items: pl.DataFrame, judged: pl.DataFrame) -> None:
    alone = judged.filter(~((pl.col("model") == "yes_man") & (pl.col("variant") == "base")))
    with pytest.raises(InputError, match="without its base"):
        comparisons(items, alone, HOW)


@pytest.mark.parametrize("variant", ["base", "tuned"])
@pytest.mark.parametrize("control", ["none", "text_only"])
def test_a_missing_verdict_of_one_side_is_an_error(
    items: pl.DataFrame, judged: pl.DataFrame, variant: str, control: str
) -> None:
    here = (pl.col("model") == "yes_man") & (pl.col("variant") == variant) & (pl.col("control") == control)
    gone = judged.filter(here).head(1)
    with pytest.raises(InputError, match="not asked the same questions"):
        comparisons(items, judged.join(gone, on=list(VERDICTS.key), how="anti"), HOW)


def test_one_changed_verdict_moves_its_differences_and_no_others(
    items: pl.DataFrame, judged: pl.DataFrame, found: pl.DataFrame
) -> None:
    wrong = judged.filter(model="yes_man", variant="tuned", scorer="strict", control="none", score=0.0)
    wrong = wrong.filter(pl.col("item_id").str.contains("docci-000-wh-1"))
    assert wrong.height
    here = pl.struct(VERDICTS.key).is_in(wrong.select(pl.struct(VERDICTS.key).alias("key"))["key"].implode())
    mutated = judged.with_columns(score=pl.when(here).then(1.0).otherwise("score"))
    other = comparisons(items, mutated, HOW)
    joined = found.join(other, on=list(COMPARISONS.key), suffix="_new")
    moved = joined.filter(pl.col("value") != pl.col("value_new"))
    assert moved.height > 0 and set(moved["setting"]) == {"wh"} and set(moved["model"]) == {"yes_man"}
    assert set(moved["benchmark"]) == {"docci", POOLED} and set(moved["scorer"]) == {"strict"}


# ---------------------------------------------------------------- the test of signs
def test_all_flips_of_three_images_are_counted() -> None:
    assert sign_flip_p(np.array([[1.0], [1.0], [1.0]]), 1)[0] == 2 / 8
    assert sign_flip_p(np.array([[2.0], [-1.0], [0.0]]), 1)[0] == 1.0
    assert sign_flip_p(np.zeros((4, 1)), 1)[0] == 1.0


def test_drawn_flips_agree_with_all_flips_within_their_error() -> None:
    rng = np.random.default_rng(5)
    sums = rng.integers(-3, 5, size=(11, 40)).astype(float)
    exact, drawn = sign_flip_p(sums, 1), sign_flip_p(sums, 1, exact_images=-1)
    error = np.sqrt(exact * (1 - exact) / 10_000) + 1 / 10_000
    assert (np.abs(exact - drawn) < 4 * error).all() and not (exact == drawn).all()


def test_p_is_about_uniform_if_there_is_no_difference() -> None:
    rng = np.random.default_rng(6)
    p = sign_flip_p(rng.choice([-2.0, -1.0, 0.0, 1.0, 2.0], size=(80, 600)), 2, draws=1000)
    for level in (0.05, 0.1, 0.25, 0.5):
        assert (p <= level).mean() == pytest.approx(level, abs=0.05)


def test_p_is_small_where_nearly_all_images_improve_and_never_zero() -> None:
    sums = np.ones((60, 1))
    assert sign_flip_p(sums, 1)[0] == 1 / 10_001
    sums[:3] = -1
    assert sign_flip_p(sums, 1)[0] < 0.001


def test_p_does_not_hang_on_the_other_cells_or_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = np.random.default_rng(7).integers(-2, 4, size=(50, 6)).astype(float)
    whole = sign_flip_p(sums, 3)
    assert (sign_flip_p(sums[:, 2:3], 3) == whole[2]).all()
    monkeypatch.setattr("finer.stats.sign_flips._SIGNS_AT_ONCE", 1000)
    assert np.array_equal(sign_flip_p(sums, 3), whole)


def test_whole_images_are_flipped_not_pairs() -> None:
    """Ten images with six equal differences each are ten observations, not sixty."""
    rows = [
        item(item_id=f"{k}-{polarity}", group_id=f"g{k}", image_id=f"i{k % 10}", polarity=polarity)
        for k in range(60) for polarity in ("positive", "negative")
    ]  # fmt: skip
    said = [
        {"item_id": one["item_id"], "model": "m", "variant": variant, "answering": "letter", "control": "none",
         "scorer": "strict", "prediction": 0, "score": float((k // 2) % 10 != 9 if variant == "tuned" else 0),
         "unparsed": False}
        for k, one in enumerate(rows) for variant in ("base", "tuned")
    ]  # fmt: skip
    row = comparisons(table_from(rows, ITEMS), table_from(said, VERDICTS), HOW).filter(statistic="paired_accuracy")
    assert row["p_value"].item() == 2 / 2**9 and row["value"].item() == pytest.approx(90)
