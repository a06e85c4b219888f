"""Relations that a caption states: by prepositions ("on the table"), verbs ("holding a cup"), or inverted places."""

from __future__ import annotations

import re
from functools import cache

import lemminflect

from finer.scenes.clauses import negated, read_participle, read_posture, subject_entities, subjects
from finer.scenes.coreference import References, evidence_of
from finer.scenes.doubt import doubt
from finer.scenes.graph import Entity
from finer.scenes.nouns import (
    NOUNS,
    Token,
    conjuncts,
    descend,
    first_conjunct,
    is_head,
    is_part_of,
    is_place_word,
    joined,
    lemma,
)
from finer.scenes.words import is_animate, mapping, noun_kind, predicate_class, type_of, words

_LEADS = {"visible": "is", "present": "is", "adjacent": "is adjacent", "close": "is close"}
_ADVERBS = frozenset({"next", "close", "adjacent"})
_VERB_ADVERBS = _ADVERBS | {"out", "up", "down"}
_REACH = 5  # tokens from a verb to its preposition; farther ones often belong to another noun
_NO_PLACE = frozenset({"its", "their", "and", ",", "a", "an"})  # "in an area of" places nothing
_LONGEST_PLACE = 4  # tokens of "to the left of"; longer runs name a part of the target
_WORN = frozenset({"clothing", "accessory"})
_PLAIN_PLACES = frozenset(
    {"left", "right", "above", "below", "inside", "behind", "front", "beside", "between", "under"}
)


def read_place(references: References, noun: Token, preposition: Token) -> None:
    """Relate the thing of a noun phrase to what its preposition names: "a cup on the table"."""
    if is_place_word(noun) and descend(noun)[0].i != noun.i:
        return
    if is_part_of(noun) or _opens_inversion(noun) or _belongs_between(references, noun, preposition):
        return
    entity = references.mention(descend(noun)[0])
    if entity is not None:
        relate_place(references, entity, preposition, "is")


def _opens_inversion(noun: Token) -> bool:
    """Whether a noun stands in the place that opens an inverted clause.

    In "Behind the door on the left wall is a lamp", "on" may tell of the door or of the lamp.
    """
    place = noun.head
    verb = place.head
    return bool(
        noun.dep_ == "pobj" and place.dep_ == "prep" and verb.lemma_ == "be" and place.i < verb.i
        and not any(child.dep_ == "expl" for child in verb.children)
    )  # fmt: skip


def _names_own(preposition: Token) -> bool:
    """Whether a preposition stands before somebody's own: "on its twigs"."""
    return any(
        child.dep_ == "pobj" and any(left.dep_ == "poss" and left.pos_ == "PRON" for left in child.lefts)
        for child in preposition.children
    )


def _belongs_between(references: References, noun: Token, preposition: Token) -> bool:
    """Whether another noun bears what follows: in "a bush with red berries on its twigs" the berries are on them."""
    return _names_own(preposition) and any(is_head(token) for token in references.doc[noun.i + 1 : preposition.i])


def relate_place(references: References, entity: Entity, preposition: Token, lead: str) -> None:
    """Relate a thing to each landmark of a preposition."""
    for words_of_place, landmark in _landmarks(references, preposition):
        if lead == "is" and (words_of_place in words("weak_prepositions") or words_of_place.startswith("from ")):
            continue
        exact = preposition.i > 0 and references.doc[preposition.i - 1].lower_ == "directly"
        predicate = f"{lead} {'directly ' if exact else ''}{words_of_place}"
        _relate(references, entity, predicate, landmark, preposition)


def _landmarks(references: References, preposition: Token) -> list[tuple[str, Token]]:
    """Return (preposition in full, landmark): "to the left of" the ball, "on" the table, "on top of" it."""
    word = preposition.lower_
    found: list[tuple[str, Token]] = []
    if word not in words("place_prepositions"):
        return found
    complete = any(child.dep_ == "pobj" for child in preposition.children)
    for child in preposition.children:
        if child.dep_ == "prep" and not complete:  # "beside her on the bench" has two places
            found += [(f"{word} {rest}", landmark) for rest, landmark in _landmarks(references, child)]
        elif child.dep_ == "pobj":
            if lemma(child) in words("location_words") and child.pos_ != "PRON":
                found += _place_landmarks(references, preposition, child)
            elif child.pos_ in NOUNS or child.pos_ == "PRON":
                found += [(word, token) for token in (conjuncts(child) if child.pos_ in NOUNS else [child])]
    return found


def _place_landmarks(references: References, preposition: Token, place: Token) -> list[tuple[str, Token]]:
    """Read "to the left of the ball" and "to its left"."""
    middle = list(references.doc[preposition.i + 1 : place.i + 1])
    owner = next((child for child in place.children if child.dep_ == "poss"), None)
    if owner is not None and owner.pos_ == "PRON" and len(middle) == 2 and place.lower_ in {"left", "right"}:
        return [(f"{preposition.lower_} the {place.lower_} of", owner)]
    if len(middle) > _LONGEST_PLACE or any(token.lower_ in _NO_PLACE for token in middle):
        return []
    below = [
        token for child in place.children if child.dep_ == "prep" and child.lower_ == "of" for token in child.children
    ]
    full = f"{preposition.lower_} {joined(middle)} of"
    return [
        (full, token)
        for target in below
        if target.dep_ == "pobj"
        for token in (conjuncts(target) if target.pos_ in NOUNS else [target])
    ]


def read_inverted(references: References, verb: Token) -> bool:
    """Read "behind the post is a fence" and "to its left is a box"; return whether the clause is of this form."""
    children = list(verb.children)
    front = [child for child in children if child.dep_ in {"prep", "advmod"} and child.i < verb.i]
    after = [
        child for child in children if child.dep_ in {"attr", "nsubj"} and child.i > verb.i and child.pos_ in NOUNS
    ]
    if not front or not after or any(token.i < verb.i and token.pos_ != "PRON" for token in subjects(verb)):
        return False
    places = [*(token for token in front if token.dep_ == "prep")]
    places += [child for token in front if token.dep_ == "advmod" for child in token.children if child.dep_ == "prep"]
    for place in places:
        for noun in (token for found in after for token in conjuncts(found)):
            entity = references.mention(descend(noun)[0])
            if entity is not None:
                lead = "is next" if place.head.lower_ == "next" else "is"
                relate_place(references, entity, place, lead)
    return True


def read_being(references: References, verb: Token) -> None:
    """Read "is on the table", "is visible behind the bus", "is next to the ball"."""
    children = list(verb.children)
    entities = subject_entities(references, verb)
    complements = [child for child in children if child.dep_ in {"attr", "acomp"}]
    if not any(child.pos_ == "NOUN" for child in complements):
        _relate_all(references, entities, [c for c in children if c.dep_ == "prep" and c.i > verb.i], "is")
    for child in complements:
        if (lead := _LEADS.get(child.lower_)) is not None:
            _relate_all(references, entities, [c for c in child.children if c.dep_ == "prep"], lead)
    for child in children:
        if child.dep_ in {"advmod", "acomp"} and child.lower_ in _ADVERBS and child.lower_ not in _LEADS:
            _relate_all(references, entities, [c for c in child.children if c.dep_ == "prep"], f"is {child.lower_}")


def read_existence(references: References, verb: Token) -> None:
    """Read "there is a cup on the table"."""
    places = [child for child in verb.children if child.dep_ == "prep"]
    for child in verb.children:
        if child.dep_ == "attr" and child.pos_ in NOUNS:
            for noun in conjuncts(child):
                for place in places:
                    read_place(references, noun, place)


def _relate_all(references: References, entities: list[Entity], prepositions: list[Token], lead: str) -> None:
    for entity in entities:
        for preposition in prepositions:
            relate_place(references, entity, preposition, lead)


def read_action(references: References, verb: Token, entities: list[Entity]) -> None:
    """Read what things do or what is done to them: "is holding a cup", "is covered by snow", "sits on the mat"."""
    if negated(verb):
        return
    children = list(verb.children)
    if verb.lemma_ in words("placing_verbs") and (verb.tag_ == "VBN" or _is_passive(verb)):
        _relate_all(references, entities, [c for c in children if c.dep_ == "prep" and c.i > verb.i], "is")
        return
    if any(child.tag_ == "MD" for child in children) or verb.lemma_.lower() in words("skipped_verbs"):
        return
    if verb.tag_ == "VBG" and verb.lower_ in type_of():
        return  # "an awning over the door", which the parser takes for a verb
    for entity in entities:
        if verb.lemma_ in words("upright_verbs") and noun_kind(entity.head).type in _WORN:
            continue  # "a man in grey shoes standing by the pond": it is the man who stands
        if not read_participle(references, verb, entity):
            _relate_action(references, verb, entity, children)
            read_posture(verb, entity)


def _relate_action(references: References, verb: Token, entity: Entity, children: list[Token]) -> None:
    passive = _is_passive(verb)
    base = "is " + (verb.lower_ if passive or verb.tag_ == "VBG" else gerund(verb.lemma_.lower()))
    base += "".join(f" {child.lower_}" for child in children if child.dep_ == "prt")
    objects = [child for child in children if child.dep_ == "dobj"]
    if verb.lower_ == "laying" and not objects:
        base = base.replace("laying", "lying")
    if objects and not passive:
        if entity.head in words("idle_parts") and verb.lemma_ in words("deeds"):
            return  # "a dog with brown eyes holds a stick"
        for noun in (token for found in objects for token in conjuncts(found)):
            _relate(references, entity, base, noun, verb)
        return
    for child in children:
        if child.i < verb.i:
            continue
        if child.dep_ == "agent":
            for noun in (token for below in child.children if below.dep_ == "pobj" for token in conjuncts(below)):
                _relate(references, entity, f"{base} by", noun, verb)
        elif child.dep_ == "prep" and child.i - verb.i <= _REACH:
            if passive and verb.lemma_ in words("dressing_verbs") and child.lower_ not in {"with", "in", "by"}:
                continue  # "a pizza topped with olives on a plate": the parser hangs the plate to the olives' verb
            with_own = child.lower_ == "with" and (not passive or _names_own(child))
            if child.lower_ != "of" and not with_own:
                _relate_verb_place(references, verb, entity, base, child)
        elif child.dep_ in {"advmod", "acomp"} and child.lower_ in _VERB_ADVERBS:
            for below in (token for token in child.children if token.dep_ == "prep"):
                _relate_verb_place(references, verb, entity, f"{base} {child.lower_}", below)


def _relate_verb_place(references: References, verb: Token, entity: Entity, base: str, preposition: Token) -> None:
    """Relate by verb and preposition; a lifeless thing that "sits to the left of" another just is there."""
    adverb = base.split()[-1] if base.split()[-1] in _ADVERBS else ""
    resting = verb.lemma_ in words("resting_verbs") and not is_animate(entity.head, entity.text)
    for place, landmark in _landmarks(references, preposition):
        full = f"{adverb} {place}".strip()
        plain = resting and predicate_class(full) in _PLAIN_PLACES
        _relate(references, entity, f"is {full}" if plain else f"{base} {place}", landmark, verb)


def _relate(references: References, entity: Entity, predicate: str, landmark: Token, source: Token) -> None:
    if doubt(source):
        return
    target = references.resolve(landmark)
    if target is entity and landmark.pos_ == "PRON":  # "a floor with dirt on it": the dirt is on the floor
        entity = references.mention(landmark.head.nbor(-1)) or entity
    if target is not None and predicate.split()[-1] == "in" and _worn(entity, target):
        if predicate != "is in":
            return  # "sitting next to a woman in a dress", where the parser lets the sitter wear it
        predicate = "is wearing"
    if target is not None and not (predicate_class(predicate) == "between" and not target.plural):
        predicate = re.sub(r"\s+", " ", predicate).lower()
        references.graph.relate(entity, predicate, target, evidence_of(source))


def _worn(entity: Entity, target: Entity) -> bool:
    worn = noun_kind(target.head, target.text).type in _WORN
    return worn and is_animate(entity.head, entity.text)


def read_modifying_verb(references: References, verb: Token) -> None:
    """Read a participle after its noun: "a cat sitting on a desk", "a hook attached to the wall"."""
    noun = verb.head
    if negated(verb) or noun.pos_ not in NOUNS or verb.i < noun.i:
        return
    head, _ = descend(noun)
    if verb.i - head.i > _REACH or any(is_head(token) for token in references.doc[head.i + 1 : verb.i]):
        return
    bearer = _bearer_of_deed(head, verb)
    entity = references.mention(bearer) if bearer is not None else None
    if entity is not None:
        read_action(references, verb, [entity])


def _bearer_of_deed(noun: Token, verb: Token) -> Token | None:
    """Return the noun whose deed a participle tells, None if the parse leaves it open.

    "a boy with red hair squatting on a rug", "a woman in a coat facing the door", "a shed with a lamp, built on a
    hill": the participle is hung to the last noun before it.
    """
    kind = noun_kind(lemma(noun)).type
    outer = first_conjunct(noun)
    if (outer.dep_ not in {"pobj", "dobj", "appos"} and outer.i == noun.i) or kind is None or is_animate(lemma(noun)):
        return noun
    if verb.nbor(-1).text == "," and outer.dep_ != "dobj":
        return None
    if verb.tag_ != "VBG" or verb.lemma_ not in _deeds():
        return noun
    ahead = [token for token in noun.sent if token.i < noun.i and token.pos_ in NOUNS and is_animate(lemma(token))]
    if not ahead:
        return noun
    if outer.i == noun.i and outer.head.i == ahead[-1].i + 1 and outer.head.lower_ in {"with", "in"}:
        return ahead[-1]
    part = kind.startswith("body_") or kind in _WORN
    return None if part or verb.lemma_ not in words("resting_verbs") | words("upright_verbs") else noun


@cache
def _deeds() -> frozenset[str]:
    return words("deeds") | words("upright_verbs") | words("posture_verbs") | words("deeds_of_the_living")


def _is_passive(verb: Token) -> bool:
    if any(child.dep_ == "auxpass" for child in verb.children):
        return True
    finite = verb.tag_ == "VBD" and (verb.dep_ == "acl" or verb.lower_.endswith("ed"))
    if finite and not any(child.dep_ == "dobj" for child in verb.children):
        return True  # captions tell of the present: "feathers fanned out behind it" has a participle
    return verb.tag_ == "VBN" and not any(child.dep_ == "aux" and child.lemma_ == "have" for child in verb.children)


@cache
def gerund(verb: str) -> str:
    """Return the -ing form of a verb."""
    if verb in mapping("gerunds"):
        return mapping("gerunds")[verb]
    forms = lemminflect.getInflection(verb, tag="VBG")
    return str(forms[0]) if forms else f"{verb}ing"
