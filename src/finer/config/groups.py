"""Which suites are asked, judged and scored together: by one job a model, since each start costs more than its work.

A table's suites are one group. The ablations' variants are asked two suites only, unless they are rows of the tables
and were asked already. Models whose answers are read from files have a group a table, of what is given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from finer.config.tuning import AT

if TYPE_CHECKING:
    from finer.config.rows import Rows

SuiteTable = Literal["hallucination", "general"]
ABLATION = "ablation"
ABLATION_MODULES = ("repope", "mmstar")  # the suites beside the paper's ablations


@dataclass(frozen=True)
class Group:
    """Suites, and the models ("model" or "model@adapter") whose answers to them are one job's."""

    suites: tuple[str, ...]
    models: tuple[str, ...]
    asked: bool = True  # else read from files

    @property
    def pattern(self) -> str:
        """A wildcard pattern of the models."""
        return "|".join(map(re.escape, self.models))


def suite_groups(config: Rows) -> dict[str, Group]:
    """Return the groups by name. Each model has each suite in one group at most."""
    groups: dict[str, Group] = {}
    ablated = ablated_only(config)
    everyone = [*(name for name in config.models if name not in config.imported), *config.tuned()]
    for table in get_args(SuiteTable):
        names = config.suites_of(table)
        if names:
            groups[table] = Group(tuple(names), tuple(name for name in everyone if name not in ablated))
        for model in config.imported:
            given = tuple(name for name in names if name in config.models[model].predictions)
            if given:
                groups[f"{table}_of_{model}"] = Group(given, (model,), asked=False)
    beside = ablation_suites(config)
    if beside and ablated:
        groups[ABLATION] = Group(tuple(beside), tuple(ablated))
    return groups


def ablation_suites(config: Rows) -> list[str]:
    """Return the suites that ablations show, if there are ablations."""
    return [
        name for name, entry in config.suites.items() if config.ablations and (entry.module or name) in ABLATION_MODULES
    ]


def ablation_rows(config: Rows) -> list[str]:
    """Return the rows of all ablations, each once."""
    found: dict[str, None] = {}
    for ablation in config.ablations.values():
        tuned = (f"{ablation.model}{AT}{adapter}" for adapter in ablation.rows)
        found.update(dict.fromkeys((ablation.model, *tuned)))
    return list(found)


def ablated_only(config: Rows) -> list[str]:
    """Return the rows of ablations that are no rows of the tables."""
    return [row for row in ablation_rows(config) if row not in config.rows]


def estimates_plan(config: Rows) -> dict[str, dict[str, Any]]:
    """Return, per file of estimates of suites, which suite's they are, and the items and verdicts that they take."""

    def entry(suite: str, rows: Sequence[str]) -> dict[str, Any]:
        wordings = dict.fromkeys(config.wording(suite, row) for row in rows)
        return {
            "suite": suite,
            "module": config.suites[suite].module or suite,
            "asked": [f"{config.root}/items/suites/{suite}.{wording}.parquet" for wording in wordings],
            "verdicts": [f"{config.root}/verdicts/{row}/suites.{suite}.parquet" for row in rows],
        }

    plan = {suite: entry(suite, config.suite_rows(suite)) for suite in config.suites}
    return plan | {f"{ABLATION}.{name}": entry(name, ablation_rows(config)) for name in ablation_suites(config)}
