"""The cache of replies: paid once, whatever is killed, copied or run at the same time; and the budget that holds."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from chatting import PRICE_IN, PRICE_OUT, files_text, say, service
from finer.chat import cache as cache_module
from finer.chat.backends import http
from finer.chat.cache import Cache, Claim
from finer.chat.canonical import request_key, request_record
from finer.chat.journal import Entry, Journal
from finer.chat.ledger import costs, most_input_tokens, most_money
from finer.chat.messages import Message, Reply, Request
from finer.chat.service import OFFLINE
from finer.chat.shards import REPLIES, shard_files
from finer.cli import main
from finer.errors import InputError
from loopback import Body, Error, Loopback, Misbehaviour, Slow, prompt_of

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(http, "_FIRST_PAUSE", 0.01)
    yield


def echo(request: Body) -> str:
    return f"you said: {prompt_of(request)}"


def slowly(request: Body, times: int) -> Misbehaviour:
    return Slow(0.05)


def entry(key: str, cost: float = 1.0) -> Entry:
    return Entry(
        key=key, role="r", name="n", model="m", revision=None, request="{}", reply=f"reply to {key}", finish="stop",
        answered_by="m", tokens=["A"], logprobs=[-0.5], input_tokens=1, output_tokens=2, cost=cost, attempts=1,
        asked="2026-01-01T00:00:00+00:00", seconds=0.1,
    )  # fmt: skip


def job(address: str, cache: Path, count: int, budget: str = "none") -> subprocess.Popen[str]:
    """Start a process that sends requests "say 0" … in this order."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent / "src"), str(HERE)])}
    return subprocess.Popen(
        [sys.executable, str(HERE / "chatting.py"), address, str(cache), str(count), budget], env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def test_a_second_run_asks_nothing(tmp_path: Path) -> None:
    asked = [say(f"say {number}") for number in range(10)]
    with Loopback(echo) as server:
        with service(server.address, tmp_path) as model:
            found = model.send(asked)
        with service(server.address, tmp_path) as model:
            assert model.send(asked) == found and model.asked == 0
        assert len(server.requests) == 10


def test_what_a_reply_depends_on_and_nothing_else_is_in_its_key(tmp_path: Path) -> None:
    def key(request: Request | None = None, **changes: object) -> str:
        request = say("hello") if request is None else request
        with service("http://127.0.0.1:9/v1", tmp_path, **changes) as model:
            return model.key(request)

    schema = {"type": "object"}
    turns = (Message("system", "hello"), Message("user", "hello"))
    different = [
        key(), key(say("hello!")), key(say("hello", 51)), key(say("hello", temperature=0.5)),
        key(say("hello", logprobs=5)), key(say("hello", schema=schema)), key(Request(turns, 50)),
        key(say("hello", schema=schema), structured="none"), key(model_model="other"), key(model_revision="r2"),
        key(model_options={"seed": 1}),
    ]  # fmt: skip
    assert len(set(different)) == len(different)
    assert key(concurrency=1, timeout=1.0, attempts=1, key="A_KEY", structured="none", model_price_in=9.0) == key()


def test_the_key_is_the_same_in_every_version() -> None:
    """Caches are shipped with results; a change here makes all of them worthless."""
    record = request_record(Request((Message("system", "s"), Message("user", "é")), 7, 0.0, {"type": "object"}, 3))
    assert request_key(record, "m", "r", {"options": {}, "structured": "json_schema"}) == (
        "b102502135eef3359294e4344f1e2c40e36e257eaf69b5a886ac2bfb9d9502fb"
    )


def test_a_killed_job_loses_no_reply_that_came(tmp_path: Path) -> None:
    with Loopback(echo, slowly) as server:
        running = job(server.address, tmp_path, 60)
        while sum(server.answered.values()) < 20:
            time.sleep(0.005)
            assert running.poll() is None, running.communicate()
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
        time.sleep(0.2)  # the server may still write replies that nobody reads
        came, under_way = sum(server.answered.values()), 4
        server.requests.clear()
        rerun = job(server.address, tmp_path, 60)
        output, _ = rerun.communicate(timeout=60)
        assert json.loads(output) == [f"you said: say {number}" for number in range(60)]
        assert 20 <= came < 60 and 60 - came <= len(server.requests) <= 60 - came + under_way
        assert sum(server.answered.values()) <= 60 + under_way
    assert costs(tmp_path)["replies"].to_list() == [60, 60]


def test_two_jobs_at_once_pay_nothing_twice(tmp_path: Path) -> None:
    def when_both_are_here(request: Body, times: int) -> Misbehaviour:
        end = time.monotonic() + 30
        while server.most_at_once <= 4 and time.monotonic() < end:  # one job has four requests at once
            time.sleep(0.01)
        return Slow(0.02)

    with Loopback(echo, when_both_are_here) as server:
        jobs = [job(server.address, tmp_path, count) for count in (40, 50)]
        outputs = [json.loads(one.communicate(timeout=60)[0]) for one in jobs]
        assert outputs == [[f"you said: say {number}" for number in range(count)] for count in (40, 50)]
        assert set(server.answered.values()) == {1} and len(server.answered) == 50 == len(server.requests)
        assert server.most_at_once > 4  # they did run at the same time
    assert costs(tmp_path)["replies"].to_list() == [50, 50]


def test_a_request_that_another_job_gave_up_is_asked(tmp_path: Path) -> None:
    with Cache(tmp_path) as first, Cache(tmp_path) as second:
        assert first.claim("a", 1.0, None) is Claim.GRANTED and second.claim("a", 1.0, None) is Claim.BUSY
        first.release("a")
        assert second.claim("a", 1.0, None) is Claim.GRANTED and first.claim("a", 1.0, None) is Claim.BUSY
        second.keep(entry("a"))
        assert first.claim("a", 1.0, None) is Claim.KNOWN and first.lookup(["a", "b"]) == {"a": entry("a")}


def test_folding_leaves_the_claims_of_jobs_that_run(tmp_path: Path) -> None:
    with Cache(tmp_path) as first:
        assert first.claim("a", 3.0, 5.0) is Claim.GRANTED
        with Cache(tmp_path) as second:
            second.keep(entry("b", 1.0))
        with Cache(tmp_path) as third:
            assert third.claim("a", 1.0, None) is Claim.BUSY and third.claim("c", 2.0, 5.0) is Claim.FULL
        first.keep(entry("a", 0.5))
        assert first.claim("c", 2.0, 5.0) is Claim.GRANTED


def test_claims_that_an_interrupt_left_do_not_stand_in_the_way(tmp_path: Path) -> None:
    with Loopback(echo) as server, service(server.address, tmp_path) as model:
        assert model.cache.claim(model.key(say("hello")), 1.0, None) is Claim.GRANTED
        assert isinstance(model.send([say("hello")])[0], Reply)


def test_claims_of_a_dead_job_are_void(tmp_path: Path) -> None:
    code = f"""
import os, sys
from finer.chat.cache import Cache
cache = Cache({str(tmp_path)!r})
print(cache.claim("a", 5.0, 10.0).name, flush=True)
os.kill(os.getpid(), 9)
"""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "src")}
    dead = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert dead.stdout == "GRANTED\n" and dead.returncode == -signal.SIGKILL
    with Cache(tmp_path) as cache:
        assert cache.claim("b", 6.0, 10.0) is Claim.GRANTED  # the 5 are free again
        cache.keep(entry("b", 6.0))
        assert cache.claim("a", 4.0, 10.0) is Claim.GRANTED
        (tmp_path / "owners" / "dead").touch()
    assert not list((tmp_path / "owners").iterdir())


def test_a_line_that_a_kill_left_unfinished_is_passed_over(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.keep(entry("a"))
        with (tmp_path / "journal.jsonl").open("ab") as journal:
            journal.write(b'{"reply": {"key": "b", "rol')
        with Cache(tmp_path) as other:
            assert other.lookup(["a", "b"]) == {"a": entry("a")}
            other.keep(entry("c"))
        assert cache.lookup(["a", "b", "c"]).keys() == {"a", "c"}


def test_a_reply_is_on_disk_before_the_next_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), real(descriptor))[1])
    with Cache(tmp_path) as cache:
        before = len(synced)
        cache.claim("a", 1.0, None)
        assert len(synced) == before
        cache.keep(entry("a"))
        assert len(synced) == before + 1


def test_the_journal_is_folded_into_few_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "FOLD_AFTER", 10)
    with Cache(tmp_path) as reader:
        for start in range(0, 60, 15):
            with Cache(tmp_path) as cache:
                for number in range(start, start + 15):
                    cache.keep(entry(str(number)))
        assert len(shard_files(tmp_path)) == 1 and (tmp_path / "journal.jsonl").stat().st_size < 100
        assert reader.lookup(map(str, range(60))) == {str(number): entry(str(number)) for number in range(60)}
        assert reader.spent == 60.0
    assert pl.read_parquet(shard_files(tmp_path)[0]).schema == dict(REPLIES.columns)


def test_whole_shards_are_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finer.chat.shards.WHOLE", 10)
    for start in (0, 10, 13):
        with Cache(tmp_path) as cache:
            for number in range(start, start + (10 if start == 0 else 3)):
                cache.keep(entry(f"{number:02d}"))
    rows = sorted(pl.read_parquet(path).height for path in shard_files(tmp_path))
    assert rows == [6, 10]


@pytest.mark.parametrize("step", ["restart", "unlink"])
def test_a_kill_while_folding_loses_and_doubles_nothing(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        pass

    def killed(*_: object, **__: object) -> None:
        raise KilledError

    with Cache(tmp_path) as cache:
        cache.keep(entry("a"))
    cache = Cache(tmp_path)
    cache.keep(entry("b"))
    with monkeypatch.context() as patched:
        if step == "restart":
            patched.setattr(Journal, "restart", killed)
        else:
            patched.setattr(Path, "unlink", killed)
        with pytest.raises(KilledError):
            cache.close()
    assert len(shard_files(tmp_path)) == 2
    for spent in (2.0, 3.0):
        with Cache(tmp_path) as again:
            assert again.spent == spent and again.lookup("ab") == {"a": entry("a"), "b": entry("b")}
            again.keep(entry("c"))
    assert costs(tmp_path)["replies"].to_list() == [3, 3] and len(shard_files(tmp_path)) == 1


def test_a_copy_of_the_cache_answers_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [say(f"say {number}") for number in range(5)]
    with Loopback(echo) as server, service(server.address, tmp_path / "here") as model:
        found = model.send(asked)
        shutil.copytree(tmp_path / "here", tmp_path / "open")  # while the job still runs: its journal is whole
    shutil.move(tmp_path / "here", tmp_path / "there")
    monkeypatch.setenv(OFFLINE, "1")
    for place in ("there", "open"):
        with service("http://127.0.0.1:9/v1", tmp_path / place) as model:
            assert model.send(asked) == found
            with pytest.raises(InputError, match=OFFLINE) as missing:
                model.send([*asked, say("never asked"), say("nor this")])
        said = str(missing.value)
        assert "never asked" in said and model.key(say("never asked")) in said and "2 are missing" in said
    assert str(tmp_path).encode() not in files_text(tmp_path / "there")


# ---------------------------------------------------------------- money


def test_the_most_a_request_may_cost_is_no_less_than_it_costs(tmp_path: Path) -> None:
    texts = ["hello", "Ünïcödé " * 50, "", "🦉" * 100]
    with Loopback(echo) as server, service(server.address, tmp_path) as model:
        for text in texts:
            request = say(text, 30)
            reply = model.send([request])[0]
            assert isinstance(reply, Reply)
            assert most_input_tokens(request) >= len(text.encode())
            assert most_money(model.model, request) >= (30 * PRICE_OUT + len(text.encode()) * PRICE_IN) / 1e6


def test_the_budget_is_never_passed_and_a_rerun_goes_on(tmp_path: Path) -> None:
    asked = [say(f"say {number:02d}", 100) for number in range(40)]
    with Loopback(echo, slowly) as server:
        with service(server.address, tmp_path / "free") as model:
            model.send(asked)
            whole = model.cache.spent
        server.requests.clear()
        most = most_money(model.model, asked[0])
        budget = whole / 2 + most
        with service(server.address, tmp_path / "c", budget) as model, pytest.raises(InputError) as stopped:
            model.send(asked)
        paid = len(server.requests)
        assert budget - most < model.cache.spent <= budget  # no further one could have been asked
        said = str(stopped.value)
        assert "budget is spent" in said and f"{40 - paid} more requests" in said and f"{budget:.6g}" in said
        assert costs(tmp_path / "c")["replies"][-1] == paid < 40  # what ran is kept
        with service(server.address, tmp_path / "c", 2 * whole) as model:
            assert len(model.send(asked)) == 40 and len(server.requests) == 40


def test_the_budget_holds_when_every_request_costs_the_most(tmp_path: Path) -> None:
    """Four at once, and the whole of each reserve is spent: what is under way must count."""
    asked = [say(f"say {number:02d}", 1000) for number in range(12)]
    with Loopback(lambda request: "x" * 9999, slowly) as server:
        free = service(server.address, tmp_path, model_price_in=0.0)
        most = most_money(free.model, asked[0])
        free.close()
        with service(server.address, tmp_path, 5.5 * most, model_price_in=0.0) as model:
            with pytest.raises(InputError, match="the budget is spent"):
                model.send(asked)
            assert len(server.requests) == 5 and model.cache.spent == pytest.approx(5 * most)


def test_the_budget_holds_for_all_jobs_together(tmp_path: Path) -> None:
    with Loopback(echo, slowly) as server:
        with service(server.address, tmp_path / "free") as model:
            model.send([say(f"say {number}") for number in range(30)])
            budget, most = 0.6 * model.cache.spent, most_money(model.model, say("say 29"))
        jobs = [job(server.address, tmp_path / "c", 30, str(budget)) for _ in range(2)]
        errors = [one.communicate(timeout=60)[1] for one in jobs]
        assert all(one.returncode for one in jobs) and all("the budget is spent" in error for error in errors)
    with Cache(tmp_path / "c") as cache:
        assert budget - most < cache.spent <= budget


def test_what_is_reserved_is_given_back_when_a_request_fails(tmp_path: Path) -> None:
    with Loopback(echo, lambda request, times: Error(500)) as server:
        most = most_money(service(server.address, tmp_path / "x").model, say("hello"))
        with service(server.address, tmp_path, 1.5 * most, attempts=1, concurrency=3) as model:
            model.send([say("hello"), say("howdy")])
            server.misbehave = lambda request, times: None
            assert all(isinstance(reply, Reply) for reply in model.send([say("hello")]))


def test_costs_are_told_by_role_and_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Loopback(echo) as server, service(server.address, tmp_path) as model:
        replies = model.send([say("hello"), say("howdy")])
        assert main(["chat-costs", "--cache", str(tmp_path)]) == 0  # of a job that runs
        running = capsys.readouterr().out
    assert main(["chat-costs", "--cache", str(tmp_path)]) == 0
    assert (told := capsys.readouterr().out) == running
    read, written = (
        sum(getattr(reply, name) for reply in replies if isinstance(reply, Reply))
        for name in ("input_tokens", "output_tokens")
    )
    money = (read * PRICE_IN + written * PRICE_OUT) / 1e6
    assert told.splitlines()[1] == f"mllm\ttiny\tm\t2\t{read}\t{written}\t{money:.6f}"
    assert main(["chat-costs", "--cache", str(tmp_path / "nowhere")]) == 1
    assert "no cache of replies" in capsys.readouterr().err and not (tmp_path / "nowhere").exists()


def test_a_job_that_waits_for_the_cache_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cache_module, "_PATIENCE", 0.1)
    code = "import sys, time, filelock as f; a = f.FileLock(sys.argv[1]); a.acquire(); print(1, flush=1); time.sleep(1)"
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "lock")], stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdout.readline() == b"1\n"
    with Cache(tmp_path):
        assert f"waiting for another job that is writing in {tmp_path}" in capsys.readouterr().err
    other.communicate()
