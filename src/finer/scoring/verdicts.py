"""Items and responses become verdicts: one row a response and scorer, right or wrong, nothing dropped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from finer.errors import InputError
from finer.schemas import ITEMS, RESPONSES, VERDICTS
from finer.scoring.parsers import LETTERS, PARSERS, YES_NO
from finer.store import check_table, read_tables, write_table

_QUESTION = ["item_id", "answering", "control"]
_MODEL = ["model", "variant"]


def score_responses(items: Sequence[str | Path], responses: Sequence[str | Path], output: str | Path) -> None:
    """Read item and response files (each list is one table in parts) and write their verdicts."""
    write_table(verdicts(read_tables(items, ITEMS), read_tables(responses, RESPONSES)), VERDICTS, output)


def verdicts(items: pl.DataFrame, responses: pl.DataFrame) -> pl.DataFrame:
    """Judge every response with every scorer of its way of answering (``finer.scoring.parsers.PARSERS``).

    ``score`` is 1.0 if the option that was read is the right one, else 0.0; what cannot be read, and a letter
    beyond the options, is ``unparsed`` and therefore wrong. Rows: responses x scorers, sorted by key.
    Items that an engine cannot ask (a response without a text) get no verdict.
    Raises InputError unless every model variant answered every item exactly once, and nothing else.
    """
    check_answer_keys(items)
    check_complete(items, responses)
    joined = responses.filter(pl.col("text").is_not_null()).join(
        items.select(*_QUESTION, "options", "answer_index"), on=_QUESTION, how="inner"
    )
    judged = [
        _judge(joined.filter(pl.col("answering") == answering), scorer)
        for answering in joined["answering"].unique().sort()
        for scorer in PARSERS[answering]
    ]
    result = pl.concat(judged).sort(VERDICTS.key) if judged else VERDICTS.empty()
    return check_table(result, VERDICTS)


def check_answer_keys(items: pl.DataFrame) -> None:
    """Raise InputError if a right answer is not among the options or the parser cannot know the options."""
    outside = items.filter((pl.col("answer_index") < 0) | (pl.col("answer_index") >= pl.col("options").list.len()))
    if outside.height:
        raise InputError(
            "the right answer is not one of the options", row=outside["item_id"][0], field="answer_index",
            found=outside["answer_index"][0], expected="0 .. number of options - 1", cure="rebuild the items",
        )  # fmt: skip
    letters = (pl.col("answering") == "letter") & (pl.col("options").list.len() > len(LETTERS))
    words = (pl.col("answering") == "yes_no") & (pl.col("options") != list(YES_NO))
    misfits = items.filter(letters | words)
    if misfits.height:
        raise InputError(
            "the parser does not know these options", row=misfits["item_id"][0], field="options",
            found=misfits["options"][0].to_list(), expected=f"letter: at most {len(LETTERS)}; yes_no: {list(YES_NO)}",
            cure="rebuild the items",
        )  # fmt: skip


def check_complete(items: pl.DataFrame, responses: pl.DataFrame) -> None:
    """Raise InputError unless each (model, variant) has exactly one response to each item, and to no other."""
    twice = responses.filter(responses.select(*_QUESTION, *_MODEL).is_duplicated())
    if twice.height:
        raise _contract("an item was answered twice", twice, "one response an item and model variant")
    strangers = responses.join(items, on=_QUESTION, how="anti")
    if strangers.height:
        raise _contract("a response to an item that is not in the table of items", strangers, "an item_id of the items")
    if responses.is_empty() and items.height:
        raise InputError("no responses at all", found="0 rows", expected=f"{items.height} a model variant",
                         cure="run the answering rule first")  # fmt: skip
    wanted = responses.select(_MODEL).unique().join(items.select(_QUESTION), how="cross")
    missing = wanted.join(responses, on=[*_QUESTION, *_MODEL], how="anti").sort(*_MODEL, *_QUESTION)
    if missing.height:
        raise _contract(f"{missing.height} item(s) without a response", missing, "one response an item")


def _contract(message: str, rows: pl.DataFrame, expected: str) -> InputError:
    first = rows.row(0, named=True)
    return InputError(
        message, row=first["item_id"], field="item_id", expected=expected,
        found=", ".join(f"{name}={first[name]}" for name in (*_MODEL, "answering", "control")),
        cure="delete the responses of this model and ask again",
    )  # fmt: skip


def _judge(joined: pl.DataFrame, scorer: str) -> pl.DataFrame:
    if joined.is_empty():
        return VERDICTS.empty()
    columns, parse = PARSERS[joined["answering"][0]][scorer]
    read = parse(*map(pl.col, columns))
    known = pl.when(read < pl.col("options").list.len()).then(read)
    return joined.with_columns(scorer=pl.lit(scorer), prediction=known).select(
        *_QUESTION[:1], *_MODEL, *_QUESTION[1:], "scorer", "prediction",
        score=(pl.col("prediction") == pl.col("answer_index")).fill_null(False).cast(pl.Float64),
        unparsed=pl.col("prediction").is_null(),
        read=pl.lit(None, pl.String), parts=pl.lit(None, VERDICTS.columns["parts"]),
    )  # fmt: skip
