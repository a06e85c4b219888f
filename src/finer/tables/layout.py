"""A table as a reader sees it (column groups, rows, cells, footnotes), and its Markdown, LaTeX and HTML.

Every table of the project is laid out as a ``Layout`` and rendered here; the numbers themselves are in its CSV.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from jinja2 import Environment, PackageLoader, StrictUndefined

from finer.errors import InputError
from finer.store import write_text

Suffix = Literal["md", "tex", "html"]

_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "[": "{[}", "]": "{]}",  # after \\ a bracket would be read as an optional argument
    "−": "$-$", "–": "--", "—": "---", "×": r"$\times$", "±": r"$\pm$",
}  # fmt: skip
_MARKDOWN = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", "|": r"\|", "\\": r"\\", "*": r"\*", "_": r"\_", "`": r"\`", "\n": " ",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column of numbers: its title and a note below it (such as the number of pairs)."""

    title: str
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Columns under one heading."""

    title: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Cell:
    """A value, a detail shown smaller (such as its interval), and another one ``below`` both."""

    value: str
    detail: str = ""
    below: str = ""


@dataclass(frozen=True)
class Row:
    """Labels (one a stub column), then one cell a column.

    ``minor`` rows belong to the row above them; a ``heading`` names the rows below it, and its cells say something
    of their columns; a row that ``opens`` is set off from the one above; a ``nested`` one is a variant of one above.
    """

    labels: tuple[str, ...]
    cells: tuple[Cell, ...]
    minor: bool = False
    heading: bool = False
    opens: bool = False
    nested: bool = False

    @property
    def look(self) -> str:
        """The flags that are set, as names of classes."""
        return " ".join(name for name in ("minor", "heading", "opens", "nested") if getattr(self, name))


@dataclass(frozen=True)
class Layout:
    """The whole table; ``label`` names it in LaTeX references. One group without a title needs no line of its own."""

    title: str
    label: str
    stubs: tuple[str, ...]
    groups: tuple[Group, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...]

    def __post_init__(self) -> None:
        width = sum(len(group.columns) for group in self.groups)
        for row in self.rows:
            if (len(row.labels), len(row.cells)) != (len(self.stubs), width):
                raise ValueError(f"row {row.labels} has {len(row.cells)} cells, the table has {width} columns")

    @property
    def titled(self) -> bool:
        """Whether a line with the titles of groups is needed."""
        return any(group.title for group in self.groups)

    @property
    def noted(self) -> bool:
        """Whether any column has a note."""
        return any(column.note for _, column in self.columns)

    @property
    def columns(self) -> tuple[tuple[Group, Column], ...]:
        """All columns with the group of each, from left to right."""
        return tuple((group, column) for group in self.groups for column in group.columns)

    @property
    def spans(self) -> tuple[tuple[Group, int, int], ...]:
        """Each group with its first and last column, counted from 1 and with the stubs."""
        spans, first = [], len(self.stubs) + 1
        for group in self.groups:
            last = first + len(group.columns) - 1
            spans.append((group, first, last))
            first = last + 1
        return tuple(spans)


def render(layout: Layout, suffix: Suffix) -> str:
    """Return the table as text; every string of the layout is escaped for its language."""
    environment = Environment(
        loader=PackageLoader("finer.tables", "templates"), autoescape=suffix == "html", undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["tex"] = _escape(_TEX)
    environment.filters["markdown"] = _escape(_MARKDOWN)
    return environment.get_template(f"table.{suffix}.j2").render(table=layout)


def write_layout(layout: Layout, path: str | Path) -> None:
    """Write the table in the language of the path's suffix: .md, .tex or .html."""
    for suffix in get_args(Suffix):
        if Path(path).suffix == f".{suffix}":
            return write_text(path, render(layout, suffix))
    raise InputError(
        "no such form of a table", file=path, expected=" | ".join(f".{one}" for one in get_args(Suffix)),
        cure="give the file another ending",
    )  # fmt: skip


def _escape(replacements: dict[str, str]) -> Callable[[str], str]:
    table = str.maketrans(replacements)
    return lambda text: text.translate(table)
