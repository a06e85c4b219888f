"""Debian packages: the lock is resolved from a signed index, drift is named, nothing unchecked comes in."""

from __future__ import annotations

import hashlib
import lzma
from pathlib import Path

import pytest

from finer.containers import build, debian
from finer.containers.build import Contents, check_contents
from finer.containers.debian import Package
from finer.containers.python import locked_versions
from finer.containers.recipe import TOOLS_LOCK, recipe
from finer.errors import InputError

CONTAINERS = Path(__file__).parents[2] / "containers"
DEB = b"contents of a package"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A Debian archive of one package, laid out as the real ones, but unsigned: debootstrap checks signatures."""
    root = tmp_path / "archive"
    paragraph = (
        "Package: hello\nVersion: 2.10-3\nArchitecture: amd64\nFilename: pool/h/hello.deb\n"
        f"SHA256: {hashlib.sha256(DEB).hexdigest()}\nDescription: greets\n Version: of a description's second line\n"
    )
    index = lzma.compress(f"{paragraph}\n".encode())
    for path, content in (
        (f"dists/{debian.RELEASE}/{debian.INDEX}", index),
        ("pool/h/hello.deb", DEB),
        (
            f"dists/{debian.RELEASE}/InRelease",
            f"SHA256:\n {hashlib.sha256(index).hexdigest()} {len(index)} {debian.INDEX}\n".encode(),
        ),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def test_an_index_is_read_and_its_packages_are_fetched(archive: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    index = debian.fetch_index(archive.as_uri(), mirror)
    assert index == {"hello": Package("hello", "2.10-3", hashlib.sha256(DEB).hexdigest(), "pool/h/hello.deb")}
    lock = tmp_path / "debian.lock"
    debian.write_lock(lock, index.values())
    assert debian.read_lock(lock) == list(index.values())
    debian.check_offer(debian.read_lock(lock), index, lock)
    debian.fetch_packages(archive.as_uri(), index.values(), mirror)
    assert (mirror / "pool/h/hello.deb").read_bytes() == DEB


def test_an_index_that_its_release_does_not_name_is_refused(archive: Path, tmp_path: Path) -> None:
    (archive / f"dists/{debian.RELEASE}/{debian.INDEX}").write_bytes(lzma.compress(b"Package: evil\n\n"))
    with pytest.raises(InputError, match="not the file that was locked"):
        debian.fetch_index(archive.as_uri(), tmp_path / "mirror")


def test_a_package_with_other_bytes_is_refused(archive: Path, tmp_path: Path) -> None:
    index = debian.fetch_index(archive.as_uri(), tmp_path / "mirror")
    (archive / "pool/h/hello.deb").write_bytes(b"something else")
    with pytest.raises(InputError, match=r"hello\.deb"):
        debian.fetch_packages(archive.as_uri(), index.values(), tmp_path / "mirror")


def test_an_archive_that_is_not_there_is_an_error_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--mirror"):
        debian.fetch_index((tmp_path / "none").as_uri(), tmp_path / "mirror")


@pytest.mark.parametrize(
    ("offered", "named"),
    [
        (Package("hello", "2.10-4", "0" * 64, "p"), r"hello 2\.10-3 \(archive: 2\.10-4\)"),
        (Package("hello", "2.10-3", "1" * 64, "p"), "hello"),
        (None, r"hello 2\.10-3 \(archive: none\)"),
    ],
)
def test_drift_of_the_archive_names_the_packages(offered: Package | None, named: str) -> None:
    locked = [Package("hello", "2.10-3", "0" * 64, "p"), Package("bash", "5.2", "0" * 64, "p")]
    index = {"bash": locked[1]} | ({"hello": offered} if offered else {})
    with pytest.raises(InputError, match=named) as caught:
        debian.check_offer(locked, index, Path("debian.lock"))
    assert "bash" not in str(caught.value) and "snapshot" in str(caught.value)


def test_a_line_that_is_no_lock_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "debian.lock"
    lock.write_text("# comment\nhello 2.10-3 abc pool/h/hello.deb\n")
    with pytest.raises(InputError, match="row 2"):
        debian.read_lock(lock)


def test_lists_are_compared_both_ways() -> None:
    assert debian.compare({"a": "1", "b": "1"}, {"b": "2", "c": "1"}) == ["a 1 -> none", "b 1 -> 2", "c none -> 1"]
    assert debian.compare({"a": "1"}, {"a": "1"}) == []


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("sources.list.d/x.sources", "Types: deb\nURIs: http://a.example/debian-security\nSuites: x\n\nURIs: http://a.example/debian\n"),
        ("sources.list", "deb [signed-by=/k] http://a.example/debian/ bookworm main\n"),
    ],
)  # fmt: skip
def test_the_archive_of_this_machine_is_found(tmp_path: Path, file: str, content: str) -> None:
    (tmp_path / "etc/apt" / file).parent.mkdir(parents=True)
    (tmp_path / "etc/apt" / file).write_text(content)
    assert debian.machine_mirror(tmp_path) == "http://a.example/debian"


def test_a_machine_without_an_archive_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--mirror"):
        debian.machine_mirror(tmp_path)


def inside(**changes: str) -> Contents:
    one = recipe("cpu", CONTAINERS)
    python = locked_versions(one.requirements) | locked_versions(CONTAINERS / TOOLS_LOCK)
    return Contents(one.debian() | {k: v for k, v in changes.items() if k == "bash"},
                    python | {k: v for k, v in changes.items() if k != "bash"}, "")  # fmt: skip


def test_an_image_of_the_locked_packages_passes() -> None:
    check_contents(recipe("cpu", CONTAINERS), inside())


@pytest.mark.parametrize("name", ["bash", "numpy"])
def test_other_packages_in_the_image_are_an_error_that_names_them(name: str) -> None:
    with pytest.raises(InputError, match=rf"{name} \S+ -> 9\.9"):
        check_contents(recipe("cpu", CONTAINERS), inside(**{name: "9.9"}))


def test_wheels_that_cannot_be_had_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    lock = tmp_path / "requirements.lock"
    lock.write_text("numpy==2.4.6 --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(InputError, match="numpy"):
        build.fetch_wheels(lock, tmp_path / "wheels", None)
