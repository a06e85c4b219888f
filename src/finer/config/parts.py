"""What of the configuration each rule depends on, as JSON: a rule gets only what it reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from finer.config.language import RoleName
from finer.config.rows import Rows
from finer.config.texts import compact
from finer.config.tuning import AT


class Parts(Rows):
    """The configuration, asked for parts of it."""

    def asking(self) -> str:
        """Return the settings that answers depend on, as JSON; how they are parsed and shown is not among them."""
        kept = {"prefix_reuse", "batch_tokens", "shard_items", "max_new_tokens"}
        return compact({"evaluation": self.evaluation.model_dump(include=kept)})

    def controls(self) -> str:
        """Return what decides which questions are asked again without seeing, as JSON."""
        kept = self.evaluation.model_dump(include={"answering", "control_pairs"})
        return compact({"seed": self.seed, "evaluation": kept})

    def proposing(self) -> str:
        """Return the settings that proposals of negatives depend on, as JSON."""
        kept = self.negatives.model_dump(include={"unheard", "predictable"})
        return compact({"seed": self.seed, "negatives": kept})

    def preferring(self, *keys: str) -> str:
        """Return the seed and some keys of ``preferences``, as JSON."""
        return compact({"seed": self.seed, "preferences": self.preferences.model_dump(include=set(keys))})

    def verifying(self) -> str:
        """Return the settings that checks of negatives depend on, as JSON."""
        kept = {"verification", "verifier", "entropy_threshold"}
        return compact(json.loads(self.asking()) | {"negatives": self.negatives.model_dump(include=kept)})

    def unverified(self) -> str:
        """Return the settings of negatives as if nobody had checked them, as JSON."""
        return compact({"negatives": self.negatives.model_copy(update={"verification": "none"}).model_dump()})

    def audited(self) -> dict[str, str]:
        """Benchmarks of the tables whose truth is known and whose negatives are verified -> their pool of scenes."""
        return {} if self.negatives.verification == "none" else self._pools(self.graphs())

    def calibrated_on(self) -> dict[str, str]:
        """Benchmarks for choosing thresholds whose truth is known -> their pool of scenes."""
        return self._pools(name for name, entry in self.benchmarks.items() if entry.role == "dev")

    def _pools(self, names: Iterable[str]) -> dict[str, str]:
        """Return, of benchmarks drawn from the micro world, the pool of scenes as in the paths of raw files."""
        raw = {name: re.fullmatch(r"\{results\}/raw/(\w+)/[^/]+", self.benchmarks[name].raw) for name in names}
        return {name: found[1] for name, found in raw.items() if found and self.world is not None}

    def layout(self, study: str | None = None, ablation: str | None = None) -> str:
        """Return what tables and figures depend on beside estimates, as JSON; of a study or an ablation, its own rows.

        ``models`` maps "model" or "model@adapter" to how the row is shown, in the order of the rows.
        """
        if study is not None:
            models: dict[str, dict[str, Any]] = {
                name: {"title": label} for name, label in self.studies[study].models.items()
            }
        else:
            models = {name: self._shown(name) for name in (self.rows if ablation is None else self._ablation(ablation))}
        benchmarks = {name: self.benchmarks[name].title for name in self.tests}
        shown = self.evaluation.model_dump(include={"answering", "parser"})
        shown |= {"models": models, "benchmarks": benchmarks, "confidence": self.statistics.confidence}
        if study is None and ablation is None:
            shown["parity"] = self.evaluation.parity.model_dump(include={"agreement", "gap"})
        if study is not None:
            shown["spread"] = self.studies[study].spread
        if ablation is not None:
            entry = self.ablations[ablation]
            shown["benchmarks"] = {entry.benchmark: benchmarks[entry.benchmark]}
            shown["ablation"] = {"title": entry.title, "columns": entry.columns}
            shown["ablation"]["rows"] = {f"{entry.model}{AT}{name}": labels for name, labels in entry.rows.items()}
        return json.dumps(shown, separators=(",", ":"))  # not sorted: tables keep the order of the file

    def _shown(self, row: str) -> dict[str, Any]:
        """Return how a row is named; a tuned one has the title of its adapter as its ``variant``."""
        model, _, adapter = row.partition(AT)
        entry = self.models[model]
        names = entry.model_dump(include={"title", "size", "published"})
        if entry.by_api:
            names |= {"scores": False, "comparable": entry.family is not None}
        return names | ({"variant": self.adapters[adapter].title} if adapter else {})

    def suite_layout(self, table: str) -> str:
        """Return what a table of suites depends on beside its estimates, as JSON; ``absent``: rows without answers."""
        names = self.suites_of(table)
        rows = self.suite_rows(*names)
        columns = {
            name: self.suites[name].model_dump(include={"module", "title", "column"})
            | {"absent": [row for row in rows if row not in self.suite_rows(name)]}
            for name in names
        }
        shown: dict[str, Any] = json.loads(self.layout())
        shown["models"] = {row: self._shown(row) for row in rows}
        return json.dumps(shown | {"suites": columns}, separators=(",", ":"))

    def judging(self) -> str:
        """Return what the table of two judges' agreement depends on beside it, as JSON, in the order of the file."""
        suites = {name: {"module": entry.module or name, "title": entry.title} for name, entry in self.suites.items()}
        return json.dumps({"suites": suites, "confidence": self.statistics.confidence}, separators=(",", ":"))

    def part(self, *keys: str) -> str:
        """Return some top-level keys as JSON with a stable order: what a rule depends on."""
        dumped = self.model_dump(mode="json")
        return compact({key: dumped[key] for key in keys})

    def _role_settings(self) -> dict[RoleName, str]:
        return {
            "extractor": self.scene_graphs.extractor, "proposer": self.negatives.proposer,
            "phraser": self.preferences.phraser, "editor": self.preferences.editor, "judge": self.evaluation.judge,
            "second_judge": self.evaluation.second_judge or "",
        }  # fmt: skip

    def role(self, name: RoleName, access: bool = True, model: str | None = None) -> str:
        """Return all that a role's jobs need to ask its model, as JSON; "" if no language model has the role.

        Without ``access`` it is what the replies depend on: a new budget or address is no reason to run a job again.
        Then ``chat_access`` must stand in the environment of the job (``finer.chat.roles.ACCESS``). ``model``: the one
        that has the role in this place, if not the one of ``chat.roles``.
        """
        if self._role_settings()[name] != "llm":
            return ""
        role = self.chat.role(name, model)
        if name == "second_judge":
            role["role"] = "judge"  # both judges are asked in the same words
        return compact(role | {"access": json.loads(self.chat_access())} if access else role)

    def chat_access(self) -> str:
        """Return where and how language models are reached, as JSON."""
        return compact(self.chat.access(self.resolve(self.chat.cache)))
