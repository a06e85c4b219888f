"""MMVP's file: pairs of scenes alike but for one attribute or place, one question about it, opposite answers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from finer.keys import generator
from finer.store import write_text
from finer.world.coarse import VALUE_QUESTIONS
from finer.world.phrases import WHERE, capital
from finer.world.render import render
from finer.world.scenes import Scene
from finer.world.suites.twins import Twins, draw_twins
from finer.world.suites.writing import POOL, save_image

_HEADER = ("Index", "Question", "Options", "Correct Answer")


def write(seed: int, count: int, folder: Path) -> Sequence[Scene]:
    """Write ``Questions.csv`` and the images ``1.jpg``, …: about ``count`` rows, two a pair."""
    buffer = io.StringIO()
    rows = csv.writer(buffer, lineterminator="\n")
    rows.writerow(_HEADER)
    shown: list[Scene] = []
    for twins in draw_twins(seed, max(1, count // 2), "mmvp"):
        rng = generator(seed, "mmvp", POOL, twins.scenes[0].graph_hash)
        question, answers = asked(twins)
        order = rng.sample((0, 1), 2)  # of the options
        options = " ".join(f"({letter}) {capital(answers[place])}" for letter, place in zip("ab", order, strict=True))
        for place in rng.sample((0, 1), 2):  # either of the two may come first
            shown.append(twins.scenes[place])
            rows.writerow((len(shown), question, options, f"({'ab'[order.index(place)]})"))
            save_image(folder, f"{len(shown)}.jpg", render(twins.scenes[place]))
    write_text(folder / "Questions.csv", buffer.getvalue())
    return shown


def asked(twins: Twins) -> tuple[str, tuple[str, str]]:
    """Return the question that tells two scenes apart, and its answers."""
    if twins.name == "place":
        one, other = twins.values
        return f"Where is the {twins.kind} relative to the {twins.target}?", (WHERE[one], WHERE[other])
    if twins.name == "outlined":
        return f"Does the {twins.kind} have a black outline?", twins.values
    return VALUE_QUESTIONS[twins.name].format(twins.kind), twins.values
