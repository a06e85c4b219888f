"""How far perceptual hashes of copies and of different images lie apart: what `preferences.leak_distance` is set by.

    python benchmarks/leak_distance.py [--images 400] [--folder FOLDER_OF_IMAGES]

Makes photo-like images (1/f noise in colour with shapes of light and shadow), micro scenes and, from scikit-learn, two
photographs; changes copies of each; and prints in how many of 256 bits their hashes differ. With a folder: of its
images instead of the photo-like ones.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter
from sklearn.datasets import load_sample_images

from finer.preferences.leaks import look_hash
from finer.world.pools import draw_pool
from finer.world.render import jpeg, render

Change = Callable[[Image.Image], Image.Image]


def crop(share: float) -> Change:
    """Return a change that cuts this share off each side."""

    def change(image: Image.Image) -> Image.Image:
        width, height = image.size
        left, top = int(width * share), int(height * share)
        return image.crop((left, top, width - left, height - top))

    return change


def recompressed(quality: int) -> Change:
    """Return a change that saves as JPEG of this quality."""

    def change(image: Image.Image) -> Image.Image:
        content = io.BytesIO()
        image.save(content, "JPEG", quality=quality)
        return Image.open(content)

    return change


def scaled(factor: float) -> Change:
    """Return a change of size."""
    return lambda image: image.resize((max(8, int(image.width * factor)), max(8, int(image.height * factor))))


CHANGES: dict[str, Change] = {
    "recompressed, quality 90": recompressed(90),
    "recompressed, quality 30": recompressed(30),
    "half the size": scaled(0.5),
    "a quarter of the size": scaled(0.25),
    "20 % brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "20 % darker": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
    "30 % more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(image.width / 300)),
    "cropped 1 % a side": crop(0.01),
    "cropped 2 % a side": crop(0.02),
    "cropped 4 % a side": crop(0.04),
    "half the size, quality 50, cropped 1 %": lambda image: recompressed(50)(scaled(0.5)(crop(0.01)(image))),
}


def photo_like(rng: np.random.Generator, width: int = 640, height: int = 480) -> Image.Image:
    """Return 1/f noise in colour over a gradient, with some shapes: smooth regions, edges and texture as in photos."""
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    spectrum = 1 / np.maximum(np.hypot(rows, columns), 1 / width) ** rng.uniform(0.9, 1.4)
    channels = []
    shared = rng.standard_normal((height, width))
    for _ in range(3):
        noise = np.fft.rfft2(0.8 * shared + 0.4 * rng.standard_normal((height, width))) * spectrum
        values = np.fft.irfft2(noise, s=(height, width))
        channels.append((values - values.mean()) / values.std())
    ramp = np.linspace(-1, 1, height)[:, None] * rng.uniform(-1, 1)
    pixels = np.clip(np.stack(channels, axis=-1) * 40 + ramp[..., None] * 40 + rng.uniform(90, 160), 0, 255)
    image = Image.fromarray(pixels.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(2, 7)):
        left, top = rng.integers(0, width), rng.integers(0, height)
        box = (left, top, left + rng.integers(20, width // 2), top + rng.integers(20, height // 2))
        color = tuple(int(value) for value in rng.integers(0, 255, 3))
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)([int(value) for value in box], fill=color)
    return image.filter(ImageFilter.GaussianBlur(1))


def hashed(image: Image.Image, folder: Path) -> np.ndarray:
    """Return the hash of an image as it would be read from a JPEG file."""
    path = folder / "image.jpg"
    image.convert("RGB").save(path, "JPEG", quality=95)
    return look_hash(path)


def bits(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return in how many bits hashes differ."""
    return np.bitwise_count(one ^ other).sum(axis=-1)


def measure(name: str, images: list[Image.Image], folder: Path) -> None:
    """Print how far copies and how far different images lie apart."""
    own = np.stack([hashed(image, folder) for image in images])
    print(f"\n## {name}: {len(images)} images\n\n| | median | 95 % | 99 % | most |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for label, change in CHANGES.items():
        copies = np.stack([hashed(change(image.convert("RGB")), folder) for image in images])
        found = bits(own, copies)
        print(f"| {label} | {' | '.join(f'{np.quantile(found, q):.0f}' for q in (0.5, 0.95, 0.99, 1.0))} |")
    rows, columns = np.triu_indices(len(own), 1)
    apart = bits(own[rows], own[columns])
    if not len(apart):
        return
    shares = ", ".join(f"{(apart <= limit).sum()} at most {limit}" for limit in (0, 24, 32, 40, 48, 56, 64, 72))
    print(f"\nDifferent images, {len(apart):,} pairs: least {apart.min()}, 0.1 % {np.quantile(apart, 0.001):.0f}, "
          f"median {np.median(apart):.0f}; {shares}.")  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if chosen.folder is not None:
            paths = sorted(path for path in chosen.folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
            measure(chosen.folder.name, [Image.open(path).convert("RGB") for path in paths[: chosen.images]], folder)
            return
        rng = np.random.default_rng(0)
        measure("photo-like", [photo_like(rng) for _ in range(chosen.images)], folder)
        measure("photographs", [Image.fromarray(image) for image in load_sample_images().images], folder)
        scenes = draw_pool(1, "tuning", chosen.images)
        measure("micro scenes", [Image.open(io.BytesIO(jpeg(render(scene)))) for scene in scenes], folder)


if __name__ == "__main__":
    main()
