"""Pictures and masks of scenes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from finer.world.catalogue import COLORS, FIGURES, WORLD
from finer.world.pools import draw_pool
from finer.world.render import jpeg, masks, render
from finer.world.scenes import Scene, Thing


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return draw_pool(1, "verifier", 60)


def test_picture_is_repeatable_and_of_the_declared_size(scenes: list[Scene]) -> None:
    for scene in scenes[:10]:
        picture = render(scene)
        assert picture.shape == (96, 96, 3) and picture.dtype == np.uint8
        assert jpeg(picture) == jpeg(render(scene))
        assert Image.open(io.BytesIO(jpeg(picture))).size == (96, 96)


def test_masks_show_each_thing_once_and_the_rest_is_background(scenes: list[Scene]) -> None:
    for scene in scenes:
        picture, found = render(scene).astype(int), masks(scene)
        assert len(found) == len(scene.things)
        assert all(mask.shape == (96, 96) and mask.dtype == bool and mask.sum() > 12 for mask in found)
        total = np.sum(found, axis=0)
        assert total.max() == 1
        empty = total == 0
        assert abs(np.median(picture[empty]) - scene.grey) <= 2


def test_plain_thing_shows_its_color() -> None:
    for color in COLORS:
        scene = Scene((Thing("ball", color, "plain", "big", False, 1, 2, (0, 0)),), 190, 0)
        shown = render(scene)[masks(scene)[0]].mean(0)
        assert np.abs(shown - WORLD["colors"][color]).max() < 12


def test_kinds_patterns_sizes_and_outlines_look_different() -> None:
    looks = {}
    for kind in FIGURES:
        for pattern in WORLD["patterns"]:
            for size in ("small", "big"):
                for outlined in (False, True):
                    scene = Scene((Thing(kind, "red", pattern, size, outlined, 0, 0, (0, 0)),), 190, 0)
                    looks[kind, pattern, size, outlined] = render(scene)[:24, :24].astype(int)
    flat = np.array([look.ravel() for look in looks.values()])
    distance = np.abs(flat[:, None] - flat[None]).mean(-1)
    np.fill_diagonal(distance, np.inf)
    assert distance.min() > 1.0  # grey levels, mean over the cell
