"""The HTTP back end against a real server that misbehaves: nothing is lost, nothing paid twice, secrets stay secret."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chatting import files_text, say, service
from finer.chat.backends import http
from finer.chat.messages import Failure, Message, Reply, Request
from finer.errors import InputError
from loopback import Body, Cut, Drip, Error, Garbage, Loopback, Misbehaviour, Said, Slow, prompt_of

KEY = "sk-loopback-0123456789abcdef"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(http, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(http, "_LONGEST_PAUSE", 0.05)
    yield


def echo(request: Body) -> str:
    return f"you said: {prompt_of(request)}"


def first(act: Misbehaviour, times: int = 1) -> Callable[[Body, int], Misbehaviour]:
    """Misbehave the first times that a request comes."""
    return lambda request, before: act if before < times else None


def always(act: Misbehaviour, prompt: str = "") -> Callable[[Body, int], Misbehaviour]:
    """Misbehave whenever a request comes whose last turn is ``prompt`` (any, if it is empty)."""
    return lambda request, before: act if not prompt or prompt_of(request) == prompt else None


def only(found: list[Reply | Failure]) -> Reply:
    assert len(found) == 1 and isinstance(found[0], Reply)
    return found[0]


MENDED: dict[str, Misbehaviour] = {
    "429": Error(429),
    "429 with a wait": Error(429, headers={"Retry-After": "0.1"}),
    "500": Error(500),
    "503 that is no JSON": Error(503, "<html>"),
    "408": Error(408),
    "cut": Cut(),
    "half a JSON body": Garbage(),
    "no JSON": Garbage(b"<html>busy</html>"),
    "another JSON": Garbage(b'{"error": "overloaded"}'),
    "no choices": Garbage(b'{"choices": []}'),
    "empty body": Garbage(b""),
}


@pytest.mark.parametrize("act", MENDED.values(), ids=MENDED.keys())
def test_what_may_pass_is_asked_again_and_nothing_is_lost(act: Misbehaviour, tmp_path: Path) -> None:
    with Loopback(echo, first(act, 2)) as server, service(server.address, tmp_path, attempts=3) as model:
        replies = model.send([say(f"number {number}") for number in range(6)])
        assert [reply.text for reply in replies if isinstance(reply, Reply)] == [
            f"you said: number {number}" for number in range(6)
        ]
        assert len(server.requests) == 18 and set(server.answered.values()) == {1}
        assert (model.asked, model.retried) == (6, 12)
        kept = model.cache.lookup([model.key(say("number 0"))])
        assert [entry.attempts for entry in kept.values()] == [3]


def test_a_slow_reply_is_asked_again_after_the_time_out(tmp_path: Path) -> None:
    with Loopback(echo, first(Slow(1.5))) as server, service(server.address, tmp_path, timeout=0.4) as model:
        assert only(model.send([say("hello")])).text == "you said: hello"
        assert len(server.requests) == 2


def test_a_reply_that_drips_is_cut_off_by_the_whole_time(tmp_path: Path) -> None:
    """The client's own limit is for each read; the job's is for the request."""
    with Loopback(echo, always(Drip(0.1))) as server:
        begin = time.monotonic()
        with service(server.address, tmp_path, timeout=0.3, attempts=2) as model:
            found = model.send([say("hello")])
        assert isinstance(found[0], Failure) and found[0].reason == "timeout" and time.monotonic() - begin < 2


def test_the_wait_that_a_server_names_is_kept_by_all_requests(tmp_path: Path) -> None:
    def busy_once(request: Body, times: int) -> Misbehaviour:
        return Slow(0.1) if prompt_of(request) != "0" or times else Error(429, headers={"Retry-After": "0.7"})

    with Loopback(echo, busy_once) as server:
        with service(server.address, tmp_path, concurrency=2) as model:
            model.send([say(str(number)) for number in range(6)])
        after = [moment - server.times[0] for moment in server.times]
        assert len(after) == 7 and sum(moment < 0.69 for moment in after) <= 2  # the one that was under way


def test_a_wait_may_be_named_as_a_date_or_in_milliseconds() -> None:
    import httpx2
    import openai

    from finer.chat.backends.http_errors import retry_after

    def waits(**headers: str) -> float | None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = httpx2.Response(429, headers=named, request=httpx2.Request("POST", "http://x"))
        return retry_after(openai.RateLimitError("busy", response=response, body=None))

    assert waits(retry_after_ms="250") == 0.25 and waits(retry_after="3") == 3.0
    assert 28 < (waits(retry_after=formatdate(time.time() + 30, usegmt=True)) or 0) <= 30
    assert waits(retry_after="soon") is None and waits() is None


@pytest.mark.parametrize(
    ("status", "code", "cure"),
    [(400, "bad_parameter", "as the message says"), (403, None, "ask the server's owner"), (404, None, "base_url"),
     (429, "insufficient_quota", "credit")],
)  # fmt: skip
def test_what_will_not_pass_stops_at_once(status: int, code: str | None, cure: str, tmp_path: Path) -> None:
    act = Error(status, "no such luck", code)
    with Loopback(echo, always(act, "7")) as server, service(server.address, tmp_path) as model:
        with pytest.raises(InputError, match="no such luck") as stopped:
            model.send([say(str(number)) for number in range(40)])
        assert cure in str(stopped.value) and str(status) in str(stopped.value)
        assert len(server.requests) <= 8 + 4 and server.requests.count(server.requests[0]) == 1
        before = len(server.requests)
        model.send([say(str(number)) for number in range(7)])  # what ran was awaited and kept
        assert len(server.requests) == before


def test_a_wait_beyond_patience_stops(tmp_path: Path) -> None:
    busy = Error(429, "come back tomorrow", headers={"Retry-After": "86400"})
    with Loopback(echo, always(busy)) as server, service(server.address, tmp_path) as model:
        with pytest.raises(InputError, match="come back tomorrow"):
            model.send([say("hello")])
        assert len(server.requests) == 1


def test_the_key_is_sent_and_shown_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with Loopback(echo, first(Error(500, f"bad gateway for {KEY}")), key=KEY) as server:
        monkeypatch.setenv("LOOPBACK_KEY", KEY)
        with service(server.address, tmp_path / "good", key="LOOPBACK_KEY") as model:
            assert only(model.send([say("hello")])).text == "you said: hello"
        monkeypatch.setenv("LOOPBACK_KEY", wrong := KEY[::-1])
        with (
            service(server.address, tmp_path / "bad", key="LOOPBACK_KEY") as model,
            pytest.raises(InputError, match="Incorrect API key") as stopped,
        ):
            model.send([say("hello")])
    shown = f"{stopped.value}{caplog.text}{capfd.readouterr()}"
    assert "LOOPBACK_KEY" in str(stopped.value)
    for secret in (KEY, wrong):
        assert secret not in shown and secret.encode() not in files_text(tmp_path)


def test_a_key_that_is_not_there_is_asked_for_only_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOOPBACK_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "of-another-server")
    with Loopback(echo, key="none") as server:
        with service(server.address, tmp_path) as model:  # no key configured, and none taken from elsewhere
            model.send([say("hello")])
        with service(server.address, tmp_path, key="LOOPBACK_KEY") as model:
            assert only(model.send([say("hello")])).text == "you said: hello"
            with pytest.raises(InputError, match="export LOOPBACK_KEY"):
                model.send([say("something new")])


def test_a_server_that_is_not_there_stops_the_job(tmp_path: Path) -> None:
    with Loopback(echo) as server:
        gone = server.address
    with (
        service(gone.replace("//", "//user:password@"), tmp_path, attempts=2, concurrency=2) as model,
        pytest.raises(InputError, match="does not answer") as stopped,
    ):
        model.send([say(str(number)) for number in range(500)])
    assert "password" not in str(stopped.value)
    assert 8 <= model.asked <= 8 + 2 and "500" in str(stopped.value) and "2 attempts" in str(stopped.value)


def test_failures_are_told_and_asked_again_in_the_next_run(tmp_path: Path) -> None:
    sick = always(Error(500, "poison"), "2")
    with Loopback(echo, sick) as server, service(server.address, tmp_path, attempts=3) as model:
        found = model.send([say(str(number)) for number in range(5)])
        assert isinstance(found[2], Failure) and found[2].reason == "server_error" and found[2].attempts == 3
        assert "poison" in found[2].detail and sum(isinstance(reply, Reply) for reply in found) == 4
        server.misbehave = lambda request, times: None
        before = len(server.requests)
        assert all(isinstance(reply, Reply) for reply in model.send([say(str(number)) for number in range(5)]))
        assert len(server.requests) == before + 1


def test_no_more_requests_at_once_than_allowed(tmp_path: Path) -> None:
    with Loopback(echo, always(Slow(0.03))) as server, service(server.address, tmp_path, concurrency=3) as model:
        model.send([say(str(number)) for number in range(15)])
        assert server.most_at_once == 3


def test_replies_come_in_the_order_of_requests(tmp_path: Path) -> None:
    def later_first(request: Body, times: int) -> Misbehaviour:
        return Slow(0.02 * (5 - int(prompt_of(request)) % 5))

    with Loopback(echo, later_first) as server, service(server.address, tmp_path, concurrency=5) as model:
        asked = [say(str(number % 20)) for number in range(30)]
        found = model.send(asked)
        assert [reply.text for reply in found if isinstance(reply, Reply)] == [
            f"you said: {one.messages[0].text}" for one in asked
        ]
        assert len(server.requests) == 20  # equal ones are asked once


def image(path: Path, colour: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)
    return path


def test_images_are_sent_as_they_are_and_known_by_their_bytes(tmp_path: Path) -> None:
    def shown(path: Path) -> Request:
        return Request((Message("user", "what is this?", (path,)),), 20)

    red, blue = image(tmp_path / "a" / "red.png", "red"), image(tmp_path / "a" / "blue.jpg", "blue")

    def start_of_image(request: Body) -> str:
        start: str = request["messages"][0]["content"][0]["image_url"]["url"][:16]
        return start

    with Loopback(start_of_image) as server, service(server.address, tmp_path / "cache") as model:
        found = model.send([shown(red), shown(blue)])
        assert [getattr(reply, "text", "") for reply in found] == ["data:image/png;b", "data:image/jpeg;"]
        model.send([shown(image(tmp_path / "b" / "other name.png", "red"))])
        assert len(server.requests) == 2
        model.send([shown(image(red, "green"))])
        assert len(server.requests) == 3
        with pytest.raises(InputError, match="cannot be read"):
            model.send([shown(tmp_path / "gone.png")])
    kept = files_text(tmp_path / "cache")
    assert str(tmp_path).encode() not in kept and b"red.png" not in kept


def test_log_probabilities_of_first_tokens(tmp_path: Path) -> None:
    said = Said("A", logprobs={"A": -0.2, "B": -1.9, "C": -4.0})
    with Loopback(lambda request: said) as server, service(server.address, tmp_path) as model:
        asked = say("which?", 1, logprobs=2)
        assert only(model.send([asked])).logprobs == (("A", -0.2), ("B", -1.9))
        assert only(model.send([asked])).logprobs == (("A", -0.2), ("B", -1.9))  # as kept
        assert only(model.send([say("which?", 1)])).logprobs == () and len(server.requests) == 2


def test_fields_of_the_model_are_added_replaced_and_removed(tmp_path: Path) -> None:
    options = {"temperature": None, "max_tokens": None, "max_completion_tokens": 9, "reasoning_effort": "low"}
    with Loopback(echo) as server:
        with service(server.address, tmp_path, model_options=options) as model:
            model.send([say("hello")])
        with service(server.address, tmp_path) as model:
            model.send([say("hello")])
        sent, plain = server.requests
    assert sent.keys() == {"model", "messages", "max_completion_tokens", "reasoning_effort"}
    assert plain.keys() == {"model", "messages", "max_tokens", "temperature"} and plain["temperature"] == 0


FINISHES: dict[str, tuple[Misbehaviour, str]] = {
    "refusal": (Said(refusal="I must not."), "refusal"),
    "filter": (Said("", finish="content_filter"), "content_filter"),
    "filter before the model": (Error(400, "filtered", "content_filter"), "content_filter"),
    "cut at the limit": (Said("x" * 1000), "length"),
    "too long for the model": (Error(400, "This model's maximum context length is 9 tokens"), "too_long"),
    "too long for llama.cpp": (Error(400, "request exceeds the available context size"), "too_long"),
}


@pytest.mark.parametrize(("act", "finish"), FINISHES.values(), ids=FINISHES.keys())
def test_what_is_no_accident_is_a_reply_and_kept(act: Misbehaviour, finish: str, tmp_path: Path) -> None:
    with Loopback(echo, always(act)) as server, service(server.address, tmp_path) as model:
        assert only(model.send([say("hello")])).finish == finish
        assert only(model.send([say("hello")])).finish == finish and len(server.requests) == 1


def test_tokens_that_a_server_does_not_tell_are_counted_at_the_most(tmp_path: Path) -> None:
    with Loopback(lambda request: Said("yes", usage=False)) as server, service(server.address, tmp_path) as model:
        reply = only(model.send([say("hello", 30)]))
        assert reply.output_tokens == 30 and reply.input_tokens >= len("hello")


def test_half_a_character_of_a_reply_does_not_break_the_cache(tmp_path: Path) -> None:
    body = (
        b'{"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [{"index": 0, '
        b'"finish_reason": "stop", "message": {"role": "assistant", "content": "smile \\ud83d"}}]}'
    )
    with Loopback(echo, always(Garbage(body))) as server:
        for _ in range(2):
            with service(server.address, tmp_path) as model:
                assert only(model.send([say("hello")])).text == "smile ?"
        assert len(server.requests) == 1


def test_a_schema_goes_as_configured(tmp_path: Path) -> None:
    schema: dict[str, Any] = {
        "title": "Some form", "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"],
        "additionalProperties": False,
    }  # fmt: skip
    with Loopback(lambda request: '{"a": 1}') as server:
        for way in ("json_schema", "json_object", "none"):
            with service(server.address, tmp_path, structured=way) as model:
                model.send([say("hello", schema=schema)])
        forms = [request.get("response_format") for request in server.requests]
    assert forms[0] == {
        "type": "json_schema",
        "json_schema": {"name": "Some_form", "schema": schema, "strict": True},
    }
    assert forms[1:] == [{"type": "json_object"}, None]
