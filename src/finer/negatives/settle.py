"""Rounds of negatives and their checks -> the negatives that stand: of each element those of its last round."""

from __future__ import annotations

import polars as pl

from finer.config import Negatives
from finer.schemas import DROPS, NEGATIVE_CHECKS, NEGATIVES
from finer.store import check_table, drop, table_from


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
        settled = skipped(final)
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


def skipped(negatives: pl.DataFrame) -> pl.DataFrame:
    """Return the checks of negatives that nobody looked at."""
    rows = negatives.select("element_id", "image_id", "round").unique().sort("image_id", "element_id")
    nothing = [pl.lit(None, NEGATIVE_CHECKS.columns[name]).alias(name) for name in sorted(NEGATIVE_CHECKS.nullable)]
    known = rows.with_columns(*nothing, verifier=pl.lit("none"), check=pl.lit("skipped"), run_id=pl.lit("none"))
    return check_table(known, NEGATIVE_CHECKS)


def failed(checks: pl.DataFrame) -> pl.Series:
    """Return the ids of the elements that need new negatives: the verifier was sure of a wrong phrase."""
    return checks.filter(pl.col("check") == "sure_failure")["element_id"].sort()
