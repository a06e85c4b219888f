"""Items and responses of a judged suite -> what a judge is asked about each, worded by ``judge_prompts.yaml``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import polars as pl
import yaml

from finer.errors import InputError
from finer.keys import stable_key
from finer.scoring.judge_replies import REPLY_PARSERS
from finer.suites.suite import entry

QUESTION = ("item_id", "answering", "control")
ANSWER = (*QUESTION, "model", "variant")
_BETWEEN_REFERENCES = "; "


@dataclass(frozen=True)
class Request:
    """One question to a judge: the whole text, and the parts that it was made of."""

    suite: str
    prompt: str  # "<suite>.<wording> <version>"
    parser: str  # how the reply is to be read
    question: str
    references: tuple[str, ...]
    contents: tuple[str, ...]  # labels of what the picture shows
    reply: str  # the answer to be judged
    text: str

    @property
    def hash(self) -> str:
        """16 hex digits of all that a reply depends on."""
        return stable_key(self.prompt, self.text)


@cache
def _prompts() -> dict[str, Any]:
    source = resources.files(__package__).joinpath("judge_prompts.yaml")
    loaded: dict[str, Any] = yaml.safe_load(source.read_text("utf-8"))
    return loaded


def prompt_of(suite: str, wording: str) -> tuple[str, str, str]:
    """Return (name with version, parser, text) of a wording of a suite.

    Raises:
        InputError: the suite is not judged, or has no such wording.
    """
    found: Mapping[str, Mapping[str, str]] = _prompts()["suites"].get(suite, {})
    if wording not in found:
        raise InputError(
            "no such question to a judge", field=f"judge.{suite}.prompt", found=wording,
            expected=" | ".join(found) or "a suite that is judged", cure="name one of judge_prompts.yaml",
        )  # fmt: skip
    chosen = found[wording]
    if chosen["parser"] not in REPLY_PARSERS:
        raise InputError("no such parser of replies", field=f"{suite}.{wording}.parser", found=chosen["parser"],
                         expected=" | ".join(REPLY_PARSERS))  # fmt: skip
    return f"{suite}.{wording} {_prompts()['version']}", chosen["parser"], chosen["text"]


def requests_of(
    suite: str, wording: str, items: pl.DataFrame, responses: pl.DataFrame
) -> list[tuple[dict[str, str], Request]]:
    """Return (key of the response, request) of each response, sorted by key.

    The question is what the item's label ``question`` says, or the prompt where there is none; the reference of a
    question without references is its label ``details``.
    """
    prompt, parser, text = prompt_of(suite, wording)
    labels = [entry("labels", name) for name in ("question", "image_content", "details")]
    asked = items.select(*QUESTION, "prompt", "references", *labels)
    joined = responses.join(asked, on=list(QUESTION), how="inner").sort(*ANSWER)
    found = []
    for row in joined.iter_rows(named=True):
        question = row["question"] or row["prompt"]
        stated = row["references"] or ([] if row["details"] is None else [row["details"]])
        references, contents = tuple(stated), tuple(json.loads(row["image_content"] or "[]"))
        filled = text.format(
            question=question, reference=_BETWEEN_REFERENCES.join(references), reply=row["text"],
            contents=", ".join(contents),
        )  # fmt: skip
        request = Request(suite, prompt, parser, question, references, contents, row["text"], filled)
        found.append(({name: row[name] for name in ANSWER}, request))
    return found
