"""Settings, forms and jobs for tests that ask language models on loopback."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from finer.chat.asking import Question
from finer.chat.messages import Message, Request
from finer.chat.roles import RoleAsker
from finer.chat.service import Service
from finer.chat.wording import Prompt, read_prompt
from finer.config.language import Backend, LanguageModel, Role, RoleSettings

PRICE_IN, PRICE_OUT = 1.0, 2.0  # for a million tokens
PROMPT = """
version: 1
system: You list colours.
template: |
  Which colours are in "$text"?
examples:
  - fields: {text: a red cup}
    reply: {colours: [red], count: 1}
"""


class Colours(BaseModel):
    """A reply of the test's role."""

    colours: list[str]
    count: int


def service(address: str, cache: Path, budget: float | None = None, **changes: Any) -> Service:
    """Return a model on loopback; ``changes`` are of the back end, or ``model_…``."""
    model = {name[6:]: value for name, value in changes.items() if name.startswith("model_")}
    backend = {name: value for name, value in changes.items() if not name.startswith("model_")}
    entry = LanguageModel(**{"backend": "here", "model": "m", "price_in": PRICE_IN, "price_out": PRICE_OUT, **model})
    place = Backend(**{"kind": "http", "base_url": address, "concurrency": 4, "timeout": 20.0, **backend})
    return Service("tiny", entry, place, cache, budget)


def say(text: str, max_tokens: int = 50, **fields: Any) -> Request:
    """Return a request of one turn."""
    return Request((Message("user", text),), max_tokens, **fields)


def prompt(folder: Path, text: str = PROMPT) -> Prompt:
    """Return a role's words from a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "colours.yaml"
    path.write_text(text, encoding="utf-8")
    return read_prompt(path)


def role_settings(address: str, cache: Path, role: dict[str, Any] | None = None, **backend: Any) -> RoleSettings:
    """Return the settings of a role on loopback."""
    return RoleSettings(
        role="extractor", name="tiny", settings=Role(**{"model": "tiny", **(role or {})}), budget=None,
        model=LanguageModel(backend="here", model="m", revision="r1", price_in=PRICE_IN, price_out=PRICE_OUT),
        backend=Backend(**{"kind": "http", "base_url": address, "concurrency": 4, **backend}), cache=str(cache),
    )  # fmt: skip


def asker(address: str, folder: Path, role: dict[str, Any] | None = None, **backend: Any) -> RoleAsker:
    """Return a role on loopback with its cache under ``folder``."""
    return RoleAsker(role_settings(address, folder / "cache", role, **backend), prompt(folder / "words"))


def question(text: str) -> Question[Colours]:
    """Return what the test's role is asked; a count that does not fit is rejected."""
    return Question(
        key=f"row {text}", prompt=f'Which colours are in "{text}"?', form=Colours,
        problems=lambda said: [] if said.count == len(said.colours) else ["count: it is not the number of colours"],
    )  # fmt: skip


def files_text(folder: Path) -> bytes:
    """Return all bytes of a folder."""
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def main() -> None:
    """Be a job: send requests "say 0" … "say N-1" and print the replies' texts as JSON."""
    address, cache, count, budget = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    with service(address, cache, float(budget) if budget != "none" else None) as model:
        replies = model.send([say(f"say {number}") for number in range(count)])
        print(json.dumps([getattr(reply, "text", None) for reply in replies]))


if __name__ == "__main__":
    main()
