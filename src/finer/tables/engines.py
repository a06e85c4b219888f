"""Which engines asked the models of a table, and whether they were shown to agree: else there is no table.

A table compares models. If some were asked by another engine, a difference may be the engine's; so each of these models
has to be asked by both engines first, with letters and log-probabilities that agree (``python -m finer parity``). A
model that only an API has cannot be; a footnote says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from finer.config.engines import to_compare, within
from finer.errors import InputError
from finer.schemas import PARITY, RUNS
from finer.store import read_tables
from finer.tables.labels import listed, percent
from finer.tables.shown import Shown, Subject, row_name


def with_engines(shown: Shown, runs: Sequence[str | Path], parity: Sequence[str | Path]) -> Shown:
    """Read RUNS of the jobs that asked, and PARITY; return what is shown with footnotes on its engines.

    Raises:
        InputError: models that different engines asked and that were not compared, or do not agree.
    """
    asked = read_tables(runs, RUNS).filter(pl.col("verb") == "answer", pl.col("engine").is_not_null())
    names = {(row["model"], row["variant"]): row["engine"] for row in asked.iter_rows(named=True)}
    here = {subject: names[subject] for subject in shown.order if subject in names}
    return replace(shown, engines=tuple(_footnotes(shown, here, read_tables(parity, PARITY))))


def _footnotes(shown: Shown, names: Mapping[Subject, str], parity: pl.DataFrame) -> list[str]:
    """Return what there is to say of the engines of some rows; nothing if one engine asked all of them."""
    notes = []
    known = {one: name for one, name in names.items() if shown.name(one).comparable}
    usual, others = to_compare({row_name(one): _kind(name) for one, name in known.items()})
    versions = {name for name in known.values() if _kind(name) == usual}
    checked: dict[str, str] = {}
    for subject, name in known.items():
        if row_name(subject) in others:
            checked.setdefault(subject[0], _checked(shown, subject[0], name, versions, parity))
    if checked:
        notes.append(f"Engine: {listed(sorted(versions))}. {' '.join(checked.values())}")
    alone = [one for one in names if one not in known]
    if alone:
        titles = listed([shown.title(one) for one in alone])
        notes.append(f"Asked by API: {titles}. There is no checkpoint that another engine could ask and be compared.")
    return notes


def _kind(name: str) -> str:
    return name.partition(" ")[0]


def _checked(shown: Shown, model: str, name: str, versions: set[str], parity: pl.DataFrame) -> str:
    """Return what comparing a model's engine with the usual one gave."""
    title = shown.title((model, "base")) if model in shown.models else model
    pairs = [{"engine": one, "other": other} for v in versions for one, other in ((v, name), (name, v))]
    found = parity.filter(pl.col("model") == model).join(
        pl.DataFrame(pairs, schema={"engine": pl.String, "other": pl.String}), on=["engine", "other"], how="semi"
    )
    usual = next(iter(sorted(versions)))
    if found.is_empty():
        raise _refused(
            "models of one table were asked by engines that were not compared", model, name, usual,
            f"{model}: {name}; others: {usual}",
        )  # fmt: skip
    row = found.row(0, named=True)
    if not within(row, **shown.parity):
        raise _refused(
            "models of one table were asked by engines that do not agree", model, name, usual,
            f"{percent(row['agreement'])} % of {row['items']} letters the same, largest gap {row['largest_gap']}",
        )  # fmt: skip
    return f"{title} by {name}: {_agreement(row)}."


def _agreement(row: Mapping[str, Any]) -> str:
    letters = f"both say the same letter to {percent(row['agreement'])} % of {row['items']} questions"
    if row["largest_gap"] is None:
        return f"{letters}; it tells no log-probabilities"
    return f"{letters}, and the letters' log-probabilities differ by at most {row['largest_gap']:.2g}"


def _refused(message: str, model: str, name: str, usual: str, found: str) -> InputError:
    return InputError(
        message, row=model, field="engine", found=found,
        expected="one engine for all models, or a comparison within evaluation.parity",
        cure=f"python -m finer parity --config config.yaml --model {model} --engines {_kind(usual)} {_kind(name)}"
        f" --out parity.parquet --run parity.run.parquet (or the workflow's target parity/{model}.parquet), or ask all "
        "by one engine",
    )  # fmt: skip
