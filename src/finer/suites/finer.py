"""FINER: the multiple-choice questions of the four settings, in three ways of answering, and their blind controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from finer.errors import InputError
from finer.keys import generator, stable_key
from finer.schemas import IMAGES, ITEMS, PAIRS
from finer.store import check_table, read_table, write_table
from finer.suites.prompts import bare, lettered, version, with_image_paths
from finer.suites.suite import unused

SUITE = "finer"
UNVERIFIED = "unverified"  # the same made of negatives that nobody checked: what verification changes
WAYS = ("letter", "text", "likelihood")
QUESTION_ONLY = WAYS[1:]  # asked without the options; the log-probabilities of the options are compared


@dataclass(frozen=True)
class Controls:
    """What is asked again without seeing: ``pairs`` pairs a setting (0: none), in one way of answering."""

    pairs: int = 0
    answering: str = "letter"
    seed: int = 0


def items(
    pairs: pl.DataFrame,
    images: pl.DataFrame,
    controls: Controls = Controls(),
    ways: Sequence[str] = WAYS,
    suite: str = SUITE,
) -> pl.DataFrame:
    """Return one item per question and way of answering, and the control items of the pairs drawn for it.

    Both questions of a pair share ``group_id``, and the setting is the cell. A control item has the key of its
    question and asks it about another image of the benchmark, the same for both questions (``wrong_image``), or about
    none (``text_only``); its ``image_id`` stays the pair's own.

    Args:
        pairs: PAIRS.
        images: IMAGES with a path for each image of the pairs.
        controls: which pairs are asked again without seeing.
        ways: ways of answering.
        suite: name of the suite, a part of the items' keys.
    """
    asked = with_image_paths(pairs, images).with_columns(
        letter=pl.Series([lettered(*row) for row in pairs.select("question", "options").iter_rows()], dtype=pl.String),
        bare=pl.Series([bare(question) for question in pairs["question"]], dtype=pl.String),
        # A new wording makes another item, so that responses never join items that were asked otherwise.
        key=pl.Series([stable_key(suite, version(), mcq) for mcq in pairs["mcq_id"]], dtype=pl.String),
    )
    chosen = _chosen(asked, controls)
    parts = [
        *(_rows(asked, answering) for answering in ways),
        _rows(_elsewhere(chosen, images, controls.seed), controls.answering, "wrong_image"),
        _rows(chosen.with_columns(image_paths=pl.lit([], pl.List(pl.String))), controls.answering, "text_only"),
    ]
    built = (
        pl.concat(parts)
        .with_columns(suite=pl.lit(suite), **unused())
        .select(list(ITEMS.columns))
        .sort("image_id", "grouping", "group_id", "polarity", "answering", "control")
    )
    return check_table(built, ITEMS)


def _chosen(asked: pl.DataFrame, controls: Controls) -> pl.DataFrame:
    """Return the questions of the pairs drawn for controls, the same number of every setting."""
    pairs = asked.select("setting", "pair_id").unique()
    order = [stable_key(controls.seed, "control", pair) for pair in pairs["pair_id"]]
    drawn = pairs.with_columns(order=pl.Series(order, dtype=pl.String)).sort("order").group_by("setting").head(
        controls.pairs
    )  # fmt: skip
    return asked.join(drawn, on=["setting", "pair_id"], how="semi", maintain_order="left")


def _elsewhere(chosen: pl.DataFrame, images: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Show each pair another image of its benchmark, drawn by the pair's key among those of other content."""
    shown = images.filter(pl.col("path").is_not_null()).sort("image_id").select("image_id", "path", "sha256").rows()
    content = {image: sha for image, _, sha in shown}
    drawn: dict[str, Sequence[str]] = {}
    for pair, own in chosen.select("pair_id", "image_id").unique().iter_rows():
        others = [path for image, path, sha in shown if image != own and (sha is None or sha != content[own])]
        if not others:
            raise InputError(
                "no other image to ask about", row=pair, field="image_id", found=f"{len(shown)} image(s)",
                expected="a second image of another content in the benchmark", cure="set evaluation.control_pairs: 0",
            )  # fmt: skip
        drawn[pair] = [generator(seed, "wrong image", pair).choice(others)]
    paths = pl.Series([drawn[pair] for pair in chosen["pair_id"]], dtype=pl.List(pl.String))
    return chosen.with_columns(image_paths=paths)


def _rows(asked: pl.DataFrame, answering: str, control: str = "none") -> pl.DataFrame:
    return asked.select(
        item_id="key",
        benchmark="benchmark",
        image_paths="image_paths",
        image_id="image_id",
        prompt="bare" if answering in QUESTION_ONLY else answering,
        answering=pl.lit(answering),
        options="options",
        answer_index="gt_index",
        group_id="pair_id",
        grouping="setting",
        polarity="polarity",
        entity_count="entity_count",
        control=pl.lit(control),
    )


def build(pairs: str | Path, images: str | Path, out: str | Path, controls: Controls) -> None:
    """Read PAIRS and IMAGES, write ITEMS."""
    write_table(items(read_table(pairs, PAIRS), read_table(images, IMAGES), controls), ITEMS, out)


def build_unverified(pairs: str | Path, images: str | Path, out: str | Path, answering: str) -> None:
    """Read PAIRS made without verification and IMAGES, write ITEMS in one way of answering, without controls."""
    made = items(read_table(pairs, PAIRS), read_table(images, IMAGES), ways=[answering], suite=UNVERIFIED)
    write_table(made, ITEMS, out)
