"""True phrases -> one slot of each replaced from the lexicon of negatives: the editor "rules".

Slots are tried in an order drawn by the caption's key, so the edited one is drawn evenly among those that can be
edited. The replacement is drawn from what is true elsewhere in the source, as often as it is, so that a reader of the
text alone cannot tell the true phrase from the edited one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import polars as pl

from finer.keys import generator, shuffled, stable_key
from finer.negatives.candidates import Candidate, for_attribute, for_object, for_relation
from finer.negatives.heard import Heard
from finer.negatives.propose import Limits, scenes
from finer.negatives.scene import Row, Scene
from finer.preferences.phrases import clause
from finer.preferences.validate import STAGE, bare, fault
from finer.scenes.phrases import indefinite
from finer.schemas import DROPS, EDITS
from finer.store import drop, table_from

EDITOR = "rules"
_RULED_OUT_SHARE = 0.5  # of relations whose target could be another thing of the scene: how many take it
_CANDIDATES = {"object": for_object, "attribute": for_attribute, "relation": for_relation}


@dataclass(frozen=True)
class RuleEditor:
    """The editor "rules"; ``limits`` as for the negatives of benchmarks."""

    limits: Limits = Limits()

    def __call__(
        self, phrases: pl.DataFrame, elements: pl.DataFrame, captions: pl.DataFrame, source: str, seed: int
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return EDITS and DROPS, as ``finer.preferences.roles.Editor`` says."""
        heard = Heard(elements)
        known = {str(scene.rows[0]["image_id"]): scene for scene in scenes(elements, captions)}
        rows: list[dict[str, object]] = []
        drops: list[dict[str, str | None]] = []
        for phrase in phrases.iter_rows(named=True):
            edit = self._edit(phrase, known[phrase["image_id"]], heard, seed)
            if isinstance(edit, str):
                item = f"{phrase['phrase_id']}:{phrase['phrase_type']}"
                drops.append(drop(STAGE, source, item, edit, phrase["image_id"], phrase["text"]))
            else:
                rows.append(edit)
        return table_from(rows, EDITS), table_from(drops, DROPS)

    def _edit(self, phrase: Mapping[str, Any], scene: Scene, heard: Heard, seed: int) -> dict[str, object] | str:
        """Return a row of EDITS, or why the slot that was drawn first has no replacement."""
        first_reason = ""
        key = (phrase["caption_id"], phrase["phrase_type"])
        for slot in shuffled(range(len(phrase["slots"])), seed, *key, "slot"):
            element = scene.by_id[phrase["element_ids"][slot]]
            rng = generator(seed, *key, "edit", element["element_id"])
            reason = "no_category"
            for candidate, text in self._replacements(phrase, slot, element, scene, heard, rng):
                row = _row(phrase, slot, text, candidate.kind)
                broken = fault(row, phrase, scene)
                if broken is None:
                    return row
                reason = broken
            first_reason = first_reason or reason
        return first_reason

    def _replacements(
        self, phrase: Mapping[str, Any], slot: int, element: Row, scene: Scene, heard: Heard, rng: Random
    ) -> Iterator[tuple[Candidate, str]]:
        for found in _CANDIDATES[str(element["kind"])](scene, element, rng):
            if not found or heard.share(scene, element, found[0].kind) > self.limits.predictable:
                continue
            if rng.random() >= _RULED_OUT_SHARE:
                found = [replace(candidate, first=False) for candidate in found]
            for candidate in heard.order(scene, element, found, self.limits.unheard, rng):
                yield candidate, _worded(candidate, phrase, slot)


def _worded(candidate: Candidate, phrase: Mapping[str, Any], slot: int) -> str:
    """Return the candidate in the form of the slot: with the same number, article or agreement."""
    old = str(phrase["slots"][slot])
    if candidate.kind == "object":
        number = old.removesuffix(bare(old)).strip() if candidate.plural else ""
        return f"{number} {candidate.text}" if number else indefinite(candidate.text, candidate.plural)
    if candidate.kind == "attribute":
        return candidate.text
    return clause(candidate.text, str(candidate.target), phrase["subject_plural"])


def _row(phrase: Mapping[str, Any], slot: int, text: str, kind: str) -> dict[str, object]:
    slots = [text if place == slot else old for place, old in enumerate(phrase["slots"])]
    return {
        "edit_id": stable_key(phrase["phrase_id"], EDITOR, slot, text), "phrase_id": phrase["phrase_id"],
        "source": phrase["source"], "image_id": phrase["image_id"], "editor": EDITOR, "slot": slot,
        "element_id": phrase["element_ids"][slot], "negative_kind": kind, "original": phrase["slots"][slot],
        "replacement": text, "slots": slots,
    }  # fmt: skip
