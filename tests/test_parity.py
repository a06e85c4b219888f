"""Two engines, or two paths of one, on the same questions; and tables that refuse engines that were not compared."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from api_models import served
from fake_evaluation import SHOWN
from finer.cli import main
from finer.config import Evaluation
from finer.config.engines import to_compare, within
from finer.config.language import Backend, LanguageModel
from finer.config.sections import Parity
from finer.errors import InputError
from finer.mllm import prefix
from finer.mllm.engine import TransformersEngine
from finer.mllm.questions import Answer
from finer.mllm.registry import Checkpoint
from finer.mllm.runs import Stopwatch, run_row
from finer.schemas import ITEMS, PARITY, RUNS
from finer.scoring.parity import Way, agreement, compare_engines
from finer.store import read_table, table_from, write_table
from finer.tables.engines import with_engines
from finer.tables.notes import engines as engine_notes
from finer.tables.shown import ModelName
from loopback import Loopback
from tiny_models import FAMILIES, multiple_choice, save_images, save_tiny

TOLERANCE = 1e-4
MICRO = Path(__file__).parents[1] / "workflow/resources/bases/internvl3.5-micro-s"
SETTINGS = Evaluation(batch_tokens=700, parity=Parity(items=10))


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asked")
    images = save_images(folder / "images", 3)
    rng = random.Random(11)
    rows = [
        {"item_id": f"i{n:02}", "suite": "finer", "benchmark": "comprecap", "image_paths": [str(images[n % 3])],
         "image_id": f"m{n % 3}", "prompt": multiple_choice(rng), "answering": way, "options": list("12345"),
         "answer_index": 0, "group_id": f"g{n}", "grouping": "multi_obj", "control": "none"}
        for n in range(12) for way in ("letter", "text")
    ]  # fmt: skip
    write_table(table_from(rows, ITEMS), ITEMS, folder / "items.parquet")
    return folder / "items.parquet"


def compared(asked: Path, checkpoint: Checkpoint, *ways: str, settings: Evaluation = SETTINGS) -> dict[str, Any]:
    found, run = compare_engines([asked], [Way.read(way) for way in ways], checkpoint, settings, "c0de")
    assert run["engine"].item() == f"{found['engine'].item()} / {found['other'].item()}"
    return found.row(0, named=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_sharing_the_image_agrees_with_asking_question_by_question(asked: Path, tmp_path: Path, family: str) -> None:
    model = Checkpoint(name=family, path=str(save_tiny(family, tmp_path / family)), family=family)
    row = compared(asked, model, "transformers", "transformers:plain")
    assert row["other"] == f"{row['engine']} plain"
    assert row["items"] == 10 and row["compared"] == 50 and row["agreement"] == 100.0
    assert 0 < row["largest_gap"] < TOLERANCE and row["mean_gap"] <= row["largest_gap"]


def test_a_path_that_is_off_is_noticed(asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = prefix.PrefixModel._start
    monkeypatch.setattr(prefix.PrefixModel, "_start", lambda self, *sizes: right(self, *sizes) + 1)
    model = Checkpoint(name="m", path=str(save_tiny("internvl", tmp_path / "m")), family="internvl")
    assert compared(asked, model, "transformers", "transformers:plain")["largest_gap"] > 10 * TOLERANCE


def by_api(server: Loopback, cache: Path, logprobs: bool = True) -> Checkpoint:
    model = LanguageModel(backend="local", model="served", logprobs=logprobs)
    parts = {"model": model.model_dump(), "backend": Backend(kind="http", base_url=server.address).model_dump()}
    api = {"name": "api", "budget": None, "cache": str(cache), **parts}
    return Checkpoint(name="both", engine="http", path=str(MICRO), family="internvl", api=api)


@pytest.mark.parametrize(("shift", "lowest", "highest"), [(0.0, 0.0, TOLERANCE), (0.25, 0.249, 0.251)])
def test_a_server_of_the_same_model_agrees_and_a_shifted_one_shows(
    asked: Path, tmp_path: Path, shift: float, lowest: float, highest: float
) -> None:
    with Loopback(served(TransformersEngine(MICRO, "internvl"), shift)) as server:
        row = compared(asked, by_api(server, tmp_path), "transformers", "http")
    assert row["agreement"] == 100.0 and row["compared"] == 50
    assert lowest <= row["largest_gap"] <= highest


def test_an_api_without_log_probabilities_is_compared_by_letters_alone(asked: Path, tmp_path: Path) -> None:
    with Loopback(served(TransformersEngine(MICRO, "internvl"))) as server:
        row = compared(asked, by_api(server, tmp_path, logprobs=False), "transformers", "http")
    assert row["agreement"] == 100.0 and row["compared"] == 0 and row["largest_gap"] is None
    assert within(row, 0.98, 0.0)


def test_agreement_is_of_letters_and_gaps_of_what_both_tell() -> None:
    ours = [
        Answer("1", "A", (-1.0, -2.0)),
        Answer("2", "B.", (-1.0, None)),
        Answer("3", "hm", ()),
        Answer("4", "C", ()),
    ]
    theirs = [
        Answer("1", "A", (-1.5, -2.0)),
        Answer("2", "B", (-1.0, -9.0)),
        Answer("3", "hm ", ()),
        Answer("4", "?", ()),
    ]
    found = agreement(ours, theirs)
    assert found == {"agreement": 75.0, "compared": 3, "largest_gap": 0.5, "mean_gap": pytest.approx(0.5 / 3)}


@pytest.mark.parametrize(
    ("ways", "found"),
    [
        (["transformers", "transformers"], "two engines"),
        (["transformers", "http"], "no API"),
        (["transformers", "ollama"], "no such engine"),
        (["transformers", "http:plain"], "no such engine"),
    ],
)
def test_ways_that_cannot_be_compared_are_named(asked: Path, ways: list[str], found: str) -> None:
    with pytest.raises(InputError, match=found):
        compared(asked, Checkpoint(name="m", path=str(MICRO), family="internvl"), *ways)


def test_the_verb_writes_the_comparison_with_its_run(
    asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = {
        "evaluation": {"batch_tokens": 700}, "parity": {}, "items": [str(asked)],
        "load": {"path": str(MICRO), "family": "internvl"},
    }  # fmt: skip
    out = [str(tmp_path / f"p.{kind}") for kind in ("parquet", "csv")]
    arguments = ["--config", json.dumps(part), "--model", "m", "--items", "5", "--run", str(tmp_path / "run.parquet")]
    assert main(["parity", *arguments, "--engines", "transformers", "transformers:plain", "--out", *out]) == 0
    row = read_table(out[0], PARITY).row(0, named=True)
    assert row["items"] == 5 and json.loads(capsys.readouterr().out)["within"] is True
    assert pl.read_csv(out[1])["largest_gap"][0] == pytest.approx(row["largest_gap"], abs=1e-6)
    assert read_table(tmp_path / "run.parquet", RUNS)["run_id"].to_list() == [row["run_id"]]


# ---------------------------------------------------------------- one table, several engines
def test_models_of_the_rarer_engine_are_compared() -> None:
    assert to_compare({"a": "vllm", "b": "vllm", "c": "http"}) == ("vllm", ["c"])
    assert to_compare({"a": "vllm", "b": "transformers"}) == ("transformers", ["a"])
    assert to_compare({"a": "http"}) == ("http", [])


TRANSFORMERS, HTTP = "transformers 5.0", "http 2.0"


@pytest.fixture
def files(tmp_path: Path) -> Any:
    """Write RUNS of jobs (row -> engine) and PARITY of one model; return the files."""

    def write(engines: dict[str, str], *rows: dict[str, Any]) -> tuple[list[Path], list[Path]]:
        runs = []
        for place, (row, engine) in enumerate(engines.items()):
            model, _, variant = row.partition("@")
            frame = run_row(
                f"r{place}", "answer", Stopwatch(), config_hash="c", code_hash="c", model=model,
                variant=variant or "base", engine=engine,
            )  # fmt: skip
            runs.append(tmp_path / f"{place}.parquet")
            write_table(frame, RUNS, runs[-1])
        write_table(table_from(rows, PARITY), PARITY, tmp_path / "parity.parquet")
        return runs, [tmp_path / "parity.parquet"]

    return write


def parity_row(**changes: Any) -> dict[str, Any]:
    return {
        "model": "yes_man", "engine": TRANSFORMERS, "other": HTTP, "items": 200, "agreement": 99.0, "compared": 900,
        "largest_gap": 0.1, "mean_gap": 0.01, "run_id": "p", **changes,
    }  # fmt: skip


ALONE = {"seer-micro": TRANSFORMERS, "seer-micro@tuned": TRANSFORMERS, "yes_man": TRANSFORMERS}
MIXED = ALONE | {"yes_man": HTTP}
LIMITED = replace(SHOWN, parity={"agreement": 0.98, "gap": 0.5})


def test_one_engine_needs_no_comparison_and_no_footnote(files: Any) -> None:
    assert with_engines(LIMITED, *files(ALONE)).engines == ()


def test_engines_that_were_not_compared_are_refused_with_the_command_to_run(files: Any) -> None:
    with pytest.raises(InputError, match="not compared") as caught:
        with_engines(LIMITED, *files(MIXED))
    said = str(caught.value)
    assert "yes_man: http 2.0" in said
    assert "python -m finer parity --config config.yaml --model yes_man --engines transformers http" in said


@pytest.mark.parametrize(
    "changes",
    [{"agreement": 97.9}, {"largest_gap": 0.51}, {"model": "seer-micro"}, {"other": "http 1.9"},
     {"engine": f"{TRANSFORMERS} plain"}],
)  # fmt: skip
def test_a_comparison_of_something_else_or_beyond_limits_does_not_count(files: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"not compared|do not agree"):
        with_engines(LIMITED, *files(MIXED, parity_row(**changes)))


@pytest.mark.parametrize(
    "changes", [{}, {"engine": HTTP, "other": TRANSFORMERS}, {"largest_gap": None, "mean_gap": None}]
)
def test_engines_that_agree_stand_in_one_table_with_a_footnote(files: Any, changes: dict[str, Any]) -> None:
    (note,) = with_engines(LIMITED, *files(MIXED, parity_row(**changes))).engines
    assert "Yes & Man 2M by http 2.0" in note and "99.0 % of 200" in note


def test_a_model_that_only_an_api_has_is_named_in_a_footnote(files: Any) -> None:
    closed = replace(
        LIMITED, models={**LIMITED.models, "yes_man": ModelName("Yes & Man", "2M", scores=False, comparable=False)}
    )
    (note,) = with_engines(closed, *files(MIXED)).engines
    assert note.startswith("Asked by API: Yes & Man 2M.")
    assert len(list(engine_notes(closed, "letter"))) == 0
    assert "does not tell how likely" in next(engine_notes(closed, "letter", "text"))
