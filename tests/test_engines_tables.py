"""Rows of models whose engine does not tell how likely an option is: dashes and a footnote, nothing made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from fake_evaluation import CHOICES, SHOWN, finer_items, response
from finer.errors import InputError
from finer.schemas import COMPARISONS, RESPONSES, SUITE_COMPARISONS, VERDICTS
from finer.scoring.suites import suite_verdicts
from finer.scoring.verdicts import verdicts
from finer.stats.estimates import estimates
from finer.stats.suites import suite_estimates
from finer.store import table_from
from finer.suites.suite import load_suite
from finer.tables.finer_answering import answering_layout, finer_answering
from finer.tables.finer_benchmarks import benchmark_layout, finer_benchmarks
from finer.tables.shown import ModelName
from finer.tables.suite_tables import columns_of, suite_layout, suite_rows
from suite_runs import items_of
from test_suite_vstar import write as write_vstar

WAYS = ("letter", "text", "likelihood")
TWO = replace(
    SHOWN, models={"seer": ModelName("Seer"), "by-api": ModelName("By API", scores=False, comparable=False)}
)  # fmt: skip


@pytest.fixture(scope="module")
def estimated() -> pl.DataFrame:
    """Estimates of two models asked in three ways, of which an API can be asked in one."""
    asked = pl.concat([finer_items(6).with_columns(answering=pl.lit(way)) for way in WAYS])
    rows = []
    for model in TWO.models:
        for row in asked.iter_rows(named=True):
            scored = row["answering"] != "letter"
            untold = {"option_logprobs": None} if scored else {}
            told = {"option_logprobs": [0.0, -1.0, -2.0, -3.0, -4.0], "option_mean_logprobs": [0.0, -1, -2, -3, -4],
                    "option_first_logprobs": [0.0, -1.0, -1.0, -1.0, -1.0]}  # fmt: skip
            same = {"model": model, "answering": row["answering"]}
            said = {} if not scored else untold if model == "by-api" else told
            text = None if said == untold and scored else "A"
            rows.append(response(row["item_id"], text, **same, **said))  # type: ignore[arg-type]
    judged = verdicts(asked, table_from(rows, RESPONSES))
    assert set(judged.filter(model="by-api")["answering"]) == {"letter"}
    return estimates(asked, judged, **CHOICES)


def test_three_ways_show_dashes_where_an_api_cannot_be_asked(estimated: pl.DataFrame) -> None:
    rows = finer_answering(estimated, COMPARISONS.empty(), TWO)
    layout = answering_layout(rows, TWO)
    own = [row for row in layout.rows if not row.heading]
    shown = {(place, row.labels[1]): [cell.value for cell in row.cells] for place, row in enumerate(own)}
    per_model = {
        labels: cells for (place, labels), cells in shown.items() if place % 6 >= 3
    }  # the API's rows of a block
    assert per_model["Letter"] != ["–"] * 4
    assert per_model["Text"] == per_model["Likelihood"] == ["–"] * 4
    assert any("does not tell how likely an option is (By API)" in note for note in layout.footnotes)


def test_a_model_that_can_be_asked_still_needs_every_way(estimated: pl.DataFrame) -> None:
    lost = estimated.filter(~((pl.col("model") == "seer") & (pl.col("answering") == "text")))
    with pytest.raises(InputError, match="missing"):
        finer_answering(lost, COMPARISONS.empty(), TWO)


def test_a_table_by_text_shows_dashes_for_an_api(estimated: pl.DataFrame) -> None:
    by_text = replace(TWO, answering="text")
    rows = finer_benchmarks(estimated, COMPARISONS.empty(), by_text)
    assert set(rows["model"]) == {"random_guess", "seer"}
    layout = benchmark_layout(rows, by_text)
    assert [cell.value for cell in layout.rows[-1].cells] == ["–"] * 8 and layout.rows[-1].labels[0] == "By API"
    assert any("does not tell how likely" in note for note in layout.footnotes)


def test_a_table_by_letter_has_no_dash(estimated: pl.DataFrame) -> None:
    layout = benchmark_layout(finer_benchmarks(estimated, COMPARISONS.empty(), TWO), TWO)
    assert not any(cell.value == "–" for row in layout.rows for cell in row.cells)
    assert not any("how likely" in note for note in layout.footnotes)


def test_a_suite_that_an_api_cannot_be_asked_in_full_has_no_number_of_it(tmp_path: Path) -> None:
    """V*: half of the questions are answered by likelihood; the letters alone would be another number."""
    suite = load_suite("vstar")
    items, _ = items_of(suite, write_vstar(tmp_path))
    scored = pl.col("answering") == "likelihood"
    assert 0 < items.filter(scored).height < items.height
    parts = []
    for model in TWO.models:
        some = items.select("item_id", "answering", "control", options=pl.col("options").list.len()).with_columns(
            model=pl.lit(model)
        )
        rows = [
            response(
                row["item_id"], None if model == "by-api" and row["answering"] == "likelihood" else "A",  # type: ignore[arg-type]
                model=model, answering=row["answering"], option_logprobs=[-float(n) for n in range(row["options"])],
                option_mean_logprobs=[-float(n) for n in range(row["options"])],
            )
            for row in some.iter_rows(named=True)
        ]  # fmt: skip
        parts.append(suite_verdicts(suite, items, table_from(rows, RESPONSES)))
    assert parts[1].equals(VERDICTS.empty()) and parts[0].height
    found = suite_estimates(suite, items, pl.concat(parts), **CHOICES)
    settings = {"vstar": {"module": "vstar", "title": None, "column": None}}
    columns = columns_of("general_suites", {"vstar": suite}, settings)
    rows = suite_rows(found, SUITE_COMPARISONS.empty(), columns, TWO, [("by-api", "vstar")])
    layout = suite_layout("general_suites", rows, columns, {"vstar": suite}, TWO)
    assert [row.cells[0].value for row in layout.rows] == [layout.rows[0].cells[0].value, "–"]
    assert layout.rows[0].cells[0].value != "–"
    assert any("an API does not tell (By API)" in note for note in layout.footnotes)
