"""True phrases -> one slot of each replaced by a language model: the editor "llm".

The slot is drawn here, evenly, and given by its index. The model returns all items; the reply goes through the same
check as every edit (``finer.preferences.validate``), and what it breaks is sent back in words. What stays wrong is
dropped with the rule's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict

from finer.chat.asking import Question
from finer.keys import generator, stable_key
from finer.negatives.scene import Scene
from finer.preferences.model_phraser import reason_of
from finer.preferences.prompting import Prompting
from finer.preferences.validate import STAGE, fault, scenes_by_image
from finer.schemas import DROPS, EDITS
from finer.store import drop, table_from

#: the rule that an edit breaks -> what the model is told
TOLD: Mapping[str, str] = {
    "items_differ_in_number": "give as many items as there were, in their order",
    "no_item_changed": "the item that was to be replaced says the same as before",
    "other_item_changed": "an item that was not to be replaced has changed; keep the others to the letter",
    "several_items_changed": "several items have changed; keep all but one to the letter",
    "several_in_one_item": "the new item names more than one thing, or changes more than one thing of the old one",
    "negated": "the new item denies something; state something else instead",
    "in_caption": "what the new item says may be true: the caption mentions it",
    "synonym": "the new item means the same as the old one, or nearly; choose something clearly different",
    "unknown_value": "it is not clear that the new value excludes the old one; choose a plainer word",
}


class Items(BaseModel):
    """All items of the phrase after the edit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: list[str]


@dataclass(frozen=True)
class ModelEditor:
    """The editor "llm". The role's template has ``caption``, ``phrase``, ``items`` and ``index``."""

    role: Prompting

    def __call__(
        self, phrases: pl.DataFrame, elements: pl.DataFrame, captions: pl.DataFrame, source: str, seed: int
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return EDITS and DROPS, as ``finer.preferences.roles.Editor`` says; ``elements`` may be empty."""
        scenes = scenes_by_image(elements, captions)
        texts = dict(captions.select("caption_id", "text").iter_rows())
        asked = [(phrase, drawn_slot(phrase, seed)) for phrase in phrases.iter_rows(named=True)]
        outcomes = self.role.ask([
            self._question(phrase, slot, scenes[phrase["image_id"]], texts[phrase["caption_id"]])
            for phrase, slot in asked
        ])  # fmt: skip
        rows: list[dict[str, object]] = []
        drops: list[dict[str, str | None]] = []
        for (phrase, slot), outcome in zip(asked, outcomes, strict=True):
            if outcome.value is not None:
                rows.append(_row(phrase, slot, outcome.value.items, self.role.model))
            else:
                item = f"{phrase['phrase_id']}:{phrase['phrase_type']}"
                detail = f"{phrase['text']} ({outcome.detail})"
                drops.append(drop(STAGE, source, item, reason_of(outcome), phrase["image_id"], detail))
        return table_from(rows, EDITS), table_from(drops, DROPS)

    def _question(self, phrase: Mapping[str, Any], slot: int, scene: Scene, caption: str) -> Question[Items]:
        items = "\n".join(f"{place}: {text}" for place, text in enumerate(phrase["slots"]))
        model = self.role.model

        def problems(reply: Items) -> list[str]:
            broken = fault(_row(phrase, slot, reply.items, model), phrase, scene)
            return [] if broken is None else [f"{broken}: {TOLD[broken]}"]

        prompt = self.role.fill(caption=caption, phrase=phrase["text"], items=items, index=slot)
        return Question(f"{phrase['phrase_id']}:{slot}", prompt, Items, problems=problems)


def drawn_slot(phrase: Mapping[str, Any], seed: int) -> int:
    """Return the slot to be replaced, drawn evenly by the caption's key."""
    return generator(seed, phrase["caption_id"], phrase["phrase_type"], "slot").randrange(len(phrase["slots"]))


def _row(phrase: Mapping[str, Any], slot: int, items: list[str], model: str) -> dict[str, object]:
    """Return a row of EDITS; its items are as the model gave them."""
    replacement = items[slot] if slot < len(items) else ""
    return {
        "edit_id": stable_key(phrase["phrase_id"], model, slot, replacement), "phrase_id": phrase["phrase_id"],
        "source": phrase["source"], "image_id": phrase["image_id"], "editor": model, "slot": slot,
        "element_id": phrase["element_ids"][slot] if phrase["element_ids"] else None,
        "negative_kind": _kind(phrase["phrase_type"], phrase["slots"][slot], replacement),
        "original": phrase["slots"][slot], "replacement": replacement, "slots": items,
    }  # fmt: skip


def _kind(phrase_type: str, old: str, new: str) -> str:
    """Return what changed in an item: in "is lying on the chair", the target if the words before it stayed."""
    if phrase_type != "rel":
        return "object" if phrase_type == "obj" else "attribute"
    before = old.rpartition(" the ")[0]
    return "relation_object" if new.startswith(f"{before} the ") else "predicate"
