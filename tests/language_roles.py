"""Language models in the roles of this pipeline, played by functions behind the loopback server.

As a process: ``python tests/loopback.py --replies language_roles:reply``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from finer.chat.roles import RoleAsker, open_role
from finer.world.catalogue import COLORS, KINDS
from loopback import Body, Loopback

Given = dict[str, Any]


def settings_of(role: str, address: str, folder: Path, **changes: Any) -> str:
    """Return what ``Config.role`` returns for a model behind the server."""
    return json.dumps({
        "role": role, "name": "tiny", "settings": {"model": "tiny", **changes},
        "model": {"backend": "here", "model": "tiny-1", "revision": "r1"}, "backend": {"kind": "http"},
        "access": {
            "budget": None, "cache": str(folder / "chat"),
            "backends": {"here": {"base_url": address, "concurrency": 4, "attempts": 1}},
        },
    })  # fmt: skip


def opened(role: str, server: Loopback, folder: Path, **changes: Any) -> RoleAsker:
    """Return a role whose model is behind the server."""
    return open_role(settings_of(role, server.address, folder, **changes))


def field(prompt: str, name: str) -> str:
    """Return a line "Name: value" of a filled template."""
    found = re.search(rf"^{name}: (.*)$", prompt, re.MULTILINE)
    assert found is not None, prompt
    return found[1]


def first_question(request: Body) -> str:
    """Return the question that a conversation is about, past its repairs."""
    turns = [turn["content"] for turn in request["messages"] if turn["role"] == "user"]
    repairs = sum("cannot be used" in turn for turn in turns)
    return str(turns[-1 - repairs])


# ---------------------------------------------------------------- all roles, for captions and suites of the micro world
def reply(request: Body) -> Any:
    """Reply as phraser, editor or judge, by what the question looks like; some verdicts cannot be read."""
    question = first_question(request)
    if question.startswith("Kind: "):
        return _phrase(field(question, "Kind"), field(question, "Caption"))
    if "Replace item " in question:
        return _edit(question)
    if '"rating"' in question:
        said = field(question, "Answer to rate")
        return "Hard to say." if len(said) % 3 == 0 else {"reason": "so", "rating": len(said) % 7}
    return {"reason": "so", "correct": len(field(question, "Answer to judge")) % 2 == 0}


def _phrase(kind: str, caption: str) -> Given:
    """State each kind of thing that is named once, and the color of the first that has one before its name."""
    words = re.findall(r"[a-z]+", caption.lower())
    things = [word for word in KINDS if words.count(word) == 1][:5]
    colored = [(color, thing) for thing in things for color in COLORS if re.search(rf"{color} (\w+ )?{thing}", caption)]
    if kind == "obj":
        return {"objects": [f"a {thing}" for thing in things]}
    if kind == "attr":
        first = colored[:1]
        said = [f"with a {color} color" for color, _ in first]
        return {"object": first[0][1] if first else "picture", "plural": False, "attributes": said}
    if kind == "rel":
        return {"object": "picture", "plural": False, "relations": []}
    return {"skip": True, "subject": None, "relation": None, "target": None}


def _edit(question: str) -> Given:
    items = [line.partition(": ")[2] for line in question.splitlines() if line[:1].isdigit()]
    index = int(question.rpartition("Replace item ")[2].rstrip("."))
    caption = field(question, "Caption")
    others = [word for word in (COLORS if "color" in items[index] else KINDS) if word not in caption]
    items[index] = re.sub(r"(?<=a )\w+", others[0], items[index])
    return {"items": items}
