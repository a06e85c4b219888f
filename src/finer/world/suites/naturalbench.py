"""NaturalBench's file: two near images, two questions, each true of one image; half yes/no, half with options A, B."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from finer.store import atomic_path
from finer.world.phrases import PREDICATES
from finer.world.render import jpeg, render
from finer.world.scenes import Scene
from finer.world.suites.mmvp import asked
from finer.world.suites.twins import Twins, draw_twins
from finer.world.suites.writing import save_image

_GROUP = 4
_IMAGE = pl.Struct({"bytes": pl.Binary(), "path": pl.String()})
_SCHEMA = {
    "Index": pl.Int64(), "Image_0": _IMAGE, "Image_1": _IMAGE, "Question_0": pl.String(), "Question_1": pl.String(),
    "Image_0_Question_0": pl.String(), "Image_1_Question_0": pl.String(), "Image_0_Question_1": pl.String(),
    "Image_1_Question_1": pl.String(), "Question_Type": pl.String(), "Source": pl.String(),
}  # fmt: skip


def write(seed: int, count: int, folder: Path) -> Sequence[Scene]:
    """Write ``naturalbench.parquet`` and its images: about ``count`` questions, four a group."""
    rows: list[dict[str, Any]] = []
    shown: list[Scene] = []
    for index, twins in enumerate(draw_twins(seed, max(2, count // _GROUP), "naturalbench")):
        row: dict[str, Any] = {"Index": index, "Source": "micro"}
        for place, scene in enumerate(twins.scenes):
            pixels = render(scene)
            name = save_image(folder, f"{index}_{place}.jpg", pixels)
            row[f"Image_{place}"] = {"bytes": jpeg(pixels), "path": name}
            shown.append(scene)
        # What an outline is asked about has but one question that is not answered by a plain no.
        choice = index % 2 == 1 or twins.name == "outlined"
        first, second = ("A", "B") if choice else ("Yes", "No")
        row["Question_0"], row["Question_1"] = _choices(twins) if choice else _yes_no(twins)
        row["Image_0_Question_0"] = row["Image_1_Question_1"] = first
        row["Image_1_Question_0"] = row["Image_0_Question_1"] = second
        row["Question_Type"] = "multiple_choice" if choice else "yes_no"
        rows.append(row)
    with atomic_path(folder / "naturalbench.parquet") as partial:
        pl.DataFrame(rows, schema=_SCHEMA, orient="row").write_parquet(partial, statistics=False)
    return shown


def _choices(twins: Twins) -> tuple[str, str]:
    question, (one, other) = asked(twins)
    return f"{question}\nOption: A:{one}; B:{other};", f"{question}\nOption: A:{other}; B:{one};"


def _yes_no(twins: Twins) -> tuple[str, str]:
    """Return a question that is true of the first scene alone and one that is true of the second."""
    first, second = (_claimed(twins, value) for value in twins.values)
    return first, second


def _claimed(twins: Twins, value: str) -> str:
    if twins.name == "place":
        return f"Is the {twins.kind} {PREDICATES[value].removeprefix('is ')} the {twins.target}?"
    return f"Is the {twins.kind} {value}?"
