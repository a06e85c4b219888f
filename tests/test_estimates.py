"""Verdicts become estimates: paired accuracy and its companions, against counts made by hand."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from fake_evaluation import CHOICES, SKILL, finer_items, granularity_items, item, response, responses
from finer.errors import InputError
from finer.schemas import ESTIMATES, ITEMS, POOLED, RESPONSES, VERDICTS
from finer.scoring.verdicts import verdicts
from finer.stats.estimates import estimate, estimates
from finer.store import read_table, table_from, write_table


@pytest.fixture(scope="module")
def items() -> pl.DataFrame:
    return pl.concat([finer_items(30), granularity_items(30)])


@pytest.fixture(scope="module")
def judged(items: pl.DataFrame) -> pl.DataFrame:
    return verdicts(items, responses(items, SKILL))


@pytest.fixture(scope="module")
def found(items: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    return estimates(items, judged, **CHOICES)


def pair(answers: tuple[str, str], **values: object) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """A positive and a negative question (right: A) and their answers."""
    group = str(values.get("group_id", "g0"))
    names = [f"{group}-{polarity}" for polarity in ("positive", "negative")]
    asked = [item(**{**values, "item_id": n, "polarity": n.split("-")[-1], "group_id": group}) for n in names]
    return asked, [response(n, text) for n, text in zip(names, answers, strict=True)]


def value(frame: pl.DataFrame, statistic: str, scorer: str = "strict", **where: object) -> float:
    conditions = [pl.col("statistic") == statistic, pl.col("scorer") == scorer, pl.col("entity_count").is_null()]
    conditions += [pl.col(name) == wanted for name, wanted in where.items()]
    return float(frame.filter(conditions)["value"].item())


def of_pairs(*answers: tuple[str, str]) -> pl.DataFrame:
    parts = [pair(texts, group_id=f"g{k}", image_id=f"image{k}") for k, texts in enumerate(answers)]
    asked = table_from([row for rows, _ in parts for row in rows], ITEMS)
    said = table_from([row for _, rows in parts for row in rows], RESPONSES)
    return estimates(asked, verdicts(asked, said), **CHOICES)


def test_a_pair_counts_only_if_both_answers_are_right() -> None:
    frame = of_pairs(("A", "A"), ("A", "B"), ("B", "A"), ("C", "D"))
    assert value(frame, "paired_accuracy") == 25.0
    assert value(frame, "positive_accuracy") == value(frame, "negative_accuracy") == 50.0


def test_always_yes_scores_zero_and_half() -> None:
    frame = of_pairs(*[("A", "B")] * 8)
    assert value(frame, "paired_accuracy") == 0.0
    assert (value(frame, "positive_accuracy"), value(frame, "negative_accuracy")) == (100.0, 0.0)


def test_unparsed_answers_stay_in_the_denominators() -> None:
    frame = of_pairs(("A", "A"), ("A", "what?"))
    assert value(frame, "paired_accuracy") == 50.0
    assert value(frame, "unparsed_share") == 25.0
    letters = [value(frame, f"letter_{letter}_share") for letter in "abcde"]
    assert letters == [75.0, 0.0, 0.0, 0.0, 0.0]


def test_every_value_is_the_plain_share_of_its_rows(
    items: pl.DataFrame, judged: pl.DataFrame, found: pl.DataFrame
) -> None:
    rows = judged.filter(scorer="strict", answering="letter").join(items, on=["item_id", "answering", "control"])
    cell = ["model", "variant", "benchmark", "grouping"]
    pairs = rows.group_by([*cell, "group_id", "entity_count"]).agg(both=pl.col("score").min())
    overall = pairs.group_by(cell).agg(expected=100 * pl.col("both").mean(), pairs=pl.len())
    by_count = pairs.group_by([*cell, "entity_count"]).agg(expected=100 * pl.col("both").mean(), pairs=pl.len())
    chosen = found.filter(statistic="paired_accuracy", scorer="strict", answering="letter")
    chosen = chosen.filter(pl.col("benchmark") != POOLED).rename({"setting": "grouping"})
    for expected, keys in ((overall, cell), (by_count, [*cell, "entity_count"])):
        which = pl.col("entity_count").is_not_null() if "entity_count" in keys else pl.col("entity_count").is_null()
        joined = chosen.filter(which).join(expected, on=keys, how="full", validate="1:1")
        assert joined["value"].null_count() == joined["expected"].null_count() == 0
        assert ((joined["value"] - joined["expected"]).abs() < 1e-9).all() and (joined["n"] == joined["pairs"]).all()


def test_letter_shares_and_unparsed_add_up_to_100(found: pl.DataFrame) -> None:
    parts = found.filter(pl.col("answering") == "letter", pl.col("statistic").str.contains("^letter_|^unparsed"))
    sums = parts.group_by("model", "variant", "benchmark", "setting", "scorer").agg(pl.col("value").sum())
    assert ((sums["value"] - 100).abs() < 1e-9).all()


def test_granularity_shows_both_shares_and_detection(found: pl.DataFrame) -> None:
    level = found.filter(model="seer-micro", variant="base", benchmark="docci", setting="level_2", scorer="strict")
    shown = set(level["statistic"])
    assert {"no_share", "yes_share", "d_prime", "criterion", "unparsed_share", "paired_accuracy"} <= shown
    rows = found.filter(statistic="d_prime", interval="bootstrap", scorer="strict")
    assert (
        rows.height > 10
        and rows.filter(pl.col("n") != 60 * (1 + (pl.col("benchmark") == POOLED).cast(pl.Int64))).is_empty()
    )
    assert ((rows["ci_low"] < rows["value"]) & (rows["value"] < rows["ci_high"])).all()


def test_always_no_is_not_mistaken_for_seeing() -> None:
    rows, said = [], []
    for k in range(12):
        for polarity, right in (("positive", 0), ("negative", 1)):
            name = f"q{k}-{polarity}"
            rows.append(
                item(item_id=name, suite="granularity", image_id=f"image{k}", group_id=f"q{k}", grouping="level_1",
                     polarity=polarity, answering="yes_no", options=["yes", "no"], answer_index=right,
                     entity_count=None)
            )  # fmt: skip
            said.append(response(name, "No", answering="yes_no"))
    asked = table_from(rows, ITEMS)
    frame = estimates(asked, verdicts(asked, table_from(said, RESPONSES)), **CHOICES)
    assert (value(frame, "no_share"), value(frame, "yes_share")) == (100.0, 0.0)
    assert value(frame, "d_prime") == pytest.approx(0) and value(frame, "criterion") > 1
    assert frame.filter(statistic="d_prime", scorer="strict")["interval"].item() == "none"


def test_intervals_enclose_the_values(found: pl.DataFrame) -> None:
    shares = found.filter(pl.col("interval") != "none", ~pl.col("statistic").is_in(["d_prime", "criterion"]))
    assert ((shares["ci_low"] <= shares["value"]) & (shares["value"] <= shares["ci_high"])).all()
    assert ((shares["ci_low"] >= 0) & (shares["ci_high"] <= 100)).all()


def test_another_model_changes_no_other_estimate(
    items: pl.DataFrame, judged: pl.DataFrame, found: pl.DataFrame
) -> None:
    alone = estimates(items, judged.filter(model="yes_man", variant="tuned"), **CHOICES)
    assert alone.equals(found.filter(model="yes_man", variant="tuned"))


def test_the_order_of_the_rows_changes_nothing(items: pl.DataFrame, judged: pl.DataFrame, found: pl.DataFrame) -> None:
    shuffled = estimates(items.sample(fraction=1, shuffle=True, seed=1), judged.reverse(), **CHOICES)
    assert shuffled.equals(found)


def test_the_seed_moves_the_bounds_and_not_the_values(
    items: pl.DataFrame, judged: pl.DataFrame, found: pl.DataFrame
) -> None:
    other = estimates(items, judged, **{**CHOICES, "seed": 1})
    assert other["value"].equals(found["value"]) and not other["ci_low"].equals(found["ci_low"])


def test_imported_pairs_without_entity_counts_have_overall_estimates_only() -> None:
    asked, said = pair(("A", "A"), entity_count=None)
    items, answers = table_from(asked, ITEMS), table_from(said, RESPONSES)
    frame = estimates(items, verdicts(items, answers), **CHOICES)
    assert frame["entity_count"].is_null().all() and value(frame, "paired_accuracy") == 100.0


def test_pooled_is_the_share_over_both_benchmarks_and_narrower_than_either(found: pl.DataFrame) -> None:
    chosen = found.filter(
        pl.col("statistic") == "paired_accuracy", pl.col("scorer") == "strict", pl.col("entity_count").is_null(),
        pl.col("interval") == "bootstrap",
    )  # fmt: skip
    cells = chosen.group_by("model", "variant", "setting").agg(
        parts=pl.col("benchmark").len(),
        mean=(pl.col("value") * pl.col("n")).filter(pl.col("benchmark") != POOLED).sum()
        / pl.col("n").filter(pl.col("benchmark") != POOLED).sum(),
        pooled=pl.col("value").filter(pl.col("benchmark") == POOLED).first(),
        width=(pl.col("ci_high") - pl.col("ci_low")).filter(pl.col("benchmark") == POOLED).first(),
        narrowest=(pl.col("ci_high") - pl.col("ci_low")).filter(pl.col("benchmark") != POOLED).min(),
    )
    whole = cells.filter(pl.col("parts") == 3)
    assert whole.height > 10
    assert ((whole["mean"] - whole["pooled"]).abs() < 1e-9).all()
    assert (whole["width"] < whole["narrowest"]).mean() > 0.95


def test_one_benchmark_has_no_pooled_estimates() -> None:
    assert POOLED not in of_pairs(("A", "A"), ("A", "B"))["benchmark"]


def with_control(control: str, seen: list[tuple[str, str]], blind: list[tuple[str, str]]) -> pl.DataFrame:
    """Estimates of pairs, the first of which were also asked without seeing."""
    asked, said = [], []
    for answers, kind in ((seen, "none"), (blind, control)):
        for k, texts in enumerate(answers):
            rows, words = pair(texts, group_id=f"g{k}", image_id=f"image{k}", control=kind)
            asked += rows
            said += [{**word, "control": kind} for word in words]
    items = table_from(asked, ITEMS)
    return estimates(items, verdicts(items, table_from(said, RESPONSES)), **CHOICES)


@pytest.mark.parametrize("control", ["wrong_image", "text_only"])
def test_controls_are_compared_with_the_same_pairs_seen(control: str) -> None:
    right, wrong = ("A", "A"), ("A", "B")
    frame = with_control(control, [right, right, wrong, wrong, wrong], [right, wrong, wrong])
    assert value(frame, "paired_accuracy", control="none") == 40.0
    assert value(frame, "seen_paired_accuracy", control=control) == pytest.approx(200 / 3)  # of three pairs, not five
    assert value(frame, "paired_accuracy", control=control) == pytest.approx(100 / 3)
    assert value(frame, "gain_of_seeing", control=control) == pytest.approx(100 / 3)
    assert set(frame.filter(control=control)["statistic"]) == {
        "paired_accuracy", "seen_paired_accuracy", "gain_of_seeing"
    }  # fmt: skip


def test_the_gain_is_resampled_as_a_difference() -> None:
    """Pairs that are right or wrong with and without the image say nothing of the gain and must not widen it."""
    right, wrong = ("A", "A"), ("A", "B")
    half, gained = [right, wrong] * 60, [right] * 20
    frame = with_control("text_only", half + gained, half + [wrong] * 20).filter(
        statistic="gain_of_seeing", scorer="strict"
    )
    assert frame["interval"].item() == "bootstrap"
    assert frame["value"].item() == pytest.approx(100 * 20 / 140)
    error = 100 * (20 / 140 * 120 / 140 / 140) ** 0.5
    assert frame["ci_high"].item() - frame["ci_low"].item() == pytest.approx(2 * 1.96 * error, rel=0.15)


@pytest.mark.parametrize(("blind", "gain"), [(("A", "A"), 0.0), (("A", "B"), 100.0)])
def test_a_gain_without_variation_has_an_interval_with_width(blind: tuple[str, str], gain: float) -> None:
    frame = with_control("text_only", [("A", "A")] * 40, [blind] * 40).filter(
        statistic="gain_of_seeing", scorer="strict"
    )
    assert (frame["value"].item(), frame["interval"].item()) == (gain, "newcombe")
    assert frame["ci_high"].item() - frame["ci_low"].item() > 5


@pytest.mark.parametrize(
    "change", [{"polarity": "positive"}, {"image_id": "another"}, {"grouping": "wh"}, {"group_id": "g9"}]
)
def test_what_is_not_a_pair_is_an_error(change: dict[str, object]) -> None:
    asked, said = pair(("A", "A"))
    items = table_from([asked[0], {**asked[1], **change}], ITEMS)
    with pytest.raises(InputError, match="not a pair"):
        estimates(items, verdicts(items, table_from(said, RESPONSES)), **CHOICES)


def test_a_verdict_on_an_unknown_item_is_an_error(items: pl.DataFrame, judged: pl.DataFrame) -> None:
    fewer = items.filter(pl.col("group_id") != items["group_id"][0])
    with pytest.raises(InputError, match="not in the table of items"):
        estimates(fewer, judged, **CHOICES)


def test_one_benchmark_is_estimated_and_verdicts_on_unknown_items_are_still_refused(
    items: pl.DataFrame, judged: pl.DataFrame, found: pl.DataFrame, tmp_path: Path
) -> None:
    write_table(items, ITEMS, tmp_path / "items.parquet")
    write_table(judged, VERDICTS, tmp_path / "verdicts.parquet")
    estimate(
        [tmp_path / "items.parquet"], [tmp_path / "verdicts.parquet"], tmp_path / "e", benchmark="docci", **CHOICES
    )
    assert read_table(tmp_path / "e", ESTIMATES).equals(found.filter(benchmark="docci"))
    fewer = items.filter(pl.col("group_id") != items.filter(benchmark="comprecap")["group_id"][0])
    write_table(fewer, ITEMS, tmp_path / "items.parquet")
    with pytest.raises(InputError, match="not in the table of items"):
        estimate(
            [tmp_path / "items.parquet"], [tmp_path / "verdicts.parquet"], tmp_path / "e", benchmark="docci", **CHOICES
        )


def test_two_runs_write_the_same_bytes(items: pl.DataFrame, judged: pl.DataFrame, tmp_path: Path) -> None:
    write_table(items, ITEMS, tmp_path / "items.parquet")
    write_table(judged, VERDICTS, tmp_path / "verdicts.parquet")
    for name in ("a", "b"):
        estimate([tmp_path / "items.parquet"], [tmp_path / "verdicts.parquet"], tmp_path / name, **CHOICES)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_table(tmp_path / "a", ESTIMATES).height > 500
