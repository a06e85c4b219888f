"""Roles: replies held to a form, repaired or counted with transcripts, from the cache as from the model."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from chatting import PRICE_IN, PRICE_OUT, PROMPT, Colours, asker, prompt, question, role_settings, say
from finer.chat.asking import Asker
from finer.chat.backends import http
from finer.chat.forms import read_reply, strict_schema
from finer.chat.roles import ACCESS, open_role
from finer.chat.service import OFFLINE
from finer.chat.wording import load_prompt
from finer.config import Config, parse
from finer.config.language import Backend, Chat
from finer.errors import InputError
from finer.schemas import CALLS
from finer.store import check_table, read_table, write_table
from loopback import Body, Error, Loopback, Misbehaviour, Said, Slow

HERE = Path(__file__).parent
WORDS = ("red", "blue", "green")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(http, "_FIRST_PAUSE", 0.01)
    yield


def asked_text(request: Body) -> str:
    """Return the text that the first question after the examples is about."""
    turns = [turn["content"] for turn in request["messages"] if turn["role"] == "user"]
    text: str = turns[1].split('"')[1]
    return text


def colours(request: Body) -> dict[str, Any]:
    """Reply as a good model would."""
    found = [word for word in WORDS if word in asked_text(request)]
    return {"colours": found, "count": len(found)}


def repaired(request: Body) -> bool:
    return len(request["messages"]) > 4  # system, an example of two turns, the question


def unless_repaired(reply: Any) -> Callable[[Body], Any]:
    """Reply badly, and well once it was told so."""
    return lambda request: colours(request) if repaired(request) else reply


def test_a_role_gives_checked_values_in_order(tmp_path: Path) -> None:
    with Loopback(colours) as server, asker(server.address, tmp_path) as role:
        is_asker: Asker = role
        found = is_asker.ask([question(text) for text in ("a red cup", "a blue and red box", "a cup")])
        assert [outcome.value for outcome in found] == [
            Colours(colours=["red"], count=1), Colours(colours=["red", "blue"], count=2), Colours(colours=[], count=0),
        ]  # fmt: skip
        assert [(one.key, one.reason, len(one.calls)) for one in found] == [
            ("row a red cup", "", 1), ("row a blue and red box", "", 1), ("row a cup", "", 1),
        ]  # fmt: skip
        turns = server.requests[0]["messages"]
        assert [turn["role"] for turn in turns] == ["system", "user", "assistant", "user"]
        assert turns[1]["content"] == 'Which colours are in "a red cup"?' and json.loads(turns[2]["content"])["count"]
        assert role.fill(text="a cup") == question("a cup").prompt
        assert role.run_values() == {
            "run_id": role.run_id, "model": "tiny", "model_revision": "r1", "prompt_hash": role.prompt_hash, "items": 3
        }  # fmt: skip


BAD: dict[str, tuple[Any, str, str]] = {
    "no JSON": ("The colour is red.", "invalid", "no JSON object"),
    "half a JSON": ('{"colours": ["red"], "cou', "invalid", "no JSON object"),
    "broken JSON": ('{"colours": ["red",], "count": 1}', "invalid", "trailing comma"),
    "missing field": ({"colours": ["red"]}, "invalid", "count: Field required"),
    "unknown field": ({"colours": ["red"], "count": 1, "note": "!"}, "invalid", "note: Extra inputs"),
    "wrong type": ({"colours": ["red"], "count": "1"}, "invalid", "count: Input should be a valid integer"),
    "a list": ("[1, 2]", "invalid", "no JSON object"),
    "nothing": ("", "invalid", "no JSON object"),
    "against the rules": ({"colours": ["red"], "count": 2}, "rejected", "not the number of colours"),
}


@pytest.mark.parametrize(("reply", "reason", "problem"), BAD.values(), ids=BAD.keys())
def test_a_bad_reply_is_sent_back_with_what_is_wrong(reply: Any, reason: str, problem: str, tmp_path: Path) -> None:
    with Loopback(unless_repaired(reply)) as server, asker(server.address, tmp_path) as role:
        (found,) = role.ask([question("a red cup")])
        assert found.value == Colours(colours=["red"], count=1) and len(found.calls) == 2
        text = reply if isinstance(reply, str) else json.dumps(reply)
        *_, said, told = server.requests[1]["messages"]
        assert said["content"] == (text or "(nothing)")
        assert problem in told["content"]
        first, second = role.calls().iter_rows(named=True)
        assert (first["attempt"], second["attempt"], second["problem"]) == (0, 1, None)
        assert problem in first["problem"] and first["reply"] == (
            reply if isinstance(reply, str) else json.dumps(reply)
        )


@pytest.mark.parametrize(("reply", "reason", "problem"), BAD.values(), ids=BAD.keys())
def test_a_reply_that_stays_bad_is_counted_with_its_transcript(
    reply: Any, reason: str, problem: str, tmp_path: Path
) -> None:
    with Loopback(lambda request: reply) as server, asker(server.address, tmp_path, {"repairs": 2}) as role:
        (found,) = role.ask([question("a red cup")])
        assert (found.value, found.reason, len(found.calls)) == (None, reason, 3) and problem in found.detail
        assert role.outcomes == {reason: 1} and len(server.requests) == 3
        calls = role.calls()
        assert calls["call_id"].to_list() == list(found.calls) and calls["attempt"].to_list() == [0, 1, 2]
        assert role.ask([question("a red cup")]) == [found] and len(server.requests) == 3  # paid, so kept


def test_without_repairs_nothing_is_sent_back(tmp_path: Path) -> None:
    with Loopback(lambda request: "?") as server, asker(server.address, tmp_path, {"repairs": 0}) as role:
        assert role.ask([question("a red cup")])[0].reason == "invalid" and len(server.requests) == 1


@pytest.mark.parametrize(
    ("act", "reason"),
    [(Said(refusal="No."), "refusal"), (Said('{"colours"', finish="content_filter"), "refusal"),
     (Error(400, "filtered", "content_filter"), "refusal"), (Said("x" * 9999), "overlong"),
     (Error(400, "the prompt is too long"), "overlong")],
)  # fmt: skip
def test_refusals_and_overlong_replies_are_counted_apart_and_not_repaired(
    act: Misbehaviour, reason: str, tmp_path: Path
) -> None:
    with Loopback(colours, lambda request, times: act) as server, asker(server.address, tmp_path) as role:
        (found,) = role.ask([question("a red cup")])
        assert (found.value, found.reason) == (None, reason) and len(server.requests) == len(found.calls) == 1
        assert role.calls()["problem"].is_not_null().all()


@pytest.mark.parametrize("way", ["json_object", "none"])
def test_a_model_that_cannot_be_held_to_a_form_is_told_it(way: str, tmp_path: Path) -> None:
    def fenced(request: Body) -> str:
        return f"<think>{{hm}}</think>\n```json\n{json.dumps(colours(request))}\n```"

    with Loopback(fenced) as server, asker(server.address, tmp_path, structured=way) as role:
        assert role.ask([question("a red cup")])[0].value == Colours(colours=["red"], count=1)
        system = server.requests[0]["messages"][0]["content"]
        schema = json.loads(system[system.index("{") :])
        assert schema == strict_schema(Colours)


def test_a_request_without_answer_stops_the_job_after_all_others(tmp_path: Path) -> None:
    def sick(request: Body, times: int) -> Misbehaviour:
        return Error(500) if "blue" in asked_text(request) else None

    questions = [question(text) for text in ("a red cup", "a blue cup", "a green cup")]
    with Loopback(unless_repaired("?"), sick) as server:
        with asker(server.address, tmp_path, attempts=2) as role, pytest.raises(InputError, match="1 of 3") as stopped:
            role.ask(questions)
        assert "server_error: 1" in str(stopped.value) and role.calls().height == 5  # repairs of the others were done
        with asker(server.address, tmp_path, {"unanswered": "count"}, attempts=2) as role:
            before = len(server.requests)
            found = role.ask(questions)
            assert [one.reason for one in found] == ["", "unanswered", ""] and len(server.requests) == before + 2
            assert role.calls().filter(pl.col("reply").is_null())["problem"].to_list() == ["server_error"]
        server.misbehave = lambda request, times: None
        with asker(server.address, tmp_path) as role:
            assert [one.reason for one in role.ask(questions)] == ["", "", ""]


def wayward(request: Body) -> Any:
    """Be right, wrong at first, or wrong for ever, by the text."""
    text = asked_text(request)
    number = int(text.split()[-1])
    if number % 5 == 1 and not repaired(request):
        return "not JSON"
    return {"colours": ["red"], "count": 2} if number % 5 == 2 else colours(request)


def test_calls_are_the_same_bytes_from_the_cache_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def uneven(request: Body, times: int) -> Misbehaviour:
        number = int(asked_text(request).split()[-1])
        return Error(429) if number % 7 == 3 and not times else Slow(0.01 * (number % 4))

    def table(address: str, place: str, name: str) -> bytes:
        with asker(address, tmp_path / place) as role:
            found = role.ask([question(f"a red cup {number}") for number in range(25)])
            assert {one.reason for one in found} == {"", "rejected"}
            write_table(role.calls(), CALLS, tmp_path / name)
        return (tmp_path / name).read_bytes()

    with Loopback(wayward, uneven) as server:
        asked = table(server.address, "first", "asked.parquet")
        again = table(server.address, "second", "again.parquet")  # other times, other attempts
    shutil.move(tmp_path / "first", tmp_path / "moved")
    monkeypatch.setenv(OFFLINE, "1")
    replayed = table("http://127.0.0.1:9/v1", "moved", "replayed.parquet")
    assert asked == again == replayed
    calls = read_table(tmp_path / "asked.parquet", CALLS)
    assert calls.height == 25 + 5 + 2 * 5
    paid = (calls["input_tokens"] * PRICE_IN + calls["output_tokens"] * PRICE_OUT) / 1e6
    assert (calls["cost"] - paid).abs().max() == pytest.approx(0)


def test_one_question_about_two_rows_is_paid_once_and_has_two_rows(tmp_path: Path) -> None:
    from dataclasses import replace

    with Loopback(colours) as server, asker(server.address, tmp_path) as role:
        one = question("a red cup")
        first, second = role.ask([one, replace(one, key="row b")])
        assert first.calls == second.calls and role.calls()["subject"].to_list() == ["row a red cup", "row b"]
        assert len(server.requests) == 1


def configured(folder: Path, **changes: Any) -> Config:
    """Return the project's configuration with a language model as extractor."""
    base = yaml.safe_load((HERE.parent / "config.yaml").read_text("utf-8"))
    place = {"kind": "http", "base_url": "http://127.0.0.1:9/v1", **changes.pop("backend", {})}
    chat = {
        "backends": {"here": place},
        "models": {"tiny": {"backend": "here", "model": "m"}},
        "roles": {"extractor": {"model": "tiny"}},
        **changes,
    }
    graphs = base.get("scene_graphs", {}) | {"extractor": "llm"}
    return parse(base | {"preset": "p", "results": str(folder), "chat": chat, "scene_graphs": graphs})


def test_a_role_opens_from_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(tmp_path, budget=5.0, backend={"concurrency": 3})
    with open_role(config.role("extractor"), prompt(tmp_path)) as role:
        assert (role.model, role.service.cache.folder) == ("tiny", tmp_path / "p" / "chat")
    bare = config.role("extractor", access=False)
    with pytest.raises(InputError, match=ACCESS):
        open_role(bare, prompt(tmp_path))
    monkeypatch.setenv(ACCESS, config.chat_access())
    with open_role(bare, prompt(tmp_path)) as again:
        assert again.settings == role.settings and again.settings.backend.concurrency == 3
    assert configured(tmp_path).role("judge") == ""
    assert not parse(config.model_dump() | {"chat": {"backends": {"gone": None}}, "scene_graphs": {}}).chat.backends
    with pytest.raises(InputError, match="no language model has this role"):
        open_role("")
    with pytest.raises(InputError, match="not the settings of a role"):
        open_role("{}")


def test_a_new_budget_or_address_changes_no_parameter_of_a_rule(tmp_path: Path) -> None:
    def parameter(**changes: Any) -> str:
        return configured(tmp_path, **changes).role("extractor", access=False)

    where = {"base_url": "http://127.0.0.1:8/v1", "key": "A_KEY", "concurrency": 2, "timeout": 9.0, "attempts": 2}
    assert parameter() == parameter(budget=9.0, cache="elsewhere", backend=where)
    assert parameter() != parameter(backend={"structured": "none"})
    assert parameter() != parameter(models={"tiny": {"backend": "here", "model": "other"}})


# ---------------------------------------------------------------- forms and words


class Inner(BaseModel):
    """A docstring, which is no part of what is paid for."""

    title: str  # a name that JSON schemas also use
    default: Literal["a", "b"] = "a"
    properties: list[int] = Field(min_length=1, description="one or more")


class Outer(BaseModel):
    parts: list[Inner]
    first: Inner | None = None


def test_schemas_are_strict_and_those_of_their_forms() -> None:
    schema = strict_schema(Outer)
    Draft202012Validator.check_schema(schema)
    inner = schema["$defs"]["Inner"]
    assert inner["required"] == ["title", "default", "properties"] == list(inner["properties"])
    assert inner["additionalProperties"] is False is schema["additionalProperties"]
    assert '"default": "a"' not in json.dumps(schema) and "docstring" not in json.dumps(schema)
    assert (
        inner["properties"]["properties"]["description"] == "one or more"
        and inner["properties"]["properties"]["minItems"] == 1
    )
    good = {"parts": [{"title": "t", "default": "b", "properties": [1]}], "first": None}
    Draft202012Validator(schema).validate(good)
    assert read_reply(json.dumps(good), Outer) == (Outer.model_validate(good), [])


def test_a_mapping_with_free_keys_has_no_strict_schema() -> None:
    class Free(BaseModel):
        counts: dict[str, int]

    with pytest.raises(TypeError, match=r"Free\.counts"):
        strict_schema(Free)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["colours", "count", "x"]), inner),
    max_leaves=6,
)


@given(st.one_of(_JSON.map(json.dumps), st.text()))
def test_whatever_a_model_says_there_is_a_value_or_a_problem(text: str) -> None:
    value, problems = read_reply(text, Colours)
    assert (value is None) == bool(problems)
    if value is not None:
        inner = json.loads(text)
        assert Draft202012Validator(strict_schema(Colours)).is_valid(inner)


def test_a_prompt_names_its_fields_and_its_hash_all_of_it(tmp_path: Path) -> None:
    base = prompt(tmp_path)
    changed = [
        PROMPT.replace("version: 1", "version: 2"), PROMPT.replace("You list", "You name"),
        PROMPT.replace("Which", "What"), PROMPT.replace("a red cup", "a red mug"), PROMPT.replace("[red]", "[rot]"),
    ]  # fmt: skip
    hashes = {base.hash, *(prompt(tmp_path, text).hash for text in changed)}
    assert len(hashes) == 6 and prompt(tmp_path / "other").hash == base.hash
    assert base.fill(text="costs $5, {x}") == 'Which colours are in "costs $5, {x}"?'
    with pytest.raises(ValueError, match="template has"):
        base.fill(texts="a")


@pytest.mark.parametrize(
    "text",
    ["version: 1", PROMPT.replace("text: a", "texts: a"), PROMPT + "\nmore: 1", "[", PROMPT.replace("1\n", "0\n")],
)
def test_a_file_that_is_no_prompt_is_refused_by_name(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"colours\.yaml: not a prompt"):
        prompt(tmp_path, text)


def test_every_prompt_of_the_package_can_be_read() -> None:
    from importlib import resources

    folder = resources.files("finer.chat").joinpath("prompts")
    names = [one.name.removesuffix(".yaml") for one in folder.iterdir() if not one.name.startswith("_")]
    assert all(load_prompt(name).hash for name in names)


# ---------------------------------------------------------------- the server as a process


def test_the_server_runs_as_a_process_with_any_reply_function(tmp_path: Path) -> None:
    (tmp_path / "own_replies.py").write_text("def reply(request):\n    return 'I am ' + request['model']\n")
    server = subprocess.Popen(
        [sys.executable, str(HERE / "loopback.py"), "--port", "0", "--replies", "own_replies:reply"],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        from chatting import service

        with service(address, tmp_path / "cache", model_model="somebody") as model:
            assert [getattr(reply, "text", "") for reply in model.send([say("who?")])] == ["I am somebody"]
    finally:
        server.terminate()
        server.wait()


def test_settings_that_contradict_are_refused() -> None:
    with pytest.raises(ValueError, match="never run"):
        Backend(kind="vllm", options={"trust_remote_code": True})
    with pytest.raises(ValueError, match="greedily"):
        Chat.model_validate(
            {
                "backends": {"in": {"kind": "transformers"}},
                "models": {"m": {"backend": "in", "model": "x"}},
                "roles": {"judge": {"model": "m", "temperature": 0.5}},
            }
        )
    assert Backend(kind="transformers").held == "none"


def test_the_examples_of_the_docs_are_configuration() -> None:
    text = (HERE.parent / "docs" / "language-models.md").read_text("utf-8")
    blocks = [yaml.safe_load(block)["chat"] for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    assert [len(Chat.model_validate(block).models) for block in blocks] == [1, 2]


def test_the_calls_table_is_checked(tmp_path: Path) -> None:
    with Loopback(colours) as server, asker(server.address, tmp_path) as role:
        assert check_table(role.calls(), CALLS).height == 0
        assert role_settings(server.address, tmp_path).settings.max_tokens == 2048
