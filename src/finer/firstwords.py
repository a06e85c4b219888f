"""The first word of an option, and the option that would be said: the likeliest first word, then the likeliest option.

A chat model commits to "Yes" or "No" before it says what it sees; so the first word is decided among the options'
first words, and only options that begin with it compete on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

#: the word without the punctuation around it; valid for Python and for polars (Rust) alike
FIRST_WORD = r"^\W*([\w'’-]+)"


def first_word(option: str) -> str:
    """Return "Yes" of "Yes, I can see …"; an option without any word is its own first word."""
    found = re.match(FIRST_WORD, option)
    return found[1] if found else option


def opening(option: str) -> str:
    """Return the option up to the end of its first word, with any punctuation before it."""
    found = re.match(FIRST_WORD, option)
    return found[0] if found else option


def said(options: Sequence[str], firsts: Sequence[float], scores: Sequence[float]) -> int | None:
    """Return the position of the option that would be said, or None for a tie between first words or options.

    Args:
        firsts: log-probability of each option's first word.
        scores: log-probability of each option.
    """
    top = max(firsts)
    begun = [place for place, value in enumerate(firsts) if value == top]
    if len({first_word(options[place]) for place in begun}) > 1:
        return None
    best = max(scores[place] for place in begun)
    winners = [place for place in begun if scores[place] == best]
    return winners[0] if len(winners) == 1 else None
