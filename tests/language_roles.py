"""Language models in the roles of this pipeline, played by functions behind the loopback server.

As a process: ``python tests/loopback.py --replies language_roles:reply``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from finer.chat.roles import RoleAsker, open_role
from loopback import Body, Loopback, prompt_of

Given = dict[str, Any]


def settings_of(role: str, address: str, folder: Path, **changes: Any) -> str:
    """Return what ``Config.role`` returns for a model behind the server."""
    return json.dumps({
        "role": role, "name": "tiny", "budget": None, "cache": str(folder / "chat"),
        "settings": {"model": "tiny", **changes},
        "model": {"backend": "here", "model": "tiny-1", "revision": "r1"},
        "backend": {"kind": "http", "base_url": address, "concurrency": 4},
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


__all__ = ["field", "first_question", "opened", "prompt_of", "settings_of"]
