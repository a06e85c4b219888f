"""Verdicts and items become tallies: per statistic, cell and image, how many hits of how many trials.

A tally is all that shares and their intervals need. What cannot be read counts in the trials, never in the hits.
"""

from __future__ import annotations

import polars as pl

from finer.errors import InputError
from finer.scoring.parsers import LETTERS, YES_NO

_QUESTION = ["item_id", "answering", "control"]
CELL = [
    "model", "variant", "suite", "benchmark", "setting", "answering", "scorer", "control", "statistic", "entity_count",
]  # fmt: skip
TALLY = {
    **{name: pl.String() for name in CELL[:-1]},
    "entity_count": pl.Int64(),
    "image_id": pl.String(),
    "hits": pl.Int64(),
    "trials": pl.Int64(),
}
_WITHIN = [name for name in CELL if name not in ("statistic", "entity_count")]


def tallies(items: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Count hits and trials of every statistic (columns ``TALLY``).

    Of answers to multiple-choice questions: ``paired_accuracy`` (also by entity count), ``positive_accuracy``,
    ``negative_accuracy``, ``unparsed_share``, ``letter_a_share`` … Of answers by yes or no: ``no_share`` of wrong
    queries, ``yes_share`` of right ones, ``paired_accuracy``, ``unparsed_share``.
    Raises InputError if a pair is not one positive and one negative question about one image.
    """
    check_pairs(items)
    known = items.select(
        *_QUESTION, "suite", "benchmark", "image_id", "group_id", "polarity", "entity_count", setting="grouping"
    )
    judged = verdicts.join(known, on=_QUESTION, how="left", validate="m:1")
    if (strangers := judged.filter(pl.col("suite").is_null())).height:
        raise InputError(
            "a verdict on an item that is not in the table of items", row=strangers["item_id"][0], field="item_id",
            found=strangers["model"][0], expected="an item_id of the items", cure="score the responses again",
        )  # fmt: skip
    choices = judged.filter(pl.col("answering") != "yes_no").partition_by("answering")
    words = judged.filter(pl.col("answering") == "yes_no")
    parts = [*(part for chosen in choices for part in _of_choices(chosen)), *_of_yes_no(words)]
    return pl.concat(parts).sort(*CELL, "image_id")


def only(items: pl.DataFrame, verdicts: pl.DataFrame, benchmark: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return items and verdicts of one benchmark, or all if none is named. Verdicts on unknown items stay, to be seen.

    Raises InputError if no item is of the benchmark.
    """
    if not benchmark:
        return items, verdicts
    here = items.filter(pl.col("benchmark") == benchmark)
    if here.is_empty():
        raise InputError(
            "no items of this benchmark", field="benchmark", found=benchmark,
            expected=" | ".join(items["benchmark"].unique().sort()), cure="give its items",
        )  # fmt: skip
    others = items.filter(pl.col("benchmark") != benchmark)
    return here, verdicts.join(others, on=_QUESTION, how="anti")


def check_pairs(items: pl.DataFrame) -> None:
    """Raise InputError unless every group is one positive and one negative question of one image and cell."""
    columns = ["suite", "benchmark", "group_id", "answering", "control"]
    pairs = items.group_by(columns).agg(
        positive=(pl.col("polarity") == "positive").sum(),
        negative=(pl.col("polarity") == "negative").sum(),
        questions=pl.len(),
        places=pl.struct("image_id", "grouping", "entity_count").n_unique(),
    )
    whole = (pl.col("positive") == 1) & (pl.col("negative") == 1) & (pl.col("questions") == 2) & (pl.col("places") == 1)
    if (broken := pairs.filter(~whole).sort(columns)).height:
        row = broken.row(0, named=True)
        raise InputError(
            "not a pair", row=row["group_id"], field="group_id",
            found=f"{row['positive']} positive, {row['negative']} negative, {row['places']} image(s) or cell(s)",
            expected="one positive and one negative question about one image, in one cell", cure="rebuild the items",
        )  # fmt: skip


def _of_choices(judged: pl.DataFrame) -> list[pl.DataFrame]:
    pairs = _pairs(judged)
    right = pl.col("score") == 1
    return [
        _tally(pairs, "paired_accuracy", pl.col("both")),
        _tally(pairs.drop_nulls("entity_count"), "paired_accuracy", pl.col("both"), by_count=True),
        _tally(judged.filter(pl.col("polarity") == "positive"), "positive_accuracy", right),
        _tally(judged.filter(pl.col("polarity") == "negative"), "negative_accuracy", right),
        _tally(judged, "unparsed_share", pl.col("unparsed")),
        *(
            _tally(judged, f"letter_{letter.lower()}_share", pl.col("prediction") == position)
            for position, letter in enumerate(LETTERS)
        ),
    ]


def _of_yes_no(judged: pl.DataFrame) -> list[pl.DataFrame]:
    yes, no = (pl.col("prediction") == YES_NO.index(word) for word in YES_NO)
    return [
        _tally(judged.filter(pl.col("polarity") == "negative"), "no_share", no),
        _tally(judged.filter(pl.col("polarity") == "positive"), "yes_share", yes),
        _tally(_pairs(judged), "paired_accuracy", pl.col("both")),
        _tally(judged, "unparsed_share", pl.col("unparsed")),
    ]


def _pairs(judged: pl.DataFrame) -> pl.DataFrame:
    """One row a pair and model: whether both questions are right."""
    return judged.group_by([*_WITHIN, "group_id", "image_id", "entity_count"]).agg(both=(pl.col("score") == 1).all())


def _tally(rows: pl.DataFrame, statistic: str, hit: pl.Expr, by_count: bool = False) -> pl.DataFrame:
    count = pl.col("entity_count") if by_count else pl.lit(None, dtype=pl.Int64).alias("entity_count")
    cells = rows.with_columns(count, statistic=pl.lit(statistic), hit=hit.fill_null(False))
    counted = cells.group_by([*CELL, "image_id"]).agg(
        hits=pl.col("hit").sum().cast(pl.Int64), trials=pl.len().cast(pl.Int64)
    )
    return counted.select(list(TALLY)).cast(dict(TALLY))  # type: ignore[arg-type]
