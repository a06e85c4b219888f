"""Items of a draw and the two label files of blind judges -> tests/data/judged/<name>.csv.

    python benchmarks/judging_labels.py ITEMS.csv LABELS_A.csv LABELS_B.csv NAME

ITEMS: item, caption_id, part, start, end, key. LABELS: item, label_1, label_2 (label_2 empty for elements). Every item
must be labelled 0 or 1 for each of its criteria by both; otherwise nothing is written.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from finer.errors import InputError

JUDGED = Path(__file__).parents[1] / "tests" / "data" / "judged"
CRITERIA = {"question": ("true", "well_formed"), "negative": ("wrong", "plausible")}


def read_labels(path: Path) -> dict[str, tuple[str, str]]:
    """Return the two labels by item, as written."""
    table = pl.read_csv(path, infer_schema=False).fill_null("")
    return {
        item: (one.strip(), two.strip()) for item, one, two in table.select("item", "label_1", "label_2").iter_rows()
    }


def join(items: pl.DataFrame, passes: list[tuple[Path, dict[str, tuple[str, str]]]]) -> pl.DataFrame:
    """Return one row an item and criterion, with the labels of both passes.

    Raises:
        InputError: a label is missing or neither 0 nor 1.
    """
    rows = []
    for item in items.iter_rows(named=True):
        for place, criterion in enumerate(CRITERIA.get(item["part"], ("right",))):
            given = []
            for path, labels in passes:
                label = labels.get(item["item"], ("", ""))[place]
                if label not in {"0", "1"}:
                    raise InputError(
                        "an item has no label", file=str(path), row=item["item"], field=f"label_{place + 1}",
                        found=label, expected="0 or 1", cure="label every item of the sheet",
                    )  # fmt: skip
                given.append(int(label))
            rows.append([item[name] for name in ("caption_id", "part")] + [criterion]
                        + [item[name] for name in ("start", "end", "key")] + given)  # fmt: skip
    names = ["caption_id", "part", "criterion", "start", "end", "key", "first", "second"]
    return pl.DataFrame(rows, schema=names, orient="row").sort("caption_id", "part", "criterion", "key")


def main(items: str, one: str, two: str, name: str) -> None:
    """Write the labels of a draw."""
    passes = [(Path(path), read_labels(Path(path))) for path in (one, two)]
    join(pl.read_csv(items, infer_schema=False), passes).write_csv(JUDGED / f"{name}.csv")


if __name__ == "__main__":
    main(*sys.argv[1:5])
