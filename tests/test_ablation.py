"""Ablation tables: variants of one model against its base, what was published of them, and what is refused.

Golden files: ``FINER_RENEW_GOLDEN=1 pytest tests/test_ablation.py`` writes them anew; read what changed.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml

from fake_estimates import SCORERS, fake_comparisons, fake_estimates
from finer.config import parse
from finer.errors import InputError
from finer.schemas import COMPARISONS, ESTIMATES, SETTINGS, SUITE_COMPARISONS, SUITE_ESTIMATES
from finer.store import table_from, write_table
from finer.tables.ablation import Ablation, _stubs_of, ablation_layout, ablation_of, ablation_rows, write_ablation
from finer.tables.ablation_suites import suite_columns
from finer.tables.published_values import published_ablation
from finer.tables.shown import ModelName, Shown

GOLDEN = Path(__file__).parent / "data" / "golden"
ROWS = {"m@sft-both": ["SFT", "both"], "m@dpo-negative": ["DPO", "negative"]}
STRATEGY = Ablation("strategy", "Strategy <of> tuning", ["Method", "Queries"], ROWS)
NAMES = {row: ModelName("InternVL-3.5", "8B", "InternVL-3.5,8B", row.partition("@")[2]) for row in ("m", *ROWS)}
WHAT = Shown(NAMES, {"comprecap": "FINER-CompreCap"})
NONE = suite_columns(SUITE_ESTIMATES.empty(), SUITE_COMPARISONS.empty(), WHAT)


@pytest.fixture(scope="module")
def found() -> pl.DataFrame:
    """Estimates of the ablation's rows on one benchmark, and of another model."""
    names = {"seer-micro base": "m base", "seer-micro tuned": "m sft-both", "yes_man base": "m dpo-negative"}
    plain = fake_estimates(("comprecap",)).filter(pl.col("benchmark") == "comprecap")
    both = pl.concat_str("model", "variant", separator=" ").replace_strict(names).str.split(" ")
    own = plain.with_columns(model=both.list.get(0), variant=both.list.get(1))
    other = plain.filter(variant="base", model="yes_man").with_columns(model=pl.lit("other"))
    return pl.concat([own, other])


@pytest.fixture(scope="module")
def rows(found: pl.DataFrame) -> pl.DataFrame:
    return ablation_rows(found, fake_comparisons(found), STRATEGY, WHAT)


@pytest.mark.parametrize("suffix", ["csv", "md", "tex", "html"])
def test_the_table_equals_its_golden_file(found: pl.DataFrame, tmp_path: Path, suffix: str) -> None:
    write_table(found, ESTIMATES, tmp_path / "estimates.parquet")
    write_table(fake_comparisons(found), COMPARISONS, tmp_path / "comparisons.parquet")
    output = tmp_path / f"ablation_strategy.{suffix}"
    write_ablation([tmp_path / "estimates.parquet"], [tmp_path / "comparisons.parquet"], [output], STRATEGY, WHAT)
    golden = GOLDEN / output.name
    if os.environ.get("FINER_RENEW_GOLDEN"):
        golden.write_bytes(output.read_bytes())
    assert output.read_text(encoding="utf-8") == golden.read_text(encoding="utf-8")


def test_the_base_comes_first_and_each_variant_has_its_difference_below(rows: pl.DataFrame) -> None:
    layout = ablation_layout(rows, STRATEGY, WHAT, NONE)
    assert layout.stubs == ("Method", "Queries")
    printed = [("published", ""), ("difference to published", "")]
    assert [row.labels for row in layout.rows] == [
        ("base", ""), *printed, ("SFT", "both"), ("difference to base", ""), *printed,
        ("DPO", "negative"), ("difference to base", ""), *printed,
    ]  # fmt: skip
    titles = [column.title for _, column in layout.columns]
    assert titles == ["Multi-obj", "Multi-attr", "Multi-rel", "Wh", "Right queries", "Wrong queries"]


def test_right_and_wrong_queries_are_means_over_the_settings(rows: pl.DataFrame) -> None:
    layout = ablation_layout(rows, STRATEGY, WHAT, NONE)
    own = rows.filter(variant="sft-both", answering="letter")
    line = next(row for row in layout.rows if row.labels == ("SFT", "both"))
    for cell, statistic in zip(line.cells[4:], ("positive_accuracy", "negative_accuracy"), strict=True):
        assert cell.value == f"{own.filter(statistic=statistic)['value'].mean():.1f}"


def test_published_values_are_those_of_the_row_with_the_same_labels(rows: pl.DataFrame) -> None:
    printed = rows.filter(statistic="paired_accuracy", answering="letter", setting="multi_attr")
    assert dict(printed.select("variant", "published").iter_rows()) == {
        "base": 71.9, "sft-both": 49.5, "dpo-negative": 75.2
    }  # fmt: skip
    others = rows.filter((pl.col("statistic") != "paired_accuracy") | (pl.col("answering") != "letter"))
    assert others["published"].is_null().all()
    assert (printed["difference_to_published"] - printed["value"] + printed["published"]).abs().max() < 1e-9


@pytest.mark.parametrize(
    ("ablation", "shown"),
    [
        (replace(STRATEGY, name="images"), WHAT),
        (STRATEGY, replace(WHAT, models={row: replace(one, published=None) for row, one in NAMES.items()})),
        (STRATEGY, replace(WHAT, models={r: replace(n, published="InternVL-3.5,14B") for r, n in NAMES.items()})),
    ],
    ids=["another table", "micro model", "another model"],
)
def test_what_the_paper_does_not_have_is_compared_with_nothing(
    found: pl.DataFrame, ablation: Ablation, shown: Shown
) -> None:
    rows = ablation_rows(found, fake_comparisons(found), ablation, shown)
    assert rows["published"].is_null().all()
    assert not any("ublished" in " ".join(row.labels) for row in ablation_layout(rows, ablation, shown, NONE).rows)


def test_the_csv_holds_all_three_ways_and_corrects_each_apart(rows: pl.DataFrame) -> None:
    assert set(rows["answering"]) == set(SCORERS) and rows.columns[:2] == ["method", "queries"]
    assert rows.height == 3 * 3 * 3 * len(SETTINGS)
    for _, own in rows.filter(pl.col("p").is_not_null()).group_by("answering"):
        assert own.height == 2 * 3 * len(SETTINGS) and own["q"].max() == own["p"].max()


def test_published_ablations_have_all_rows_of_the_paper() -> None:
    assert published_ablation("strategy").height == 5 * 4 and published_ablation("subset").height == 6 * 4
    all_types = published_ablation("subset").filter(labels="all").select("setting", "published")
    assert all_types.equals(published_ablation("strategy").filter(labels="dpo both").select("setting", "published"))


@pytest.mark.parametrize("variant", ["base", "sft-both"])
def test_a_row_without_estimates_is_an_error(found: pl.DataFrame, variant: str) -> None:
    with pytest.raises(InputError, match="no estimates of a configured model"):
        ablation_rows(found.filter(pl.col("variant") != variant), fake_comparisons(found), STRATEGY, WHAT)


@pytest.mark.parametrize("hole", [{"answering": "text"}, {"statistic": "positive_accuracy"}, {"setting": "wh"}])
def test_a_hole_of_one_variant_is_an_error(found: pl.DataFrame, hole: dict[str, str]) -> None:
    gone = found.filter(variant="sft-both", **hole)
    with pytest.raises(InputError, match="an estimate is missing"):
        rest = found.join(gone, on=list(ESTIMATES.key), how="anti", nulls_equal=True)
        ablation_rows(rest, fake_comparisons(found), STRATEGY, WHAT)


def test_a_missing_comparison_is_an_error(found: pl.DataFrame) -> None:
    fewer = fake_comparisons(found).filter(pl.col("variant") != "sft-both")
    with pytest.raises(InputError, match="a comparison is missing"):
        ablation_rows(found, fewer, STRATEGY, WHAT)


def test_the_layout_of_the_configuration_is_read() -> None:
    root = Path(__file__).parent.parent
    config = parse(yaml.safe_load((root / "config.yaml").read_text()))
    ablation, what = ablation_of(json.loads(config.layout(ablation="strategy")), "strategy")
    assert ablation.columns == ["Method", "Queries"] and list(what.benchmarks) == ["comprecap"]
    assert [ablation.labels(one) for one in what.order][:2] == [("base", ""), ("SFT", "negative")]
    places = config.ablation_verdicts()["comprecap"]
    base = "internvl3.5-micro-s"
    assert places[0] == f"{base}/finer" and f"{base}@finer-tuning/finer" in places
    assert f"{base}@sft-both/ablation" in places and len(places) == len(set(places)) == 9


def suite_numbers(variants: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Numbers of RePOPE and MMStar of the model's variants, and their differences from the base."""
    places = {"repope": ("first_substring", "mean_accuracy"), "mmstar": ("toolkit", "accuracy")}
    estimates, comparisons = [], []
    for number, variant in enumerate(variants):
        for suite, (scorer, statistic) in places.items():
            place = {"suite": suite, "model": "m", "variant": variant, "scorer": scorer, "split": "all"}
            sizes = {"statistic": statistic, "n": 200, "n_clusters": 40}
            bounds = {"value": 50.0 + number, "ci_low": 40.0, "ci_high": 60.0, "unparsed": 0.0}
            estimates.append({**place, **sizes, **bounds})
            if variant != "base":
                bounds = {"value": float(number), "ci_low": -1.0, "ci_high": 9.0, "p_value": 0.001 * number}
                comparisons.append({**place, **sizes, **bounds, "against": "base"})
    return table_from(estimates, SUITE_ESTIMATES), table_from(comparisons, SUITE_COMPARISONS)


def test_suites_stand_beside_the_settings(rows: pl.DataFrame) -> None:
    beside = suite_columns(*suite_numbers(["base", "sft-both", "dpo-negative"]), WHAT)
    layout = ablation_layout(rows, STRATEGY, WHAT, beside)
    assert [column.title for column in layout.groups[-1].columns] == ["RePOPE", "MMStar"]
    assert layout.rows[0].cells[-1].value == "50.0"
    differences = [row for row in layout.rows if row.labels[0] == "difference to base"]
    assert differences[0].cells[-1].value == "+1.0 **" and differences[1].cells[-2].value == "+2.0 **"
    tidy = beside.tidy(rows, _stubs_of(STRATEGY, WHAT))
    assert tidy.columns == rows.columns and set(tidy["benchmark"]) == {"repope", "mmstar"}
    assert tidy.filter(variant="base")["difference"].is_null().all()


def test_a_variant_that_a_suite_was_not_asked_of_is_an_error() -> None:
    with pytest.raises(InputError, match="not asked of a variant"):
        suite_columns(*suite_numbers(["base"]), WHAT)


def test_without_suites_there_are_no_columns() -> None:
    assert NONE.groups() == () and NONE.suites == []


def test_printed_numbers_of_suites_stand_below_those_of_the_run(found: pl.DataFrame, tmp_path: Path) -> None:
    estimates, comparisons = suite_numbers(["base", "sft-both", "dpo-negative"])
    tables = ((found, ESTIMATES), (fake_comparisons(found), COMPARISONS), (estimates, SUITE_ESTIMATES),
              (comparisons, SUITE_COMPARISONS))  # fmt: skip
    files = [tmp_path / f"{place}.parquet" for place in range(len(tables))]
    for file, (table, schema) in zip(files, tables, strict=True):
        write_table(table, schema, file)
    outputs = [tmp_path / "ablation_strategy.csv", tmp_path / "ablation_strategy.md"]
    write_ablation([files[0]], [files[1]], outputs, STRATEGY, WHAT, ([files[2]], [files[3]]))
    table = pl.read_csv(outputs[0]).filter(answering="suite")
    printed = {(row["variant"], row["benchmark"]): row["published"] for row in table.iter_rows(named=True)}
    assert printed == {
        ("base", "repope"): 91.5, ("base", "mmstar"): 68.0, ("sft-both", "repope"): 92.2,
        ("sft-both", "mmstar"): 63.3, ("dpo-negative", "repope"): 93.1, ("dpo-negative", "mmstar"): 68.3,
    }  # fmt: skip
    assert (table["difference_to_published"] - table["value"] + table["published"]).abs().max() < 1e-9
    lines = outputs[1].read_text().splitlines()
    published = next(line for line in lines if "published" in line and "difference" not in line)
    difference = next(line for line in lines if "difference to published" in line)
    assert published.rstrip(" |").replace("*", "").endswith("91.5 | 68.0")
    assert difference.rstrip(" |").replace("*", "").endswith("−41.5 | −18.0")
