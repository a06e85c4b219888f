"""The interchange CSVs: what leaves comes back, and what is wrong in them is named."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from finer.config import Range
from finer.errors import InputError
from finer.queries.compose import compose
from finer.queries.interchange import COLUMNS, export_interchange, import_interchange
from finer.raw.images import image_row
from finer.schemas import IMAGES, SETTINGS
from finer.store import table_from
from scene_tables import kitchen, tables

Rows = list[list[str]]
LISTS = ("multi_obj", "multi_attr", "multi_rel")


@pytest.fixture(scope="module")
def pairs() -> pl.DataFrame:
    made = tables(*(kitchen(f"image{number}") for number in range(3)))
    counts = {name: Range(low=1, high=3) for name in LISTS}
    return compose(made.elements, made.negatives, made.checks, "b", dict.fromkeys(SETTINGS, 5), counts, 1).pairs


@pytest.fixture(scope="module")
def images() -> pl.DataFrame:
    rows = [image_row("b", "test", f"image{number}.jpg", None) | {"image_id": f"image{number}"} for number in range(3)]
    return table_from(rows, IMAGES)


@pytest.fixture
def folder(pairs: pl.DataFrame, images: pl.DataFrame, tmp_path: Path) -> Path:
    export_interchange(pairs, images, tmp_path / "csv")
    return tmp_path / "csv"


def rows_of(file: Path) -> Rows:
    return list(csv.reader(file.open(encoding="utf-8", newline="")))


def test_pairs_stand_in_adjacent_rows_with_the_columns_of_the_release(folder: Path) -> None:
    for setting in SETTINGS:
        header, *rows = rows_of(folder / f"{setting}.csv")
        assert tuple(header) == COLUMNS and len(rows) == 10
        for first, second in zip(rows[::2], rows[1::2], strict=True):
            assert first[0] == second[0] and [first[1], second[1]] == [f"{setting}_pos", f"{setting}_neg"]


def test_what_was_exported_comes_back(folder: Path, pairs: pl.DataFrame, tmp_path: Path) -> None:
    back = import_interchange(folder, None, "b")
    same = ["setting", "polarity", "qtype", "question", "options", "gt_index"]
    assert back.pairs.select(same).equals(pairs.select(same))
    assert back.pairs["mcq_id"].n_unique() == pairs.height and back.pairs["pair_id"].n_unique() == pairs.height // 2
    export_interchange(back.pairs, back.images, tmp_path / "again")
    for file in folder.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_count_and_slot_are_empty_after_an_import(folder: Path) -> None:
    back = import_interchange(folder, None, "b").pairs
    for column in ("entity_count", "edited_slot", "negative_kind", "edited_element_id", "element_ids", "check"):
        assert back[column].null_count() == back.height


def test_quotes_commas_and_line_breaks_survive(pairs: pl.DataFrame, images: pl.DataFrame, tmp_path: Path) -> None:
    odd = pairs.with_columns(question=pl.col("question") + ' "a, b"\nand ü')
    export_interchange(odd, images, tmp_path)
    assert import_interchange(tmp_path, None, "b").pairs["question"].to_list() == odd["question"].to_list()


def test_the_negative_row_may_come_first(folder: Path) -> None:
    before = import_interchange(folder, None, "b").pairs
    file = folder / "wh.csv"
    header, *rows = rows_of(file)
    write(file, [header, *(row for pair in zip(rows[1::2], rows[::2], strict=True) for row in pair)])
    assert import_interchange(folder, None, "b").pairs.equals(before)


def test_a_pair_that_stands_twice_counts_twice(folder: Path) -> None:
    file = folder / "wh.csv"
    header, *rows = rows_of(file)
    write(file, [header, *rows, *rows[:2]])
    assert import_interchange(folder, None, "b").pairs.filter(setting="wh")["pair_id"].n_unique() == 6


def write(file: Path, rows: Rows) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(rows)


def _swap_question_rows(rows: Rows) -> Rows:
    return [rows[0], rows[1], rows[3], rows[2], *rows[4:]]


def _set(row: int, column: str, value: str) -> Callable[[Rows], Rows]:
    def change(rows: Rows) -> Rows:
        rows[row][COLUMNS.index(column)] = value
        return rows

    return change


BAD: dict[str, tuple[Callable[[Rows], Rows], list[str]]] = {
    "rows of other images": (_set(2, "image", "other.jpg"), ["row 3", "'image'", "other.jpg"]),
    "rows of other settings": (_set(2, "qtype", "wh_neg"), ["row 3", "'qtype'", "'wh' after 'multi_obj'"]),
    "two positive rows": (_set(2, "qtype", "multi_obj_pos"), ["row 3", "same polarity"]),
    "pairs out of step": (_swap_question_rows, ["row 3"]),
    "no partner": (lambda rows: rows[:-1], ["row 10", "no partner"]),
    "index too large": (_set(1, "gt_index", "5"), ["row 2", "'gt_index'", "0 to 4"]),
    "index below zero": (_set(1, "gt_index", "-1"), ["row 2", "'gt_index'", "found:    -1"]),
    "index no number": (_set(1, "gt_index", "A"), ["row 2", "'gt_index'"]),
    "empty option": (_set(1, "choice3", ""), ["row 2", "'choice3'", "empty"]),
    "unknown polarity": (_set(1, "qtype", "multi_obj_maybe"), ["row 2", "_pos or _neg"]),
    "four options": (lambda rows: [row[:7] + row[8:] for row in rows], ["choice5", "missing column"]),
    "short row": (lambda rows: [*rows[:2], rows[2][:-1], *rows[3:]], ["row 3", "8 values", "9 values"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_row_is_named(folder: Path, case: str) -> None:
    change, said = BAD[case]
    file = folder / "multi_obj.csv"
    write(file, change(rows_of(file)))
    with pytest.raises(InputError) as error:
        import_interchange(folder, None, "b", "drop")
    for part in [str(file), *said, "expected:", "cure:"]:
        assert part in str(error.value)


def test_unknown_file_and_empty_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "multi_obj.csv").rename(folder / "objects.csv")
    with pytest.raises(InputError, match="named after no setting"):
        import_interchange(folder, None, "b")
    with pytest.raises(InputError, match="no interchange CSV"):
        import_interchange(tmp_path / "nothing", None, "b")


def test_other_encoding_and_empty_file_are_refused(folder: Path) -> None:
    (folder / "wh.csv").write_bytes("image,qtype\né".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        import_interchange(folder, None, "b")
    (folder / "wh.csv").write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        import_interchange(folder, None, "b")


def test_images_are_read_once_and_a_missing_one_drops_its_pairs(folder: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(2):
        Image.new("RGB", (5, 4), (100 * number, 0, 0)).save(photos / f"image{number}.jpg")
    with pytest.raises(InputError, match="does not exist"):
        import_interchange(folder, photos, "b")
    back = import_interchange(folder, photos, "b", "drop")
    assert sorted(back.images["file_name"]) == ["image0.jpg", "image1.jpg"]
    lost = sum(row[0] == "image2.jpg" for setting in SETTINGS for row in rows_of(folder / f"{setting}.csv")) // 2
    assert back.drops.height == lost > 0 and back.pairs.height == 2 * (20 - lost)


def test_image_names_that_leave_their_folder_are_refused(folder: Path) -> None:
    file = folder / "wh.csv"
    header, *rows = rows_of(file)
    write(file, [header, *(["../x.jpg", *row[1:]] for row in rows)])
    with pytest.raises(InputError, match="leaves its folder"):
        import_interchange(folder, None, "b", "drop")
