"""Models by API: what is asked and read, what stays unknown, what cannot be asked, what is refused."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from api_models import always, served
from finer.chat.messages import Reply
from finer.config import Evaluation
from finer.config.language import Backend, LanguageModel
from finer.errors import InputError
from finer.mllm import registry
from finer.mllm.answering import ASKED, answer_items, respond
from finer.mllm.engine import TransformersEngine
from finer.mllm.http_engine import HttpEngine, label_logprobs
from finer.mllm.questions import Query
from finer.mllm.registry import Checkpoint
from finer.negatives.verify import Question, check, check_block
from finer.schemas import ITEMS, RESPONSES, RUNS, VERDICTS
from finer.scoring.verdicts import score_responses
from finer.store import read_table, table_from, write_table
from loopback import Error, Loopback, Said
from tiny_models import multiple_choice, save_images

TOLERANCE = 1e-4
LETTERS = tuple("ABCDE")
MICRO = Path(__file__).parents[1] / "workflow/resources/bases/internvl3.5-micro-s"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("api")
    save_images(root / "images", 3)
    return root


def engine(server: Loopback, cache: Path, **model: Any) -> HttpEngine:
    entry = LanguageModel(backend="local", model="served", **{"logprobs": True, **model})
    return HttpEngine("api", entry, Backend(kind="http", base_url=server.address, attempts=1), cache)


def queries(folder: Path, count: int = 6) -> list[Query]:
    rng = random.Random(3)
    images = sorted((folder / "images").iterdir())
    asked = [Query(f"mcq {n}", images[n % 3], multiple_choice(rng), LETTERS) for n in range(count)]
    return [*asked, Query("blind", None, multiple_choice(rng), LETTERS)]


def test_an_api_says_what_its_model_says(folder: Path, tmp_path: Path) -> None:
    model = TransformersEngine(MICRO, "internvl")  # a trained one: it says letters
    asked = queries(folder)
    with Loopback(served(model)) as server:
        got = engine(server, tmp_path).answer(asked, 2)
    expected = model.answer(asked, 2)
    assert [one.key for one in got] == [one.key for one in expected]
    for one, other in zip(got, expected, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=TOLERANCE)
    assert [one.text for one in got] == [one.text for one in expected]
    assert all(one.text in LETTERS for one in got)


def test_a_question_is_sent_once_and_answered_from_the_cache_without_a_server(folder: Path, tmp_path: Path) -> None:
    with Loopback(always("B")) as server:
        asked = engine(server, tmp_path)
        first = asked.answer(queries(folder), 2)
        assert len(server.requests) == 7
    assert asked.answer(queries(folder), 2) == first  # the server is gone


def test_log_probabilities_that_are_not_told_stay_unknown(folder: Path, tmp_path: Path) -> None:
    with Loopback(always("B")) as server:
        told = engine(server, tmp_path).answer(queries(folder, 1), 2)[0]
        untold = engine(server, tmp_path, logprobs=False).answer(queries(folder, 1), 2)[0]
        assert "logprobs" not in server.requests[-1]
    assert told.logprobs == (None, pytest.approx(math.log(0.9)), None, None, None)
    assert untold.text == "B" and untold.logprobs == ()


def test_forms_of_a_letter_exclude_each_other_so_their_chances_add_up() -> None:
    reply = Reply("A", "stop", 1, 1, "m", (("A", math.log(0.5)), (" A", math.log(0.25)), ("Answer", math.log(0.1))))
    assert label_logprobs(reply, ("A", "B")) == (pytest.approx(math.log(0.75)), None)
    assert label_logprobs(reply, ("C",)) == ()


def test_replies_that_ran_out_of_tokens_before_a_word_stop_the_job(folder: Path, tmp_path: Path) -> None:
    with (
        Loopback(lambda request: Said("", "length")) as server,
        pytest.raises(InputError, match="ran out of tokens") as caught,
    ):
        engine(server, tmp_path).answer(queries(folder), 2)
    assert "thinking_tokens" in str(caught.value)


def test_thinking_tokens_are_added_to_the_limit(folder: Path, tmp_path: Path) -> None:
    with Loopback(always("B")) as server:
        entry = LanguageModel(backend="local", model="served")
        backend = Backend(kind="http", base_url=server.address)
        HttpEngine("api", entry, backend, tmp_path, thinking_tokens=100).answer(queries(folder, 1), 2)
        assert server.requests[0]["max_tokens"] == 102 and server.requests[0]["temperature"] == 0.0


def test_a_refusal_is_an_answer_and_a_failure_is_none(folder: Path, tmp_path: Path) -> None:
    with Loopback(lambda request: Said(refusal="I cannot look at this.")) as server:
        assert engine(server, tmp_path / "a").answer(queries(folder, 1), 2)[0].text == "I cannot look at this."
    blind = lambda request, times: Error(500) if isinstance(request["messages"][0]["content"], str) else None  # noqa: E731
    with (
        Loopback(always("B"), misbehave=blind) as server,
        pytest.raises(InputError, match="1 of 7 requests were not answered"),
    ):
        engine(server, tmp_path / "b").answer(queries(folder), 2)


# ---------------------------------------------------------------- the job
def items(folder: Path) -> pl.DataFrame:
    images = sorted((folder / "images").iterdir())
    ways = {"letter": ["1", "2", "3", "4", "5"], "text": ["Yes, a.", "No, b."], "likelihood": ["Yes, a.", "No, b."],
            "yes_no": ["yes", "no"]}  # fmt: skip
    rows = [
        {"item_id": f"i{n}", "suite": "finer", "benchmark": "comprecap", "image_paths": [str(images[n])],
         "image_id": f"m{n}", "prompt": f"question {n}, {way}", "answering": way, "options": options, "answer_index": 0,
         "group_id": f"g{n}", "grouping": "multi_obj", "polarity": "positive", "entity_count": 1, "control": "none"}
        for n in range(3) for way, options in ways.items()
    ]  # fmt: skip
    return table_from(rows, ITEMS)


def checkpoint(server: Loopback, cache: Path, **more: Any) -> Checkpoint:
    model = LanguageModel(backend="local", model="served", revision="2025-06", logprobs=True)
    backend = Backend(kind="http", base_url=server.address)
    api = {
        "name": "api",
        "budget": None,
        "cache": str(cache),
        "model": model.model_dump(),
        "backend": backend.model_dump(),
    }
    return Checkpoint.read("by-api", json.dumps({"engine": "http", "api": api, **more}))


def test_what_an_api_cannot_be_asked_is_a_counted_response_without_text_and_gets_no_verdict(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(items(folder), ITEMS, tmp_path / "items.parquet")
    with Loopback(always("A")) as server:
        model = checkpoint(server, tmp_path / "chat")
        answer_items(
            [tmp_path / "items.parquet"], [tmp_path / "out.parquet"], tmp_path / "run.parquet", model, Evaluation(), "c"
        )
        assert len(server.requests) == 6
    responses = read_table(tmp_path / "out.parquet", RESPONSES)
    asked = responses.filter(pl.col("text").is_not_null())
    assert set(asked["answering"]) == {"letter", "yes_no"} and asked.height == 6
    left = responses.filter(pl.col("text").is_null())
    assert left.height == 6 and left["option_logprobs"].null_count() == 6
    run = read_table(tmp_path / "run.parquet", RUNS).row(0, named=True)
    assert (run["unasked"], run["items"], run["source"]) == (6, 12, "served@2025-06")
    assert run["engine"].startswith("http ") and set(responses["engine"]) == {run["engine"]}
    assert json.loads(run["numerics"])["engine"] == "http"
    assert "6 item(s)" in capsys.readouterr().err
    score_responses([tmp_path / "items.parquet"], [tmp_path / "out.parquet"], tmp_path / "verdicts.parquet")
    assert set(read_table(tmp_path / "verdicts.parquet", VERDICTS)["answering"]) == {"letter", "yes_no"}


def test_another_model_or_address_is_another_revision(tmp_path: Path) -> None:
    with Loopback(always("A")) as server:
        one = checkpoint(server, tmp_path)
        other = one.model_copy(update={"api": {**one.api, "model": {**one.api["model"], "revision": "2026-01"}}})  # type: ignore[dict-item]
        assert one.revision() != other.revision()


def test_answers_of_an_api_without_log_probabilities_have_none(folder: Path, tmp_path: Path) -> None:
    block = items(folder).select(ASKED)
    with Loopback(always("A")) as server:
        found = respond(block, engine(server, tmp_path, logprobs=False), 2, "m", "base", "r")
    assert found["option_logprobs"].null_count() == found.height


# ---------------------------------------------------------------- the verifier
QUESTION = Question("e", "i", Path("x.png"), 0, "object", ("a cat", "a dog", "a cow", "a pig", "a hen"))


def test_a_verifier_by_api_is_weighed_by_the_letters_it_tells(folder: Path, tmp_path: Path) -> None:
    """The server points at the true phrase wherever it stands."""

    def pointing(request: dict[str, Any]) -> Said:
        text = request["messages"][-1]["content"][1]["text"]
        letter = next(line[0] for line in text.splitlines() if line.endswith(". a cat"))
        return Said(letter, logprobs={letter: math.log(0.8), "E" if letter != "E" else "D": math.log(0.1)})

    image = sorted((folder / "images").iterdir())[0]
    question = Question(**{**QUESTION.__dict__, "image": image})
    with Loopback(pointing) as server:
        row = check_block([question], engine(server, tmp_path), 0.5, "by-api", "r").row(0, named=True)
    assert row["check"] == "passed" and row["picked"] == 0 and sorted(row["letters"]) == list(LETTERS)
    assert row["probabilities"][0] == pytest.approx(8 / 9)


def test_an_asking_without_any_letter_is_an_unsure_failure_without_numbers() -> None:
    class Untold:
        logprobs = ()

    told = type("Told", (), {"logprobs": (-0.1, None, None, None, -3.0)})()
    row = check(QUESTION, [told] * 4 + [Untold()], 0.5, "v", "r")  # type: ignore[list-item]
    assert (row["check"], row["picked"], row["entropy"]) == ("unsure_failure", None, None)
    assert check(QUESTION, [told] * 5, 0.5, "v", "r")["probabilities"] is not None


def test_the_registry_loads_the_engine_that_is_named(tmp_path: Path) -> None:
    with Loopback(always("A")) as server:
        loaded = registry.engine(checkpoint(server, tmp_path), Evaluation())
    assert isinstance(loaded, HttpEngine) and not loaded.scores
    with pytest.raises(NotImplementedError):
        loaded.score_continuations([], [])
