"""Attributes that clauses state: "is red", "has a long tail", "with a black outline", "made of stone", "sitting"."""

from __future__ import annotations

import re

from finer.scenes.attributes import add_attribute, add_part
from finer.scenes.coreference import QUOTED, References, evidence_of
from finer.scenes.doubt import doubt, is_alternative
from finer.scenes.graph import Entity
from finer.scenes.nouns import (
    NOUNS,
    Phrase,
    Token,
    conjuncts,
    descend,
    is_head,
    is_measure,
    is_part_of,
    is_place_word,
    join_colors,
    joined,
    lemma,
    modifier_class,
    read_adjective,
    read_phrase,
    subtree,
)
from finer.scenes.phrases import article, indefinite
from finer.scenes.words import is_animate, mapping, noun_kind, words

_REFERRING = frozenset({"the", "this", "that", "these", "those", "each", "both", "all"})
_UNCOUNTABLE = frozenset({"no", "same", "other", "another", "more", "different", "various"})
_ASIDE = re.compile(r"\b(?:to|on) (?:the|its|their) (?:far )?(?:left|right)\b(?! of)")
_LONGEST_PART = 8  # tokens; longer parts are clauses that the parser hung to a noun


def subjects(verb: Token) -> list[Token]:
    """Return the subjects of a verb, or of the verb that it is coordinated with."""
    found = [child for child in verb.children if child.dep_ in {"nsubj", "nsubjpass"}]
    if not found and verb.dep_ == "conj" and verb.head.pos_ in {"VERB", "AUX"}:
        found = [child for child in verb.head.children if child.dep_ in {"nsubj", "nsubjpass"}]
    return found


def subject_entities(references: References, verb: Token) -> list[Entity]:
    """Return the things a verb speaks of; "the top of the tower" is not the tower."""
    found: list[Entity] = []
    for subject in subjects(verb):
        if lemma(subject) in words("attribute_words") and subject.pos_ in NOUNS:
            found += _owners(references, subject)
            continue
        if lemma(subject) in words("colors"):
            continue
        for token in conjuncts(subject) if subject.pos_ in NOUNS else [subject]:
            if token.pos_ in NOUNS and (is_place_word(token) or is_part_of(token)):
                continue
            if (entity := references.resolve(token)) is not None:
                found.append(entity)
    return found


def negated(verb: Token) -> bool:
    """Whether a verb is denied or hedged away."""
    if any(child.dep_ == "neg" or child.lower_ in {"not", "barely", "almost", "never"} for child in verb.children):
        return True
    return bool(doubt(verb)) or is_alternative(verb)


def read_copula(references: References, verb: Token) -> None:
    """Read "is red", "is a small red ball", "looks wet"."""
    entities = subject_entities(references, verb)
    outlined = any(lemma(subject) == "outline" for subject in subjects(verb))
    complements = [child for child in verb.children if child.dep_ in {"attr", "acomp", "oprd"}]
    for holder in [verb, *complements]:
        _read_hung_parts(references, entities, holder)
    for complement in complements:
        if complement.pos_ in {"ADJ", "VERB", "ADV"} or lemma(complement) in words("colors"):
            for entity in entities:
                _read_complement(references, entity, complement, outlined)
        elif complement.pos_ in NOUNS and complement.dep_ == "attr":
            _read_predicate_noun(entities, complement)


def _read_complement(references: References, entity: Entity, complement: Token, outlined: bool) -> None:
    """Read "red", "red and round"; of several colors one attribute is made: "red and blue"."""
    stated = Phrase(complement, "", "")
    for adjective in _coordinated_adjectives(complement):
        if outlined and adjective.lower_ in words("colors"):
            add_attribute(entity, "outline", str(adjective.lower_), evidence_of(adjective))
        else:
            stated.modifiers += _adjective_values(references, entity, adjective)
    join_colors(stated)
    for category, value in stated.modifiers:
        add_attribute(entity, category, value, evidence_of(complement))


def _read_hung_parts(references: References, entities: list[Entity], holder: Token) -> None:
    """Read "is red with a black outline", where the parser hangs "with" to the verb or the adjective."""
    if holder.pos_ not in {"AUX", "VERB"} and _adjective_class(holder) is None:
        return
    for preposition in (child for child in holder.children if child.dep_ == "prep" and child.lower_ == "with"):
        set_off = preposition.i > 0 and preposition.nbor(-1).text == ","
        for thing in (child for child in preposition.children if child.dep_ == "pobj"):
            if set_off and not _is_trait(thing):
                continue  # "The car is on a path, with a mound on its right": the mound stands by
            for entity in entities:
                for part in _parts(thing):
                    read_part(references, entity, part)


def _is_trait(thing: Token) -> bool:
    """Whether a noun names an attribute or a part of a body, which somebody has rather than stands by."""
    return lemma(thing) in words("attribute_words") or (noun_kind(lemma(thing)).type or "").startswith("body_")


def _parts(thing: Token) -> list[Token]:
    """Return what is coordinated after "with"; after an attribute, things begin anew: "with an outline and a house"."""
    found = [noun for noun in conjuncts(thing) if not is_alternative(noun)]
    if len(found) == 2 and any(token.text == "," for token in thing.doc[thing.i : found[1].left_edge.i]):
        found = found[:1]  # "a shirt with a badge, and jeans": what is set off begins anew
    if lemma(thing) in words("attribute_words"):
        return [token for token in found if lemma(token) in words("attribute_words")]
    return found


def read_having(references: References, verb: Token) -> None:
    """Read "has a black outline"."""
    owners = subject_entities(references, verb)
    for thing in (child for child in verb.children if child.dep_ == "dobj"):
        for noun in (noun for noun in conjuncts(thing) if not is_alternative(noun)):
            for entity in owners:
                read_part(references, entity, noun)


def read_with(references: References, preposition: Token) -> None:
    """Read "a ball with a striped pattern and a black outline"."""
    noun = preposition.head
    head, _ = descend(noun)
    if head.i != noun.i and is_place_word(noun):
        return
    if any(is_head(token) and token.i != head.i for token in references.doc[head.i + 1 : preposition.i]):
        return  # another noun stands between: either may be meant
    entity = references.mention(head)
    if entity is None:
        return
    for thing in (child for child in preposition.children if child.dep_ == "pobj"):
        if any(child.dep_ == "acl" and child.lemma_ == "be" for child in thing.children):
            continue
        for part in _parts(thing):
            read_part(references, entity, part)
    for other in conjuncts(noun)[1:]:  # "a ball with a black outline and a dotted pattern"
        if other.i > preposition.i and lemma(other) in words("attribute_words"):
            read_part(references, entity, other)


def read_part(references: References, entity: Entity, noun: Token) -> None:
    """Give a thing what it "has": an attribute if the noun names one ("a red color"), else a part."""
    if noun.pos_ not in NOUNS or any(child.lower_ in _UNCOUNTABLE for child in noun.lefts) or _stands_apart(noun):
        return
    if doubt(noun) or is_alternative(noun):
        return
    phrase = read_phrase(noun)
    if phrase.possessor is not None or phrase.determiner in _REFERRING:
        return
    if _read_attribute_noun(entity, phrase):
        return
    words_of_part = _part_tokens(references, entity, noun, phrase)
    if words_of_part is None or len(words_of_part) > _LONGEST_PART:
        return
    thing = references.mention(descend(noun)[0])
    if thing is None or thing is entity or any(token.text == QUOTED for token in words_of_part):
        return
    text = joined(words_of_part)
    add_part(entity, _with_article(text[0].lower() + text[1:], phrase), evidence_of(noun))


def _with_article(text: str, phrase: Phrase) -> str:
    """Return "a black tail" for "black tail": captions often leave the article out."""
    if phrase.determiner or phrase.count or phrase.plural or text.split()[0] in {"a", "an", "many", "some", "several"}:
        return text
    return text if indefinite(phrase.text) == phrase.text else f"{article(text)} {text}"


def _stands_apart(noun: Token) -> bool:
    """Whether a noun after "with" is no part but stands by: "a wall with two chairs in front of it"."""
    after = noun.doc[noun.right_edge.i + 1 : noun.right_edge.i + 4]  # the parser may hang "in the background" elsewhere
    elsewhere = [token for token in after if token.sent == noun.sent] if after and after[0].lower_ == "in" else []
    if any(token.lower_ in {"background", "foreground", "distance"} for token in [*noun.subtree, *elsewhere]):
        return True
    if lemma(noun) not in words("attribute_words") and _ASIDE.search(joined([*subtree(noun), *after])):
        return True
    for preposition in (child for child in noun.children if child.dep_ == "prep" and child.lower_ not in {"on", "of"}):
        pronoun = next((token for token in preposition.subtree if token.lower_ in {"it", "them"}), None)
        if pronoun is not None and not (preposition.lower_ == "in" and pronoun.head.i == preposition.i):
            return True
    return False


def _read_attribute_noun(entity: Entity, phrase: Phrase) -> bool:
    """Read nouns that name an attribute; return whether this is one."""
    evidence = evidence_of(phrase.head)
    if phrase.lemma in {"outline", "border"}:
        colors = [value for category, value in phrase.modifiers if category == "color"]
        if colors and phrase.lemma == "outline":
            add_attribute(entity, "outline", colors[0], evidence)
            return True
        return phrase.lemma == "outline"
    pattern = mapping("pattern_nouns").get(phrase.lemma) if phrase.plural else None
    if pattern is not None and not any(category == "material" for category, _ in phrase.modifiers):
        add_attribute(entity, "pattern", pattern, evidence)
        return True
    if phrase.lemma not in words("attribute_words"):
        return phrase.lemma in words("picture_words")
    foreign = words("classes_not_of_" + ("patterns" if phrase.lemma in {"pattern", "design", "print"} else "colors"))
    for category, value in phrase.modifiers:
        if phrase.lemma not in words("narrow_attribute_words") or category not in foreign:
            add_attribute(entity, category, value, evidence)
    for word in phrase.name.split()[:-1]:
        if (named := mapping("pattern_nouns").get(word)) is not None:
            add_attribute(entity, "pattern", named, evidence)
    return True


def _part_tokens(references: References, entity: Entity, noun: Token, phrase: Phrase) -> list[Token] | None:
    if phrase.lemma in words("group_words") or is_place_word(noun) or is_measure(noun):
        head, passed = descend(noun)
        thing = references.mention(head) if passed else None
        if thing is None or thing is entity:
            return None
        tokens = list(references.doc[min(token.i for token in noun.subtree) : head.i + 1])
        return None if any(token.dep_ in {"relcl", "acl"} for token in tokens) else tokens
    if noun_kind(phrase.lemma, phrase.name, phrase.counted).type is None:
        return None
    lefts = [token.i for child in noun.lefts for token in child.subtree]
    tokens = list(references.doc[min([*lefts, noun.i]) : noun.i + 1])
    return None if any(token.pos_ == "ADV" for token in tokens) else tokens


def read_look(references: References, verb: Token, entities: list[Entity]) -> bool:
    """Read "is dotted", which the parser takes for a passive verb; return whether it was such a pattern."""
    if verb.tag_ not in {"VBN", "VBD"} or modifier_class(str(verb.lower_)) != "pattern":
        return False
    for entity in entities:
        _read_adjective(references, entity, verb)
    return True


def read_participle(references: References, verb: Token, entity: Entity) -> bool:
    """Read "made of stone", "painted red", "outlined in black" after a thing; return whether it was one of these."""
    if verb.lemma_ in {"make", "build", "construct", "carve"}:
        for noun in _after(verb, {"of", "from", "out"}):
            word = lemma(noun)
            if word in words("materials") or word in mapping("material_forms"):
                add_attribute(entity, "material", mapping("material_forms").get(word, word), evidence_of(verb))
        return True
    if verb.lemma_ == "outline":
        for noun in _after(verb, {"in", "with", "by"}):
            if noun.lower_ in words("colors"):
                add_attribute(entity, "outline", noun.lower_, evidence_of(verb))
        return True
    if verb.lemma_ in {"paint", "color", "dye", "tint"}:
        colors = [child for child in verb.children if child.lower_ in words("colors") and child.i > verb.i]
        for token in [*colors, *(noun for noun in _after(verb, {"in"}) if noun.lower_ in words("colors"))]:
            _read_adjective(references, entity, token)
        return True
    return False


def read_posture(verb: Token, entity: Entity) -> None:
    """Read "a dog sitting": a posture of people and animals."""
    if verb.tag_ == "VBG" and verb.lemma_ in words("posture_verbs") and is_animate(entity.head, entity.text):
        value = mapping("value_forms").get(verb.lower_, verb.lower_)
        add_attribute(entity, "posture", value, evidence_of(verb))


def _after(verb: Token, prepositions: set[str]) -> list[Token]:
    return [
        noun
        for child in verb.children
        if child.dep_ == "prep" and child.lower_ in prepositions
        for noun in child.subtree
        if noun.dep_ in {"pobj", "conj"}
    ]


def _owners(references: References, noun: Token) -> list[Entity]:
    """Return what "its color" or "the color of the ball" belongs to."""
    tokens = [child for child in noun.children if child.dep_ == "poss"]
    tokens += [
        below
        for child in noun.children
        if child.dep_ == "prep" and child.lower_ in {"of", "on"}
        for below in child.children
    ]
    return [entity for token in tokens if (entity := references.resolve(token)) is not None]


def _coordinated_adjectives(token: Token) -> list[Token]:
    found = [token]
    for child in token.children:
        if child.dep_ == "conj" and (child.pos_ == "ADJ" or _adjective_class(child) is not None or child.tag_ == "VBN"):
            found += _coordinated_adjectives(child)
    return found


def _adjective_class(token: Token) -> str | None:
    return "color" if token.lower_ in words("colors") else modifier_class(str(token.lower_))


def _read_adjective(references: References, entity: Entity, adjective: Token) -> None:
    for category, value in _adjective_values(references, entity, adjective):
        add_attribute(entity, category, value, evidence_of(adjective))


def _adjective_values(references: References, entity: Entity, adjective: Token) -> list[tuple[str, str]]:
    """Return (class, value) of what an adjective after a verb states; unknown ones are recorded as drops."""
    if doubt(adjective) or is_alternative(adjective):
        return []
    children = list(adjective.children)
    if any(child.dep_ == "neg" or child.lower_ in words("hedges") for child in children):
        return []
    if any(child.dep_ in {"xcomp", "ccomp", "advcl"} for child in children):
        return []
    vague = {"of", "to", "with", "from", "for", "at", "about"}
    if _adjective_class(adjective) is not None:
        vague = {"of", "to", "for"}
    if any(child.dep_ == "prep" and child.lower_ in vague for child in children):
        return []
    if any(child.dep_ == "prep" and any(is_place_word(below) for below in child.children) for child in children):
        return []  # "is white on the bottom": a part is
    run = [adjective]
    inside = {
        token.i for token in subtree(adjective) if token.dep_ not in {"cc", "mark", "aux", "det"} and token.text != ","
    }
    while run[0].i - 1 in inside:
        run.insert(0, references.doc[run[0].i - 1])
    phrase = read_adjective(adjective, run)
    for word in phrase.unread:
        references.graph.drop(f"{entity.text}: {word}", "unknown_adjective")
    return phrase.modifiers


def _read_predicate_noun(entities: list[Entity], noun: Token) -> None:
    if doubt(noun) or is_alternative(noun):
        return
    phrase = read_phrase(noun)
    names_attribute = phrase.lemma in words("attribute_words")
    for entity in entities:
        if phrase.plural and not entity.plural:
            continue
        if noun_kind(phrase.lemma, phrase.name).type is None and not names_attribute and phrase.lemma != entity.head:
            if phrase.lemma in words("materials"):
                add_attribute(entity, "material", phrase.lemma, evidence_of(noun))
            continue
        for category, value in phrase.modifiers:
            add_attribute(entity, category, value, evidence_of(noun))
