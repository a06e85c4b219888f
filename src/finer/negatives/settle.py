"""Rounds of negatives and their checks -> the negatives that stand: of each element those of its last round."""

from __future__ import annotations

import polars as pl

from finer.config import Negatives
from finer.schemas import DROPS, NEGATIVE_CHECKS, NEGATIVES
from finer.store import check_table, drop, table_from

UNVERIFIED = "unverified"  # run id of checks that nothing made


def settle(
    negatives: pl.DataFrame, checks: pl.DataFrame, settings: Negatives, benchmark: str
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return the final negatives, the check of each element's last round, and what was dropped.

    Args:
        negatives: NEGATIVES of all rounds.
        checks: NEGATIVE_CHECKS of all rounds; empty if nothing was verified, which is then recorded as skipped.
        settings: ``unresolved`` decides on elements whose last check failed: kept with the failure in
            ``check``, or dropped and recorded.
        benchmark: name for the record of drops.
    """
    last = negatives.group_by("element_id").agg(pl.col("round").max())
    final = negatives.join(last, on=["element_id", "round"], how="semi")
    if settings.verification == "none":
        settled = _skipped(final)
    else:
        settled = checks.join(last, on=["element_id", "round"], how="semi")
    failed = settled.filter(pl.col("check").is_in(["sure_failure", "unsure_failure"]))
    drops = DROPS.empty()
    if settings.unresolved == "drop":
        drops = table_from(
            [
                drop("settle", benchmark, row["element_id"], row["check"], row["image_id"])
                for row in failed.sort("element_id").iter_rows(named=True)
            ],
            DROPS,
        )
        final = final.join(failed, on="element_id", how="anti")
        settled = settled.join(failed, on="element_id", how="anti")
    return (
        check_table(final.sort("element_id", "rank"), NEGATIVES),
        check_table(settled.sort("element_id"), NEGATIVE_CHECKS),
        drops,
    )


def _skipped(final: pl.DataFrame) -> pl.DataFrame:
    return final.select("element_id", "image_id", "round").unique().with_columns(
        verifier=pl.lit("none"),
        check=pl.lit("skipped"),
        picked=pl.lit(None, pl.Int64),
        probabilities=pl.lit(None, pl.List(pl.Float64)),
        entropy=pl.lit(None, pl.Float64),
        letters=pl.lit(None, pl.List(pl.String)),
        run_id=pl.lit(UNVERIFIED),
    )  # fmt: skip
