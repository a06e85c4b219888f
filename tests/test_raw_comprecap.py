"""CompreCap's raw files: what is read, and what each kind of bad input says."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from finer.errors import InputError
from finer.raw.comprecap import annotations_of, read_comprecap

WIDTH, HEIGHT = 8, 6


def mask(pixels: int = WIDTH * HEIGHT) -> str:
    return base64.b64encode(zlib.compress(bytes(pixels))).decode()


def entry(name: str) -> dict[str, Any]:
    ball = {"category": "ball", "short_description": "A red ball.", "extend_description": "A small red ball.",
            "mask_out": mask(), "relation": ["The ball is to the left of the box."]}  # fmt: skip
    box = {"category": "box", "short_description": "A box.", "extend_description": "A box.", "mask_out": mask(),
           "relation": []}  # fmt: skip
    return {"image": name, "info": [ball, box]}


class Folder:
    """Two good images with annotations, to be spoilt."""

    def __init__(self, root: Path) -> None:
        self.annotations, self.images = root / "anno.json", root / "images"
        self.images.mkdir()
        for shade, name in ((10, "a.jpg"), (200, "b.jpg"), (90, "c.jpg")):
            Image.new("RGB", (WIDTH, HEIGHT), (shade, 0, 0)).save(self.images / name)
        self.entries: list[Any] = [entry("a.jpg"), entry("b.jpg"), entry("c.jpg")]
        self.content: bytes | None = None

    def read(self, on_bad_item: Any = "stop") -> Any:
        content = json.dumps(self.entries).encode() if self.content is None else self.content
        self.annotations.write_bytes(content)
        return read_comprecap(self.annotations, self.images, "comprecap", on_bad_item)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_images_are_keyed_by_content_and_measured(folder: Folder) -> None:
    first = folder.read().images
    assert first["width"].to_list() == [WIDTH] * 3 and first["height"].to_list() == [HEIGHT] * 3
    (folder.images / "a.jpg").rename(folder.images / "renamed.jpg")
    folder.entries[0]["image"] = "renamed.jpg"
    assert folder.read().images["image_id"].to_list() == first["image_id"].to_list()


def test_sentences_and_descriptions_are_kept_as_written(folder: Folder) -> None:
    ball, box = folder.read().annotations[0].objects
    assert (ball.category, ball.short_description, ball.extended_description) == (
        "ball",
        "A red ball.",
        "A small red ball.",
    )
    assert ball.relations == ("The ball is to the left of the box.",) and box.relations == ()


@pytest.mark.parametrize(
    ("written", "read"), [("", ()), ([], ()), ([""], ()), ("The ball is red.", ("The ball is red.",))]
)
def test_relation_may_be_a_bare_or_an_empty_string(folder: Folder, written: Any, read: tuple[str, ...]) -> None:
    folder.entries[0]["info"][0]["relation"] = written
    assert folder.read().annotations[0].objects[0].relations == read


def _without(*path: Any) -> Callable[[Folder], None]:
    def spoil(folder: Folder) -> None:
        place: Any = folder.entries
        for part in path[:-1]:
            place = place[part]
        del place[path[-1]]

    return spoil


def _with(value: Any, *path: Any) -> Callable[[Folder], None]:
    def spoil(folder: Folder) -> None:
        place: Any = folder.entries
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value

    return spoil


def _cut(folder: Folder) -> None:
    whole = (folder.images / "b.jpg").read_bytes()
    (folder.images / "b.jpg").write_bytes(whole[:-8])  # the header is whole, so only decoding finds it


def _copy(folder: Folder) -> None:
    (folder.images / "b.jpg").write_bytes((folder.images / "a.jpg").read_bytes())


BALL = (1, "info", 0)
ITEMS = {
    "missing field": (
        _without(*BALL, "category"),
        ["entry 2", "info.0.category", "missing field", "expected"],
        "bad_row",
    ),
    "missing image field": (_without(1, "image"), ["entry 2", "'image'", "missing field"], "bad_row"),
    "wrong type": (_with(7, *BALL, "category"), ["entry 2", "info.0.category", "int 7", "text"], "bad_row"),
    "wrong type of relation": (
        _with({"a": 1}, *BALL, "relation"),
        ["entry 2", "relation", "list of sentences"],
        "bad_row",
    ),
    "not a record": (_with("b.jpg", 1), ["entry 2", "str 'b.jpg'"], "bad_row"),
    "empty category": (_with(" ", *BALL, "category"), ["entry 2", "category", "empty"], "bad_row"),
    "half a surrogate pair": (_with("\ud800", *BALL, "category"), ["entry 2", "category"], "bad_row"),
    "missing image": (
        lambda f: (f.images / "b.jpg").unlink(),
        ["entry 2", "'image'", "does not exist", "b.jpg"],
        "missing_image",
    ),
    "unreadable image": (lambda f: (f.images / "b.jpg").write_bytes(b"no"), ["entry 2", "decoded"], "unreadable_image"),
    "image cut off": (_cut, ["entry 2", "cannot be decoded", "b.jpg"], "unreadable_image"),
    "empty image": (lambda f: (f.images / "b.jpg").write_bytes(b""), ["entry 2", "0 bytes"], "unreadable_image"),
    "mask too small": (_with(mask(7), *BALL, "mask_out"), ["object 1 ('ball')", "7 bytes", "48 bytes"], "bad_mask"),
    "mask too large": (_with(mask(10**6), *BALL, "mask_out"), ["more than 48 bytes", "48 bytes"], "bad_mask"),
    "mask not base64": (_with("~~~", *BALL, "mask_out"), ["mask_out", "cannot be unpacked"], "bad_mask"),
    "mask not zlib": (_with("AAAA", *BALL, "mask_out"), ["mask_out", "cannot be unpacked"], "bad_mask"),
    "image name twice": (_with("a.jpg", 1, "image"), ["entry 2", "a.jpg, first at entry 1"], "duplicate_image"),
    "same content twice": (_copy, ["entry 2", "b.jpg and a.jpg"], "duplicate_image"),
}


@pytest.mark.parametrize("case", ITEMS)
def test_bad_item_stops_with_file_row_field_found_expected_and_cure(folder: Folder, case: str) -> None:
    spoil, said, _ = ITEMS[case]
    spoil(folder)
    with pytest.raises(InputError) as error:
        folder.read()
    for part in [str(folder.annotations), *said, "found:", "expected:", "cure:"]:
        assert part in str(error.value)


@pytest.mark.parametrize("case", ITEMS)
def test_bad_item_is_a_counted_drop_when_asked_for(folder: Folder, case: str) -> None:
    spoil, _, reason = ITEMS[case]
    spoil(folder)
    raw = folder.read("drop")
    assert raw.images["file_name"].to_list() == ["a.jpg", "c.jpg"]
    assert [each.file_name for each in raw.annotations] == ["a.jpg", "c.jpg"]
    assert raw.drops["reason"].to_list() == [reason]


def _content(content: bytes) -> Callable[[Folder], None]:
    def spoil(folder: Folder) -> None:
        folder.content = content

    return spoil


STRUCTURE = {
    "broken JSON": (_content(b'[{"image": "a.jpg",'), ["not JSON", "line 1"]),
    "empty file": (_content(b""), ["empty"]),
    "blank file": (_content(b" \n"), ["empty"]),
    "empty list": (_content(b"[]"), ["list is empty"]),
    "not a list": (_content(b'{"a": 1}'), ["not a list", "dict"]),
    "another encoding": (
        _content('[{"image": "café.jpg"}]'.encode("latin-1")),
        ["not in UTF-8", "0xe9", "position 15"],
    ),
    "nested without end": (_content(b"[" * 100_000), ["nested"]),
    "every item bad": (lambda f: [p.unlink() for p in f.images.glob("*.jpg")], ["no item"]),
    "no folder of images": (lambda f: setattr(f, "images", f.images / "nowhere"), ["no such folder"]),
    "name leaves the folder": (_with("../a.jpg", 1, "image"), ["leaves its folder", "../a.jpg", "entry 2"]),
    "name is absolute": (_with("/etc/a.jpg", 1, "image"), ["leaves its folder"]),
    "name leaves by a detour": (_with("x/../../a.jpg", 1, "image"), ["leaves its folder"]),
    "name leaves the Windows way": (_with("..\\a.jpg", 1, "image"), ["leaves its folder"]),
}


@pytest.mark.parametrize("case", STRUCTURE)
def test_wrong_structure_and_escaping_names_always_stop(folder: Folder, case: str) -> None:
    spoil, said = STRUCTURE[case]
    spoil(folder)
    with pytest.raises(InputError) as error:
        folder.read("drop")
    for part in [*said, "expected:"]:
        assert part in str(error.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_comprecap(tmp_path / "anno.json", tmp_path, "comprecap")


def test_later_stages_read_the_annotations_of_the_kept_images_only(folder: Folder) -> None:
    (folder.images / "b.jpg").unlink()
    raw = folder.read("drop")
    assert annotations_of(folder.annotations, raw.images) == raw.annotations


def test_later_stages_refuse_annotations_that_lost_an_image(folder: Folder) -> None:
    images = folder.read().images
    folder.annotations.write_text(json.dumps(folder.entries[:2]))
    with pytest.raises(InputError, match=r"c\.jpg"):
        annotations_of(folder.annotations, images)
