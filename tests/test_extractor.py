"""The extractor: what a model says of a caption becomes elements where the caption grounds it; the rest is counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import polars as pl
import pytest
import yaml

from caption_graphs import OWN_CAPTIONS, PARSER, caption_table, read_captions
from finer.scenes.captions import extract
from finer.scenes.extracted import Reading, read_links, read_things
from finer.scenes.forms import Links, Things
from finer.scenes.grounding import Caption, captions_read, roots, same_word
from finer.scenes.llm import extract_by_model, listed
from finer.schemas import DROPS, ELEMENTS
from finer.store import check_table
from loopback_roles import ROLES
from scripted_asker import Scripted

CAPTION = (
    "A brown dog with a long tail is sitting on a wooden bench. Two red kites fly above the bench. "
    "There is no cat, and the cloud looks like a horse. The dog isn't looking at the small gray pond."
)
THINGS: list[tuple[str, str, list[tuple[str, str]]]] = [
    ("o1", "dog", [("color", "brown"), ("part", "a long tail"), ("posture", "sitting")]),
    ("o2", "bench", [("material", "wooden")]),
    ("o3", "kites", [("color", "red")]),
    ("o4", "pond", [("size", "small"), ("color", "gray")]),
]


@cache
def parsed(text: str = CAPTION) -> Caption:
    return next(iter(captions_read([text], PARSER)))


def objects(*things: tuple[str, str, Sequence[tuple[str, str]]]) -> dict[str, Any]:
    return {
        "objects": [
            {"id": key, "name": name, "attributes": [{"category": c, "value": v} for c, v in attributes]}
            for key, name, attributes in things
        ]
    }


def relations(*links: tuple[str, str, str]) -> dict[str, Any]:
    return {"relations": [{"subject": s, "predicate": p, "object": o} for s, p, o in links]}


def things_of(*things: tuple[str, str, Sequence[tuple[str, str]]], text: str = CAPTION) -> Reading:
    return read_things(Things.model_validate(objects(*things)), parsed(text))


def links_of(*links: tuple[str, str, str]) -> Reading:
    return read_links(Links.model_validate(relations(*links)), things_of(*THINGS), parsed())


def reasons(reading: Reading) -> list[str]:
    return [fault.reason for fault in reading.faults]


# ---------------------------------------------------------------- forms to elements
def test_what_the_caption_says_becomes_things_with_attributes() -> None:
    reading = things_of(*THINGS)
    assert reading.faults == []
    assert listed(reading).splitlines() == [
        "o1: dog, with a brown color, with a long tail, with a sitting posture",
        "o2: bench, made of wood",
        "o3: kites, with a red color",
        "o4: pond, with a small size, with a gray color",
    ]
    dog, _, kites, _ = reading.graph.entities
    assert (dog.plural, kites.plural, kites.head) == (False, True, "kite")
    assert dog.evidence == "A brown dog with a long tail is sitting on a wooden bench."


def test_what_the_caption_states_becomes_relations_with_their_sentence() -> None:
    above = ("o3", "is flying above the", "o2"), ("o3", "are flying above", "o2")
    reading = links_of(("o1", "is sitting on", "o2"), *above)
    assert [(r.subject, r.predicate, r.target) for r in reading.graph.relations] == [
        (0, "is sitting on", 1), (2, "is flying above", 1),
    ]  # fmt: skip
    assert reading.graph.relations[1].evidence == "Two red kites fly above the bench."
    assert reasons(reading) == ["stated_twice"] and reading.problems == []


def test_names_take_the_number_of_the_caption_and_lose_their_article() -> None:
    reading = things_of(("o1", "the kite", []), ("o2", "a dog", []))
    assert [(entity.text, entity.plural) for entity in reading.graph.entities] == [("kites", True), ("dog", False)]


def test_words_are_compared_by_their_roots() -> None:
    assert same_word("sits", "sitting") and same_word("wooden", "wood") and same_word("dogs", "dog")
    assert not same_word("dog", "cat") and "sit" in roots("sitting")


def test_a_thing_of_which_the_caption_has_more_is_ambiguous() -> None:
    text = "A red car is parked near three other cars. A bus is near a tree."
    reading = things_of(("o1", "car", [("color", "red")]), ("o2", "bus", []), text=text)
    assert [entity.ambiguous for entity in reading.graph.entities] == [True, False]


# ---------------------------------------------------------------- what is not grounded
@pytest.mark.parametrize(
    ("thing", "reason"),
    [
        (("o1", "zebra", []), "not_in_caption"),
        (("o1", "wooden bench", []), "attribute_in_name"),
        (("o1", "brown dog", []), "attribute_in_name"),
        (("o1", "police dog", []), "not_in_caption"),
        (("o1", "cat", []), "negated"),
        (("o1", "horse", []), "likeness"),
        (("o1", "a very long name of some dog", []), "not_a_name"),
        (("o1", "", []), "not_a_name"),
        (("o1", "red bench", []), "not_in_caption"),
    ],
)
def test_a_thing_that_the_caption_does_not_have_is_a_fault_that_is_told(
    thing: tuple[str, str, Sequence[tuple[str, str]]], reason: str
) -> None:
    reading = things_of(thing)
    assert reasons(reading) == [reason] and len(reading.problems) == 1
    assert reading.graph.entities == [] and reading.by_id == {}


@pytest.mark.parametrize(
    ("quality", "reason", "told"),
    [
        (("color", "purple"), "not_in_caption", True),
        (("color", "red"), "not_said_of_it", True),
        (("state", "brown"), "wrong_class", True),
        (("state", "not looking"), "negated", True),
        (("part", "a long tail sitting"), "not_a_part", True),
        (("color", "a brown and long and sitting and wooden thing"), "not_a_value", True),
        (("part", "dog"), "in_its_name", False),
    ],
)
def test_an_attribute_that_the_caption_does_not_give_is_a_fault(
    quality: tuple[str, str], reason: str, told: bool
) -> None:
    reading = things_of(("o1", "dog", [("color", "brown"), quality]))
    assert reasons(reading) == [reason] and bool(reading.problems) == told
    assert [attribute.text for attribute in reading.graph.entities[0].attributes] == ["with a brown color"]


def test_a_posture_is_of_what_lives() -> None:
    reading = things_of(("o2", "bench", [("posture", "sitting")]))
    assert reasons(reading) == ["posture_of_a_thing"] and reading.graph.entities[0].attributes == []


def test_things_stand_once() -> None:
    reading = things_of(("o1", "dog", []), ("o1", "bench", []), ("o2", "dog", []))
    assert reasons(reading) == ["id_twice", "stated_twice"]
    again = things_of(("o1", "dog", [("color", "brown")]), ("o2", "dog", []))
    assert reasons(again) == ["more_than_said"] and len(again.graph.entities) == 1 and list(again.by_id) == ["o1"]


@pytest.mark.parametrize(
    ("link", "reason", "told"),
    [
        (("o1", "is sitting on", "o9"), "unknown_object", True),
        (("o1", "is chasing", "o2"), "not_in_caption", True),
        (("o1", "is looking at", "o4"), "negated", True),
        (("o1", "is not sitting on", "o2"), "negated", True),
        (("o1", "sits on", "o2"), "not_a_predicate", True),
        (("o1", "is sitting", "o2"), "", False),
        (("o1", "is sitting on a bench", "o2"), "names_its_object", True),
        (("o1", "is brown", "o2"), "not_a_predicate", True),
        (("o1", "is above", "o1"), "relation_within_kind", False),
    ],
)
def test_a_relation_that_the_caption_does_not_state_is_a_fault(
    link: tuple[str, str, str], reason: str, told: bool
) -> None:
    reading = links_of(link)
    assert reasons(reading) == ([reason] if reason else []) and bool(reading.problems) == told
    assert bool(reading.graph.relations) == (not reason)


# ---------------------------------------------------------------- the two stages
def test_faults_are_sent_back_and_a_mended_reply_leaves_no_trace() -> None:
    captions = caption_table([CAPTION])
    wrong = objects(*THINGS, ("o5", "zebra", []))

    def first(prompt: str, complaints: list[str]) -> str:
        return json.dumps(objects(*THINGS) if complaints else wrong)

    def second(prompt: str, complaints: list[str]) -> str:
        good = ("o1", "is sitting on", "o2")
        return json.dumps(relations(good) if complaints else relations(good, ("o1", "is chasing", "o2")))

    things, links = Scripted(first), Scripted(second)
    elements, drops = extract_by_model(captions, PARSER, things, links)
    check_table(elements, ELEMENTS)
    assert drops.is_empty() and set(elements["source"]) == {"caption_llm"}
    assert dict(elements.group_by("kind").len().iter_rows()) == {"object": 4, "attribute": 7, "relation": 1}
    assert "o1: dog, with a brown color" in links.prompts[0] and CAPTION in links.prompts[0]


def test_what_is_not_mended_is_dropped_with_its_reason_and_the_rest_stays() -> None:
    captions = caption_table([CAPTION])
    things = Scripted(lambda *_: json.dumps(objects(*THINGS, ("o5", "zebra", []))))
    links = Scripted(lambda *_: json.dumps(relations(("o1", "is sitting on", "o2"), ("o1", "is near", "o9"))))
    elements, drops = extract_by_model(captions, PARSER, things, links)
    check_table(drops, DROPS)
    assert drops.select("item", "reason").rows() == [("zebra", "not_in_caption"), ("o1 is near o9", "unknown_object")]
    assert elements.filter(kind="object").height == 4 and elements.filter(kind="relation").height == 1
    assert "zebra" in things.complaints[0]


def test_a_caption_without_a_usable_reply_is_a_drop_and_stops_no_other() -> None:
    captions = caption_table([CAPTION, "A boat is near a pier."])
    boat = objects(("o1", "boat", []), ("o2", "pier", []))
    things = Scripted(lambda prompt, _: json.dumps(boat) if "pier" in prompt else "Sorry.")
    links = Scripted(lambda *_: "{")
    elements, drops = extract_by_model(captions, PARSER, things, links)
    assert sorted(elements["text"]) == ["boat", "pier"]
    assert sorted(drops["reason"]) == ["invalid", "invalid"]
    assert {str(detail).split(":")[0] for detail in drops["detail"]} == {"objects", "relations"}


def test_one_lone_thing_is_not_asked_for_relations() -> None:
    links = Scripted(lambda *_: "{")
    things = Scripted(lambda *_: json.dumps(objects(("o1", "boat", []))))
    extract_by_model(caption_table(["A boat."]), PARSER, things, links)
    assert links.prompts == []


def test_no_thing_at_all_is_a_drop() -> None:
    things = Scripted(lambda *_: json.dumps(objects()))
    elements, drops = extract_by_model(caption_table(["Nothing but fog."]), PARSER, things, things)
    assert elements.is_empty() and drops["reason"].to_list() == ["no_objects"]


def test_the_rules_for_models_accept_all_that_the_rules_for_captions_find() -> None:
    captions = caption_table(read_captions(OWN_CAPTIONS))
    asker = Scripted(lambda prompt, _: ROLES["extractor"](prompt), repairs=0)
    elements, drops = extract_by_model(captions, PARSER, asker, asker)
    by_rules, _ = extract(captions, PARSER)
    shown = ("image_id", "kind", "text", "category", "value", "plural")
    assert elements.select(shown).sort(shown).equals(by_rules.select(shown).sort(shown))
    assert drops.filter(pl.col("reason") != "no_objects").is_empty()


# ---------------------------------------------------------------- prompts
def test_the_examples_of_the_prompts_keep_their_rules() -> None:
    first, second = (_examples(f"extractor_{name}") for name in ("objects", "relations"))
    for one, other in zip(first, second, strict=True):
        assert one["fields"]["caption"] == other["fields"]["caption"]
        caption = parsed(one["fields"]["caption"])
        things = read_things(Things.model_validate(one["reply"]), caption)
        assert things.faults == [] and listed(things) == other["fields"]["objects"].strip()
        links = read_links(Links.model_validate(other["reply"]), things, caption)
        assert links.faults == [] and len(links.graph.relations) == len(other["reply"]["relations"])


def _examples(name: str) -> list[dict[str, Any]]:
    text = (resources.files("finer.chat") / "prompts" / f"{name}.yaml").read_text(encoding="utf-8")
    loaded: list[dict[str, Any]] = yaml.safe_load(text)["examples"]
    return loaded
