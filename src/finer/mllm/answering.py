"""Item sets x one model -> responses: the model is loaded once, blocks are kept, what made them is recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from finer.config import Evaluation
from finer.errors import InputError
from finer.firstwords import said
from finer.keys import stable_key
from finer.mllm import registry
from finer.mllm.registry import Checkpoint
from finer.mllm.runs import Stopwatch, frame_digest, run_row, versions
from finer.mllm.shards import Parts, cut
from finer.progress import progress_bar
from finer.schemas import ANSWERING, ITEMS, RESPONSES, RUNS
from finer.store import read_table, table_from, write_table

if TYPE_CHECKING:
    from finer.mllm.engine import Answer, Engine, Query, Scores

LETTERS = "ABCDE"
ASKING = {"prefix_reuse", "batch_tokens", "shard_items", "max_new_tokens"}  # settings that may move a number
#: what the responses depend on
ASKED = ("item_id", "image_paths", "prompt", "answering", "options", "control", "max_new_tokens")
SCORED = ("text", "likelihood")  # ways of answering that read the log-probabilities of whole options


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
    adapter = checkpoint.adapter_revision()
    added = () if adapter is None else (adapter, versions("peft"))
    run_id = stable_key(
        "answer", checkpoint.name, revision, variant, prompt_hash, config_hash, code, versions(), *added
    )

    @cache
    def engine() -> Engine:
        return load(checkpoint, settings)

    def compute(block: pl.DataFrame) -> pl.DataFrame:
        return respond(block, engine(), settings.max_new_tokens, checkpoint.name, variant, run_id)

    blocks = [cut(frame, settings.shard_items, _together(frame)) for frame in sets]
    parts = [
        Parts(output, RESPONSES, stable_key(run_id, frame_digest(frame)), len(some))
        for frame, output, some in zip(sets, outputs, blocks, strict=True)
    ]
    done = sum(some[number].height for part, some in zip(parts, blocks, strict=True) for number in part.done())
    with progress_bar(sum(frame.height for frame in sets), f"{checkpoint.name} answers", done) as bar:
        for part, some in zip(parts, blocks, strict=True):
            part.fill(some, compute, lambda block: bar.update(block.height))
    for part in parts:  # only now: whoever cleans up after a failed job removes finished outputs, and parts must stay
        part.assemble()
    row = run_row(
        run_id, "answer", watch, config_hash=config_hash, code_hash=code, model=checkpoint.name,
        model_revision=revision, variant=variant, adapter_revision=adapter, prompt_hash=prompt_hash,
        items=sum(frame.height for frame in sets),
    )  # fmt: skip
    write_table(row, RUNS, run)
    for part in parts:
        part.discard()


def _sorted(frame: pl.DataFrame, path: str | Path) -> pl.DataFrame:
    """Return the items with all questions of an image together; refuse those that cannot be asked here."""
    unfit = frame.filter(
        ~pl.col("answering").is_in(ANSWERING)
        | (pl.col("image_paths").list.len() > 1)
        | (pl.col("options").list.len() > len(LETTERS))
    )
    if unfit.height:
        row = unfit.row(0, named=True)
        raise InputError(
            "an item that cannot be asked", file=path, row=row["item_id"],
            found=f"answering {row['answering']}, {len(row['image_paths'])} images, {len(row['options'])} options",
            expected=f"{' | '.join(ANSWERING)}, at most one image and {len(LETTERS)} options",
            cure="rebuild the items",
        )  # fmt: skip
    return frame.sort(_image(), "item_id", "answering", "control").select(ASKED)


def _image() -> pl.Expr:
    return pl.col("image_paths").list.get(0, null_on_oob=True).fill_null("")


def _together(frame: pl.DataFrame) -> pl.Series:
    """Name what a block must not split: the questions of an image; without one, the ways of answering a question."""
    return frame.select(pl.when(_image() == "").then("item_id").otherwise(_image())).to_series()


def respond(
    block: pl.DataFrame, engine: Engine, max_new_tokens: int, model: str, variant: str, run_id: str
) -> pl.DataFrame:
    """Ask the items of one block (columns ``ASKED``) in one go; return their RESPONSES in the same order."""
    asked = block.to_dicts()
    by_length: dict[int, list[dict[str, Any]]] = {}
    for row in asked:
        if row["answering"] not in SCORED:
            by_length.setdefault(row["max_new_tokens"] or max_new_tokens, []).append(row)
    got: dict[tuple[object, ...], dict[str, object]] = {}
    for length, spoken in by_length.items():
        answers = engine.answer([_query(row) for row in spoken], length)
        got |= {_key(row): _spoken(answer) for row, answer in zip(spoken, answers, strict=True)}
    # One pass serves all ways of answering that ask the same.
    scored = {_question(row): row for row in asked if row["answering"] in SCORED}
    options = [row["options"] for row in scored.values()]
    scores = engine.score_continuations([_query(row) for row in scored.values()], options)
    found = dict(zip(scored, scores, strict=True))
    got |= {_key(row): _scored(row, found[_question(row)]) for row in asked if row["answering"] in SCORED}
    rows = [
        {"item_id": row["item_id"], "model": model, "variant": variant, "answering": row["answering"],
         "control": row["control"], **got[_key(row)], "engine": engine.name, "run_id": run_id}
        for row in asked
    ]  # fmt: skip
    return table_from(rows, RESPONSES)


def _spoken(answer: Answer) -> dict[str, object]:
    return {"text": answer.text, "option_logprobs": answer.logprobs}


def _scored(row: Mapping[str, Any], scores: Scores) -> dict[str, object]:
    both: dict[str, object] = {"option_logprobs": scores.sums, "option_mean_logprobs": scores.means}
    if row["answering"] == "likelihood":
        return {"text": "", **both}
    place = said(row["options"], scores.firsts, scores.sums)
    spoken = "" if place is None else row["options"][place]
    return {"text": spoken, **both, "option_first_logprobs": scores.firsts}


def _key(row: Mapping[str, Any]) -> tuple[object, ...]:
    return row["item_id"], row["answering"], row["control"]


def _question(row: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what the log-probabilities of a row's options depend on."""
    return *row["image_paths"], row["prompt"], tuple(row["options"]), row["control"]


def _query(row: Mapping[str, Any]) -> Query:
    from finer.mllm.engine import Query

    # A letter stands for its option; yes and no are written as a sentence would begin.
    options = row["options"]
    labels: dict[str, Sequence[str]] = {"letter": LETTERS[: len(options)], "yes_no": [*map(str.capitalize, options)]}
    image = Path(row["image_paths"][0]) if row["image_paths"] else None
    return Query(row["item_id"], image, row["prompt"], tuple(labels.get(row["answering"], ())))
