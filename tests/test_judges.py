"""Judges: replies are kept and found again, unreadable ones counted, verdicts read strictly, rules follow the rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score

from finer.errors import InputError
from finer.keys import generator
from finer.schemas import JUDGEMENTS, RESPONSES
from finer.scoring.claims import Claim, claims, words
from finer.scoring.judge_replies import REPLY_PARSERS, rating_line
from finer.scoring.judge_requests import Request, prompt_of, requests_of
from finer.scoring.judges import BLOCK, Recorded, judge_suite
from finer.scoring.rules_judge import Rules, correct, false_claims, rating
from finer.scoring.suites import suite_verdicts
from finer.stats.agreement import agreement, judge_agreement, kappa, rank_correlation, weighted_kappa
from finer.store import read_table, write_table
from finer.suites.mmhal import SUITE
from finer.world import coarse
from finer.world.captions import short_caption
from finer.world.catalogue import COLORS, KINDS, PATTERNS, SIZES
from finer.world.claims import View
from finer.world.general import long_caption
from finer.world.phrases import TEXT, described, join, with_article
from finer.world.pools import draw_pool
from judging import ByFunction, judged
from suite_runs import items_of, replied
from test_suite_mmhal import write

rating_json, correct_json = REPLY_PARSERS["rating_json"], REPLY_PARSERS["correct_json"]


@pytest.fixture
def items(tmp_path: Path) -> pl.DataFrame:
    return items_of(SUITE, write(tmp_path, *({"gt_answer": f"There are {n} cars."} for n in range(5))))[0]


def rate(request: Request) -> str:
    return json.dumps({"reason": "so", "rating": len(request.reply) % 7})


# ---------------------------------------------------------------- replies on file
def test_judgements_are_replayed_without_the_judge(tmp_path: Path, items: pl.DataFrame) -> None:
    answers = replied(items, lambda row: row["group_id"])
    judge = ByFunction(rate)
    made = judged(tmp_path, SUITE, items, answers, judge)
    assert len(judge.asked) == 5 and made.height == 5 and made["reply"].n_unique() == 1
    again = judged(tmp_path, SUITE, items, answers, Recorded("hand", "1"), output="again.parquet",
                   known=[tmp_path / "judgements.parquet"])  # fmt: skip
    assert again.equals(made)
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "judgements.parquet").read_bytes()
    with pytest.raises(InputError, match="no recorded reply"):
        judged(tmp_path, SUITE, items, answers, Recorded("hand", "2"), output="other.parquet",
               known=[tmp_path / "judgements.parquet"])  # fmt: skip


def test_only_what_is_missing_is_asked_and_nothing_twice(tmp_path: Path, items: pl.DataFrame) -> None:
    base = replied(items, lambda row: "two cars")
    judge = ByFunction(rate)
    judged(tmp_path, SUITE, items, base, judge)
    tuned = replied(items, lambda row: "two cars" if row["group_id"] != "0a3" else "one car", variant="dpo")
    table = judged(tmp_path, SUITE, items, pl.concat([base, tuned]), judge)
    assert [request.reply for request in judge.asked] == ["two cars"] * 5 + ["one car"]
    assert table.height == 10 and table["request_hash"].n_unique() == 6


def test_a_killed_run_resumes_where_it_was(tmp_path: Path) -> None:
    count = BLOCK + 6
    items = items_of(SUITE, write(tmp_path, *({} for _ in range(count))))[0]
    answers = replied(items, lambda row: row["group_id"])

    class Dying(ByFunction):
        def ask(self, requests: Sequence[Request]) -> list[str]:
            if self.asked:
                raise KeyboardInterrupt
            return super().ask(requests)

    first, second = Dying(rate), ByFunction(rate)
    with pytest.raises(KeyboardInterrupt):
        judged(tmp_path, SUITE, items, answers, first)
    assert not (tmp_path / "judgements.parquet").exists()
    table = judged(tmp_path, SUITE, items, answers, second)
    assert (len(first.asked), len(second.asked)) == (BLOCK, 6) and table.height == count
    assert not list(tmp_path.glob("*.parts"))
    whole = judged(tmp_path, SUITE, items, answers, ByFunction(rate), output="whole.parquet")
    assert whole.equals(table)


def test_contradicting_records_and_missing_replies_are_refused(tmp_path: Path, items: pl.DataFrame) -> None:
    answers = replied(items, lambda row: "x")
    judged(tmp_path, SUITE, items, answers, ByFunction(rate), output="one.parquet")
    judged(tmp_path, SUITE, items, answers, ByFunction(lambda request: "else"), output="two.parquet")
    with pytest.raises(InputError, match="two different replies"):
        judged(tmp_path, SUITE, items, answers, Recorded("hand", "1"), output="three.parquet",
               known=[tmp_path / "one.parquet", tmp_path / "two.parquet"])  # fmt: skip

    class Short(ByFunction):
        def ask(self, requests: Sequence[Request]) -> list[str]:
            return super().ask(requests)[1:]

    with pytest.raises(InputError, match="leaves replies out"):
        judged(tmp_path, SUITE, items, answers, Short(rate), output="four.parquet")


def test_incomplete_responses_are_not_judged(tmp_path: Path, items: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="without a response"):
        judged(tmp_path, SUITE, items, replied(items, lambda row: "x").head(3), ByFunction(rate))


# ---------------------------------------------------------------- verdicts
def test_an_unreadable_verdict_stays_counted(tmp_path: Path, items: pl.DataFrame) -> None:
    answers = replied(items, lambda row: row["group_id"])
    broken = ByFunction(lambda request: "I would say five." if request.reply == "0a2" else rate(request))
    table = judged(tmp_path, SUITE, items, answers, broken)
    assert table["unparsed"].sum() == 1 and table["verdict"].null_count() == 1 and table.height == 5
    verdicts = suite_verdicts(SUITE, items, answers, table)
    assert verdicts.height == 5 and verdicts["unparsed"].sum() == 1
    assert verdicts.filter("unparsed")["score"].to_list() == [0.0]
    assert set(verdicts["read"]) == {"hand:rating_json 3.0", "hand:rating_json unread"}


def test_scoring_a_judged_suite_needs_the_judgements_of_these_responses(tmp_path: Path, items: pl.DataFrame) -> None:
    answers = replied(items, lambda row: "x")
    table = judged(tmp_path, SUITE, items, answers, ByFunction(rate))
    other = judged(tmp_path, SUITE, items, answers, ByFunction(rate, "second"), output="second.parquet")
    for given_, named in (
        (None, "without judgements"),
        (JUDGEMENTS.empty(), "one judge"),
        (pl.concat([table, other]), "one judge"),
        (table.head(4), "without a judgement"),
    ):
        with pytest.raises(InputError, match=named):
            suite_verdicts(SUITE, items, answers, given_)
    with pytest.raises(InputError, match="another text"):
        suite_verdicts(SUITE, items, replied(items, lambda row: "a new answer"), table)


@pytest.mark.parametrize(
    ("reply", "strict", "line"),
    [
        ('{"reason": "r", "rating": 5}', 5.0, None),
        ('```json\n{"reason": "r", "rating": 0}\n```', 0.0, None),
        ('{"reason": "r", "rating": 7}', None, None),
        ('{"reason": "r", "rating": "5"}', None, None),
        ('{"reason": "r", "rating": 4.5}', None, None),
        ('{"rating": 5}', None, None),
        ('{"reason": "r", "rating": 5, "more": 1}', None, None),
        ('Sure: {"reason": "r", "rating": 5}', None, None),
        ("Rating: 6, very informative", None, 6.0),
        ("It is good.\nrating: 3\nRATING: 3", None, 3.0),
        ("Rating: 3 or rating: 4", None, None),
        ("**Rating**: 5", None, None),
        ("Rating: 60", None, 6.0),
        ("", None, None),
    ],
)
def test_parsers_of_ratings(reply: str, strict: float | None, line: float | None) -> None:
    assert (rating_json(reply).value, rating_line(reply).value) == (strict, line)


@given(st.text(max_size=40), st.booleans())
def test_only_a_json_object_with_a_boolean_is_a_decision(text: str, right: bool) -> None:
    assert correct_json(json.dumps({"reason": text, "correct": right})).value == float(right)
    assert correct_json(text).value is None
    assert correct_json(json.dumps({"reason": text, "correct": int(right)})).value is None


def test_requests_depend_on_wording_and_answer(items: pl.DataFrame) -> None:
    answers = replied(items, lambda row: "x")
    hashes = {
        request.hash for wording in ("structured", "line") for text in ("x", "{reply}")
        for _, request in requests_of("mmhal", wording, items, answers.with_columns(text=pl.lit(text)))
    }  # fmt: skip
    assert len(hashes) == 4 * items.height
    with pytest.raises(InputError, match="judge_prompts"):
        prompt_of("pope", "structured")


# ---------------------------------------------------------------- the judge by rules
def request(question: str, references: str | tuple[str, ...], reply: str, contents: tuple[str, ...] = ()) -> Request:
    stated = (references,) if isinstance(references, str) else references
    return Request("mmhal", "p", "rating_json", question, stated, contents, reply, "")


def test_claims_have_owners_and_denials() -> None:
    assert claims("A red striped ball and a blue cup.") == [
        Claim("ball", "color", "red"), Claim("ball", "pattern", "striped"), Claim("ball", "kind", "ball"),
        Claim("cup", "color", "blue"), Claim("cup", "kind", "cup"),
    ]  # fmt: skip
    assert claims("The ball is not red, but blue.") == [
        Claim("ball", "kind", "ball"), Claim("ball", "color", "red", True), Claim("ball", "color", "blue"),
    ]  # fmt: skip
    assert claims("There isn't a cat.") == [Claim("cat", "kind", "cat", True)]
    assert claims("Two boxes.") == [Claim(None, "number", "2"), Claim("box", "kind", "box")]
    assert claims("Red.", "cup") == [Claim("cup", "color", "red")]
    assert claims("a ball with a black outline") == [Claim("ball", "kind", "ball")]


def test_the_rules_know_all_words_of_the_world() -> None:
    known = words()
    assert {*KINDS, *TEXT["foreign"]["kind"]} <= set(known["kinds"])
    assert set(COLORS) | set(TEXT["foreign"]["color"]) <= set(known["values"]["color"])
    assert set(PATTERNS) | set(TEXT["foreign"]["pattern"]) <= set(known["values"]["pattern"])
    assert set(SIZES) <= set(known["values"]["size"])
    for group in (known["kinds"], known["fillers"], known["places"], known["unknown"], known["between"]):
        assert all(isinstance(word, str) for word in group)  # YAML reads a bare "no" or "on" as true or false


BALL = ("Big red striped ball", "Small blue plain cup")


@pytest.mark.parametrize(
    ("question", "reference", "reply", "rated"),
    [
        ("What color is the ball?", "The ball is red.", "Red.", 5),
        ("What color is the ball?", "The ball is red.", "It is red, big and striped.", 6),
        ("What color is the ball?", "The ball is red.", "Blue.", 0),
        ("What color is the ball?", "The ball is red.", "The ball is red and the cup is green.", 2),
        ("What color is the ball?", "The ball is red.", "I am not sure.", 3),
        ("What color is the ball?", "The ball is red.", "The ball is not red.", 2),
        ("What color is the cat?", "There is no cat in the image.", "There isn't a cat.", 5),
        ("What color is the cat?", "There is no cat in the image.", "Red.", 0),
        ("What color is the cat?", "There is no cat in the image.", "Yes.", 0),
        ("How many cups are there?", "There is one cup.", "1.", 5),
        ("How many cups are there?", "There is one cup.", "Two.", 0),
        ("Where is the ball relative to the cup?", "The ball is to the left of the cup.", "To the left.", 5),
        ("Where is the ball relative to the cup?", "The ball is to the left of the cup.", "To the right.", 0),
        ("Is the ball red?", "Yes, it is red.", "No.", 0),
        ("Describe the image.", "There is a big red striped ball and a small blue plain cup.", "A red ball.", 4),
        ("Describe the image.", "There is a big red striped ball and a small blue plain cup.", "A red ball, a dog.", 1),
        ("Describe the image.", "There is a big red striped ball and a small blue plain cup.", "There is no ball.", 0),
    ],
)  # fmt: skip
def test_ratings_of_the_rules(question: str, reference: str, reply: str, rated: int) -> None:
    assert rating(request(question, reference, reply, BALL))[0] == rated, false_claims(
        request(question, reference, reply, BALL)
    )


@pytest.fixture(scope="module")
def views() -> list[View]:
    return [View(scene, generator(1, scene.graph_hash)) for scene in draw_pool(3, "suites", 80)]


def labels_of(view: View) -> tuple[str, ...]:
    return tuple(described(thing, ("size", "color", "pattern")) for thing in view.things)


def test_the_rules_find_nothing_false_in_true_captions_and_answers(views: list[View]) -> None:
    for view in views:
        whole = f"There is {join([with_article(label) for label in labels_of(view)])}."
        said = [("Describe the image.", whole, text) for text in (short_caption(view), long_caption(view)[1])]
        asked = [ask(view) for ask in (coarse.short, coarse.which, coarse.where, coarse.lookup) for _ in range(3)]
        said += [(question, answer, answer) for question, answer in filter(None, asked)]
        for question, reference, reply in said:
            assert not false_claims(request(question, reference, reply, labels_of(view))), (question, reply)


def test_the_rules_find_wrong_colors_and_things_that_are_not_there(views: list[View]) -> None:
    for view in views:
        whole = f"There is {join([with_article(label) for label in labels_of(view)])}."
        thing = view.things[0]
        colors = {twin.color for twin in view.things if twin.kind == thing.kind}
        wrong = next(color for color in COLORS if color not in colors)
        for reply in (f"A {wrong} {thing.kind}.", f"The {thing.kind} is {wrong}.", f"A {view.absent[0]}.",
                      f"There is no {thing.kind}."):  # fmt: skip
            assert false_claims(request("Describe the image.", whole, reply, labels_of(view))), reply


ABSENT = ("The cat has no hat", "There is no hat", "The image does not show a hat")
UNKNOWN = ("It cannot be known from the image", "It cannot be seen")


@pytest.mark.parametrize(
    ("question", "references", "reply", "right"),
    [
        ("What color is the cat's hat?", ABSENT, "There isn't any hat.", True),
        ("What color is the cat's hat?", ABSENT, "The cat is not wearing a hat.", True),
        ("What color is the cat's hat?", ABSENT, "No hat can be seen", True),
        ("What color is the cat's hat?", ABSENT, "No.", False),
        ("What color is the cat's hat?", ABSENT, "Nothing", False),
        ("What color is the cat's hat?", ABSENT, "The hat is red.", False),
        ("What color is the cat's hat?", ABSENT, "The hat is not red, but blue.", False),
        ("What color is the cat's hat?", ABSENT, "Sorry, I cannot assist with that.", False),
        ("What is behind the house?", UNKNOWN, "That can't be seen in the picture.", True),
        ("What is behind the house?", UNKNOWN, "It is impossible to tell.", True),
        ("What is behind the house?", UNKNOWN, "A tree.", False),
        ("What is behind the house?", UNKNOWN, "No.", False),
        ("How many dots are there?", ("2", "There are 2"), "Two.", True),
        ("How many dots are there?", ("2", "There are 2"), "There are 2 or 3.", False),
        ("What color is the dot?", ("Red", "The dot is red"), "It is red.", True),
        ("What color is the dot?", ("Red", "The dot is red"), "It is red and blue.", False),
        ("What color is the dot?", ("Red", "The dot is red"), "It is not red.", False),
        ("Is there a dot?", ("Yes",), "Yes.", True),
        ("Is there a dot?", ("Yes",), "No.", False),
        ("What is inside the box?", ("Nothing is inside the box", "The box is empty"), "The box is empty.", True),
        ("What is inside the box?", ("A ball",), "The ball.", True),
    ],
)  # fmt: skip
def test_decisions_of_the_rules(question: str, references: tuple[str, ...], reply: str, right: bool) -> None:
    found, reason = correct(request(question, references, reply))
    assert bool(found) is right, reason


def test_the_rules_speak_every_form_of_reply_and_refuse_other_suites() -> None:
    asked = request("What color is the ball?", "The ball is red.", "Red.", BALL)
    forms = {"rating_json": rating_json, "rating_line": rating_line}
    for parser, read in forms.items():
        changed = Request(**{**vars(asked), "parser": parser})
        assert [read(reply).value for reply in Rules().ask([changed])] == [5.0]
    with pytest.raises(InputError, match="no rules"):
        Rules().ask([Request(**{**vars(asked), "suite": "pope"})])


# ---------------------------------------------------------------- agreement
def table_of(one: Sequence[int], other: Sequence[int], size: int) -> Any:
    counts = np.zeros((1, size, size))
    for pair in zip(one, other, strict=True):
        counts[(0, *pair)] += 1
    return counts


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=30))
def test_kappa_and_rank_correlation_are_those_of_the_libraries(pairs: list[tuple[int, int]]) -> None:
    one, other = zip(*pairs, strict=True)
    counts = table_of(one, other, 4)
    assert agreement(counts)[0] == pytest.approx(100 * np.mean(np.equal(one, other)))
    if len({*one, *other}) > 1:
        assert kappa(counts)[0] == pytest.approx(cohen_kappa_score(one, other), abs=1e-9)
        weighted = cohen_kappa_score(one, other, labels=list(range(4)), weights="quadratic")
        assert weighted_kappa(counts, np.arange(4.0))[0] == pytest.approx(weighted, abs=1e-9)
    if len(set(one)) > 1 and len(set(other)) > 1:
        assert rank_correlation(counts)[0] == pytest.approx(spearmanr(one, other).statistic, abs=1e-9)


def test_agreement_of_two_judges(tmp_path: Path, items: pl.DataFrame) -> None:
    answers = replied(items, lambda row: row["group_id"])
    ratings = {"0a0": (6, 5), "0a1": (5, 5), "0a2": (2, 1), "0a3": (0, 0), "0a4": (3, None)}

    def by(side: int) -> ByFunction:
        return ByFunction(
            lambda request: json.dumps({"reason": "", "rating": ratings[request.reply][side]}), name=f"j{side}"
        )

    tables = [judged(tmp_path, SUITE, items, answers, by(side), output=f"{side}.parquet") for side in (0, 1)]
    found = judge_agreement("mmhal", items, *tables, seed=1, resamples=200, confidence=0.95)
    values = {row["statistic"]: row for row in found.iter_rows(named=True)}
    assert values["agreement"]["value"] == pytest.approx(40.0)  # two of five; the unreadable one agrees with nothing
    assert values["hallucination_agreement"]["value"] == pytest.approx(80.0)
    assert values["rank_correlation"]["value"] == pytest.approx(spearmanr([6, 5, 2, 0], [5, 5, 1, 0]).statistic)
    assert {row["unparsed"] for row in values.values()} == {1}
    assert {(row["n"], row["n_images"]) for row in values.values()} == {(5, 5)}
    assert all(
        row["ci_low"] <= row["value"] + 1e-9 and row["value"] - 1e-9 <= row["ci_high"] for row in values.values()
    )
    same = judge_agreement("mmhal", items, tables[0], tables[0], seed=1, resamples=50, confidence=0.95)
    assert dict(same.select("statistic", "value").iter_rows())["kappa"] == pytest.approx(1.0)
    with pytest.raises(InputError, match="both judges"):
        judge_agreement("mmhal", items, tables[0].head(1), tables[1].tail(1), seed=1, resamples=9, confidence=0.95)


def test_judgements_read_back_and_order_of_responses_changes_nothing(tmp_path: Path, items: pl.DataFrame) -> None:
    answers = replied(items, lambda row: row["group_id"])
    one = judged(tmp_path, SUITE, items, answers, Rules())
    write_table(answers.sort("item_id", descending=True), RESPONSES, tmp_path / "reversed.parquet")
    other = judge_suite(
        "mmhal", [tmp_path / "items.parquet"], [tmp_path / "reversed.parquet"], Rules(), tmp_path / "other.parquet"
    )
    assert one.equals(other) and read_table(tmp_path / "other.parquet", JUDGEMENTS).equals(one)
