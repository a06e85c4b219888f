"""The catalogue of a run: one DuckDB file with a view per table over the Parquet files, so that SQL answers questions.

The views hold no data. Their paths are the ones the rule was given, normally relative to the folder the workflow runs
in, so the results can be moved or copied with that folder. Whoever opens the catalogue from elsewhere names that
folder: ``connect(path, workflow)`` here, ``SET file_search_path = '…'`` in SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import duckdb
import polars as pl

from finer.errors import InputError
from finer.schemas import TABLES, Table
from finer.store import atomic_path

_TYPES = {pl.String(): "VARCHAR", pl.Int64(): "BIGINT", pl.Float64(): "DOUBLE", pl.Boolean(): "BOOLEAN"}

# What a row was made by, if a language model made it: CALLS name as their subject the caption and the stage that was
# asked for, or the element and the round. The last attempt is the one that was taken, unless the row is a drop.
LINKS = {
    "element_calls": """
        SELECT element_id, call_id, attempt, run_id
        FROM elements JOIN captions USING (image_id)
        JOIN calls ON calls.role = 'extractor' AND subject = caption_id
             || CASE WHEN kind = 'relation' THEN '.relations' ELSE '.objects' END
        WHERE source = 'caption_llm'
    """,
    "negative_calls": """
        SELECT negative_id, call_id, attempt, run_id
        FROM negatives JOIN calls ON calls.role = 'proposer' AND subject = element_id || '.' || round
    """,
}


def catalogue(results: str | Path, output: str | Path) -> None:
    """Write the catalogue of all tables in a results folder (``find_tables``)."""
    write_catalogue(find_tables(results), output)


def find_tables(results: str | Path) -> list[Path]:
    """Return the Parquet files of finished tables below a results folder, sorted.

    Left out: raw files, parts of unfinished jobs, the rounds of negatives (``rounds/``), whose rows stand again in the
    settled tables (their provenance, ``*.run.parquet`` and ``*.calls.parquet``, stays in), what was made without
    verification for the audit (``unverified``), and estimates and comparisons of studies and ablations, which hold
    those of the tables once more.
    """
    found = []
    for path in sorted(Path(results).rglob("*.parquet")):
        folders = path.relative_to(results).parts[:-1]
        raw = "raw" in folders or "training" in folders
        unfinished = any(name.startswith(".") or name.endswith(".parts") for name in (*folders, path.name))
        superseded = "rounds" in folders and not path.name.endswith((".run.parquet", ".calls.parquet"))
        apart = "unverified" in (*folders, *path.name.split(".")) or path.name.startswith(
            ("study.", "ablation.", "comparisons.ablation.")
        )
        if not (raw or unfinished or superseded or apart):
            found.append(path)
    return found


def write_catalogue(files: Sequence[str | Path], output: str | Path) -> None:
    """Write the catalogue of these Parquet files; each file's table is recognised by its columns.

    Tables without a file get an empty view, so that every query runs on every preset. The views ``LINKS`` lead from
    elements and negatives to the calls of a language model that made them.
    Raises InputError for a missing file or one that is no table of ``finer.schemas``.
    """
    parts: dict[str, list[str]] = {name: [] for name in TABLES}
    for file in files:
        parts[table_of(file).name].append(str(file))
    with atomic_path(output) as partial:
        with duckdb.connect(str(partial)) as connection:
            for name, paths in parts.items():
                connection.execute(f'CREATE VIEW "{name}" AS {_select(TABLES[name], sorted(paths))}')
            for name, query in LINKS.items():
                connection.execute(f'CREATE VIEW "{name}" AS {query}')
        # DuckDB may leave its write-ahead log under the temporary name; after a clean close it is empty of meaning.
        partial.with_name(f"{partial.name}.wal").unlink(missing_ok=True)


def table_of(file: str | Path) -> Table:
    """Return the table whose columns the Parquet file has."""
    if not Path(file).is_file():
        raise InputError("no such file", file=file, expected="a Parquet file of a table", cure="run its rule first")
    try:
        columns = set(pl.read_parquet_schema(file))
    except pl.exceptions.ComputeError as error:
        raise InputError(
            "cannot be read as Parquet", file=file, found=str(error), cure="delete the file and rerun"
        ) from error
    for table in TABLES.values():
        if set(table.columns) == columns:
            return table
    raise InputError(
        "not a table of this version of finer", file=file, field="columns", found=", ".join(sorted(columns)),
        expected=" | ".join(TABLES), cure="leave the file out, or rebuild it with this version of finer",
    )  # fmt: skip


def connect(path: str | Path, workflow: str | Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open a catalogue for reading; ``workflow``: the folder the workflow ran in, by default the current one."""
    if not Path(path).is_file():
        raise InputError("no such file", file=path, expected="a catalogue", cure="run the catalogue's rule first")
    if workflow is None:
        return duckdb.connect(str(path), read_only=True)
    return duckdb.connect(str(path), read_only=True, config={"file_search_path": str(Path(workflow).resolve())})


def _select(table: Table, paths: Sequence[str]) -> str:
    if paths:
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        return f"SELECT * FROM read_parquet([{listed}])"
    empty = ", ".join(f'CAST(NULL AS {_type(dtype)}) AS "{name}"' for name, dtype in table.columns.items())
    return f"SELECT {empty} WHERE false"


def _type(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.List):
        return f"{_type(cast(pl.DataType, dtype.inner))}[]"
    if isinstance(dtype, pl.Struct):
        return f"STRUCT({', '.join(f'{one.name} {_type(cast(pl.DataType, one.dtype))}' for one in dtype.fields)})"
    return _TYPES[dtype]
