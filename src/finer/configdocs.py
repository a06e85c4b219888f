"""The configuration's JSON schema and the table in the docs, both generated from the typed classes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from finer.config import Config

HEADER = """# Configuration

`config.yaml` is the one file a user edits; `workflow/presets/*.yaml` are overlays of it, given with `--configfile`.
Unknown keys, wrong types and contradictions are refused with the key, the value found and the cure.
`NAME` stands for a name of your own. The JSON schema is `workflow/config.schema.json`. Both are generated:
`python -m finer config-docs`.

| key | type | default | meaning |
| --- | --- | --- | --- |
"""


def json_schema() -> str:
    """Return the JSON schema of config.yaml, with a stable layout."""
    return json.dumps(Config.model_json_schema(), indent=2, sort_keys=True) + "\n"


def markdown() -> str:
    """Return the page of the docs that lists every key."""
    rows = (f"| `{key}` | {kind} | {default} | {meaning} |" for key, kind, default, meaning in _rows(Config, ""))
    return HEADER + "\n".join(rows) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, info in model.model_fields.items():
        key = f"{prefix}{name}"
        inner, named = _section(info.annotation)
        if inner is None:
            yield key, _kind(info.annotation), _default(info.default), _cell(info.description or "")
        else:
            # pydantic inherits no docstring: a section always has its own
            meaning = info.description or (inner.__doc__ or "").strip().splitlines()[0]
            yield key, "section" if not named else "sections", _default(info.default), _cell(meaning)
            yield from _rows(inner, f"{key}.NAME." if named else f"{key}.")


def _section(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """Return the section class of a field, and whether it is a mapping of names to sections."""
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    for option in options:
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option, False
        if get_origin(option) is dict:
            value = get_args(option)[1]
            if isinstance(value, type) and issubclass(value, BaseModel):
                return value, True
    return None, False


def _kind(annotation: Any) -> str:
    text = getattr(annotation, "__name__", None) if get_origin(annotation) is None else str(annotation)
    text = (text or str(annotation)).replace("typing.", "").replace("Annotated", "")
    return _cell(text.replace("NoneType", "None"))


def _default(default: Any) -> str:
    if default is PydanticUndefined:
        return "required"
    if isinstance(default, BaseModel):
        return "see below"
    return f"`{json.dumps(default)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
