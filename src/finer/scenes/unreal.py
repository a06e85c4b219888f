"""Nouns that name nothing to be seen: denied, guessed, likened, drawn, mirrored, or where the viewer stands."""

from __future__ import annotations

from finer.scenes.nouns import NOUNS, Token, first_conjunct, is_part_of, is_place_word, lemma
from finer.scenes.words import is_animate, type_of, words

SUBJECTS = frozenset({"nsubj", "nsubjpass"})
_NUMBERS = frozenset({"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"})
_LIKE_REACH = 8  # tokens from "like" to the noun that it likens; farther nouns are seldom part of the simile


def likens_what_follows(token: Token) -> bool:
    """Whether a noun only likens: "a tire track like pattern"."""
    following = token.doc[token.i + 1 : token.i + 3]
    return len(following) == 2 and following[0].lower_ == "like" and lemma(following[1]) in words("attribute_words")


def begins_a_name(token: Token) -> bool:
    """Whether a noun is the front of a compound that the parser broke: "train" of "the train tracks run"."""
    if token.i + 1 >= len(token.doc) or token.nbor().pos_ == "ADP" or token.nbor().head.i == token.i:
        return False
    following = str(token.nbor().lower_)
    return any(f"{token.lower_} {word}" in type_of() for word in (following, following.removesuffix("s")))


def inverted(verb: Token) -> bool:
    """Whether a place stands where the subject should: "behind the post is a fence"."""
    return verb.lemma_ == "be" and not any(child.dep_ in SUBJECTS and child.i < verb.i for child in verb.children)


def names_its_subject(token: Token) -> bool:
    """Whether a noun after "is" says what the subject is: "the cat is a tabby"; "there is a cat" does not."""
    verb = token.head
    if token.dep_ != "attr" or any(child.dep_ == "expl" for child in verb.children) or inverted(verb):
        return False
    subjects = [child for child in _own_or_shared(verb) if child.dep_ in SUBJECTS and child.i < token.i]
    passing = words("picture_words") | words("location_words")
    return bool(subjects) and not (subjects[0].pos_ in NOUNS and lemma(subjects[0]) in passing)


def denied(token: Token) -> bool:
    """Whether the caption says that a thing is not there."""
    if any(child.lower_ in {"no", "without", "neither", "not"} for child in token.lefts):
        return True
    if token.dep_ == "pobj" and token.head.lower_ in words("absence_prepositions"):
        return True
    if token.dep_ == "pobj" and token.head.lower_ == "of" and is_part_of(token.head.head) and denied(token.head.head):
        return True  # "no part of the roof is visible"
    verb = token.head
    if token.dep_ in {"dobj", "nsubj", "attr", "nsubjpass"}:
        return any(child.dep_ == "neg" for child in verb.children)
    return False


def unreal(token: Token) -> str:
    """Return why a noun is likened, drawn or cast as a shadow rather than there; "" if it is there."""
    if token.dep_ == "poss" and lemma(token.head) in words("image_nouns"):
        return ""  # "the dog's shadow" tells of a dog
    if _is_mirrored(token):
        return "mirrored"
    node = token
    while node.head.i != node.i:
        above = node.head
        likened = above.lemma_.lower() in words("likeness_verbs") and node.dep_ in {"dobj", "attr", "pobj", "ccomp"}
        if likened and not (above.lemma_ == "depict" and _is_said_of_the_picture(above)):
            return "likeness"
        if reason := _unreal_step(node, above, token):
            return reason
        if node.dep_ == "prep" and node.lower_ in words("simile_prepositions") and 0 < token.i - node.i < _LIKE_REACH:
            return "likeness"
        if node.dep_ == "prep" and node.lower_ == "of" and node.i < token.i and above.pos_ in NOUNS:
            if lemma(above) in words("image_nouns") | words("print_words") and not is_the_picture(above):
                return "image_of"
            if above.lower_ in _NUMBERS:
                return "part_of_group"
        listed = node.dep_ == "conj" and node.pos_ in NOUNS  # "like a car, a bus and a van": through the list
        if node.dep_ in {"relcl", "advcl", "conj"} and node.i != token.i and not listed:
            break
        node = above
    first = first_conjunct(token)
    if (
        first.dep_ == "pobj"
        and first.head.lower_ == "of"
        and (first.head.head.pos_ == "NUM" or first.head.head.lower_ in _NUMBERS)
    ):
        return "part_of_group"
    if first.dep_ == "pobj" and first.head.lower_ == "in" and lemma(token) in words("drawing_media"):
        return "drawing_medium"
    return ""


def _unreal_step(node: Token, above: Token, token: Token) -> str:
    """Return why a word on the way up from a noun makes it unreal; "" if it does not."""
    guessed = any(child.dep_ == "advmod" and child.lower_ in words("guesses") for child in node.children)
    if guessed or (node.dep_ not in SUBJECTS and any(c.lower_ in {"may", "might"} for c in above.children)):
        return "guessed"
    if above.lemma_ in words("absence_verbs") and node.dep_ in {"dobj", "prep"}:
        return "negated"
    if above.lemma_ == "reflect" and node.dep_ == "dobj" and above.tag_ != "VBN":
        return "mirrored"
    shown = above.lemma_ in words("showing_verbs") and _shown_by_a_picture(above)
    if shown and (node.dep_ == "dobj" or (node.lower_ == "with" and node.i < token.i)):
        return "image_of"
    if lemma(token) in words("lights_of_the_sky") and node.i == token.i and _gives_light(node, above):
        return "out_of_view"
    if lemma(token) == "light" and node.i == token.i and node.dep_ == "dobj" and above.lemma_ in words("shining_verbs"):
        return "out_of_view"
    if node.i == token.head.i and token.dep_ == "pobj" and (reason := _only_named(token, node, above)):
        return reason
    if node.dep_ == "prep" and node.i < token.i:
        if node.lower_ == "with" and above.lemma_ == "depict" and not _is_said_of_the_picture(above):
            return "image_of"
        drawn = above.lemma_ in words("drawing_verbs") or above.lemma_ == "make"
        if node.lower_ == "with" and drawn and lemma(token) in words("drawing_media"):
            return "drawing_medium"
        if node.lower_ == "from" and lemma(above) in {"shadow", "reflection", "silhouette"}:
            return "image_of"
        if above.lower_ in words("likeness_adjectives"):
            return "likeness"
        if node.lower_ == "of" and (above.lower_ in words("viewpoints") or _is_vantage_point(above)):
            return "viewpoint"
        viewed = node.lower_ == "from" and above.lower_ in {"view", "shot", "perspective"}
        if viewed and not is_place_word(token) and _stands_under(token, node):
            return "viewpoint"
    return ""


def _only_named(token: Token, preposition: Token, above: Token) -> str:
    """Return why a noun after a preposition is only named: as a purpose, a direction, a material, or a pose."""
    word, kind = preposition.lower_, type_of().get(lemma(token), "")
    bare = not any(child.dep_ in {"det", "poss", "nummod"} and child.lower_ not in {"a", "an"} for child in token.lefts)
    if word == "for" and bare:
        return "purpose"  # "a bowl for soup"
    if word in {"toward", "towards"} and kind in words("types_of_places"):
        return "direction"  # "waves roll towards the shore": it need not be in view
    if word in {"of", "from"} and above.lemma_ in words("making_verbs") and bare and token.tag_ == "NN":
        return "material_noun"  # "mounds made of earth"
    posed = any(child.dep_ == "poss" and child.pos_ == "PRON" for child in token.lefts)
    if word == "on" and posed and lemma(token) in words("parts_to_lie_on") and above.pos_ in {"VERB", "AUX"}:
        return "pose"  # "lying on their bellies"
    return ""


def _stands_under(token: Token, preposition: Token) -> bool:
    """Whether a noun is what "from" names, or what it is of: "from the window of a train"."""
    if token.head.i == preposition.i:
        return True
    outer = token.head.head
    return bool(token.head.lower_ == "of" and outer.head.i == preposition.i and not is_place_word(outer))


def _is_vantage_point(token: Token) -> bool:
    return bool(token.lower_ == "point" and token.i > 0 and token.nbor(-1).lower_ == "vantage")


def _is_said_of_the_picture(verb: Token) -> bool:
    """Whether "depicts" opens the caption: "The image depicts a dog"."""
    return any(child.dep_ in SUBJECTS and is_the_picture(child) for child in verb.children)


def _shown_by_a_picture(verb: Token) -> bool:
    """Whether what shows is a picture within the image: "the mural shows a lion", "prints featuring boats"."""
    if verb.dep_ == "acl" and lemma(verb.head) in words("image_nouns") | words("print_words"):
        return not is_the_picture(verb.head)
    return any(
        child.dep_ in SUBJECTS and lemma(child) in words("image_nouns") and not is_the_picture(child)
        and lemma(child) not in words("opening_nouns") - {"drawing", "painting", "sketch", "cartoon"}
        for child in _own_or_shared(verb)
    )  # fmt: skip


def _own_or_shared(verb: Token) -> list[Token]:
    """Return what hangs on a verb, or on the one it shares its subject with: "has a frame and shows a ship"."""
    own = list(verb.children)
    if verb.dep_ == "conj" and not any(child.dep_ in SUBJECTS for child in own):
        return list(verb.head.children)
    return own


def _gives_light(noun: Token, above: Token) -> bool:
    """Whether the sun is only felt: "the light of the sun", "the sun shines on the roof"."""
    if above.lower_ == "of" and lemma(above.head) in {"light", "ray", "glow", "glare", "angle", "warmth"}:
        return True
    if noun.dep_ == "pobj" and above.lower_ in {"in", "under", "by", "from", "to", "into"}:
        return True  # "basking in the sun"
    if any(child.dep_ in {"acl", "relcl"} and child.lemma_ in words("shining_verbs") for child in noun.children):
        return True
    shines = above.lemma_ in words("shining_verbs") and noun.dep_ in SUBJECTS
    return shines and any(child.dep_ in {"dobj", "prep", "prt"} for child in above.children)


def _is_mirrored(token: Token) -> bool:
    """Whether a sentence says what is seen "in the reflection": only what reflects is there for certain."""
    for mirror in token.sent:
        if lemma(mirror) in {"reflection", "mirror"} and mirror.dep_ == "pobj" and mirror.head.lower_ == "in":
            return not mirror.is_ancestor(token) and not any(left.lower_ == "the" for left in token.lefts)
    return False


def is_the_picture(token: Token) -> bool:
    """Whether a noun of the first sentence means the image itself: "a simple drawing of a house"."""
    if token.sent.start > 0 or lemma(token) not in words("opening_nouns"):
        return False
    if token.dep_ == "ROOT" or (token.dep_ in SUBJECTS and token.head.lemma_ in {"show", "depict", "feature", "have"}):
        return True
    return token.dep_ == "pobj" and token.head.lower_ == "of" and lemma(token.head.head) in words("picture_words")


def has_a_body(token: Token) -> bool:
    """Whether a noun names somebody or a likeness of somebody."""
    return bool(token.pos_ in NOUNS and (is_animate(lemma(token)) or lemma(token) in words("body_likenesses")))


def not_there(token: Token) -> str:
    """Return why a noun names nothing that is in the scene: "negated", "likeness" or "image_of"; "" if it does."""
    if denied(token) or denied(first_conjunct(token)):
        return "negated"
    reason = unreal(token)
    return reason if reason in {"likeness", "image_of"} else ""
