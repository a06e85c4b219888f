"""Image files -> RGB images, with errors that name the file; and how a model's processor turns these into pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from finer.errors import InputError


@dataclass(frozen=True)
class Images:
    """How images become pixels; None: as the checkpoint says."""

    backend: str = "pil"  # pil | torchvision
    min_pixels: int | None = None
    max_pixels: int | None = None
    max_tiles: int | None = None


AS_THE_CHECKPOINT_SAYS = Images()


def open_image(path: Path) -> Image.Image:
    """Read an image as RGB.

    Raises:
        InputError: there is no such file, or it is not a whole image.
    """
    with _readable(path) as image:
        return image.convert("RGB")


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height of an image from its header, without decoding it.

    Raises:
        InputError: there is no such file, or it is no image.
    """
    with _readable(path) as image:
        return image.size


@contextmanager
def _readable(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError as error:
        raise InputError("no such image", file=path, expected="an image file", cure="rebuild the benchmark") from error
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(
            "the image cannot be read", file=path, found=str(error), expected="a whole JPEG or PNG file",
            cure="fetch or render the file again",
        ) from error  # fmt: skip
