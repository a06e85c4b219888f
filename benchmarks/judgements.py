"""Labels of what came out of held-out captions -> shares right, with intervals, and how far the two passes agree.

    python benchmarks/judgements.py

Reads tests/data/judged/*.csv (criteria: docs/judging.md) and prints the table of that page. A share is that of the
stricter reading: what either pass labelled 0 counts as wrong; the shares of each pass stand beside it. Intervals are
Wilson's at 95 %, once as if items were independent and once with an effective number of items, since the items of a
caption succeed and fail together.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from finer.stats.agreement import agreement, kappa
from finer.stats.intervals import wilson, wilson_n

JUDGED = Path(__file__).parents[1] / "tests" / "data" / "judged"
CRITERIA = (
    ("object", "right", 95), ("attribute", "right", 95), ("relation", "right", 90), ("question", "true", 90),
    ("question", "well_formed", 85), ("negative", "wrong", 90), ("negative", "plausible", 80),
)  # fmt: skip
CONFIDENCE = 0.95


def labels(path: Path) -> pl.DataFrame:
    """Return the labels of a draw: one row an item and criterion, ``first`` and ``second`` in {0, 1}."""
    return pl.read_csv(path, schema_overrides={"key": pl.String})


def row(table: pl.DataFrame, part: str, criterion: str) -> dict[str, float | int]:
    """Return what one criterion came to: n, shares in percent, interval, agreement in percent and kappa."""
    chosen = table.filter((pl.col("part") == part) & (pl.col("criterion") == criterion))
    strict = chosen.with_columns(strict=pl.min_horizontal("first", "second"))
    counted = strict.group_by("caption_id").agg(hits=pl.col("strict").sum(), trials=pl.len()).sort("caption_id")
    hits, trials = (counted[name].to_numpy().astype(np.float64)[:, None] for name in ("hits", "trials"))
    share = hits.sum(axis=0) / trials.sum(axis=0)
    low, high = wilson(share, trials.sum(axis=0), CONFIDENCE)
    wide_low, wide_high = wilson(share, wilson_n(hits, trials), CONFIDENCE)
    pairs = np.zeros((1, 2, 2))
    np.add.at(pairs[0], (chosen["first"].to_numpy(), chosen["second"].to_numpy()), 1.0)
    return {
        "n": chosen.height, "share": 100 * float(share[0]), "low": 100 * float(low[0]), "high": 100 * float(high[0]),
        "wide_low": 100 * float(wide_low[0]), "wide_high": 100 * float(wide_high[0]),
        "first": 100 * float(chosen["first"].mean()), "second": 100 * float(chosen["second"].mean()),  # type: ignore[arg-type]
        "agreement": float(agreement(pairs)[0]), "kappa": float(kappa(pairs)[0]),
    }  # fmt: skip


def markdown(table: pl.DataFrame) -> list[str]:
    """Return the lines of a draw's table."""
    lines = [
        "| label | n | pass 1 | pass 2 | both | of items | over captions | bar | same label | kappa |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for part, criterion, bar in CRITERIA:
        found = row(table, part, criterion)
        kappa_text = "-" if np.isnan(found["kappa"]) else f"{found['kappa']:.2f}"
        lines.append(
            f"| {part}: {criterion.replace('_', ' ')} | {found['n']} | {found['first']:.1f} | {found['second']:.1f} "
            f"| {found['share']:.1f} | {found['low']:.1f}-{found['high']:.1f} "
            f"| {found['wide_low']:.1f}-{found['wide_high']:.1f} | {bar} | {found['agreement']:.1f} % | {kappa_text} |"
        )
    return lines


def main() -> None:
    """Print the tables of all draws."""
    for path in sorted(JUDGED.glob("*.csv")):
        print(f"### {path.stem}\n")
        print("\n".join(markdown(labels(path))), end="\n\n")


if __name__ == "__main__":
    main()
