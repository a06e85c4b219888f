"""How a verb is declared, and how it gets its part of the configuration."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from finer.errors import InputError

Arguments = argparse.Namespace
VERBS: dict[str, tuple[Callable[[Arguments], int | None], tuple[tuple[str, dict[str, Any]], ...]]] = {}


def verb(*options: str | tuple[str, dict[str, Any]]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a verb. An option's name ends in ``*`` if it takes any number of values, ``?`` if it may be absent."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        parsed: list[tuple[str, dict[str, Any]]] = []
        for option in options:
            name, details = option if isinstance(option, tuple) else (option, {})
            bare = name.rstrip("*?")
            nargs = {"nargs": "*", "default": []} if name.endswith("*") else {}
            required = {} if name.endswith(("*", "?")) else {"required": True}
            parsed.append((f"--{bare}", {**nargs, **required, **details}))
        VERBS[function.__name__.replace("_", "-")] = (function, tuple(parsed))
        return function

    return register


def comparing(texts: Sequence[str], model: str) -> dict[str, Any]:
    """Read ``--config`` for comparing engines on a model: its part as JSON, or files laid over one another."""
    if texts and texts[0].lstrip().startswith("{"):
        part: dict[str, Any] = json.loads(texts[0])
        return part
    from finer.config.overlay import load_files

    try:
        whole: dict[str, Any] = json.loads(load_files(texts).comparing(model))
    except ValueError as error:
        raise InputError(str(error), file=", ".join(texts), field="model", cure="see docs/new-model.md") from None
    return whole


def settings(text: str) -> dict[str, Any]:
    """Read ``--config``: a part of the configuration as JSON, or the path of a whole configuration file."""
    if text.lstrip().startswith("{"):
        values: dict[str, Any] = json.loads(text)
        return values
    import yaml

    from finer.config import parse

    try:
        loaded = yaml.safe_load(Path(text).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError("cannot be read", file=text, found=str(error), expected="a configuration file") from error
    return parse(loaded, text).model_dump(mode="json")
