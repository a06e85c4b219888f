"""Phraser and editor as language models: what is stated and edited, what is sent back, what is dropped, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from caption_graphs import PARSER, caption_table
from finer import workflow
from finer.preferences.model_editor import TOLD, ModelEditor, drawn_slot
from finer.preferences.model_phraser import ModelPhraser
from finer.preferences.pairs import preference_pairs
from finer.preferences.phrase_forms import FORMS, problems_of
from finer.preferences.phrases import filled
from finer.preferences.stages import checked_edits, state_phrases
from finer.preferences.stated import meaningful, unstated
from finer.preferences.validate import REASONS, fault, scenes_by_image
from finer.scenes.captions import extract
from finer.schemas import ELEMENTS, PHRASE_TYPES
from language_roles import field, first_question, opened
from loopback import Body, Loopback, Said, prompt_of
from preference_stages import named_images

SEED = 5
CAPTION = "A tabby cat with green eyes is lying on a wooden chair. Two striped towels hang next to the cat."
CAT, CHAIR = (
    {"name": name, "plural": False, "attributes": [attribute]}
    for name, attribute in (("cat", "with green eyes"), ("chair", "with a wooden surface"))
)
STATED: dict[str, Any] = {
    "obj": {"objects": ["a cat", "two towels", "a chair"]},
    "attr": {"object": "the cat", "plural": False, "attributes": ["with green eyes"]},
    "rel": {"object": "cat", "plural": False, "relations": [
        {"relation": "is lying on", "target": "the chair"}, {"relation": "is next to", "target": "towels"},
    ]},
    "wh": {"skip": False, "subject": CAT, "relation": "is lying on", "target": CHAIR},
}  # fmt: skip
EDITED = {
    "a cat": "a dog", "two towels": "two lamps", "a chair": "a bed", "with green eyes": "with blue eyes",
    "is lying on the chair": "is lying on the sofa", "is next to the towels": "is next to the vases",
    "with a wooden surface": "with a metal surface",
}  # fmt: skip
Reply = Callable[[Body], Any]


def stating(**changed: Any) -> Reply:
    """Reply as a phraser; a changed kind is a reply, or a list of replies to the first question and its repairs."""

    def reply(request: Body) -> Any:
        kind = field(first_question(request), "Kind")
        said = changed.get(kind, STATED[kind])
        turn = sum(one["role"] == "user" and "cannot be used" in one["content"] for one in request["messages"])
        return said[min(turn, len(said) - 1)] if isinstance(said, list) else said

    return reply


def asked_items(request: Body) -> tuple[list[str], int]:
    """Return the items of the phrase and the index of the one to be replaced."""
    question = first_question(request)
    items = [line.partition(": ")[2] for line in question.splitlines() if line[:1].isdigit()]
    return items, int(question.rpartition("Replace item ")[2].rstrip("."))


def editing(change: Callable[[list[str], int, int], list[str]] | None = None) -> Reply:
    """Reply as an editor; ``change`` makes items of (right items, index, number of the repair)."""

    def reply(request: Body) -> Any:
        items, index = asked_items(request)
        items[index] = EDITED.get(items[index], "a walrus")
        turn = sum("cannot be used" in str(one["content"]) for one in request["messages"])
        return {"items": items if change is None else change(items, index, turn)}

    return reply


def stated(folder: Path, reply: Reply, *texts: str) -> tuple[pl.DataFrame, pl.DataFrame, Loopback]:
    captions = caption_table(list(texts) or [CAPTION], "d")
    with Loopback(reply) as server, opened("phraser", server, folder) as role:
        found = ModelPhraser(role)(captions, ELEMENTS.empty(), "d", SEED)
    return *found, server


def edited(
    folder: Path, phrases: pl.DataFrame, reply: Reply, text: str = CAPTION, elements: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, pl.DataFrame, Loopback]:
    known = ELEMENTS.empty() if elements is None else elements
    with Loopback(reply) as server, opened("editor", server, folder) as role:
        found = checked_edits(ModelEditor(role), phrases, known, caption_table([text], "d"), "d", SEED)
    return *found, server


@pytest.fixture(scope="module")
def phrases(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    return stated(tmp_path_factory.mktemp("phrases"), stating())[0]


def of_kind(table: pl.DataFrame, kind: str) -> dict[str, Any]:
    return table.filter(phrase_type=kind).row(0, named=True)


# ---------------------------------------------------------------- phrases
def test_a_model_states_one_phrase_of_each_kind(phrases: pl.DataFrame) -> None:
    texts = dict(phrases.select("phrase_type", "text").iter_rows())
    assert texts == {
        "obj": "a cat, two towels and a chair",
        "attr": "the cat with green eyes",
        "rel": "the cat that is lying on the chair and is next to the towels",
        "wh": texts["wh"],
    }
    assert texts["wh"] == "The cat with green eyes is lying on the chair with a wooden surface"
    assert set(phrases["phraser"]) == {"tiny"} and phrases["element_ids"].list.len().sum() == 0
    for row in phrases.iter_rows(named=True):
        assert row["text"] == filled(row["frame"], row["slots"]) and "\x00" not in row["text"]


def test_either_side_of_a_sentence_is_asked_for_and_needs_an_attribute_of_the_other(tmp_path: Path) -> None:
    many = [f"{CAPTION} It is cat number {number}." for number in range(8)]
    table, _, _ = stated(tmp_path / "many", stating(), *many)
    found = [
        (filled(row["question"], row["slots"]), row["answer"], row["subject"])
        for row in table.filter(phrase_type="wh").iter_rows(named=True)
    ]
    assert set(found) == {
        ("What is lying on the chair with a wooden surface?", "The cat with green eyes.", "chair"),
        ("What is the cat with green eyes lying on?", "The chair with a wooden surface.", "cat"),
    }
    bare = {**STATED["wh"], "target": {**CHAIR, "attributes": []}}
    row = of_kind(stated(tmp_path / "bare", stating(wh=bare))[0], "wh")
    assert row["subject"] == "cat" and row["answer"] == "The chair."


def test_what_breaks_a_rule_is_sent_back_with_the_reason(tmp_path: Path) -> None:
    wrong = {"objects": ["a cat", "towels", "a dog"]}
    table, drops, server = stated(tmp_path, stating(obj=[wrong, STATED["obj"]]))
    assert of_kind(table, "obj")["slots"] == STATED["obj"]["objects"] and drops.is_empty()
    (repair,) = [prompt_of(one) for one in server.requests if "cannot be used" in prompt_of(one)]
    assert "not_in_caption" in repair and "'dog'" in repair and "number_lost" in repair and "two towels" in repair
    assert len(server.requests) == 5


NOTHING = {"object": "cat", "plural": False, "attributes": []}
SKIPPED = {"skip": True, "subject": None, "relation": None, "target": None}
NO_ATTRIBUTE = {**STATED["wh"], "subject": {**CAT, "attributes": []}, "target": {**CHAIR, "attributes": []}}


@pytest.mark.parametrize(
    ("kind", "reply", "reason"),
    [
        ("obj", {"objects": ["a dog"]}, "not_in_caption"),
        ("obj", {"objects": ["a cat"] * 2}, "doubled_item"),
        ("obj", {"objects": ["a cat and a chair"]}, "several_in_one_item"),
        ("obj", {"objects": ["a cat", "a chair", "towels", "two towels", "a tabby", "eyes"]}, "number_lost"),
        ("obj", {"objects": []}, "nothing_stated"),
        ("obj", {"things": ["a cat"]}, "invalid"),
        ("obj", "I would rather not.", "invalid"),
        ("obj", Said(refusal="No."), "refusal"),
        ("obj", Said('{"objects": ["a c', finish="length"), "overlong"),
        ("attr", NOTHING, "nothing_stated"),
        ("attr", {**NOTHING, "attributes": ["green"]}, "attribute_form"),
        ("attr", {**NOTHING, "attributes": ["with blue eyes"]}, "not_in_caption"),
        ("rel", {"object": "cat", "plural": False, "relations": [{"relation": "lies on", "target": "chair"}]},
         "relation_form"),
        ("rel", {"object": "cat", "plural": False, "relations": [{"relation": "is lying on", "target": "sofa"}]},
         "not_in_caption"),
        ("wh", SKIPPED, "skipped"),
        ("wh", NO_ATTRIBUTE, "no_attribute_of_either_object"),
        ("wh", {**STATED["wh"], "relation": None}, "incomplete"),
        ("wh", {**STATED["wh"], "target": CAT}, "same_object"),
    ],
)  # fmt: skip
def test_what_stays_wrong_is_dropped_with_its_reason(tmp_path: Path, kind: str, reply: Any, reason: str) -> None:
    table, drops, _ = stated(tmp_path, stating(**{kind: reply}))
    assert sorted(table["phrase_type"]) == sorted(set(PHRASE_TYPES) - {kind})
    assert drops.select("stage", "reason").rows() == [("phrases", reason)]
    assert drops["item"][0].endswith(f":{kind}")


@pytest.mark.parametrize(
    ("text", "caption", "lost"),
    [
        ("with green eyes", CAPTION, []),
        ("is lying on", "The cat lies there.", []),
        ("two towels", "2 towels.", []),
        ("three towels", "Two towels.", ["three"]),
        ("a child", "Children are playing.", []),
        ("with a red color", "A red cup.", []),
        ("with a wood-paneled look", "Wood paneled walls.", []),
        ("a cat's toy", "The cat's toy.", []),
        ("a dog", CAPTION, ["dog"]),
        ("a car", "A carpet.", ["car"]),
    ],
)
def test_a_caption_states_a_text_in_any_form_of_its_words(text: str, caption: str, lost: list[str]) -> None:
    assert unstated(text, caption) == lost


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_caption_states_all_of_its_own_words(before: str, after: str) -> None:
    text = f"{before} cat {after}"
    assert unstated(text, text) == [] and "cat" in meaningful(f"a cat, {after}")


# ---------------------------------------------------------------- edits
def test_the_drawn_item_is_replaced_and_nothing_else(tmp_path: Path, phrases: pl.DataFrame) -> None:
    edits, drops, server = edited(tmp_path, phrases, editing())
    assert drops.is_empty() and edits.height == 4 and set(edits["editor"]) == {"tiny"}
    for row in edits.join(phrases.select("phrase_id", before="slots"), on="phrase_id").iter_rows(named=True):
        changed = [place for place, old in enumerate(row["before"]) if old != row["slots"][place]]
        assert changed == [row["slot"]] and row["element_id"] is None
        assert EDITED[row["original"]] == row["replacement"]
    kinds = dict(zip(edits["original"], edits["negative_kind"], strict=True))
    assert {kinds[one] for one in kinds if one.startswith("with")} == {"attribute"}
    assert {kinds[one] for one in kinds if one.startswith("is ")} == {"relation_object"}
    for request in server.requests:
        items, index = asked_items(request)
        phrase = next(row for row in phrases.iter_rows(named=True) if row["slots"] == items)
        assert index == drawn_slot(phrase, SEED)


def test_slots_are_drawn_evenly_by_the_captions_key() -> None:
    drawn = Counter(
        drawn_slot({"caption_id": f"c{n}", "phrase_type": "obj", "slots": ["a", "b", "c"]}, SEED) for n in range(900)
    )
    assert min(drawn.values()) > 240


WRONG: dict[str, tuple[str, Callable[[list[str], int], list[str]]]] = {
    "items_differ_in_number": ("obj", lambda items, index: items[:-1]),
    "several_items_changed": ("obj", lambda items, index: [f"{item}s" for item in ("a lamp", "a bed", "a vase")]),
    "other_item_changed": (
        "obj", lambda items, index: [
            "a lamp" if place == (index + 1) % 3 else old for place, old in enumerate(STATED["obj"]["objects"])
        ],
    ),
    "no_item_changed": ("obj", lambda items, index: list(STATED["obj"]["objects"])),
    "several_in_one_item": ("obj", lambda items, index: put(items, index, "a lamp and a bed")),
    "negated": ("attr", lambda items, index: ["without green eyes"]),
    "in_caption": ("obj", lambda items, index: put(items, index, "a tabby")),
    "synonym": ("attr", lambda items, index: ["in green eyes"]),
    "unknown_value": ("attr", lambda items, index: ["with dark eyes"]),
}  # fmt: skip


def put(items: list[str], index: int, text: str) -> list[str]:
    return [text if place == index else old for place, old in enumerate(items)]


@pytest.mark.parametrize("reason", REASONS)
def test_each_broken_rule_is_sent_back_and_then_dropped(tmp_path: Path, phrases: pl.DataFrame, reason: str) -> None:
    kind, wrong = WRONG[reason]
    own = phrases.filter(phrase_type=kind)

    def mended(items: list[str], index: int, turn: int) -> list[str]:
        return items if turn else wrong(items, index)

    edits, drops, server = edited(tmp_path / "mended", own, editing(mended))
    assert edits.height == 1 and drops.is_empty() and len(server.requests) == 2
    assert f"{reason}: {TOLD[reason]}" in prompt_of(server.requests[1])
    edits, drops, server = edited(tmp_path / "not", own, editing(lambda items, index, turn: wrong(items, index)))
    assert edits.is_empty() and drops["reason"].to_list() == [reason] and len(server.requests) == 3
    assert drops["item"][0].endswith(f":{kind}")


def test_every_rule_has_words_for_the_model() -> None:
    assert set(TOLD) == set(REASONS) == set(WRONG)


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        ("is lying on the chair", "is lying on the sofa", None),
        ("is lying on the chair", "is sitting under the chair", None),
        ("is lying on the chair", "is lying on the towels", "in_caption"),
        ("is lying on the chair", "is lying on the cat", "in_caption"),
        ("is lying on the chair", "is lying on the armchair", "synonym"),
        ("is lying on the chair", "is lying upon the chair", "synonym"),
        ("is lying on the chair", "is under the sofa", "several_in_one_item"),
        ("is lying on the chair", "is next to the chair", None),
        ("is next to the towels", "is beside the towels", "synonym"),
    ],
)
def test_relations_are_checked_by_words(phrases: pl.DataFrame, old: str, new: str, broken: str | None) -> None:
    phrase = of_kind(phrases, "rel")
    slot = phrase["slots"].index(old)
    edit = {"slot": slot, "slots": put(phrase["slots"], slot, new), "original": old, "replacement": new,
            "element_id": None}  # fmt: skip
    scene = scenes_by_image(ELEMENTS.empty(), caption_table([CAPTION], "d"))[phrase["image_id"]]
    assert fault(edit, phrase, scene) == broken


def test_a_model_edits_phrases_of_scene_graphs_too(tmp_path: Path) -> None:
    captions = caption_table([CAPTION], "d")
    elements, _ = extract(captions, PARSER)
    by_rule, _ = state_phrases(captions, elements, "d", SEED)
    edits, drops, _ = edited(tmp_path, by_rule, editing(), elements=elements)
    assert edits.height + drops.height == by_rule.height and edits.height
    assert set(edits["element_id"]) <= set(elements["element_id"])


def test_pairs_are_worded_as_those_of_rules(tmp_path: Path, phrases: pl.DataFrame) -> None:
    edits, _, _ = edited(tmp_path, phrases.filter(phrase_type="wh"), editing())
    captions = caption_table([CAPTION], "d")
    pairs = preference_pairs(phrases, edits, captions, named_images(captions), SEED)
    phrase, edit = of_kind(phrases, "wh"), edits.row(0, named=True)
    positive, negative = pairs.sort("polarity", descending=True).iter_rows(named=True)
    assert positive["question"] == filled(phrase["question"], phrase["slots"])
    assert negative["question"] == filled(phrase["question"], edit["slots"])
    assert positive["chosen"] == negative["rejected"] == phrase["answer"]
    assert edit["original"].split()[-2] in negative["chosen"] and "does not have" in negative["chosen"]


# ---------------------------------------------------------------- prompts, the cache, the configuration
def test_the_prompts_own_examples_keep_the_rules() -> None:
    phraser, editor = (
        yaml.safe_load((resources.files("finer.chat") / "prompts" / f"{role}.yaml").read_text("utf-8"))
        for role in ("phraser", "editor")
    )
    assert {one["fields"]["kind"] for one in phraser["examples"]} == set(PHRASE_TYPES)
    for one in phraser["examples"]:
        reply = FORMS[one["fields"]["kind"]].model_validate(one["reply"])
        assert problems_of(reply, one["fields"]["caption"]) == []
    for one in editor["examples"]:
        before = [line.partition(": ")[2] for line in one["fields"]["items"].splitlines()]
        slot, after = int(one["fields"]["index"]), one["reply"]["items"]
        kind = "rel" if before[0].startswith("are ") else "attr" if before[0].startswith("with") else "obj"
        subject = one["fields"]["phrase"].split()[1] if kind != "obj" else None
        phrase = {"slots": before, "phrase_type": kind, "subject": subject}
        edit = {"slot": slot, "slots": after, "original": before[slot], "replacement": after[slot], "element_id": None}
        captions = caption_table([one["fields"]["caption"]], "d")
        scene = scenes_by_image(ELEMENTS.empty(), captions)[captions["image_id"][0]]
        assert fault(edit, phrase, scene) is None, edit
        assert all(item in one["fields"]["phrase"] for item in before)


def test_a_second_run_asks_nobody_and_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = stated(tmp_path, stating())
    monkeypatch.setenv("FINER_CHAT_OFFLINE", "1")
    # The address is another one: what a reply is found by does not hold it.
    again = stated(tmp_path, stating())
    assert again[0].equals(first[0]) and len(first[2].requests) == 4 and not again[2].requests


def test_rows_say_which_calls_made_them(tmp_path: Path) -> None:
    reply = stating(obj=[{"objects": ["a dog"]}, STATED["obj"]])
    with Loopback(reply) as server, opened("phraser", server, tmp_path) as role:
        ModelPhraser(role)(caption_table([CAPTION], "d"), ELEMENTS.empty(), "d", SEED)
        calls = role.calls()
    assert calls.height == 5 and set(calls["run_id"]) == {role.run_id}
    (refused,) = calls.drop_nulls("problem").iter_rows(named=True)
    assert refused["subject"].endswith(":obj") and "not_in_caption" in refused["problem"] and refused["attempt"] == 0


def test_rules_do_not_depend_on_prompts_of_models() -> None:
    for verb, by_model in (("phrase", "phrase-by-model"), ("edit", "edit-by-model"),
                           ("judge-suites", "judge-suites-by-model")):  # fmt: skip
        assert not any(name.startswith("finer.chat") for name in workflow.modules(verb))
        assert "finer.chat.roles" in workflow.modules(by_model)
