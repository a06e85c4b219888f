"""Studies: models that differ in one thing, over all benchmarks, with right and wrong queries apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from fake_estimates import SUBJECTS, fake_estimates, fake_levels
from fake_evaluation import SHOWN
from finer.errors import InputError
from finer.schemas import ESTIMATES, POOLED
from finer.store import write_table
from finer.tables.figures import study_figure, write_study
from finer.tables.shown import ModelName
from finer.tables.study import overall, study_layout, study_rows
from finer.tables.study import write_study as write_table_study

STUDY = replace(SHOWN, models={
    "yes_man": ModelName("5 %"), "seer-micro": ModelName("50 %"), "seer-micro@tuned": ModelName("50 %, tuned"),
})  # fmt: skip


@pytest.fixture(scope="module")
def found() -> pl.DataFrame:
    levels = fake_levels()
    paired = levels.filter(pl.col("statistic") == "no_share").with_columns(statistic=pl.lit("paired_accuracy"))
    words = pl.concat([levels, paired])
    return pl.concat([fake_estimates(), words, words.filter(pl.col("benchmark") == "docci").with_columns(
        benchmark=pl.lit(POOLED))])  # fmt: skip


def test_models_stand_in_the_order_of_the_study_under_its_labels(found: pl.DataFrame) -> None:
    layout = study_layout(study_rows(found, STUDY), STUDY, "Share", "study_share")
    assert [row.labels[0] for row in layout.rows if row.labels[0]] == ["5 %", "50 %", "50 %, tuned"]
    assert [row.labels[1] for row in layout.rows[:5]] == [
        "pairs right", "right queries", "wrong queries", "pairs right, by text", "pairs right, by likelihood",
    ]  # fmt: skip


def test_cells_are_those_over_all_benchmarks(found: pl.DataFrame) -> None:
    layout = study_layout(study_rows(found, STUDY), STUDY, "Share", "study_share")
    wanted = found.filter(
        pl.col("model") == "yes_man", pl.col("benchmark") == POOLED, pl.col("setting") == "wh",
        pl.col("answering") == "letter", pl.col("scorer") == "strict", pl.col("statistic") == "negative_accuracy",
    )["value"].item()  # fmt: skip
    assert layout.rows[2].cells[3].value == f"{wanted:.1f}"
    by_text = found.filter(
        pl.col("model") == "yes_man", pl.col("benchmark") == POOLED, pl.col("setting") == "wh",
        pl.col("answering") == "text", pl.col("scorer") == "sum", pl.col("statistic") == "paired_accuracy",
        pl.col("entity_count").is_null(), pl.col("control") == "none",
    )["value"].item()  # fmt: skip
    assert layout.rows[3].cells[3].value == f"{by_text:.1f}"
    assert layout.rows[3].cells[4].value == "–"
    assert layout.rows[1].cells[4].value == f"{100 * 51 / 60:.1f}"  # yes to right queries of level 1
    assert layout.rows[2].cells[4].value == f"{100 * 54 / 60:.1f}"  # no to wrong ones


def test_one_benchmark_needs_no_pooled_estimates(found: pl.DataFrame) -> None:
    alone = study_rows(found.filter(pl.col("benchmark") == "docci"), STUDY)
    assert set(overall(alone)["benchmark"]) == {"docci"}
    two = study_rows(found.filter(pl.col("benchmark") != POOLED), STUDY)
    with pytest.raises(InputError, match="over all benchmarks"):
        overall(two)


def test_a_model_of_the_study_without_estimates_is_an_error(found: pl.DataFrame) -> None:
    more = replace(STUDY, models={**STUDY.models, "absent": ModelName("100 %")})
    with pytest.raises(InputError, match="no estimates of a configured model"):
        study_rows(found, more)


def test_the_figure_has_a_panel_for_pairs_right_and_wrong_queries(found: pl.DataFrame) -> None:
    rows = overall(study_rows(found, STUDY.untuned)).filter(answering="letter")
    figure = study_figure(rows, STUDY.untuned, "Share")
    assert [axes.get_title() for axes in figure.axes] == ["Pairs right", "Right queries", "Wrong queries"]
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["5 %", "50 %"]
    assert all(len(axes.containers) == 4 for axes in figure.axes)  # a line a setting


def test_all_forms_are_written(found: pl.DataFrame, tmp_path: Path) -> None:
    write_table(found, ESTIMATES, tmp_path / "e.parquet")
    outputs = [tmp_path / f"s.{kind}" for kind in ("md", "csv", "tex", "html")]
    write_table_study([tmp_path / "e.parquet"], outputs, STUDY, "Share of negatives", "study_share")
    drawn = [tmp_path / f"f.{kind}" for kind in ("svg", "png")]
    write_study([tmp_path / "e.parquet"], drawn, STUDY, "Share of negatives")
    assert all(path.stat().st_size > 500 for path in (*outputs, *drawn))
    assert pl.read_csv(outputs[1]).select("model", "variant").unique().height == len(SUBJECTS)


SEEDS = replace(STUDY, models={
    "seer-micro": ModelName("first seed"), "seer-micro@tuned": ModelName("second seed"),
    "yes_man": ModelName("third seed"),
}, spread=True)  # fmt: skip


def test_a_study_of_seeds_prints_mean_and_standard_deviation_below(found: pl.DataFrame) -> None:
    rows = study_rows(found, SEEDS)
    layout = study_layout(rows, SEEDS, "Seed", "study_seeds")
    assert [row.labels[0] for row in layout.rows[::5]] == [
        "first seed", "second seed", "third seed", "mean", "standard deviation"
    ]  # fmt: skip
    where = {"benchmark": POOLED, "setting": "wh", "statistic": "paired_accuracy", "answering": "letter"}
    cell = rows.filter(**where)
    values = cell.filter(pl.col("variant").is_not_null())["value"].to_list()
    mean = sum(values) / 3
    deviation = (sum((one - mean) ** 2 for one in values) / 2) ** 0.5
    assert cell.filter(model="mean")["value"].item() == pytest.approx(mean)
    assert cell.filter(model="standard_deviation")["value"].item() == pytest.approx(deviation)
    assert layout.rows[15].cells[3].value == f"{mean:.1f}" and layout.rows[20].cells[3].value == f"{deviation:.1f}"
    assert any("over the 3 trainings" in note for note in layout.footnotes)
    assert any("one seed each" in note for note in study_layout(study_rows(found, STUDY), STUDY, "S", "s").footnotes)


def test_mean_and_deviation_are_not_drawn(found: pl.DataFrame, tmp_path: Path) -> None:
    write_table(found, ESTIMATES, tmp_path / "e.parquet")
    write_study([tmp_path / "e.parquet"], [tmp_path / "f.csv"], SEEDS, "Seed")
    drawn = pl.read_csv(tmp_path / "f.csv")
    assert set(drawn["model"]) == {"seer-micro", "yes_man"} and set(drawn["answering"]) == {"letter"}
