"""Replies of the language-model roles made by rules, so that a whole run needs no model: role -> prompt -> reply.

``reply`` answers well; ``reply_with_mistakes`` answers every fifth question wrongly at first, in a way that its prompt
forbids, and well when it is sent back. Add a role by an entry of ``ROLES``. As a server::

    python tests/loopback.py --port 0 --replies loopback_roles:reply
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from random import Random
from typing import Any

import yaml

from caption_graphs import PARSER
from finer.negatives.candidates import things
from finer.negatives.lexicon import categories, data, families
from finer.negatives.scene import Scene
from finer.negatives.vetoes import excludes, may_be, name_veto
from finer.scenes.captions import read_graphs
from finer.scenes.graph import Graph
from finer.scenes.nouns import modifier_class
from finer.scenes.phrases import head, number_free
from finer.scenes.words import words

Body = Mapping[str, Any]
_LISTS = {
    "color": "colors", "material": "materials", "size": "sizes", "shape": "shapes", "pattern": "patterns",
    "texture": "textures", "posture": "postures", "state": "states", "outline": "colors",
}  # fmt: skip
_PREDICATES = (
    "is below", "is under", "is behind", "is in front of", "is on top of", "is to the left of", "is to the right of",
    "is above", "is inside", "is jumping over", "is chasing", "is carrying", "is swimming in", "is standing on",
    "is lying on", "is throwing", "is pushing",
)  # fmt: skip


def reply(request: Body) -> str:
    """Answer a request as its role should."""
    return ROLES[role_of(request)](question_of(request))


def reply_with_mistakes(request: Body) -> str:
    """Answer every fifth question wrongly, until it is sent back."""
    role, prompt = role_of(request), question_of(request)
    said = ROLES[role](prompt)
    turns = [str(turn["content"]) for turn in request["messages"]]
    if turns[-1] != prompt or _number(prompt) % 5:
        return said
    kind = _number(prompt + "kind") % 3
    return "Here you are: {" if kind == 0 else (json.dumps({"answer": 1}) if kind == 1 else mistaken(role, said))


def mistaken(role: str, said: str) -> str:
    """Return a reply of the right form that breaks a rule of the role."""
    value = json.loads(said)
    if role == "proposer":
        value["negatives"] = ["no such thing", *value["negatives"][1:]]
    elif "objects" in value:
        value["objects"] = [*value["objects"], {"id": "o99", "name": "zeppelin", "attributes": []}]
    elif "relations" in value:
        value["relations"] = [*value["relations"], {"subject": "o1", "predicate": "is near", "object": "o98"}]
    return json.dumps(value)


def role_of(request: Body) -> str:
    """Return the role whose prompt a request carries."""
    system = next(str(turn["content"]) for turn in request["messages"] if turn["role"] == "system")
    return next(role for role in ROLES for words_of_role in systems(role) if words_of_role in system)


def question_of(request: Body) -> str:
    """Return the question itself: the last turn of the user that is no complaint about a reply."""
    shown = [str(turn["content"]) for turn in request["messages"] if turn["role"] == "user"]
    return next(text for text in reversed(shown) if text.startswith("Caption: "))


@cache
def systems(role: str) -> tuple[str, ...]:
    """Return the system texts of a role's prompt files."""
    folder = resources.files("finer.chat") / "prompts"
    files = sorted(file.name for file in folder.iterdir() if file.name.startswith(role))
    texts = (yaml.safe_load((folder / name).read_text(encoding="utf-8"))["system"] for name in files)
    return tuple(str(text).strip() for text in texts)


def _number(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


# ---------------------------------------------------------------- extractor
@cache
def _graph(caption: str) -> Graph:
    return next(iter(read_graphs([caption], PARSER)))


def extract(prompt: str) -> str:
    """Answer either stage of the extractor by the rules for captions."""
    caption = prompt.removeprefix("Caption: ").split("\n\n", 1)[0]
    graph = _graph(caption)
    if "List the relations" not in prompt:
        return json.dumps({"objects": [_thing(graph, number) for number in range(len(graph.entities))]})
    listed = dict(re.findall(r"^(o\d+): ([^,\n]+)", prompt, re.MULTILINE))
    ids = {name: key for key, name in reversed(listed.items())}
    own = {entity.index: f"o{entity.index + 1}" for entity in graph.entities}
    own = {index: key if key in listed else ids.get(graph.entities[index].text, key) for index, key in own.items()}
    found = [
        {"subject": own[r.subject], "predicate": r.predicate, "object": own[r.target]} for r in graph.relations
    ]  # fmt: skip
    return json.dumps({"relations": [each for each in found if {each["subject"], each["object"]} <= set(listed)]})


def _thing(graph: Graph, number: int) -> dict[str, object]:
    entity = graph.entities[number]
    qualities = [{"category": attribute.category, "value": attribute.value} for attribute in entity.attributes]
    return {"id": f"o{number + 1}", "name": entity.text, "attributes": qualities}


# ---------------------------------------------------------------- proposer
def propose(prompt: str) -> str:
    """Answer the proposer by the lexicon."""
    caption, true = _line(prompt, "Caption"), _line(prompt, "Replace")
    tried = set(_line(prompt, "- Tried before and not to be given again").rstrip(".").split("; "))
    if named := re.search(r"other values of the same class \((\w+)\)", prompt):
        found = _values(named[1], true, caption)
    elif "four other relations" in prompt:
        found = (each for each in _PREDICATES if excludes(each, true, alive=True))
    else:
        found = _names(true, caption, plural="- Plural nouns" in prompt)
    return json.dumps({"negatives": _four(found, tried)})


def _line(prompt: str, name: str) -> str:
    return next(line for line in prompt.splitlines() if line.startswith(f"{name}: ")).removeprefix(f"{name}: ")


def _four(found: Iterator[str], tried: set[str]) -> list[str]:
    four: list[str] = []
    for text in found:
        if len(four) < 4 and text not in four and not any(text in one for one in tried):
            four.append(text)
    return four


def _scene(true: str, caption: str, plural: bool) -> Scene:
    row = {
        "element_id": "e", "kind": "object", "text": true, "category": number_free(head(true)), "plural": plural,
        "parent_id": None, "target_id": None,
    }  # fmt: skip
    return Scene([row], [caption])


def _names(true: str, caption: str, plural: bool) -> Iterator[str]:
    scene = _scene(true, caption, plural)
    rng = Random(_number(caption + true))
    near = things(scene, true, number_free(head(true)), plural, rng)
    yield from (name for name in near if name_veto(scene, name, true, plural) is None)
    names = [member.text for category in categories().values() for member in category.members]
    rng.shuffle(names)
    for name in names:
        spoken = f"{name}s" if plural else name
        if name_veto(scene, spoken, true, plural) is None:
            yield spoken


def _values(category: str, true: str, caption: str) -> Iterator[str]:
    known = families(category)
    listed = [family[0] for family in known.families] if known else []
    if category in data()["closed_attributes"]:
        listed += [value for values in data()["closed_attributes"][category].values() for value in values]
    graded = [value for same, values in (known.graded.items() if known else ()) if true in same for value in values]
    listed += sorted(words(_LISTS[category]))
    rng = Random(_number(caption + true))
    rng.shuffle(listed)
    listed = [*graded, *listed]
    said = set(re.findall(r"[a-z-]+", caption.lower()))
    used: set[str] = set()
    for value in listed:
        plain = category in {"color", "material", "outline"} or modifier_class(value) == category
        family = known.of(value) if known else set()
        if plain and value not in said and not family & used and not may_be(category, value, true):
            used |= family
            yield value


ROLES: dict[str, Callable[[str], str]] = {"extractor": extract, "proposer": propose}
