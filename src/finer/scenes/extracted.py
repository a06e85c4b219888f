"""Filled-in forms + the caption -> a scene graph in which every word is the caption's, and what is wrong with the rest.

The rules that the prompt asks for are enforced here. A fault that the model can mend is told to it; what it does not
mend, and what nobody can mend, becomes a row of the table of drops with a fixed word for the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from finer.scenes.attributes import add_attribute, attribute_text
from finer.scenes.forms import Link, Links, Quality, Thing, Things
from finer.scenes.graph import Attribute, Entity, Graph
from finer.scenes.grounding import Caption, content, parts
from finer.scenes.nouns import NOUNS, Token, is_plural, lemma, modifier_class
from finer.scenes.phrases import head, indefinite, number_free, takes_plural
from finer.scenes.words import is_animate, mapping, noun_kind, predicate_class, type_of, words

LONGEST_NAME = 4  # words
LONGEST_VALUE = 6
LONGEST_PREDICATE = 7  # "is standing on the left side of"
DENIALS = frozenset(["no", "not", "without", "never", "none", "non", "neither", "nor", "lacking", "missing", "absent"])
_ARTICLES = "a|an|the|this|that|these|those|some|its|his|her|their|another|each"
_NUMBERS = r"several|many|few|one|two|three|four|five|six|seven|eight|nine|ten|\d+"
_DETERMINERS = re.compile(rf"^(?:(?:{_ARTICLES}|{_NUMBERS}) )+")
_NO_THING = ("picture_words", "location_words", "group_words", "attribute_words", "not_things", "colors", "materials")
_LISTS = {
    "color": "colors", "material": "materials", "size": "sizes", "shape": "shapes", "pattern": "patterns",
    "texture": "textures", "posture": "postures", "state": "states",
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What is wrong with one item of a form: a fixed word, and a sentence for the model; "" if it cannot mend it."""

    item: str
    reason: str
    told: str = ""


@dataclass
class Reading:
    """What stands of a form: the graph, the entity of each id, and the faults."""

    graph: Graph = field(default_factory=Graph)
    by_id: dict[str, Entity] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """What the model can mend, in words."""
        return [fault.told for fault in self.faults if fault.told]

    def fail(self, item: str, reason: str, told: str = "") -> None:
        """Record a fault."""
        self.faults.append(Fault(item, reason, told))


# ---------------------------------------------------------------- things
def read_things(form: Things, caption: Caption) -> Reading:
    """Return the things of a form that the caption grounds, with the attributes that it grounds."""
    reading = Reading()
    seen: set[tuple[str, frozenset[str]]] = set()
    for thing in form.objects:
        if thing.id in reading.by_id:
            reading.fail(thing.name, "id_twice", f"the id '{thing.id}' stands twice; give each object its own")
            continue
        entity = _entity(thing, caption, reading)
        if entity is None:
            continue
        for quality in thing.attributes:
            _add(entity, quality, caption, reading)
        shown = (entity.text, frozenset(attribute.text for attribute in entity.attributes))
        if shown in seen:
            reading.fail(entity.text, "stated_twice")
            continue
        seen.add(shown)
        entity.index = len(reading.graph.entities)
        reading.graph.entities.append(entity)
        reading.by_id[thing.id] = entity
    _count(reading, caption)
    reading.graph.mark_ambiguous()
    return reading


def _entity(thing: Thing, caption: Caption, reading: Reading) -> Entity | None:
    """Return the thing under the caption's own words and in its number, or None with the fault recorded."""
    name = bare(thing.name)
    if not (0 < len(name.split()) <= LONGEST_NAME) or re.search(r"[^a-z' -]", name):
        reading.fail(thing.name, "not_a_name", f"'{thing.name}' is no short noun phrase; name the object by its noun")
        return None
    found, reason = caption.there(head(name))
    front = name.split()[:-1]
    if found and front:
        found = [token for token in found if _stands_before(front, token)]
        reason = "" if found else "not_in_caption"
    if reason:
        reading.fail(thing.name, reason, _unsaid(thing.name, reason))
        return None
    mention = next((token for token in found if token.lower_ == head(name)), found[0])
    text = " ".join([*front, str(mention.lower_)]) if "-" not in head(name) else name
    singular = " ".join([*front, lemma(mention)])
    if (reason := _no_thing(lemma(mention), singular)) or (reason := _loaded(front, lemma(mention))):
        told = f"'{thing.name}' is nothing that can be pointed at; leave it out"
        if reason == "attribute_in_name":
            told = f"'{thing.name}' holds an attribute; name the object by its noun and list the attribute with it"
        reading.fail(thing.name, reason, told)
        return None
    return Entity(
        -1, lemma(mention), text, is_plural(mention), str(mention.sent.text).strip(),
        ambiguous=caption.several(head(name)),
    )  # fmt: skip


def _stands_before(front: list[str], noun: Token) -> bool:
    """Whether words stand right before a noun, or anywhere in the phrase that it heads."""
    wanted = [part for word in front for part in parts(word)]
    sentence = noun.doc[noun.sent.start : noun.i]
    before = [part for token in sentence for part in parts(token.text)]
    phrase = {part for token in noun.doc[noun.left_edge.i : noun.i] for part in parts(token.text)}
    return before[-len(wanted) :] == wanted or set(wanted) <= phrase


def bare(name: str) -> str:
    """Return a noun phrase in lower case without what stands before it."""
    return _DETERMINERS.sub("", _plain(name))


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("’", "'")).strip(" .,;").lower()


def _unsaid(item: str, reason: str) -> str:
    if reason == "not_in_caption":
        return f"'{item}': the caption has no such words; use its own or leave it out"
    if reason == "not_said_of_it":
        return f"'{item}': the caption does not say it of this object; leave it out"
    if reason == "negated":
        return f"'{item}': the caption says that it is not there or not so; leave it out"
    return f"'{item}': it is only likened or depicted, not there; leave it out"


def _no_thing(noun: str, name: str) -> str:
    """Return why a noun names no thing, by the lists; a noun that no list knows is taken for one."""
    if noun_kind(noun, name).type is not None or not any(noun in words(listed) for listed in _NO_THING):
        return ""
    return noun_kind(noun, name).reason


def _loaded(front: list[str], noun: str) -> str:
    """Return a reason if the words before a noun are attributes rather than a part of its name ("brown bear")."""
    for place, word in enumerate(front):
        known = " ".join([*front[place:], noun]) in type_of()
        attributes = words("colors") | words("materials") | mapping("material_forms").keys()
        if not known and (word in attributes or modifier_class(word) is not None):
            return "attribute_in_name"
    return ""


def _count(reading: Reading, caption: Caption) -> None:
    """Take out things of one kind beyond what the caption mentions; a plural may stand for any number."""
    entities = reading.graph.entities
    for noun, count in Counter(entity.head for entity in entities).items():
        mentions = caption.there(noun)[0]
        if count <= len(mentions) or any(is_plural(token) for token in mentions):
            continue
        for entity in [each for each in entities if each.head == noun][len(mentions) :]:
            told = f"'{entity.text}' stands {count} times and the caption has it {len(mentions)} times; list each once"
            reading.fail(entity.text, "more_than_said", told)
            entities.remove(entity)
    for place, entity in enumerate(entities):
        entity.index = place
    reading.by_id = {key: entity for key, entity in reading.by_id.items() if entity in entities}


# ---------------------------------------------------------------- attributes
def other_class(category: str, value: str) -> str:
    """Return the class that the lists put a value in, if that is another than the one claimed; else ""."""
    if category in {"part", "outline"}:
        return ""
    value = mapping("value_forms").get(value, value)
    found = [name for name, listed in _LISTS.items() if value in words(listed)]
    if not found and value in mapping("material_forms"):
        found = ["material"]
    return "" if not found or category in found else found[0]


def uncolored(category: str, value: str) -> str:
    """Return a color without the word for it: "rust-colored", "light blue color"."""
    if category not in {"color", "outline"}:
        return value
    return re.sub(r"[- ]colou?r(?:ed)?$", "", value)


def _add(entity: Entity, quality: Quality, caption: Caption, reading: Reading) -> None:
    """Give a thing an attribute, or record why not."""
    value = uncolored(quality.category, bare(quality.value))
    if quality.category == "part":  # "two ropes" stay two
        value = re.sub(rf"^(?:{_ARTICLES}) ", "", _plain(quality.value))
    item = f"{quality.value} ({quality.category} of {entity.text})"
    if not content(value) or len(value.split()) > LONGEST_VALUE or re.search(r"[^a-z0-9', -]", value):
        reading.fail(item, "not_a_value", f"'{item}' is no short value")
        return
    if DENIALS & set(parts(value)):
        reading.fail(item, "negated", f"'{item}' denies something; list only what is there")
        return
    evidence, reason = caption.stated(value, entity.head, entity.text)
    if not reason and set(content(value)) <= set(content(entity.text)):
        reason = "in_its_name"
    if reason:
        reading.fail(item, reason, "" if reason == "in_its_name" else _unsaid(item, reason))
    elif named := other_class(quality.category, value):
        reading.fail(item, "wrong_class", f"'{item}' is a {named}, no {quality.category}")
    elif quality.category == "part":
        _add_part(entity, value, evidence, caption, reading)
    elif quality.category == "posture" and not is_animate(entity.head, entity.text):
        reading.fail(item, "posture_of_a_thing")
    else:
        _add_value(entity, quality.category, value, evidence, reading)


def _add_value(entity: Entity, category: str, value: str, evidence: str, reading: Reading) -> None:
    forms = {"material": "material_forms"}.get(category, "value_forms")
    value = mapping(forms).get(value, value)
    if any(attribute.text == attribute_text(category, value, entity.head) for attribute in entity.attributes):
        reading.fail(f"{value} ({category} of {entity.text})", "stated_twice")
        return
    add_attribute(entity, category, value, evidence)


def _add_part(entity: Entity, phrase: str, evidence: str, caption: Caption, reading: Reading) -> None:
    item = f"{phrase} (part of {entity.text})"
    nouns = [token for token in caption.mentions(head(phrase)) if token.pos_ in NOUNS]
    if not nouns:
        reading.fail(item, "not_a_part", f"'{item}' does not end in its noun, as 'a long tail' does")
        return
    spoken = _with_article(phrase, next((token for token in nouns if token.lower_ == head(phrase)), nouns[0]))
    text = f"with {spoken}"
    if any(attribute.text == text for attribute in entity.attributes):
        reading.fail(item, "stated_twice")
        return
    entity.add(Attribute("part", text, spoken, evidence))


def _with_article(phrase: str, noun: Token) -> str:
    if re.match(rf"(?:{_NUMBERS}) ", phrase):
        return phrase
    plural = is_plural(noun) and number_free(head(phrase)) != head(phrase)
    return indefinite(phrase, takes_plural(phrase, plural))


# ---------------------------------------------------------------- relations
def read_links(form: Links, things: Reading, caption: Caption) -> Reading:
    """Return the graph of the things with the relations that the caption grounds."""
    reading = Reading(Graph(list(things.graph.entities)), dict(things.by_id))
    known: set[tuple[int, str, int]] = set()
    for link in form.relations:
        item = f"{link.subject} {link.predicate} {link.object}"
        subject, target = reading.by_id.get(link.subject), reading.by_id.get(link.object)
        if subject is None or target is None:
            wrong = link.subject if subject is None else link.object
            reading.fail(item, "unknown_object", f"'{wrong}' is the id of no listed object")
            continue
        item = f"{subject.text} {link.predicate} {target.text}"
        predicate = predicate_of(link.predicate)
        reason, told = _predicate_fault(link, predicate, subject, target)
        evidence = ""
        if not reason:
            evidence, reason = _evidence(predicate, subject, target, caption)
            told = _unsaid(item, reason) if reason else ""
        if not reason and (subject.index, predicate, target.index) in known:
            reason = "stated_twice"
        if reason:
            reading.fail(item, reason, told)
            continue
        known.add((subject.index, predicate, target.index))
        reading.graph.relate(subject, predicate, target, evidence)
    return reading


def predicate_of(text: str) -> str:
    """Return a predicate in lower case with "is" for "are" and without a last article."""
    plain = re.sub(r"^(?:are|was|were)\b", "is", _plain(text))
    return re.sub(r" (?:a|an|the|its|their|his|her)$", "", plain)


def _predicate_fault(link: Link, predicate: str, subject: Entity, target: Entity) -> tuple[str, str]:
    spoken = parts(predicate)
    if subject.head == target.head:
        return "relation_within_kind", ""
    if DENIALS & set(spoken):
        return "negated", f"'{link.predicate}' denies something; list only what holds"
    if number_free(target.head) in {number_free(word) for word in spoken}:
        return "names_its_object", f"'{link.predicate}' names its object; end before '{target.text}'"
    if not is_predicate(predicate):
        return "not_a_predicate", f"'{link.predicate}' must begin with 'is' and end where the object follows"
    if predicate_class(predicate) == "between" and not target.plural:
        return "one_of_two_named", ""
    return "", ""


def is_predicate(predicate: str) -> bool:
    """Whether the words can stand between a subject and an object: "is lying on", "is holding", "is covered by"."""
    spoken = predicate.split()
    if not 2 <= len(spoken) <= LONGEST_PREDICATE or spoken[0] != "is" or re.search(r"[^a-z' -]", predicate):
        return False
    return spoken[-1] in words("place_prepositions") | words("weak_prepositions") | {"by", "of"} or (
        spoken[-1].endswith("ing") and len(spoken) == 2
    )


def _evidence(predicate: str, subject: Entity, target: Entity, caption: Caption) -> tuple[str, str]:
    """Return the sentence that has the predicate and one of the two, preferably both."""
    both = [
        str(sentence.text).strip()
        for sentence in caption.sentences
        if {subject.head, target.head} <= {lemma(token) for token in sentence}
    ]
    found, reason = caption.stated(predicate.removeprefix("is "), subject.head, target.head)
    if reason and predicate == "is wearing":  # "a woman in a straw hat"
        worn = re.compile(rf"\bin (?:[a-z'-]+ ){{0,5}}{re.escape(target.head)}\b", re.IGNORECASE)
        clothed = [text for text in both if worn.search(text)]
        return (clothed[0], "") if clothed else (found, reason)
    if found and found not in both:
        near = [text for text in both if all(word in parts(text) for word in parts(predicate)[1:])]
        return (near[0], "") if near else (found, "")
    return found, reason
