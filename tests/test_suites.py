"""Benchmark tables become items: the prompt of the paper's form, the pair as group, the setting or level as cell."""

from __future__ import annotations

import polars as pl
import pytest

from finer.errors import InputError
from finer.schemas import GRANULARITY, IMAGES, PAIRS
from finer.store import table_from
from finer.suites import finer, granularity

IMAGE = {
    "image_id": "i", "benchmark": "b", "split": "test", "file_name": "i.jpg", "path": "images/i.jpg", "width": 96,
    "height": 96, "sha256": "0",
}  # fmt: skip
OPTIONS = ["Yes, I can see a cat.", *(f"No, but I can see a {word}." for word in ("dog", "cow", "fox", "owl"))]


def images(**changes: object) -> pl.DataFrame:
    return table_from([{**IMAGE, **changes}], IMAGES)


def pairs() -> pl.DataFrame:
    rows = [
        {
            "mcq_id": f"m{polarity}", "pair_id": "p", "image_id": "i", "benchmark": "b", "setting": "multi_obj",
            "polarity": polarity, "qtype": "multi_obj_pos" if polarity == "positive" else "multi_obj_neg",
            "question": "Can you see a cat in this image?", "options": OPTIONS, "gt_index": 2, "entity_count": 1,
            "edited_slot": 0, "negative_kind": "object", "edited_element_id": "e", "element_ids": ["e"],
            "check": "passed",
        }
        for polarity in ("positive", "negative")
    ]  # fmt: skip
    return table_from(rows, PAIRS)


def queries() -> pl.DataFrame:
    rows = [
        {
            "query_id": f"q{polarity}", "pair_id": "p", "image_id": "i", "benchmark": "b", "level": 5,
            "polarity": polarity, "question": "Can you see a cat?", "element_ids": ["e"], "edited_element_id": "e",
        }
        for polarity in ("positive", "negative")
    ]  # fmt: skip
    return table_from(rows, GRANULARITY)


def test_multiple_choice_prompt_letters_the_options_and_asks_for_one_capital_letter() -> None:
    item = finer.items(pairs(), images()).row(0, named=True)
    assert item["prompt"].splitlines() == [
        "Choose the best answer.",
        "Can you see a cat in this image?",
        "A. Yes, I can see a cat.",
        "B. No, but I can see a dog.",
        "C. No, but I can see a cow.",
        "D. No, but I can see a fox.",
        "E. No, but I can see a owl.",
        "Answer with one capital letter.",
    ]
    assert item["answering"] == "letter"
    assert item["answer_index"] == 2
    assert item["image_paths"] == ["images/i.jpg"]


def test_both_questions_of_a_pair_share_group_and_cell() -> None:
    for frame, cell in (
        (finer.items(pairs(), images()).filter(pl.col("answering") == "letter"), "multi_obj"),
        (granularity.items(queries(), images()), "level_5"),
    ):
        assert frame["group_id"].to_list() == ["p", "p"]
        assert frame["grouping"].to_list() == [cell, cell]
        assert frame["image_id"].to_list() == ["i", "i"]
        assert set(frame["polarity"]) == {"positive", "negative"}
        assert frame["item_id"].n_unique() == 2


def test_wrong_query_of_a_level_is_answered_by_no() -> None:
    for item in granularity.items(queries(), images()).iter_rows(named=True):
        assert item["options"][item["answer_index"]] == ("no" if item["polarity"] == "negative" else "yes")
        assert item["prompt"] == "Can you see a cat?"
        assert item["answering"] == "yes_no"


def test_braces_in_a_question_are_kept() -> None:
    odd = pairs().with_columns(question=pl.lit("Can you see {options}?"))
    assert "Can you see {options}?" in finer.items(odd, images())["prompt"][0]


def test_item_ids_do_not_depend_on_other_rows() -> None:
    whole = finer.items(pairs(), images())
    part = finer.items(pairs().head(1), images())
    assert part["item_id"][0] in whole["item_id"].to_list()


@pytest.mark.parametrize("table", [images(path=None), images(image_id="other")])
def test_question_without_an_image_file_is_refused(table: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="without a file"):
        finer.items(pairs(), table)


def test_empty_benchmark_gives_no_items() -> None:
    assert finer.items(PAIRS.empty(), images()).height == 0
    assert granularity.items(GRANULARITY.empty(), images()).height == 0


def test_likelihood_asks_the_question_without_its_options() -> None:
    asked = finer.items(pairs(), images()).filter(pl.col("answering") == "likelihood")
    lettered = finer.items(pairs(), images()).filter(pl.col("answering") == "letter")
    assert asked.height == lettered.height
    for row in asked.iter_rows(named=True):
        assert not any(option in row["prompt"] for option in row["options"])
    assert asked.select("item_id", "options", "answer_index").equals(
        lettered.select("item_id", "options", "answer_index")
    )


def many(count: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A benchmark of one pair an image, and its images."""
    names = [f"i{k}" for k in range(count)]
    asked = [
        pairs().with_columns(
            pl.format("{}-{}", pl.lit(n), "mcq_id").alias("mcq_id"), pair_id=pl.lit(n), image_id=pl.lit(n)
        )
        for n in names
    ]
    return pl.concat(asked), pl.concat([images(image_id=n, path=f"{n}.jpg", sha256=n) for n in names])


def test_controls_ask_both_questions_of_a_pair_about_one_wrong_image_and_about_none() -> None:
    asked, shown = many(12)
    made = finer.items(asked, shown, finer.Controls(5, "letter", 1))
    assert made.filter(control="none").height == 12 * 2 * 3
    for control in ("wrong_image", "text_only"):
        blind = made.filter(control=control)
        assert blind.height == 10 and set(blind["answering"]) == {"letter"}
        assert blind.group_by("group_id").agg(pl.col("polarity").n_unique())["polarity"].to_list() == [2] * 5
        # The very questions, apart from what is shown.
        same = ["item_id", "prompt", "options", "answer_index", "image_id", "group_id", "grouping"]
        plain = made.filter(control="none", answering="letter").join(blind, on="item_id", how="semi")
        assert blind.sort("item_id").select(same).equals(plain.sort("item_id").select(same))
    wrong = made.filter(control="wrong_image")
    assert wrong.group_by("group_id").agg(pl.col("image_paths").n_unique())["image_paths"].to_list() == [1] * 5
    assert all(row["image_paths"] != [f"{row['image_id']}.jpg"] for row in wrong.iter_rows(named=True))
    assert wrong["image_paths"].n_unique() > 1
    assert made.filter(control="text_only")["image_paths"].list.len().to_list() == [0] * 10


def test_the_pairs_of_controls_do_not_depend_on_other_pairs() -> None:
    asked, shown = many(12)
    controls = finer.Controls(4, "text", 1)
    few = finer.items(asked, shown, controls).filter(control="text_only")
    more = finer.items(asked, shown, finer.Controls(8, "text", 1)).filter(control="text_only")
    assert set(few["group_id"]) < set(more["group_id"]) and set(few["answering"]) == {"text"}


def test_a_picture_of_the_same_content_is_no_wrong_image() -> None:
    asked, shown = many(3)
    twins = shown.with_columns(sha256=pl.when(pl.col("image_id") != "i2").then(pl.lit("twin")).otherwise("sha256"))
    wrong = finer.items(asked, twins, finer.Controls(3)).filter(control="wrong_image", image_id="i0")
    assert wrong["image_paths"].to_list() == [["i2.jpg"]] * 2
    with pytest.raises(InputError, match="no other image"):
        finer.items(pairs(), images(), finer.Controls(1))


def test_text_asks_as_likelihood_does() -> None:
    made = finer.items(pairs(), images())
    columns = ["item_id", "prompt", "options", "answer_index"]
    text, likelihood = (made.filter(answering=way).select(columns) for way in finer.QUESTION_ONLY)
    assert text.height == 2 and text.equals(likelihood)
