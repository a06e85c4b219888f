"""AMBER, yes/no: the positive class is No, dimensions and their mean, what the official script prints."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from finer.errors import InputError
from finer.suites.amber import SUITE, TYPES
from finer.suites.suite import Sources
from finer.world.pools import draw_pool
from finer.world.suites.writing import write_suite
from finer.world.truth import is_true
from suite_runs import blank_images, items_of, numbers, replied

Rows = list[dict[str, Any]]
# type -> annotations with yes and no of the official files
OFFICIAL = {
    "discriminative-attribute-state": (2382, 2382), "discriminative-attribute-number": (1036, 1036),
    "discriminative-attribute-action": (396, 396), "discriminative-hallucination": (0, 4924),
    "discriminative-relation": (975, 0), "relation": (0, 689),
}  # fmt: skip
SMALL = {name: (2 * (yes > 0), 2 * (no > 0)) for name, (yes, no) in OFFICIAL.items()}


def rows_of(counts: dict[str, tuple[int, int]]) -> tuple[Rows, Rows]:
    annotations: Rows = [{"id": 1, "type": "generative", "truth": ["cup"], "hallu": []}]
    for kind, both in counts.items():
        for truth, count in zip(("yes", "no"), both, strict=True):
            annotations += [{"type": kind, "truth": truth} for _ in range(count)]
    annotations = [{**row, "id": number} for number, row in enumerate(annotations, start=1)]
    queries = [
        {"id": row["id"], "image": "AMBER_1.jpg", "query": f"Is cup {row['id']} red in this image?"}
        for row in annotations[1:]
    ]
    return queries, annotations


def write(folder: Path, queries: Rows, annotations: Rows) -> Sources:
    (folder / "query").mkdir(exist_ok=True)
    (folder / "query/query_discriminative.json").write_text(json.dumps(queries))
    (folder / "annotations.json").write_text(json.dumps(annotations))
    return Sources(folder, blank_images(folder / "images", "AMBER_1.jpg"), "amber")


def test_constant_answers_on_the_official_numbers_of_labels(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, *rows_of(OFFICIAL)))
    assert items.height == 14216
    no = numbers(SUITE, items, replied(items, lambda row: "No"))
    expected = {"existence": 100, "attribute": 50, "relation": 41.41, "all": 66.31}
    for scorer in ("official", "toolkit", "first_word"):
        for split, value in expected.items():
            assert no[scorer, split, "accuracy"] == pytest.approx(value, abs=0.005)
        assert no[scorer, "all", "mean_accuracy"] == pytest.approx(63.80, abs=0.005)
        assert no[scorer, "all", "recall"] == 100 and no[scorer, "existence", "precision"] == 100
    yes = numbers(SUITE, items, replied(items, lambda row: "Yes"))
    assert {split: yes["toolkit", split, "accuracy"] for split in expected} == pytest.approx(
        {"existence": 0, "attribute": 50, "relation": 58.59, "all": 33.69}, abs=0.005
    )
    assert yes[SUITE.column_scorer, "all", SUITE.column] == pytest.approx(36.20, abs=0.005)
    assert yes["official", "all", "precision"] is None and yes["official", "all", "f1"] == 0


def test_official_script_wants_the_bare_word_in_its_case(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, *rows_of({"discriminative-attribute-state": (2, 2)})))
    # ids 2 and 3 have the answer yes, 4 and 5 no
    replies = {2: "Yes", 3: "yes", 4: "No.", 5: "No"}
    found = numbers(SUITE, items, replied(items, lambda row: replies[int(row["prompt"].split()[2])]))
    assert found["official", "state", "accuracy"] == 50
    assert found["official", "attribute", "recall"] == 50 and found["official", "attribute", "precision"] == 100
    assert found["toolkit", "state", "accuracy"] == found["first_word", "attribute", "accuracy"] == 100
    # printed: 1 / 1.001, 1 / 2.001, and F1 of the rounded two
    assert found["official", "state", "printed_precision"] == pytest.approx(99.9)
    assert found["official", "state", "printed_recall"] == pytest.approx(50.0)
    assert found["official", "state", "printed_f1"] == pytest.approx(round(200 * 0.999 * 0.5 / (1.499 + 0.0001), 1))
    # no question of a dimension: not defined
    assert found["official", "existence", "accuracy"] is None and found["toolkit", "all", "mean_accuracy"] is None


def test_both_types_of_relations_are_one_dimension(tmp_path: Path) -> None:
    items, _ = items_of(SUITE, write(tmp_path, *rows_of(SMALL)))
    assert items["grouping"].value_counts().sort("grouping").rows() == [
        ("action", 4), ("existence", 2), ("number", 4), ("relation", 4), ("state", 4)
    ]  # fmt: skip
    assert set(TYPES.values()) == set(items["grouping"])


def test_annotations_are_found_by_place_and_must_lie_in_order(tmp_path: Path) -> None:
    queries, annotations = rows_of(SMALL)
    items, _ = items_of(SUITE, write(tmp_path, queries, annotations))
    random.Random(1).shuffle(queries)
    assert items_of(SUITE, write(tmp_path, queries, annotations))[0].equals(items)
    annotations[4], annotations[5] = annotations[5], annotations[4]
    for policy in ("stop", "drop"):
        with pytest.raises(InputError, match=r"row 4.*order of their ids"):
            items_of(SUITE, write(tmp_path, queries, annotations), policy)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda q, a: q[3].update(id=4), "row twice|without a query"),
        (lambda q, a: q[3].update(id=999), "without its annotation"),
        (lambda q, a: q[3].update(id="5"), "without its annotation"),
        (lambda q, a: q[3].update(image="AMBER_2.jpg"), "AMBER_2.jpg"),
        (lambda q, a: a[4].update(truth="No"), "annotations.json: row 4: field 'truth'"),
        (lambda q, a: a[4].update(type="discriminative"), "without its annotation"),
        (lambda q, a: q.pop(3), r"1 annotation\(s\) without a query"),
    ],
)
def test_bad_rows_are_named_or_dropped(tmp_path: Path, change: Any, named: str) -> None:
    queries, annotations = rows_of(SMALL)
    change(queries, annotations)
    sources = write(tmp_path, queries, annotations)
    with pytest.raises(InputError, match=named):
        items_of(SUITE, sources)
    assert items_of(SUITE, sources, "drop")[0].height == 17


def test_wordings_of_toolkits(tmp_path: Path) -> None:
    sources = write(tmp_path, *rows_of(SMALL))
    toolkit = Sources(sources.raw, sources.images, "amber", prompt="toolkit")
    assert all(prompt.endswith("?\nPlease answer yes or no.") for prompt in items_of(SUITE, toolkit)[0]["prompt"])


def test_micro_files_say_what_is_true_of_their_scenes(tmp_path: Path) -> None:
    write_suite("amber", 1, 400, tmp_path / "amber")
    items, drops = items_of(SUITE, Sources(tmp_path / "amber", tmp_path / "amber/images", "amber"))
    assert drops.is_empty() and 300 <= items.height <= 500
    assert set(items["grouping"]) == set(TYPES.values())
    scenes = {f"AMBER_{number}.jpg": scene for number, scene in enumerate(draw_pool(1, "suites", 400 // 9), start=1)}
    for row in items.iter_rows(named=True):
        scene, truth = scenes[Path(row["image_paths"][0]).name], row["answer_index"] == 0
        question = row["prompt"].removesuffix(" in this image?")
        if row["grouping"] == "existence":
            assert not truth and is_true(scene, question.split()[-1]) is False
        elif row["grouping"] == "state":
            *name, color = question.removeprefix("Is the ").split()
            assert is_true(scene, " ".join(name), f"with {'an' if color == 'orange' else 'a'} {color} color") is truth
        elif row["grouping"] == "number":
            kind = next(kind for kind in scene.counts if question.split()[-1].startswith(kind))
            assert (scene.counts[kind] == (1 if " one " in question else 2)) is truth
        else:
            said = question.removeprefix("Is the ")
            phrase = next(p for p in ("to the left of", "to the right of", "above", "below", "inside",
                                      "resting on top of") if f" {p} the " in said)  # fmt: skip
            subject, target = said.split(f" {phrase} the ")
            assert is_true(scene, subject, predicate=f"is {phrase}", target=target) is truth
    assert items.filter(grouping="action").height >= 4
