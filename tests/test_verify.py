"""The check against the reference: flipped answers are tolerated as stated, anything else is found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from finer.errors import InputError
from finer.tables.verify import ALLOWED_PAIRS, Verification, verify

HEADER = (
    "model,variant,benchmark,setting,answering,value,ci_low,ci_high,n,n_images,interval,"
    "difference,p,published,difference_to_published\n"
)
TABLE = HEADER + (
    "random_guess,base,docci,wh,letter,4.0,,,200,80,none,,,,\n"
    "seer,base,docci,wh,letter,50.0,43.0,57.0,200,80,bootstrap,8.0,0.01,24.5,25.5\n"
    "seer,base,docci,multi_obj,letter,20.0,12.0,28.0,100,60,bootstrap,,,,\n"
)
COUNTS = "benchmark,stage,reason,count\ndocci,pairs,not_unique,10\n"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for side in ("run", "reference"):
        (tmp_path / side / "more").mkdir(parents=True)
        (tmp_path / side / "finer_benchmarks.csv").write_text(TABLE)
        (tmp_path / side / "more" / "yields.csv").write_text(COUNTS)
        (tmp_path / side / "finer_benchmarks.md").write_text(side)
    return tmp_path / "run", tmp_path / "reference"


def change(folders: tuple[Path, Path], edit: Callable[[str], str], name: str = "finer_benchmarks.csv") -> Verification:
    path = folders[0] / name
    before = path.read_text()
    assert edit(before) != before
    path.write_text(edit(before))
    return verify(*folders)


def moved(column: str, by: float) -> Callable[[str], str]:
    """Move one column of the row seer / wh (n = 200)."""

    def edit(text: str) -> str:
        frame = pl.read_csv(text.encode(), infer_schema_length=100)
        row = (pl.col("model") == "seer") & (pl.col("setting") == "wh")
        return frame.with_columns(pl.when(row).then(pl.col(column) + by).otherwise(column).alias(column)).write_csv()

    return edit


def test_the_same_numbers_agree(folders: tuple[Path, Path]) -> None:
    found = verify(*folders)
    assert found.ok and not found.deviations and found.cells == 4 and "agrees with" in str(found)


@pytest.mark.parametrize(
    ("column", "pairs"),
    [("value", 1), ("value", 2), ("difference", 4), ("difference_to_published", 2), ("ci_low", 4), ("ci_high", 4)],
)
def test_a_few_flipped_pairs_are_listed_and_tolerated(folders: tuple[Path, Path], column: str, pairs: int) -> None:
    found = change(folders, moved(column, -pairs * 100 / 200))
    assert found.ok and [one.column for one in found.deviations] == [column]
    assert "within" in str(found) and "seer, base, docci, wh" in str(found)


@pytest.mark.parametrize(
    ("column", "pairs"),
    [("value", 3), ("value", -3), ("difference", 5), ("difference_to_published", 3), ("ci_low", 5), ("ci_high", -5)],
)
def test_more_flipped_pairs_than_allowed_are_an_error(folders: tuple[Path, Path], column: str, pairs: int) -> None:
    found = change(folders, moved(column, pairs * 100 / 200))
    assert not found.ok and found.deviations[0].column == column and "BEYOND" in str(found)


def test_the_tolerance_is_per_cell_and_follows_its_number_of_pairs(folders: tuple[Path, Path]) -> None:
    assert ALLOWED_PAIRS == 2
    assert change(folders, lambda text: text.replace("20.0,12.0", "22.0,12.0")).ok  # 2 of 100 pairs
    assert not change(folders, lambda text: text.replace("22.0,12.0", "23.0,12.0")).ok


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("57.0,200,80", "57.0,199,80"),
        lambda text: text.replace("57.0,200,80", "57.0,200,79"),
        lambda text: text.replace(",24.5,", ",24.6,"),
        lambda text: text.replace("seer,base", "seer,tuned"),
        lambda text: "".join(text.splitlines(keepends=True)[:-1]),
        lambda text: text + "seer,base,docci,multi_rel,letter,20.0,12.0,28.0,100,60,bootstrap,,,,\n",
        lambda text: text.replace("50.0,43.0,57.0", ",43.0,57.0"),
        lambda text: text.replace("random_guess,base,docci,wh,letter,4.0", "random_guess,base,docci,wh,letter,8.0"),
        lambda text: text.replace("n_images", "images"),
    ],
    ids=["n", "n_images", "published", "key", "missing", "extra", "empty", "guess", "header"],
)
def test_any_other_change_is_an_error(folders: tuple[Path, Path], edit: Callable[[str], str]) -> None:
    assert not change(folders, edit).ok


def test_the_other_kind_of_interval_is_listed_only(folders: tuple[Path, Path]) -> None:
    found = change(folders, lambda text: text.replace("200,80,bootstrap", "200,80,wilson"))
    assert found.ok and [one.column for one in found.deviations] == ["interval"]


def test_p_follows_from_the_difference_and_is_listed_only(folders: tuple[Path, Path]) -> None:
    found = change(folders, lambda text: text.replace(",0.01,", ",0.03,"))
    assert found.ok and [one.column for one in found.deviations] == ["p"]
    assert not change(folders, lambda text: text.replace(",0.03,", ",,")).ok


GAINS = (
    "model,setting,statistic,value,ci_low,ci_high,n,n_images,interval\n"
    "seer,wh,seen_paired_accuracy,50.0,43.0,57.0,200,80,bootstrap\n"
    "seer,wh,gain_of_seeing,40.0,30.0,50.0,200,80,bootstrap\n"
)


@pytest.fixture
def gains(folders: tuple[Path, Path]) -> tuple[Path, Path]:
    for folder in folders:
        (folder / "blind_controls.csv").write_text(GAINS)
    return folders


@pytest.mark.parametrize(
    ("before", "after", "ok"),
    [
        ("g,40.0", "g,42.0", True),  # two pairs with the image and two without
        ("g,40.0", "g,42.5", False),
        ("40.0,30.0", "40.0,26.0", True),
        ("40.0,30.0", "40.0,25.5", False),
        ("y,50.0", "y,51.0", True),  # one asking: two pairs
        ("y,50.0", "y,51.5", False),
    ],
)
def test_a_gain_of_seeing_may_move_with_both_of_its_askings(
    gains: tuple[Path, Path], before: str, after: str, ok: bool
) -> None:
    assert change(gains, lambda text: text.replace(before, after), "blind_controls.csv").ok is ok


def test_an_interval_may_vanish_where_none_is_to_be_trusted(gains: tuple[Path, Path]) -> None:
    edited = "40.0,,,200,80,none"
    found = change(gains, lambda text: text.replace("40.0,30.0,50.0,200,80,bootstrap", edited), "blind_controls.csv")
    assert found.ok and {one.column for one in found.deviations} == {"interval", "ci_low", "ci_high"}
    assert verify(gains[1], gains[0]).ok
    assert not change(gains, lambda text: text.replace(edited, "40.0,,,200,80,bootstrap"), "blind_controls.csv").ok


def test_a_bound_that_is_there_without_an_interval_is_an_error(gains: tuple[Path, Path]) -> None:
    edited = "40.0,,50.0,200,80,wilson"
    assert not change(
        gains, lambda text: text.replace("40.0,30.0,50.0,200,80,bootstrap", edited), "blind_controls.csv"
    ).ok


def test_tables_of_times_are_not_compared(folders: tuple[Path, Path]) -> None:
    (folders[0] / "times.csv").write_text("rule,seconds\nanswer,12.5\n")
    assert verify(*folders).ok
    (folders[1] / "times.csv").write_text("rule,seconds\nanswer,99.5\n")
    found = verify(*folders)
    assert found.ok and not found.deviations


def test_counts_may_move_by_as_many(folders: tuple[Path, Path]) -> None:
    assert change(folders, lambda text: text.replace(",10", ",12"), "more/yields.csv").ok
    assert not change(folders, lambda text: text.replace(",12", ",13"), "more/yields.csv").ok


def test_the_order_of_the_rows_does_not_matter(folders: tuple[Path, Path]) -> None:
    lines = TABLE.splitlines(keepends=True)
    (folders[0] / "finer_benchmarks.csv").write_text(lines[0] + "".join(reversed(lines[1:])))
    assert not verify(*folders).deviations


@pytest.mark.parametrize("side", [0, 1])
def test_a_missing_or_extra_table_is_an_error(folders: tuple[Path, Path], side: int) -> None:
    (folders[side] / "more" / "yields.csv").unlink()
    found = verify(*folders)
    assert not found.ok and found.deviations[0].cell == "(whole file)"


def test_another_number_of_allowed_pairs_can_be_asked_for(folders: tuple[Path, Path]) -> None:
    assert not change(folders, moved("value", 4.0)).ok
    assert verify(*folders, allowed_pairs=8).ok


def test_an_empty_reference_is_an_error(folders: tuple[Path, Path]) -> None:
    shutil.rmtree(folders[1])
    with pytest.raises(InputError, match="no such folder"):
        verify(*folders)
    folders[1].mkdir()
    with pytest.raises(InputError, match="holds no tables"):
        verify(*folders)


def test_a_table_with_one_cell_twice_is_an_error(folders: tuple[Path, Path]) -> None:
    (folders[0] / "finer_benchmarks.csv").write_text(TABLE + TABLE.splitlines(keepends=True)[-1])
    with pytest.raises(InputError, match="two rows for one cell"):
        verify(*folders)
