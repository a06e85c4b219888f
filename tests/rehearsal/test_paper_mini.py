"""The preset paper-mini rehearsed on twenty real captions and more to learn from, and repeated without a network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from loopback import Loopback
from rehearsal_checks import check_calls, check_repeated, check_requests, check_tables, check_verbs
from rehearsal_replies import reply
from rehearsal_run import Rehearsal, prepare

IMAGES, CAPTIONS = 20, 60


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rehearsal, Loopback]]:
    with Loopback(reply) as server:
        rehearsal = prepare(tmp_path_factory.mktemp("rehearsal"), server.address, IMAGES, CAPTIONS)
        rehearsal.snakemake("--cores", "2")
        yield rehearsal, server


def test_all_tables_and_figures_are_made(run: tuple[Rehearsal, Loopback]) -> None:
    check_tables(run[0])


def test_rows_lead_to_replies(run: tuple[Rehearsal, Loopback]) -> None:
    check_calls(run[0])


def test_nothing_is_asked_twice(run: tuple[Rehearsal, Loopback]) -> None:
    check_requests(run[1].requests)


def test_doctor_and_plan_know_the_rehearsal(run: tuple[Rehearsal, Loopback]) -> None:
    check_verbs(run[0])


def test_the_same_tables_come_without_a_network(run: tuple[Rehearsal, Loopback]) -> None:
    check_repeated(run[0], run[1].requests)
