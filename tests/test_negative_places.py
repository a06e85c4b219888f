"""What is proposed for a photo can be met where it was taken: no hedge in a kitchen, no sled on a beach."""

from __future__ import annotations

from functools import cache

import pytest

from caption_graphs import OWN_CAPTIONS, PARSER, caption_table, read_captions
from finer.negatives import places as module
from finer.negatives.lexicon import categories, data, general
from finer.negatives.places import fits, places
from finer.negatives.propose import propose, scenes
from finer.scenes.captions import extract
from finer.scenes.phrases import number_free

SEED = 11


@cache
def replaced(text: str) -> dict[str, set[str]]:
    """Return the proposed things, singular, by object of a caption."""
    captions = caption_table([text])
    elements, _ = extract(captions, PARSER)
    found: dict[str, set[str]] = {str(row["text"]): set() for row in elements.to_dicts() if row["kind"] == "object"}
    names = {str(row["element_id"]): str(row["text"]) for row in elements.to_dicts()}
    for number in range(3):
        negatives, _ = propose(elements, captions, seed=SEED + number)
        for row in negatives.to_dicts():
            if row["negative_kind"] == "object":
                found[names[row["element_id"]]].add(number_free(row["text"]))
    return found


# ---------------------------------------------------------------- the file
def test_every_thing_with_a_place_is_proposed_somewhere_and_nowhere_if_never() -> None:
    """A misspelt thing would be proposed everywhere, and a thing both listed and never proposed would be."""
    proposed = {member.text for category in categories().values() for member in category.members}
    proposed |= {text for noun in data()["general"] for text in data()["general"][noun]}
    proposed |= {text for zones in data()["bodies"].values() for zone in zones for text in zone["worn"]}
    known = module._data()
    listed = {thing for side in ("inside", "outside") for place in known[side].values()
              for thing in module._names(place["things"])}  # fmt: skip
    never = set(module._names(known["never"]))
    assert listed <= proposed and not listed & never
    assert all(not fits(thing, {"street"}) and not fits(thing, set()) for thing in never)


def test_places_that_give_way_are_places() -> None:
    names = {name for side in ("inside", "outside") for name in module._data()[side]}
    assert {other for listed in module._over().values() for other in listed} <= names


# ---------------------------------------------------------------- which place
@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("oven toaster spatula", {"kitchen"}),
        ("bed pillow", {"home"}),
        ("surfer wave", {"beach"}),
        ("tennis racket player grass", {"court"}),  # a lawn is no garden there
        ("skier slope mountain", {"snow"}),
        ("grassy park winter", {"garden"}),  # one word of winter among two of a park
        ("giraffe grass", {"savanna"}),
        ("bed street", {"home", "street"}),  # a window shows the street
        ("spoon", set()),
    ],
)
def test_words_tell_of_places(words: str, at: set[str]) -> None:
    assert places(frozenset(words.split())) == at


def test_a_side_without_a_place_counts_as_all_its_places() -> None:
    at = places(frozenset({"sky", "building"}))
    assert {"street", "beach"} <= at and not {"home", "kitchen"} & at
    assert not fits("hedge", places(frozenset({"room", "ceiling"})))


# ---------------------------------------------------------------- what is proposed there
def test_nothing_is_proposed_that_does_not_fit_its_scene() -> None:
    captions = caption_table(read_captions(OWN_CAPTIONS))
    elements, _ = extract(captions, PARSER)
    at = {scene.rows[0]["image_id"]: scene.places for scene in scenes(elements, captions) if not scene.closed}
    negatives, _ = propose(elements, captions, seed=SEED)
    objects = [row for row in negatives.to_dicts() if row["negative_kind"] == "object" and row["image_id"] in at]
    assert len(objects) > 400
    assert [row["text"] for row in objects if not fits(number_free(row["text"]), at[row["image_id"]])] == []


@pytest.mark.parametrize(
    ("text", "element", "never"),
    [
        ("A cat sits on the bed beside a pillow.", "cat", {"fox", "goat"}),
        ("A person stands by the stove in a kitchen.", "person", {"horse", "seagull", "snowman"}),
        ("A skier wears a red jacket and stands in the snow.", "jacket", {"swimsuit", "bathrobe", "crown"}),
        ("A man wears blue jeans in the street.", "jeans", {"hoodie", "apron", "sweater"}),
        ("A man wears a black hat and waits on the sidewalk.", "hat", {"crown", "wig", "backpack", "belt"}),
        ("A surfer rides a wave on a white surfboard.", "surfboard", {"basketball", "snowboard"}),
        ("A rider is on a brown horse in the pasture.", "horse", {"chicken", "goose", "sheep"}),
        ("A mouse is next to the keyboard of a computer.", "mouse", {"squirrel", "hamster", "rabbit"}),
    ],
)
def test_what_does_not_fit_is_not_proposed(text: str, element: str, never: set[str]) -> None:
    found = replaced(text)[element]
    assert found and not found & never


@pytest.mark.parametrize(
    ("text", "element"),
    [
        ("A giraffe with a long neck stands under a tree. The neck is spotted.", "neck"),
        ("An elephant lifts its trunk. The trunk is gray.", "trunk"),
        ("A landscape with a lake.", "landscape"),
    ],
)
def test_what_nothing_fitting_is_known_for_is_not_edited(text: str, element: str) -> None:
    assert not replaced(text)[element]


def test_a_part_of_a_body_is_replaced_by_what_is_worn_there() -> None:
    found = replaced("A man stands in the street. His left hand is raised, and his foot is bare.")
    assert found["left hand" if "left hand" in found else "hand"] <= {
        "wristwatch", "bracelet", "ring", "glove", "bandage", "tattoo", "wristband",
    }  # fmt: skip
    assert found["foot"] <= {"sock", "sandal", "boot", "knee pad", "bandage", "tattoo", "sneaker", "slipper"}
    assert found["foot"]


# ---------------------------------------------------------------- words for kinds
def test_a_kind_that_means_what_was_named_does_not_stand_in_the_way() -> None:
    again = replaced("A cow grazes in a pasture by a barn. The animal is brown.")
    assert again["cow"] & {"horse", "donkey", "goat", "sheep", "pig", "llama"}
    others = replaced("A cow grazes in a pasture by a barn. Some animals rest in the distance.")
    assert not others["cow"] & {"horse", "donkey", "goat", "sheep", "pig", "llama", "buffalo", "deer"}


def test_an_empty_list_of_the_lexicon_means_never_edited() -> None:
    assert general("scenery") is not None and not general("scenery").members  # type: ignore[union-attr]
    assert "scenery" not in replaced("Scenery with a lake.") or not replaced("Scenery with a lake.")["scenery"]
