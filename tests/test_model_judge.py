"""A language model as judge: verdicts in a form, repairs, what cannot be read, HallusionBench's three verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from finer.config import parse
from finer.errors import InputError
from finer.scoring.judge_replies import REPLY_PARSERS
from finer.scoring.judge_requests import requests_of
from finer.scoring.model_judge import ModelJudge
from finer.scoring.rules_judge import Rules
from finer.scoring.suites import suite_verdicts
from finer.suites.hallusionbench import SUITE as BY_RULE
from finer.suites.hallusionbench_judged import SUITE as JUDGED
from finer.suites.mmhal import SUITE as MMHAL
from finer.suites.suite import Suite
from judging import judged, judged_numbers
from language_roles import field, first_question, opened
from loopback import Body, Error, Loopback, Said, prompt_of
from suite_runs import items_of, replied
from test_suite_hallusionbench import SMALL
from test_suite_hallusionbench import write as write_hallusionbench
from test_suite_mmhal import write

ROOT = Path(__file__).parent.parent


@pytest.fixture
def items(tmp_path: Path) -> pl.DataFrame:
    return items_of(MMHAL, write(tmp_path, *({"gt_answer": f"There are {n} cars."} for n in range(4))))[0]


def said_of(request: Body) -> str:
    """Return the answer that a request is about."""
    question = first_question(request)
    return field(question, "Answer to rate" if '"rating"' in question else "Answer to judge")


def asked(
    folder: Path, server: Loopback, suite: Suite, items: pl.DataFrame, answers: pl.DataFrame, **how: Any
) -> pl.DataFrame:
    """Return JUDGEMENTS of a model behind the server."""
    output = how.pop("output", "judgements.parquet")
    known = how.pop("known", [])
    wording = how.pop("wording", "structured")
    with opened("judge", server, folder, **how) as role:
        judge = ModelJudge(role, "tiny-1 r1")
        return judged(folder, suite, items, answers, judge, wording=wording, output=output, known=known)


def by_answer(table: pl.DataFrame, answers: pl.DataFrame, column: str) -> dict[str, Any]:
    joined = answers.join(table.select("item_id", column), on="item_id")
    return dict(joined.select("text", column).iter_rows())


def test_verdicts_are_read_and_kept_with_what_was_asked(tmp_path: Path, items: pl.DataFrame) -> None:
    answers = replied(items, lambda row: f"answer {row['group_id']}")
    with Loopback(lambda request: {"reason": "so", "rating": len(said_of(request)) % 7}) as server:
        table = asked(tmp_path, server, MMHAL, items, answers)
        with opened("judge", server, tmp_path) as role:
            known, prompt_hash = role.run_id, role.prompt_hash
    assert set(table["judge"]) == {"tiny"} and set(table["run_id"]) == {known}
    assert set(table["judge_revision"]) == {f"tiny-1 r1 {prompt_hash}"}
    assert table["verdict"].to_list() == [float(len("answer 0a0") % 7)] * 4 and not table["unparsed"].any()
    sent = {prompt_of(request) for request in server.requests}
    assert sent == {request.strip() for request in table["request"]}
    assert all(request["messages"][0]["role"] == "system" for request in server.requests)


def test_prose_is_sent_back_and_then_unparsed_counted_and_wrong(tmp_path: Path, items: pl.DataFrame) -> None:
    answers = replied(items, lambda row: row["group_id"])
    ids = sorted(answers["text"])

    def reply(request: Body) -> Any:
        own, repaired = ids.index(said_of(request)), len(request["messages"]) > 2
        if own == 0 and not repaired:
            return "Rating: 5"
        return {0: {"reason": "mended", "rating": 5}, 1: "Rating: 5", 2: Said(refusal="no"), 3: {
            "reason": "so", "rating": 4}}[own]  # fmt: skip

    with Loopback(reply) as server:
        table = asked(tmp_path, server, MMHAL, items, answers)
    verdicts, replies = by_answer(table, answers, "verdict"), by_answer(table, answers, "reply")
    assert [verdicts[one] for one in ids] == [5.0, None, None, 4.0]
    assert replies[ids[1]].startswith("(invalid: ") and replies[ids[2]].startswith("(refusal: ")
    assert len(server.requests) == 1 + 1 + 3 + 1 + 1  # mended at once, never mended, refused, fine
    found = judged_numbers(MMHAL, items, answers, table)
    assert found["all", "mean_score"] == pytest.approx(9 / 4)  # the official rule: unread is 0, and a hallucination
    assert found["all", "hallucination_rate"] == pytest.approx(50)
    assert found["all", "mean_score_read"] == pytest.approx(9 / 2)
    assert suite_verdicts(MMHAL, items, answers, table)["unparsed"].sum() == 2


def test_what_nobody_answered_is_asked_again(tmp_path: Path, items: pl.DataFrame) -> None:
    answers = replied(items, lambda row: row["group_id"])
    lost = answers["text"].min()
    down = [True]

    def broken(request: Body, times: int) -> Error | None:
        return Error(500) if down[0] and said_of(request) == lost else None

    with Loopback(lambda request: {"reason": "so", "rating": 5}, broken) as server:
        first = asked(tmp_path, server, MMHAL, items, answers, unanswered="count")
        assert by_answer(first, answers, "reply")[lost] == "" and first["unparsed"].sum() == 1
        down[0] = False
        before = len(server.requests)
        again = asked(tmp_path, server, MMHAL, items, answers, unanswered="count", output="again.parquet",
                      known=[tmp_path / "judgements.parquet"])  # fmt: skip
        assert not again["unparsed"].any() and len(server.requests) == before + 1


def test_a_judgement_is_repeated_without_the_model(
    tmp_path: Path, items: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = replied(items, lambda row: row["group_id"])
    with Loopback(lambda request: {"reason": "so", "rating": 3}) as server:
        table = asked(tmp_path, server, MMHAL, items, answers)
    monkeypatch.setenv("FINER_CHAT_OFFLINE", "1")
    with Loopback(lambda request: {"reason": "so", "rating": 6}) as other:
        assert asked(tmp_path, other, MMHAL, items, answers, output="again.parquet").equals(table)
        assert not other.requests


def test_a_wording_without_a_form_is_refused(tmp_path: Path, items: pl.DataFrame) -> None:
    answers = replied(items, lambda row: "x")
    with Loopback(lambda request: "Rating: 5") as server, pytest.raises(InputError, match="in a form"):
        asked(tmp_path, server, MMHAL, items, answers, wording="line")


# ---------------------------------------------------------------- HallusionBench
@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ('{"reason": "r", "verdict": "correct"}', 1.0),
        ('{"reason": "r", "verdict": "incorrect"}', 0.0),
        ('{"reason": "r", "verdict": "unclear"}', 0.5),
        ('{"reason": "r", "verdict": "Correct"}', None),
        ('{"verdict": "correct"}', None),
        ("correct", None),
    ],
)
def test_three_verdicts_are_read(reply: str, value: float | None) -> None:
    assert REPLY_PARSERS["correctness_json"](reply).value == value


def test_a_judge_decides_hallusionbench_as_upstream_counts(tmp_path: Path) -> None:
    items = items_of(JUDGED, write_hallusionbench(tmp_path, SMALL))[0]
    said = ("I cannot tell.", "It does show that.", "It does.", "It does not.")
    verdict = dict(zip(said, ("unclear", "correct", "correct", "incorrect"), strict=True))
    question = dict(zip((row["question"] for row in SMALL), said, strict=True))
    answers = replied(items, lambda row: question[row["prompt"]])
    with Loopback(lambda request: {"reason": "so", "verdict": verdict[said_of(request)]}) as server:
        table = asked(tmp_path, server, JUDGED, items, answers)
    found = numbers_of(JUDGED, items, answers, table)
    assert found["judge", "all", "accuracy"] == pytest.approx(75)
    assert found["judge", "all", "pair_accuracy"] == pytest.approx(200 / 3)
    assert found["judge", "all", "figure_accuracy"] == pytest.approx(50)
    assert found["judge", "image", "accuracy"] == pytest.approx(200 / 3)
    # By rule the first word decides: none of these says yes or no.
    assert found["official", "all", "accuracy"] == pytest.approx(25)


def test_a_verdict_that_cannot_be_read_is_not_unclear(tmp_path: Path) -> None:
    items = items_of(JUDGED, write_hallusionbench(tmp_path, SMALL))[0]
    answers = replied(items, lambda row: "I cannot tell.")
    with Loopback(lambda request: "Well.") as server:
        table = asked(tmp_path, server, JUDGED, items, answers)
    assert table["unparsed"].all()
    assert numbers_of(JUDGED, items, answers, table)["judge", "all", "accuracy"] == 0


def test_the_judge_of_hallusionbench_sees_question_truth_and_answer(tmp_path: Path) -> None:
    items = items_of(JUDGED, write_hallusionbench(tmp_path, SMALL))[0]
    for _, request in requests_of("hallusionbench", "structured", items, replied(items, lambda row: "Yes.")):
        assert f"Question: {request.question}\nTruth: It is.\nAnswer to judge: Yes.\n" in request.text
    with pytest.raises(InputError, match="no rules to judge"):
        judged(tmp_path, JUDGED, items, replied(items, lambda row: "Yes."), Rules())


def test_by_rule_hallusionbench_needs_no_judge() -> None:
    assert not BY_RULE.judged and JUDGED.judged and JUDGED.name == BY_RULE.name


def numbers_of(
    suite: Suite, items: pl.DataFrame, answers: pl.DataFrame, judgements: pl.DataFrame
) -> dict[tuple[str, str, str], float | None]:
    from finer.stats.suites import suite_estimates

    verdicts = suite_verdicts(suite, items, answers, judgements)
    found = suite_estimates(suite, items, verdicts, seed=1, resamples=100, confidence=0.95)
    return {(row["scorer"], row["split"], row["statistic"]): row["value"] for row in found.iter_rows(named=True)}


# ---------------------------------------------------------------- configuration
CHAT = {
    "backends": {"here": {"kind": "http", "base_url": "http://127.0.0.1:1/v1"}},
    "models": {name: {"backend": "here", "model": name} for name in ("one", "two")},
}


def configured(evaluation: dict[str, Any], preferences: dict[str, Any] | None = None, **roles: str) -> Any:
    values = yaml.safe_load((ROOT / "config.yaml").read_text())
    values["evaluation"] |= evaluation
    values["preferences"] |= preferences or {}
    values["chat"] = {**CHAT, "roles": {role: {"model": model} for role, model in roles.items()}}
    return parse(values)


def test_a_second_judge_is_asked_in_the_first_ones_words() -> None:
    both = configured({"judge": "llm", "second_judge": "llm"}, judge="one", second_judge="two")
    first, second = (yaml.safe_load(both.role(role)) for role in ("judge", "second_judge"))
    assert first["role"] == second["role"] == "judge" and (first["name"], second["name"]) == ("one", "two")
    assert configured({"judge": "rules"}).role("second_judge") == ""


@pytest.mark.parametrize(
    ("evaluation", "preferences", "roles", "expected"),
    [
        ({"second_judge": "rules"}, {}, {}, "evaluation.judge once more"),
        ({"judge": "llm", "second_judge": "llm"}, {}, {"judge": "one", "second_judge": "one"}, "once more"),
        ({"second_judge": "llm"}, {}, {}, "chat.roles.second_judge"),
        ({"judge": "llm"}, {}, {}, "chat.roles.judge"),
        ({}, {"phraser": "llm"}, {"phraser": "one"}, "preferences.editor: rules"),
        ({}, {"phraser": "llm", "editor": "llm"}, {"phraser": "one"}, "chat.roles.editor"),
    ],
)
def test_contradicting_roles_are_refused(
    evaluation: dict[str, Any], preferences: dict[str, Any], roles: dict[str, str], expected: str
) -> None:
    with pytest.raises(InputError) as caught:
        configured(evaluation, preferences, **roles)
    assert expected in str(caught.value)
