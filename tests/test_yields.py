"""Yields: each number of the summary is that of the tables."""

from __future__ import annotations

import polars as pl

from finer.config import Range
from finer.queries.compose import compose
from finer.queries.summary import Summary, summarise
from finer.raw.images import image_row
from finer.schemas import IMAGES
from finer.store import table_from
from scene_tables import Picture, Thing, kitchen, tables


def made() -> Summary:
    extra = Picture([Thing("cat"), Thing("clock")], image_id="image1", negatives={"clock": ["bag", "cup"]})
    scenes = tables(kitchen("image0"), extra)
    images = table_from(
        [image_row("b", "test", f"{n}.jpg", None) | {"image_id": f"image{n}"} for n in range(3)], IMAGES
    )
    result = compose(scenes.elements, scenes.negatives, scenes.checks, "b", {"multi_obj": 5, "wh": 900},
                     {"multi_obj": Range(low=1, high=5)}, 1)  # fmt: skip
    return summarise("b", images, scenes.elements, scenes.negatives, scenes.checks, result.pairs, result.drops)


def number(summary: Summary, section: str, name: str) -> int:
    found = summary.numbers.filter(pl.col("section") == section, pl.col("name") == name)["count"]
    return int(found[0])


def test_numbers_are_those_of_the_tables() -> None:
    summary = made()
    assert number(summary, "input", "images") == 3 and number(summary, "input", "images with an object") == 2
    assert number(summary, "elements", "objects") == 8
    assert number(summary, "negatives", "objects with four negatives") == 7
    assert number(summary, "negatives", "objects with fewer") == 1
    assert number(summary, "checks", "skipped") == summary.numbers.filter(section="elements")["count"].sum()
    assert number(summary, "pairs", "multi_obj") == 5 and number(summary, "pairs", "multi_rel") == 0
    assert number(summary, "drops", "pairs: fewer_than_four") == 1 and number(summary, "drops", "pairs: shortage") == 1


def test_counts_of_a_setting_add_up() -> None:
    rows = made().numbers.filter(pl.col("name").str.starts_with("multi_obj, "))
    assert rows["count"].sum() == 5


def test_page_shows_every_number_per_image() -> None:
    page = made().markdown
    assert page.startswith("# Yields and drops of b\n") and "| objects | 8 | 2.67 |" in page
    assert page.count("\n| ") == made().numbers.height + 2 * page.count("\n## ")
