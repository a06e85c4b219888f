"""The micro world's suites at any size: whatever is asked for, their readers get items of it, or an error says why."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from finer.errors import InputError
from finer.suites.suite import Sources, load_suite
from finer.world.pools import draw_pool
from finer.world.suites import pope
from finer.world.suites.writing import POOL, write_suite
from presets import ROOT
from suite_runs import items_of

HELPERS = ("asking", "twins", "writing")
SUITES = sorted({file.stem for file in Path(pope.__file__).parent.glob("[a-z]*.py")} - {*HELPERS})


def verb(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "finer", "world-suite", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True)


@pytest.mark.parametrize("count", [1, 2, 5, 12])
@pytest.mark.parametrize("name", SUITES)
def test_a_small_suite_is_written_and_read(tmp_path: Path, name: str, count: int) -> None:
    folder = tmp_path / name
    write_suite(name, 3, count, folder)
    items, drops = items_of(load_suite(name), Sources(folder, folder / "images", name))
    assert items.height >= 0.8 * count and not drops.height  # counts are about so many


@pytest.mark.parametrize("seed", range(1, 9))
def test_every_file_of_a_small_pope_asks_both_ways(seed: int) -> None:
    asked = pope.polls(seed, 1)
    assert Counter((one.split, one.label) for one in asked) == {
        (split, label): pope.ASKED for split in pope.SPLITS for label in ("yes", "no")
    }


def test_a_scene_of_few_kinds_is_passed_over() -> None:
    (first,) = draw_pool(4, POOL, 1)
    assert len(first.counts) < pope.ASKED, "another seed is needed here"
    assert pope.polls(4, 1)[0].scene.graph_hash != first.graph_hash


@pytest.mark.parametrize("count", [0, -4])
def test_no_items_are_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(InputError, match="1 or more") as caught:
        write_suite("dash_b", 1, count, tmp_path / "x")
    assert str(count) in str(caught.value) and not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", [*HELPERS, "no_such_suite", "../pope", ""])
def test_other_names_are_no_suites(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no data for this suite"):
        write_suite(name, 1, 5, tmp_path / "x")


def test_the_verb_takes_whole_numbers(tmp_path: Path) -> None:
    done = verb("--suite", "pope", "--seed", "1", "--count", "12", "--out", str(tmp_path / "pope"))
    assert done.returncode == 0, done.stderr
    for wrong in (["--seed", "1", "--count", "few"], ["--seed", "one", "--count", "5"]):
        done = verb("--suite", "pope", *wrong, "--out", str(tmp_path / "x"))
        assert done.returncode == 2 and "invalid int value" in done.stderr and "Traceback" not in done.stderr
