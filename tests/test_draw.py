"""A drawn part of a data set: which images, and that nothing else decides it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow.parquet
import pytest

from finer.keys import stable_key
from finer.raw.draw import NOT_DRAWN, draw_images
from finer.retrieval.convert import Place, stack
from finer.retrieval.sources import Stack
from finer.schemas import IMAGES
from finer.store import table_from


def images(number: int) -> pl.DataFrame:
    return table_from(
        [
            {"image_id": stable_key("image", k), "benchmark": "mine", "split": "test", "file_name": f"{k}.jpg"}
            | dict.fromkeys(("path", "width", "height", "sha256"))
            for k in range(number)
        ],
        IMAGES,
    )


def test_a_larger_limit_keeps_what_a_smaller_one_had() -> None:
    whole = images(50)
    ten, twenty = (set(draw_images(whole, limit, 1)[0]["image_id"]) for limit in (10, 20))
    assert len(ten) == 10 and len(twenty) == 20 and ten < twenty


def test_more_images_change_no_draw_but_by_their_own_place() -> None:
    ten = set(draw_images(images(50), 10, 1)[0]["image_id"])
    of_more = set(draw_images(images(60), 10, 1)[0]["image_id"])
    new = set(images(60)["image_id"]) - set(images(50)["image_id"])
    assert of_more - new <= ten


def test_another_seed_draws_others() -> None:
    assert set(draw_images(images(50), 10, 1)[0]["image_id"]) != set(draw_images(images(50), 10, 2)[0]["image_id"])


def test_every_image_that_is_not_drawn_is_recorded() -> None:
    whole = images(12)
    kept, drops = draw_images(whole, 5, 1)
    assert set(kept["image_id"]) | set(drops["image_id"]) == set(whole["image_id"])
    assert drops["reason"].unique().to_list() == [NOT_DRAWN] and drops.height == 7


@pytest.mark.parametrize("limit", [None, 12, 100])
def test_without_need_nothing_is_drawn(limit: int | None) -> None:
    kept, drops = draw_images(images(12), limit, 1)
    assert kept.equals(images(12)) and drops.is_empty()


def test_rows_of_a_release_are_drawn_by_their_value(tmp_path: Path) -> None:
    def drawn(parts: list[list[int]], name: str) -> list[str]:
        place = Place(got=tmp_path / name, made=tmp_path / name / "made", data=tmp_path)
        place.got.mkdir()
        for number, rows in enumerate(parts):
            frame = pl.DataFrame({"image_url": [f"http://h/{k}.jpg" for k in rows], "caption": ["text"] * len(rows)})
            frame.write_parquet(place.got / f"{number}.parquet")
        stack(Stack(stack="*.parquet", columns=["image_url", "caption"], to="captions.parquet", rows=7), place)
        return sorted(pyarrow.parquet.read_table(place.made / "captions.parquet").column("image_url").to_pylist())

    once = drawn([list(range(40))], "whole")
    assert len(once) == 7
    assert drawn([list(range(20, 40)), list(range(20))], "parts") == once
