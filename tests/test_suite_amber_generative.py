"""AMBER, descriptions: the official script's order of lists, its sums, and the nouns of a description."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finer.errors import InputError
from finer.keys import generator
from finer.scoring import suites as scoring
from finer.scoring.amber import Concepts, count, described, pipeline_nouns, spelled
from finer.suites.amber_generative import SUITE, TAGGER
from finer.suites.suite import Sources, entry
from finer.world.captions import short_caption
from finer.world.claims import View
from finer.world.pools import draw_pool
from finer.world.suites.writing import write_suite
from suite_runs import blank_images, items_of, numbers, replied

RELATION = {"table": ["desk"], "cup": [], "dog": [], "sign": []}
LISTS: dict[str, Any] = {"truth": ["table", "cup"], "hallu": ["dog"]}


def write(folder: Path, relation: object = RELATION, *annotations: dict[str, Any]) -> Sources:
    (folder / "query").mkdir(exist_ok=True)
    rows = [{"id": n, "type": "generative", **lists} for n, lists in enumerate(annotations or (LISTS,), start=1)]
    queries = [{"id": row["id"], "image": f"AMBER_{row['id']}.jpg", "query": "Describe this image."} for row in rows]
    for name, content in (("query/query_generative", queries), ("annotations", rows), ("relation", relation)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / "safe_words.txt").write_text("sign\nlight\n")
    return Sources(folder, blank_images(folder / "images", *(row["image"] for row in queries)), "amber_g")


def concepts(truth: Sequence[str], hallu: Sequence[str], **associations: list[str]) -> Concepts:
    known = {word: associations.get(word, []) for word in (*truth, *hallu, *associations)}
    return Concepts(truth, hallu, known, {*known, *(word for words in known.values() for word in words)}, {"sign"})


def test_numbers_of_the_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stub(texts: Sequence[str], vocabulary: Collection[str]) -> Iterable[list[str]]:
        return [["desk", "dog", "sign", "dog"] for _ in texts]

    stubbed = described(lambda name: stub, lambda name: lambda one, other: 0.0)
    monkeypatch.setattr(scoring, "SCORES", {**scoring.SCORES, "amber_objects": stubbed})
    items, _ = items_of(SUITE, write(tmp_path))
    found = numbers(SUITE, items, replied(items, lambda row: "A desk, a dog, a sign and a dog."))
    assert found["official", "all", "chair"] == found["official", "all", "cover"] == 50
    assert found["official", "all", "hal"] == found["official", "all", "cog"] == 100
    printed = [found["official", "all", f"printed_{name}"] for name in ("chair", "cover", "hal", "cog")]
    assert printed == pytest.approx([50.0, 50.0, 100.0, 99.9])


def test_a_concept_that_stands_for_another_credits_that_one() -> None:
    found = count(["person"], concepts(["man", "person"], [], man=["person"]))
    assert found["covered"] == 1
    # named both ways, still one concept: "person" is never covered by its own name
    assert count(["person", "person", "man"], concepts(["man", "person"], [], man=["person"]))["covered"] == 1


def test_a_similar_word_marks_its_concepts_and_may_yet_be_no_error() -> None:
    lists = concepts(["cup"], ["dog", "cat"], mug=[], puppy=[])
    alike = {("mug", "cup"), ("puppy", "cat"), ("dog", "cat")}

    def similarity(one: str, other: str) -> float:
        return 0.81 if (one, other) in alike else 0.8

    assert count(["mug"], lists, similarity) | {"kept": 1.0} == count(["cup"], lists)
    puppy = count(["puppy"], lists, similarity)
    assert (puppy["errors"], puppy["marked"], puppy["covered"]) == (1, 1, 0)
    # equal to one and similar to another of the expected: both are marked
    assert count(["dog"], lists, similarity)["marked"] == 2


def test_safe_words_are_no_error_but_count_as_named() -> None:
    found = count(["sign"], concepts(["cup"], ["sign"]))
    assert (found["errors"], found["kept"], found["marked"], found["clean"]) == (0, 1, 0, 1)


WORDS = [f"w{n}" for n in range(6)]


@given(st.lists(st.sampled_from([*WORDS, "sign", "unknown"])), st.permutations(WORDS), st.integers(1, 5))
def test_sums_stay_within_their_trials_and_repetition_only_adds_errors(
    nouns: list[str], words: list[str], cut: int
) -> None:
    lists = concepts(words[:cut], words[cut:], **{words[0]: [words[-1]]})
    once, twice = count(nouns, lists), count(nouns * 2, lists)
    assert once["errors"] <= once["kept"] <= len(nouns)
    assert once["covered"] <= once["truth"] and once["marked"] <= once["hallu"]
    assert once["clean"] == (once["errors"] == 0)
    for name in ("covered", "marked", "truth", "hallu", "clean"):
        assert once[name] == twice[name]
    assert (twice["errors"], twice["kept"]) == (2 * once["errors"], 2 * once["kept"])


def test_nouns_are_tagged_and_made_singular_where_the_vocabulary_has_that() -> None:
    vocabulary = {"table", "knife", "e-book", "glasses", "orange", "child"}
    text = "Two tables hold an e-book, an orange cup and knives. The children's glasses are orange. Tables everywhere."
    (found,) = pipeline_nouns(TAGGER)([text], vocabulary)
    assert [noun for noun in found if noun in vocabulary] == ["table", "e-book", "knife", "child", "glasses"]
    assert spelled("glasses", {"glass", "glasses"}) == "glass"
    assert spelled("Tables", vocabulary) == "Tables"  # upstream does not lower the case


def test_missing_pipelines_and_vectors_are_named(tmp_path: Path) -> None:
    sources = write(tmp_path)
    for options, named in (
        ({"tagger": "no_such_pipeline"}, "options.tagger"), ({"similarity": TAGGER}, "no word vectors"),
        ({"similarity": "no_such_pipeline"}, "options.similarity"), ({"tagger": 3}, "options.tagger"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=named):
            items, _ = items_of(SUITE, Sources(sources.raw, sources.images, "amber_g", options=options))
            numbers(SUITE, items, replied(items, lambda row: "A cup."))


@pytest.mark.parametrize(
    ("relation", "lists", "named"),
    [
        (RELATION, {"truth": ["table", "cat"], "hallu": []}, "annotations.json: row 1: field 'truth'"),
        (RELATION, {"truth": [], "hallu": ["dog"]}, "nothing is true"),
        (RELATION, {"truth": "table", "hallu": []}, "no list of words"),
        (RELATION, {"truth": ["table"]}, "'hallu'"),
    ],
)
def test_bad_rows_are_named_or_dropped(tmp_path: Path, relation: object, lists: dict[str, Any], named: str) -> None:
    sources = write(tmp_path, relation, LISTS, lists, LISTS)
    if "truth" not in lists or "hallu" not in lists:
        (tmp_path / "annotations.json").write_text(
            json.dumps([{"id": n, "type": "generative", **(lists if n == 2 else LISTS)} for n in (1, 2, 3)])
        )
    with pytest.raises(InputError, match=named):
        items_of(SUITE, sources)
    items, drops = items_of(SUITE, sources, "drop")
    assert items.height == 2 and drops.height == 1


def test_a_word_without_a_list_of_words_stops(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="field 'cup'"):
        items_of(SUITE, write(tmp_path, {**RELATION, "cup": "mug"}))


def test_true_descriptions_of_micro_scenes_have_no_error_and_false_ones_do(tmp_path: Path) -> None:
    write_suite("amber_generative", 1, 40, tmp_path / "amber")
    items, drops = items_of(SUITE, Sources(tmp_path / "amber", tmp_path / "amber/images", "amber_g"))
    assert drops.is_empty() and items.height == 40
    scenes = draw_pool(1, "suites", 40)
    captions = {
        f"AMBER_{number}.jpg": short_caption(View(scene, generator(1, number)))
        for number, scene in enumerate(scenes, start=1)
    }
    true = numbers(SUITE, items, replied(items, lambda row: captions[Path(row["image_paths"][0]).name]))
    assert true["official", "all", "chair"] == true["official", "all", "hal"] == true["official", "all", "cog"] == 0
    cover = true["official", "all", "cover"]
    assert cover is not None and 30 < cover < 100
    hallu = dict(items.select("item_id", entry("labels", "hallu")).iter_rows())
    invented = numbers(SUITE, items, replied(items, lambda row: f"A red {json.loads(hallu[row['item_id']])[0]}."))
    assert invented["official", "all", "chair"] == invented["official", "all", "hal"] == 100
    assert invented["official", "all", "cover"] == 0
    assert invented["official", "all", "cog"] == pytest.approx(20)
    silent = numbers(SUITE, items, replied(items, lambda row: ""))
    assert silent["official", "all", "chair"] is None and silent["official", "all", "hal"] == 0
