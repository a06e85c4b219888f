"""Responses become verdicts: nothing is dropped, what cannot be read is wrong, and the row counts must fit."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from fake_evaluation import SKILL, finer_items, granularity_items, item, response, responses
from finer.errors import InputError
from finer.schemas import ITEMS, RESPONSES, VERDICTS
from finer.scoring.verdicts import score_responses, verdicts
from finer.store import read_table, table_from, write_table


def judge(items: list[dict[str, object]], answers: list[dict[str, object]]) -> pl.DataFrame:
    return verdicts(table_from(items, ITEMS), table_from(answers, RESPONSES))


def test_every_response_gets_one_verdict_per_scorer() -> None:
    items = pl.concat([finer_items(3), granularity_items(3)])
    answers = responses(items, SKILL)
    judged = verdicts(items, answers)
    assert judged.height == 2 * answers.height
    counts = judged.group_by("answering", "scorer").len().sort("answering", "scorer").rows()
    assert [row[:2] for row in counts] == [
        ("letter", "strict"), ("letter", "upstream"), ("yes_no", "first_substring"), ("yes_no", "strict"),
    ]  # fmt: skip


def test_scorers_may_disagree() -> None:
    judged = judge([item(answer_index=1)], [response("i0", "The answer is B")]).sort("scorer")
    assert judged.select("scorer", "prediction", "score", "unparsed").rows() == [
        ("strict", None, 0.0, True),
        ("upstream", 4, 0.0, False),
    ]


def test_unparsed_counts_as_wrong_and_is_kept() -> None:
    judged = judge([item()], [response("i0", "??")])
    assert judged["unparsed"].all() and (judged["score"] == 0).all() and judged.height == 2


def test_a_letter_beyond_the_options_is_unparsed() -> None:
    judged = judge([item(options=["1", "2"])], [response("i0", "C")])
    assert judged["prediction"].is_null().all() and judged["unparsed"].all()


def test_right_means_the_option_of_the_key() -> None:
    items = [item(item_id=f"i{k}", answer_index=k) for k in range(5)]
    answers = [response(f"i{k}", "ABCDE"[k]) for k in range(5)]
    assert (judge(items, answers)["score"] == 1).all()
    shifted = [response(f"i{k}", "ABCDE"[(k + 1) % 5]) for k in range(5)]
    assert (judge(items, shifted)["score"] == 0).all()


def test_yes_no_answers_are_positions_of_the_options() -> None:
    asked = item(answering="yes_no", options=["yes", "no"], answer_index=1)
    judged = judge([asked], [response("i0", "No, it does not", answering="yes_no")])
    assert (judged["score"] == 1).all() and (judged["prediction"] == 1).all()


def test_a_missing_response_is_an_error() -> None:
    items = [item(), item(item_id="i1")]
    with pytest.raises(InputError, match=r"1 item\(s\) without a response") as caught:
        judge(items, [response("i0", "A")])
    assert caught.value.row == "i1"


def test_a_missing_response_of_one_model_among_several_is_an_error() -> None:
    answers = [response("i0", "A"), response("i1", "A"), response("i0", "A", model="other")]
    with pytest.raises(InputError, match="without a response"):
        judge([item(), item(item_id="i1")], answers)


def test_no_responses_at_all_is_an_error() -> None:
    with pytest.raises(InputError, match="no responses"):
        judge([item()], [])


def test_a_response_to_an_unknown_item_is_an_error() -> None:
    with pytest.raises(InputError, match="not in the table of items"):
        judge([item()], [response("i0", "A"), response("i9", "A")])


def test_a_response_to_another_control_is_no_answer_to_the_item() -> None:
    with pytest.raises(InputError, match="not in the table of items"):
        judge([item()], [response("i0", "A", control="text_only")])


def test_two_responses_to_one_item_are_an_error(tmp_path: Path) -> None:
    write_table(table_from([item()], ITEMS), ITEMS, tmp_path / "items.parquet")
    for name in ("a", "b"):
        write_table(table_from([response("i0", "A")], RESPONSES), RESPONSES, tmp_path / f"{name}.parquet")
    with pytest.raises(InputError, match="same key"):
        parts = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
        score_responses([tmp_path / "items.parquet"], parts, tmp_path / "v.parquet")
    assert not (tmp_path / "v.parquet").exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"answer_index": 5}, "not one of the options"),
        ({"answer_index": -1}, "not one of the options"),
        ({"options": list("123456")}, "does not know these options"),
        ({"answering": "yes_no"}, "does not know these options"),
    ],
)
def test_an_item_that_cannot_be_judged_is_an_error(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        judge([item(**values)], [response("i0", "A")])


def test_files_in_parts_are_one_table(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_table(table_from([item(item_id=name)], ITEMS), ITEMS, tmp_path / f"items.{name}.parquet")
        write_table(table_from([response(name, "A")], RESPONSES), RESPONSES, tmp_path / f"responses.{name}.parquet")
    files = {kind: sorted(tmp_path.glob(f"{kind}.*.parquet")) for kind in ("items", "responses")}
    score_responses(files["items"], files["responses"], tmp_path / "verdicts.parquet")
    assert read_table(tmp_path / "verdicts.parquet", VERDICTS).height == 4
