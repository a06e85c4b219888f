"""Stating and editing by rule, and the check that every edit goes through, whoever proposed it."""

from __future__ import annotations

import polars as pl

from finer.config import Preferences
from finer.preferences.edits import RuleEditor
from finer.preferences.phrases import rule_phrases
from finer.preferences.roles import Editor
from finer.preferences.validate import validate


def state_phrases(
    captions: pl.DataFrame, elements: pl.DataFrame, source: str, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return PHRASES and DROPS of the phraser "rules"."""
    return rule_phrases(captions, elements, source, seed)


def edit_phrases(
    phrases: pl.DataFrame, elements: pl.DataFrame, captions: pl.DataFrame, source: str, settings: Preferences, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the EDITS of the editor "rules" that keep the rules, and DROPS of both steps."""
    return checked_edits(RuleEditor(settings.balanced), phrases, elements, captions, source, seed)


def checked_edits(
    editor: Editor, phrases: pl.DataFrame, elements: pl.DataFrame, captions: pl.DataFrame, source: str, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the EDITS of an editor that keep the rules, and DROPS of both steps."""
    proposed, unedited = editor(phrases, elements, captions, source, seed)
    edits, refused = validate(proposed, phrases, elements, captions)
    return edits, pl.concat([unedited, refused])
