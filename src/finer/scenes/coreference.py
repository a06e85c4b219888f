"""Mentions and pronouns: which thing a noun or "it" means, and which nouns mean no thing of the image at all."""

from __future__ import annotations

from typing import Any

from finer.scenes.attributes import add_attribute, plural_of
from finer.scenes.doubt import doubt, is_alternative
from finer.scenes.graph import Entity, Graph
from finer.scenes.nouns import (
    NOUNS,
    Phrase,
    Token,
    descend,
    first_conjunct,
    is_head,
    is_measure,
    is_place_word,
    joined,
    lemma,
    of_objects,
    read_phrase,
    subtree,
)
from finer.scenes.unreal import (
    SUBJECTS,
    begins_a_name,
    denied,
    has_a_body,
    inverted,
    is_the_picture,
    likens_what_follows,
    names_its_subject,
    unreal,
)
from finer.scenes.words import idioms, is_animate, mapping, noun_kind, words

QUOTED = "TEXT"  # stands for quoted words, which describe no thing
_PERSONS = frozenset({"he", "she", "him", "her", "his", "hers"})
_SINGLE = frozenset({"it", "its"})
_MANY = frozenset({"they", "them", "their"})
_POINTING = frozenset({"the", "this", "that", "these", "those", "both"})


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
        self._has_bodies = any(has_a_body(token) for token in doc)

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
        if not reason and phrase.lemma not in self._by_head:
            known = self._unreal.get(_one(self._owned(phrase) or phrase.lemma), "")
            pointed = phrase.determiner in _POINTING or bool(self._owned(phrase))
            reason = known if pointed or known == "image_of" else ""  # "a statue of a soldier ... the soldier"
        if reason:
            self.graph.drop(phrase.text, reason)
            if reason in {"likeness", "image_of"}:
                self._unreal[_one(phrase.lemma)] = reason
            return None
        same = self._each(phrase) if _is_each(phrase) else self._known(phrase)
        entity = same or self._new(phrase)
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
            if token.dep_ in SUBJECTS and token.i < phrase.head.i and token.pos_ in NOUNS:
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
        if begins_a_name(token):
            return "broken_compound"
        if any(child.dep_ == "acl" and child.lemma_ in words("drawing_verbs") for child in token.children):
            return "image_of"
        if likens_what_follows(token):
            return "likeness"
        if phrase.lemma in words("doubtful_body_words") and not self._has_bodies:
            return "doubtful_sense"
        if denied(token) or denied(first_conjunct(token)):
            return "negated"
        if is_alternative(token):
            return "alternative_name"
        if reason := doubt(token):
            return reason
        if any(child.lower_ == "such" for child in token.lefts):
            return "generic"
        if token.pos_ == "PROPN" and any(c.pos_ == "PROPN" and c.text[0].isupper() for c in token.lefts):
            return "proper_name"
        if is_the_picture(token):
            return "picture_word"
        if _is_short_for_another(token, phrase):
            return "short_name"
        if (phrase.lemma in words("group_words") and of_objects(token)) or is_measure(token):
            return "group_word"
        kind = noun_kind(phrase.lemma, phrase.name, phrase.counted)
        if kind.type is None:
            return kind.reason
        if not phrase.lemma.replace("-", "").isalpha():
            return "unknown_noun"
        if names_its_subject(token):
            return "predicate_noun"
        if token.dep_ == "poss" and token.head.lower_ in {"view", "side", "eye"}:
            return "picture_word"
        return unreal(token)

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

    def _each(self, phrase: Phrase) -> Entity | None:
        """Return the known things of which "each" is said, if only they are of the name."""
        known = self._by_head.get(phrase.lemma, [])
        return known[0] if len(known) == 1 and known[0].plural else None

    def _same_owner(self, entity: Entity, phrase: Phrase) -> bool:
        """Whether "its tail" can be the tail known: not if that one is another's."""
        known = self._possessors.get(entity.index)
        if known is None or phrase.possessor is None:
            return True
        owners = [self.resolve(known), self.resolve(phrase.possessor)]
        return None in owners or owners[0] is owners[1]

    def _new(self, phrase: Phrase) -> Entity:
        each = _is_each(phrase)
        entity = Entity(
            index=len(self.graph.entities), head=phrase.lemma, text=plural_of(phrase.text) if each else phrase.text,
            plural=phrase.plural or each,
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
    found = [child for child in node.children if child.dep_ in SUBJECTS]
    found += [child for child in node.children if child.dep_ == "attr" and any(c.dep_ == "expl" for c in node.children)]
    return found[0] if found and found[0].pos_ in NOUNS and found[0].i < before else None


def _own_subject(token: Token) -> Token | None:
    """Return the noun that is the subject of the clause in which a pronoun is not the subject."""
    if token.dep_ in SUBJECTS or (token.dep_ == "poss" and token.head.dep_ in SUBJECTS):
        return None
    verb = token
    while verb.head.i != verb.i and verb.pos_ not in {"VERB", "AUX"}:
        verb = verb.head
    found = [child for child in verb.children if child.dep_ in {*SUBJECTS, "attr"} and child.pos_ in NOUNS]
    outside = [child for child in found if token.i not in {below.i for below in child.subtree}]
    return outside[0] if outside else None


def evidence_of(token: Token) -> str:
    """Return the sentence of a token."""
    return str(token.sent.text).strip()


def _agrees(entity: Entity, plural: bool, person: bool) -> bool:
    return entity.plural == plural and (not person or is_animate(entity.head))


def _is_subject(token: Token) -> bool:
    if token.dep_ in SUBJECTS:
        return token.head.dep_ not in {"relcl", "advcl"}
    if token.dep_ == "dobj" and token.head.lemma_ in {"see", "show", "depict", "feature", "notice", "find"}:
        return True
    if token.dep_ == "attr":
        return any(child.dep_ == "expl" for child in token.head.children) or inverted(token.head)
    return token.dep_ == "ROOT" and token.pos_ in NOUNS


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


def _is_each(phrase: Phrase) -> bool:
    """Whether a singular stands for several things: "each trailer"."""
    return phrase.determiner in {"each", "every"} and not phrase.plural


def _is_short_for_another(token: Token, phrase: Phrase) -> bool:
    """Whether a noun is short for an earlier name: "the adults" after "two adult elephants"."""
    if phrase.determiner not in _POINTING or noun_kind(phrase.lemma).type != "person_age":
        return False
    earlier = token.doc[: token.i]
    return any(other.lower_ == phrase.lemma and not is_head(other) and other.pos_ != "VERB" for other in earlier)


def _one(noun: str) -> str:
    """Return the singular of a noun whose plural is kept as its lemma: "people"."""
    return mapping("lemmas").get(noun, noun)


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
