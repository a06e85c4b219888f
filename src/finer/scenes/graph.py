"""A scene graph while it is read from a caption: things with attributes, relations, and what was dropped."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Attribute:
    """One attribute: its class ("color"), the phrase that follows the thing, the bare value, the sentence."""

    category: str
    text: str
    value: str
    evidence: str


@dataclass
class Entity:
    """One thing (or a plural of things) of the caption; several mentions may name it."""

    index: int
    head: str  # singular: "hydrant"
    text: str  # as composed: "fire hydrant", "towels"
    plural: bool
    evidence: str
    selectors: tuple[str, ...] = ()  # which of several: "left", "second"
    count: str = ""  # "three"
    ambiguous: bool = False
    attributes: list[Attribute] = field(default_factory=list)

    def add(self, attribute: Attribute) -> None:
        """Add an attribute unless the same is known."""
        if all(known.text != attribute.text for known in self.attributes):
            self.attributes.append(attribute)

    def values(self, category: str) -> set[str]:
        """Return the values of one class of attributes."""
        return {attribute.value for attribute in self.attributes if attribute.category == category}


@dataclass(frozen=True)
class Relation:
    """Subject and target by index; the predicate starts with "is"."""

    subject: int
    predicate: str
    target: int
    evidence: str


@dataclass(frozen=True)
class Dropped:
    """A phrase of the caption that became no element, and a fixed word why."""

    phrase: str
    reason: str


@dataclass
class Graph:
    """The scene graph of one caption."""

    entities: list[Entity] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)

    def drop(self, phrase: str, reason: str) -> None:
        """Record what was left out."""
        self.dropped.append(Dropped(phrase, reason))

    def relate(self, subject: Entity, predicate: str, target: Entity, evidence: str) -> None:
        """Add a relation; two things of one kind are left out, since their names would not tell them apart."""
        if subject is target or subject.head == target.head:
            self.drop(f"{subject.text} {predicate} {target.text}", "relation_within_kind")
            return
        known = {(relation.subject, relation.predicate, relation.target) for relation in self.relations}
        if (subject.index, predicate, target.index) not in known:
            self.relations.append(Relation(subject.index, predicate, target.index, evidence))

    def mark_ambiguous(self) -> None:
        """Mark things that another thing's words would name too: same head, and one name contains the other."""
        for entity in self.entities:
            own = set(entity.text.split()[:-1])
            for other in self.entities:
                if other is entity or other.head != entity.head:
                    continue
                theirs = set(other.text.split()[:-1])
                if own <= theirs or theirs <= own:
                    entity.ambiguous = True
