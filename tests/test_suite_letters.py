"""Parsers of lettered replies that suites share, and options read out of lines."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finer.scoring.parsers import lenient_letter, strict_letter, toolkit_choice, whole_word_a_b
from finer.suites.letters import as_lines, option_lines


def read(parse: object, text: str) -> int | None:
    return pl.DataFrame({"text": [text]}).select(parse(pl.col("text"))).item()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("B", 1), ("(b) Open", 1), ("B. on", 1), ("B: on", 1), ("**B**", 1), ("The answer is B.", 1),
        ("The correct answer is: (C)", 2), ("Option D", 3), ("answer: e", 4), ("B, as it is open", 1),
        ("A man", None), ("Because", None), ("A or B", None), ("It is B", None), ("", None), ("F", None),
    ],
)  # fmt: skip
def test_lenient_letter(text: str, place: int | None) -> None:
    assert read(lenient_letter, text) == place


@given(st.lists(st.sampled_from((*"ABbe().*:_ \n", "Answer", "answer:", "or")), max_size=6).map("".join))
def test_what_the_strict_parser_reads_the_lenient_one_reads_alike(text: str) -> None:
    found = read(strict_letter, text)
    assert found is None or read(lenient_letter, text) == found


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("B", 1), ("B.", 1), ("Answer: B", 1), ("a dog", 0), ("The dog.", 0), ("A or B", None), ("b", None),
        ("B is what the picture of them shows", None),  # the letter is not among the last five words
        ("cat or dog", None), ("a dog " * 10, None), ("", None),
    ],
)  # fmt: skip
def test_toolkit_choice(text: str, place: int | None) -> None:
    assert toolkit_choice(text, ["dog", "cat"], 0) == place


def test_letters_that_stand_for_unread_options_are_no_texts() -> None:
    assert toolkit_choice("bad", ["A", "B", "C", "D"], 0) is None
    assert toolkit_choice("B", ["A", "B", "C", "D"], 0) == 1


def test_the_earlier_word_counts() -> None:
    assert read(whole_word_a_b, "b, not a") == 1
    assert read(whole_word_a_b, "about") is None


@given(
    st.lists(st.text("abcde fgh", min_size=1).map(str.strip).filter(bool), min_size=2, max_size=5),
    st.sampled_from(("{letter}. {option}", "({letter}) {option}", "{letter}: {option}")),
)
def test_option_lines_are_read_back(options: list[str], form: str) -> None:
    text = f"What is it?\n{as_lines(options, form)}\nAnswer with a letter."
    assert option_lines(text) == ("What is it?", options)


@pytest.mark.parametrize("text", ["What is it?", "What?\nA. only one", "What?\nB. one\nC. two", "What?\nA. x\nC. y"])
def test_lines_that_do_not_begin_at_a_are_no_options(text: str) -> None:
    assert option_lines(text) is None
