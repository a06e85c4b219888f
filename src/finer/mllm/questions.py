"""What a model is asked and what it says, whichever engine asks it: questions, answers, likelihoods of options."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from finer.firstwords import first_word


@dataclass(frozen=True)
class Query:
    """One question about one image (None: text alone)."""

    key: str
    image: Path | None
    prompt: str
    labels: tuple[str, ...] = ()  # whose log-probability as next token is wanted


@dataclass(frozen=True)
class Answer:
    """What the model says: greedy text, and natural log-probabilities of the query's labels over the vocabulary.

    A log-probability that the engine does not tell is None; where it tells none at all, there are none.
    """

    key: str
    text: str
    logprobs: tuple[float | None, ...]


@dataclass(frozen=True)
class Scores:
    """Natural log-probabilities of options as the answer: sums over their tokens, means a token, their first words'."""

    key: str
    sums: tuple[float, ...]
    means: tuple[float, ...]
    firsts: tuple[float, ...]  # one value a distinct first word


class Engine(Protocol):
    """What a model must be able to do to be asked."""

    name: str  # the engine, a blank, its version
    scores: bool  # whether it tells the likelihood of whole options

    def answer(self, queries: Sequence[Query], max_new_tokens: int) -> list[Answer]:
        """Return one answer a query, in their order."""

    def score_continuations(self, queries: Sequence[Query], options: Sequence[Sequence[str]]) -> list[Scores]:
        """Return, for each query, the likelihood of each of its options, and of their first words, as the answer.

        Raises:
            NotImplementedError: the engine has ``scores`` False.
        """


def option_scores(
    key: str,
    options: Sequence[str],
    ids: Sequence[tuple[int, ...]],
    covering: Sequence[int],
    values: Sequence[Sequence[float]],
) -> Scores:
    """Return the scores of one question's options.

    Args:
        ids: the tokens of each option.
        covering: how many of them its first word needs.
        values: the log-probability of each token after those before it.
    """
    sums = tuple(math.fsum(one) for one in values)
    means = tuple(total / len(one) for total, one in zip(sums, ids, strict=True))
    return Scores(key, sums, means, first_words(options, ids, covering, values))


def first_words(
    options: Sequence[str],
    ids: Sequence[tuple[int, ...]],
    covering: Sequence[int],
    values: Sequence[Sequence[float]],
) -> tuple[float, ...]:
    """Return the log-probability of each option's first word: exactly one value a word, whatever the option.

    A word's chance is that of the tokens that cover it. Where tokens are longer than words, options may begin with
    the same word by different tokens: these exclude each other, so their chances add up.
    """
    ways: dict[str, dict[tuple[int, ...], float]] = {}
    for option, tokens, count, found in zip(options, ids, covering, values, strict=True):
        ways.setdefault(first_word(option), {}).setdefault(tokens[:count], math.fsum(found[:count]))
    words = {word: _log_sum(list(some.values())) for word, some in ways.items()}
    return tuple(words[first_word(option)] for option in options)


def _log_sum(values: Sequence[float]) -> float:
    """Return log(sum(exp(values))), exactly the value itself if there is but one."""
    top = max(values)
    if len(values) == 1 or top == -math.inf:
        return top
    return top + math.log(math.fsum(math.exp(value - top) for value in values))
