"""The same questions asked by two engines -> how often they say the same letter, how far log-probabilities lie apart.

An engine may also be compared with a path of itself: "transformers:plain" (question by question instead of sharing the
image), "transformers:pil" and "transformers:torchvision" (what resizes images).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from finer.config import Evaluation
from finer.config.engines import ENGINES
from finer.errors import InputError
from finer.keys import stable_key
from finer.mllm import registry
from finer.mllm.answering import query_of
from finer.mllm.registry import Checkpoint
from finer.mllm.runs import Stopwatch, frame_digest, run_row, versions
from finer.schemas import ITEMS, PARITY, RUNS
from finer.scoring.parsers import strict_letter
from finer.store import atomic_path, read_tables, table_from, write_table

if TYPE_CHECKING:
    from finer.mllm.questions import Answer, Engine

DECIMALS = 6
PATHS = ("plain", "pil", "torchvision")  # of the transformers engine


@dataclass(frozen=True)
class Way:
    """An engine, and a path of it or ""."""

    engine: str
    path: str = ""

    @classmethod
    def read(cls, text: str) -> Way:
        """Read "engine" or "engine:path".

        Raises:
            InputError: there is no such engine or path.
        """
        engine, _, path = text.partition(":")
        if engine not in ENGINES or (path and (engine != "transformers" or path not in PATHS)):
            known = [*ENGINES, *(f"transformers:{one}" for one in PATHS)]
            raise InputError("no such engine", field="engines", found=text, expected=" | ".join(known))
        return cls(engine, path)

    def of(self, checkpoint: Checkpoint, settings: Evaluation) -> tuple[Checkpoint, Evaluation]:
        """Return a model and the settings as this way asks it.

        Raises:
            InputError: the model has no API, or no checkpoint.
        """
        if self.engine == "http" and checkpoint.api is None:
            raise InputError(
                "this model has no API to compare with", field=f"models.{checkpoint.name}", found="no chat",
                expected="engine: http, chat: a model of chat.models, and family and path of the checkpoint it serves",
                cure="see docs/new-model.md",
            )  # fmt: skip
        changed = checkpoint.model_copy(update={"engine": self.engine})
        if self.path in ("pil", "torchvision"):
            changed = changed.model_copy(update={"image_backend": self.path})
        return changed, settings.model_copy(update={"prefix_reuse": False}) if self.path == "plain" else settings


def compare_engines(
    asked: Sequence[str | Path], ways: Sequence[Way], checkpoint: Checkpoint, settings: Evaluation, code: str,
    load: Callable[[Checkpoint, Evaluation], Engine] = registry.engine,
) -> tuple[pl.DataFrame, pl.DataFrame]:  # fmt: skip
    """Ask a model some lettered questions in two ways; return the row of PARITY and the job's row of RUNS.

    Args:
        asked: files of ITEMS; ``settings.parity.items`` of their lettered questions are asked, drawn by their keys.

    Raises:
        InputError: not two ways, or no lettered questions.
    """
    if len(set(ways)) != 2:
        raise InputError("two engines are compared", field="engines", found=len(set(ways)), expected="two, different")
    watch = Stopwatch()
    items = lettered(read_tables(asked, ITEMS), settings.parity.items)
    answers, names = [], []
    for way in ways:
        engine = load(*way.of(checkpoint, settings))
        answers.append(engine.answer([query_of(row) for row in items.to_dicts()], settings.max_new_tokens))
        names.append(f"{engine.name} {way.path}".strip())
        del engine
        _free()
    run_id = stable_key("parity", checkpoint.name, frame_digest(items), *names, checkpoint.numerics, code, versions())
    row = {"model": checkpoint.name, "engine": names[0], "other": names[1], "items": items.height, "run_id": run_id}
    run = run_row(
        run_id, "parity", watch, config_hash=stable_key(settings.model_dump_json(), checkpoint.numerics),
        code_hash=code, model=checkpoint.name, prompt_hash=frame_digest(items), items=items.height,
        engine=" / ".join(names), numerics=checkpoint.numerics, source=checkpoint.source(),
    )  # fmt: skip
    return table_from([row | agreement(*answers)], PARITY), run


def lettered(items: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return so many lettered questions with their image, drawn by their keys, those of an image together."""
    found = items.filter(pl.col("answering") == "letter", pl.col("control") == "none").sort("item_id").head(count)
    if found.is_empty():
        raise InputError(
            "no lettered question", field="answering", found="0 items", expected="items of the FINER suite"
        )
    return found.sort(pl.col("image_paths").list.join(""), "item_id")


def agreement(ours: Sequence[Answer], theirs: Sequence[Answer]) -> dict[str, float | int | None]:
    """Return ``agreement`` in percent, and the gaps of the log-probabilities that both tell.

    Two answers that are no letters agree if they are the same text.
    """
    texts = pl.DataFrame({"a": [one.text for one in ours], "b": [one.text for one in theirs]})
    letters = texts.select(
        "a", "b", x=strict_letter(pl.col("a")), y=strict_letter(pl.col("b"))
    ).with_columns(same_text=pl.col("a").str.strip_chars() == pl.col("b").str.strip_chars())  # fmt: skip
    same = letters.select((pl.col("x") == pl.col("y")).fill_null(False) | pl.col("same_text")).to_series()
    gaps = [
        abs(x - y)
        for one, other in zip(ours, theirs, strict=True)
        for x, y in zip(one.logprobs, other.logprobs, strict=False)  # an engine that tells none has none
        if x is not None and y is not None
    ]
    told = {"largest_gap": max(gaps), "mean_gap": sum(gaps) / len(gaps)} if gaps else {}
    return {"agreement": 100 * same.mean(), "compared": len(gaps), **told}  # type: ignore[dict-item,operator]


def write_parity(parity: pl.DataFrame, run: pl.DataFrame, outputs: Sequence[str | Path], run_file: str | Path) -> None:
    """Write PARITY as .parquet or .csv by the suffix of each output, and the job's row of RUNS."""
    write_table(run, RUNS, run_file)
    for output in outputs:
        if Path(output).suffix == ".csv":
            with atomic_path(output) as partial:
                parity.with_columns(pl.col(pl.Float64).round(DECIMALS)).write_csv(partial)
        else:
            write_table(parity, PARITY, output)


def _free() -> None:
    """Give the memory of an engine back before the next one is loaded."""
    gc.collect()
    try:
        import torch
    except ImportError:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
