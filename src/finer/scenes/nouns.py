"""Noun phrases: their head, what belongs to the name, and which modifiers are attributes, selectors or numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from finer.scenes.words import mapping, type_of, words

Token = Any  # spacy.tokens.Token; the library carries no types that the checker reads
NOUNS = frozenset({"NOUN", "PROPN"})
_MODIFIERS = frozenset({"amod", "compound", "nmod", "advmod", "npadvmod", "conj", "punct", "cc"})
_BREAKS = frozenset({",", "and", "&", "or", ";", "/"})
_INTENSIFIERS = frozenset({"very", "so", "quite", "really", "fairly", "rather", "all", "mostly"})
_COLORED = re.compile(r"^(.*?)[- ]?colou?red$")
_MEASURED = re.compile(r"-(size|sized|like|style|styled|scale|type|level)$")
_IN_PICTURES = frozenset({"frame", "background", "foreground", "image", "photo", "picture", "camera", "view"})
_COMPARED = re.compile(r"(est|ier)$")
_CLASSES = (
    ("shape", "shapes"), ("size", "sizes"), ("pattern", "patterns"), ("texture", "textures"),
    ("posture", "postures"), ("state", "states"),
)  # fmt: skip
_MANY_COLORS = frozenset({"multi", "different", "various", "many", "several"})


@dataclass
class Phrase:
    """A noun phrase: ``modifiers`` are (class, value) pairs, ``unread`` the adjectives that no list knows."""

    head: Token
    text: str  # "picnic tables"
    name: str  # "picnic table"
    determiner: str = ""
    count: str = ""
    possessor: Token | None = None
    modifiers: list[tuple[str, str]] = field(default_factory=list)
    selectors: tuple[str, ...] = ()
    unread: list[str] = field(default_factory=list)

    @property
    def lemma(self) -> str:
        """The singular head."""
        return lemma(self.head)

    @property
    def plural(self) -> bool:
        """Whether the head is plural."""
        return is_plural(self.head)

    @property
    def counted(self) -> bool:
        """Whether an article, a number or a plural shows that single things are meant."""
        return self.plural or bool(self.count) or self.determiner in {"a", "an", "one", "another", "each"}


def lemma(token: Token) -> str:
    """Return the lower-case singular of a noun (or the lemma of another word)."""
    word = str(token.lower_)
    if word == "glasses" and token.i > 0 and token.nbor(-1).lower_ in words("before_drinking_glasses"):
        return "glass"
    if word in words("plural_only"):
        return word
    found = str(token.lemma_).lower()
    found = mapping("lemmas").get(found, found)
    if found not in type_of() and found.endswith("s") and found[:-1] in type_of():
        return found[:-1]  # the tagger took a plural for a name
    return found


def is_plural(token: Token) -> bool:
    """Whether a noun is plural; words like "scissors", whose only form is plural, are."""
    if token.tag_ in {"NNS", "NNPS"} or token.lower_ in words("plural_only"):
        return True
    return token.pos_ in NOUNS and token.lower_.endswith("s") and lemma(token) + "s" == token.lower_


def is_head(token: Token) -> bool:
    """Whether a noun heads a phrase of its own rather than modifying another noun."""
    if token.pos_ not in NOUNS or token.dep_ in {"compound", "amod", "npadvmod", "advmod"}:
        return False
    first = first_conjunct(token)
    if first is not token and first.dep_ in {"amod", "compound", "nmod"} and first.head.i > token.i:
        return False  # "the left and center box cars"
    return not (token.dep_ == "nmod" and token.head.i > token.i)


def first_conjunct(token: Token) -> Token:
    """Return the word that a coordinated word is hung to, through a whole list."""
    while token.dep_ == "conj":
        token = token.head
    return token


def subtree(token: Token) -> list[Token]:
    """Return a token and all below it, in the order of the text."""
    return sorted(token.subtree, key=lambda item: item.i)


def joined(tokens: list[Token]) -> str:
    """Return tokens as text."""
    return "".join(token.text_with_ws for token in tokens).strip()


def conjuncts(token: Token) -> list[Token]:
    """Return a noun and the nouns coordinated with it."""
    found = [token]
    for child in token.children:
        if child.dep_ == "conj" and child.pos_ in NOUNS:
            found += conjuncts(child)
    return found


def of_objects(token: Token) -> list[Token]:
    """Return the nouns after "of" below a noun: "row of trees"."""
    return [
        noun
        for child in token.children
        if child.dep_ == "prep" and child.lower_ == "of"
        for noun in child.children
        if noun.dep_ == "pobj"
    ]


def descend(token: Token) -> tuple[Token, list[str]]:
    """Return the noun that a phrase is about, and the group or place words before it ("a row of trees": tree)."""
    passed: list[str] = []
    while len(passed) < 3 and (lemma(token) in _passing() or is_measure(token)):
        below = of_objects(token)
        if not below:
            break
        passed.append(lemma(token))
        token = below[0]
    return token, passed


def is_measure(token: Token) -> bool:
    """Whether a noun only measures or likens what follows: a "bar" of soap, a "blanket" of snow; not of "the bear"."""
    if lemma(token) not in words("measure_words"):
        return False
    below = of_objects(token)
    return bool(below) and not any(child.dep_ in {"det", "poss"} for noun in below for child in noun.lefts)


@cache
def _passing() -> frozenset[str]:
    return words("group_words") | words("picture_words") | words("location_words")


def is_place_word(token: Token) -> bool:
    """Whether a noun only names a place of another thing ("the top of the tower")."""
    return lemma(token) in words("location_words") - words("group_words")


def is_part_of(token: Token) -> bool:
    """Whether a noun names a part of what follows: what is said of "one half of the wall" is not true of the wall."""
    return lemma(token) in {"part", "half", "portion", "section", "segment", "quarter", "third"} and bool(
        of_objects(token)
    )


def read_phrase(head: Token) -> Phrase:
    """Read the words to the left of a noun."""
    phrase = Phrase(head, str(head.lower_), lemma(head))
    kept: set[Token] = set()
    for child in head.lefts:
        if child.dep_ in {"det", "predet"}:
            phrase.determiner = child.lower_
        elif child.dep_ == "poss":
            phrase.possessor = child
        elif child.dep_ == "nummod":
            phrase.count = joined(subtree(child)).lower()
        elif child.dep_ in _MODIFIERS or child.pos_ == "ADJ":
            kept |= _modifier_tokens(child)
    kept -= _alternatives(head)
    if phrase.determiner in {"a", "an"} and is_plural(head):  # "a blue top and dark pants" in one phrase
        kept = _after_and(kept)
    _read_modifiers(phrase, sorted(kept, key=lambda token: token.i))
    join_colors(phrase)
    return phrase


def read_adjective(token: Token, run: list[Token]) -> Phrase:
    """Read the words of an adjective that stands after a verb ("is light brown") as if they were modifiers."""
    phrase = Phrase(token, "", "")
    _read_modifiers(phrase, run)
    join_colors(phrase)
    return phrase


def _alternatives(head: Token) -> set[Token]:
    """Return the modifiers that "or" joins, of which none is stated: "a large dark red or orange ball"."""
    found: set[Token] = set()
    before = head.doc[head.left_edge.i : head.i]
    for token in before:
        if token.lower_ != "or" or token.head.dep_ == "nummod" or token.head.i == head.i:
            continue
        found.update(head.doc[token.i : head.i])
        for other in reversed(head.doc[head.left_edge.i : token.i]):
            if other.i < token.i - 1 and not _goes_with_color(other):
                break
            found.add(other)
    return found


def _goes_with_color(token: Token) -> bool:
    return token.text == "-" or token.lower_ in words("colors") | words("color_modifiers")


def _after_and(tokens: set[Token]) -> set[Token]:
    last = max((token.i for token in tokens if token.lower_ == "and"), default=-1)
    return {token for token in tokens if token.i > last}


def _modifier_tokens(child: Token) -> set[Token]:
    below = list(child.subtree)
    if any(token.dep_ in {"prep", "relcl", "acl"} for token in below):
        return set()
    if any(token.dep_ == "neg" or token.lower_ in {"not", "no", "too", "non"} for token in below):
        return set()
    return {token for token in below if token.lower_ not in _INTENSIFIERS and token.pos_ != "DET"}


def _runs(tokens: list[Token]) -> Iterator[list[tuple[str, Token]]]:
    """Yield runs of words between commas and "and"; hyphenated words count as one, with their last token."""
    run: list[tuple[str, Token]] = []
    before: Token | None = None
    for token in tokens:
        tied = before is not None and before.i + 1 == token.i and not before.whitespace_
        if tied and run and (token.text == "-" or run[-1][0].endswith("-")):
            run[-1] = (run[-1][0] + token.lower_, token)
        elif token.lower_ in _BREAKS or (before is not None and token.i != before.i + 1):
            if run:
                yield run
            run = [] if token.lower_ in _BREAKS else [(token.lower_, token)]
        else:
            run.append((token.lower_, token))
        before = token
    if run:
        yield run


def _read_modifiers(phrase: Phrase, tokens: list[Token]) -> None:
    compound: list[str] = []
    for run in _runs(tokens):
        pending: list[str] = []
        after_color = False
        for place, (word, token) in enumerate(run):
            following = run[place + 1][0] if place + 1 < len(run) else ""
            if following == "shaped" and modifier_class(word) != "shape":
                continue  # "bowl shaped": likened, not there
            rest = [other for other, _ in run[place:]]
            if token.i < phrase.head.i and " ".join([*rest, phrase.name]) in type_of():
                compound += rest  # before colors: a "brown bear" need not be brown, nor a "snowy owl" in snow
                break
            if (color := _color(word, pending, following)) is not None:
                if color:
                    _add_color(phrase, color, after_color)
                    pending, after_color = [], True
                elif word in words("color_modifiers"):
                    pending.append(word)
            else:
                _read_modifier(phrase, word, following, token, compound)
                after_color = False
    if compound:
        phrase.text = " ".join([*compound, phrase.text])
        phrase.name = " ".join([*compound, phrase.name])


def _add_color(phrase: Phrase, color: str, after_color: bool) -> None:
    """Add a color; right after another it is one with it: "whitish blue"."""
    if after_color:
        color = f"{phrase.modifiers.pop()[1]} {color}"
    phrase.modifiers.append(("color", color))


def _color(word: str, pending: list[str], following: str) -> str | None:
    """Return a color, "" for a word that waits for one (or says nothing alone), None for no color."""
    colored = _COLORED.match(word)
    if colored:
        base = " ".join([*pending, colored.group(1)]).strip(" -")
        last = base.replace("-", " ").split()[-1] if base else ""
        if not base or base.split("-")[0] in _MANY_COLORS:
            return "multicolored" if base else ""
        return base.replace("-", " ") if last in words("colors") or last in words("color_modifiers") else ""
    parts = word.split("-")
    known = words("colors")
    if word in known or (
        len(parts) > 1 and all(p in known or p in words("color_modifiers") or p == "and" for p in parts)
    ):
        spoken = word if all(part in known for part in parts) else " ".join(parts)
        if word in words("color_modifiers") and following.split("-")[0] in known:
            return ""
        return " ".join([*pending, spoken])
    if word in words("color_modifiers") and (following.split("-")[0] in known or following.endswith("colored")):
        return ""
    return None


def _read_modifier(phrase: Phrase, word: str, following: str, token: Token, compound: list[str]) -> None:
    head = phrase.head
    before = token.i < head.i
    if word.endswith("-") and token.i + 1 == head.i:
        phrase.text, phrase.name = word + phrase.text, word + phrase.name  # "t-shirt"
    elif word in words("selecting_words"):
        phrase.selectors = (*phrase.selectors, word)
    elif word in words("ignored_adjectives") or token.tag_ in {"JJR", "JJS", "RBR", "RBS"} or _COMPARED.search(word):
        return
    elif before and word in words("materials") and _is_name_part(word, following, compound, phrase):
        compound.append(word)
    elif word in mapping("material_forms") or (before and word in words("materials")):
        phrase.modifiers.append(("material", mapping("material_forms").get(word, word)))
    elif (category := modifier_class(word)) is not None:
        value = word.removesuffix("-shaped") if category == "shape" else word
        phrase.modifiers.append((category, mapping("value_forms").get(value, value)))
    elif _MEASURED.search(word) or word in _IN_PICTURES or word in {"story", "storey"}:
        return  # "a fist-size stone", "background trees"
    elif token.pos_ in NOUNS and before and token.dep_ in {"compound", "nmod"}:
        if _ends_a_name(token) or token.text.isupper():
            return
        if (token.pos_ == "NOUN" or token.is_sent_start or token.text[0].islower()) and word not in {
            phrase.name,
            *compound,
        }:
            compound.append(word)  # brands and Latin names stay out: "Hot Wheel truck"
    elif token.pos_ != "ADV" and word.replace("-", "").isalpha() and word not in {"colored", "coloured", "shaped"}:
        phrase.unread.append(word)


def _is_name_part(word: str, following: str, compound: list[str], phrase: Phrase) -> bool:
    """Whether a material names no material: "paper" in "toilet paper holder" and "paper towel holder"."""
    if (compound and f"{compound[-1]} {word}" in type_of()) or f"{word} {following}" in type_of():
        return True
    return type_of().get(phrase.lemma, "") in words("types_that_grow")


def _ends_a_name(token: Token) -> bool:
    """Whether a lower-case word belongs to a name before it: "Quercus robur trees"."""
    if token.is_sent_start or token.i == 0:
        return False
    before = token.nbor(-1)
    capital = before.text[:1].isupper() and not before.is_sent_start and not before.text.isupper()
    return bool(capital and before.pos_ == "PROPN" and before.text.isalpha() and token.lower_ not in type_of())


def modifier_class(word: str) -> str | None:
    """Return the class of attributes, other than color and material, that an adjective states."""
    if word.endswith("-shaped"):
        return "shape"
    if word.endswith("-outlined"):
        return "outline"
    return next((category for category, name in _CLASSES if word in words(name)), None)


def join_colors(phrase: Phrase) -> None:
    """Make one color of several: "black and white"."""
    colors = [value for category, value in phrase.modifiers if category == "color"]
    if len(colors) < 2:
        return
    place = next(i for i, (category, _) in enumerate(phrase.modifiers) if category == "color")
    rest = [pair for pair in phrase.modifiers if pair[0] != "color"]
    rest.insert(place, ("color", ", ".join(colors[:-1]) + " and " + colors[-1]))
    phrase.modifiers = rest
