"""Yields and drops of one benchmark: how much became of its captions or annotations, and why the rest did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from finer.schemas import ELEMENT_KINDS, SETTINGS

_FOUR = 4
_SCHEMA = {"section": pl.String(), "name": pl.String(), "count": pl.Int64(), "per_image": pl.Float64()}
_TITLES = {
    "input": ("Input", ""),
    "elements": ("Elements", "kind"),
    "negatives": ("Negatives", "kind of element"),
    "checks": ("Checks of negatives", "outcome"),
    "pairs": ("Pairs", "setting, entity count"),
    "drops": ("Drops", "stage: reason"),
}


@dataclass(frozen=True)
class Summary:
    """The tidy numbers (section, name, count, per_image) and the same laid out for reading."""

    numbers: pl.DataFrame
    markdown: str


def summarise(
    benchmark: str,
    images: pl.DataFrame,
    elements: pl.DataFrame,
    negatives: pl.DataFrame,
    checks: pl.DataFrame,
    pairs: pl.DataFrame,
    drops: pl.DataFrame,
) -> Summary:
    """Count what the stages of one benchmark yielded and dropped.

    Args:
        benchmark: name for the heading.
        images, elements, pairs: the tables of the benchmark (an image is one caption or one annotated scene).
        negatives, checks: as they stand after the last round.
        drops: DROPS of all stages, stacked.
    """
    objects = elements.filter(pl.col("kind") == "object")
    sections: dict[str, Mapping[str, int]] = {
        "input": {"images": images.height, "images with an object": objects["image_id"].n_unique()},
        "elements": {f"{kind}s": elements.filter(pl.col("kind") == kind).height for kind in ELEMENT_KINDS},
        "negatives": _negatives(elements, negatives),
        "checks": dict(checks.group_by("check").len().sort("check").iter_rows()),
        "pairs": _pairs(pairs),
        "drops": _drops(drops),
    }
    rows = [
        (section, name, count, round(count / images.height, 2) if images.height else None)
        for section in _TITLES
        for name, count in sections[section].items()
    ]
    numbers = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
    return Summary(numbers, _markdown(numbers, f"Yields and drops of {benchmark}"))


def _negatives(elements: pl.DataFrame, negatives: pl.DataFrame) -> dict[str, int]:
    """Count the elements of each kind that have four negatives, and those that have fewer or none."""
    found = negatives.group_by("element_id").len()
    counted = elements.join(found, on="element_id", how="left").with_columns(pl.col("len").fill_null(0))
    result: dict[str, int] = {}
    for kind in ELEMENT_KINDS:
        of_kind = counted.filter(pl.col("kind") == kind)
        full = of_kind.filter(pl.col("len") >= _FOUR).height
        result[f"{kind}s with four negatives"] = full
        result[f"{kind}s with fewer"] = of_kind.height - full
    return result


def _pairs(pairs: pl.DataFrame) -> dict[str, int]:
    positive = pairs.filter(pl.col("polarity") == "positive")
    result: dict[str, int] = {}
    for setting in SETTINGS:
        of_setting = positive.filter(pl.col("setting") == setting)
        result[setting] = of_setting.height
        counts = of_setting.drop_nulls("entity_count").group_by("entity_count").len().sort("entity_count")
        if setting != "wh":
            result |= {f"{setting}, {count}": number for count, number in counts.iter_rows()}
    return result


def _drops(drops: pl.DataFrame) -> Mapping[str, int]:
    counted = drops.group_by("stage", "reason").len().sort(["stage", "len", "reason"], descending=[False, True, False])
    return {f"{stage}: {reason}": count for stage, reason, count in counted.iter_rows()}


def _markdown(numbers: pl.DataFrame, title: str) -> str:
    lines = [f"# {title}"]
    for section, (heading, first_column) in _TITLES.items():
        rows = numbers.filter(pl.col("section") == section)
        if not rows.height:
            continue
        lines += ["", f"## {heading}", "", f"| {first_column} | number | per image |", "| --- | ---: | ---: |"]
        lines += [
            f"| {name} | {count:,} | {'' if share is None else f'{share:.2f}'} |"
            for _, name, count, share in rows.iter_rows()
        ]
    return "\n".join(lines) + "\n"
