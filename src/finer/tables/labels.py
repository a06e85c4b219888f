"""Words and numbers as tables and figures print them."""

from __future__ import annotations

from collections.abc import Sequence

#: ways of answering a multiple-choice question, in the order that tables show them
ANSWERING_TITLES = {"letter": "Letter", "text": "Text", "likelihood": "Likelihood"}
SETTING_TITLES = {"multi_obj": "Multi-obj", "multi_attr": "Multi-attr", "multi_rel": "Multi-rel", "wh": "Wh"}
#: both questions of a pair right by chance, five options each: 100 / 25, in percent
RANDOM_GUESS = 4.0
#: one of five phrases kept for both questions of a pair, in the list settings
ONE_PHRASE_KEPT = 20.0
ALWAYS_YES = 0.0


def percent(value: float | None, signed: bool = False) -> str:
    """Return a percentage with one decimal, a dash where there is none, and a true minus sign."""
    if value is None:
        return "–"
    rounded = round(value, 1) + 0.0  # no "-0.0"
    return f"{rounded:{'+' if signed else ''}.1f}".replace("-", "−")


def bracket(low: float | None, high: float | None, signed: bool = False) -> str:
    """Return an interval as "[low, high]", or nothing where there is none."""
    return "" if low is None or high is None else f"[{percent(low, signed)}, {percent(high, signed)}]"


def listed(names: Sequence[str]) -> str:
    """Return "a, b and c"."""
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)
