"""The judgement of held-out captions: labels fit the register, and the page on judging says what follows from them."""

from __future__ import annotations

import runpy
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "judging.md"
REGISTER = ROOT / "tests" / "data" / "caption_register.csv"
JUDGEMENTS = runpy.run_path(str(ROOT / "benchmarks" / "judgements.py"))
DRAWS = sorted(JUDGEMENTS["JUDGED"].glob("*.csv"))


@pytest.fixture(scope="module")
def register() -> pl.DataFrame:
    return pl.read_csv(REGISTER, schema_overrides={"caption_id": pl.String})


@pytest.mark.parametrize("path", DRAWS, ids=lambda path: path.stem)
def test_the_page_shows_the_table_that_follows_from_the_labels(path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert "\n".join(JUDGEMENTS["markdown"](JUDGEMENTS["labels"](path))) in page


def test_another_label_makes_another_table() -> None:
    table = JUDGEMENTS["labels"](DRAWS[0])
    turned = table.with_columns(second=pl.when(pl.arange(pl.len()) == 0).then(1 - pl.col("second")).otherwise("second"))
    assert JUDGEMENTS["markdown"](turned) != JUDGEMENTS["markdown"](table)


@pytest.mark.parametrize("path", DRAWS, ids=lambda path: path.stem)
def test_twenty_captions_of_one_draw_are_judged_and_none_of_them_is_a_development_caption(
    path: Path, register: pl.DataFrame
) -> None:
    judged = set(JUDGEMENTS["labels"](path)["caption_id"])
    rows = register.filter(pl.col("caption_id").is_in(judged))
    assert rows.height == len(judged) == 20
    assert rows["role"].unique().to_list() == ["held_out"]
    assert rows.select("source", "draw").n_unique() == 1
    assert rows["judged"].null_count() == 0


def test_captions_are_registered_once(register: pl.DataFrame) -> None:
    assert register["caption_id"].is_unique().all()
    assert set(register["role"]) == {"dev", "held_out"}


@pytest.mark.parametrize("path", DRAWS, ids=lambda path: path.stem)
def test_labels_are_complete_and_carry_no_text(path: Path) -> None:
    table = JUDGEMENTS["labels"](path)
    assert table.columns == ["caption_id", "part", "criterion", "start", "end", "key", "first", "second"]
    assert table.select("key", "criterion").is_unique().all()
    assert table["key"].str.contains(r"^[0-9a-f]{16}$").all()
    assert set(table["first"]) | set(table["second"]) <= {0, 1}
    assert {(part, criterion) for part, criterion, _ in JUDGEMENTS["CRITERIA"]} == set(
        table.select("part", "criterion").unique().iter_rows()
    )
