"""Articles, lists, agreement."""

import pytest

from finer.scenes import phrases


@pytest.mark.parametrize(
    ("text", "plural", "phrase"),
    [
        ("cat", False, "a cat"), ("orange box", False, "an orange box"), ("hourglass", False, "an hourglass"),
        ("unicorn", False, "a unicorn"), ("one-way sign", False, "a one-way sign"), ("x-ray", False, "an x-ray"),
        ("umbrella", False, "an umbrella"), ("towels", True, "towels"), ("blue jeans", False, "blue jeans"),
        ("grass", False, "grass"), ("green grass", False, "green grass"), ("toilet paper", False, "toilet paper"),
        ("glass", False, "a glass"), ("blue sky", False, "the blue sky"),
    ],
)  # fmt: skip
def test_indefinite_article(text: str, plural: bool, phrase: str) -> None:
    assert phrases.indefinite(text, plural) == phrase


def test_lists_have_one_and() -> None:
    assert phrases.listed(["cat"]) == "cat"
    assert phrases.listed(["cat", "door"]) == "cat and door"
    assert phrases.listed(["cat", "door", "bag"]) == "cat, door and bag"


def test_plural_subject_takes_plural_verb() -> None:
    assert phrases.agreed("is lying on", True) == "are lying on"
    assert phrases.agreed("is", True) == "are"
    assert phrases.agreed("has", True) == "have"
    assert phrases.agreed("is lying on", False) == "is lying on"


def test_relations_follow_as_one_relative_clause() -> None:
    relations = [("is lying at the base of", "chair"), ("is looking up at", "cat")]
    assert (
        phrases.relations_phrase("the puppy", False, relations)
        == "the puppy that is lying at the base of the chair and is looking up at the cat"
    )
    assert (
        phrases.relations_phrase("the puppies", True, relations[:1])
        == "the puppies that are lying at the base of the chair"
    )


def test_attributes_follow_their_object() -> None:
    assert (
        phrases.attributes_phrase("cat", ["with a seated posture", "with ears perked up"])
        == "the cat with a seated posture and with ears perked up"
    )


@pytest.mark.parametrize(
    ("text", "same"),
    [("Cats", "cat"), ("fire hydrants", "fire hydrant"), ("people", "person"), ("bus", "bus"), ("glass", "glass"),
     ("dresses", "dress"), ("boxes", "box"), ("puppies", "puppy"), ("leaves", "leaf"), ("benches", "bench")],
)  # fmt: skip
def test_number_does_not_make_another_thing(text: str, same: str) -> None:
    assert phrases.number_free(text) == same
