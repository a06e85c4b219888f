"""Image files -> fully decoded, measured and hashed, so that no later stage meets a broken one.

A name from a data file is resolved inside its folder; one that leaves it is refused whatever `on_bad_item` says,
since it is no accident of one photo.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from PIL import Image

from finer.errors import InputError
from finer.keys import stable_key
from finer.raw.records import bad_record

# What Pillow's decoders raise on damaged files; anything else is a fault of ours and shall be seen.
_DAMAGED = (
    OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, KeyError, OverflowError,
    struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip


@dataclass(frozen=True)
class ImageFile:
    """One readable image: its path as the rules see it, size in pixels and the hash of its bytes."""

    path: str
    width: int
    height: int
    sha256: str


def path_inside(folder: Path, name: str, file: Path, row: str, field: str) -> Path:
    """Return ``folder/name``; raise InputError if the name could leave the folder.

    Judged by the name alone: a link that the user put into the folder is the user's own doing.
    """
    plain = PurePosixPath(name)
    if not plain.parts or plain.is_absolute() or ".." in plain.parts or "\\" in name or "\0" in name:
        raise InputError(
            "the image name leaves its folder", file=file, row=row, field=field, found=name,
            expected=f"a file name inside {folder}", cure="correct the name; such rows are never read",
        )  # fmt: skip
    return folder / plain


def read_image(path: Path, file: Path, row: str, field: str) -> ImageFile:
    """Decode an image entirely and measure it; errors are droppable items of ``file``, ``row``."""
    if not path.is_file():
        raise bad_record(
            "missing_image", "the image does not exist", file=file, row=row, field=field, found=str(path),
            expected="an image file", cure="complete the folder `images`, or set on_bad_item: drop",
        )  # fmt: skip
    content = path.read_bytes()
    try:
        with Image.open(BytesIO(content)) as image:
            image.load()
            width, height = image.size
    except _DAMAGED as error:
        raise bad_record(
            "unreadable_image", "the image cannot be decoded", file=file, row=row, field=field,
            found=f"{path} ({len(content)} bytes): {error}", expected="a complete image file",
            cure="fetch the image again, or set on_bad_item: drop",
        ) from error  # fmt: skip
    return ImageFile(str(path), width, height, hashlib.sha256(content).hexdigest())


def image_row(benchmark: str, split: str, name: str, image: ImageFile | None) -> dict[str, str | int | None]:
    """Return a row of the table of images, keyed by content, or by name where there is no image file."""
    if image is None:
        return {
            "image_id": stable_key(benchmark, name), "benchmark": benchmark, "split": split, "file_name": name,
            "path": None, "width": None, "height": None, "sha256": None,
        }  # fmt: skip
    return {
        "image_id": stable_key(benchmark, image.sha256), "benchmark": benchmark, "split": split, "file_name": name,
        "path": image.path, "width": image.width, "height": image.height, "sha256": image.sha256,
    }  # fmt: skip


class ImageShelf:
    """The images of one benchmark: each name once, each content once."""

    def __init__(self, folder: Path | None, benchmark: str, split: str) -> None:
        if folder is not None and not folder.is_dir():
            raise InputError(
                "no such folder of images", file=folder, expected="a folder", cure="check `images` of this benchmark"
            )
        self.folder, self.benchmark, self.split = folder, benchmark, split
        self.rows: list[dict[str, str | int | None]] = []
        self._names: dict[str, str] = {}
        self._ids: dict[str, str] = {}

    def refuse_outside(self, name: str, file: Path, row: str, field: str) -> Path:
        """Return the path of ``name``, or raise InputError if it leaves the folder."""
        return path_inside(self.folder if self.folder is not None else Path(), name, file, row, field)

    def look(self, name: str, file: Path, row: str, field: str) -> dict[str, str | int | None]:
        """Return the row of one image, not kept yet; missing, broken and repeated ones are droppable errors."""
        path = self.refuse_outside(name, file, row, field)
        if name in self._names:
            raise bad_record(
                "duplicate_image", "an image name occurs twice", file=file, row=row, field=field,
                found=f"{name}, first at {self._names[name]}", expected="each image once", cure="remove one of them",
            )  # fmt: skip
        self._names[name] = row  # also of one that turns out broken: its name is used up
        image = None if self.folder is None else read_image(path, file, row, field)
        found = image_row(self.benchmark, self.split, name, image)
        twin = self._ids.get(str(found["image_id"]))
        if twin is not None:
            raise bad_record(
                "duplicate_image", "two image files have the same content", file=file, row=row, field=field,
                found=f"{name} and {twin}", expected="each image once", cure="remove one of them",
            )  # fmt: skip
        return found

    def keep(self, row: dict[str, str | int | None]) -> str:
        """Add a row to the table; return its image id."""
        self.rows.append(row)
        self._ids[str(row["image_id"])] = str(row["file_name"])
        return str(row["image_id"])
