"""What an official release holds -> the files and folders that its reader expects.

Nothing is run and nothing unpickled: archives are read member by member, Parquet by its columns. A name from an
archive or a table stays inside its folder, or the source is refused. What was fetched is linked, not moved, so that a
conversion that fails can be repeated without fetching again.
"""

from __future__ import annotations

import csv
import heapq
import json
import os
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow
import pyarrow.parquet

from finer.errors import InputError
from finer.keys import stable_key
from finer.raw.images import path_inside
from finer.raw.records import bad_record, decoded, file_bytes, parsed
from finer.retrieval.sources import Embedded, Move, Paths, Questions, Share, Stack, Step, Unpack
from finer.schemas import SETTINGS

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
QUESTION_COLUMNS = ("image", "qtype", "question", *(f"choice{number}" for number in range(1, 6)), "gt_index")
_MAGIC = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"BM": ".bmp", b"II*\0": ".tif",
          b"MM\0*": ".tif"}  # fmt: skip
_ROWS = 64  # at once: embedded images are large


@dataclass(frozen=True)
class Place:
    """Where a conversion reads and writes."""

    got: Path  # what was fetched
    made: Path  # what comes of it
    data: Path  # the folder of all sources


def convert(step: Step, place: Place) -> None:
    """Carry out one step of a source (``Addresses`` apart, which needs the network)."""
    if isinstance(step, Unpack):
        unpack(step, place)
    elif isinstance(step, Move):
        move(step, place)
    elif isinstance(step, Embedded):
        embedded(step, place)
    elif isinstance(step, Questions):
        questions(step, place)
    elif isinstance(step, Stack):
        stack(step, place)
    elif isinstance(step, Paths):
        shortened(step, place)
    elif isinstance(step, Share):
        share(step, place)
    else:
        raise TypeError(f"not a conversion: {step!r}")


def found(pattern: str, folder: Path, maybe: bool = False) -> list[Path]:
    """Return the files that match a glob, sorted."""
    files = sorted(path for path in folder.glob(pattern) if path.is_file() and not is_cache(path, folder))
    if not files and not maybe:
        held = [file.relative_to(folder).as_posix() for file in found("**/*", folder, maybe=True)]
        raise InputError(
            "the release holds no such file", file=folder, expected=pattern, found=", ".join(held[:10]) or "nothing",
            cure="the release was changed: correct this source in the registry",
        )  # fmt: skip
    return files


def is_cache(path: Path, folder: Path) -> bool:
    """Tell whether a file is of the hub client's own notes, by which it goes on where it was."""
    return path.relative_to(folder).parts[0] == ".cache"


# ---------------------------------------------------------------- archives
def unpack(step: Unpack, place: Place) -> None:
    """Write the wanted members of each archive; two members of one name are refused, where they differ in folder."""
    for archive in found(step.unpack, place.got, step.maybe):
        folder = place.made / step.to / (archive.stem if step.each_in_own else "")
        written: dict[Path, str] = {}
        number = 0
        for name, opened in _members(archive):
            if not any(fnmatchcase(name.lower(), pattern.lower()) for pattern in step.only):
                continue
            target = path_inside(folder, _short(name, step), archive, f"member '{name}'", "name")
            if target in written:
                raise InputError(
                    "two members of an archive would become one file", file=archive, row=f"member '{name}'",
                    found=f"{target.name}, already of '{written[target]}'", expected="each name once",
                    cure="correct `only` or `flat` of this source in the registry",
                )  # fmt: skip
            written[target] = name
            number += 1
            fresh(target)
            with opened() as content, target.open("wb") as file:
                shutil.copyfileobj(content, file)
        if not number:
            raise InputError("the archive holds nothing that is wanted", file=archive, expected=" | ".join(step.only),
                             found="other members only", cure="fetch it again, or correct the registry")  # fmt: skip


def _short(name: str, step: Unpack) -> str:
    parts = PurePosixPath(name).parts
    if step.flat:
        return parts[-1]
    if step.below in parts:
        parts = parts[len(parts) - parts[::-1].index(step.below) :]
    return str(PurePosixPath(*parts))


def _members(archive: Path) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    """Yield (path, opener) of the regular files of a zip or tar archive; links and devices are left out."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                for info in packed.infolist():
                    kind = stat.S_IFMT(info.external_attr >> 16)
                    if not info.is_dir() and kind in (0, stat.S_IFREG) and not info.filename.startswith("__MACOSX/"):
                        yield info.filename, partial(packed.open, info)
        else:
            with tarfile.open(archive) as tar:
                for member in tar:
                    if member.isfile():
                        yield member.name, partial(_of_tar, tar, member)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise InputError(
            "not a whole archive", file=archive, found=f"{error}; begins with {_begin(archive)}",
            expected="a zip or tar archive",
            cure="delete it and fetch it again; a page in place of the file means that it wants a browser",
        ) from error  # fmt: skip


def _of_tar(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    if content is None:
        raise tarfile.ReadError(f"{member.name} is no regular file")
    return content


def _begin(file: Path) -> str:
    with file.open("rb") as content:
        return repr(content.read(24))


# ---------------------------------------------------------------- files
def move(step: Move, place: Place) -> None:
    """Link the files into their folder, or the one file to its new name."""
    files = found(step.move, place.got, step.maybe)
    if PurePosixPath(step.to).suffix:
        if len(files) > 1:
            raise InputError("several files for one name", file=place.got, found=", ".join(map(str, files)),
                             expected=step.to, cure="correct this source in the registry")  # fmt: skip
        for file in files:
            link(file, place.made / step.to)
        return
    for file in files:
        link(file, place.made / step.to / (file.name if step.flat else file.relative_to(place.got)))


def fresh(target: Path) -> Path:
    """Return a path that can be written: what is there may be the same file as one that was fetched."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    return target


def link(file: Path, target: Path) -> None:
    """Make ``target`` the same file, by a hard link where the file system allows it."""
    fresh(target)
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)


def share(step: Share, place: Place) -> None:
    """Link the images of another source that the rows of a file name."""
    file = found(step.named_in, place.got)[0]
    wanted: dict[str, str] = {}
    for row, record in _json_lines(file):
        name = str(record.get(step.field, "")) if isinstance(record, dict) else ""
        if name.startswith(f"{step.under}/"):
            wanted.setdefault(name, row)
    for name, row in wanted.items():
        source = path_inside(
            place.data / step.share, name.removeprefix(f"{step.under}/"), file, row, step.field
        )  # fmt: skip
        if not source.is_file():
            raise InputError("an image of another source is missing", file=file, row=row, field=step.field, found=name,
                             expected=str(source), cure=f"retrieve '{step.share}' again")  # fmt: skip
        link(source, path_inside(place.made / step.to, name, file, row, step.field))


def shortened(step: Paths, place: Place) -> None:
    """Write JSON lines whose ``images`` keep only the last parts of their paths."""
    file = found(step.paths, place.got)[0]
    target = place.made / step.to
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8", newline="\n") as out:
        for row, record in _json_lines(file):
            images = record.get("images") if isinstance(record, dict) else None
            if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
                raise InputError("no list of image paths", file=file, row=row, field="images", found=images,
                                 expected="a list of texts", cure="fetch the file again")  # fmt: skip
            record["images"] = [str(PurePosixPath(*PurePosixPath(image).parts[-step.keep :])) for image in images]
            out.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")


def _json_lines(file: Path) -> Iterator[tuple[str, Any]]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                row = f"line {number}"
                yield row, parsed(decoded(line, file, row), file, row)


# ---------------------------------------------------------------- Parquet
def embedded(step: Embedded, place: Place) -> None:
    """Write the images of a column, named by the template; a name without an image suffix gets the format's."""
    for file in found(step.embedded, place.got):
        for row, record in _rows(file):
            try:
                stem = step.name.format_map(record)
            except KeyError as error:
                raise InputError("a column is missing", file=file, field=str(error.args[0]), found=", ".join(record),
                                 expected=step.name, cure="correct this source in the registry") from error  # fmt: skip
            _write_image(record, step.image, stem, place.made / step.to, file, row)


def _write_image(record: dict[str, Any], field: str, stem: str, folder: Path, file: Path, row: str) -> str:
    """Write an embedded image; return its name."""
    value = record.get(field)
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes) or not content:
        raise bad_record("missing_image", "no image", file=file, row=row, field=field, found=type(content).__name__,
                         expected="the bytes of an image", cure="correct this source in the registry")  # fmt: skip
    name = stem if stem.lower().endswith(IMAGE_SUFFIXES) else stem + _suffix(content)
    fresh(path_inside(folder, name, file, row, field)).write_bytes(content)
    return name


def _suffix(content: bytes) -> str:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for magic, suffix in _MAGIC.items() if content.startswith(magic)), ".jpg")


def stack(step: Stack, place: Place) -> None:
    """Write the columns of all files as one Parquet file, of all rows or of those that are drawn."""
    target = place.made / step.to
    target.parent.mkdir(parents=True, exist_ok=True)
    limit = _drawn_below(step, place) if step.rows is not None else None
    writer = None
    try:
        for batch in _batches(step, place, step.columns):
            kept = batch
            if limit is not None:
                kept = batch.filter(pyarrow.array([_place(value) <= limit for value in batch.column(0).to_pylist()]))
            writer = writer or pyarrow.parquet.ParquetWriter(target, batch.schema, compression="zstd")
            writer.write_batch(kept)
    finally:
        if writer is not None:
            writer.close()


def _batches(step: Stack, place: Place, columns: Sequence[str]) -> Iterator[Any]:
    for file in found(step.stack, place.got):
        with _parquet(file) as table:
            missing = [name for name in columns if name not in table.schema_arrow.names]
            if missing:
                raise InputError("a column is missing", file=file, field=missing[0], cure="correct the registry",
                                 found=", ".join(table.schema_arrow.names))  # fmt: skip
            yield from table.iter_batches(columns=list(columns))


def _place(value: object) -> str:
    return stable_key("draw_rows", value)


def _drawn_below(step: Stack, place: Place) -> str:
    """Return the place of the last row that is drawn: a row is in or out by its value, whatever else is there."""
    values = (value for batch in _batches(step, place, step.columns[:1]) for value in batch.column(0).to_pylist())
    return max(heapq.nsmallest(step.rows or 0, map(_place, values)), default="")


def _rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    number = 0
    with _parquet(file) as table:
        for batch in table.iter_batches(batch_size=_ROWS):
            for record in batch.to_pylist():
                yield f"row {number}", record
                number += 1


def _parquet(file: Path) -> Any:
    try:
        return pyarrow.parquet.ParquetFile(file)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError("cannot be read as Parquet", file=file, found=str(error), expected="a Parquet file",
                         cure="fetch the file again") from error  # fmt: skip


# ---------------------------------------------------------------- questions of the released benchmarks
def questions(step: Questions, place: Place) -> None:
    """Write one interchange CSV a setting; where the column ``image`` holds images, they become files."""
    made: set[str] = set()
    for setting in SETTINGS:
        named = re.compile(rf"(?<![a-z]){setting}(?![a-z])")
        files = [file for file in found(step.questions, place.got)
                 if named.search(file.relative_to(place.got).as_posix())]  # fmt: skip
        if not files:
            continue
        target = place.made / step.to / f"{setting}.csv"
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(QUESTION_COLUMNS)
            for file in files:
                for row, record in _records(file):
                    writer.writerow(_question(record, file, row, step, place))
        made.add(setting)
    if missing := [setting for setting in SETTINGS if setting not in made]:
        raise InputError("a setting is missing", file=place.got, found=", ".join(sorted(made)) or "none",
                         expected=", ".join(missing), cure="correct this source in the registry")  # fmt: skip


def _records(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if file.suffix == ".parquet":
        yield from _rows(file)
    elif file.suffix == ".csv":
        text = decoded(file_bytes(file, "a CSV file with a header"), file)
        for number, record in enumerate(csv.DictReader(text.splitlines(keepends=True)), start=2):
            yield f"row {number}", record
    else:
        yield from _json_lines(file)


def _question(record: dict[str, Any], file: Path, row: str, step: Questions, place: Place) -> Sequence[object]:
    missing = [name for name in QUESTION_COLUMNS if name not in record]
    if missing:
        raise InputError("a column is missing", file=file, row=row, field=missing[0], found=", ".join(record),
                         expected=", ".join(QUESTION_COLUMNS), cure="correct this source in the registry")  # fmt: skip
    values = [record[name] for name in QUESTION_COLUMNS]
    if step.images is not None:
        named = record.get("image_filename") or (record["image"] or {}).get("path")
        if not named:
            raise InputError("an image without a name", file=file, row=row, field="image_filename", found=named,
                             expected="a file name", cure="correct this source in the registry")  # fmt: skip
        values[0] = _write_image(
            record, "image", PurePosixPath(str(named)).name, place.made / step.images, file, row
        )  # fmt: skip
    return values
