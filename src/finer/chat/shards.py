"""Replies in Parquet: shards that hold what was folded out of the journal, found by key."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import polars as pl

from finer.chat.journal import Entry
from finer.keys import stable_key
from finer.schemas import INT, REAL, REALS, TEXT, TEXTS, Table
from finer.store import read_table, write_table

REPLIES = Table(
    "replies",
    {
        "key": TEXT, "role": TEXT, "name": TEXT, "model": TEXT, "revision": TEXT, "request": TEXT, "reply": TEXT,
        "finish": TEXT, "answered_by": TEXT, "tokens": TEXTS, "logprobs": REALS, "input_tokens": INT,
        "output_tokens": INT, "cost": REAL, "attempts": INT, "asked": TEXT, "seconds": REAL,
    },
    key=("key",),
    nullable=frozenset({"revision"}),
)  # fmt: skip
WHOLE = 20_000  # rows; a shard of so many is never rewritten
_NAMES = [field.name for field in fields(Entry)]


def shard_files(folder: Path) -> list[Path]:
    """Return the shards of a cache, sorted."""
    return sorted(folder.glob("replies-*.parquet"))


def costs_of(shard: Path) -> Iterator[tuple[str, float]]:
    """Yield (key, cost) of each reply of a shard."""
    yield from pl.read_parquet(shard, columns=["key", "cost"]).select("key", "cost").iter_rows()


def find(shards: Sequence[Path], keys: Collection[str]) -> Iterator[Entry]:
    """Yield the replies with these keys."""
    for shard in shards:
        rows = pl.scan_parquet(shard).filter(pl.col("key").is_in(list(keys))).collect()
        for row in rows.iter_rows(named=True):
            yield Entry(**{name: row[name] for name in _NAMES})


def write_shard(folder: Path, entries: Sequence[Entry]) -> list[Path]:
    """Write replies as a new shard, together with those of unfinished shards; return the shards it stands for.

    The caller removes these when the journal no longer holds the replies; a reply may stand in two shards
    until then.
    """
    small = [path for path in shard_files(folder) if pl.scan_parquet(path).select(pl.len()).collect().item() < WHOLE]
    rows = pl.DataFrame([asdict(entry) for entry in entries], schema=dict(REPLIES.columns), orient="row")
    whole = pl.concat([*(read_table(path, REPLIES) for path in small), rows])
    whole = whole.unique("key", keep="first", maintain_order=True).sort("key")
    path = folder / f"replies-{stable_key(*whole['key'])}.parquet"
    write_table(whole, REPLIES, path)
    return [old for old in small if old != path]
