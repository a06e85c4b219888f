"""How the text of a response is read: the strict parsers, and the ones of the paper's released scripts."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finer.schemas import ANSWERING
from finer.scoring.parsers import (
    LETTERS,
    PARSERS,
    Parser,
    first_substring_yes_no,
    strict_letter,
    strict_yes_no,
    upstream_letter,
)


def read(parser: Parser, *texts: str) -> list[int | None]:
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String}).select(read=parser(pl.col("text")))
    assert frame.schema["read"] == pl.Int64
    return frame["read"].to_list()


@pytest.mark.parametrize(
    "text", ["B", "b", " B\n", "B.", "B)", "(B)", "[B]", "<B>", '"B"', "**B**", "_B_", "Answer: B", "answer: (b).",
             "**Answer:** B", "(B"],
)  # fmt: skip
def test_strict_letter_reads_a_single_letter_with_punctuation(text: str) -> None:
    assert read(strict_letter, text) == [1]


@pytest.mark.parametrize(
    "text", ["", " ", "?", "F", "AB", "A or B", "A, B", "B. Yes", "B Yes", "a cat", "The answer is B", "Answer:", "No",
             "É", "1", "BB", "answerB", "Answer B C"],
)  # fmt: skip
def test_strict_letter_leaves_everything_else_unparsed(text: str) -> None:
    assert read(strict_letter, text) == [None]


def test_upstream_letter_reads_the_first_letter_anywhere() -> None:
    assert read(upstream_letter, "The answer is B", "Answer: B", "option c", "?!", "") == [4, 0, 2, None, None]


@pytest.mark.parametrize("text", ["no", "No", "NO.", " no, it", "“No”", "No\nYes", "no - there", "no—none"])
def test_strict_yes_no_reads_the_first_word(text: str) -> None:
    assert read(strict_yes_no, text) == [1]


@pytest.mark.parametrize(
    "text", ["", "None", "Nope", "no-one", "nobody", "Well, no", "I do not know", "yesterday", "y"]
)
def test_strict_yes_no_leaves_other_first_words_unparsed(text: str) -> None:
    assert read(strict_yes_no, text) == [None]


def test_first_substring_reads_whichever_comes_first_even_inside_a_word() -> None:
    texts = ("I do not know, yes", "yes, no", "eyes", "None", "maybe")
    assert read(first_substring_yes_no, *texts) == [1, 0, 0, 1, None]


def first_letter_by_hand(text: str) -> int | None:
    return next((LETTERS.index(c.upper()) for c in text if c in "ABCDEabcde"), None)


@settings(max_examples=50)
@given(st.lists(st.text(max_size=10), max_size=5))
def test_upstream_letter_agrees_with_reading_by_hand(texts: list[str]) -> None:
    assert read(upstream_letter, *texts) == [first_letter_by_hand(text) for text in texts]


@given(st.lists(st.text(alphabet="ABCDEFabcdef .():*_\n", max_size=8), max_size=10))
def test_strict_letter_needs_exactly_one_letter_or_digit(texts: list[str]) -> None:
    for text, found in zip(texts, read(strict_letter, *texts), strict=True):
        words = [c for c in text if c.isalnum()]
        lone = len(words) == 1 and words[0].upper() in LETTERS
        assert found == (LETTERS.index(words[0].upper()) if lone else None)


@given(st.text(max_size=30))
def test_what_strict_reads_every_scorer_reads(text: str) -> None:
    """Unparsed by the lenient scorer is unparsed by the strict one, for every way of answering."""
    for answering in ("letter", "yes_no"):
        strict, lenient = (read(parser, text)[0] for _, parser in PARSERS[answering].values())
        assert strict is None or lenient is not None


@given(st.sampled_from("ABCDE"), st.sampled_from(["", "(", "**", " "]), st.sampled_from(["", ")", ".", "**", "\n"]))
def test_a_bare_letter_is_the_same_to_both_scorers(letter: str, before: str, after: str) -> None:
    text = before + letter + after
    assert read(strict_letter, text) == read(upstream_letter, text) == [LETTERS.index(letter)]


def test_there_is_a_parser_for_every_way_of_answering() -> None:
    assert set(PARSERS) == set(ANSWERING) - {"free"}  # some words: by the suite that asks


def test_what_is_said_is_the_likeliest_option_among_those_with_the_likeliest_first_word() -> None:
    frame = pl.DataFrame({
        "option_logprobs": [[-9.0, -1.0, -5.0], [-2.0, -1.0, -3.0], [-2.0, -1.0, -2.0], [-3.0, -3.0, -1.0]],
        "option_first_logprobs": [[-0.1, -2.0, -0.1], [-2.0, -0.1, -0.1], [-0.1, -3.0, -0.1], [-0.5, -0.5, -1.0]],
    })  # fmt: skip
    columns, parser = PARSERS["text"]["sum"]
    assert frame.select(parser(*map(pl.col, columns))).to_series().to_list() == [2, 1, None, None]


def test_the_likeliest_option_is_read_and_a_tie_is_unparsed() -> None:
    frame = pl.DataFrame({"option_logprobs": [[-3.0, -1.0, -2.0], [-1.0, -2.0, -1.0], [-5.0, -4.0, -4.0]]})
    (column,), parser = PARSERS["likelihood"]["sum"]
    assert frame.select(parser(pl.col(column))).to_series().to_list() == [1, None, None]
