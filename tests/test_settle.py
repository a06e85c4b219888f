"""Rounds of negatives settle on the last one; what stays unresolved is kept with its check, or dropped and recorded."""

from __future__ import annotations

import polars as pl
import pytest

from finer.config import Negatives
from finer.negatives.settle import failed, settle, skipped
from finer.schemas import NEGATIVE_CHECKS, NEGATIVES
from finer.store import table_from


def negatives(*rounds: tuple[str, int]) -> pl.DataFrame:
    return table_from(
        [
            {
                "negative_id": f"{element}.{number}.{rank}", "element_id": element, "image_id": "i", "round": number,
                "rank": rank, "negative_kind": "object", "text": f"n{number}{rank}", "target_text": None,
                "plural": False, "proposer": "lexicon",
            }
            for element, number in rounds
            for rank in range(4)
        ],
        NEGATIVES,
    )  # fmt: skip


def checks(*rows: tuple[str, int, str]) -> pl.DataFrame:
    return table_from(
        [
            {
                "element_id": element, "image_id": "i", "round": number, "verifier": "v", "check": check, "picked": 0,
                "probabilities": [0.2] * 5, "entropy": 1.0, "letters": list("ABCDE"), "run_id": "r",
            }
            for element, number, check in rows
        ],
        NEGATIVE_CHECKS,
    )  # fmt: skip


ROUNDS = negatives(("a", 0), ("b", 0), ("b", 1), ("c", 0))
CHECKED = checks(("a", 0, "passed"), ("b", 0, "sure_failure"), ("b", 1, "passed"), ("c", 0, "unsure_failure"))


def test_only_sure_failures_get_new_negatives() -> None:
    assert failed(CHECKED).to_list() == ["b"]


def test_the_last_round_of_each_element_stands() -> None:
    final, settled, drops = settle(ROUNDS, CHECKED, Negatives(verifier="v"), "x")
    assert final.group_by("element_id").agg(pl.col("round").unique()).sort("element_id").rows() == [
        ("a", [0]), ("b", [1]), ("c", [0]),
    ]  # fmt: skip
    assert dict(settled.select("element_id", "check").iter_rows()) == {
        "a": "passed", "b": "passed", "c": "unsure_failure",
    }  # fmt: skip
    assert drops.is_empty()


def test_unresolved_elements_are_dropped_and_recorded_if_so_configured() -> None:
    final, settled, drops = settle(ROUNDS, CHECKED, Negatives(verifier="v", unresolved="drop"), "x")
    assert set(final["element_id"]) == set(settled["element_id"]) == {"a", "b"}
    assert drops.select("item", "reason").rows() == [("c", "unsure_failure")]


@pytest.mark.parametrize("rounds", [(("a", 0),), (("a", 0), ("b", 0))])
def test_without_verification_every_element_is_recorded_as_skipped(rounds: tuple[tuple[str, int], ...]) -> None:
    settings = Negatives(verification="none", verifier=None)
    final, settled, drops = settle(negatives(*rounds), NEGATIVE_CHECKS.empty(), settings, "x")
    assert settled["check"].to_list() == ["skipped"] * len(rounds)
    assert final.height == 4 * len(rounds)
    assert drops.is_empty()
    assert skipped(final).equals(settled)
