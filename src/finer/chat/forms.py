"""Typed forms of replies: a JSON schema that back ends hold a model to, and the check of what came."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Form = TypeVar("Form", bound=BaseModel)
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)  # some models think aloud before they reply
_FENCE = re.compile(r"\A```\w*\n(.*?)\n?```\Z", re.DOTALL)
_DROPPED = ("default", "title")  # strict servers refuse the one, the other says what the name says
_MOST_PROBLEMS = 10


@cache
def strict_schema(form: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a form in which every object names all its properties and allows no others.

    Descriptions of fields stay; a docstring of a form is for the reader of the code, and no edit of it is paid for.

    Raises:
        TypeError: a field is a mapping with free keys, which no strict server accepts.
    """
    schema: dict[str, Any] = _strict(form.model_json_schema(), form.__name__)
    return {**schema, "title": form.__name__}


def _strict(node: Any, where: str) -> Any:
    if isinstance(node, list):
        return [_strict(part, where) for part in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "object" and "properties" not in node and "additionalProperties" in node:
        raise TypeError(f"{where}: a mapping with free keys has no strict schema; use a list of records")
    apart = (*_DROPPED, "properties", *(("description",) if "properties" in node else ()))
    kept = {key: _strict(value, f"{where}.{key}") for key, value in node.items() if key not in apart}
    if "properties" in node:
        fields = node["properties"]  # a field may itself be named `title` or `default`
        kept["properties"] = {name: _strict(value, f"{where}.{name}") for name, value in fields.items()}
    if node.get("type") == "object":
        kept |= {"properties": kept.get("properties", {}), "additionalProperties": False}
        kept["required"] = list(kept["properties"])
    return kept


def read_reply(text: str, form: type[Form]) -> tuple[Form | None, list[str]]:
    """Return (value, no problems), or (None, problems in words) of a reply.

    A fence or words around the JSON object are forgiven; wrong types, missing and unknown fields are not.
    """
    bare = _json_in(text)
    if bare is None:
        return None, ["it holds no JSON object"]
    try:
        return form.model_validate_json(bare, strict=True, extra="forbid"), []
    except ValidationError as error:
        return None, [_words(one) for one in error.errors(include_url=False)[:_MOST_PROBLEMS]]


def _json_in(text: str) -> str | None:
    bare = _THOUGHT.sub("", text).strip()
    if fenced := _FENCE.match(bare):
        bare = fenced[1].strip()
    start, end = bare.find("{"), bare.rfind("}")
    return bare[start : end + 1] if 0 <= start < end else None


def _words(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    return f"{place}: {error['msg']}" if place else str(error["msg"])
