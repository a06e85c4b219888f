"""Long jobs that can be killed: fixed blocks of sorted input, each kept as a part; the whole appears at the end.

Blocks are cut from the whole input, never from what is left, since the shape of a batch moves floating-point
results: a resumed job ends with the bytes of an unbroken one. A part is renamed into place when it is
whole, so a rerun repeats at most the block that was being computed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import polars as pl

from finer.progress import progress_bar
from finer.schemas import Table
from finer.store import read_table, write_table, write_text

_Block = TypeVar("_Block")
_Row = TypeVar("_Row")

MANIFEST = "manifest.json"


class Parts:
    """The parts of one output under ``<out>.parts/``; those of other inputs are discarded when it is opened."""

    def __init__(self, out: str | Path, table: Table, signature: str, blocks: int) -> None:
        self.out = Path(out)
        self.table = table
        self.blocks = blocks
        self.folder = self.out.with_name(self.out.name + ".parts")
        self._open({"signature": signature, "blocks": blocks, "table": table.name})

    def _open(self, wanted: dict[str, object]) -> None:
        manifest = self.folder / MANIFEST
        if not (manifest.is_file() and json.loads(manifest.read_text(encoding="utf-8")) == wanted):
            self.discard()
            write_text(manifest, json.dumps(wanted, sort_keys=True))
        for unfinished in (*self.folder.glob(".*.part"), *self.out.parent.glob(f".{self.out.name}.*.part")):
            unfinished.unlink()  # left by a process that was killed while writing

    def path(self, number: int) -> Path:
        """Return where the part of a block is kept."""
        return self.folder / f"{number:06d}.parquet"

    def done(self) -> list[int]:
        """Return the numbers of the blocks that have a part."""
        return [number for number in range(self.blocks) if self.path(number).is_file()]

    def fill(
        self, blocks: Sequence[_Block], compute: Callable[[_Block], pl.DataFrame], advance: Callable[[_Block], object]
    ) -> None:
        """Compute the blocks that have no part yet; ``advance`` is told each of them when it is kept."""
        done = set(self.done())
        for number, block in enumerate(blocks):
            if number not in done:
                write_table(compute(block), self.table, self.path(number))
                advance(block)

    def assemble(self) -> pl.DataFrame:
        """Stack all parts into the output and return it; the parts stay until ``discard``."""
        parts = [read_table(self.path(number), self.table) for number in range(self.blocks)]
        whole = pl.concat(parts).rechunk() if parts else self.table.empty()
        write_table(whole, self.table, self.out)
        return whole

    def discard(self) -> None:
        """Remove all parts."""
        if self.folder.exists():
            shutil.rmtree(self.folder)


def run_sharded(
    blocks: Sequence[Sequence[_Row]],
    compute: Callable[[Sequence[_Row]], pl.DataFrame],
    table: Table,
    out: str | Path,
    signature: str,
    label: str,
) -> pl.DataFrame:
    """Compute a table block by block and write it to ``out``; a rerun with the same signature resumes.

    Args:
        blocks: the whole input, cut at fixed places.
        compute: rows of one block; must depend on the block alone.
        signature: stable key of everything that the rows depend on.
        label: what the progress bar says.
    """
    parts = Parts(out, table, signature, len(blocks))
    sizes = [len(block) for block in blocks]
    with progress_bar(sum(sizes), label, done=sum(sizes[number] for number in parts.done())) as bar:
        parts.fill(blocks, compute, lambda block: bar.update(len(block)))
    whole = parts.assemble()
    parts.discard()
    return whole


def cut(frame: pl.DataFrame, rows: int, together: pl.Series | None = None) -> list[pl.DataFrame]:
    """Cut a sorted table into blocks of about ``rows`` rows, the last one shorter.

    Args:
        together: one value a row; rows next to each other with equal values stay in one block, that of the first.
    """
    row = pl.int_range(frame.height, eager=True)
    place = row if together is None else together.rle_id()
    first = pl.DataFrame({"row": row, "place": place}).select(pl.col("row").first().over("place")).to_series()
    numbered = frame.with_columns(_block=first // rows)
    return [block.drop("_block") for block in numbered.partition_by("_block", maintain_order=True)]
