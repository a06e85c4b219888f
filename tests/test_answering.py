"""Answering jobs: responses for every item, resumed after a kill with the same bytes and one block repeated at most."""

from __future__ import annotations

import io
import json
import multiprocessing
import random
import shutil
import time
from multiprocessing.context import BaseContext
from pathlib import Path

import polars as pl
import pytest

import answering_job
from finer.errors import InputError
from finer.keys import stable_key
from finer.mllm.shards import Parts, cut, progress_bar, run_sharded
from finer.schemas import ITEMS, RESPONSES, RUNS, TEXT, Table
from finer.store import read_table, table_from, write_table
from tiny_models import multiple_choice, save_images, save_tiny

OUTPUTS = ("one.parquet", "two.parquet")


def items(count: int, images: list[Path], seed: int) -> pl.DataFrame:
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        letter = number % 3 > 0
        scored = number % 9 == 1  # by likelihood: the same options, without letters in the prompt
        rows.append(
            {
                "item_id": stable_key(seed, number), "suite": "finer", "benchmark": "b",
                "image_paths": [] if number % 7 == 6 else [str(rng.choice(images))], "image_id": "i",
                "prompt": multiple_choice(rng) if letter else "Can you see a ball?\nAnswer yes or no.",
                "answering": "likelihood" if scored else "letter" if letter else "yes_no",
                "options": list("vwxyz") if letter else ["yes", "no"],
                "answer_index": 0, "group_id": "g", "grouping": "multi_obj", "polarity": None, "entity_count": None,
                "control": "none",
            }
        )  # fmt: skip
    return table_from(rows, ITEMS)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, two item sets and the outputs of an unbroken run under ``whole``."""
    folder = tmp_path_factory.mktemp("answering")
    save_tiny("internvl", folder / "model")
    images = save_images(folder / "images", 5)
    write_table(items(44, images, 1), ITEMS, folder / "one.items.parquet")
    write_table(items(20, images, 2), ITEMS, folder / "two.items.parquet")
    answering_job.run(folder)
    (folder / "whole").mkdir()
    for name in (*OUTPUTS, "run.parquet", "blocks.log"):
        (folder / name).rename(folder / "whole" / name)
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    """A fresh place for a job over the same inputs."""
    for name in ("model", "one.items.parquet", "two.items.parquet"):
        (tmp_path / name).symlink_to(prepared / name)
    return tmp_path


@pytest.fixture(scope="module")
def processes() -> BaseContext:
    """Processes that start in no time: forked from one that has the heavy imports and has not computed yet."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["finer.mllm.engine", "finer.mllm.answering", "transformers.models.internvl.modeling_internvl"]
    )
    return context


def same_bytes(folder: Path, prepared: Path) -> bool:
    return all((folder / name).read_bytes() == (prepared / "whole" / name).read_bytes() for name in OUTPUTS)


def blocks(folder: Path) -> list[str]:
    log = folder / "blocks.log"
    return log.read_text().split() if log.exists() else []


def test_every_item_has_a_response_and_the_run_is_recorded(prepared: Path) -> None:
    for name, asked in zip(OUTPUTS, ("one.items.parquet", "two.items.parquet"), strict=True):
        questions = read_table(prepared / asked, ITEMS)
        responses = read_table(prepared / "whole" / name, RESPONSES)
        joined = questions.join(responses, on=["item_id", "answering", "control"], how="inner")
        assert joined.height == questions.height == responses.height
        assert (joined["option_logprobs"].list.len() == joined["options"].list.len()).all()
        assert (joined["option_logprobs"].list.max() < 0).all()
    run = read_table(prepared / "whole" / "run.parquet", RUNS)
    assert run["run_id"].to_list() == responses["run_id"].unique().to_list()
    assert run["items"].item() == 64
    assert not list(prepared.glob("*.parts"))


def test_questions_of_an_image_stand_together(prepared: Path) -> None:
    questions = read_table(prepared / "one.items.parquet", ITEMS)
    ordered = read_table(prepared / "whole" / "one.parquet", RESPONSES).join(
        questions, on="item_id", how="left", maintain_order="left"
    )
    images = ordered["image_paths"].list.join("").to_list()
    assert images == sorted(images)


@pytest.mark.parametrize(("wanted", "later"), [(0, 0.0), (1, 0.05), (5, 0.15), (8, 0.02)])
def test_killed_job_resumes_with_the_same_bytes_and_one_repeated_block(
    folder: Path, prepared: Path, processes: BaseContext, wanted: int, later: float
) -> None:
    """Kill ``later`` seconds after ``wanted`` blocks were computed (0: while the model loads; 8 of 9: second set)."""
    job = processes.Process(target=answering_job.run, args=(folder, 0.15))  # type: ignore[attr-defined]
    job.start()
    deadline = time.monotonic() + 60
    while len(blocks(folder)) < wanted or not list(folder.glob("*.parts")):
        assert job.is_alive(), "the job ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(later)
    job.kill()  # SIGKILL
    job.join()
    assert not any((folder / name).exists() for name in OUTPUTS), "an unfinished job must not show outputs"
    kept = len(list(folder.glob("*.parts/[0-9]*.parquet")))
    assert kept >= wanted - 1
    before = blocks(folder)
    answering_job.run(folder)
    assert same_bytes(folder, prepared)
    total = len(set(blocks(prepared / "whole")))
    assert len(blocks(folder)) <= total + 1
    assert len(blocks(folder)) - len(before) == total - kept
    assert not list(folder.glob("*.part*"))


def test_outputs_of_a_failed_job_may_be_removed_without_losing_work(
    folder: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workflow removes the outputs of a job that failed, finished ones too."""
    with monkeypatch.context() as patch:
        assemble = Parts.assemble

        def stop_at_second(self: Parts) -> pl.DataFrame:
            if self.out.name == OUTPUTS[1]:
                raise KeyboardInterrupt
            return assemble(self)

        patch.setattr(Parts, "assemble", stop_at_second)
        with pytest.raises(KeyboardInterrupt):
            answering_job.run(folder)
    (folder / OUTPUTS[0]).unlink()
    before = blocks(folder)
    answering_job.run(folder)
    assert same_bytes(folder, prepared)
    assert blocks(folder) == before


def test_parts_of_other_inputs_are_discarded(tmp_path: Path) -> None:
    table = Table("numbers", {"n": TEXT}, key=("n",))
    out = tmp_path / "out.parquet"
    stale = Parts(out, table, "old inputs", 2)
    write_table(pl.DataFrame({"n": ["stale"]}), table, stale.path(0))
    computed = []

    def compute(block: list[str]) -> pl.DataFrame:
        computed.append(block)
        return pl.DataFrame({"n": block})

    whole = run_sharded([["a"], ["b"]], compute, table, out, "new inputs", "numbers")
    assert computed == [["a"], ["b"]]
    assert whole["n"].to_list() == read_table(out, table)["n"].to_list() == ["a", "b"]


def test_parts_of_the_same_inputs_are_kept_and_unfinished_ones_removed(tmp_path: Path) -> None:
    table = Table("numbers", {"n": TEXT}, key=("n",))
    out = tmp_path / "out.parquet"
    parts = Parts(out, table, "inputs", 2)
    write_table(pl.DataFrame({"n": ["kept"]}), table, parts.path(0))
    half = parts.folder / ".000001.parquet.123.part"
    half.write_bytes(b"half")
    computed = []

    def compute(block: list[str]) -> pl.DataFrame:
        computed.append(block)
        assert not half.exists()
        return pl.DataFrame({"n": block})

    assert run_sharded([["a"], ["b"]], compute, table, out, "inputs", "numbers")["n"].to_list() == ["kept", "b"]
    assert computed == [["b"]]


def test_an_empty_job_writes_an_empty_table(tmp_path: Path) -> None:
    table = Table("numbers", {"n": TEXT}, key=("n",))
    assert run_sharded([], lambda block: table.empty(), table, tmp_path / "out.parquet", "none", "numbers").height == 0
    assert read_table(tmp_path / "out.parquet", table).height == 0


def test_blocks_do_not_depend_on_what_is_left() -> None:
    frame = pl.DataFrame({"n": range(10)})
    assert [block["n"].to_list() for block in cut(frame, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_progress_in_a_log_is_lines_with_rate_and_time_left() -> None:
    log = io.StringIO()
    with progress_bar(40, "tiny answers", done=10, stream=log) as bar:
        bar.mininterval = 0
        for _ in range(3):
            bar.update(10)
    lines = log.getvalue().splitlines()
    assert "\r" not in log.getvalue()
    assert lines[-1].startswith("tiny answers: 40/40 (100 %)")
    assert all("left" in line for line in lines)
    assert any("item/s" in line for line in lines[1:])


def test_item_with_two_images_is_refused(folder: Path) -> None:
    frame = read_table(folder / "one.items.parquet", ITEMS)
    odd = frame.with_columns(image_paths=pl.lit(["a.png", "b.png"], pl.List(pl.String)))
    (folder / "one.items.parquet").unlink()
    write_table(odd, ITEMS, folder / "one.items.parquet")
    with pytest.raises(InputError, match="cannot be asked") as error:
        answering_job.run(folder)
    assert "2 images" in str(error.value)


def test_missing_image_stops_the_job_and_leaves_no_output(folder: Path) -> None:
    frame = read_table(folder / "one.items.parquet", ITEMS)
    lost = frame.with_columns(image_paths=pl.lit([str(folder / "lost.png")], pl.List(pl.String)))
    (folder / "one.items.parquet").unlink()
    write_table(lost, ITEMS, folder / "one.items.parquet")
    with pytest.raises(InputError, match=r"lost\.png"):
        answering_job.run(folder)
    assert not any((folder / name).exists() for name in (*OUTPUTS, "run.parquet"))


def test_revision_follows_the_weights_and_not_the_notes(folder: Path, prepared: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(prepared / "model", copy)
    of_copy = answering_job.Checkpoint(name="tiny", path=str(copy), family="internvl")
    first = of_copy.revision()
    (copy / "README.md").write_text("notes")
    assert of_copy.revision() == first
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "extra": 1}))
    assert of_copy.revision() != first


def test_folder_without_a_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint here"):
        answering_job.Checkpoint(name="tiny", path=str(tmp_path), family="internvl").revision()
