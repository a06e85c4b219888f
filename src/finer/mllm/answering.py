"""Item sets x one model -> responses: the model is loaded once, blocks are kept, what made them is recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from finer.config import Evaluation
from finer.errors import InputError
from finer.keys import stable_key
from finer.mllm import registry
from finer.mllm.registry import Checkpoint
from finer.mllm.runs import Stopwatch, frame_digest, run_row, versions
from finer.mllm.shards import Parts, cut, progress_bar
from finer.schemas import ITEMS, RESPONSES, RUNS
from finer.store import read_table, table_from, write_table

if TYPE_CHECKING:
    from finer.mllm.engine import Engine, Query

LETTERS = "ABCDE"
ASKING = {"prefix_reuse", "batch_tokens", "shard_items", "max_new_tokens"}  # settings that may move a number
ASKED = ("item_id", "image_paths", "prompt", "answering", "options", "control")  # what the responses depend on


def answer_items(
    items: Sequence[str | Path],
    outputs: Sequence[str | Path],
    run: str | Path,
    checkpoint: Checkpoint,
    settings: Evaluation,
    code: str,
    variant: str = "base",
    load: Callable[[Checkpoint, Evaluation], Engine] = registry.engine,
) -> None:
    """Ask one model every question of some item sets; write RESPONSES per set and the job's row of RUNS.

    A job that was killed goes on where it stopped. The files appear when all sets are answered.

    Args:
        items: files of ITEMS.
        outputs: one file of RESPONSES each.
        run: file of RUNS.
        code: fingerprint of the code that runs.
        load: makes the engine; called only if questions are left to ask.

    Raises:
        InputError: an item that this stage cannot ask, or an image that cannot be read.
    """
    watch = Stopwatch()
    sets = [_sorted(read_table(path, ITEMS), path) for path in items]
    revision = checkpoint.revision()
    prompt_hash = stable_key(*(frame_digest(frame) for frame in sets))
    config_hash = stable_key(settings.model_dump_json(include=ASKING), checkpoint.numerics)
    run_id = stable_key("answer", checkpoint.name, revision, variant, prompt_hash, config_hash, code, versions())

    @cache
    def engine() -> Engine:
        return load(checkpoint, settings)

    def compute(block: pl.DataFrame) -> pl.DataFrame:
        return respond(block, engine(), settings.max_new_tokens, checkpoint.name, variant, run_id)

    blocks = [cut(frame, settings.shard_items) for frame in sets]
    parts = [
        Parts(output, RESPONSES, stable_key(run_id, frame_digest(frame)), len(some))
        for frame, output, some in zip(sets, outputs, blocks, strict=True)
    ]
    done = sum(some[number].height for part, some in zip(parts, blocks, strict=True) for number in part.done())
    with progress_bar(sum(frame.height for frame in sets), f"{checkpoint.name} answers", done) as bar:
        for part, some in zip(parts, blocks, strict=True):
            part.fill(some, compute, lambda block: bar.update(block.height))
    # Only now: whoever cleans up after a failed job removes finished outputs, and the parts must survive that.
    for part in parts:
        part.assemble()
    row = run_row(
        run_id, "answer", watch, config_hash=config_hash, code_hash=code, model=checkpoint.name,
        model_revision=revision, variant=variant, prompt_hash=prompt_hash, items=sum(frame.height for frame in sets),
    )  # fmt: skip
    write_table(row, RUNS, run)
    for part in parts:
        part.discard()


def _sorted(frame: pl.DataFrame, path: str | Path) -> pl.DataFrame:
    """Return the items with all questions of an image together; refuse those that cannot be asked here."""
    unfit = frame.filter(
        ~pl.col("answering").is_in(["letter", "yes_no", "likelihood"])
        | (pl.col("image_paths").list.len() > 1)
        | (pl.col("options").list.len() > len(LETTERS))
    )
    if unfit.height:
        row = unfit.row(0, named=True)
        raise InputError(
            "an item that cannot be asked", file=path, row=row["item_id"],
            found=f"answering {row['answering']}, {len(row['image_paths'])} images, {len(row['options'])} options",
            expected=f"letter, yes_no or likelihood, at most one image and {len(LETTERS)} options",
            cure="rebuild the items",
        )  # fmt: skip
    first = pl.col("image_paths").list.get(0, null_on_oob=True).fill_null("")
    return frame.sort(first, "item_id", "answering", "control").select(ASKED)


def respond(
    block: pl.DataFrame, engine: Engine, max_new_tokens: int, model: str, variant: str, run_id: str
) -> pl.DataFrame:
    """Ask the items of one block (columns ``ASKED``) in one go; return their RESPONSES in the same order."""
    asked = block.to_dicts()
    scored = [row for row in asked if row["answering"] == "likelihood"]
    spoken = [row for row in asked if row["answering"] != "likelihood"]
    got: dict[tuple[object, ...], tuple[str, Sequence[float], Sequence[float] | None]] = {}
    for row, answer in zip(spoken, engine.answer([_query(row) for row in spoken], max_new_tokens), strict=True):
        got[_key(row)] = answer.text, answer.logprobs, None
    options = [row["options"] for row in scored]
    for row, scores in zip(scored, engine.score_continuations([_query(row) for row in scored], options), strict=True):
        got[_key(row)] = "", scores.sums, scores.means
    rows = []
    for row in asked:
        text, logprobs, means = got[_key(row)]
        rows.append({
            "item_id": row["item_id"], "model": model, "variant": variant, "answering": row["answering"],
            "control": row["control"], "text": text, "option_logprobs": list(logprobs),
            "option_mean_logprobs": None if means is None else list(means), "engine": engine.name, "run_id": run_id,
        })  # fmt: skip
    return table_from(rows, RESPONSES)


def _key(row: dict[str, object]) -> tuple[object, ...]:
    return row["item_id"], row["answering"], row["control"]


def _query(row: dict[str, object]) -> Query:
    from finer.mllm.engine import Query

    options, images = row["options"], row["image_paths"]
    assert isinstance(options, list) and isinstance(images, list), "as the schema says"
    # A letter stands for its option; yes and no are written as a sentence would begin.
    labels = tuple(LETTERS[: len(options)]) if row["answering"] == "letter" else tuple(map(str.capitalize, options))
    return Query(str(row["item_id"]), Path(images[0]) if images else None, str(row["prompt"]), labels)
