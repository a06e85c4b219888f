"""Edits: exactly one slot differs, and what is new is neither in the caption nor the same thing in other words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from caption_graphs import OWN_CAPTIONS, caption_table, read_captions
from finer.negatives.candidates import Candidate
from finer.negatives.propose import scenes
from finer.preferences.draws import Frequencies
from finer.preferences.edits import RuleEditor
from finer.preferences.phrases import rule_phrases
from finer.preferences.validate import REASONS, bare, fault, fault_of_item, validate
from finer.scenes.phrases import number_free
from finer.schemas import EDITS
from finer.store import table_from
from finer.world.truth import is_true, read_truth
from preference_stages import Made, from_elements, named_images, of_texts, of_world, real_captions

Row = dict[str, Any]


@pytest.fixture(scope="module")
def own() -> Made:
    return of_texts(read_captions(OWN_CAPTIONS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="module")
def world(folder: Path) -> Made:
    return of_world(folder, 150)


def joined(made: Made) -> list[Row]:
    phrases = made.phrases.select("phrase_id", "phrase_type", "frame", "text", "caption_id", before="slots")
    return made.edits.join(phrases, on="phrase_id").to_dicts()


def check_invariants(made: Made) -> None:
    texts = dict(made.captions.select("caption_id", "text").iter_rows())
    for row in joined(made):
        changed = [n for n, (a, b) in enumerate(zip(row["before"], row["slots"], strict=True)) if a != b]
        assert changed == [row["slot"]]
        assert (row["original"], row["replacement"]) == (row["before"][row["slot"]], row["slots"][row["slot"]])
        assert " not " not in f" {row['replacement']} "
        if row["phrase_type"] == "obj":
            words = [number_free(word) for word in texts[row["caption_id"]].lower().replace("-", " ").split()]
            assert f" {number_free(bare(row['replacement']))} " not in f" {' '.join(w.strip('.,;:') for w in words)} "


def test_exactly_one_slot_differs_and_the_new_thing_is_not_in_the_caption(own: Made, world: Made) -> None:
    assert own.edits.height > 30 and world.edits.height > 400
    check_invariants(own)
    check_invariants(world)


def test_every_phrase_is_edited_or_dropped_with_a_reason(own: Made) -> None:
    dropped = {item.split(":")[0] for item in own.drops.filter(stage="edits")["item"]}
    assert set(own.edits["phrase_id"]) | dropped == set(own.phrases["phrase_id"])
    assert not set(own.edits["phrase_id"]) & dropped


def test_slots_are_edited_evenly(world: Made) -> None:
    of_three = [row for row in joined(world) if row["phrase_type"] == "obj" and len(row["slots"]) == 3]
    counts = [sum(row["slot"] == slot for row in of_three) for slot in range(3)]
    assert min(counts) >= 0.5 * len(of_three) / 3


def test_numbers_and_articles_follow_the_slot(world: Made, own: Made) -> None:
    for row in joined(world) + joined(own):
        old, new = row["original"], row["replacement"]
        if row["phrase_type"] == "obj" and old.split()[0] in {"two", "three"}:
            assert new.split()[0] == old.split()[0]
        if row["phrase_type"] == "obj":
            assert not new.startswith("a ") or new[2] not in "aeio"
        if row["phrase_type"] == "rel":
            assert old.split()[0] == new.split()[0] and " the " in new


def test_edits_are_false_of_the_micro_world(world: Made, folder: Path) -> None:
    truth = read_truth(folder / "truth.parquet")
    names = dict(world.images.select("image_id", "file_name").iter_rows())
    texts = dict(world.elements.select("element_id", "text").iter_rows())
    parents = dict(world.elements.select("element_id", "parent_id").iter_rows())

    def holds(row: Row, said: str) -> bool | None:
        scene, subject = truth[names[row["image_id"]]], texts.get(parents[row["element_id"]] or "", "")
        if row["negative_kind"] == "object":
            return is_true(scene, bare(said))
        if row["negative_kind"] == "attribute":
            return is_true(scene, subject, attribute=said)
        predicate, _, target = said.rpartition(" the ")
        return is_true(scene, subject, predicate=predicate, target=target)

    rows = joined(world)
    assert sum(bool(holds(row, row["original"])) for row in rows) >= 0.99 * len(rows)
    # One in twenty things of a scene is not in its caption, and may be what an edit names.
    assert sum(bool(holds(row, row["replacement"])) for row in rows) <= 0.02 * len(rows)


def test_a_reader_of_the_text_alone_cannot_tell_which_value_is_true(world: Made) -> None:
    colors = [row for row in joined(world) if " color" in row["original"]]
    for value in {row["original"] for row in colors}:
        true = sum(row["original"] == value for row in colors)
        false = sum(row["replacement"] == value for row in colors)
        assert abs(true - false) <= 3.5 * (true + false) ** 0.5, value


def test_a_caption_more_leaves_nearly_all_edits_alone(world: Made) -> None:
    """Frequencies over the source decide draws, so a caption more can tip a few; never many."""
    kept = world.captions["image_id"].unique().sort()[:-1].to_list()
    part = pl.col("image_id").is_in(kept)
    fewer = from_elements(world.captions.filter(part), world.images, world.elements.filter(part), True, "pixmo")
    lost = set(fewer.edits["edit_id"]) - set(world.edits["edit_id"])
    assert len(lost) <= 0.03 * fewer.edits.height


def test_a_candidate_more_moves_no_other(world: Made) -> None:
    frequencies = Frequencies(world.elements)
    scene = next(scenes(world.elements, world.captions))
    row = scene.kind("object")[0]
    candidates = [Candidate("object", name) for name in ("ball", "ring", "cone", "kite", "moon", "tree", "lantern")]
    for balanced in (True, False):
        every = frequencies.drawn(scene, row, candidates, 1, "key", balanced=balanced)
        some = frequencies.drawn(scene, row, candidates[1:], 1, "key", balanced=balanced)
        assert [each for each in every if each.text != "ball"] == some
    assert every[-1].text == "lantern" and len(every) == len(candidates)  # true nowhere: last, if at all


def test_two_runs_give_the_same_edits(world: Made) -> None:
    again = from_elements(world.captions, world.images, world.elements, True, "pixmo")
    assert again.edits.equals(world.edits) and again.preferences.equals(world.preferences)


def test_the_true_value_takes_part_in_the_draw(world: Made) -> None:
    reasons = dict(world.drops.filter(stage="edits")["reason"].value_counts().iter_rows())
    assert reasons["true_value_drawn"] > 0
    loose, _ = RuleEditor(balanced=False)(world.phrases, world.elements, world.captions, "pixmo", 5)
    assert loose.height > world.edits.height
    assert Frequencies(world.elements)._counts[("object",)]["box"] > 0


# ---------------------------------------------------------------- the validator, each rule broken once
CAPTION = (
    "A small black cat is lying on a wooden chair. The chair is to the left of a green door. A red umbrella is "
    "leaning on the door. Two towels hang on a hook."
)


@pytest.fixture(scope="module")
def sample() -> Made:
    return of_texts([CAPTION])


def edit_of(made: Made, phrase_type: str) -> tuple[Row, Row]:
    row = next(row for row in joined(made) if row["phrase_type"] == phrase_type)
    return made.edits.filter(edit_id=row["edit_id"]).row(0, named=True), row


def broken(made: Made, edit: Row) -> str | None:
    phrase = made.phrases.filter(phrase_id=edit["phrase_id"]).row(0, named=True)
    scene = next(s for s in scenes(made.elements, made.captions) if s.rows[0]["image_id"] == edit["image_id"])
    return fault(edit, phrase, scene)


def item_fault(made: Made, phrase_type: str, old: str, new: str, owner: str = "") -> str | None:
    """Return the rule broken by replacing a stated item of the sample caption."""
    scene = next(scenes(made.elements, made.captions))
    kind = {"obj": "object", "attr": "attribute", "rel": "relation"}[phrase_type]
    texts = {row["element_id"]: row["text"] for row in scene.rows}
    element = next(
        row for row in scene.rows
        if row["kind"] == kind and row["text"] in old and (not owner or texts[row["parent_id"]] == owner)
    )  # fmt: skip
    return fault_of_item(old, new, {"phrase_type": phrase_type, "slots": [old]}, element, scene)


def test_what_the_editor_proposes_passes(own: Made, sample: Made) -> None:
    for made in (own, sample):
        kept, drops = validate(made.edits, made.phrases, made.elements, made.captions)
        assert kept.equals(made.edits) and drops.height == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda e: e | {"slots": [*e["slots"], "a lamp"]}, "items_differ_in_number"),
        (lambda e: e | {"slots": e["slots"][:-1]}, "items_differ_in_number"),
        (lambda e: e | {"slots": ["a lamp" for _ in e["slots"]]}, "several_items_changed"),
        (lambda e: e | {"replacement": "a lamp"}, "other_item_changed"),
        (lambda e: e | {"original": "a lamp"}, "other_item_changed"),
        (lambda e: e | {"slot": (e["slot"] + 1) % len(e["slots"])}, "other_item_changed"),
    ],
)
def test_an_edit_of_anything_but_its_slot_is_caught(own: Made, change: Callable[[Row], Row], reason: str) -> None:
    row = next(row for row in joined(own) if row["phrase_type"] == "obj" and len(row["slots"]) >= 3)
    edit = own.edits.filter(edit_id=row["edit_id"]).row(0, named=True)
    assert broken(own, edit) is None
    assert broken(own, change(edit)) == reason


def test_an_edit_that_changes_nothing_is_caught(sample: Made) -> None:
    edit, row = edit_of(sample, "obj")
    assert broken(sample, edit | {"slots": row["before"], "replacement": row["original"]}) == "no_item_changed"
    same = row["original"].replace("a ", "the ", 1)
    slots = [same if place == row["slot"] else slot for place, slot in enumerate(row["before"])]
    assert broken(sample, edit | {"slots": slots, "replacement": same}) == "no_item_changed"


@pytest.mark.parametrize(
    ("phrase_type", "old", "new", "reason"),
    [
        ("obj", "a cat", "a lamp", None),
        ("obj", "a cat", "no lamp", "negated"),
        ("obj", "a cat", "an animal that isn't a cat", "negated"),
        ("obj", "a cat", "a lamp without a shade", "negated"),
        ("obj", "a cat", "an umbrella", "in_caption"),
        ("obj", "a cat", "umbrellas", "in_caption"),
        ("obj", "a cat", "a towel", "in_caption"),
        ("obj", "two towels", "two hooks", "in_caption"),
        ("obj", "a cat", "a kitten", "synonym"),
        ("obj", "a cat", "an animal", "synonym"),
        ("obj", "a cat", "a lamp and a rug", "several_in_one_item"),
        ("attr", "with a black color", "with a white color", None),
        ("attr", "with a black color", "with a non black color", "negated"),
        ("attr", "with a black color", "with a dark color", "unknown_value"),
        ("attr", "with a small size", "with a large size", None),
        ("attr", "with a small size", "with a tiny size", "synonym"),
        ("attr", "with a red color", "with a red color look", "unknown_value"),
        ("attr", "with a red color", "with a crimson color", "synonym"),
        ("rel", "is lying on the chair", "is lying on the sofa", None),
        ("rel", "is lying on the chair", "is lying on the umbrella", "in_caption"),
        ("rel", "is lying on the chair", "is not lying on the chair", "negated"),
        ("rel", "is lying on the chair", "is standing under the table", "several_in_one_item"),
        ("rel", "is to the left of the door", "is to the right of the door", None),
        ("rel", "is to the left of the door", "is left of the door", "synonym"),
    ],
)  # fmt: skip
def test_each_rule_of_the_validator(sample: Made, phrase_type: str, old: str, new: str, reason: str | None) -> None:
    assert item_fault(sample, phrase_type, old, new) == reason
    assert reason is None or reason in REASONS


def test_a_value_said_of_another_thing_is_no_obstacle_but_of_the_same_it_is(sample: Made) -> None:
    assert item_fault(sample, "attr", "with a black color", "with a red color", "cat") is None
    made = of_texts(["A black cat sits on a chair. The cat is white around the nose. A red ball lies there."])
    assert item_fault(made, "attr", "with a black color", "with a white color", "cat") == "in_caption"


def test_a_foreign_editor_is_not_trusted(sample: Made) -> None:
    edit, row = edit_of(sample, "obj")
    slots = ["an umbrella" if place == row["slot"] else slot for place, slot in enumerate(row["before"])]
    if "an umbrella" in row["before"]:
        slots[row["slot"]] = "a hook" if row["original"] != "a hook" else "a cat"
    proposed = edit | {"editor": "model", "slots": slots, "replacement": slots[row["slot"]]}
    kept, drops = validate(table_from([proposed], EDITS), sample.phrases, sample.elements, sample.captions)
    assert kept.height == 0 and drops["reason"].to_list() == ["in_caption"]


# ---------------------------------------------------------------- real captions
def test_real_captions_yield_edits_that_keep_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    for name, texts in real_captions().items():
        made = of_texts(texts)
        check_invariants(made)
        counts = {
            kind: made.preferences.filter(phrase_type=kind).height / 2 / len(texts)
            for kind in ("obj", "attr", "rel", "wh")
        }
        tight = from_elements(made.captions, named_images(made.captions), made.elements, True)
        check_invariants(tight)
        with capsys.disabled():
            print(f"\n{name}: edits a caption {counts}; balanced {tight.edits.height / len(texts):.2f} of 4")
        assert counts["obj"] >= 0.9 and counts["attr"] >= 0.7 and counts["rel"] >= 0.6 and counts["wh"] >= 0.45
        assert tight.edits.height / len(texts) >= 0.5


def test_phrases_of_the_same_caption_do_not_depend_on_the_table_of_others() -> None:
    alone = rule_phrases(caption_table([CAPTION]), of_texts([CAPTION]).elements, "docci", 5)[0]
    both = of_texts([CAPTION, "A red ball is on a table."])
    assert set(alone["phrase_id"]) <= set(both.phrases["phrase_id"])
