"""One address, one file: resumed after a cut, tried again, checked, never half written."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from file_server import Loopback, serving
from finer.errors import InputError
from finer.retrieval.download import Checks, Patience, download

CONTENT = random.Random(1).randbytes(3_000_000)
QUICK = Patience(attempts=4, pause=0.01, longest_pause=0.02, silence=5.0)
RIGHT = Checks(len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest())


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serving() as running:
        running.files["/a.zip"] = CONTENT
        yield running


def fetched(server: Loopback, out: Path, checks: Checks = RIGHT, patience: Patience = QUICK) -> None:
    download(f"{server.address}/a.zip", out, checks, patience, "by hand")


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_alone(server: Loopback, tmp_path: Path) -> None:
    fetched(server, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT and left(tmp_path) == ["a.zip"]
    assert server.asked == [("/a.zip", "")]


def test_a_cut_is_gone_on_from_where_it_was(server: Loopback, tmp_path: Path) -> None:
    server.script["/a.zip"] = ["cut", 500, "cut"]
    fetched(server, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT and left(tmp_path) == ["a.zip"]
    half = len(CONTENT) // 2
    assert [asked for _, asked in server.asked] == ["", *[f"bytes={half}-"] * 2, f"bytes={half + half // 2}-"]


def test_a_killed_retrieval_goes_on_at_the_next_start(server: Loopback, tmp_path: Path) -> None:
    server.script["/a.zip"] = ["cut"]
    with pytest.raises(InputError, match="cannot retrieve"):
        fetched(server, tmp_path / "a.zip", patience=Patience(1, 0.01, 0.01, 5.0))
    assert left(tmp_path) == ["a.zip.part", "a.zip.part.tag"]
    fetched(server, tmp_path / "a.zip")
    assert server.asked[-1][1] == f"bytes={len(CONTENT) // 2}-"
    assert (tmp_path / "a.zip").read_bytes() == CONTENT and left(tmp_path) == ["a.zip"]


def test_a_file_that_was_changed_meanwhile_is_fetched_anew(server: Loopback, tmp_path: Path) -> None:
    server.script["/a.zip"] = ["cut", "changed"]
    fetched(server, tmp_path / "a.zip", Checks())
    assert (tmp_path / "a.zip").read_bytes() == CONTENT[::-1]


def test_without_tag_and_checksum_nothing_is_pieced_together(server: Loopback, tmp_path: Path) -> None:
    server.tags = False
    server.script["/a.zip"] = ["cut", "changed"]
    fetched(server, tmp_path / "a.zip", Checks())
    assert (tmp_path / "a.zip").read_bytes() == CONTENT[::-1] and [a for _, a in server.asked] == ["", ""]


@pytest.mark.parametrize("happening", ["ignore range", "other range"])
def test_servers_that_answer_ranges_wrongly_do_no_harm(server: Loopback, tmp_path: Path, happening: str) -> None:
    server.script["/a.zip"] = ["cut", happening]
    fetched(server, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_a_part_that_is_whole_already_is_taken(server: Loopback, tmp_path: Path) -> None:
    (tmp_path / "a.zip.part").write_bytes(CONTENT)
    fetched(server, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT and left(tmp_path) == ["a.zip"]


@pytest.mark.parametrize(
    "checks", [Checks(size=10), Checks(sha256="0" * 64), Checks(md5="0" * 32), Checks(size=len(CONTENT) + 1)]
)
def test_other_bytes_are_refused_and_nothing_is_left(server: Loopback, tmp_path: Path, checks: Checks) -> None:
    with pytest.raises(InputError, match="not the file that it should be") as refused:
        fetched(server, tmp_path / "a.zip", checks)
    assert left(tmp_path) == [] and refused.value.found and refused.value.expected and refused.value.cure


def test_a_missing_file_is_not_asked_for_twice(server: Loopback, tmp_path: Path) -> None:
    del server.files["/a.zip"]
    with pytest.raises(InputError, match="HTTP 404") as refused:
        fetched(server, tmp_path / "a.zip")
    assert len(server.asked) == 1 and left(tmp_path) == [] and refused.value.cure == "by hand"


def test_faults_that_stay_end_after_the_attempts(server: Loopback, tmp_path: Path) -> None:
    server.script["/a.zip"] = [503] * 9
    with pytest.raises(InputError, match="HTTP 503"):
        fetched(server, tmp_path / "a.zip")
    assert len(server.asked) == QUICK.attempts


def test_nobody_at_the_address_is_an_error_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot retrieve"):
        download("http://127.0.0.1:9/a", tmp_path / "a", Checks(), QUICK, "by hand")
    assert left(tmp_path) == []
