"""Instruct data: images, what each cell holds, and question-answer items by task."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from finer.errors import InputError
from finer.mllm.training.recipe import TASKS

CELLS = 16  # 4 x 4, row by row
TEXT_IMAGES = 2000  # the world's words are few: more images add no new ones
COLUMNS = ("image_id", "image", "cells", "conversations")


@dataclass(frozen=True)
class Instruct:
    """The items of ``images`` lie one after the other: image i owns ``offsets[i]`` to ``offsets[i + 1]``."""

    image_ids: list[str]
    images: list[bytes]
    cells: NDArray[np.int64]  # images x 16 x labels; a label counts from 1, 0 is none
    offsets: NDArray[np.int64]  # images + 1
    tasks: NDArray[np.int8]  # per item: place in TASKS
    questions: list[str]
    answers: list[str]
    negative: NDArray[np.bool_]  # per item: a fine-grained question about something false
    digest: str  # sha256 of the file

    def __len__(self) -> int:
        return len(self.images)

    def pixels(self, index: int) -> Image.Image:
        """Return one decoded image."""
        return Image.open(io.BytesIO(self.images[index])).convert("RGB")

    def texts(self) -> list[str]:
        """Return questions and answers of the first images: what the tokenizer is trained on."""
        last = int(self.offsets[min(TEXT_IMAGES, len(self))])
        return [*self.questions[:last], *self.answers[:last]]


def read_instruct(path: str | Path) -> Instruct:
    """Read an instruct Parquet file.

    Raises:
        InputError: missing file or column, cells without the same labels each, or an unknown task.
    """
    if not Path(path).is_file():
        raise InputError("no such file", file=path, expected="instruct data", cure="run the rule of the micro world")
    frame = pl.read_parquet(path)
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise InputError("missing column", file=path, field=missing[0], expected=", ".join(COLUMNS))
    sizes = frame["cells"].list.len()
    labels = int(sizes.item(0)) // CELLS if len(sizes) else 0
    if (wrong := (sizes != CELLS * labels) | (sizes == 0)).any():
        row = int(wrong.arg_true()[0])
        raise InputError("wrong number of cell labels", file=path, row=row, field="cells", found=int(sizes[row]),
                         expected=f"as many for each of {CELLS} cells")  # fmt: skip
    items = frame.select(pl.col("conversations").explode()).unnest("conversations")
    codes = {task: code for code, task in enumerate(TASKS)}
    unknown = items.filter(~pl.col("task").is_in(list(TASKS)))
    if unknown.height:
        raise InputError("unknown task", file=path, field="task", found=unknown["task"][0], expected=" | ".join(TASKS))
    counts = frame["conversations"].list.len().to_numpy()
    if (counts == 0).any():
        raise InputError("image without items", file=path, row=int(np.flatnonzero(counts == 0)[0]),
                         field="conversations", expected="at least one item")  # fmt: skip
    return Instruct(
        image_ids=frame["image_id"].to_list(),
        images=frame["image"].to_list(),
        cells=frame["cells"].explode().to_numpy().astype(np.int64).reshape(-1, CELLS, labels),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        tasks=items["task"].replace_strict(codes, return_dtype=pl.Int8).to_numpy(),
        questions=items["question"].to_list(),
        answers=items["answer"].to_list(),
        negative=items["negative"].to_numpy(),
        digest=hashlib.sha256(Path(path).read_bytes()).hexdigest(),
    )
