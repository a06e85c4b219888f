"""The stages as the configuration names them: who phrases, who edits, and the check that every edit goes through."""

from __future__ import annotations

import polars as pl

from finer.config import Preferences
from finer.errors import InputError
from finer.preferences.edits import RuleEditor
from finer.preferences.model_editor import ModelEditor
from finer.preferences.model_phraser import ModelPhraser
from finer.preferences.phrases import rule_phrases
from finer.preferences.roles import Editor, Phraser, Prompting
from finer.preferences.validate import validate


def state_phrases(
    captions: pl.DataFrame, elements: pl.DataFrame, source: str, settings: Preferences, seed: int,
    role: Prompting | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:  # fmt: skip
    """Return PHRASES and DROPS of the configured phraser; ``role``: the language model, if one phrases."""
    phraser: Phraser = rule_phrases
    if settings.phraser == "llm":
        phraser = ModelPhraser(_given(role, "phraser"))
    return phraser(captions, elements, source, seed)


def edit_phrases(
    phrases: pl.DataFrame, elements: pl.DataFrame, captions: pl.DataFrame, source: str, settings: Preferences,
    seed: int, role: Prompting | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:  # fmt: skip
    """Return the EDITS of the configured editor that keep the rules, and DROPS of both steps."""
    editor: Editor = RuleEditor(settings.balanced)
    if settings.editor == "llm":
        editor = ModelEditor(_given(role, "editor"))
    proposed, unedited = editor(phrases, elements, captions, source, seed)
    edits, refused = validate(proposed, phrases, elements, captions)
    return edits, pl.concat([unedited, refused])


def _given(role: Prompting | None, name: str) -> Prompting:
    if role is None:
        raise InputError("no language model has this role", field=f"preferences.{name}", found="llm",
                         expected=f"settings of chat.roles.{name}", cure="give them, or set it to rules")  # fmt: skip
    return role
