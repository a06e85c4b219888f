"""Wordings of instruction data: drawn templates and the lettered prompt that all multiple-choice tasks share."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from finer.world.catalogue import read_yaml

_T = TypeVar("_T")

WORDING = read_yaml("instruct.yaml")
LETTERS = "ABCDE"


def drawn(rng: Random, wordings: Sequence[_T]) -> _T:
    """Draw a wording: the first with the main share, else any."""
    return wordings[0] if rng.random() < WORDING["main_share"] else rng.choice(wordings)


def lettered(rng: Random, question: str, right: str, wrong: Sequence[str]) -> tuple[str, str]:
    """Return the prompt with shuffled, lettered options and the letter of the right one."""
    options = [right, *wrong]
    rng.shuffle(options)
    instruction = drawn(rng, WORDING["instructions"])
    lines = [instruction] if instruction else []
    lines.append(question)
    lines.extend(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))
    lines.append(WORDING["letter_request"])
    return "\n".join(lines), LETTERS[options.index(right)]


def option_count(rng: Random) -> int:
    """Draw how many options a lettered question has: mostly five, as the benchmark's."""
    return rng.choice((2, 3, 4, 5, 5, 5, 5, 5))
