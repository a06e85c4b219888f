"""How much of each source became phrases, edits and pairs, and why the rest did not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from finer.schemas import CAPTIONS, DROPS, EDITS, IMAGES, PHRASE_TYPES, PHRASES, PREFERENCES, Table
from finer.store import read_table, read_tables

_SCHEMA = {"source": pl.String(), "section": pl.String(), "name": pl.String(), "count": pl.Int64()}
_TYPE = pl.col("item").str.extract(r":(obj|attr|rel|wh)$")


@dataclass(frozen=True)
class Stages:
    """The tables of one source; what an imported source has not is empty."""

    source: str
    images: pl.DataFrame
    captions: pl.DataFrame
    phrases: pl.DataFrame
    edits: pl.DataFrame
    preferences: pl.DataFrame
    drops: pl.DataFrame


def read_stages(folder: str | Path) -> Stages:
    """Read what the rules wrote into the folder of a source."""
    place = Path(folder)

    def table(name: str, table: Table) -> pl.DataFrame:
        file = place / f"{name}.parquet"
        return read_table(file, table) if file.is_file() else table.empty()

    return Stages(
        place.name, table("images", IMAGES), table("captions", CAPTIONS), table("phrases", PHRASES),
        table("edits", EDITS), table("preferences", PREFERENCES),
        read_tables(sorted((place / "drops").glob("*.parquet")), DROPS),
    )  # fmt: skip


def tuning_yields(sources: list[Stages]) -> pl.DataFrame:
    """Return (source, section, name, count): input, a row a stage and type, and a row a reason of drops."""
    return pl.DataFrame([row for stages in sources for row in _rows(stages)], schema=_SCHEMA, orient="row")


def _rows(stages: Stages) -> list[tuple[str, str, str, int]]:
    rows = [("input", "images", stages.images.height), ("input", "captions", stages.captions.height)]
    typed = stages.edits.join(stages.phrases.select("phrase_id", "phrase_type"), on="phrase_id")
    for name, frame in (("phrases", stages.phrases), ("edits", typed), ("pairs", stages.preferences)):
        counts = dict(frame.group_by("phrase_type").len().iter_rows())
        rows += [(name, each, counts.get(each, 0)) for each in PHRASE_TYPES]
    named = stages.drops.select("stage", "reason", _TYPE.alias("type"))
    counted = named.group_by("stage", "type", "reason").len()
    counted = counted.sort("stage", "type", "len", "reason", descending=[False, False, True, False])
    for stage, kind, reason, count in counted.iter_rows():
        rows.append(("drops", f"{stage}{'' if kind is None else f', {kind}'}: {reason}", count))
    return [(stages.source, *row) for row in rows]


def markdown(numbers: pl.DataFrame) -> str:
    """Return the numbers laid out for reading, a part a source."""
    lines = ["# Yields of the tuning data"]
    for source in numbers["source"].unique(maintain_order=True):
        rows = numbers.filter(pl.col("source") == source)
        given = dict(rows.filter(pl.col("section") == "input").select("name", "count").iter_rows())
        lines += ["", f"## {source}", "", f"{given['images']:,} images, {given['captions']:,} captions.", ""]
        lines += ["| type | phrases | edits | pairs |", "| --- | ---: | ---: | ---: |"]
        cells = {(section, name): count for _, section, name, count in rows.iter_rows()}
        lines += [
            f"| {each} | {' | '.join(f'{cells[part, each]:,}' for part in ('phrases', 'edits', 'pairs'))} |"
            for each in PHRASE_TYPES
        ]
        dropped = rows.filter(pl.col("section") == "drops")
        if dropped.height:
            lines += ["", "| dropped: stage, type: reason | number |", "| --- | ---: |"]
            lines += [f"| {name} | {count:,} |" for _, _, name, count in dropped.iter_rows()]
    return "\n".join(lines) + "\n"
