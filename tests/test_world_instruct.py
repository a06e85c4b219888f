"""Instruction data: answers are true, negatives false, shares as asked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from caption_graphs import PARSER, caption_table
from finer.keys import generator
from finer.negatives.propose import propose
from finer.negatives.settle import skipped
from finer.queries.granularity import granularity_queries
from finer.scenes.captions import extract
from finer.world.catalogue import COLORS, FIGURES
from finer.world.claims import View
from finer.world.general import picture_talks
from finer.world.instruct import FINE_GRAINED, SCHEMA, conversations, write_instruct
from finer.world.pictures import GENERAL, LABELS, Chart, Compare, Marked, Sign, draw_picture, scene_labels
from finer.world.pools import draw_pool, draw_unique
from finer.world.scenes import Scene
from finer.world.stories import tell
from world_reading import KINDS, RELATIONS, VALUES, is_phrase_true, meant, values

Talk = tuple[str, str, str, bool]
_SEEN = re.compile(
    r"(?:Can you see|Do you see|Is there|Does this image show|Does the image show) (.+?)"
    r"(?: in (?:this image|the image|the picture))?\?"
)
_ANSWERED = re.compile(r"(Yes|No), (?:but )?(?:I can see|there is|it shows) (.+)\.")
_LETTERED = re.compile(r"^([A-E])\. (.+)$", re.MULTILINE)


def talks_of(pool: str, count: int) -> list[tuple[Scene, list[Talk]]]:
    return [
        (scene, list(conversations(View(scene, generator(9, scene.graph_hash))))) for scene in draw_pool(9, pool, count)
    ]


@pytest.fixture(scope="module")
def talks() -> list[tuple[Scene, list[Talk]]]:
    return talks_of("base", 400)


def of(talks: list[tuple[Scene, list[Talk]]], *tasks: str) -> Iterator[tuple[Scene, str, str]]:
    for scene, said in talks:
        yield from ((scene, question, answer) for task, question, answer, _ in said if task in tasks)


def is_negative(question: str, answer: str) -> bool:
    """Whether a fine-grained question (see or mcq) names something false, read off its right answer."""
    if answer in "ABCDE":
        answer = dict(_LETTERED.findall(question))[answer]
    return answer.startswith("No") or (" is not " in answer)


def test_fine_grained_answers_are_true_and_all_other_options_false(talks: list[tuple[Scene, list[Talk]]]) -> None:
    checked = 0
    for scene, question, answer in of(talks, "see", "mcq"):
        asked = _SEEN.search(question)
        if asked is None:  # the wh setting has its own test
            continue
        options = dict(_LETTERED.findall(question)) or {answer: answer}
        for letter, option in options.items():
            said = _ANSWERED.fullmatch(option)
            assert said is not None, option
            agrees = said[1] == "Yes"
            assert agrees == (said[2] == asked[1]), (question, option)
            assert is_phrase_true(scene, said[2]) == (letter == answer), (question, option, scene.things)
            checked += 1
    assert checked > 2000


def test_wh_premise_decides_between_object_and_correction(talks: list[tuple[Scene, list[Talk]]]) -> None:
    names = "|".join(RELATIONS)
    checked = 0
    for scene, question, answer in of(talks, "see", "mcq"):
        asked = re.search(rf"(?:What|Which thing) is ({names}) (the .+)\?", question)
        if asked is None:
            continue
        options = dict(_LETTERED.findall(question)) or {answer: answer}
        named, right = meant(scene, asked[2]), options[answer]
        assert bool(named) != is_negative(question, answer)
        if not named:
            assert " is not " in right
            continue
        phrase = re.sub("^It is ", "", right).rstrip(".")
        found = meant(scene, phrase[0].lower() + phrase[1:])
        assert any(scene.holds(RELATIONS[asked[1]], i, j) for i in found for j in named), (question, right)
        checked += 1
    assert checked > 100


def test_half_of_the_fine_grained_questions_are_negative_and_marked_so(talks: list[tuple[Scene, list[Talk]]]) -> None:
    marked = 0
    for _, said in talks:
        for task, question, answer, negative in said:
            if task in ("see", "mcq"):
                assert negative == is_negative(question, answer), question
            elif task == "mixed":
                assert negative == (answer == "No.")
            else:
                assert not negative
            marked += negative
    fine = sum(talk[0] in FINE_GRAINED for _, said in talks for talk in said)
    assert abs(marked / fine - 0.5) < 0.05


def test_lettered_questions_hold_their_answer_and_positions_are_balanced(talks: list[tuple[Scene, list[Talk]]]) -> None:
    letters: Counter[str] = Counter()
    for _, question, answer in of(talks, "mcq", "mcq_short", "bind"):
        options = _LETTERED.findall(question)
        assert question.endswith("\nAnswer with one capital letter.")
        assert 2 <= len(options) <= 5 and len({text for _, text in options}) == len(options), question
        assert [letter for letter, _ in options] == list("ABCDE"[: len(options)])
        assert answer in dict(options)
        if len(options) == 5:
            letters[answer] += 1
    assert min(letters.values()) > 0.75 * sum(letters.values()) / 5


def test_binding_needs_no_image(talks: list[tuple[Scene, list[Talk]]]) -> None:
    for _, question, answer in of(talks, "bind"):
        assert f"'{dict(_LETTERED.findall(question))[answer]}'" in question


def test_short_lettered_statements_are_true_once(talks: list[tuple[Scene, list[Talk]]]) -> None:
    checked = 0
    for scene, question, answer in of(talks, "mcq_short"):
        options = dict(_LETTERED.findall(question))
        if not all(text.split()[0] in ("a", "an") for text in options.values()):
            continue
        assert {letter for letter, text in options.items() if is_phrase_true(scene, text)} == {answer}, question
        checked += 1
    assert checked > 200


@pytest.mark.parametrize("task", ["presence", "truth_attr", "truth_rel", "truth_obj"])
def test_yes_and_no_are_balanced(talks: list[tuple[Scene, list[Talk]]], task: str) -> None:
    answers = Counter(answer for _, _, answer in of(talks, task))
    assert set(answers) == {"Yes.", "No."}
    assert 0.42 < answers["Yes."] / sum(answers.values()) < 0.58


def test_coarse_yes_means_true_and_no_means_false(talks: list[tuple[Scene, list[Talk]]]) -> None:
    checked = 0
    for scene, question, answer in of(talks, "presence", "truth_obj", "truth_rel", "truth_attr"):
        found = _SEEN.search(question)
        if found is None:
            relation = re.fullmatch(rf"Is (the .+?) ((?:{'|'.join(RELATIONS)}) the .+)\?", question)
            value = re.fullmatch(r"(?:Is|Does) (the .+ )?(\S+?)\?", question)
            if relation is None and value is None:
                continue
        phrase = found[1] if found else f"{relation[1]} that is {relation[2]}" if relation else None
        if phrase is not None:
            assert is_phrase_true(scene, phrase) == (answer == "Yes."), (question, answer, scene.things)
            checked += 1
    assert checked > 1500


def test_questions_name_things_that_one_word_means(talks: list[tuple[Scene, list[Talk]]]) -> None:
    for scene, question, answer in of(talks, "lookup", "short", "where", "which"):
        for kind in {thing.kind for thing in scene.things if scene.counts[thing.kind] == 2}:
            assert not re.search(rf"\bthe {kind}\b", question), (question, answer)


def test_short_answers_are_true(talks: list[tuple[Scene, list[Talk]]]) -> None:
    checked = 0
    for scene, question, answer in of(talks, "short"):
        asked = re.fullmatch(r"What (?:color|pattern|size) (?:is|does) (the .+?)(?: have)?\?", question)
        if asked:
            (index,) = meant(scene, asked[1])
            assert answer.rstrip(".").lower() in values(scene.things[index])
            checked += 1
    assert checked > 300


def test_file_has_the_agreed_columns_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "instruct.parquet"
    scenes = write_instruct(5, "base", 12, path)
    frame = pl.read_parquet(path)
    assert dict(frame.schema) == SCHEMA and frame.height == 12 and frame["image_id"].n_unique() == 12
    assert frame["cells"].list.len().to_list() == [160] * 12
    assert frame["conversations"].list.len().mean() > 30
    assert list(tmp_path.iterdir()) == [path]
    again = tmp_path / "again.parquet"
    write_instruct(5, "base", 12, again)
    assert again.read_bytes() == path.read_bytes()
    thing = next(thing for thing in scenes[0].things if thing.is_figure)
    assert scene_labels(scenes[0]).shape == (4, 4, LABELS)
    cell = scene_labels(scenes[0])[thing.row, thing.column, :2]
    assert cell.tolist() == [FIGURES.index(thing.kind) + 1, COLORS.index(thing.color) + 1]


_MIXED = re.compile(
    r"(?:Do you see|Is there|Does the picture show|Look for) (.+?)(?: in the picture\?|\?|\. Is it there\?)"
)
_RELATED = re.compile(rf"(.+?) (?:that|and) ({'|'.join(f'is {name}' for name in RELATIONS)}) the (.+)")


def _unlined(phrase: str) -> str:
    """Return "a ball with a black outline" for "a ball outlined in black"."""
    return re.sub(" outlined in ([a-z]+)$", r" with a \1 outline", phrase)


def _holds(scene: Scene, phrase: str) -> bool:
    """Read a phrase with attributes on both sides of a relation against the scene."""
    found = _RELATED.fullmatch(phrase)
    assert found is not None, phrase
    first, predicate, second = found[1], found[2].removeprefix("is "), found[3]
    if " that is " in first:  # "an arrow that is small and blue and outlined in black"
        thing, adjectives = first.split(" that is ")
        article, rest = thing.split(" ", 1)
        plain, _, outline = adjectives.partition(" and outlined in ")
        first = f"{article} {plain.replace(',', '').replace(' and ', ' ')} {rest}"
        first += f" outlined in {outline}" if outline else ""
    subjects, targets = meant(scene, _unlined(first)), meant(scene, _unlined(f"the {second}"))
    return any(scene.holds(RELATIONS[predicate], i, j) is True for i in subjects for j in targets)


def test_mixed_phrases_are_true_if_the_answer_is_yes_alone(
    talks: list[tuple[Scene, list[Talk]]],
) -> None:
    answers: Counter[str] = Counter()
    for scene, question, answer in of(talks, "mixed"):
        asked = _MIXED.fullmatch(question)
        assert asked is not None, question
        assert _holds(scene, asked[1]) == (answer == "Yes."), (question, answer, scene.things)
        answers[answer] += 1
    assert min(answers.values()) > 200


def test_no_wording_that_joins_attributes_and_a_relation_is_shared_with_the_levels_that_ask_for_it(
    talks: list[tuple[Scene, list[Talk]]],
) -> None:
    """The models learn that phrases may join both; how the benchmark words it, they see for the first time."""
    captions = caption_table([tell(scene, generator(9, scene.graph_hash)) for scene in draw_pool(9, "docci_test", 60)])
    elements, _ = extract(captions, PARSER)
    negatives, _ = propose(elements, captions)
    made = granularity_queries(elements, negatives, skipped(negatives), "b", 30, 1)
    asked = made.queries.filter(pl.col("level") >= 5)["question"].to_list()
    trained = {gram for _, question, _ in of(talks, "mixed", "see", "mcq") for gram in _joining(question)}
    tested = {gram for question in asked for gram in _joining(question)}
    assert len(asked) > 100 and len(trained) > 1000 and len(tested) > 200
    assert not trained & tested


def _joining(text: str) -> set[str]:
    """The runs of words from an attribute's value to the first thing behind a predicate that follows."""
    words = re.findall(r"[a-z]+", text.lower())
    found = set()
    for start, word in enumerate(words):
        if word in {*VALUES, "black"}:
            run = re.match(rf".*?\b(?:{'|'.join(RELATIONS)}) the .*?\b(?:{'|'.join(KINDS)})\b", " ".join(words[start:]))
            found |= {run[0]} if run else set()
    return found


def test_referring_questions_have_the_value_of_the_one_thing_meant(talks: list[tuple[Scene, list[Talk]]]) -> None:
    checked = 0
    for scene, question, answer in of(talks, "refer"):
        asked = re.search(rf"thing that is ({'|'.join(RELATIONS)}) (the .+?)(?: have)?\?", question)
        assert asked is not None, question
        (named,) = meant(scene, asked[2])
        holders = [i for i in range(len(scene.things)) if i != named and scene.holds(RELATIONS[asked[1]], i, named)]
        assert any(answer.rstrip(".").lower() in values(scene.things[i]) for i in holders), (question, answer)
        checked += 1
    assert checked > 200


def test_counts_are_right(talks: list[tuple[Scene, list[Talk]]]) -> None:
    for scene, question, answer in of(talks, "count"):
        (name,) = re.findall(r"How many (.+?) (?:are there|can you see)\?", question)
        color = name.split()[0]
        if name == "things":
            expected = len(scene.things)
        elif name.startswith("things like the "):
            expected = scene.counts[name.removeprefix("things like the ")]
        else:
            expected = sum(thing.color == color for thing in scene.things)
        assert answer == f"{expected}."


def test_pictures_show_what_their_labels_and_answers_say() -> None:
    kinds = Counter()
    for picture in draw_unique(3, "base", 200, "picture", draw_picture):
        kinds[type(picture)] += 1
        labels, pixels = picture.labels(), picture.pixels()
        assert pixels.shape == (96, 96, 3) and labels.shape == (4, 4, LABELS)
        said = {question: answer for _, question, answer in picture_talks(picture, generator(1, picture.graph_hash))}
        if isinstance(picture, Sign):
            assert picture.word in GENERAL["words"] and (labels[..., 7] > 0).sum() == len(picture.word)
        elif isinstance(picture, Chart):
            heights = dict(picture.bars)
            highest = max(heights, key=lambda color: heights[color])
            assert said["Which bar is the highest?"] == f"The {highest} bar."
            assert labels[..., 8].sum() == sum(heights.values())
            column = list(heights).index(highest)
            filled = (np.abs(pixels[:, column * 24 + 12].astype(int) - picture.grey).max(-1) > 30).sum()
            assert filled == heights[highest] * 12
        elif isinstance(picture, Marked):
            assert (labels[..., 9] > 0).sum() == len(picture.marks)
        else:
            assert isinstance(picture, Compare)
            differ = (labels[:, :2] != labels[:, 2:]).any()
            assert said["Are the two pictures the same?"] == ("No." if differ else "Yes.")
    assert min(kinds.values()) > 15 and len(kinds) == 4


def test_a_fifth_of_the_data_is_general(tmp_path: Path) -> None:
    path = tmp_path / "instruct.parquet"
    write_instruct(5, "base", 200, path)
    rows = pl.read_parquet(path)
    pictures = rows.filter(~pl.col("conversations").list.eval(pl.element().struct.field("task") == "see").list.any())
    assert abs(pictures.height / rows.height - GENERAL["share"]) < 0.03
