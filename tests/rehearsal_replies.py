"""Replies of all language-model roles to real captions, made by rules: what a rehearsal of the paper's run asks.

As a server: ``python tests/loopback.py --port 0 --replies rehearsal_replies:reply``. Extractor and proposer are those
of ``loopback_roles``, the judge is that of ``language_roles``; phraser and editor say what the rules of captions see.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import language_roles
import loopback_roles
from caption_graphs import PARSER
from finer.scenes.captions import read_graphs
from finer.scenes.graph import Entity, Graph
from finer.scenes.phrases import indefinite
from finer.scenes.words import words
from loopback import Body

_NUMBERED = re.compile(r"^(an?|the|\w+) ")
_CLASSES = ("color", "material", "size", "shape", "pattern", "posture")
_LISTS = {"color": "colors", "material": "materials", "size": "sizes", "shape": "shapes", "pattern": "patterns",
          "posture": "postures"}  # fmt: skip


def reply(request: Body) -> Any:
    """Answer a request as its role should."""
    system = next(str(turn["content"]) for turn in request["messages"] if turn["role"] == "system")
    for role, answer in (("judge", language_roles.reply), ("phraser", _phrase), ("editor", _edit)):
        if any(text in system for text in loopback_roles.systems(role)):
            return answer(request)
    return loopback_roles.reply(request)


@cache
def _graph(caption: str) -> Graph:
    return next(iter(read_graphs([caption], PARSER)))


# ---------------------------------------------------------------- phraser
def _phrase(request: Body) -> dict[str, Any]:
    question = language_roles.first_question(request)
    kind = language_roles.field(question, "Kind")
    graph = _graph(question.partition("Caption: ")[2].strip())
    return {"obj": _objects, "attr": _attributes, "rel": _relations, "wh": _sentence}[kind](graph)


def _told(entity: Entity) -> dict[str, Any]:
    said = [attribute.text for attribute in entity.attributes][:5]
    return {"name": entity.text, "plural": entity.plural, "attributes": said}


def _objects(graph: Graph) -> dict[str, Any]:
    plain = [entity for entity in graph.entities if not entity.count and not entity.ambiguous]
    return {"objects": [indefinite(entity.text, entity.plural) for entity in plain[:4]]}


def _attributes(graph: Graph) -> dict[str, Any]:
    best = max(graph.entities, key=lambda entity: len(entity.attributes), default=None)
    if best is None:
        return {"object": "picture", "plural": False, "attributes": []}
    told = _told(best)
    return {"object": told["name"], "plural": told["plural"], "attributes": told["attributes"]}


def _relations(graph: Graph) -> dict[str, Any]:
    counted = [sum(one.subject == entity.index for one in graph.relations) for entity in graph.entities]
    if not any(counted):
        return {"object": "picture", "plural": False, "relations": []}
    subject = graph.entities[counted.index(max(counted))]
    said = [one for one in graph.relations if one.subject == subject.index][:3]
    relations = [{"relation": one.predicate, "target": graph.entities[one.target].text} for one in said]
    return {"object": subject.text, "plural": subject.plural, "relations": relations}


def _sentence(graph: Graph) -> dict[str, Any]:
    for one in graph.relations:
        subject, target = _told(graph.entities[one.subject]), _told(graph.entities[one.target])
        if subject["attributes"] or target["attributes"]:
            return {"skip": False, "subject": subject, "relation": one.predicate, "target": target}
    return {"skip": True, "subject": None, "relation": None, "target": None}


# ---------------------------------------------------------------- editor
def _edit(request: Body) -> dict[str, Any]:
    question = language_roles.first_question(request)
    caption, _, rest = question.removeprefix("Caption: ").partition("\nPhrase: ")
    items = [line.partition(": ")[2] for line in rest.splitlines() if re.match(r"\d+: ", line)]
    index = int(question.rpartition("Replace item ")[2].rstrip("."))
    items[index] = _other(items[index], " ".join(caption.split()))
    return {"items": items}


def _other(item: str, caption: str) -> str:
    """Return another relation's target, another value of the same class, or another thing."""
    if re.match(r"(is|are) ", item):
        before, article, target = item.rpartition(" the ")
        return f"{before}{article}{_name(target, caption)}" if article else item
    for category in _CLASSES:
        listed = words(_LISTS[category])
        for word in re.findall(r"[a-z-]+", item.lower()):
            if word in listed:
                return item.replace(word, next(loopback_roles._values(category, word, caption), word))
    first = _NUMBERED.match(item)
    name = item[first.end() :] if first and first[1] in ("a", "an", "the") else item
    return indefinite(_name(name, caption), plural=name == item)


def _name(name: str, caption: str) -> str:
    plural = name.endswith("s") and not name.endswith("ss")
    return next(loopback_roles._names(name, caption, plural), name)
