"""No image that is learnt from is one that is asked about: found by content, by look or by scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageEnhance

from finer.errors import InputError
from finer.preferences.leaks import leaks, look_hash, near, packed, without_leaks
from finer.raw.images import image_row, read_image
from finer.schemas import IMAGES, LEAKS
from finer.store import check_table, table_from
from finer.world.pools import check_manifests, draw_pool, write_manifest
from test_preferences_mixtures import pairs

DISTANCE = 48  # as in the paper's preset


def picture(seed: int, size: int = 160) -> Image.Image:
    """Return smooth colours with edges, as a photo has."""
    rng = np.random.default_rng(seed)
    cells = [Image.fromarray(rng.integers(0, 255, (count, count, 3), dtype=np.uint8)) for count in (9, 5)]
    coarse = cells[0].resize((size, size), Image.Resampling.BICUBIC)
    blocks = cells[1].resize((size, size), Image.Resampling.NEAREST)
    return Image.blend(coarse, blocks, 0.4)


def table(folder: Path, name: str, images: dict[str, Image.Image]) -> pl.DataFrame:
    rows = []
    (folder / name).mkdir()
    for file, image in images.items():
        path = folder / name / file
        image.convert("RGB").save(path, quality=92)
        rows.append(image_row(name, "test", file, read_image(path, path, "", "")))
    return table_from(rows, IMAGES)


@pytest.fixture
def benchmark(tmp_path: Path) -> pl.DataFrame:
    return table(tmp_path, "bench", {f"b{seed}.jpg": picture(seed) for seed in range(6)})


def test_copies_are_found_and_others_are_not(tmp_path: Path, benchmark: pl.DataFrame) -> None:
    original = picture(2)
    mine = table(
        tmp_path,
        "mine",
        {
            "same.jpg": original,
            "small.jpg": original.resize((90, 90)),
            "bright.jpg": ImageEnhance.Brightness(picture(3)).enhance(1.15),
            "cropped.jpg": picture(4).crop((1, 1, 159, 159)),
            "other.jpg": picture(50),
            "another.jpg": picture(51),
        },
    )
    found = check_table(leaks(mine, [benchmark.head(1), benchmark.tail(5)], "mine", DISTANCE), LEAKS)
    hits = {(row["file_name"], row["other_file_name"]): row["found_by"] for row in found.to_dicts()}
    assert hits == {
        ("same.jpg", "b2.jpg"): "content", ("small.jpg", "b2.jpg"): "look", ("bright.jpg", "b3.jpg"): "look",
        ("cropped.jpg", "b4.jpg"): "look",
    }  # fmt: skip
    by_content = leaks(mine, [benchmark], "mine", 0).filter(found_by="content")
    assert by_content["file_name"].to_list() == ["same.jpg"]


def test_pairs_of_leaked_images_are_dropped_and_listed() -> None:
    preferences = pairs(5)
    leaked = preferences["image_id"][0]
    found = table_from(
        [
            {"source": "s", "image_id": leaked, "file_name": "i.jpg", "benchmark": b, "other_image_id": b,
             "other_file_name": "o.jpg", "found_by": "look", "distance": 7}
            for b in ("docci", "comprecap")
        ],
        LEAKS,
    )  # fmt: skip
    kept, drops = without_leaks(preferences, found, "s")
    assert leaked not in set(kept["image_id"]) and kept.height == preferences.height - 8
    assert kept.equals(preferences.filter(pl.col("image_id") != leaked))
    assert drops.select("stage", "reason", "image_id").rows() == [("leaks", "leak", leaked)]
    assert "7 bits" in drops["detail"][0]
    assert without_leaks(preferences, LEAKS.empty(), "s")[0].equals(preferences)


def test_without_image_files_nothing_can_leak(benchmark: pl.DataFrame) -> None:
    named = table_from([image_row("s", "train", "a.jpg", None)], IMAGES)
    assert leaks(named, [benchmark], "s", DISTANCE).height == 0
    assert leaks(benchmark, [], "s", DISTANCE).height == 0


def test_near_counts_bits_over_blocks() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (700, 16, 16)).astype(bool)
    hashes = np.stack([packed(each) for each in bits])
    other = bits[[5, 300, 699]].copy()
    other[1, 0, :3] ^= True
    other[2] ^= True
    found = sorted(near(hashes, np.stack([packed(each) for each in other]), 3))
    assert found == [(5, 0, 0), (300, 1, 3)]
    slow = [int((bits[row] != other[2]).sum()) for row in (0, 699)]
    all_pairs = {(row, column): distance for row, column, distance in near(hashes, np.stack([packed(other[2])]), 256)}
    assert [all_pairs[0, 0], all_pairs[699, 0]] == slow and slow[1] == 256


def test_a_vanished_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.jpg"):
        look_hash(tmp_path / "gone.jpg")


def test_a_scene_of_the_benchmark_among_the_tuning_scenes_stops_the_run(tmp_path: Path) -> None:
    tuning, bench = tmp_path / "tuning.csv", tmp_path / "bench.csv"
    write_manifest(tuning, "tuning", draw_pool(1, "tuning", 20))
    write_manifest(bench, "docci_test", draw_pool(1, "docci_test", 20))
    check_manifests([tuning, bench], tmp_path / "report.csv")
    stolen = bench.read_text().splitlines()[1].split(",")[1]
    tuning.write_text(tuning.read_text() + f"tuning,{stolen}\n")
    with pytest.raises(InputError, match="must not share a scene"):
        check_manifests([tuning, bench], tmp_path / "report.csv")
