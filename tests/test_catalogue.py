"""The catalogue: a view on every table, wherever it is opened from, and the queries of the docs run on it."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from fake_evaluation import CHOICES, SKILL, finer_items, granularity_items, responses
from finer.errors import InputError
from finer.schemas import (
    CALLS,
    CAPTIONS,
    COMPARISONS,
    DROPS,
    ELEMENTS,
    ESTIMATES,
    ITEMS,
    NEGATIVES,
    PAIRS,
    RESPONSES,
    RUNS,
    TABLES,
    VERDICTS,
)
from finer.scoring.verdicts import verdicts
from finer.stats.differences import Resampling, comparisons
from finer.stats.estimates import estimates
from finer.store import drop, table_from, write_table
from finer.tables.catalogue import catalogue, connect, find_tables, table_of, write_catalogue

PAGE = Path(__file__).parents[1] / "docs" / "queries.md"
QUERIES = re.findall(r"^## (.+?)\n+```sql\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def pairs_of(items: pl.DataFrame) -> pl.DataFrame:
    """The table of pairs that these items could have come from."""
    return items.filter(suite="finer", control="none").select(
        pl.col("item_id").str.replace("^", "mcq-").alias("mcq_id"), pl.col("group_id").alias("pair_id"), "image_id",
        "benchmark", pl.col("grouping").alias("setting"), "polarity", pl.col("grouping").alias("qtype"),
        pl.col("prompt").alias("question"), "options", pl.col("answer_index").alias("gt_index"), "entity_count",
        pl.lit(0, pl.Int64).alias("edited_slot"), pl.lit("object").alias("negative_kind"),
        pl.lit("e").alias("edited_element_id"), pl.lit(["e"]).alias("element_ids"), pl.lit("passed").alias("check"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def workflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``results/micro`` and its catalogue, whose paths are relative to that folder."""
    folder = tmp_path_factory.mktemp("workflow")
    root = folder / "results" / "micro"
    plain = pl.concat([finer_items(6), granularity_items(6)])
    blind = plain.filter(suite="finer", grouping="wh").with_columns(control=pl.lit("text_only"))
    items = pl.concat([plain, blind])
    answers = responses(items, SKILL)
    judged = verdicts(items, answers)
    for suite in ("finer", "granularity"):
        write_table(items.filter(suite=suite), ITEMS, root / "items" / f"{suite}.parquet")
    write_table(answers, RESPONSES, root / "responses" / "seer" / "finer.parquet")
    write_table(judged, VERDICTS, root / "verdicts" / "all.parquet")
    write_table(estimates(items, judged, **CHOICES), ESTIMATES, root / "estimates" / "all.parquet")
    compared = comparisons(items, judged, Resampling(2603, 100, 0.95))
    write_table(compared, COMPARISONS, root / "estimates" / "comparisons.all.parquet")
    write_table(compared, COMPARISONS, root / "estimates" / "comparisons.ablation.docci.parquet")
    write_table(pairs_of(items), PAIRS, root / "benchmark" / "docci" / "pairs.parquet")
    dropped = table_from([drop("pairs", "docci", "wh", "not_unique")], DROPS)
    write_table(dropped, DROPS, root / "benchmark" / "docci" / "drops" / "pairs.parquet")
    write_table(RUNS.empty(), RUNS, root / "benchmark" / "docci" / "rounds" / "checks.0.run.parquet")
    write_table(NEGATIVES.empty(), NEGATIVES, root / "benchmark" / "docci" / "rounds" / "negatives.0.parquet")
    write_table(CALLS.empty(), CALLS, root / "benchmark" / "docci" / "rounds" / "negatives.0.calls.parquet")
    (root / "raw").mkdir()
    pl.DataFrame({"image_url": ["x"], "caption": ["y"]}).write_parquet(root / "raw" / "captions.parquet")
    for kept_out in ("study.finer", "ablation.docci", "unverified"):
        write_table(estimates(items, judged, **CHOICES), ESTIMATES, root / "estimates" / f"{kept_out}.parquet")
    parts = root / "responses" / "seer" / "finer.parquet.parts"
    write_table(answers.head(5), RESPONSES, parts / "000000.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        catalogue("results/micro", "results/micro/finer.duckdb")
    return folder


@pytest.fixture
def inside(workflow: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workflow)
    return Path("results/micro/finer.duckdb")


def test_every_table_has_a_view_with_its_columns(inside: Path) -> None:
    with connect(inside) as connection:
        for table in TABLES.values():
            described = connection.execute(f'DESCRIBE "{table.name}"').fetchall()
            assert [row[0] for row in described] == list(table.columns)


def test_views_hold_the_rows_of_all_parts(inside: Path) -> None:
    with connect(inside) as connection:
        counts = {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0] for name in TABLES}
    items = finer_items(6).height + granularity_items(6).height + finer_items(6).filter(grouping="wh").height
    assert counts["items"] == items and counts["drops"] == 1
    assert counts["responses"] == items * len(SKILL)  # parts of unfinished jobs are not counted again
    assert counts["elements"] == counts["negatives"] == 0


def test_empty_views_have_the_types_of_full_ones(inside: Path, tmp_path: Path) -> None:
    write_catalogue([], tmp_path / "empty.duckdb")
    with connect(inside) as full, connect(tmp_path / "empty.duckdb") as empty:
        for name in ("items", "responses", "verdicts", "estimates", "pairs", "drops", "runs"):
            types = [
                [row[1] for row in one.execute(f'DESCRIBE "{name}"').fetchall()] for one in (full, empty)
            ]  # fmt: skip
            assert types[0] == types[1]


def test_it_opens_from_another_folder_if_told_where_the_workflow_ran(
    workflow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with connect(workflow / "results/micro/finer.duckdb", workflow=workflow) as connection:
        assert connection.execute("SELECT count(*) FROM estimates").fetchall()[0][0] > 0


def test_raw_rounds_and_unfinished_files_are_left_out(workflow: Path) -> None:
    names = {
        path.relative_to(workflow / "results/micro").as_posix() for path in find_tables(workflow / "results/micro")
    }
    assert "benchmark/docci/rounds/checks.0.run.parquet" in names
    assert "benchmark/docci/rounds/negatives.0.calls.parquet" in names
    kept_out = ("raw/", ".parts", "negatives.0.parquet", "study.", "ablation.", "unverified")
    assert not any(part in name for name in names for part in kept_out)


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=[title for title, _ in QUERIES])
def test_the_queries_of_the_docs_run(inside: Path, title: str, query: str) -> None:
    with connect(inside) as connection:
        rows = connection.execute(query).fetchall()
    assert rows or title in (
        "How did the negatives fare with the verifier?",
        "What did a language model say, for each negative that stands?",
        "What did the language models cost, and how often was a reply sent back?",
        "What did a run cost?",
        "Which negatives are true of the micro world's scenes after all?",
    )


def test_elements_and_negatives_lead_to_the_calls_that_made_them(tmp_path: Path) -> None:
    element = {
        "image_id": "i", "benchmark": "b", "position": 0, "text": "x", "category": "x", "value": None, "plural": False,
        "parent_id": None, "target_id": None, "ambiguous": False, "source": "caption_llm", "evidence": None,
    }  # fmt: skip
    elements = [
        element | {"element_id": name, "kind": kind, "source": source}
        for name, kind, source in (
            ("e1", "object", "caption_llm"), ("e2", "relation", "caption_llm"), ("e3", "object", "caption_rules"),
        )
    ]  # fmt: skip
    caption = {"caption_id": "c", "image_id": "i", "benchmark": "b", "example_id": "x", "text": "x"}
    negatives = [
        {
            "negative_id": f"n{number}", "element_id": "e1", "image_id": "i", "round": number, "rank": 0,
            "negative_kind": "object", "text": "y", "target_text": None, "plural": False, "proposer": "m",
        }
        for number in (0, 1)
    ]  # fmt: skip
    subjects = [("c.objects", 0), ("c.objects", 1), ("c.relations", 0), ("e1.0", 0), ("e1.1", 0), ("e9.0", 0)]
    calls = [
        dict.fromkeys(CALLS.columns) | {
            "call_id": f"{subject}#{attempt}", "run_id": "r", "role": "proposer" if subject[0] == "e" else "extractor",
            "subject": subject, "attempt": attempt, "model": "m", "prompt_hash": "p", "request_hash": "h",
            "request": "{}",
        }
        for subject, attempt in subjects
    ]  # fmt: skip
    rows = ((elements, ELEMENTS), ([caption], CAPTIONS), (negatives, NEGATIVES), (calls, CALLS))
    for made, table in rows:
        write_table(table_from(made, table), table, tmp_path / f"{table.name}.parquet")
    write_catalogue([tmp_path / f"{table.name}.parquet" for _, table in rows], tmp_path / "finer.duckdb")
    with connect(tmp_path / "finer.duckdb") as opened:
        found = opened.sql("SELECT element_id, call_id FROM element_calls ORDER BY ALL").fetchall()
        assert found == [("e1", "c.objects#0"), ("e1", "c.objects#1"), ("e2", "c.relations#0")]
        found = opened.sql("SELECT negative_id, call_id FROM negative_calls ORDER BY ALL").fetchall()
        assert found == [("n0", "e1.0#0"), ("n1", "e1.1#0")]


def test_the_docs_have_their_queries() -> None:
    assert len(QUERIES) == PAGE.read_text(encoding="utf-8").count("```sql") >= 8


def test_the_table_query_of_the_docs_gives_the_estimates(inside: Path) -> None:
    with connect(inside) as connection:
        rows = connection.execute(QUERIES[0][1]).fetchall()
    assert len(rows) == len(SKILL) * (8 + 4)  # two benchmarks and both together


def test_the_catalogue_is_written_anew_over_an_old_one(inside: Path, tmp_path: Path) -> None:
    output = tmp_path / "finer.duckdb"
    for _ in range(2):
        write_catalogue(["results/micro/items/finer.parquet"], output)
    assert [path.name for path in tmp_path.iterdir()] == ["finer.duckdb"]
    with connect(output) as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchall()[0][0] == 336 + 48  # with their control


def test_a_file_that_is_no_table_is_an_error(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="not a table"):
        write_catalogue([tmp_path / "a.parquet"], tmp_path / "finer.duckdb")
    assert not (tmp_path / "finer.duckdb").exists()
    (tmp_path / "b.parquet").write_text("nonsense")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        table_of(tmp_path / "b.parquet")
    with pytest.raises(InputError, match="no such file"):
        write_catalogue([tmp_path / "c.parquet"], tmp_path / "finer.duckdb")


def test_a_missing_catalogue_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        connect(tmp_path / "finer.duckdb")


def test_every_table_has_columns_of_its_own() -> None:
    assert len({frozenset(table.columns) for table in TABLES.values()}) == len(TABLES)
