"""Commands that rules and pages give: each names a verb that there is, with all of its options and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from finer.cli.verb import VERBS
from presets import ROOT

RULES = sorted((ROOT / "workflow/rules").glob("*.smk"))
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
NAMED = re.compile(r"python3? -m finer(?!\.)\s+([a-z][a-z-]+(?: (?:build|lock|check)\b)?)")


def shells(file: Path) -> list[str]:
    """Return the text of each rule's command."""
    blocks = re.split(r"^ *shell:\n", file.read_text(), flags=re.MULTILINE)[1:]
    return ["".join(re.findall(r'^ +"(.*)"$', re.split(r"\n\n", block)[0], re.MULTILINE)) for block in blocks]


def options(verb: str) -> tuple[set[str], set[str]]:
    """Return a verb's options, and those that must be given."""
    known = VERBS[verb][1]
    return {name for name, _ in known}, {name for name, details in known if details.get("required")}


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.stem)
def test_rules_call_verbs_with_their_options(file: Path) -> None:
    for shell in shells(file):
        found = re.search(r"(?:python -m|\{params\.launcher\}) finer ([a-z-]+)", shell)
        if found is None:  # a rule for several verbs, `{params.verb}`
            continue
        verb = found[1]
        assert verb in VERBS, f"{file.name}: no verb '{verb}'"
        known, required = options(verb)
        given = set(re.findall(r"(--[a-z][a-z-]*)", shell))
        assert given <= known and required <= given, f"{file.name}: {verb}: {sorted(given - known | required - given)}"


def test_every_rule_file_s_commands_are_read() -> None:
    assert sum(len(shells(file)) for file in RULES) > 60
    assert all("finer" in shell for file in RULES for shell in shells(file))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_name_verbs_that_there_are(page: Path) -> None:
    for name in NAMED.findall(page.read_text(encoding="utf-8")):
        verb = name if name in VERBS else name.replace(" ", "-")
        assert verb in VERBS, f"{page.name}: no verb '{name}'"
