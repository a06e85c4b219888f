"""Captions -> true phrases by a language model: the phraser "llm".

Each caption and type is one question. The reply names objects, attributes and relations apart, so that the phrase is
put together here, in the same form as by rule; what it names must be stated by the caption's own words
(``finer.preferences.stated``). Violations are sent back; what stays wrong is dropped with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import polars as pl

from finer.chat.asking import Outcome, Question
from finer.keys import generator, stable_key
from finer.preferences.phrase_forms import (
    FORMS,
    Attributes,
    Objects,
    PhraseForm,
    Relations,
    Sentence,
    Side,
    problems_of,
)
from finer.preferences.phrases import SLOT, STAGE, clause, filled, frame_of
from finer.preferences.prompting import Prompting
from finer.queries import wording
from finer.scenes import phrases as english
from finer.schemas import DROPS, PHRASE_TYPES, PHRASES
from finer.store import drop, table_from

NOTHING = "nothing_stated"


@dataclass(frozen=True)
class Worded:
    """A phrase before it becomes a row."""

    frame: tuple[str, ...]
    slots: tuple[str, ...]
    subject: str | None = None
    plural: bool = False
    question: tuple[str, ...] | None = None
    answer: str | None = None


@dataclass(frozen=True)
class ModelPhraser:
    """The phraser "llm". The role's template has ``kind`` and ``caption``."""

    role: Prompting

    def __call__(
        self, captions: pl.DataFrame, elements: pl.DataFrame, source: str, seed: int
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return PHRASES and DROPS, as ``finer.preferences.roles.Phraser`` says; ``elements`` are not needed."""
        asked = [(row, kind) for row in _sorted(captions) for kind in PHRASE_TYPES]
        outcomes = self.role.ask([self._question(row, kind) for row, kind in asked])
        rows: list[dict[str, object]] = []
        drops: list[dict[str, str | None]] = []
        for (row, kind), outcome in zip(asked, outcomes, strict=True):
            made = _worded(outcome, kind, generator(seed, row["caption_id"], kind, "llm"))
            if isinstance(made, Worded):
                rows.append(_row(made, self.role.model, source, row, kind))
            else:
                item = f"{row['caption_id']}:{kind}"
                drops.append(drop(STAGE, source, item, made, row["image_id"], outcome.detail or None))
        return table_from(rows, PHRASES), table_from(drops, DROPS)

    def _question(self, row: dict[str, Any], kind: str) -> Question[PhraseForm]:
        caption = row["text"]
        return Question(
            key=f"{row['caption_id']}:{kind}", prompt=self.role.fill(kind=kind, caption=caption), form=FORMS[kind],
            problems=lambda reply: problems_of(reply, caption),
        )  # fmt: skip


def reason_of(outcome: Outcome[Any]) -> str:
    """Return why there is no value: the fixed word of the last problem, or the outcome's reason."""
    if outcome.reason != "rejected":
        return outcome.reason
    return outcome.detail.partition(":")[0]


def _sorted(captions: pl.DataFrame) -> list[dict[str, Any]]:
    return captions.sort("image_id", "caption_id").to_dicts()


def _worded(outcome: Outcome[PhraseForm], kind: str, rng: Random) -> Worded | str:
    """Return the phrase, or why there is none."""
    match outcome.value:
        case None:
            return reason_of(outcome)
        case Objects(objects=[_, *_] as objects):
            return Worded(frame_of(english.listed(_gaps(objects))), tuple(objects))
        case Attributes(attributes=[_, *_] as attributes) as said:
            name = english_name(said.object)
            frame = frame_of(english.attributes_phrase(name, _gaps(attributes)))
            return Worded(frame, tuple(attributes), name, english.takes_plural(name, said.plural))
        case Relations(relations=[_, *_] as relations) as said:
            name = english_name(said.object)
            plural = english.takes_plural(name, said.plural)
            slots = tuple(clause(one.relation, english_name(one.target), plural) for one in relations)
            frame = frame_of(f"{english.definite(name)} that {english.listed(_gaps(slots))}")
            return Worded(frame, slots, name, plural)
        case Sentence() as said:
            return _asked(said, rng)
        case _:
            return NOTHING


def _gaps(slots: Sequence[object]) -> list[str]:
    return [SLOT] * len(slots)


def _asked(sentence: Sentence, rng: Random) -> Worded | str:
    """Return the sentence with the attributes of the side that its question names as slots; the side is drawn."""
    subject, target, relation = sentence.subject, sentence.target, sentence.relation
    if sentence.skip or subject is None or target is None or relation is None:
        return "skipped"
    possible = [asks_subject for asks_subject, named in ((True, target), (False, subject)) if named.attributes]
    if not possible:
        return "no_attribute_of_either_object"
    asks_subject = rng.choice(possible)
    named, answer = (target, subject) if asks_subject else (subject, target)
    name, other = english_name(named.name), english_name(answer.name)
    slots = tuple(named.attributes)
    gap = english.attributes_phrase(name, _gaps(slots))
    said = english.attributes_phrase(other, answer.attributes)
    first, last = (said, gap) if asks_subject else (gap, said)
    text = english.capitalised(f"{first} {english.agreed(relation, _plural(subject))} {last}")
    question = wording.wh_question(relation, gap, _plural(named), asks_subject, other)
    return Worded(
        frame_of(text), slots, name, _plural(named), frame_of(question),
        wording.wh_answer(other, answer.attributes),
    )  # fmt: skip


def english_name(text: str) -> str:
    """Return a name without an article."""
    first, _, rest = text.strip().partition(" ")
    return rest if rest and first.lower() in ("a", "an", "the") else text.strip()


def _plural(side: Side) -> bool:
    return english.takes_plural(english_name(side.name), side.plural)


def _row(made: Worded, model: str, source: str, row: dict[str, Any], kind: str) -> dict[str, object]:
    text = filled(made.frame, made.slots)
    asked = None if made.question is None else filled(made.question, made.slots)
    return {
        "phrase_id": stable_key(row["caption_id"], kind, model, text, asked), "source": source,
        "image_id": row["image_id"], "caption_id": row["caption_id"], "phrase_type": kind, "phraser": model,
        "text": text, "frame": list(made.frame), "slots": list(made.slots), "element_ids": [],
        "subject": made.subject, "subject_id": None, "subject_plural": made.plural,
        "question": None if made.question is None else list(made.question), "answer": made.answer,
    }  # fmt: skip
