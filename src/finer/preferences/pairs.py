"""Phrases and edits -> preference pairs: each edit asks for what is true, and for what is not.

Positive query: the chosen answer affirms, the rejected one corrects what needs no correction. Negative query: the
chosen answer corrects, the rejected one affirms what is false. The sentences are in ``wordings.yaml``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import polars as pl
import yaml

from finer.keys import generator, stable_key
from finer.preferences.image_class import image_class
from finer.preferences.phrases import filled
from finer.scenes.phrases import agreed, capitalised, definite
from finer.schemas import PREFERENCES
from finer.store import table_from

_WORDINGS = yaml.safe_load((resources.files("finer.preferences") / "wordings.yaml").read_text(encoding="utf-8"))
VERSION: int = _WORDINGS["version"]
LISTS: list[dict[str, str]] = _WORDINGS["lists"]
Said = tuple[str, str, str, str]  # polarity, question, chosen, rejected


def preference_pairs(
    phrases: pl.DataFrame, edits: pl.DataFrame, captions: pl.DataFrame, images: pl.DataFrame, seed: int
) -> pl.DataFrame:
    """Return PREFERENCES: two rows an edit, the positive query first.

    Args:
        phrases, edits: PHRASES, and EDITS that were validated.
        captions: CAPTIONS, from which the class of each image is told.
        images: IMAGES; without image files the file name stands for the path.
        seed: the config's seed.
    """
    by_id = {row["phrase_id"]: row for row in phrases.iter_rows(named=True)}
    classes = {caption_id: image_class(text) for caption_id, text in captions.select("caption_id", "text").iter_rows()}
    paths = dict(images.select("image_id", pl.coalesce("path", "file_name")).iter_rows())
    rows = []
    for edit in edits.iter_rows(named=True):
        phrase = by_id[edit["phrase_id"]]
        wording = None if phrase["phrase_type"] == "wh" else drawn_wording(edit["edit_id"], seed)
        for polarity, question, chosen, rejected in sayings(phrase, edit, wording):
            rows.append({
                "preference_id": stable_key(edit["edit_id"], polarity), "source": edit["source"],
                "image_id": edit["image_id"], "image_path": paths[edit["image_id"]],
                "image_class": classes[phrase["caption_id"]], "caption_id": phrase["caption_id"],
                "phrase_id": edit["phrase_id"], "edit_id": edit["edit_id"], "phrase_type": phrase["phrase_type"],
                "polarity": polarity, "wording": wording, "question": question, "chosen": chosen,
                "rejected": rejected,
            })  # fmt: skip
    return table_from(rows, PREFERENCES)


def drawn_wording(edit_id: str, seed: int) -> int:
    """Return which of the wordings a pair has."""
    return generator(seed, edit_id, "wording").randrange(len(LISTS))


def sayings(phrase: Mapping[str, Any], edit: Mapping[str, Any], wording: int | None) -> Iterator[Said]:
    """Yield the positive and the negative query with their answers."""
    if wording is None:
        yield from _wh(phrase, edit)
        return
    true, false = phrase["text"], filled(phrase["frame"], edit["slots"])
    said = LISTS[wording]
    question, yes, no = said["question"], said["affirm"], said["correct"]
    yield "positive", question.format(phrase=true), yes.format(phrase=true), no.format(phrase=false)
    yield "negative", question.format(phrase=false), no.format(phrase=true), yes.format(phrase=false)


def _wh(phrase: Mapping[str, Any], edit: Mapping[str, Any]) -> Iterator[Said]:
    answer, subject, plural = phrase["answer"], phrase["subject"], phrase["subject_plural"]
    true, false = edit["original"], edit["replacement"]
    asked, misled = filled(phrase["question"], phrase["slots"]), filled(phrase["question"], edit["slots"])
    yield "positive", asked, answer, correction(subject, plural, denied=true, affirmed=false)
    yield "negative", misled, correction(subject, plural, denied=false, affirmed=true), answer


def correction(subject: str, plural: bool, denied: str, affirmed: str) -> str:
    """Return "The ball does not have a blue color, but has a red color."."""
    having = denied.startswith("with ") and affirmed.startswith("with ")
    sentence: str = _WORDINGS["corrections"]["with" if having else "other"]
    if having:
        denied, affirmed = denied.removeprefix("with "), affirmed.removeprefix("with ")
    return capitalised(
        sentence.format(
            object=definite(subject), be=agreed("is", plural), have=agreed("has", plural),
            do="do" if plural else "does", denied=denied, affirmed=affirmed,
        )
    )  # fmt: skip
