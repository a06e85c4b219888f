"""Examples: the pairs drawn with every model's choice at the option that it chose, and a sheet of images."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from fake_evaluation import BOTH_TUNED as SHOWN
from fake_evaluation import SKILL, finer_items, responses
from finer.errors import InputError
from finer.schemas import IMAGES
from finer.scoring.verdicts import verdicts
from finer.store import table_from
from finer.tables.examples import PAIRS, examples, write_sheet


def images_of(items: pl.DataFrame, folder: Path | None = None) -> pl.DataFrame:
    rows = []
    for place, name in enumerate(items["image_id"].unique().sort()):
        path = None
        if folder is not None:
            path = str(folder / f"{name}.png")
            Image.new("RGB", (96, 96), (place % 256, 80, 80)).save(path)
        rows.append({"image_id": name, "benchmark": "b", "split": "test", "file_name": f"{name}.png", "path": path,
                     "width": 96, "height": 96, "sha256": name})  # fmt: skip
    return table_from(rows, IMAGES)


def test_each_model_stands_at_the_option_that_it_chose() -> None:
    items = finer_items(6).with_columns(prompt=pl.format("Choose.\n{}?\nA. 1", "item_id"))
    judged = verdicts(items, responses(items, SKILL))
    text = examples(items, judged, images_of(items), 1, SHOWN)
    assert text.count("\n## ") == PAIRS
    assert [text.count(f". {title},") for title in ("Multi-obj", "Multi-attr", "Multi-rel", "Wh")] == [3, 3, 2, 2]
    strict = judged.filter(scorer="strict", model="yes_man", variant="base")
    chosen = dict(strict.select("item_id", "prediction").iter_rows())
    right = dict(items.select("item_id", "answer_index").iter_rows())
    checked = 0
    for block in text.split("*Positive:* ")[1:]:
        key, lines = block.split("?", 1)[0], block.split("\n- ")[1:6]
        assert lines[right[key]].startswith("**")
        if chosen[key] is not None:
            assert "Yes & Man" in lines[chosen[key]].split("←")[1].replace("+ Tuning", "")
            checked += 1
    assert checked > 5


def test_another_seed_draws_other_pairs_and_the_same_seed_the_same() -> None:
    items = finer_items(6).with_columns(prompt=pl.lit("?"))
    judged = verdicts(items, responses(items, SKILL))
    one, again, other = (examples(items, judged, images_of(items), seed, SHOWN) for seed in (1, 1, 2))
    assert one == again != other


def test_the_sheet_shows_images_side_by_side(tmp_path: Path) -> None:
    images = images_of(finer_items(5), tmp_path)
    write_sheet(images, 1, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (8 * 200 + 8, 2 * 200 + 8)
        assert sheet.getpixel((100, 100)) != (255, 255, 255) and sheet.getpixel((2, 2)) == (255, 255, 255)
    with pytest.raises(InputError, match="no images"):
        write_sheet(images_of(finer_items(5)), 1, tmp_path / "none.png")
