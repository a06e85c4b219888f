"""A run against the committed reference, cell by cell: the same numbers, up to a few flipped answers.

On one machine two runs give the same bytes. Another processor rounds differently, so an answer that hangs on the last
digits may flip. Allowed is therefore what ``ALLOWED_PAIRS`` flipped pairs (or queries) change:

- ``value`` and ``difference_to_published``: ALLOWED_PAIRS / n x 100 percentage points; ``unparsed`` the same;
- ``ci_low`` and ``ci_high``: twice that, since a bound moves with the value and with its spread;
- ``difference`` (to the base), ``diff_low`` and ``diff_high``: twice as much as value and bounds, being of two askings;
- of a row whose ``statistic`` is ``gain_of_seeing``, a difference of two askings, each of them twice as much again;
- ``p`` and ``q``: listed; they follow from the differences, which are compared;
- ``interval`` may differ (an answer can tip the choice between bootstrap and Wilson, or that none is to be trusted):
  listed, within tolerance, and so are the bounds of the side whose interval is ``none``;
- ``count`` in a table without ``n``: ALLOWED_PAIRS;
- all else (which tables and cells there are, n, images, published values) must be equal.

Tables of times (``NOT_COMPARED``) are never the same twice and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from finer.errors import InputError

ALLOWED_PAIRS = 2
NOT_COMPARED = ("times.csv",)
_GAIN = "gain_of_seeing"
_ROUNDING = 2e-4  # both sides are rounded to four decimals
_FACTOR = {
    "value": 1, "difference_to_published": 1, "unparsed": 1, "ci_low": 2, "ci_high": 2,
    "difference": 2, "diff_low": 4, "diff_high": 4,
}  # fmt: skip
_LISTED = ("interval", "p", "q")
_EXACT = ("n", "n_images", "published")
_MEASURED = (*_FACTOR, *_EXACT, *_LISTED, "count")


@dataclass(frozen=True)
class Deviation:
    """One place where the run and the reference differ; ``beyond``: more than the tolerance, so an error."""

    file: str
    cell: str
    column: str
    reference: object
    run: object
    allowed: float | None
    beyond: bool

    def __str__(self) -> str:
        allowed = "" if self.allowed is None else f" (allowed ±{self.allowed:.3g})"
        mark = "BEYOND" if self.beyond else "within"
        return f"{mark}  {self.file}: {self.cell}: {self.column} {self.reference} -> {self.run}{allowed}"


@dataclass(frozen=True)
class Verification:
    """The outcome: how many cells were compared, and where they differ."""

    cells: int
    deviations: tuple[Deviation, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is beyond tolerance."""
        return not any(deviation.beyond for deviation in self.deviations)

    def __str__(self) -> str:
        beyond = sum(deviation.beyond for deviation in self.deviations)
        lines = [str(deviation) for deviation in sorted(self.deviations, key=lambda one: not one.beyond)]
        verdict = "agrees with" if self.ok else "DIFFERS from"
        within = len(self.deviations) - beyond
        lines.append(
            f"The run {verdict} the reference: {self.cells} cells compared, {within} difference(s) within tolerance, "
            f"{beyond} beyond."
        )
        return "\n".join(lines)


def verify(run: str | Path, reference: str | Path, allowed_pairs: float = ALLOWED_PAIRS) -> Verification:
    """Compare every CSV below two folders, file by file and cell by cell.

    Returns the verification; the command exits with 1 unless it is ``ok``. Raises InputError if the reference holds
    no CSV or a file cannot be read.
    """
    names = {side: _csv_names(Path(side)) for side in (run, reference)}
    if not names[reference]:
        raise InputError(
            "the reference holds no tables", file=reference, expected="*.csv", cure="name a reference folder"
        )
    cells, deviations = 0, []
    for name in sorted({*names[run], *names[reference]}):
        present = (name in names[reference], name in names[run])
        if not all(present):
            words = ["present" if there else "missing" for there in present]
            deviations.append(Deviation(name, "(whole file)", "file", words[0], words[1], None, True))
            continue
        compared, found = compare(_read(Path(run, name)), _read(Path(reference, name)), name, allowed_pairs)
        cells += compared
        deviations += found
    return Verification(cells, tuple(deviations))


def compare(
    run: pl.DataFrame, reference: pl.DataFrame, name: str, allowed_pairs: float = ALLOWED_PAIRS
) -> tuple[int, list[Deviation]]:
    """Compare two tables of strings (as read from CSV): the number of cells and the deviations."""
    if run.columns != reference.columns:
        return 0, [Deviation(name, "(header)", "columns", reference.columns, run.columns, None, True)]
    key = [column for column in run.columns if column not in _MEASURED]
    rows = [_by_key(frame, key, name) for frame in (reference, run)]
    deviations = []
    for place in dict.fromkeys([*rows[0], *rows[1]]):
        cell = ", ".join(part for part in place if part is not None)
        pair = [side.get(place) for side in rows]
        if pair[0] is None or pair[1] is None:
            words = ["missing" if one is None else "present" for one in pair]
            deviations.append(Deviation(name, cell, "cell", words[0], words[1], None, True))
        else:
            measured = [column for column in run.columns if column in _MEASURED]
            deviations += _compare_cell(name, cell, pair[0], pair[1], measured, allowed_pairs)
    return len(rows[0]), deviations


def _compare_cell(
    name: str,
    cell: str,
    reference: dict[str, str | None],
    run: dict[str, str | None],
    measured: Sequence[str],
    allowed_pairs: float,
) -> list[Deviation]:
    deviations = []
    for column in measured:
        before, after = reference[column], run[column]
        if before == after:
            continue
        allowed = None
        if column == "count":
            allowed = allowed_pairs
        elif column in _FACTOR and reference.get("n"):
            askings = 2 if reference.get("statistic") == _GAIN else 1
            allowed = askings * _FACTOR[column] * 100 * allowed_pairs / float(str(reference["n"]))
        listed = column in _LISTED and (column == "interval" or None not in (before, after))
        close = listed or _tipped(column, reference, run) or (
            allowed is not None and before is not None and after is not None
            and abs(float(after) - float(before)) <= allowed + _ROUNDING
        )  # fmt: skip
        deviations.append(Deviation(name, cell, column, before, after, allowed, not close))
    return deviations


def _tipped(column: str, reference: dict[str, str | None], run: dict[str, str | None]) -> bool:
    """Whether a bound is there on one side only because the other side's interval is "none"."""
    kinds = {side.get("interval"): side[column] for side in (reference, run)}
    return column in ("ci_low", "ci_high") and len(kinds) == 2 and kinds.get("none", "") is None


def _by_key(frame: pl.DataFrame, key: Sequence[str], name: str) -> dict[tuple[str | None, ...], dict[str, str | None]]:
    rows = {tuple(row[column] for column in key): row for row in frame.iter_rows(named=True)}
    if len(rows) != frame.height:
        raise InputError(
            "two rows for one cell", file=name, field=", ".join(key), found=f"{frame.height} rows",
            expected=f"{len(rows)} rows", cure="rebuild the table",
        )  # fmt: skip
    return rows


def _csv_names(folder: Path) -> set[str]:
    if not folder.is_dir():
        raise InputError("no such folder", file=folder, expected="a folder of tables", cure="make the run first")
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.csv") if path.name not in NOT_COMPARED}


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_csv(path, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise InputError("cannot be read as CSV", file=path, found=str(error), cure="rebuild the table") from error
