"""RePOPE: POPE's questions with the labels corrected and the ambiguous ones left out.

Official files: ``coco_repope_{random,popular,adversarial}.json``, JSON lines with POPE's fields and POPE's
``question_id``, with gaps. The labels are no longer balanced. Upstream asks POPE's questions once and scores the
replies against both files; here the questions are asked again in the same words: greedy answers are the same.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from finer.raw.records import BadItems, BadRecordError
from finer.suites.files import bad_row, question_items
from finer.suites.pope import poll_rows, poll_statistics
from finer.suites.suite import Sources, Suite
from finer.suites.yes_no import YES_NO, yes_no_sums


def read(sources: Sources, bad: BadItems) -> pl.DataFrame:
    """Return ITEMS: one a line of the three files.

    Raises:
        InputError: also where two files label one question about one image differently: the corrected labels never do.
    """
    return question_items(_agreeing(poll_rows("repope", sources, bad), sources, bad), "repope", sources, bad)


def _agreeing(rows: list[dict[str, Any]], sources: Sources, bad: BadItems) -> list[dict[str, Any]]:
    first: dict[tuple[str, str], dict[str, Any]] = {}
    kept = []
    for row in rows:
        earlier = first.setdefault((row["image"], row["prompt"]), row)
        try:
            if earlier["answer_index"] != row["answer_index"]:
                raise bad_row(
                    "labels_differ", "a question with two labels", sources.raw / f"coco_repope_{row['grouping']}.json",
                    row["where"], "label", YES_NO[row["answer_index"]],
                    f"{YES_NO[earlier['answer_index']]}, as in coco_repope_{earlier['grouping']}.json",
                )  # fmt: skip
            kept.append(row)
        except BadRecordError as error:
            bad.take(error, row["key"])
    return kept


def tally(judged: pl.DataFrame) -> pl.DataFrame:
    """Return sums per image as POPE's, and ``read_gold``: questions with the answer yes whose response was read."""
    read_only = judged.with_columns(answer_index=pl.when(~pl.col("unparsed")).then("answer_index"))
    gold = yes_no_sums(read_only, "image_id", "grouping").filter(pl.col("part").str.ends_with(".gold"))
    renamed = gold.with_columns(part=pl.col("part").str.replace(".gold", ".read_gold", literal=True))
    return pl.concat([yes_no_sums(judged, "image_id", "grouping"), renamed])


# The official script counts only responses that it can read; elsewhere what cannot be read is wrong.
_COUNTED = {"official": ("parsed", "read_gold"), "toolkit": ("n", "gold"), "first_substring": ("n", "gold")}

SUITE = Suite(
    name="repope", title="RePOPE", cluster="image", read=read, tally=tally,
    scorers={"yes_no": {
        "official": "yes_before_no", "toolkit": "one_word_yes_no", "first_substring": "first_substring_yes_no",
    }},
    statistics=poll_statistics(_COUNTED), column="mean_accuracy", column_scorer="first_substring",
)  # fmt: skip
