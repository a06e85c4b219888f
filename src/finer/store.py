"""Tables on disk: atomic Parquet files that are checked against their schema on write and on read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import polars as pl

from finer.errors import InputError
from finer.schemas import DROPS, Table

COMPRESSION: Literal["zstd"] = "zstd"


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; it takes the final name only if the block succeeds."""
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f".{final.name}.{os.getpid()}.part")
    try:
        yield partial
        partial.replace(final)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def check_table(frame: pl.DataFrame, table: Table, file: str | Path | None = None) -> pl.DataFrame:
    """Return ``frame`` with the schema's column order; raise InputError where it does not fit the schema."""
    missing = [name for name in table.columns if name not in frame.columns]
    extra = [name for name in frame.columns if name not in table.columns]
    if missing or extra:
        raise InputError(
            f"columns do not fit the table '{table.name}'", file=file,
            found=f"missing {missing}, unknown {extra}", expected=", ".join(table.columns),
            cure="rebuild the file with this version of finer",
        )  # fmt: skip
    frame = frame.select(list(table.columns))
    for name, dtype in table.columns.items():
        if frame.schema[name] == pl.Null and name in table.nullable:
            frame = frame.with_columns(pl.col(name).cast(dtype))
        if frame.schema[name] != dtype:
            raise InputError(
                f"wrong type in the table '{table.name}'", file=file, field=name,
                found=str(frame.schema[name]), expected=str(dtype),
                cure="rebuild the file with this version of finer",
            )  # fmt: skip
        if name not in table.nullable and (empty := frame[name].is_null()).any():
            raise InputError(
                f"empty value in the table '{table.name}'", file=file, field=name,
                row=int(empty.arg_true()[0]), expected="a value", cure="see the row above in its source",
            )  # fmt: skip
        if name in table.choices:
            bad = frame.filter(pl.col(name).is_not_null() & ~pl.col(name).is_in(list(table.choices[name])))
            if bad.height:
                raise InputError(
                    f"unknown value in the table '{table.name}'", file=file, field=name,
                    found=bad[name][0], expected=" | ".join(table.choices[name]),
                )  # fmt: skip
    if table.key:
        twice = frame.select(table.key).is_duplicated()
        if twice.any():
            row = int(twice.arg_true()[0])
            raise InputError(
                f"two rows of the table '{table.name}' have the same key", file=file, row=row,
                field=", ".join(table.key), found=frame.select(table.key).row(row),
                expected="one row a key", cure="remove the duplicate from its source",
            )  # fmt: skip
    return frame


def write_table(frame: pl.DataFrame, table: Table, path: str | Path) -> None:
    """Check ``frame`` against ``table`` and write it as Parquet, atomically and with stable bytes."""
    checked = check_table(frame, table, path)
    with atomic_path(path) as partial:
        checked.write_parquet(partial, compression=COMPRESSION, statistics=False)


def read_table(path: str | Path, table: Table) -> pl.DataFrame:
    """Read a Parquet file and check it against ``table``."""
    if not Path(path).is_file():
        raise InputError("no such file", file=path, expected=f"the table '{table.name}'", cure="run its rule first")
    try:
        frame = pl.read_parquet(path)
    except pl.exceptions.ComputeError as error:
        raise InputError(
            "cannot be read as Parquet", file=path, found=str(error), cure="delete the file and rerun"
        ) from error
    return check_table(frame, table, path)


def read_tables(paths: Sequence[str | Path], table: Table) -> pl.DataFrame:
    """Read several files of one table and stack them."""
    frames = [read_table(path, table) for path in paths]
    return check_table(pl.concat(frames), table) if frames else table.empty()


def table_from(rows: Sequence[Mapping[str, object]], table: Table) -> pl.DataFrame:
    """Build a checked table from records."""
    return check_table(pl.DataFrame(list(rows), schema=dict(table.columns), orient="row"), table)


def drop(
    stage: str, benchmark: str, item: str, reason: str, image_id: str | None = None, detail: str | None = None
) -> dict[str, str | None]:
    """Return one record of the table of drops."""
    return dict(zip(DROPS.columns, (stage, benchmark, image_id, item, reason, detail), strict=True))
