"""The table of blind controls: bounds, a reader of the text alone, each model with and without seeing, the gain.

Golden files: ``FINER_RENEW_GOLDEN=1 pytest tests/test_blind_controls.py`` writes them anew; read what changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from fake_estimates import CONTROL_PAIRS, SUBJECTS, fake_comparisons, fake_estimates, fake_levels, fake_ranker
from fake_evaluation import SHOWN
from finer.errors import InputError
from finer.schemas import COMPARISONS, ESTIMATES, POOLED, SETTINGS, TEXT_RANKER
from finer.store import write_table
from finer.tables.blind_controls import COLUMNS, RANKER, blind_controls, blind_layout, write_blind_controls
from finer.tables.figures import entity_count_rows, granularity_rows
from finer.tables.finer_benchmarks import finer_benchmarks
from finer.tables.layout import Layout
from finer.tables.shown import Shown
from finer.tables.tidy import TIDY

GOLDEN = Path(__file__).parent / "data" / "golden"
ASKED = ["right image", "wrong image", "text alone", "gain over wrong image", "gain over text alone"]


@pytest.fixture(scope="module")
def found() -> pl.DataFrame:
    return fake_estimates()


@pytest.fixture(scope="module")
def rows(found: pl.DataFrame) -> pl.DataFrame:
    return of(found, fake_ranker(), SHOWN)


@pytest.fixture(scope="module")
def layout(rows: pl.DataFrame) -> Layout:
    return blind_layout(rows, SHOWN)


def of(found: pl.DataFrame, ranker: pl.DataFrame, shown: Shown) -> pl.DataFrame:
    """The table of these estimates, with comparisons that fit them."""
    return blind_controls(found, fake_comparisons(found), ranker, shown)


def line(layout: Layout, first: str, second: str = "") -> list[str]:
    """The values of the row with this label; of a model, its row ``second``."""
    labels = [row.labels for row in layout.rows]
    start = next(number for number, label in enumerate(labels) if label[0] == first)
    place = start if not second else next(n for n in range(start, len(labels)) if labels[n][1] == second)
    return [cell.value for cell in layout.rows[place].cells]


def notes_of(found: pl.DataFrame, ranker: pl.DataFrame) -> str:
    return " ".join(blind_layout(of(found, ranker, SHOWN), SHOWN).footnotes)


# ---------------------------------------------------------------- what stands where
@pytest.mark.parametrize("suffix", ["csv", "md", "tex", "html"])
def test_the_table_equals_its_golden_file(found: pl.DataFrame, tmp_path: Path, suffix: str) -> None:
    write_table(found, ESTIMATES, tmp_path / "estimates.parquet")
    write_table(fake_ranker(), TEXT_RANKER, tmp_path / "ranker.parquet")
    output = tmp_path / f"blind_controls.{suffix}"
    write_table(fake_comparisons(found), COMPARISONS, tmp_path / "comparisons.parquet")
    parts = [tmp_path / f"{name}.parquet" for name in ("estimates", "comparisons", "ranker")]
    write_blind_controls(parts[:1], parts[1:2], parts[2], [output], SHOWN)
    golden = GOLDEN / output.name
    if os.environ.get("FINER_RENEW_GOLDEN"):
        golden.write_bytes(output.read_bytes())
    assert output.read_text(encoding="utf-8") == golden.read_text(encoding="utf-8")


def test_bounds_of_readers_who_see_nothing_stand_first(layout: Layout) -> None:
    names = ["Independent guessing", "One phrase kept per pair", "Always yes", "Text-only ranker"]
    assert [row.labels[0] for row in layout.rows[:4]] == names
    assert line(layout, "Independent guessing") == ["4.0"] * 8  # 1 / 25
    assert line(layout, "Always yes") == ["0.0"] * 8


def test_one_phrase_kept_gives_twenty_percent_in_the_list_settings_and_has_no_bound_in_wh(layout: Layout) -> None:
    assert line(layout, "One phrase kept per pair") == ["20.0", "20.0", "20.0", "–"] * 2
    assert any("In wh the right answers of a pair differ" in note for note in layout.footnotes)


def test_the_ranker_is_shown_by_all_features_and_stored_by_each(rows: pl.DataFrame, layout: Layout) -> None:
    assert line(layout, "Text-only ranker") == ["19.0", "20.0", "21.0", "22.0"] * 2
    stored = rows.filter(model=RANKER)
    assert stored["features"].unique().sort().to_list() == ["all", "length", "prior"] and stored.height == 3 * 8


def test_each_model_is_shown_seeing_blind_and_by_what_seeing_adds(found: pl.DataFrame, layout: Layout) -> None:
    labels = [row.labels[1] for row in layout.rows[4:]]
    assert labels == [*ASKED, *ASKED, *(f"difference in {one}" for one in ASKED[3:]), *ASKED]
    assert sum(row.minor for row in layout.rows) == 2  # below the tuned model alone
    cell = {"model": "seer-micro", "variant": "tuned", "benchmark": "docci", "setting": "multi_obj"}
    own = found.filter(answering="letter", scorer="strict", **cell)
    for row, statistic, control in (
        ("right image", "seen_paired_accuracy", "wrong_image"),
        ("wrong image", "paired_accuracy", "wrong_image"),
        ("text alone", "paired_accuracy", "text_only"),
    ):
        value = own.filter(statistic=statistic, control=control)["value"].item()
        assert line(layout, "Seer <micro> 1M + Tuning", row)[4] == f"{value:.1f}"
    for control, row in (("wrong_image", ASKED[3]), ("text_only", ASKED[4])):
        gain = own.filter(statistic="gain_of_seeing", control=control)["value"].item()
        assert line(layout, "Seer <micro> 1M + Tuning", row)[4] == f"{gain:+.1f}".replace("-", "−")


def test_columns_are_the_cells_of_the_finer_table_with_their_control_pairs(layout: Layout) -> None:
    assert [group.title for group in layout.groups] == ["FINER-CompreCap", "FINER-DOCCI"]
    assert [column.title for column in layout.groups[1].columns] == ["Multi-obj", "Multi-attr", "Multi-rel", "Wh"]
    assert {column.note for _, column in layout.columns} == {f"{CONTROL_PAIRS} pairs"}


def test_gains_carry_signs_and_brackets(layout: Layout) -> None:
    gains = [cell for row in layout.rows if row.labels[1].startswith("gain") for cell in row.cells]
    assert all(cell.value[0] in "+−" and cell.detail[1] in "+−" for cell in gains) and len(gains) == 48


def test_the_csv_is_tidy(rows: pl.DataFrame) -> None:
    assert rows.columns == COLUMNS and rows.columns[: len(TIDY)] == TIDY
    key = [*TIDY[:5], "control", "statistic", "features"]
    assert not rows.select(key).is_duplicated().any()
    assert rows.height == 3 * 8 + 3 * 8 + len(SUBJECTS) * 8 * 2 * 3


def test_only_the_configured_answering_is_shown(found: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="no estimate without seeing"):
        of(found, fake_ranker(), replace(SHOWN, answering="text"))
    blind = found.filter((pl.col("control") != "none") & (pl.col("scorer") == "strict"))
    by_text = blind.with_columns(answering=pl.lit("text"), scorer=pl.lit("sum"))
    text = replace(SHOWN, answering="text")
    assert "Answering: text" in blind_layout(of(by_text, fake_ranker(), text), text).footnotes[-1]


def test_pooled_controls_are_stored_and_get_no_column(found: pl.DataFrame, layout: Layout) -> None:
    pooled = found.filter(control="text_only", benchmark="docci").with_columns(benchmark=pl.lit(POOLED))
    both = pl.concat([found, pooled, pooled.with_columns(control=pl.lit("wrong_image"))])
    rows = of(both, fake_ranker(), SHOWN)
    assert rows.filter(benchmark=POOLED).height == len(SUBJECTS) * 4 * 2 * 3
    assert not rows.filter(benchmark=POOLED, model=RANKER).height
    assert blind_layout(rows, SHOWN).rows == layout.rows


def test_a_setting_without_pairs_has_no_column(found: pl.DataFrame) -> None:
    without = found.filter(~((pl.col("setting") == "wh") & (pl.col("benchmark") == "docci")))
    layout = blind_layout(of(without, fake_ranker(), SHOWN), SHOWN)
    assert [len(group.columns) for group in layout.groups] == [4, 3]


def test_a_tuned_model_shows_by_how_much_its_gain_differs_from_its_base(rows: pl.DataFrame, layout: Layout) -> None:
    tests = rows.filter(pl.col("p").is_not_null())
    assert tests.height == 16 and set(tests["statistic"]) == {"gain_of_seeing"} and set(tests["variant"]) == {"tuned"}
    shown = line(layout, "Seer <micro> 1M + Tuning", "difference in gain over text alone")
    for text, row in zip(shown, tests.filter(control="text_only").iter_rows(named=True), strict=True):
        assert text.split(" ")[0] == f"{row['difference']:+.1f}".replace("-", "−")
        assert text.count("*") == sum(row["q"] < level for level in (0.05, 0.01, 0.001))
    assert any("over the 16 differences of this table" in note for note in layout.footnotes)


# ---------------------------------------------------------------- footnotes
def test_the_footnote_says_how_far_the_ranker_gets_beyond_one_phrase_kept() -> None:
    ranker = fake_ranker()
    assert "21.0 % at most (FINER-CompreCap, Multi-rel): +1.0 points" in notes_of(fake_estimates(), ranker)
    here = (pl.col("features") == "all") & (pl.col("setting") != "wh")
    lower = ranker.with_columns(value=pl.when(here).then(pl.col("value") - 5).otherwise("value"))
    assert "16.0 % at most (FINER-CompreCap, Multi-rel): −4.0 points" in notes_of(fake_estimates(), lower)


def test_intervals_of_gains_are_described_as_they_are(found: pl.DataFrame) -> None:
    plain = notes_of(found, fake_ranker())
    assert "have Newcombe" not in plain and "without brackets" not in plain
    gain = pl.col("statistic") == "gain_of_seeing"
    for kind, words in (("newcombe", "have Newcombe"), ("none", "without brackets")):
        kinds = found.with_columns(interval=pl.when(gain).then(pl.lit(kind)).otherwise("interval"))
        assert words in notes_of(kinds, fake_ranker())


# ---------------------------------------------------------------- what is refused
def scaled(statistic: str, by: float, column: str = "value", **where: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Move one column of a statistic of the controls."""

    def edit(found: pl.DataFrame) -> pl.DataFrame:
        here = pl.all_horizontal(pl.col("statistic") == statistic, pl.col("control") != "none",
                                 *(pl.col(name) == value for name, value in where.items()))  # fmt: skip
        moved = pl.when(here).then(pl.col(column) + by).otherwise(column).cast(ESTIMATES.columns[column])
        return found.with_columns(moved.alias(column))

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        scaled("gain_of_seeing", 0.5),
        scaled("paired_accuracy", 0.5, control="text_only"),
        scaled("seen_paired_accuracy", 0.5, control="wrong_image"),
        scaled("seen_paired_accuracy", 1, "n"),
        scaled("gain_of_seeing", 1, "n"),
        lambda found: scaled("gain_of_seeing", 5.0, control="text_only")(
            scaled("seen_paired_accuracy", 5.0, control="text_only")(found)
        ),
        lambda found: found.with_columns(
            n=pl.when(pl.col("control") == "text_only").then(pl.col("n") - 1).otherwise("n")
        ),
    ],
    ids=["gain", "blind", "seen", "n of seen", "n of gain", "other pairs for one control", "fewer for one control"],
)
def test_a_gain_that_is_not_the_difference_over_the_same_pairs_is_an_error(
    found: pl.DataFrame, edit: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    wrong = edit(found)
    assert not wrong.equals(found)
    with pytest.raises(InputError, match="not the difference over the same pairs"):
        of(wrong, fake_ranker(), SHOWN)


@pytest.mark.parametrize("column", ["control", "statistic"])
def test_a_missing_control_or_statistic_is_an_error(found: pl.DataFrame, column: str) -> None:
    gone = {"control": "text_only", "statistic": "seen_paired_accuracy"}[column]
    hole = (pl.col(column) == gone) & (pl.col("setting") == "wh") & (pl.col("benchmark") == "docci")
    with pytest.raises(InputError, match="an estimate is missing"):
        of(found.filter(~hole), fake_ranker(), SHOWN)


def test_a_model_without_controls_is_an_error(found: pl.DataFrame) -> None:
    hole = (pl.col("control") != "none") & (pl.col("model") == "yes_man")
    with pytest.raises(InputError, match="no estimates of a configured model"):
        of(found.filter(~hole), fake_ranker(), SHOWN)


def test_a_run_without_control_pairs_is_an_error_that_names_the_key(found: pl.DataFrame) -> None:
    with pytest.raises(InputError, match=r"evaluation\.control_pairs"):
        of(found.filter(control="none"), fake_ranker(), SHOWN)


@pytest.mark.parametrize("hole", [{"features": "all"}, {"benchmark": "docci"}, {"setting": "wh"}])
def test_a_ranker_without_a_cell_is_an_error(found: pl.DataFrame, hole: dict[str, str]) -> None:
    ranker = fake_ranker()
    rest = ranker.join(ranker.filter(**hole), on=list(TEXT_RANKER.key), how="anti")
    with pytest.raises(InputError, match="the text-only ranker is missing"):
        of(found, rest, SHOWN)


# ---------------------------------------------------------------- nothing of it leaks
def leaking(found: pl.DataFrame) -> pl.DataFrame:
    """The estimates with pooled rows and rows of both controls added for everything, all of another value."""
    plain = found.filter(control="none").filter(pl.col("benchmark") != POOLED)
    other = plain.with_columns(value=pl.lit(99.0), ci_low=pl.lit(98.0), ci_high=pl.lit(100.0), n=pl.col("n") + 1)
    pooled = other.filter(benchmark="docci").with_columns(benchmark=pl.lit(POOLED))
    blind = [other.with_columns(control=pl.lit(control)) for control in ("wrong_image", "text_only")]
    return pl.concat([plain, pooled, *blind])


def benchmarks_of(found: pl.DataFrame, shown: Shown) -> pl.DataFrame:
    return finer_benchmarks(found, fake_comparisons(found), shown)


@pytest.mark.parametrize("table", [benchmarks_of, entity_count_rows])
def test_pooled_rows_and_controls_do_not_reach_the_finer_table_and_the_figure_by_count(
    found: pl.DataFrame, table: Callable[..., pl.DataFrame]
) -> None:
    plain = found.filter(control="none").filter(pl.col("benchmark") != POOLED)
    rows = table(leaking(found), SHOWN)
    assert rows.equals(table(plain, SHOWN)) and rows.height >= 8 * len(SUBJECTS)


def test_pooled_rows_and_controls_do_not_reach_the_granularity_figure() -> None:
    rows = granularity_rows(leaking(fake_levels()), SHOWN)
    assert rows.equals(granularity_rows(fake_levels(), SHOWN)) and rows.height == len(SUBJECTS) * 2 * 7 * 2


def test_settings_are_the_four_of_the_protocol(rows: pl.DataFrame) -> None:
    assert set(rows["setting"]) == set(SETTINGS)
