"""The proposer: four negatives that no rule of the house turns down, or none and the reason; never the same twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from typing import Any

import polars as pl
import pytest
import yaml

from caption_graphs import PARSER, caption_table
from finer.errors import InputError
from finer.negatives.candidates import Candidate
from finer.negatives.llm import PROMPTS, propose_by_model
from finer.negatives.propose import scenes
from finer.negatives.vetoes import Changed, Slot, Veto, excludes
from finer.scenes.captions import extract
from finer.schemas import DROPS, NEGATIVE_CHECKS, NEGATIVES
from finer.store import check_table, table_from
from loopback_roles import ROLES
from scripted_asker import Scripted

CAPTION = (
    "A brown dog with a long tail is sitting on a wooden bench. A red kite is above the bench. "
    "A tall woman is holding two cups near a couch."
)
GOOD = {
    "dog": ["rabbit", "parrot", "goat", "fox"],
    "with a brown color": ["green", "blue", "purple", "yellow"],
    "with a long tail": ["horn", "beak", "mane", "hoof"],
}


@cache
def tables() -> tuple[pl.DataFrame, pl.DataFrame]:
    captions = caption_table([CAPTION])
    return captions, extract(captions, PARSER)[0]


def slot(kind: str, text: str, changed: Changed) -> Slot:
    captions, elements = tables()
    scene = next(iter(scenes(elements, captions)))
    return Slot(scene, next(row for row in scene.rows if row["kind"] == kind and row["text"] == text), changed)


def said(*negatives: str) -> str:
    return json.dumps({"negatives": list(negatives)})


def askers(replies: Callable[[str, list[str]], str], repairs: int = 2) -> dict[Changed, Scripted]:
    return {changed: Scripted(replies, repairs) for changed in PROMPTS}


def element_id(text: str) -> str:
    return str(tables()[1].filter(text=text)["element_id"][0])


def ask_about(text: str, replies: Callable[[str, list[str]], str], **more: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    captions, elements = tables()
    return propose_by_model(askers(replies), elements, captions, only={element_id(text)}, **more)


# ---------------------------------------------------------------- what is turned down
@pytest.mark.parametrize(
    ("proposal", "reason"),
    [
        ("dog", "same_meaning"),
        ("dogs", "wrong_number"),
        ("puppy", "same_meaning"),
        ("police dog", "same_meaning"),
        ("animal", "same_meaning"),
        ("kite", "in_scene"),
        ("sofa", "in_scene"),  # another name for the couch
        ("person", "in_scene"),  # a wider word for the woman
        ("rabbits", "wrong_number"),
        ("no dog", "mere_denial"),
        ("side", "not_a_thing"),
        ("red", "not_a_thing"),
        ("", "not_a_name"),
        ("a cat that looks like it is asleep", "not_a_name"),
    ],
)
def test_a_name_that_may_be_true_or_does_not_fit_is_turned_down(proposal: str, reason: str) -> None:
    found = slot("object", "dog", "object").candidate(proposal)
    assert isinstance(found, Veto) and found.reason == reason and f"'{proposal}'" in found.told


def test_a_plural_takes_plurals() -> None:
    cups = slot("object", "cups", "object")
    assert cups.candidate("bowls") == Candidate("object", "bowls", plural=True)
    assert isinstance(cups.candidate("plate"), Veto)


@pytest.mark.parametrize(
    ("element", "proposal", "reason"),
    [
        ("with a brown color", "brown", "same_meaning"),
        ("with a brown color", "dark brown", "same_meaning"),
        ("with a brown color", "tan", "same_meaning"),
        ("with a brown color", "black", "same_meaning"),  # a neighbour: dark brown is called black
        ("with a brown color", "striped", "wrong_class"),
        ("with a brown color", "not brown", "mere_denial"),
        ("with a brown color", "unbrown", "mere_denial"),
        ("with a tall height", "towering", "wrong_class"),
        ("with a tall height", "huge", "wrong_class"),
        ("with a tall height", "tall", "same_meaning"),
        ("made of wood", "wooden", "same_meaning"),
        ("made of wood", "oak", "same_meaning"),
        ("made of wood", "blue", "wrong_class"),
    ],
)
def test_a_value_that_may_be_true_or_is_of_another_class_is_turned_down(
    element: str, proposal: str, reason: str
) -> None:
    found = slot("attribute", element, "attribute").candidate(proposal)
    assert isinstance(found, Veto) and found.reason == reason


def test_a_value_becomes_the_phrase_of_its_class() -> None:
    assert slot("attribute", "with a brown color", "attribute").candidate("orange-colored") == Veto(
        "same_meaning", "'orange' may be true beside 'brown'"
    )
    assert slot("attribute", "with a brown color", "attribute").candidate("Blue") == Candidate(
        "attribute", "with a blue color"
    )
    assert slot("attribute", "made of wood", "attribute").candidate("metal") == Candidate("attribute", "made of metal")
    assert slot("attribute", "with a tall height", "attribute").candidate("short") == Candidate(
        "attribute", "with a short height"
    )


def test_of_a_part_only_its_noun_changes_with_the_article_that_it_needs() -> None:
    part = slot("attribute", "with a long tail", "part")
    assert part.candidate("beak") == Candidate("attribute", "with a long beak")
    found = part.candidate("dog")
    assert isinstance(found, Veto) and found.reason == "in_scene"


@pytest.mark.parametrize(
    ("proposal", "reason"),
    [
        ("is sitting on", "same_meaning"),
        ("is resting on", "same_meaning"),
        ("is on", "same_meaning"),
        ("is on top of", "same_meaning"),
        ("is near", "same_meaning"),
        ("is not sitting on", "mere_denial"),
        ("stands beside", "not_a_predicate"),
        ("is sitting on the bench", "not_a_predicate"),
        ("is brown", "not_a_predicate"),
        ("is between", "not_a_predicate"),
    ],
)
def test_a_predicate_that_may_hold_too_is_turned_down(proposal: str, reason: str) -> None:
    found = slot("relation", "is sitting on", "predicate").candidate(proposal)
    assert isinstance(found, Veto) and found.reason == reason


@pytest.mark.parametrize("proposal", ["is lying under", "is standing on", "are standing behind the", "is below"])
def test_a_predicate_that_excludes_the_true_one_stands(proposal: str) -> None:
    found = slot("relation", "is sitting on", "predicate").candidate(proposal)
    assert isinstance(found, Candidate) and found.target == "bench" and found.text.startswith("is ")


def test_predicates_exclude_each_other_by_place_or_by_verb() -> None:
    assert excludes("is under", "is on top of", alive=False) and excludes("is chasing", "is holding", alive=False)
    assert excludes("is standing on", "is sitting on", alive=True)
    assert not excludes("is standing on", "is sitting on", alive=False)  # of a cup both are said
    assert not excludes("is behind", "is to the left of", alive=True)
    assert not excludes("is holding", "is next to", alive=True)


def test_the_object_of_a_relation_is_no_other_thing_of_the_scene() -> None:
    place = slot("relation", "is sitting on", "relation_object")
    assert place.candidate("carpet") == Candidate("relation_object", "is sitting on", "carpet")
    for proposal in ("kite", "couch", "sofa", "bench"):
        assert isinstance(place.candidate(proposal), Veto)


# ---------------------------------------------------------------- four, or none
def test_four_good_ones_are_taken_in_an_order_drawn_by_key() -> None:
    orders = set()
    for seed in range(6):
        negatives, drops = ask_about("dog", lambda *_: said(*GOOD["dog"]), seed=seed)
        check_table(negatives, NEGATIVES)
        assert drops.is_empty() and set(negatives["text"]) == set(GOOD["dog"])
        assert negatives["rank"].to_list() == [0, 1, 2, 3] and set(negatives["proposer"]) == {"scripted"}
        orders.add(tuple(negatives["text"]))
    assert len(orders) > 1


def test_what_is_wrong_is_told_and_what_is_sound_is_kept() -> None:
    def replies(prompt: str, complaints: list[str]) -> str:
        if not complaints:
            return said("rabbit", "parrot", "puppy", "sofa")
        assert "'puppy'" in complaints[0] and "'sofa'" in complaints[0]
        assert "good so far: 'rabbit', 'parrot'" in complaints[0]
        return said("rabbit", "goat", "fox", "bunny")

    negatives, drops = ask_about("dog", replies)
    assert set(negatives["text"]) == {"rabbit", "parrot", "goat", "fox"} and drops.is_empty()


@pytest.mark.parametrize(
    ("proposals", "reason"),
    [
        (("rabbit", "parrot", "goat", "puppy"), "same_meaning"),
        (("rabbit", "bunny", "goat", "fox"), "repeated"),
        (("rabbit", "rabbit", "goat", "fox"), "repeated"),
        (("rabbit", "parrot", "goat"), "too_few"),
        ((), "too_few"),
    ],
)
def test_fewer_than_four_after_all_repairs_are_none_and_a_drop(proposals: tuple[str, ...], reason: str) -> None:
    negatives, drops = ask_about("dog", lambda *_: said(*proposals))
    check_table(drops, DROPS)
    assert negatives.is_empty()
    assert (
        drops.select("item", "reason").rows() == [(element_id("dog"), reason)] and "object: dog" in drops["detail"][0]
    )


def test_no_usable_reply_is_a_drop_with_its_reason() -> None:
    negatives, drops = ask_about("dog", lambda *_: "I would rather not.")
    assert negatives.is_empty() and drops["reason"].to_list() == ["invalid"]


def test_what_no_query_can_name_is_not_asked_about() -> None:
    captions = caption_table(["A red car is near a bus. Another car is near a tree."])
    elements, _ = extract(captions, PARSER)
    asked = askers(lambda prompt, _: ROLES["proposer"](prompt))
    _, drops = propose_by_model(asked, elements, captions)
    assert "ambiguous_object" in set(drops["reason"])
    assert not asked["attribute"].prompts and len(asked["object"].prompts) == elements.filter(kind="object").height


def test_an_unknown_element_is_an_error() -> None:
    captions, elements = tables()
    with pytest.raises(InputError, match="no such element"):
        propose_by_model(askers(lambda *_: "{}"), elements, captions, only={"none"})


# ---------------------------------------------------------------- rounds
def test_a_later_round_tells_what_failed_and_never_repeats_it() -> None:
    first, _ = ask_about("dog", lambda *_: said(*GOOD["dog"]))
    failed = first.filter(rank=2)["text"][0]
    check = {
        "element_id": element_id("dog"), "image_id": first["image_id"][0], "round": 0, "verifier": "v",
        "check": "sure_failure", "picked": 3, "probabilities": [0.1, 0.0, 0.0, 0.9, 0.0], "entropy": 0.1,
        "letters": list("DCBAE"), "run_id": "r",
    }  # fmt: skip
    prompts: list[str] = []

    def replies(prompt: str, complaints: list[str]) -> str:
        prompts.append(prompt)
        return said("cow", "horse", failed, "pig") if not complaints else said("cow", "horse", "deer", "pig")

    more = {"earlier": first, "checks": table_from([check], NEGATIVE_CHECKS), "round_number": 1}
    second, drops = ask_about("dog", replies, **more)
    assert set(second["text"]) == {"cow", "horse", "deer", "pig"} and set(second["round"]) == {1} and drops.is_empty()
    assert f"took this one for true: {failed}." in prompts[0]
    assert "Tried before and not to be given again: fox; goat; parrot; rabbit." in prompts[0]
    assert second["negative_id"].is_in(first["negative_id"].to_list()).sum() == 0
    nothing, why = ask_about("dog", lambda *_: said(*GOOD["dog"]), **more)
    assert nothing.is_empty() and why["reason"].to_list() == ["proposed_before"]


def test_each_kind_of_element_is_asked_in_its_own_words() -> None:
    captions, elements = tables()
    asked = askers(lambda prompt, _: ROLES["proposer"](prompt))
    negatives, _ = propose_by_model(asked, elements, captions)
    check_table(negatives, NEGATIVES)
    of = {changed: asker.prompts for changed, asker in asked.items()}
    assert any(
        "True of the image: a dog\nReplace: dog" in prompt and "Singular nouns" in prompt for prompt in of["object"]
    )
    assert any("a dog with a brown color\nReplace: brown" in prompt for prompt in of["attribute"])
    assert any("a dog with a long tail\nReplace: tail" in prompt for prompt in of["part"])
    assert all(CAPTION in prompt and "given again: nothing." in prompt for prompts in of.values() for prompt in prompts)
    kinds = negatives.group_by("element_id").agg(pl.col("negative_kind").n_unique(), pl.len())
    assert set(kinds["negative_kind"]) == {1} and set(kinds["len"]) == {4}


def test_the_same_replies_give_the_same_rows_in_any_company() -> None:
    captions, elements = tables()
    whole, _ = propose_by_model(askers(lambda prompt, _: ROLES["proposer"](prompt)), elements, captions)
    alone, _ = propose_by_model(
        askers(lambda prompt, _: ROLES["proposer"](prompt)), elements, captions, only={element_id("dog")}
    )
    assert alone.equals(whole.filter(element_id=element_id("dog")))


# ---------------------------------------------------------------- prompts
@pytest.mark.parametrize(("changed", "name"), PROMPTS.items())
def test_the_examples_of_the_prompts_keep_their_rules(changed: Changed, name: str) -> None:
    text = (resources.files("finer.chat") / "prompts" / f"{name}.yaml").read_text(encoding="utf-8")
    for example in yaml.safe_load(text)["examples"]:
        fields: Mapping[str, str] = example["fields"]
        captions = caption_table([fields["caption"]])
        elements, _ = extract(captions, PARSER)
        scene = next(iter(scenes(elements, captions)))
        place = next(
            s for row in scene.rows if (s := _slot(scene, row, changed)) is not None and s.true == fields["true"]
        )
        found = [place.candidate(proposal) for proposal in example["reply"]["negatives"]]
        assert all(isinstance(one, Candidate) for one in found), found
        assert len({place.meaning(one) for one in found if isinstance(one, Candidate)}) == 4
        assert not set(fields["tried"].split("; ")) & set(example["reply"]["negatives"])


def _slot(scene: Any, row: Any, changed: Changed) -> Slot | None:
    kinds = {"object": "object", "attribute": "attribute", "part": "attribute"}
    if row["kind"] != kinds.get(changed, "relation") or (row["category"] == "part") != (changed == "part"):
        return None
    return Slot(scene, row, changed)
