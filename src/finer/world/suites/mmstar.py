"""MMStar's file: for each of its 18 axes a kind of question that the world can ask, options inside the question.

The world has no emotions, chemistry or code: there another ability stands in, so that every axis has questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

from finer.keys import generator
from finer.store import atomic_path
from finer.world.claims import View
from finer.world.pictures import Chart, Compare, Marked, Picture, Sign, draw_picture
from finer.world.pools import Hashed, draw_pool, draw_unique
from finer.world.prompts import LETTERS
from finer.world.render import jpeg, render
from finer.world.scenes import Scene
from finer.world.suites import asking
from finer.world.suites.asking import Asked
from finer.world.suites.writing import POOL, save_image

_SCHEMA = {
    "index": pl.Int64(), "question": pl.String(), "image": pl.Struct({"bytes": pl.Binary(), "path": pl.String()}),
    "answer": pl.String(), "category": pl.String(), "l2_category": pl.String(),
    "meta_info": pl.Struct({"source": pl.String(), "split": pl.String(), "image_path": pl.String()}),
}  # fmt: skip
#: (category, axis, what is shown, how it is asked)
_AXES: tuple[tuple[str, str, type, Callable[..., Asked | None]], ...] = (
    ("coarse perception", "image scene and topic", Scene, asking.shown),
    ("coarse perception", "image style & quality", Scene, partial(asking.value, name="pattern")),
    ("coarse perception", "image emotion", Sign, asking.word_color),
    ("fine-grained perception", "object counting", Scene, asking.count),
    ("fine-grained perception", "recognition", Scene, partial(asking.value, name="color")),
    ("fine-grained perception", "localization", Scene, asking.relation),
    ("instance reasoning", "single-instance reasoning", Scene, partial(asking.value_of_related, name="color")),
    ("instance reasoning", "cross-instance attribute reasoning", Compare, asking.changed_thing),
    ("instance reasoning", "cross-instance relation reasoning", Scene, asking.subject),
    ("logical reasoning", "code & sequence reasoning", Sign, asking.word),
    ("logical reasoning", "diagram reasoning", Chart, asking.highest_bar),
    ("logical reasoning", "common reasoning", Scene, asking.target),
    ("science & technology", "biology & chemistry & physics", Marked, asking.dot_color),
    ("science & technology", "electronics & energy & mechanical eng.", Marked, asking.dotted_thing),
    ("science & technology", "geography & earth science & agriculture", Scene, asking.cell),
    ("math", "geometry", Scene, partial(asking.value_of_related, name="pattern")),
    ("math", "numeric commonsense and calculation", Scene, partial(asking.count, by_color=True)),
    ("math", "statistical reasoning", Chart, asking.bar_height),
)


def write(seed: int, count: int, folder: Path) -> Sequence[Hashed]:
    """Write ``mmstar.parquet`` and its images: about ``count`` questions, as many of each axis."""
    each = max(1, round(count / len(_AXES)))
    found: list[Hashed] = []
    rows: list[dict[str, Any]] = []
    for category, axis, kind, ask in _AXES:
        for shown, asked, rng in islice(_questions(seed, axis, kind, ask, each), each):
            pixels = render(shown) if isinstance(shown, Scene) else shown.pixels()
            index = len(rows)
            options = rng.sample([asked.right, *asked.wrong], 1 + len(asked.wrong))
            rows.append(
                {
                    "index": index, "question": _question(asked.question, options, rng),
                    "image": {"bytes": jpeg(pixels), "path": f"{index}.jpg"},
                    "answer": LETTERS[options.index(asked.right)], "category": category, "l2_category": axis,
                    "meta_info": {"source": "micro", "split": "val", "image_path": f"images/{index}.jpg"},
                }
            )  # fmt: skip
            save_image(folder, f"{index}.jpg", pixels)
            found.append(shown)
    with atomic_path(folder / "mmstar.parquet") as partial_file:
        pl.DataFrame(rows, schema=_SCHEMA, orient="row").write_parquet(partial_file, statistics=False)
    return found


def _questions(
    seed: int, axis: str, kind: type, ask: Callable[..., Asked | None], each: int
) -> Iterator[tuple[Scene | Picture, Asked, Random]]:
    """Yield what is shown and asked on an axis; what allows no such question is passed over."""
    for shown in _shown(seed, kind, 4 * each + 4):
        rng = generator(seed, "mmstar", axis, shown.graph_hash)
        scene = shown if isinstance(shown, Scene) else getattr(shown, "scene", _NOTHING)
        view = View(scene, rng)
        asked = ask(view) if isinstance(shown, Scene) else ask(view, shown)
        if asked is not None:
            yield shown, asked, rng


def _shown(seed: int, kind: type, count: int) -> Sequence[Any]:
    if kind is Scene:
        return draw_pool(seed, POOL, count)
    return draw_unique(seed, POOL, count, f"mmstar {kind.__name__}", partial(drawn_kind, kind))


def drawn_kind(kind: type, rng: Random) -> Any:
    """Draw a picture of one kind."""
    while True:
        picture = draw_picture(rng)
        if isinstance(picture, kind):
            return picture


def _question(question: str, options: Sequence[str], rng: Random) -> str:
    """Return the question with its options in one of the two official styles, the first three times as often."""
    if rng.random() < 0.75:
        listed = ", ".join(f"{letter}: {option}" for letter, option in zip(LETTERS, options, strict=False))
        return f"{question}\nOptions: {listed}"
    listed = "\n".join(f"({letter}) {option}" for letter, option in zip(LETTERS, options, strict=False))
    return f"Question: {question}\nChoices:\n{listed}"


_NOTHING = Scene((), 0, 0)
