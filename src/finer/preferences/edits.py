"""True phrases -> one slot of each replaced from the lexicon of negatives: the editor "rules".

Slots are tried in an order drawn by the caption's key, so the edited one is drawn evenly among those that can be
edited. The replacement is drawn from what is true elsewhere in the source, as often as it is, so that a reader of the
text alone cannot tell the true phrase from the edited one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from finer.keys import generator, shuffled, stable_key
from finer.negatives.candidates import Candidate, for_attribute, for_object, for_relation
from finer.negatives.propose import nothing
from finer.negatives.scene import Row, Scene
from finer.preferences.draws import Frequencies, could_be_drawn
from finer.preferences.phrases import clause
from finer.preferences.validate import STAGE, bare, fault, scenes_by_image
from finer.scenes.phrases import head, indefinite, number_free
from finer.schemas import DROPS, EDITS
from finer.store import drop, table_from

EDITOR = "rules"
_RULED_OUT_SHARE = 0.5  # of relations whose target could be another thing of the scene: how many take it
_TWO_MEANINGS = frozenset({"glasses"})  # to drink from, or to see through: the lexicon knows the former only
_CANDIDATES = {"object": for_object, "attribute": for_attribute, "relation": for_relation}


@dataclass(frozen=True)
class RuleEditor:
    """The editor "rules".

    ``balanced``: only edits that the text alone does not tell (``finer.preferences.draws``); else these where there
    are any, and other plausible ones where not.
    """

    balanced: bool = True

    def __call__(
        self, phrases: pl.DataFrame, elements: pl.DataFrame, captions: pl.DataFrame, source: str, seed: int
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return EDITS and DROPS, as ``finer.preferences.roles.Editor`` says."""
        frequencies = Frequencies(elements)
        known = scenes_by_image(elements, captions)
        rows: list[dict[str, object]] = []
        drops: list[dict[str, str | None]] = []
        for phrase in phrases.iter_rows(named=True):
            scene = known[phrase["image_id"]]
            edit = _edit(phrase, scene, frequencies, seed, balanced=True)
            if isinstance(edit, str) and not self.balanced:
                edit = _edit(phrase, scene, frequencies, seed, balanced=False)
            if isinstance(edit, str):
                item = f"{phrase['phrase_id']}:{phrase['phrase_type']}"
                drops.append(drop(STAGE, source, item, edit, phrase["image_id"], phrase["text"]))
            else:
                rows.append(edit)
        return table_from(rows, EDITS), table_from(drops, DROPS)


def _edit(
    phrase: Mapping[str, Any], scene: Scene, frequencies: Frequencies, seed: int, balanced: bool
) -> dict[str, object] | str:
    """Return a row of EDITS, or why the slot that was drawn first has no replacement."""
    reasons = []
    for slot in shuffled(range(len(phrase["slots"])), seed, phrase["caption_id"], phrase["phrase_type"], "slot"):
        element = scene.by_id[phrase["element_ids"][slot]]
        edit = _edit_of(phrase, slot, element, scene, frequencies, seed, balanced)
        if not isinstance(edit, str):
            return edit
        reasons.append(edit)
    return reasons[0]


def _edit_of(
    phrase: Mapping[str, Any], slot: int, element: Row, scene: Scene, frequencies: Frequencies, seed: int,
    balanced: bool,
) -> dict[str, object] | str:  # fmt: skip
    key = (phrase["caption_id"], phrase["phrase_type"], "edit", element["element_id"])
    rng = generator(seed, *key)
    reasons = []
    for found in _CANDIDATES[str(element["kind"])](scene, element, rng):
        if rng.random() >= _RULED_OUT_SHARE:
            found = [replace(candidate, first=False) for candidate in found]
        if not found or not _takes_edits(element):
            reasons.append(nothing(element))
        elif balanced and not could_be_drawn(scene, element, found[0].kind):
            reasons.append("could_not_be_drawn")
        else:
            reasons.append("true_value_drawn")
            for candidate in frequencies.drawn(scene, element, found, seed, *key, balanced=balanced):
                row = _row(phrase, slot, _worded(candidate, phrase, slot), candidate.kind)
                broken = fault(row, phrase, scene)
                if broken is None:
                    return row
                reasons[-1] = broken
    return reasons[0]


def _takes_edits(element: Row) -> bool:
    """Tell whether the lexicon's names fit in the element's place."""
    noun = head(str(element["text"]))
    if element["category"] == "part" and element["kind"] == "attribute":
        singular = number_free(noun) == noun
        return not (singular and indefinite(noun) == noun)  # "with curly hair": "with curly beard" lacks an article
    return noun not in _TWO_MEANINGS


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
