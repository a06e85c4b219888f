"""The micro world in the official file formats: readable by the readers of the real files, and never false."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from finer.errors import InputError
from finer.raw.comprecap import read_comprecap
from finer.raw.docci import read_docci
from finer.raw.pixmo import read_pixmo
from finer.world.comprecap import write_comprecap
from finer.world.docci import write_docci
from finer.world.judge import judge_negatives
from finer.world.pixmo import CAPTION_FILE, write_pixmo
from finer.world.pools import check_manifests
from finer.world.scenes import Scene, Thing
from finer.world.stories import STORY
from finer.world.truth import is_true, read_truth
from world_reading import KINDS, PLURALS, RELATIONS, VALUES, meant, stands, values

_NOUN = rf"(?:a|an|the)(?: (?:{'|'.join(VALUES)})){{0,3}} (?:{'|'.join(KINDS)})(?: with a black outline)?"
_RELATION = "|".join([*RELATIONS, "on top of"])
_PLACES = [
    *(f"in the {corner} corner" for corner in STORY["corners"]),
    *STORY["rows"].values(),
    *STORY["columns"].values(),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("raw")
    write_comprecap(7, "comprecap_test", 40, root / "comprecap", root / "comprecap.parquet")
    write_docci(7, "docci_test", 150, root / "docci", root / "docci.parquet")
    write_pixmo(7, "tuning_dev", 30, root / "pixmo", root / "pixmo.parquet")
    return root


def descriptions(folder: Path) -> list[dict[str, str]]:
    lines = (folder / "docci" / "docci_descriptions.jsonlines").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_readers_of_the_real_files_accept_them(folder: Path) -> None:
    assert read_comprecap(folder / "comprecap" / "anno.json", folder / "comprecap" / "images", "c").images.height == 40
    docci = folder / "docci"
    assert read_docci(docci / "docci_descriptions.jsonlines", docci / "images", "d").captions.height == 150
    pixmo = folder / "pixmo"
    assert read_pixmo(pixmo / CAPTION_FILE, pixmo / "images", "p").captions.height == 30


def test_manifests_lie_beside_the_files_and_share_no_scene(folder: Path, tmp_path: Path) -> None:
    paths = [folder / name / "scenes.csv" for name in ("comprecap", "docci", "pixmo")]
    check_manifests(paths, tmp_path / "report.csv")
    assert (tmp_path / "report.csv").read_text().splitlines()[1:] == [
        "comprecap_test,40",
        "docci_test,150",
        "tuning_dev,30",
    ]


def test_comprecap_masks_have_the_size_of_their_image(folder: Path) -> None:
    entries = json.loads((folder / "comprecap" / "anno.json").read_text())
    for entry in entries:
        assert re.fullmatch(r"\d{12}\.jpg", entry["image"])
        width, height = Image.open(folder / "comprecap" / "images" / entry["image"]).size
        for thing in entry["info"]:
            mask = zlib.decompress(base64.b64decode(thing["mask_out"]))
            assert len(mask) == width * height and set(mask) == {0, 1}


def test_comprecap_sentences_are_true_and_name_categories_verbatim(folder: Path) -> None:
    truth = read_truth(folder / "comprecap.parquet")
    counts = []
    for entry in json.loads((folder / "comprecap" / "anno.json").read_text()):
        scene = truth[entry["image"]]
        assert sorted(thing["category"] for thing in entry["info"]) == sorted(thing.kind for thing in scene.things)
        for index, annotated in enumerate(entry["info"]):
            thing = scene.things[index]
            for key in ("short_description", "extend_description"):
                first, _, rest = annotated[key].rstrip(".").partition(". It is ")
                phrase = (first[0].lower() + first[1:]).replace(
                    "pattern and a black outline", "pattern with a black outline"
                )
                assert index in meant(scene, phrase) and {*rest.split()} <= values(thing), annotated[key]
            assert isinstance(annotated["relation"], list)
            counts.append(len(annotated["relation"]))
            for sentence in annotated["relation"]:
                subject, claims = re.fullmatch(r"(The .+?) (is .+)\.", sentence).groups()  # type: ignore[union-attr]
                assert subject.endswith(annotated["category"])
                for claim in re.split(r", (?=is )| and (?=is )", claims):
                    assert stands(scene, [index], claim) == [index], sentence
                    assert any(other["category"] in claim for other in entry["info"])
    assert 0 in counts and 1 < sum(counts) / len(counts) < 2 and max(counts) <= 3


def sentences_of(caption: str) -> list[str]:
    return [part.strip() for part in re.findall(r"[^.]+\.", caption)]


def test_docci_captions_have_three_to_eight_sentences(folder: Path) -> None:
    lengths = {len(sentences_of(row["description"])) for row in descriptions(folder)}
    assert min(lengths) == 3 and max(lengths) == 8
    assert all(row["image_file"] == f"{row['example_id']}.jpg" for row in descriptions(folder))


def test_docci_captions_vary_and_use_pronouns_and_coordination(folder: Path) -> None:
    captions = [row["description"] for row in descriptions(folder)]
    text = " ".join(captions)
    assert len(set(captions)) == len(captions)
    for mark in (" It is ", " It has ", " and to the ", "There are two ", ", which ", "background", "Above the "):
        assert mark in text, mark
    told = sum(caption.count(kind) > 0 for caption in captions for kind in KINDS)
    assert told / len(captions) > 3


def test_docci_captions_say_nothing_false(folder: Path) -> None:
    truth = read_truth(folder / "docci.parquet")
    read = sum(check_caption(truth[row["image_file"]], row["description"]) for row in descriptions(folder))
    assert read > 500


def test_pixmo_captions_and_transcripts_say_nothing_false(folder: Path) -> None:
    truth = read_truth(folder / "pixmo.parquet")
    frame = pl.read_parquet(folder / "pixmo" / CAPTION_FILE)
    assert frame.columns == ["image_url", "caption", "transcripts"]
    for name, caption, transcripts in frame.iter_rows():
        check_caption(truth[name], caption)
        for transcript in transcripts:
            for phrase in re.findall(_NOUN, transcript):
                assert meant(truth[name], phrase), transcript


def check_caption(scene: Scene, caption: str) -> int:
    """Read a caption sentence by sentence; assert that each is understood and true; return how many told facts."""
    subjects: list[int] = []
    read = 0
    for sentence in sentences_of(caption):
        if sentence in STORY["remarks"] or sentence in STORY["openings"]:
            continue
        text = sentence[0].lower() + sentence[1:-1]
        subjects = check_sentence(scene, text, subjects)
        assert subjects, (sentence, caption, scene.things)
        read += 1
    return read


def check_sentence(scene: Scene, text: str, last: list[int]) -> list[int]:
    """Return the things that the sentence is about if it is true, else none."""
    place = next((place for place in _PLACES if place in text), None)
    if place:
        (phrase,) = re.findall(_NOUN, text.replace(place, ""))
        return [index for index in meant(scene, phrase) if is_there(scene, index, place)]
    if found := re.fullmatch(r"there are two (\w+)", text):
        twins = [index for index, thing in enumerate(scene.things) if thing.kind == PLURALS[found[1]]]
        return twins if len(twins) == 2 else []
    if found := re.fullmatch(r"one (?:\w+ )?(is|has) (.+?),? and the other (?:is|has) (.+)", text):
        both = [[i for i in last if said in values(scene.things[i])] for said in (found[2], found[3])]
        return last if all(both) else []
    if found := re.fullmatch(rf"({_RELATION}) ({_NOUN}) (?:is|there is) ({_NOUN})", text):
        return related(scene, meant(scene, found[3]), found[1], found[2])
    if found := re.fullmatch(rf"there is ({_NOUN}) ({_RELATION}) ({_NOUN})", text):
        return related(scene, meant(scene, found[1]), found[2], found[3])
    if found := re.fullmatch(rf"({_NOUN}) rests on top of ({_NOUN})", text):
        return related(scene, meant(scene, found[1]), "resting on top of", found[2])
    if found := re.fullmatch(rf"({_NOUN}|it)(?:, which ([^,]+),)? (is|has) (.+)", text):
        subjects = last if found[1] == "it" else meant(scene, found[1])
        for claim in filter(None, (found[2], f"{found[3]} {found[4]}")):
            subjects = claimed(scene, subjects, claim)
        return subjects
    phrases = re.findall(_NOUN, text)
    assert phrases, text
    return meant(scene, phrases[0]) if all(meant(scene, phrase) for phrase in phrases) else []


def claimed(scene: Scene, subjects: list[int], claim: str) -> list[int]:
    if claim in ("is visible",):
        return subjects
    parts = re.findall(rf"({_RELATION}) ({_NOUN})", claim)
    for name, target in parts:
        subjects = related(scene, subjects, name, target)
    if parts:
        return subjects
    said = set(re.split(r" and (?:has )?|, ", re.sub("^(is|has) ", "", claim)))
    return [index for index in subjects if said <= values(scene.things[index])]


def related(scene: Scene, subjects: list[int], name: str, target: str) -> list[int]:
    key = RELATIONS["resting on top of" if name == "on top of" else name]
    return [i for i in subjects if any(i != j and scene.holds(key, i, j) is True for j in meant(scene, target))]


def is_there(scene: Scene, index: int, place: str) -> bool:
    thing = scene.things[index]
    checks = {"top": thing.row == 0, "bottom": thing.row == 3, "left": thing.column == 0, "right": thing.column == 3}
    return all(right for word, right in checks.items() if re.search(rf"\b{word}\b", place))


def test_checker_of_captions_catches_a_wrong_word(folder: Path) -> None:
    truth = read_truth(folder / "docci.parquet")
    caught = tried = 0
    for row in descriptions(folder)[:40]:
        for wrong, right in (("below", "above"), ("red", "blue"), ("to the left of", "to the right of")):
            changed = row["description"].replace(right, wrong)
            if changed == row["description"]:
                continue
            tried += 1
            try:
                check_caption(truth[row["image_file"]], changed)
            except AssertionError:
                caught += 1
    assert tried > 20 and caught == tried


def test_failed_writer_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_docci(7, "docci_test", 2, tmp_path / "docci")
    before = (tmp_path / "docci" / "docci_descriptions.jsonlines").read_bytes()

    def fail(*_: object) -> bytes:
        raise RuntimeError("disk full")

    monkeypatch.setattr("finer.world.docci.jpeg", fail)
    with pytest.raises(RuntimeError):
        write_docci(7, "docci_test", 3, tmp_path / "docci")
    assert [path.name for path in tmp_path.iterdir()] == ["docci"]
    assert (tmp_path / "docci" / "docci_descriptions.jsonlines").read_bytes() == before


def test_truth_answers_for_elements(folder: Path) -> None:
    scene = next(s for s in read_truth(folder / "docci.parquet").values() if s.relations)
    (i, j), name = next(
        (pair, name) for pair, name in scene.relations.items() if scene.unique(pair[0]) and scene.unique(pair[1])
    )
    one, other = scene.things[i], scene.things[j]
    predicate = next(f"is {text}" for text, key in RELATIONS.items() if key == name)
    assert is_true(scene, one.kind) is True and is_true(scene, "zebra") is False
    assert is_true(scene, one.kind, attribute="with a white color") is False
    article = "an" if one.color == "orange" else "a"
    assert is_true(scene, one.kind, attribute=f"with {article} {one.color} color") is True
    assert is_true(scene, one.kind, predicate=predicate, target=other.kind) is True
    assert is_true(scene, one.kind, predicate=predicate, target="zebra") is False
    assert is_true(scene, one.kind, predicate="is admiring", target=other.kind) is None


def test_negatives_are_judged_by_the_scene() -> None:
    scene = Scene(
        (
            Thing("ball", "red", "plain", "small", False, 0, 0, (0, 0)),
            Thing("cup", "blue", "dotted", "big", True, 0, 2, (0, 0)),
        ),
        190, 0,
    )  # fmt: skip
    images = pl.DataFrame({"image_id": ["i"], "file_name": ["a.jpg"]})
    elements = pl.DataFrame(
        [("b", "ball", None, None), ("c", "cup", None, None), ("r", "is to the left of", "b", "c")],
        schema=["element_id", "text", "parent_id", "target_id"], orient="row",
    )  # fmt: skip
    elements = pl.concat(
        [elements, pl.DataFrame([("a", "with a red color", "b", None)], schema=elements.schema, orient="row")]
    )
    cases = [
        ("b", "object", "cup", None, True), ("b", "object", "kite", None, False),
        ("a", "attribute", "with a red color", None, True), ("a", "attribute", "with a blue color", None, False),
        ("r", "predicate", "is on the left of", "cup", True), ("r", "predicate", "is above", "cup", False),
        ("r", "relation_object", "is to the left of", "cup", True),
        ("r", "relation_object", "is to the left of", "kite", False), ("r", "predicate", "is admiring", "cup", False),
    ]  # fmt: skip
    negatives = pl.DataFrame(
        [(str(n), element, "i", kind, text, target) for n, (element, kind, text, target, _) in enumerate(cases)],
        schema=["negative_id", "element_id", "image_id", "negative_kind", "text", "target_text"], orient="row",
    )  # fmt: skip
    judged = judge_negatives(negatives, elements, images, {"a.jpg": scene})
    assert judged["is_true"].to_list() == [expected for *_, expected in cases]
    with pytest.raises(InputError, match="no truth"):
        judge_negatives(negatives, elements, images, {})
