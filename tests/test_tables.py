"""Tables and figures: the layout of the paper, tidy CSVs, escaped text, published values, stable bytes.

Golden files: ``FINER_RENEW_GOLDEN=1 pytest tests/test_tables.py`` writes them anew; read what changed.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from fake_estimates import fake_training
from fake_evaluation import BOTH_TUNED as SHOWN
from fake_evaluation import CHOICES, SKILL, finer_items, granularity_items, responses
from finer.errors import InputError
from finer.schemas import COMPARISONS, ESTIMATES, SETTINGS, TRAINING_LOG
from finer.scoring.verdicts import verdicts
from finer.stats.differences import Resampling, comparisons
from finer.stats.estimates import estimates
from finer.store import write_table
from finer.tables.figures import (
    entity_count_figure,
    entity_count_rows,
    granularity_figure,
    granularity_rows,
    write_entity_count,
    write_granularity,
)
from finer.tables.finer_benchmarks import RANDOM, benchmark_layout, finer_benchmarks, write_finer_benchmarks
from finer.tables.labels import percent
from finer.tables.layout import Cell, Column, Group, Layout, Row, render, write_layout
from finer.tables.published_values import published_accuracy, published_granularity
from finer.tables.shown import ModelName, Shown, shown
from finer.tables.tidy import TIDY
from finer.tables.training_figure import training_figure, training_rows, write_training

GOLDEN = Path(__file__).parent / "data" / "golden"


ITEMS_ASKED = pl.concat([finer_items(40), granularity_items(40)])


@cache
def judged() -> pl.DataFrame:
    return verdicts(ITEMS_ASKED, responses(ITEMS_ASKED, SKILL))


@cache
def compared() -> pl.DataFrame:
    return comparisons(ITEMS_ASKED, judged(), Resampling(CHOICES["seed"], CHOICES["resamples"], CHOICES["confidence"]))


@pytest.fixture(scope="module")
def found() -> pl.DataFrame:
    return estimates(ITEMS_ASKED, judged(), **CHOICES)


def table(found: pl.DataFrame, shown: Shown) -> pl.DataFrame:
    return finer_benchmarks(found, compared(), shown)


@pytest.fixture(scope="module")
def differences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("comparisons") / "comparisons.parquet"
    write_table(compared(), COMPARISONS, path)
    return path


@pytest.fixture(scope="module")
def file(found: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("estimates") / "estimates.parquet"
    write_table(found, ESTIMATES, path)
    return path


@pytest.fixture(scope="module")
def rows(found: pl.DataFrame) -> pl.DataFrame:
    return table(found, SHOWN)


@pytest.mark.parametrize("suffix", ["csv", "md", "tex", "html"])
def test_the_table_equals_its_golden_file(file: Path, differences: Path, tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"finer_benchmarks.{suffix}"
    write_finer_benchmarks([file], [differences], [output], SHOWN)
    golden = GOLDEN / output.name
    if os.environ.get("FINER_RENEW_GOLDEN"):
        golden.write_bytes(output.read_bytes())
    assert output.read_text(encoding="utf-8") == golden.read_text(encoding="utf-8")


def test_the_csv_is_tidy_one_estimate_a_row(file: Path, differences: Path, tmp_path: Path) -> None:
    write_finer_benchmarks([file], [differences], [tmp_path / "t.csv"], SHOWN)
    frame = pl.read_csv(tmp_path / "t.csv")
    assert frame.columns[: len(TIDY)] == TIDY
    assert not frame.select(TIDY[:5]).is_duplicated().any()
    assert frame.height == 8 * (1 + len(SKILL)) and frame["value"].is_between(0, 100).all()


def test_random_guess_is_the_first_row_and_four_percent(rows: pl.DataFrame) -> None:
    first = rows.head(8)
    assert (first["model"] == RANDOM).all() and (first["value"] == 4.0).all() and first["ci_low"].is_null().all()


def test_columns_are_benchmarks_times_settings_with_pairs(rows: pl.DataFrame) -> None:
    layout = benchmark_layout(rows, SHOWN)
    assert [group.title for group in layout.groups] == ["FINER-CompreCap", "FINER-DOCCI"]
    assert [column.title for column in layout.groups[0].columns] == ["Multi-obj", "Multi-attr", "Multi-rel", "Wh"]
    assert [column.note for column in layout.groups[1].columns] == ["240 pairs", "120 pairs", "120 pairs", "80 pairs"]


def test_models_stand_in_the_order_of_the_configuration(found: pl.DataFrame) -> None:
    turned = replace(SHOWN, models=dict(reversed(SHOWN.models.items())))
    names = list(dict.fromkeys(table(found, turned).select("model", "variant").rows()))
    assert names[1:] == [("yes_man", "tuned"), ("yes_man", "base"), ("seer-micro", "tuned"), ("seer-micro", "base")]
    assert names[0] == (RANDOM, "base")


def test_published_values_and_differences_stand_with_the_model_that_names_them(rows: pl.DataFrame) -> None:
    tuned = rows.filter(model="seer-micro", variant="tuned", benchmark="comprecap", setting="wh").row(0, named=True)
    assert tuned["published"] == 24.7
    assert tuned["difference_to_published"] == pytest.approx(tuned["value"] - 24.7)
    base = rows.filter(model="seer-micro", variant="base", benchmark="docci")
    assert base["published"].to_list() == [10.1, 12.3, 8.2, 14.2]
    assert rows.filter(model="yes_man")["published"].is_null().all()


def test_a_tuned_row_stands_below_its_base_with_its_difference(rows: pl.DataFrame) -> None:
    layout = benchmark_layout(rows, SHOWN)
    own = ["difference to base"]
    both = ["published", "difference to published"]
    assert [row.labels[0] for row in layout.rows] == [
        "Random guess", "Seer <micro>", *both, "+ Tuning", *own, *both, "Yes & Man", "+ Tuning", *own
    ]  # fmt: skip
    here = rows.filter(model="yes_man", variant="tuned", benchmark="docci", setting="multi_rel").row(0, named=True)
    base = rows.filter(model="yes_man", variant="base", benchmark="docci", setting="multi_rel")["value"].item()
    assert here["difference"] == pytest.approx(here["value"] - base)
    assert here["diff_low"] <= here["difference"] <= here["diff_high"] and here["p"] <= here["q"]
    cell = layout.rows[-1].cells[6]
    assert cell.value.startswith(f"{here['difference']:+.1f}") and cell.value.endswith("***") == (here["q"] < 0.001)
    assert any("over the 16 differences of this table" in note for note in layout.footnotes)


def test_p_is_corrected_over_all_differences_of_the_table(rows: pl.DataFrame) -> None:
    tests = rows.filter(pl.col("p").is_not_null())
    assert tests.height == 16 and set(tests["variant"]) == {"tuned"}
    ranked = sorted(tests["p"], reverse=True)
    smallest, expected = 1.0, {}
    for place, p in enumerate(ranked):  # Benjamini and Hochberg 1995, by hand
        smallest = min(smallest, p * 16 / (16 - place))
        expected[p] = smallest
    for p, q in tests.select("p", "q").rows():
        assert q == pytest.approx(expected[p])


def test_a_missing_comparison_is_an_error(found: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="a comparison is missing"):
        finer_benchmarks(
            found, compared().filter(~((pl.col("model") == "yes_man") & (pl.col("setting") == "wh"))), SHOWN
        )


def test_a_comparison_that_does_not_fit_its_estimates_is_an_error(found: pl.DataFrame) -> None:
    for column in ("value", "n"):
        moved = compared().with_columns((pl.col(column) + 1).alias(column))
        with pytest.raises(InputError, match="not the difference of the two estimates"):
            finer_benchmarks(found, moved, SHOWN)


def test_a_tuned_row_without_its_base_is_an_error(found: pl.DataFrame) -> None:
    alone = replace(SHOWN, models={name: one for name, one in SHOWN.models.items() if name != "yes_man"})
    with pytest.raises(InputError, match="without its base"):
        table(alone.only(found), alone)


def test_without_published_rows_and_variants_the_table_is_plain(found: pl.DataFrame) -> None:
    models = {name: replace(one, published=None) for name, one in SHOWN.untuned.models.items()}
    plain = replace(SHOWN, models=models)
    layout = benchmark_layout(table(found.filter(variant="base"), plain), plain)
    assert layout.stubs == ("Model", "Size") and not any(row.minor for row in layout.rows)
    assert not any("Published" in note for note in layout.footnotes)


def test_an_unknown_published_row_is_an_error(found: pl.DataFrame) -> None:
    wrong = replace(SHOWN, models={**SHOWN.models, "yes_man": ModelName("Yes", "", "LLaVA-9,7B")})
    with pytest.raises(InputError, match=r"models\.yes_man\.published"):
        table(found, wrong)


def test_footnotes_name_the_interval_the_parser_and_what_is_not_covered(rows: pl.DataFrame) -> None:
    notes = " ".join(benchmark_layout(rows, replace(SHOWN, parser="strict", confidence=0.9)).footnotes)
    for words in ("90 % interval", "bootstrap over images", "Wilson", "sampling of images only", "parser: strict"):
        assert words in notes
    assert "letter" in notes and "% of Seer <micro> 1M + Tuning" in notes


def test_a_model_without_estimates_is_an_error(found: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="no estimates of a configured model"):
        table(found.filter(model="seer-micro"), SHOWN)


def test_a_model_that_is_not_configured_is_an_error(found: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="not configured"):
        table(found, replace(SHOWN, models={"yes_man": SHOWN.models["yes_man"]}))


def test_a_missing_cell_is_an_error(found: pl.DataFrame) -> None:
    hole = (pl.col("model") == "yes_man") & (pl.col("setting") == "wh") & (pl.col("benchmark") == "docci")
    with pytest.raises(InputError, match="an estimate is missing"):
        table(found.filter(~hole), SHOWN)


def test_different_numbers_of_pairs_are_an_error(found: pl.DataFrame) -> None:
    fewer = found.with_columns(n=pl.when(pl.col("model") == "yes_man").then(pl.col("n") - 1).otherwise("n"))
    with pytest.raises(InputError, match="different numbers of pairs"):
        table(fewer, SHOWN)


def test_a_setting_without_pairs_has_no_column(found: pl.DataFrame) -> None:
    without = found.filter(~((pl.col("setting") == "wh") & (pl.col("benchmark") == "docci")))
    layout = benchmark_layout(table(without, SHOWN), SHOWN)
    assert [len(group.columns) for group in layout.groups] == [4, 3]


# ---------------------------------------------------------------- the renderer
HOSTILE = '<script>&"x" | a_b* 5% $y$ #1 {z} \\ ~^ [q]'
SMALL = Layout(
    title=HOSTILE, label="small", stubs=("Model",), groups=(Group(HOSTILE, (Column(HOSTILE, HOSTILE),)),),
    rows=(Row((HOSTILE,), (Cell(HOSTILE, HOSTILE),)), Row((HOSTILE,), (Cell("−1.0"),), minor=True)),
    footnotes=(HOSTILE,),
)  # fmt: skip


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_html_escapes_text_and_closes_its_tags() -> None:
    tags = _Tags()
    tags.feed(render(SMALL, "html"))
    assert not tags.open and "script" not in tags.seen and tags.words.count(HOSTILE) == 10


def test_markdown_rows_have_as_many_cells_as_the_header() -> None:
    lines = [line for line in render(SMALL, "md").splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in lines} == {3} and len(lines) == 4
    assert "<script>" not in "".join(lines)


def test_tex_escapes_its_special_characters() -> None:
    text = render(SMALL, "tex")
    assert r"\textless{}script\textgreater{}\&" in text and r"a\_b" in text and r"5\% \$y\$ \#1 \{z\}" in text
    assert r"\textbackslash{} \textasciitilde{}\textasciicircum{} {[}q{]}" in text and "$-$1.0" in text
    plain = re.sub(r"\\[\\{}]", "", text)
    assert plain.count("{") == plain.count("}")


def test_a_row_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="the table has 1 columns"):
        replace(SMALL, rows=(Row(("a",), ()),))


def test_another_suffix_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such form of a table"):
        write_layout(SMALL, tmp_path / "table.xlsx")


def test_percent_rounds_signs_and_marks_what_is_missing() -> None:
    assert [percent(x) for x in (4.0, 99.96, -0.04, None)] == ["4.0", "100.0", "0.0", "–"]
    assert [percent(x, signed=True) for x in (0.4, -0.4, -0.04)] == ["+0.4", "−0.4", "+0.0"]


def test_the_layout_of_the_configuration_is_read() -> None:
    read = shown({"models": {"m": {"title": "M", "size": "1M", "published": None}}, "benchmarks": {"b": "B"},
                  "answering": "letter", "parser": "upstream", "confidence": 0.95})  # fmt: skip
    assert read.models["m"] == ModelName("M", "1M", None) and read.parser == "upstream" and read.level == "95 %"


# ---------------------------------------------------------------- published values
def test_published_rows_have_all_eight_cells() -> None:
    frame = published_accuracy()
    assert frame.group_by("row", "tuned").len()["len"].unique().to_list() == [8]
    assert set(frame["setting"]) == set(SETTINGS) and set(frame["benchmark"]) == {"comprecap", "docci"}
    row = frame.filter(row="InternVL-3.5,14B", tuned=True, benchmark="comprecap", setting="multi_rel")
    assert row["published"].item() == 71.2
    assert (frame.filter(row="Random guess")["published"] == 4.0).all()


def test_published_granularity_is_in_percent() -> None:
    frame = published_granularity()
    assert frame.height == 28
    assert frame.filter(benchmark="docci", level=6, tuned=False)["published"].item() == pytest.approx(10.0)


# ---------------------------------------------------------------- figures
FIGURES = {"granularity": write_granularity, "entity_count": write_entity_count}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_have_stable_bytes_and_a_readable_size(file: Path, tmp_path: Path, name: str) -> None:
    for run in ("a", "b"):
        FIGURES[name]([file], [tmp_path / f"{run}.{kind}" for kind in ("svg", "png", "csv")], SHOWN)
    for kind in ("svg", "png", "csv"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    assert "dc:date" not in (tmp_path / "a.svg").read_text(encoding="utf-8")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > 1500 and image.height > 900 and "Software" not in image.info


def test_the_granularity_csv_holds_both_shares_per_level(file: Path, tmp_path: Path) -> None:
    write_granularity([file], [tmp_path / "g.csv"], SHOWN)
    frame = pl.read_csv(tmp_path / "g.csv")
    assert frame.height == len(SKILL) * 2 * 7 * 2 and frame.columns[: len(TIDY)] == TIDY
    assert set(frame["statistic"]) == {"no_share", "yes_share"}


def test_the_figures_change_with_the_numbers(file: Path, found: pl.DataFrame, tmp_path: Path) -> None:
    moved = found.with_columns(value=pl.col("value") * 0.9, ci_low=pl.col("ci_low") * 0.9)
    write_table(moved, ESTIMATES, tmp_path / "moved.parquet")
    for name, source in (("a", file), ("b", tmp_path / "moved.parquet")):
        write_entity_count([source], [tmp_path / f"{name}.svg"], SHOWN)
    assert (tmp_path / "a.svg").read_bytes() != (tmp_path / "b.svg").read_bytes()


def test_published_points_appear_for_the_model_of_the_published_figure(file: Path, tmp_path: Path) -> None:
    with_points = replace(SHOWN, models={**SHOWN.models, "yes_man": ModelName("Yes", "", "InternVL-3.5,14B")})
    for name, what in (("a", SHOWN), ("b", with_points)):
        write_granularity([file], [tmp_path / f"{name}.svg"], what)
    assert (tmp_path / "b.svg").stat().st_size > (tmp_path / "a.svg").stat().st_size


def test_no_entity_counts_is_an_error_that_says_why(found: pl.DataFrame, tmp_path: Path) -> None:
    write_table(found.filter(pl.col("entity_count").is_null()), ESTIMATES, tmp_path / "e.parquet")
    with pytest.raises(InputError, match="carry no entity counts"):
        write_entity_count([tmp_path / "e.parquet"], [tmp_path / "f.svg"], SHOWN)


def test_another_ending_of_a_figure_is_an_error(file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such form of a figure"):
        write_granularity([file], [tmp_path / "f.gif"], SHOWN)


def test_the_figure_of_training_has_a_column_a_tuned_model_and_leaves_out_what_a_method_lacks(tmp_path: Path) -> None:
    logs = fake_training((("seer-micro", "tuned"), ("yes_man", "tuned")))
    figure = training_figure(training_rows(logs, SHOWN), SHOWN)
    assert len(figure.axes) == 6 and figure.axes[0].get_title() == "Seer <micro> 1M\n+ Tuning"
    assert all(len(axes.lines) == 2 for axes in figure.axes)
    plain = logs.with_columns(pl.lit(None, pl.Float64).alias(name) for name in ("accuracy", "margin"))
    assert len(training_figure(training_rows(plain, SHOWN), SHOWN).axes) == 2  # loss alone, as of SFT
    with pytest.raises(InputError, match="no log of a training"):
        training_rows(logs.filter(model="seer-micro"), SHOWN)
    write_table(logs, TRAINING_LOG, tmp_path / "log.parquet")
    for run in ("a", "b"):
        write_training(
            [tmp_path / "log.parquet"], [tmp_path / f"{run}.{kind}" for kind in ("svg", "png", "csv")], SHOWN
        )
    for kind in ("svg", "png", "csv"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    assert pl.read_csv(tmp_path / "a.csv").height == logs.height


def test_a_panel_of_levels_is_a_model_with_right_and_wrong_queries_as_it_is_and_tuned(found: pl.DataFrame) -> None:
    figure = granularity_figure(granularity_rows(found, SHOWN), SHOWN)
    assert len(figure.axes) == 4 and all(len(axes.containers) == 4 for axes in figure.axes)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["Seer <micro> 1M", "Yes & Man 2M"]


def test_a_panel_of_counts_is_a_model_and_a_setting(found: pl.DataFrame) -> None:
    figure = entity_count_figure(entity_count_rows(found, SHOWN), SHOWN)
    assert len(figure.axes) == 2 * 6 and all(len(axes.containers) == 2 for axes in figure.axes)
