"""Answering jobs: responses for every item, resumed after a kill with the same bytes and one block repeated at most."""

from __future__ import annotations

import io
import json
import multiprocessing
import random
import shutil
import time
from collections.abc import Sequence
from multiprocessing.context import BaseContext
from pathlib import Path

import polars as pl
import pytest

import answering_job
from finer.errors import InputError
from finer.keys import stable_key
from finer.mllm.answering import ASKED, respond
from finer.mllm.engine import Answer, Query, Scores
from finer.mllm.shards import Parts, cut, run_sharded
from finer.progress import progress_bar
from finer.schemas import ITEMS, RESPONSES, RUNS, TEXT, Table
from finer.store import read_table, table_from, write_table
from tiny_models import multiple_choice, save_images, save_tiny

NAMES = ("one", "two")
OUTPUTS = ("one.parquet", "two.parquet")
OPTIONS = ["Yes, I see a cup.", "No, I see a ball.", "No, I see a red star.", "No, I see two.", "None."]


def items(count: int, images: list[Path], seed: int) -> pl.DataFrame:
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        ways = (("yes_no",), ("letter",), ("text", "likelihood"))[number % 3]
        blind = number % 7 == 6
        prompt = "Can you see a ball?" if number % 3 == 0 else multiple_choice(rng)
        shown = [] if blind else [str(rng.choice(images))]
        rows += [
            {
                "item_id": stable_key(seed, number), "suite": "finer", "benchmark": "b", "image_paths": shown,
                "image_id": "i", "prompt": prompt, "answering": answering,
                "options": ["yes", "no"] if answering == "yes_no" else OPTIONS,
                "answer_index": 0, "group_id": "g", "grouping": "multi_obj", "polarity": None, "entity_count": None,
                "control": "text_only" if blind else "none",
            }
            for answering in ways
        ]  # fmt: skip
    return table_from(rows, ITEMS)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, two item sets and the outputs of an unbroken run under ``whole``."""
    folder = tmp_path_factory.mktemp("answering")
    save_tiny("internvl", folder / "model")
    images = save_images(folder / "images", 12)
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
    assert run["items"].item() == sum(read_table(prepared / f"{name}.items.parquet", ITEMS).height for name in NAMES)
    assert not list(prepared.glob("*.parts"))


def test_questions_of_an_image_stand_together(prepared: Path) -> None:
    questions = read_table(prepared / "one.items.parquet", ITEMS)
    ordered = read_table(prepared / "whole" / "one.parquet", RESPONSES).join(
        questions, on="item_id", how="left", maintain_order="left"
    )
    images = ordered["image_paths"].list.join("").to_list()
    assert images == sorted(images)


def scored(prepared: Path, answering: str) -> pl.DataFrame:
    parts = [read_table(prepared / "whole" / name, RESPONSES) for name in OUTPUTS]
    return pl.concat(parts).filter(pl.col("answering") == answering).sort("item_id")


def test_text_and_likelihood_of_a_question_share_their_log_probabilities_exactly(prepared: Path) -> None:
    text, likelihood = scored(prepared, "text"), scored(prepared, "likelihood")
    same = ["item_id", "control", "option_logprobs", "option_mean_logprobs"]
    assert text.height == likelihood.height > 10 and text.select(same).equals(likelihood.select(same))


def test_text_is_the_likeliest_option_that_begins_with_the_likeliest_first_word(prepared: Path) -> None:
    text = scored(prepared, "text")
    overruled = 0
    for row in text.iter_rows(named=True):
        firsts, sums = row["option_first_logprobs"], row["option_logprobs"]
        assert firsts[1] == firsts[2] == firsts[3] and len(set(firsts)) == 3
        begun = [place for place in range(5) if firsts[place] == max(firsts)]
        assert row["text"] == OPTIONS[max(begun, key=lambda place: sums[place])]
        overruled += row["text"] != OPTIONS[sums.index(max(sums))]
    assert overruled, "the first word never decides: weak test"
    assert scored(prepared, "likelihood")["option_first_logprobs"].is_null().all()
    assert (scored(prepared, "likelihood")["text"] == "").all()


class Counting:
    """An engine that counts the questions it scores and finds all options alike."""

    name = "counting"

    def __init__(self) -> None:
        self.asked: list[Query] = []

    def answer(self, queries: Sequence[Query], max_new_tokens: int) -> list[Answer]:
        return [Answer(query.key, "A", (-1.0,) * len(query.labels)) for query in queries]

    def score_continuations(self, queries: Sequence[Query], options: Sequence[Sequence[str]]) -> list[Scores]:
        self.asked += queries
        return [Scores(query.key, (-2.0,) * 5, (-1.0,) * 5, (-1.0,) * 5) for query in queries]


def test_one_pass_scores_a_question_for_every_way_of_answering(prepared: Path) -> None:
    questions = read_table(prepared / "one.items.parquet", ITEMS).select(ASKED)
    engine = Counting()
    responses = respond(questions, engine, 2, "m", "base", "r")
    assert responses.select("item_id", "answering").equals(questions.select("item_id", "answering"))
    text = questions.filter(pl.col("answering") == "text")
    assert len(engine.asked) == text.height
    assert {query.image is None for query in engine.asked} == {True, False}
    assert (responses.filter(pl.col("answering") == "text")["text"] == "").all(), "a tie says nothing"


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


def test_blocks_do_not_split_what_belongs_together() -> None:
    frame = pl.DataFrame({"n": range(10), "image": list("aaabbbbcdd")})
    blocks = [block["n"].to_list() for block in cut(frame, 4, frame["image"])]
    assert blocks == [[0, 1, 2, 3, 4, 5, 6], [7], [8, 9]]


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
