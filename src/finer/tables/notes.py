"""Footnotes that several tables share: what an interval is, what it covers, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from finer.stats.intervals import RARE_IMAGES
from finer.tables.labels import listed, percent
from finer.tables.shown import SCORED, Shown

COVERED = (
    "The intervals cover the sampling of images only, not the training of models (one seed each) or the making of "
    "questions."
)


def spread(rows: int) -> str:
    """Say what mean and standard deviation over rows are, where these are one training with several seeds."""
    return (
        f"Mean and standard deviation (of a sample) over the {rows} trainings, which differ in their seed only. The "
        "intervals cover the sampling of images only."
    )


def intervals(shown: Shown, outcomes: str = "right or wrong pairs occur") -> str:
    """Say what the brackets are: the rule of ``finer.stats.intervals``."""
    return (
        f"Brackets: {shown.level} interval, percentile cluster bootstrap over images; where {outcomes} in fewer than "
        f"{RARE_IMAGES} images, Wilson's interval with an effective number of pairs."
    )


def engines(shown: Shown, *ways: str) -> Iterator[str]:
    """Say what asked the models, where that is not one and the same engine, and what an API cannot be asked."""
    yield from shown.engines
    if shown.unscored and set(ways) & set(SCORED):
        yield (
            f"A dash: asked by API, which does not tell how likely an option is ({listed(shown.unscored)}); so there "
            "is no answer by text or by likelihood."
        )


def unread(rows: pl.DataFrame, shown: Shown) -> str:
    """Say which share of the answers could not be read (column ``unparsed``, percent), over all cells of a variant."""
    share = (pl.col("unparsed") * pl.col("n")).sum() / pl.col("n").sum()
    means = rows.drop_nulls("unparsed").group_by("model", "variant", maintain_order=True).agg(share=share)
    if not (means["share"] > 0).any():
        return "Every answer could be read."
    texts = [f"{percent(share)} % of {shown.title((m, v))}" for m, v, share in means.rows()]
    return f"Answers that cannot be read count as wrong: {listed(texts)}."


def counted(rows: pl.DataFrame, shown: Shown) -> Sequence[str]:
    """Return, per model variant with any, how many answers could not be read: "12 of 4,000 of <model>".

    Args:
        rows: estimates of ``unparsed_share``, each answer in one of them only; ``n``: answers.
    """
    lost = (pl.col("value") * pl.col("n") / 100).sum().round().cast(pl.Int64)
    totals = rows.group_by("model", "variant", maintain_order=True).agg(lost=lost, of=pl.col("n").sum())
    return [f"{n:,} of {of:,} of {shown.title((m, v))}" for m, v, n, of in totals.rows() if n]
