"""Scenes as pictures: 96 x 96 pixels, sprites supersampled and cached, masks of what is visible of each thing."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from finer.world.catalogue import CELL, SIDE, WORLD
from finer.world.scenes import Scene, Thing
from finer.world.shapes import FIGURE_SHAPES, Pen

Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_SAMPLES = 4  # subpixels a side of a pixel
_RADIUS = {"small": 7.2, "big": 10.8}
_RAISED = 4  # pixels by which a thing on a support stands above the centre of the cell
_MARGIN = 6  # pixels around the picture while drawing, so that shifted things need no clipping
_NOISE_STD = 3.0
_NOISE_LENGTH = 1 << 20


def render(scene: Scene) -> npt.NDArray[np.uint8]:
    """Return the picture, uint8 of shape (96, 96, 3)."""
    canvas = np.full((SIDE + 2 * _MARGIN, SIDE + 2 * _MARGIN, 3), scene.grey, np.float32)
    for thing in _back_to_front(scene):
        colour, cover = _sprite(thing.kind, thing.color, thing.pattern, thing.size, thing.outlined)
        top, left = _corner(thing)
        window = canvas[top : top + CELL, left : left + CELL]
        window *= cover
        window += colour
    picture = canvas[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    noise = _noise()
    start = scene.noise % (_NOISE_LENGTH - picture.size)
    picture = picture + noise[start : start + picture.size].reshape(picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def masks(scene: Scene) -> list[Mask]:
    """Return for each thing which pixels show it, bool of shape (96, 96); a pixel shows one thing at most."""
    owner = np.full((SIDE + 2 * _MARGIN, SIDE + 2 * _MARGIN), -1)
    for thing in _back_to_front(scene):
        _, cover = _sprite(thing.kind, thing.color, thing.pattern, thing.size, thing.outlined)
        top, left = _corner(thing)
        owner[top : top + CELL, left : left + CELL][cover[..., 0] < 0.5] = scene.things.index(thing)
    visible = owner[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    return [visible == index for index in range(len(scene.things))]


def jpeg(picture: npt.NDArray[np.uint8]) -> bytes:
    """Return the picture as JPEG, quality 95, colours not subsampled (stripes would bleed)."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def _back_to_front(scene: Scene) -> list[Thing]:
    """Containers and supports first: what they hold covers them."""
    return sorted(scene.things, key=lambda thing: thing.is_figure)


def _corner(thing: Thing) -> tuple[int, int]:
    """Return the top left pixel of the thing's sprite on the canvas with margins."""
    top = thing.row * CELL + thing.shift[0] + _MARGIN
    if thing.raised:
        top -= _RAISED
    return top, thing.column * CELL + thing.shift[1] + _MARGIN


@cache
def _noise() -> Pixels:
    return np.random.default_rng(7).standard_normal(_NOISE_LENGTH, dtype=np.float32) * np.float32(_NOISE_STD)


@cache
def _sprite(kind: str, color: str, pattern: str | None, size: str | None, outlined: bool) -> tuple[Pixels, Pixels]:
    """Return (colour times coverage, 1 - coverage), float32 of shapes (24, 24, 3) and (24, 24, 1)."""
    base = np.array(WORLD["colors"][color], np.float32)
    if pattern is None or size is None:
        body, details = _holder_shape(kind)
        paint = np.broadcast_to(base, (*body.shape, 3))
    else:
        body, details = _figure_shape(kind, size)
        light = base * 0.1 + 250 * 0.9
        paint = np.where(_texture(pattern)[..., None], light, base)
    paint = np.where(details[..., None], np.float32(40), paint)
    shape = body | details
    if outlined:
        solid = Image.fromarray(shape.astype(np.uint8) * 255)
        width = 7 if size == "small" else 9  # subpixels; a full pixel would leave a small thing little colour
        inner = np.array(solid.filter(ImageFilter.MinFilter(width))) > 127
        paint = np.where((shape & ~inner)[..., None], np.float32(8), paint)
    colour = _shrink(paint * shape[..., None])
    cover = _shrink(shape[..., None].astype(np.float32))
    return colour, 1 - cover


def _shrink(canvas: npt.NDArray[np.floating]) -> Pixels:
    """Average subpixels: (96, 96, n) to (24, 24, n)."""
    depth = canvas.shape[-1]
    return np.asarray(canvas.reshape(CELL, _SAMPLES, CELL, _SAMPLES, depth).mean((1, 3)), dtype=np.float32)


@cache
def _figure_shape(kind: str, size: str) -> tuple[Mask, Mask]:
    """Return the subpixels of the body and of the inked details."""
    side = CELL * _SAMPLES
    body, details = Image.new("L", (side, side), 0), Image.new("L", (side, side), 0)
    FIGURE_SHAPES[kind](Pen(ImageDraw.Draw(body), ImageDraw.Draw(details), side / 2, _RADIUS[size] * _SAMPLES))
    return np.array(body) > 127, np.array(details) > 127


@cache
def _holder_shape(kind: str) -> tuple[Mask, Mask]:
    side = CELL * _SAMPLES
    body, details = Image.new("L", (side, side), 0), Image.new("L", (side, side), 0)
    draw, width = ImageDraw.Draw(body), int(2.7 * _SAMPLES)
    if kind == "box":
        draw.rectangle([2, 2, side - 3, side - 3], outline=255, width=width)
    elif kind == "ring":
        draw.ellipse([1, 1, side - 2, side - 2], outline=255, width=width)
    else:  # a table: its top, two legs
        top = 15.4 * _SAMPLES
        draw.rectangle([2, top, side - 3, top + 3.2 * _SAMPLES], fill=255)
        for left in (3.0, CELL - 5.6):
            draw.rectangle([left * _SAMPLES, top, (left + 2.6) * _SAMPLES, side - 2], fill=255)
    return np.array(body) > 127, np.array(details) > 127


@cache
def _texture(pattern: str) -> Mask:
    """Return which subpixels a pattern makes light."""
    side = CELL * _SAMPLES
    y, x = np.mgrid[0:side, 0:side]
    period = 5 * _SAMPLES
    half = period // 2
    if pattern == "striped":
        light = (y // half) % 2 == 1
    elif pattern == "checked":
        light = ((x // half) + (y // half)) % 2 == 1
    elif pattern == "dotted":
        light = (x % period - period / 2) ** 2 + (y % period - period / 2) ** 2 < (period * 0.3) ** 2
    else:
        light = np.zeros((side, side), bool)
    return np.asarray(light, dtype=bool)
