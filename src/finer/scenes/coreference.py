"""Mentions and pronouns: which thing a noun or "it" means, and which nouns mean no thing of the image at all."""

from __future__ import annotations

from typing import Any

from finer.scenes.attributes import add_attribute
from finer.scenes.graph import Entity, Graph
from finer.scenes.nouns import (
    NOUNS,
    Phrase,
    Token,
    descend,
    first_conjunct,
    is_alternative,
    is_head,
    is_place_word,
    joined,
    lemma,
    of_objects,
    read_phrase,
    subtree,
)
from finer.scenes.words import idioms, is_animate, mapping, noun_kind, type_of, words

QUOTED = "TEXT"  # stands for quoted words, which describe no thing
_SUBJECTS = frozenset({"nsubj", "nsubjpass"})
_NUMBERS = frozenset({"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"})
_PERSONS = frozenset({"he", "she", "him", "her", "his", "hers"})
_SINGLE = frozenset({"it", "its"})
_MANY = frozenset({"they", "them", "their"})
_POINTING = frozenset({"the", "this", "that", "these", "those", "both"})
_LIKE_REACH = 8  # tokens from "like" to the noun that it likens; farther nouns are seldom part of the simile


class References:
    """Maps tokens of one caption to things; things are made when they are first mentioned."""

    def __init__(self, doc: Any) -> None:
        self.doc = doc
        self.graph = Graph()
        self.sentences = list(doc.sents)
        self._of_token: dict[int, Entity | None] = {}
        self._by_head: dict[str, list[Entity]] = {}
        self._unreal: dict[str, str] = {}  # heads only named as likened or depicted, and why
        self._possessors: dict[int, Token] = {}  # of things by index: "its" of "its tail"
        self._fixed = _fixed_tokens(doc)
        self._has_bodies = any(_has_a_body(token) for token in doc)

    # ------------------------------------------------------------ nouns
    def mention(self, token: Token) -> Entity | None:
        """Return the thing that a noun means; None, with a record of the reason, if it means none."""
        if token.i not in self._of_token:
            self._of_token[token.i] = None  # a cycle through "poss" or a relative clause finds nothing
            self._of_token[token.i] = self._read_mention(token)
        return self._of_token[token.i]

    def _read_mention(self, token: Token) -> Entity | None:
        if token.pos_ not in NOUNS or not is_head(token) or token.dep_ in {"npadvmod", "oprd"}:
            return None
        phrase = read_phrase(token)
        reason = self._turned_down(token, phrase)
        if not reason and phrase.lemma not in self._by_head and (phrase.determiner in _POINTING or self._owned(phrase)):
            reason = self._unreal.get(_one(self._owned(phrase) or phrase.lemma), "")  # "a statue of a soldier ... the soldier"
        if reason:
            self.graph.drop(phrase.text, reason)
            if reason in {"likeness", "image_of"}:
                self._unreal[_one(phrase.lemma)] = reason
            return None
        entity = self._known(phrase) or self._new(phrase)
        if phrase.possessor is not None:
            self._possessors.setdefault(entity.index, phrase.possessor)
        for category, value in phrase.modifiers:
            add_attribute(entity, category, value, evidence_of(token))
        for word in phrase.unread:
            self.graph.drop(f"{word} {phrase.text}", "unknown_adjective")
        if phrase.possessor is not None:
            self.mention(phrase.possessor)
        return entity

    def _owned(self, phrase: Phrase) -> str:
        """Return the depicted subject whose "their" stands before a noun: "the dancers hold hands on their hips"."""
        if phrase.possessor is None or phrase.possessor.pos_ != "PRON":
            return ""
        for token in phrase.head.sent:
            if token.dep_ in _SUBJECTS and token.i < phrase.head.i and token.pos_ in NOUNS:
                noun = _one(lemma(token))
                if noun in self._unreal and noun not in self._by_head:
                    return noun
        return ""

    def _turned_down(self, token: Token, phrase: Phrase) -> str:
        if token.text == QUOTED or (token.text.isupper() and len(token.text) > 3):
            return "quoted"
        if token.i in self._fixed:
            return "idiom"
        if any(child.lower_ in words("out_of_view") for child in token.lefts):
            return "out_of_view"
        if _begins_a_name(token):
            return "broken_compound"
        if any(child.dep_ == "acl" and child.lemma_ in words("drawing_verbs") for child in token.children):
            return "image_of"
        if _likens_what_follows(token):
            return "likeness"
        if phrase.lemma in words("doubtful_body_words") and not self._has_bodies:
            return "doubtful_sense"
        if is_alternative(token):
            return "alternative_name"
        if token.pos_ == "PROPN" and any(c.pos_ == "PROPN" and c.text[0].isupper() for c in token.lefts):
            return "proper_name"
        if _is_the_picture(token):
            return "picture_word"
        if phrase.lemma in words("group_words") and of_objects(token):
            return "group_word"
        kind = noun_kind(phrase.lemma, phrase.name, phrase.counted)
        if kind.type is None:
            return kind.reason
        if not phrase.lemma.replace("-", "").isalpha():
            return "unknown_noun"
        if _names_its_subject(token):
            return "predicate_noun"
        if token.dep_ == "poss" and token.head.lower_ in {"view", "side", "eye"}:
            return "picture_word"
        if _negated(token) or _negated(first_conjunct(token)):
            return "negated"
        return _unreal(token)

    def _known(self, phrase: Phrase) -> Entity | None:
        """Return the thing of an earlier mention; mark all candidates ambiguous where several may be meant."""
        candidates = self._by_head.get(phrase.lemma, [])
        other = any(child.lower_ in {"another", "other", "more", "additional"} for child in phrase.head.lefts)
        if not candidates or other:
            return None
        if phrase.determiner in {"a", "an"} or _introduces(phrase, candidates):
            for entity in candidates:
                entity.ambiguous = True
            return None
        fitting = [
            entity for entity in candidates
            if _same(entity, phrase) and entity.count != "one" and self._same_owner(entity, phrase)
        ]  # fmt: skip
        if len(fitting) == 1:
            return fitting[0]
        exact = [entity for entity in fitting if entity.text == phrase.text and not entity.ambiguous]
        if len(exact) == 1:
            return exact[0]
        for entity in fitting:
            entity.ambiguous = True
        return None

    def _same_owner(self, entity: Entity, phrase: Phrase) -> bool:
        """Whether "its tail" can be the tail known: not if that one is another's."""
        known = self._possessors.get(entity.index)
        if known is None or phrase.possessor is None:
            return True
        owners = [self.resolve(known), self.resolve(phrase.possessor)]
        return None in owners or owners[0] is owners[1]

    def _new(self, phrase: Phrase) -> Entity:
        entity = Entity(
            index=len(self.graph.entities), head=phrase.lemma, text=phrase.text, plural=phrase.plural,
            evidence=evidence_of(phrase.head), selectors=phrase.selectors, count=phrase.count,
            ambiguous=bool(self._by_head.get(phrase.lemma)),
        )  # fmt: skip
        self.graph.entities.append(entity)
        self._by_head.setdefault(phrase.lemma, []).append(entity)
        return entity

    # ------------------------------------------------------------ nouns and pronouns
    def resolve(self, token: Token) -> Entity | None:
        """Return the thing that a noun, a pronoun or a relative pronoun means."""
        if token.pos_ in NOUNS:
            return self.mention(descend(token)[0])
        if token.tag_ in {"WDT", "WP"}:
            return self._relative(token)
        word = token.lower_
        if word in _SINGLE or word in _MANY or word in _PERSONS:
            if token.i not in self._of_token:
                found = self._antecedent(token, plural=word in _MANY, person=word in _PERSONS)
                if found is None:
                    self.graph.drop(f"{word} ({joined(subtree(token.head))[:60]})", "pronoun_unresolved")
                self._of_token[token.i] = found
            return self._of_token[token.i]
        return None

    def _relative(self, token: Token) -> Entity | None:
        clause = token
        while clause.dep_ != "relcl" and clause.head.i != clause.i:
            clause = clause.head
        if clause.dep_ != "relcl":
            return None
        head, _ = descend(clause.head)
        if token.nbor(-1).text == "," and first_conjunct(head).dep_ == "pobj":
            return None  # "a stain is on the cup, which is blue": either noun may be meant
        if any(is_head(between) for between in self.doc[head.i + 1 : token.i]):
            return None  # "the lid of a can which ...": either noun may be meant
        return self.mention(head)

    def _antecedent(self, token: Token, plural: bool, person: bool) -> Entity | None:
        if _in_doubtful_clause(token):
            return None
        inner = _bearer(token) or self._inside_modifier(token)
        if inner is not None:
            entity = self.mention(descend(inner)[0])
            return entity if entity is not None and _agrees(entity, plural, person) else None
        place = next(i for i, sentence in enumerate(self.sentences) if sentence.start <= token.i < sentence.end)
        if (
            token.dep_ == "nsubj"
            and token.head.dep_ in {"ccomp", "advcl"}
            and token.i > self.sentences[place].start + 3
        ):
            return None
        if (own := _own_subject(token)) is not None:
            return self._beside_subject(token, own, place, plural, person)
        for sentence in (self.sentences[place], self.sentences[place - 1] if place else []):
            subject, seen = self._last_subject(sentence, token.i, plural, person)
            if seen:
                return subject
        return None

    def _beside_subject(self, token: Token, own: Token, place: int, plural: bool, person: bool) -> Entity | None:
        """Return what a pronoun means that stands beside a subject which it cannot mean: "a box is next to it".

        Earlier clauses of the sentence may offer one thing; where they offer several nobody can tell. If they offer
        none, it is the subject of the sentence before.
        """
        clause = {below.i for below in own.head.subtree if below.i >= own.left_edge.i}
        earlier = [t for t in self.sentences[place] if t.i < token.i and t.i not in clause and is_head(t)]
        things = {id(found): found for t in earlier if (found := self.mention(t)) is not None}
        fitting = [found for found in things.values() if _agrees(found, plural, person)]
        if things:
            return fitting[0] if len(fitting) == 1 else None
        return self._last_subject(self.sentences[place - 1], token.i, plural, person)[0] if place else None

    def _inside_modifier(self, token: Token) -> Token | None:
        """Return the noun that "it" must mean inside its own modifier: "a box with a lid on it"."""
        node = token
        while node.head.i != node.i:
            if node.dep_ in {"relcl", "acl"} and node.head.pos_ in NOUNS and node.head.i < token.i:
                return node.head
            if node.dep_ == "prep" and node.lower_ == "with" and node.i != token.head.i:
                if node.head.pos_ in NOUNS:
                    return node.head
                return _noun_subject(node.head, token.i)  # "the wall is tan with two chairs in front of it"
            node = node.head
        return None

    def _last_subject(self, sentence: Any, before: int, plural: bool, person: bool) -> tuple[Entity | None, bool]:
        """Return the last subject before a token that agrees with it, and whether any subject was there.

        A subject that agrees but is no known thing hides the earlier ones: "it" may mean that one.
        """
        found, seen = None, False
        for token in sentence:
            if token.i >= before:
                break
            if not _is_subject(token):
                continue
            if token.pos_ in NOUNS:
                head, _ = descend(token)
                many = head.tag_ in {"NNS", "NNPS"} or any(child.dep_ == "conj" for child in token.children)
                if many != plural or (person and not is_animate(lemma(head))):
                    continue
                if is_place_word(token) and head.i == token.i:
                    continue
                found, seen = self.mention(head), True
                if found is not None and any(child.dep_ == "conj" for child in token.children):
                    found = None  # "they" means both
            elif token.pos_ == "PRON" and self._of_token.get(token.i) is not None:
                entity = self._of_token[token.i]
                if entity is not None and _agrees(entity, plural, person):
                    found, seen = entity, True
        return found, seen


def _in_doubtful_clause(token: Token) -> bool:
    """Whether a pronoun stands in a clause that may tell of two nouns: "a step to a yard, which has a fence by it"."""
    node = token
    while node.head.i != node.i:
        if node.dep_ == "relcl" and node.head.i < token.i:
            return any(is_head(between) for between in token.doc[node.head.i + 1 : node.left_edge.i])
        node = node.head
    return False


def _bearer(token: Token) -> Token | None:
    """Return the noun that bears something on or in "it": "a floor with dirt on it", however the phrase was parsed."""
    if token.dep_ != "pobj" or token.head.dep_ != "prep" or token.head.i == 0:
        return None
    borne = first_conjunct(token.head.nbor(-1))
    if lemma(borne) in words("attribute_words"):
        return None  # "a fish with an outline and a boat in it": new things begin after an attribute
    if borne.pos_ in NOUNS and borne.dep_ == "pobj" and borne.head.lower_ == "with" and borne.head.head.pos_ in NOUNS:
        return borne.head.head
    return None


def _noun_subject(node: Token, before: int) -> Token | None:
    while node.head.i != node.i and node.pos_ not in {"VERB", "AUX"}:
        node = node.head
    found = [child for child in node.children if child.dep_ in _SUBJECTS]
    found += [child for child in node.children if child.dep_ == "attr" and any(c.dep_ == "expl" for c in node.children)]
    return found[0] if found and found[0].pos_ in NOUNS and found[0].i < before else None


def _own_subject(token: Token) -> Token | None:
    """Return the noun that is the subject of the clause in which a pronoun is not the subject."""
    if token.dep_ in _SUBJECTS or (token.dep_ == "poss" and token.head.dep_ in _SUBJECTS):
        return None
    verb = token
    while verb.head.i != verb.i and verb.pos_ not in {"VERB", "AUX"}:
        verb = verb.head
    found = [child for child in verb.children if child.dep_ in {*_SUBJECTS, "attr"} and child.pos_ in NOUNS]
    outside = [child for child in found if token.i not in {below.i for below in child.subtree}]
    return outside[0] if outside else None


def evidence_of(token: Token) -> str:
    """Return the sentence of a token."""
    return str(token.sent.text).strip()


def _agrees(entity: Entity, plural: bool, person: bool) -> bool:
    return entity.plural == plural and (not person or is_animate(entity.head))


def _is_subject(token: Token) -> bool:
    if token.dep_ in _SUBJECTS:
        return token.head.dep_ not in {"relcl", "advcl"}
    if token.dep_ == "dobj" and token.head.lemma_ in {"see", "show", "depict", "feature", "notice", "find"}:
        return True
    if token.dep_ == "attr":
        return any(child.dep_ == "expl" for child in token.head.children) or _inverted(token.head)
    return token.dep_ == "ROOT" and token.pos_ in NOUNS


def _inverted(verb: Token) -> bool:
    """Whether a place stands where the subject should: "behind the post is a fence"."""
    return verb.lemma_ == "be" and not any(child.dep_ in _SUBJECTS and child.i < verb.i for child in verb.children)


def _same(entity: Entity, phrase: Phrase) -> bool:
    colors = {value for category, value in phrase.modifiers if category == "color"}
    if colors and entity.values("color") and not colors & entity.values("color"):
        return False
    for category in ("size", "pattern", "material"):
        stated = {value for name, value in phrase.modifiers if name == category}
        if stated and entity.values(category) and not stated & entity.values(category):
            return False
    if entity.count and phrase.count and entity.count != phrase.count:
        return False
    ours, theirs = set(phrase.text.split()[:-1]), set(entity.text.split()[:-1])
    nested = ours <= theirs or theirs <= ours
    return nested and entity.plural == phrase.plural and entity.selectors == phrase.selectors


def _introduces(phrase: Phrase, candidates: list[Entity]) -> bool:
    """Whether a bare plural brings in new things: "green trees" after "trees", of which nothing green was said."""
    if not phrase.plural or phrase.determiner or phrase.possessor is not None or phrase.selectors:
        return False
    return any(all(value not in e.values(category) for e in candidates) for category, value in phrase.modifiers)


def _has_a_body(token: Token) -> bool:
    return token.pos_ in NOUNS and (is_animate(lemma(token)) or lemma(token) in words("body_likenesses"))


def _likens_what_follows(token: Token) -> bool:
    """Whether a noun only likens: "a tire track like pattern"."""
    following = token.doc[token.i + 1 : token.i + 3]
    return len(following) == 2 and following[0].lower_ == "like" and lemma(following[1]) in words("attribute_words")


def _begins_a_name(token: Token) -> bool:
    """Whether a noun is the front of a compound that the parser broke: "train" of "the train tracks run"."""
    if token.i + 1 >= len(token.doc) or token.nbor().pos_ == "ADP" or token.nbor().head.i == token.i:
        return False
    following = str(token.nbor().lower_)
    return any(f"{token.lower_} {word}" in type_of() for word in (following, following.removesuffix("s")))


def _one(noun: str) -> str:
    """Return the singular of a noun whose plural is kept as its lemma: "people"."""
    return mapping("lemmas").get(noun, noun)


def _names_its_subject(token: Token) -> bool:
    """Whether a noun after "is" says what the subject is: "the cat is a tabby"; "there is a cat" does not."""
    verb = token.head
    if token.dep_ != "attr" or any(child.dep_ == "expl" for child in verb.children) or _inverted(verb):
        return False
    subjects = [child for child in verb.children if child.dep_ in _SUBJECTS and child.i < token.i]
    passing = words("picture_words") | words("location_words")
    return bool(subjects) and not (subjects[0].pos_ in NOUNS and lemma(subjects[0]) in passing)


def _negated(token: Token) -> bool:
    if any(child.lower_ in {"no", "without", "neither", "not"} for child in token.lefts):
        return True
    if token.dep_ == "pobj" and token.head.lower_ in words("absence_prepositions"):
        return True
    verb = token.head
    if token.dep_ in {"dobj", "nsubj", "attr", "nsubjpass"}:
        return any(child.dep_ == "neg" for child in verb.children)
    return False


def _unreal(token: Token) -> str:
    """Return why a noun is likened, drawn or cast as a shadow rather than there; "" if it is there."""
    if token.dep_ == "poss" and lemma(token.head) in words("image_nouns"):
        return ""  # "the dog's shadow" tells of a dog
    if _is_mirrored(token):
        return "mirrored"
    node = token
    while node.head.i != node.i:
        above = node.head
        if above.lemma_.lower() in words("likeness_verbs") and node.dep_ in {"dobj", "attr", "pobj", "ccomp"}:
            if not (above.lemma_ == "depict" and _is_said_of_the_picture(above)):
                return "likeness"
        if reason := _unreal_step(node, above, token):
            return reason
        if node.dep_ == "prep" and node.lower_ in words("simile_prepositions") and 0 < token.i - node.i < _LIKE_REACH:
            return "likeness"
        if node.dep_ == "prep" and node.lower_ == "of" and node.i < token.i and above.pos_ in NOUNS:
            if lemma(above) in words("image_nouns") and not _is_the_picture(above):
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
    if guessed or (node.dep_ not in _SUBJECTS and any(c.lower_ in {"may", "might"} for c in above.children)):
        return "guessed"
    if above.lemma_ in words("absence_verbs") and node.dep_ in {"dobj", "prep"}:
        return "negated"
    if node.dep_ == "dobj" and above.lemma_ in {"show", "depict", "feature", "display"} and _shown_by_a_picture(above):
        return "image_of"
    if node.dep_ == "prep" and node.i < token.i:
        if node.lower_ == "with" and above.lemma_ == "depict" and not _is_said_of_the_picture(above):
            return "image_of"
        if node.lower_ == "with" and above.lemma_ in words("drawing_verbs") and lemma(token) in words("drawing_media"):
            return "drawing_medium"
        if above.lower_ in words("likeness_adjectives"):
            return "likeness"
        if node.lower_ == "of" and (above.lower_ in words("viewpoints") or _is_vantage_point(above)):
            return "viewpoint"
        viewed = node.lower_ == "from" and above.lower_ in {"view", "shot", "perspective"}
        if viewed and not is_place_word(token) and _stands_under(token, node):
            return "viewpoint"
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
    return any(child.dep_ in _SUBJECTS and _is_the_picture(child) for child in verb.children)


def _shown_by_a_picture(verb: Token) -> bool:
    """Whether the subject of "shows" is a picture within the image: "the mural shows a lion"."""
    return any(
        child.dep_ in _SUBJECTS and lemma(child) in words("image_nouns") and not _is_the_picture(child)
        and lemma(child) not in words("opening_nouns") - {"drawing", "painting", "sketch", "cartoon"}
        for child in verb.children
    )  # fmt: skip


def _is_mirrored(token: Token) -> bool:
    """Whether a sentence says what is seen "in the reflection": only what reflects is there for certain."""
    for mirror in token.sent:
        if mirror.lower_ in {"reflection", "reflections"} and mirror.dep_ == "pobj" and mirror.head.lower_ == "in":
            return not mirror.is_ancestor(token) and not any(left.lower_ == "the" for left in token.lefts)
    return False


def _is_the_picture(token: Token) -> bool:
    """Whether a noun of the first sentence means the image itself: "a simple drawing of a house"."""
    if token.sent.start > 0 or lemma(token) not in words("opening_nouns"):
        return False
    if token.dep_ == "ROOT" or (token.dep_ in _SUBJECTS and token.head.lemma_ in {"show", "depict", "feature", "have"}):
        return True
    return token.dep_ == "pobj" and token.head.lower_ == "of" and lemma(token.head.head) in words("picture_words")


def _fixed_tokens(doc: Any) -> frozenset[int]:
    """Return the places of tokens inside fixed phrases such as "bird's eye view"."""
    lowered = [token.lower_.replace("’", "'") for token in doc]
    found: set[int] = set()
    for phrase in idioms():
        size = len(phrase)
        for start in range(len(lowered) - size + 1):
            if tuple(lowered[start : start + size]) == phrase:
                found.update(range(start, start + size))
    return frozenset(found)
