"""Predictions of one model variant <-> the files that VLMEvalKit and lmms-eval write of theirs.

An export can be scored by other programs; an import is scored here like answers of a model that was asked: every item
has one response, and what a file lacks is an error or an empty response, never a smaller denominator.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from finer.errors import InputError
from finer.keys import stable_key
from finer.raw.records import BadItems, BadRecordError, OnBadItem, bad_record
from finer.schemas import ITEMS, RESPONSES
from finer.store import read_tables, table_from, write_text
from finer.suites.matching import Matcher
from finer.suites.predictions import LETTERS, Prediction, jsonl, read_predictions, tsv

ENGINE = "imported"
TEXTUAL = ("letter", "yes_no", "free")  # what a text answers; a likelihood is no text
_QUESTION = ["item_id", "answering", "control"]


# ---------------------------------------------------------------- export
def export_predictions(items: pl.DataFrame, responses: pl.DataFrame | None) -> list[dict[str, Any]]:
    """Return the rows of the files (see ``finer.suites.predictions``), in the order of the items.

    Questions that are answered by likelihood are left out: the files have no place for them.

    Args:
        items: ITEMS of one suite.
        responses: RESPONSES of one model variant to them; None: the questions alone, for a toolkit to ask.

    Raises:
        InputError: responses of several model variants or none to an item, blind controls, or nothing left.
    """
    _refuse_controls(items)
    asked = items.filter(pl.col("answering").is_in(TEXTUAL))
    if asked.is_empty():
        raise _likelihood(items, "a question that is answered in words")
    letters = max((len(row) for row in asked.filter(pl.col("answering") == "letter")["options"]), default=0)
    said = None if responses is None else _texts(asked, responses)
    rows = []
    for number, item in enumerate(asked.iter_rows(named=True)):
        row = _row(number, item, letters if said is not None else 0, "image_path" if said is None else "image")
        rows.append(row if said is None else {**row, "prediction": said[number]})
    return rows


def _texts(asked: pl.DataFrame, responses: pl.DataFrame) -> list[str]:
    variants = responses.select("model", "variant").unique().sort("model", "variant").rows()
    if len(variants) != 1:
        raise InputError(
            "not the responses of one model variant", field="model, variant",
            found=", ".join("@".join(one) for one in variants) or "none", expected="one",
            cure="give the file of one model",
        )  # fmt: skip
    joined = asked.join(responses.select(*_QUESTION, "text"), on=_QUESTION, how="left", maintain_order="left")
    missing = joined.filter(pl.col("text").is_null())
    if missing.height:
        raise InputError(
            f"{missing.height} item(s) without a response", row=missing["item_id"][0], field="item_id",
            expected="one response an item", cure="run the answering rule first",
        )  # fmt: skip
    return joined["text"].to_list()


def _row(number: int, item: Mapping[str, Any], letters: int, image: str) -> dict[str, Any]:
    options = item["options"] if item["answering"] == "letter" else []
    return {
        "index": number, image: ";".join(item["image_paths"]), "question": item["prompt"],
        **{letter: options[place] if place < len(options) else "" for place, letter in enumerate(LETTERS[:letters])},
        "answer": _answer(item), "category": item["grouping"], "item_id": item["item_id"],
        "group_id": item["group_id"], "answering": item["answering"],
    }  # fmt: skip


def _answer(item: Mapping[str, Any]) -> str:
    """Return what is right, as the toolkits write it."""
    if item["answering"] == "free":
        return "; ".join(item["references"] or [])
    if item["answer_index"] is None:
        return ""
    place = int(item["answer_index"])
    return LETTERS[place] if item["answering"] == "letter" else str(item["options"][place]).capitalize()


def write_predictions(
    items: Sequence[str | Path], responses: Sequence[str | Path], outputs: Sequence[str | Path]
) -> None:
    """Read the tables and write each output by its suffix: .tsv or .jsonl; without responses .tsv only."""
    rows = export_predictions(read_tables(items, ITEMS), read_tables(responses, RESPONSES) if responses else None)
    for output in outputs:
        if Path(output).suffix == ".tsv":
            write_text(output, tsv(rows))
        elif Path(output).suffix == ".jsonl" and responses:
            write_text(output, jsonl(rows))
        else:
            raise InputError("no such form of predictions", file=output, found=Path(output).suffix,
                             expected=".tsv | .jsonl (of responses)", cure="name the file otherwise")  # fmt: skip


# ---------------------------------------------------------------- import
def import_predictions(
    items: pl.DataFrame, file: str | Path, model: str, variant: str, on_bad_item: OnBadItem = "stop"
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return RESPONSES, one an item, and DROPS: rows that belong to no item, items without a row or with several.

    With ``on_bad_item: drop`` such an item has an empty response, which counts as any model's empty response does.

    Raises:
        InputError: items that a text cannot answer, a file in which no row belongs to an item, or, unless they are
            dropped, bad rows and items without exactly one row.
    """
    path = Path(file)
    _refuse_controls(items)
    if items.filter(~pl.col("answering").is_in(TEXTUAL)).height:
        raise _likelihood(items, "questions that are answered in words")
    bad = BadItems(str(items["benchmark"][0]) if items.height else "", on_bad_item)
    matcher = Matcher(items, path)
    claims = _claims(matcher, read_predictions(path, bad), bad)
    if not claims:
        raise InputError(
            "no row belongs to an item", file=path, found=bad.rows[0]["detail"] if bad.rows else "no rows",
            expected="predictions for this suite", cure="check that the file is this suite's",
        )  # fmt: skip
    texts = _settled(matcher, claims, path, bad)
    run = stable_key(hashlib.sha256(path.read_bytes()).hexdigest(), *items.select(_QUESTION).sort(_QUESTION).rows())
    rows = [
        {
            **{name: item[name] for name in _QUESTION}, "model": model, "variant": variant, "text": text,
            "option_logprobs": [], "option_mean_logprobs": None, "option_first_logprobs": None, "engine": ENGINE,
            "run_id": run,
        }
        for item, text in zip(matcher.items, texts, strict=True)
    ]  # fmt: skip
    return table_from(rows, RESPONSES), bad.table()


def _claims(matcher: Matcher, found: Sequence[Prediction], bad: BadItems) -> dict[int, list[tuple[Prediction, int]]]:
    """Return place of an item -> its rows, each with the number of items that it answers."""
    claims: dict[int, list[tuple[Prediction, int]]] = defaultdict(list)
    for row in found:
        try:
            places = matcher.find(row)
        except BadRecordError as error:
            bad.take(error, row.where)
            continue
        for place in places:
            claims[place].append((row, len(places)))
    return claims


def _settled(
    matcher: Matcher, claims: Mapping[int, Sequence[tuple[Prediction, int]]], file: Path, bad: BadItems
) -> Iterator[str]:
    """Yield the text of each item; an item without exactly one is bad and gets the empty text."""
    missing = len(matcher.items) - len(claims)
    for place, item in enumerate(matcher.items):
        rows = claims.get(place, ())
        told = f"{', '.join(item['image_paths']) or 'no image'} | {item['prompt']}"
        if not rows:
            error = bad_record(
                "no_prediction", f"{missing} item(s) without a prediction; the first", file=file, row=item["item_id"],
                field="prediction", found="no row", expected=f"one row for: {told}",
                cure="add the row, or set on_bad_item: drop to count the item as an empty response",
            )  # fmt: skip
        elif len(rows) > 1 and not _repeated(rows):
            error = bad_record(
                "prediction_twice", "an item with several predictions", file=file, row=item["item_id"],
                field="prediction", found=", ".join(row.where for row, _ in rows), expected=f"one row for: {told}",
                cure="remove all rows but one, or set on_bad_item: drop to count the item as an empty response",
            )  # fmt: skip
        else:
            yield rows[0][0].text
            continue
        bad.take(error, item["item_id"], item["image_id"])
        yield ""


def _repeated(rows: Sequence[tuple[Prediction, int]]) -> bool:
    """Tell whether the rows are the same question once for each split that asks it, answered alike."""
    return len(rows) <= min(number for _, number in rows) and len({row.text for row, _ in rows}) == 1


def _refuse_controls(items: pl.DataFrame) -> None:
    if items.filter(pl.col("control") != "none").height:
        raise InputError(
            "blind controls have no place in files of predictions", field="control",
            found=", ".join(sorted(set(items["control"]))), expected="none", cure="give the items of one suite",
        )  # fmt: skip


def _likelihood(items: pl.DataFrame, expected: str) -> InputError:
    first = items.filter(~pl.col("answering").is_in(TEXTUAL))
    return InputError(
        "the suite asks by likelihood, which a file of texts does not hold",
        row=first["item_id"][0] if first.height else None, field="answering",
        found=", ".join(sorted(set(items["answering"]))), expected=expected,
        cure="leave this suite out for models that are imported",
    )  # fmt: skip
