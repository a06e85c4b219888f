"""The stages as the configuration names them: who phrases, who edits, and the check that every edit goes through."""

from __future__ import annotations

import polars as pl

from finer.config import Preferences
from finer.preferences.edits import RuleEditor
from finer.preferences.phrases import rule_phrases
from finer.preferences.roles import Editor, Phraser
from finer.preferences.validate import validate

_PHRASERS: dict[str, Phraser] = {"rules": rule_phrases}


def state_phrases(
    captions: pl.DataFrame, elements: pl.DataFrame, source: str, settings: Preferences, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return PHRASES and DROPS of the configured phraser."""
    return _PHRASERS[settings.phraser](captions, elements, source, seed)


def edit_phrases(
    phrases: pl.DataFrame, elements: pl.DataFrame, captions: pl.DataFrame, source: str, settings: Preferences, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the EDITS of the configured editor that keep the rules, and DROPS of both steps."""
    editors: dict[str, Editor] = {"rules": RuleEditor(settings.balanced)}
    proposed, unedited = editors[settings.editor](phrases, elements, captions, source, seed)
    edits, refused = validate(proposed, phrases, elements, captions)
    return edits, pl.concat([unedited, refused])
