"""The table of the three ways of answering: what stands where, what is counted, and what is refused.

Golden files: ``FINER_RENEW_GOLDEN=1 pytest tests/test_finer_answering.py`` writes them anew; read what changed.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from fake_estimates import HALF, PAIRS, SCORERS, SUBJECTS, fake_comparisons, fake_estimates
from fake_evaluation import SHOWN
from finer.errors import InputError
from finer.schemas import COMPARISONS, ESTIMATES, POOLED, SETTINGS
from finer.store import write_table
from finer.tables.finer_answering import COLUMNS, STATISTICS, answering_layout, finer_answering, write_finer_answering
from finer.tables.layout import Layout, Row
from finer.tables.shown import Shown
from finer.tables.tidy import TIDY

GOLDEN = Path(__file__).parent / "data" / "golden"
KEY = ["model", "variant", "benchmark", "setting", "answering", "scorer", "statistic"]


@pytest.fixture(scope="module")
def found() -> pl.DataFrame:
    return fake_estimates()


@pytest.fixture(scope="module")
def rows(found: pl.DataFrame) -> pl.DataFrame:
    return of(found, SHOWN)


@pytest.fixture(scope="module")
def layout(rows: pl.DataFrame) -> Layout:
    return answering_layout(rows, SHOWN)


def of(found: pl.DataFrame, shown: Shown) -> pl.DataFrame:
    """The table of these estimates, with comparisons that fit them."""
    return finer_answering(found, fake_comparisons(found), shown)


def changed(found: pl.DataFrame, column: str, by: float, **where: str) -> pl.DataFrame:
    """The estimates with one column moved where these values stand."""
    here = pl.all_horizontal(pl.col(name) == value for name, value in where.items())
    moved = pl.when(here).then(pl.col(column) + by).otherwise(column).cast(ESTIMATES.columns[column])
    assert found.filter(here).height
    return found.with_columns(moved.alias(column))


def blocks(layout: Layout) -> dict[str, list[Row]]:
    """The rows below each heading."""
    result: dict[str, list[Row]] = {}
    for row in layout.rows:
        if row.heading:
            result[row.labels[0]] = []
        else:
            list(result.values())[-1].append(row)
    return result


# ---------------------------------------------------------------- what stands where
@pytest.mark.parametrize("suffix", ["csv", "md", "tex", "html"])
def test_the_table_equals_its_golden_file(found: pl.DataFrame, tmp_path: Path, suffix: str) -> None:
    write_table(found, ESTIMATES, tmp_path / "estimates.parquet")
    output = tmp_path / f"finer_answering.{suffix}"
    write_table(fake_comparisons(found), COMPARISONS, tmp_path / "comparisons.parquet")
    write_finer_answering([tmp_path / "estimates.parquet"], [tmp_path / "comparisons.parquet"], [output], SHOWN)
    golden = GOLDEN / output.name
    if os.environ.get("FINER_RENEW_GOLDEN"):
        golden.write_bytes(output.read_bytes())
    assert output.read_text(encoding="utf-8") == golden.read_text(encoding="utf-8")


def test_every_model_shows_three_ways_in_every_block(layout: Layout) -> None:
    found = blocks(layout)
    assert list(found) == ["FINER-CompreCap", "FINER-DOCCI", "All benchmarks pooled"]
    for lines in found.values():
        assert [row.labels[1] for row in lines] == ["Letter", "Text", "Likelihood"] * len(SUBJECTS)
        assert [row.labels[0] for row in lines[::3]] == ["Seer <micro> 1M", "Seer <micro> 1M + Tuning", "Yes & Man 2M"]


def test_a_cell_is_the_paired_accuracy_over_positive_and_negative_accuracy(found: pl.DataFrame, layout: Layout) -> None:
    cell = blocks(layout)["FINER-DOCCI"][7].cells[2]  # Yes & Man by text, multi_rel
    where = {"model": "yes_man", "benchmark": "docci", "setting": "multi_rel", "answering": "text", "control": "none"}
    own = found.filter(pl.col("entity_count").is_null(), **where)
    values = dict(own.select("statistic", "value").iter_rows())
    assert float(cell.value) == round(values["paired_accuracy"], 1)
    assert cell.below == f"{values['positive_accuracy']:.1f} / {values['negative_accuracy']:.1f}"
    assert cell.detail == f"[{values['paired_accuracy'] - HALF:.1f}, {values['paired_accuracy'] + HALF:.1f}]"


def test_likelihood_is_shown_by_the_sum_and_stored_by_the_mean_too(rows: pl.DataFrame, layout: Layout) -> None:
    stored = rows.filter(model="seer-micro", variant="base", benchmark="docci", setting="wh", answering="likelihood")
    paired = stored.filter(statistic="paired_accuracy")
    values = {scorer: paired.filter(scorer=scorer)["value"].item() for scorer in ("sum", "mean")}
    assert values["sum"] != values["mean"]
    assert float(blocks(layout)["FINER-DOCCI"][2].cells[3].value) == round(values["sum"], 1)


def test_letters_are_shown_by_the_configured_parser(found: pl.DataFrame, rows: pl.DataFrame) -> None:
    upstream = replace(SHOWN, parser="upstream")
    other = answering_layout(of(found, upstream), upstream)
    where = {"model": "yes_man", "benchmark": "comprecap", "setting": "multi_obj", "answering": "letter"}
    wanted = rows.filter(scorer="upstream", statistic="paired_accuracy", **where)["value"].item()
    assert float(blocks(other)["FINER-CompreCap"][6].cells[0].value) == round(wanted, 1)


def test_headings_count_the_pairs_and_pooled_ones_are_the_sum(layout: Layout) -> None:
    counts = {row.labels[0]: [cell.value for cell in row.cells] for row in layout.rows if row.heading}
    assert counts["FINER-DOCCI"] == [f"{PAIRS[setting]} pairs" for setting in SETTINGS]
    assert counts["All benchmarks pooled"] == [f"{2 * PAIRS[setting]} pairs" for setting in SETTINGS]


def test_the_csv_is_tidy_and_holds_every_scorer_and_statistic(rows: pl.DataFrame) -> None:
    assert rows.columns == COLUMNS and rows.columns[: len(TIDY)] == TIDY
    assert not rows.select(KEY).is_duplicated().any()
    scorers = sum(len(some) for some in SCORERS.values())
    assert rows.height == len(SUBJECTS) * 3 * len(SETTINGS) * scorers * len(STATISTICS)


def test_blind_controls_and_single_counts_do_not_enter(found: pl.DataFrame, rows: pl.DataFrame) -> None:
    plain = found.filter(pl.col("control") == "none", pl.col("entity_count").is_null())
    assert plain.height < found.height
    assert of(plain, SHOWN).equals(rows)


def test_one_benchmark_alone_is_not_pooled() -> None:
    alone = replace(SHOWN, benchmarks={"docci": "FINER-DOCCI"})
    rows = of(fake_estimates(("docci",)), alone)
    assert set(rows["benchmark"]) == {"docci"}
    assert not any("pooled" in note for note in answering_layout(rows, alone).footnotes)


def test_a_setting_that_only_one_benchmark_has_is_a_dash_in_the_other(found: pl.DataFrame) -> None:
    here = (pl.col("setting") == "wh") & pl.col("benchmark").is_in(["docci", POOLED])
    single = found.filter(pl.col("setting") == "wh", pl.col("benchmark") == "comprecap")
    without = pl.concat([found.filter(~here), single.with_columns(benchmark=pl.lit(POOLED))])
    lines = blocks(answering_layout(of(without, SHOWN), SHOWN))
    assert [row.cells[3].value for row in lines["FINER-DOCCI"]] == ["–"] * 9
    assert all(row.cells[3].below for row in lines["FINER-CompreCap"])


def test_the_csv_holds_differences_of_tuned_models_corrected_by_way_of_answering(rows: pl.DataFrame) -> None:
    tests = rows.filter(pl.col("p").is_not_null())
    assert set(tests["statistic"]) == set(STATISTICS[:3]) and set(tests["variant"]) == {"tuned"}
    for (way, scorer), own in tests.group_by("answering", "scorer"):
        assert own.height == 3 * 4 * 3, (way, scorer)
        assert own["q"].max() == own["p"].max() and (own["q"] >= own["p"]).all()


# ---------------------------------------------------------------- footnotes
def test_unread_answers_are_counted_once_per_way(found: pl.DataFrame, layout: Layout) -> None:
    note = next(note for note in layout.footnotes if "cannot be read" in note)
    own = found.filter(pl.col("benchmark") != POOLED, pl.col("control") == "none")
    for way, text in (("letter", "By letter: "), ("text", "by text: "), ("likelihood", "by likelihood: ")):
        scorer = "strict" if way == "letter" else "sum"
        lost = own.filter(model="yes_man", statistic="unparsed_share", answering=way, scorer=scorer)
        count = round((lost["value"] * lost["n"]).sum() / 100)
        part = note[note.index(text) :].split(";")[0]
        assert f"{count} of {4 * sum(PAIRS.values()):,} of Yes & Man 2M" in part or count == 0


def test_a_way_whose_answers_could_all_be_read_says_so(found: pl.DataFrame) -> None:
    none = found.with_columns(value=pl.when(pl.col("statistic") == "unparsed_share").then(0.0).otherwise("value"))
    notes = " ".join(answering_layout(of(none, SHOWN), SHOWN).footnotes)
    assert "By letter: none; by text: none; by likelihood: none." in notes


def test_footnotes_give_the_widest_pooled_interval_and_what_else_is_stored(found: pl.DataFrame) -> None:
    wider = changed(found, "ci_high", 3.0, benchmark=POOLED, setting="wh", answering="text", model="seer-micro")
    notes = " ".join(answering_layout(of(wider, SHOWN), SHOWN).footnotes)
    assert f"at most {HALF + 1.5} points" in notes
    assert "letter by the scorer upstream and likelihood by the mean log-probability per token" in notes
    assert "95 % interval" in notes and "sampling of images only" in notes and "parser: strict" in notes


# ---------------------------------------------------------------- what is refused
@pytest.mark.parametrize("way", ["letter", "text", "likelihood"])
def test_a_way_that_was_not_asked_is_an_error(found: pl.DataFrame, way: str) -> None:
    with pytest.raises(InputError, match="an estimate is missing") as error:
        of(found.filter(pl.col("answering") != way), SHOWN)
    assert way in str(error.value)


def test_likelihood_without_the_mean_is_an_error(found: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="an estimate is missing"):
        of(found.filter(pl.col("scorer") != "mean"), SHOWN)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_missing_statistic_is_an_error(found: pl.DataFrame, statistic: str) -> None:
    hole = (pl.col("statistic") == statistic) & (pl.col("setting") == "wh") & (pl.col("benchmark") == "docci")
    with pytest.raises(InputError, match="an estimate is missing"):
        of(found.filter(~hole), SHOWN)


def test_a_hole_of_one_model_is_an_error(found: pl.DataFrame) -> None:
    hole = (pl.col("model") == "yes_man") & (pl.col("answering") == "text") & (pl.col("setting") == "wh")
    with pytest.raises(InputError, match="an estimate is missing"):
        of(found.filter(~hole), SHOWN)


def test_two_benchmarks_without_pooled_rows_are_an_error(found: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="an estimate is missing") as error:
        of(found.filter(pl.col("benchmark") != POOLED), SHOWN)
    assert POOLED in str(error.value)


@pytest.mark.parametrize("column", ["value", "n"])
def test_a_pooled_value_that_is_not_of_all_pairs_is_an_error(found: pl.DataFrame, column: str) -> None:
    wrong = changed(found, column, 1, benchmark=POOLED, setting="wh", statistic="unparsed_share")
    with pytest.raises(InputError, match="a pooled estimate" if column == "value" else "the same pairs"):
        of(wrong, SHOWN)


@pytest.mark.parametrize(("by", "name"), [(60.0, "above its questions"), (-60.0, "below what they force")])
def test_paired_accuracy_that_its_questions_cannot_give_is_an_error(found: pl.DataFrame, by: float, name: str) -> None:
    wrong = changed(found, "value", by, statistic="paired_accuracy", control="none")
    with pytest.raises(InputError, match="cannot be of the same pairs"):
        of(wrong, SHOWN)


@pytest.mark.parametrize("statistic", ["positive_accuracy", "negative_accuracy", "unparsed_share"])
def test_questions_of_other_pairs_are_an_error(found: pl.DataFrame, statistic: str) -> None:
    with pytest.raises(InputError, match="cannot be of the same pairs"):
        of(changed(found, "n", 2, statistic=statistic), SHOWN)


def test_a_model_that_is_not_configured_is_an_error(found: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="not configured"):
        of(found, replace(SHOWN, models={"yes_man": SHOWN.models["yes_man"]}))
