"""Prompt files -> conversations. A role's words are data with a version; their hash stands in each row made by them.

A file ``prompts/NAME.yaml`` holds::

    version: 1
    system: who the model is and what it must do
    template: |
      the question, with $fields
    examples:
      - fields: {caption: "A red cup."}
        reply: {objects: [cup]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finer.chat.canonical import canonical_json
from finer.chat.messages import Message
from finer.errors import InputError
from finer.keys import stable_key


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Example(_Data):
    fields: dict[str, str]
    reply: dict[str, Any]


class _PromptFile(_Data):
    version: int = Field(ge=1)
    system: str = Field(min_length=1)
    template: str = Field(min_length=1)
    examples: list[_Example] = []


class _Replies(_Data):
    version: int
    form: str
    repair: str


@dataclass(frozen=True)
class Prompt:
    """A role's words."""

    name: str
    version: int
    system: str
    template: str
    examples: tuple[tuple[str, str], ...]  # question, reply
    hash: str  # 16 hex digits over all that is in the file and the words around it

    def fill(self, **fields: object) -> str:
        """Return the question about one row.

        Raises:
            ValueError: the fields are not those of the template.
        """
        return _fill(self.template, fields)

    def conversation(self, question: str, images: tuple[Path, ...], schema: Mapping[str, Any] | None) -> list[Message]:
        """Return system text, examples and the question.

        Args:
            schema: JSON schema of the reply, if it must be told in words.
        """
        told = "" if schema is None else "\n\n" + _fill(_around().form, {"schema": canonical_json(schema)}).strip()
        turns = [Message("system", self.system.strip() + told)]
        for asked, replied in self.examples:
            turns += [Message("user", asked), Message("assistant", replied)]
        return [*turns, Message("user", question, images)]


def repair_turns(reply: str, problems: list[str]) -> list[Message]:
    """Return a reply that cannot be used and what is said to it."""
    said = _fill(_around().repair, {"problems": "\n".join(f"- {problem}" for problem in problems)})
    return [Message("assistant", reply or "(nothing)"), Message("user", said.strip())]


def load_prompt(name: str) -> Prompt:
    """Return a prompt of the package by its name."""
    return _load(name, resources.files(__package__).joinpath("prompts", f"{name}.yaml").read_text("utf-8"), name)


def read_prompt(path: str | Path) -> Prompt:
    """Read a prompt file.

    Raises:
        InputError: it is not a prompt file, or an example does not fit the template.
    """
    return _load(Path(path).stem, Path(path).read_text(encoding="utf-8"), path)


def _load(name: str, text: str, file: str | Path) -> Prompt:
    expected = "version, system, template, and examples of fields and reply"
    try:
        loaded = _PromptFile.model_validate(yaml.safe_load(text))
        examples = tuple(
            (_fill(loaded.template, one.fields), json.dumps(one.reply, ensure_ascii=False)) for one in loaded.examples
        )
    except (yaml.YAMLError, ValidationError, ValueError) as error:
        raise InputError("not a prompt", file=file, found=str(error), expected=expected) from None
    digest = stable_key(canonical_json(loaded.model_dump()), canonical_json(_around().model_dump()))
    return Prompt(name, loaded.version, loaded.system, loaded.template, examples, digest)


def _fill(template: str, fields: Mapping[str, object]) -> str:
    wanted = Template(template)
    if set(wanted.get_identifiers()) != set(fields):
        raise ValueError(f"fields {sorted(fields)}, but the template has {sorted(wanted.get_identifiers())}")
    return wanted.substitute({name: str(value) for name, value in fields.items()}).strip()


@cache
def _around() -> _Replies:
    source = resources.files(__package__).joinpath("prompts", "_replies.yaml")
    return _Replies.model_validate(yaml.safe_load(source.read_text("utf-8")))
