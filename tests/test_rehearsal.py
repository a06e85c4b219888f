"""A small rehearsal of the preset paper-mini; `make rehearsal` is the larger one, which is also repeated offline."""

from __future__ import annotations

from pathlib import Path

from loopback import Loopback
from rehearsal_checks import check_calls, check_requests, check_tables
from rehearsal_replies import reply
from rehearsal_run import prepare


def test_six_real_captions_become_all_tables(tmp_path: Path) -> None:
    with Loopback(reply) as server:
        rehearsal = prepare(tmp_path, server.address, images=6, captions=8)
        rehearsal.snakemake("--cores", "2")
        check_tables(rehearsal)
        check_calls(rehearsal)
        check_requests(server.requests)
