"""The answering job as a function that a test can run in a process of its own, and kill.

``pause`` (seconds) is slept in the middle of each block, after its answers and before they are kept, so
that a kill meets every state of the job. Each block that is computed adds a line to ``blocks.log``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from finer.config import Evaluation
from finer.mllm import registry
from finer.mllm.answering import answer_items
from finer.mllm.questions import Answer, Engine, Query, Scores
from finer.mllm.registry import Checkpoint

SETTINGS = Evaluation(shard_items=8, batch_tokens=512)


class Logged:
    """An engine that records what it is asked."""

    scores = True

    def __init__(self, engine: Engine, log: Path, pause: float) -> None:
        self.engine, self.log, self.pause, self.name = engine, log, pause, engine.name
        self.spoken: list[str] = []

    def answer(self, queries: Sequence[Query], max_new_tokens: int) -> list[Answer]:
        self.spoken = [query.key for query in queries]
        return self.engine.answer(queries, max_new_tokens)

    def score_continuations(self, queries: Sequence[Query], options: Sequence[Sequence[str]]) -> list[Scores]:
        scores = self.engine.score_continuations(queries, options)
        with self.log.open("a") as file:
            file.write([*self.spoken, *(query.key for query in queries)][0] + "\n")
        time.sleep(self.pause)
        return scores


def run(folder: Path, pause: float = 0.0) -> None:
    torch.set_num_threads(1)  # as in the test's own process: the number of threads may move a last digit

    def load(checkpoint: Checkpoint, settings: Evaluation) -> Engine:
        return Logged(registry.engine(checkpoint, settings), folder / "blocks.log", pause)  # type: ignore[return-value]

    answer_items(
        [folder / "one.items.parquet", folder / "two.items.parquet"],
        [folder / "one.parquet", folder / "two.parquet"],
        folder / "run.parquet",
        Checkpoint(name="tiny", path=str(folder / "model"), family="internvl"),
        SETTINGS, code="c0de", load=load,
    )  # fmt: skip
