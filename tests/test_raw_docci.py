"""DOCCI's and PixMo-Cap's raw files: what is read, and what each kind of bad input says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from finer.errors import InputError
from finer.raw.docci import read_docci
from finer.raw.pixmo import image_name, read_pixmo


def row(number: int, split: str = "test", **changed: Any) -> dict[str, Any]:
    name = f"{split}_{number:05d}"
    return {
        "example_id": name,
        "split": split,
        "image_file": f"{name}.jpg",
        "description": f"Scene {number}.",
        **changed,
    }


class Folder:
    """Three rows of the test split and one of another, with images, to be spoilt."""

    def __init__(self, root: Path) -> None:
        self.file, self.images = root / "docci_descriptions.jsonlines", root / "images"
        self.images.mkdir()
        self.lines = [json.dumps(row(number)) for number in range(3)] + [json.dumps(row(9, "qual_dev"))]
        for number in range(3):
            Image.new("RGB", (8, 6), (60 * number, 0, 0)).save(self.images / f"test_{number:05d}.jpg")

    def read(self, on_bad_item: Any = "stop", split: str | None = "test", images: bool = True) -> Any:
        if not self.file.exists():
            self.file.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        return read_docci(self.file, self.images if images else None, "docci", split, on_bad_item)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_one_split_is_read(folder: Folder) -> None:
    raw = folder.read()
    assert raw.captions["example_id"].to_list() == ["test_00000", "test_00001", "test_00002"]
    assert raw.captions["image_id"].to_list() == raw.images["image_id"].to_list()
    assert raw.images["split"].unique().to_list() == ["test"] and raw.drops.height == 0


def test_captions_without_images_are_keyed_by_name(folder: Folder) -> None:
    raw = folder.read(images=False, split=None)
    assert raw.images.height == 4 and raw.images["sha256"].null_count() == 4 and raw.images["path"].null_count() == 4
    assert raw.images["image_id"].n_unique() == 4


ITEMS = {
    "broken JSON line": (lambda line: line[:-5], ["line 2", "not JSON"], "broken_json"),
    "missing field": (lambda _: json.dumps({"example_id": "x"}), ["line 2", "'split'", "missing"], "bad_row"),
    "wrong type": (lambda _: json.dumps(row(1, description=3)), ["line 2", "'description'", "int 3"], "bad_row"),
    "empty caption": (lambda _: json.dumps(row(1, description="  ")), ["line 2", "'description'", "empty"], "bad_row"),
    "duplicate id": (lambda _: json.dumps(row(0)), ["line 2", "test_00000, first at line 1"], "duplicate_id"),
    "duplicate image": (
        lambda _: json.dumps(row(1, image_file="test_00000.jpg")),
        ["line 2", "image_file", "occurs twice"],
        "duplicate_image",
    ),
    "missing image": (lambda _: json.dumps(row(1, image_file="no.jpg")), ["line 2", "does not exist"], "missing_image"),
}


@pytest.mark.parametrize("case", ITEMS)
def test_bad_line_stops_with_file_line_field_found_and_expected(folder: Folder, case: str) -> None:
    spoil, said, _ = ITEMS[case]
    folder.lines[1] = spoil(folder.lines[1])
    with pytest.raises(InputError) as error:
        folder.read()
    for part in [str(folder.file), *said, "found:", "expected:", "cure:"]:
        assert part in str(error.value)


@pytest.mark.parametrize("case", ITEMS)
def test_bad_line_is_a_counted_drop_when_asked_for(folder: Folder, case: str) -> None:
    spoil, _, reason = ITEMS[case]
    folder.lines[1] = spoil(folder.lines[1])
    raw = folder.read("drop")
    assert raw.captions["example_id"].to_list() == ["test_00000", "test_00002"]
    assert raw.drops["reason"].to_list() == [reason]


def test_line_in_another_encoding_is_found(folder: Folder) -> None:
    lines = [line.encode() for line in folder.lines]
    lines[1] = json.dumps(row(1, description="A café."), ensure_ascii=False).encode("latin-1")
    folder.file.write_bytes(b"\n".join(lines))
    with pytest.raises(InputError, match="0xe9"):
        folder.read()
    assert folder.read("drop").drops["reason"].to_list() == ["not_utf8"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"a photo\nof a cat\n", "no line can be read"),
        ("[]".encode("utf-16"), "no line can be read"),
        (b"[{}]\n", "no item"),
    ],
)
def test_file_that_is_no_json_lines_always_stops(folder: Folder, content: bytes, said: str) -> None:
    folder.file.write_bytes(content)
    with pytest.raises(InputError, match=said):
        folder.read("drop")


def test_byte_order_mark_is_no_error(folder: Folder) -> None:
    folder.file.write_bytes(b"\xef\xbb\xbf" + "\n".join(folder.lines).encode())
    assert folder.read().captions.height == 3


def test_unknown_split_names_those_found(folder: Folder) -> None:
    with pytest.raises(InputError, match="'qual_dev': 1"):
        folder.read(split="qual_test")


def test_image_name_that_leaves_its_folder_is_refused_even_without_images(folder: Folder) -> None:
    folder.lines[1] = json.dumps(row(1, image_file="../x.jpg"))
    with pytest.raises(InputError, match="leaves its folder"):
        folder.read("drop", images=False)


def test_pixmo_rows_are_read_and_checked(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    rows = {"image_url": ["a.png", "b.png"], "caption": ["Long.", "Gone."], "transcripts": [["well"], ["so"]]}
    pl.DataFrame(rows).write_parquet(tmp_path / "captions.parquet")
    with pytest.raises(InputError, match="row 1"):
        read_pixmo(tmp_path / "captions.parquet", tmp_path, "pixmo")
    raw = read_pixmo(tmp_path / "captions.parquet", tmp_path, "pixmo", on_bad_item="drop")
    assert raw.captions["text"].to_list() == ["Long."] and raw.drops["reason"].to_list() == ["missing_image"]


def test_pixmo_needs_its_columns_and_a_parquet_file(tmp_path: Path) -> None:
    pl.DataFrame({"caption": ["x"]}).write_parquet(tmp_path / "captions.parquet")
    with pytest.raises(InputError, match="image_url"):
        read_pixmo(tmp_path / "captions.parquet", None, "pixmo")
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(InputError, match="Parquet"):
        read_pixmo(tmp_path / "text.parquet", None, "pixmo")


def test_pixmo_web_addresses_have_local_names_that_do_not_collide() -> None:
    names = {image_name("https://a.example/x.JPG?w=1"), image_name("https://b.example/x.JPG?w=1")}
    assert len(names) == 2 and all(name.endswith(".jpg") for name in names)
    assert image_name("a.png") == "a.png"
