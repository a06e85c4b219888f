"""What suites of yes/no questions share: sums of hits, predictions and gold labels."""

from __future__ import annotations

import polars as pl

from finer.suites.suite import long

YES_NO = ("yes", "no")
PARTS = ("n", "right", "tp", "said", "gold", "parsed")


def yes_no_sums(judged: pl.DataFrame, cluster: str, split: str, positive: str = "yes") -> pl.DataFrame:
    """Return the long table of sums, "<split>.<part>" and "all.<part>" for each of ``PARTS``.

    A response that cannot be read is wrong and says neither yes nor no.

    Args:
        judged: items joined with verdicts of one model variant and scorer.
        cluster: column of what is resampled together.
        split: column of the split.
        positive: the label that precision and recall are about.
    """
    place = YES_NO.index(positive)
    said, gold = (pl.col("prediction") == place).fill_null(False), pl.col("answer_index") == place
    counted = judged.with_columns(
        n=pl.lit(1.0), right=pl.col("score"), tp=(said & gold), said=said, gold=gold, parsed=~pl.col("unparsed")
    ).with_columns(pl.col(list(PARTS)).cast(pl.Float64))
    parts = []
    for name, rows in [("all", counted), *((str(key[0]), rows) for key, rows in counted.group_by(split))]:
        summed = long(rows, cluster, *PARTS)
        parts.append(summed.with_columns(part=pl.format("{}.{}", pl.lit(name), "part")))
    return pl.concat(parts).sort("cluster", "part")
