"""The registry of raw data (``sources.yaml``) -> typed sources: where each comes from and what must come of it.

A source is fetched into one folder, changed into the layout that its reader expects, counted, and moved into place.
What nobody here could check is said in the registry (``checked: false``), and its counts only warn.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from finer.errors import InputError

REGISTRY = Path(__file__).with_name("sources.yaml")
GITHUB_FILES = "https://raw.githubusercontent.com"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Web(_Entry):
    """One file at an address. Without an address it is only to be had by hand: from ``page``, in a browser."""

    file: str
    address: str | None = None
    page: str | None = None
    size: int | None = None  # bytes
    sha256: str | None = None
    md5: str | None = None

    @model_validator(mode="after")
    def _from_somewhere(self) -> Web:
        if self.address is None and self.page is None:
            raise ValueError("a file needs an address, or a page where people get it")
        return self


class Git(_Entry):
    """Files of a GitHub repository at a commit: path there -> path here."""

    git: str
    commit: str
    files: dict[str, str]
    base: str = GITHUB_FILES

    def web(self) -> list[Web]:
        """Return the files with their addresses."""
        return [
            Web(file=here, address=f"{self.base}/{self.git}/{self.commit}/{quote(there)}")
            for there, here in self.files.items()
        ]


class Hub(_Entry):
    """Files of a hub repository that match patterns (``*`` matches "/" too). A branch is pinned by the lock."""

    hub: str
    kind: Literal["dataset", "model"] = "dataset"
    revision: str = "main"
    files: list[str]
    leave: list[str] = []


class Unpack(_Entry):
    """Members of zip or tar archives -> files."""

    unpack: str  # glob of archives
    to: str
    only: list[str] = ["*.jpg", "*.jpeg", "*.png", "*.gif", "*.webp", "*.bmp"]
    flat: bool = True  # names alone; else their paths, below the folder ``below`` where there is one
    below: str | None = None
    each_in_own: bool = False  # the members of a.tar into the folder a
    maybe: bool = False  # there may be no such archive


class Move(_Entry):
    """Files as fetched -> a folder, names alone or with their paths; to one file if ``to`` has a suffix."""

    move: str  # glob
    to: str = "."
    flat: bool = True
    maybe: bool = False


class Embedded(_Entry):
    """Images in a column of Parquet files -> files, named by a template of other columns."""

    embedded: str  # glob
    image: str
    name: str
    to: str


class Questions(_Entry):
    """Parquet, CSV or JSON lines named after a setting -> interchange CSV, images unpacked where they are embedded."""

    questions: str  # glob
    to: str
    images: str | None = None


class Stack(_Entry):
    """Parquet files -> one, of some columns; where ``rows`` is given, of so many rows, drawn by the first column."""

    stack: str
    columns: list[str]
    to: str
    rows: int | None = None


class Paths(_Entry):
    """JSON lines whose ``images`` are paths of another machine -> the same with the last parts of each path."""

    paths: str
    keep: int
    to: str


class Share(_Entry):
    """Images of another source that a file names -> hard links (or copies), so that all lie in one folder."""

    share: str  # the other source
    named_in: str  # JSON lines
    field: str
    under: str  # only names below this folder
    to: str


class Addresses(_Entry):
    """Images of the web addresses in a column of a table; dead ones are listed in ``drops.parquet``."""

    addresses: str  # CSV or Parquet
    column: str
    to: str
    lower: bool  # whether the suffix of the name that the reader looks for is in lower case


Fetch = Web | Git | Hub
Step = Unpack | Move | Embedded | Questions | Stack | Paths | Share | Addresses


class Counts(_Entry):
    """Rows of files, and image files below folders."""

    rows: dict[str, int] = {}
    images: dict[str, int] = {}


class Source(_Entry):
    """One data set."""

    title: str
    licence: str
    fetch: list[Fetch] = Field(min_length=1)
    steps: list[Step] = Field(min_length=1)
    files: list[str] = []  # what the source consists of at the end: files,
    folders: list[str] = []  # and folders; "." stands for the source's own folder, which is then all of it
    needs: list[str] = []  # other sources
    expected: Counts = Counts()  # anything else is refused
    believed: Counts = Counts()  # from second hand: anything else is said
    gigabytes: float | None = None  # at the end, about; null: not known
    checked: bool = True  # whether layout and counts were seen in the official files
    note: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Source:
        if not self.files and not self.folders:
            raise ValueError("a source needs files or folders")
        if "." in self.folders and (self.files or len(self.folders) > 1):
            raise ValueError('the folder "." is all of a source')
        return self

    def outputs(self, name: str) -> tuple[list[str], list[str]]:
        """Return files and folders, relative to the folder of all data."""
        return [f"{name}/{file}" for file in self.files], [
            name if folder == "." else f"{name}/{folder}" for folder in self.folders
        ]


@cache
def registry(file: Path = REGISTRY) -> dict[str, Source]:
    """Return all sources by name."""
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    found: dict[str, Source] = {}
    for name, entry in values.items():
        try:
            found[name] = Source.model_validate(entry)
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(
                first["msg"], file=file, row=name, field=".".join(map(str, first["loc"])), found=first["input"]
            ) from error
    for name, source in found.items():
        if unknown := set(source.needs) - set(found):
            raise InputError("no such source", file=file, row=name, field="needs", found=min(unknown))
    return found


def source_of(name: str) -> Source:
    """Return one source.

    Raises:
        InputError: not one of the registry.
    """
    found = registry()
    if name not in found:
        raise InputError("no such source", field="source", found=name, expected=" | ".join(found))
    return found[name]


def needed(paths: Sequence[str], data: str) -> list[str]:
    """Return the sources that paths below the folder of all data belong to, with those that they need, needs first."""
    known = registry()
    named = [path.removeprefix(f"{data}/").split("/")[0] for path in paths if path.startswith(f"{data}/")]
    found: dict[str, None] = {}
    for name in named:
        if name in known:
            found.update(dict.fromkeys((*known[name].needs, name)))
    return list(found)
