"""Captions become scene graphs by a language model, in two stages: things with attributes, then their relations.

The model proposes, the rules of ``finer.scenes.extracted`` decide. Of a reply that is still at fault after the last
repair, what is sound stays, and each item that is not is a row of the table of drops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import polars as pl
from pydantic import BaseModel

from finer.chat.asking import Asker, Outcome, Question
from finer.chat.wording import load_prompt
from finer.scenes.captions import element_rows
from finer.scenes.extracted import Reading, read_links, read_things
from finer.scenes.forms import Links, Things
from finer.scenes.grounding import Caption, captions_read
from finer.schemas import DROPS, ELEMENTS
from finer.store import drop, table_from

STAGE = "scene_graph"
SOURCE = "caption_llm"
OBJECTS, RELATIONS = "extractor_objects", "extractor_relations"  # prompts
_Form = TypeVar("_Form", bound=BaseModel)


@dataclass
class Checked(Generic[_Form]):
    """Checks each reply to one question and remembers the last well-formed one, to keep what is sound of it."""

    check: Callable[[_Form], Sequence[str]]
    last: _Form | None = None

    def problems(self, form: _Form) -> Sequence[str]:
        """Return what is wrong with a reply, in words for the model."""
        self.last = form
        return self.check(form)

    def best(self, outcome: Outcome[_Form]) -> _Form | None:
        """Return the accepted reply, else the last that was well-formed, else None."""
        return self.last if outcome.value is None else outcome.value


@dataclass
class _Read:
    """One caption on its way."""

    caption_id: str
    image_id: str
    benchmark: str
    text: str
    caption: Caption
    things: Reading
    links: Reading | None = None
    failures: tuple[tuple[str, str], ...] = ()  # (reason, detail) of stages without any reply


def extract_by_model(
    captions: pl.DataFrame, parser: str, things: Asker, links: Asker
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return ELEMENTS and DROPS of the scene graphs of a table of CAPTIONS.

    Args:
        captions: CAPTIONS; several of one image are read one by one, an element that two state is kept once.
        parser: name of the spaCy pipeline that finds the caption's words.
        things: the role ``extractor`` with the prompt ``OBJECTS``.
        links: the same with the prompt ``RELATIONS``.
    """
    records = captions.sort("image_id", "caption_id").to_dicts()
    texts = [str(record["text"]) for record in records]
    reads = [
        _Read(str(r["caption_id"]), str(r["image_id"]), str(r["benchmark"]), str(r["text"]), caption, Reading())
        for r, caption in zip(records, captions_read(texts, parser), strict=True)
    ]
    _ask_things(reads, things)
    _ask_links([read for read in reads if len(read.things.graph.entities) > 1], links)
    rows: dict[object, dict[str, object]] = {}
    drops: list[dict[str, str | None]] = []
    for read in reads:
        graph = (read.links or read.things).graph
        for row in element_rows(graph, read.image_id, read.benchmark):
            rows.setdefault(row["element_id"], row | {"source": SOURCE})
        drops += _drops(read)
    return table_from(list(rows.values()), ELEMENTS), table_from(drops, DROPS)


def _ask_things(reads: Sequence[_Read], asker: Asker) -> None:
    def checked(read: _Read) -> Checked[Things]:
        return Checked(lambda form: read_things(form, read.caption).problems)

    checks = [checked(read) for read in reads]
    prompt = load_prompt(OBJECTS)
    questions = [
        Question(f"{read.caption_id}.objects", prompt.fill(caption=read.text), Things, problems=check.problems)
        for read, check in zip(reads, checks, strict=True)
    ]
    for read, check, outcome in zip(reads, checks, asker.ask(questions), strict=True):
        form = check.best(outcome)
        if form is None:
            read.failures = (*read.failures, (outcome.reason, f"objects: {outcome.detail}"))
        else:
            read.things = read_things(form, read.caption)


def _ask_links(reads: Sequence[_Read], asker: Asker) -> None:
    def checked(read: _Read) -> Checked[Links]:
        return Checked(lambda form: read_links(form, read.things, read.caption).problems)

    checks = [checked(read) for read in reads]
    prompt = load_prompt(RELATIONS)
    questions = [
        Question(
            f"{read.caption_id}.relations",
            prompt.fill(caption=read.text, objects=listed(read.things)),
            Links,
            problems=check.problems,
        )
        for read, check in zip(reads, checks, strict=True)
    ]
    for read, check, outcome in zip(reads, checks, asker.ask(questions), strict=True):
        form = check.best(outcome)
        if form is None:
            read.failures = (*read.failures, (outcome.reason, f"relations: {outcome.detail}"))
        else:
            read.links = read_links(form, read.things, read.caption)


def listed(things: Reading) -> str:
    """Return the things as the second stage shows them: "o1: cat, with a black color"."""
    return "\n".join(
        ", ".join([f"{key}: {entity.text}", *(attribute.text for attribute in entity.attributes)])
        for key, entity in things.by_id.items()
    )


def _drops(read: _Read) -> list[dict[str, str | None]]:
    found = [
        drop(STAGE, read.benchmark, fault.item, fault.reason, read.image_id, fault.told or None)
        for reading in (read.things, read.links)
        if reading is not None
        for fault in reading.faults
    ]
    found += [
        drop(STAGE, read.benchmark, item.phrase, item.reason, read.image_id)
        for item in (read.links or read.things).graph.dropped
    ]
    found += [
        drop(STAGE, read.benchmark, read.caption_id, reason, read.image_id, detail) for reason, detail in read.failures
    ]
    if not read.things.graph.entities and not read.failures:
        found.append(drop(STAGE, read.benchmark, read.caption_id, "no_objects", read.image_id))
    return found
