"""The fast path of asking a model agrees with asking question by question, and its guards notice if it does not."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from finer.errors import InputError
from finer.mllm import prefix
from finer.mllm.engine import TransformersEngine
from finer.mllm.questions import Answer, Query, first_words
from tiny_models import FAMILIES, multiple_choice, phrase, save_images, save_tiny

TOLERANCE = 1e-4
LETTERS = tuple("ABCDE")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("engine")
    for family in FAMILIES:
        save_tiny(family, root / family)
    return root


@pytest.fixture(scope="module")
def queries(tmp_path_factory: pytest.TempPathFactory) -> list[Query]:
    """Several images with questions of different lengths and kinds, interleaved, and text-only ones."""
    rng = random.Random(7)
    images = save_images(tmp_path_factory.mktemp("images"), 4)
    asked = [Query(f"mcq {number}", images[number % 4], multiple_choice(rng), LETTERS) for number in range(12)]
    asked += [
        Query(f"yes {number}", images[number % 3], f"Can you see {phrase(rng)}?", ("Yes", "No")) for number in range(5)
    ]
    asked += [Query(f"text {number}", None, multiple_choice(rng), LETTERS) for number in range(3)]
    return asked


def engine(folder: Path, family: str, **settings: Any) -> TransformersEngine:
    return TransformersEngine(folder / family, family, **{"batch_tokens": 700, **settings})


@pytest.fixture(scope="module")
def plain(folder: Path, queries: list[Query]) -> Callable[[str], list[Answer]]:
    known: dict[str, list[Answer]] = {}

    def answers(family: str) -> list[Answer]:
        if family not in known:
            known[family] = engine(folder, family, prefix_reuse=False).answer(queries, 3)
        return known[family]

    return answers


def largest_difference(one: list[Answer], other: list[Answer]) -> float:
    assert [answer.key for answer in one] == [answer.key for answer in other]
    return max(abs(a - b) for x, y in zip(one, other, strict=True) for a, b in zip(x.logprobs, y.logprobs, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_fast_path_gives_the_answers_of_the_plain_path(
    folder: Path, queries: list[Query], plain: Callable[[str], list[Answer]], family: str
) -> None:
    fast = engine(folder, family).answer(queries, 3)
    assert largest_difference(fast, plain(family)) < TOLERANCE
    assert [answer.text for answer in fast] == [answer.text for answer in plain(family)]
    assert len({answer.logprobs.index(max(answer.logprobs)) for answer in fast}) > 1, "all answers alike: weak test"


@pytest.mark.parametrize("family", ["internvl", "qwen2_5_vl"])
@pytest.mark.parametrize("batch_tokens", [256, 100_000])
def test_answers_do_not_depend_on_the_size_of_batches(
    folder: Path, queries: list[Query], plain: Callable[[str], list[Answer]], family: str, batch_tokens: int
) -> None:
    answers = engine(folder, family, batch_tokens=batch_tokens).answer(queries, 3)
    assert largest_difference(answers, plain(family)) < TOLERANCE


@pytest.mark.parametrize("family", FAMILIES)
def test_parity_notices_positions_that_are_off_by_one(
    folder: Path, queries: list[Query], plain: Callable[[str], list[Answer]], family: str, monkeypatch: Any
) -> None:
    right = prefix.PrefixModel._start
    monkeypatch.setattr(prefix.PrefixModel, "_start", lambda self, *sizes: right(self, *sizes) + 1)
    assert largest_difference(engine(folder, family).answer(queries, 3), plain(family)) > 10 * TOLERANCE


def test_parity_notices_qwen_positions_counted_in_tokens(
    folder: Path, queries: list[Query], plain: Callable[[str], list[Answer]], monkeypatch: Any
) -> None:
    monkeypatch.setattr(
        prefix.PrefixModel, "_start", lambda self, length, groups: torch.full((groups,), length, dtype=torch.long)
    )
    assert largest_difference(engine(folder, "qwen2_5_vl").answer(queries, 3), plain("qwen2_5_vl")) > 10 * TOLERANCE


OPTIONS = ["Yes, I can see a red ball.", "No, but I can see a blue box with a star.", "No, but I can see a cup.", "no"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("batch_tokens", [256, 700])
def test_likelihood_of_options_is_the_same_on_both_paths(
    folder: Path, queries: list[Query], family: str, batch_tokens: int
) -> None:
    some = [queries[0], queries[13], queries[4], queries[-1]]  # two about one image, another kind, one without image
    options = [OPTIONS, OPTIONS[:2], OPTIONS[::-1], OPTIONS]
    fast = engine(folder, family, batch_tokens=batch_tokens).score_continuations(some, options)
    slow = engine(folder, family, prefix_reuse=False).score_continuations(some, options)
    assert [score.key for score in fast] == [query.key for query in some]
    for one, other in zip(fast, slow, strict=True):
        assert one.sums == pytest.approx(other.sums, abs=TOLERANCE)
        assert one.means == pytest.approx(other.means, abs=TOLERANCE)
        assert one.firsts == pytest.approx(other.firsts, abs=TOLERANCE)
        assert all(total <= mean < 0 for total, mean in zip(one.sums, one.means, strict=True))
        assert all(total <= first < 0 for total, first in zip(one.sums, one.firsts, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("prefix_reuse", [True, False])
def test_options_that_share_a_first_word_share_its_likelihood_exactly(
    folder: Path, queries: list[Query], family: str, prefix_reuse: bool
) -> None:
    for score in engine(folder, family, prefix_reuse=prefix_reuse).score_continuations(queries[:3], [OPTIONS] * 3):
        yes, box, cup, no = score.firsts
        assert box == cup and len({yes, box, no}) == 3


def test_likelihood_of_a_first_word_of_one_token_is_that_token_s(folder: Path, queries: list[Query]) -> None:
    asked = engine(folder, "internvl")
    yes_no = [Query("q", queries[0].image, queries[0].prompt, ("Yes", "No"))]
    firsts = asked.score_continuations(yes_no, [OPTIONS[:2]])[0].firsts
    assert firsts == pytest.approx(asked.answer(yes_no, 1)[0].logprobs, abs=TOLERANCE)


def test_options_of_a_question_do_not_disturb_each_other(folder: Path, queries: list[Query]) -> None:
    asked = engine(folder, "qwen2_5_vl")
    together = asked.score_continuations(queries[:1], [OPTIONS])[0]
    alone = [asked.score_continuations(queries[:1], [[option]])[0] for option in OPTIONS]
    assert together.sums == pytest.approx([score.sums[0] for score in alone], abs=TOLERANCE)


class Phrases:
    """A tokenizer whose tokens are given texts: pieces of words, words or phrases."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def decode(self, ids: list[int]) -> str:
        return "".join(self.texts[token] for token in ids)


@pytest.mark.parametrize(
    ("option", "texts", "count"),
    [
        ("No, but", ("No", ",", " but"), 1),
        ("No, but", ("N", "o", ", but"), 2),
        ("No, but", ("N", "o, but"), 2),
        ("No, but", (" No, but",), 1),
        ("“No”, but", ("“", "No", "”, but"), 2),
        ("Nothing", ("No", "thing", "."), 2),
        ("Noël", ("No\ufffd", "\ufffdl", "."), 3),  # never whole in the pieces: all tokens
    ],
)
def test_a_first_word_takes_the_fewest_tokens_that_cover_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, option: str, texts: tuple[str, ...], count: int
) -> None:
    dialogue = engine(folder, "internvl").dialogue
    monkeypatch.setattr(dialogue, "tokenizer", Phrases(*texts))
    assert dialogue.covering(option, range(len(texts))) == count


def test_a_first_word_that_begins_longer_tokens_has_their_common_chance() -> None:
    """Tokens "No, but I can see a" and "No, but I can see an" exclude each other: either says "No"."""
    options, ids = ["No, a", "No, an", "No, a", "Yes, a"], [(1, 5), (2, 5), (1, 6), (3, 5)]
    values = [[math.log(0.2), -1.0], [math.log(0.3), -1.0], [math.log(0.2), -1.0], [math.log(0.1), -1.0]]
    firsts = first_words(options, ids, [1] * 4, values)
    assert firsts[0] == firsts[1] == firsts[2] == pytest.approx(math.log(0.5))
    assert firsts[3] == math.log(0.1)  # exactly: nothing to add up


def test_chunks_hold_what_fits_and_at_least_one() -> None:
    assert list(prefix.chunks([3, 3, 3, 9, 1], 6)) == [[0, 1], [2], [3], [4]]
    assert list(prefix.chunks([], 6)) == []


def test_likelihood_of_a_letter_is_its_log_probability_as_next_token(folder: Path, queries: list[Query]) -> None:
    asked = engine(folder, "internvl")
    scores = asked.score_continuations(queries[:2], [LETTERS] * 2)
    for score, answer in zip(scores, asked.answer(queries[:2], 1), strict=True):
        assert score.sums == pytest.approx(answer.logprobs, abs=TOLERANCE)


def test_greedy_text_stops_at_the_end_of_the_turn(folder: Path, queries: list[Query]) -> None:
    asked = engine(folder, "internvl")
    greedy = {
        place: row
        for places, _, rows in asked._first_tokens(queries, 4)
        for place, row in zip(places, rows, strict=True)
    }
    place, tokens = next((place, row) for place, row in sorted(greedy.items()) if row[0] != row[1])
    asked.ends = frozenset({tokens[1]})
    assert asked.answer([queries[place]], 4)[0].text == asked.dialogue.tokenizer.decode(tokens[:1])


def test_prompts_that_share_nothing_have_an_empty_prefix(folder: Path) -> None:
    asked = engine(folder, "internvl")
    ids = [(31, 40, 41), (50, 51, 52, 53)]
    wave = asked._runner.open([prefix.text_group([prefix.Row(place, row) for place, row in enumerate(ids)])])
    with torch.no_grad():
        logits = asked._runner.run(wave, [0, 1]).last_logits()
        expected = torch.stack([asked.model(input_ids=torch.tensor([row])).logits[0, -1] for row in ids])
    assert wave.length == 0
    assert torch.allclose(logits, expected, atol=TOLERANCE)


def test_low_precision_agrees_roughly(folder: Path, queries: list[Query], plain: Callable[[str], list[Answer]]) -> None:
    answers = engine(folder, "qwen2_5_vl", dtype="bfloat16").answer(queries, 1)
    assert TOLERANCE < largest_difference(answers, plain("qwen2_5_vl")) < 1.0


def test_processor_that_changes_the_text_is_refused(folder: Path, queries: list[Query], monkeypatch: Any) -> None:
    asked = engine(folder, "internvl")
    processor = asked.dialogue.processor

    class Trimming:
        image_token, image_token_id = processor.image_token, processor.image_token_id

        def __call__(self, text: list[str], **rest: Any) -> Any:
            return processor(text=[item.replace("best ", "") for item in text], **rest)

        def apply_chat_template(self, *turns: Any, **rest: Any) -> Any:
            return processor.apply_chat_template(*turns, **rest)

    monkeypatch.setattr(asked.dialogue, "processor", Trimming())
    with pytest.raises(InputError, match="prefix reuse fails for this internvl model"):
        asked.answer(queries[:2], 1)


def test_image_token_in_a_question_is_refused(folder: Path, queries: list[Query]) -> None:
    bad = Query("bad", queries[0].image, "What is <image> here?", LETTERS)
    with pytest.raises(InputError, match="holds the image token"):
        engine(folder, "llava_next").answer([bad], 1)


def test_missing_and_broken_images_are_named(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    for path, message in ((tmp_path / "missing.png", "no such image"), (broken, "cannot be read")):
        with pytest.raises(InputError, match=message) as error:
            engine(folder, "internvl").answer([Query("q", path, "Can you see it?")], 1)
        assert error.value.file == path


def test_checkpoint_of_another_family_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="another family"):
        TransformersEngine(folder / "internvl", "llava_next")


def test_labels_that_begin_alike_are_refused(folder: Path, queries: list[Query]) -> None:
    with pytest.raises(InputError, match="begin with the same token"):
        engine(folder, "internvl").answer([Query("q", None, "Well?", ("A", "A"))], 1)
