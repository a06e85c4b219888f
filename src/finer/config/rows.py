"""What a configuration names: models, rows of tables, benchmarks and suites in their order, and where files are."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationError

from finer.config.keys import Keys
from finer.config.sections import (
    CAPTIONED,
)
from finer.config.texts import explain, pattern
from finer.config.tuning import AT, Training


class Rows(Keys):
    """The configuration, asked for what it names."""

    @property
    def root(self) -> str:
        """Folder of this preset's results."""
        return f"{self.results}/{self.preset}"

    @property
    def subjects(self) -> list[str]:
        """Models that are asked and are rows of the tables, in the order of the file."""
        return [name for name, model in self.models.items() if model.role == "subject" and not model.predictions]

    @property
    def imported(self) -> list[str]:
        """Models that are not asked: their answers to some suites are read from files."""
        return [name for name, model in self.models.items() if model.predictions]

    def training(self, model: str, adapter: str) -> Training:
        """Return the settings that an adapter is trained with for a model."""
        entry = self.adapters[adapter]
        values = self.tuning.model_dump() | entry.training | entry.per_model.get(model, {})
        try:
            return Training.model_validate(values)
        except ValidationError as error:
            raise ValueError(f"adapters.{adapter} for {model}: {explain(error)}") from None

    def tuned(self, *roles: str) -> list[str]:
        """Return "model@adapter" for each adapter with one of the roles (all roles if none is named)."""
        return [
            f"{model}{AT}{name}"
            for name, adapter in self.adapters.items() if not roles or adapter.role in roles
            for model in adapter.models
        ]  # fmt: skip

    @property
    def rows(self) -> list[str]:
        """Rows of the tables in their order: each subject, then the subject with each main adapter."""
        main = self.tuned("main")
        return [row for name in self.subjects for row in (name, *(t for t in main if t.split(AT)[0] == name))]

    def suite_rows(self, *suites: str) -> list[str]:
        """Rows that have answers to any of the suites, in the order of the file: those asked, and imported ones."""
        given = {name: any(suite in self.models[name].predictions for suite in suites) for name in self.imported}
        asked = self.rows
        return [
            row
            for name in self.models
            for row in ([name] if given.get(name) else [one for one in asked if one.partition(AT)[0] == name])
        ]

    def ablated(self) -> dict[str, list[str]]:
        """Benchmark -> the tuned models that are asked about it only, for the ablation tables."""
        found: dict[str, dict[str, None]] = {}
        for ablation in self.ablations.values():
            names = [f"{ablation.model}{AT}{adapter}" for adapter in ablation.rows]
            found.setdefault(ablation.benchmark, {}).update(dict.fromkeys(n for n in names if n not in self.rows))
        return {benchmark: list(names) for benchmark, names in found.items()}

    def ablation_verdicts(self) -> dict[str, list[str]]:
        """Benchmark of ablations -> where the verdicts of their rows are, as MODEL/SUITE."""
        found: dict[str, dict[str, None]] = {}
        for name, ablation in self.ablations.items():
            base, *tuned = self._ablation(name)
            places = [f"{base}/finer", *(f"{row}/{'finer' if row in self.rows else 'ablation'}" for row in tuned)]
            found.setdefault(ablation.benchmark, {}).update(dict.fromkeys(places))
        return {benchmark: list(places) for benchmark, places in found.items()}

    def _ablation(self, name: str) -> list[str]:
        entry = self.ablations[name]
        return [entry.model, *(f"{entry.model}{AT}{adapter}" for adapter in entry.rows)]

    @property
    def studied(self) -> list[str]:
        """Models of any study."""
        return list(dict.fromkeys(name for study in self.studies.values() for name in study.models))

    @property
    def tests(self) -> list[str]:
        """Benchmarks that are columns of the tables."""
        return [name for name, benchmark in self.benchmarks.items() if benchmark.role == "test"]

    def learnt_from(self, role: Literal["train", "dev"]) -> list[str]:
        """Return the sources of captions and preference pairs with a role."""
        return [name for name, source in self.preferences.sources.items() if source.role == role]

    def graphs(self) -> list[str]:
        """Benchmarks of the tables that have scene graphs: all but imported ones."""
        return [name for name in self.tests if self.benchmarks[name].reader != "interchange"]

    def captioned(self) -> list[str]:
        """Benchmarks of the tables that start from captions."""
        return [name for name in self.tests if self.benchmarks[name].reader in CAPTIONED]

    def asked_for_graphs(self) -> list[str]:
        """Benchmarks of the tables whose scene graphs a language model makes."""
        return self.captioned() if self.scene_graphs.extractor == "llm" else []

    def asked_for_negatives(self) -> list[str]:
        """Benchmarks of the tables whose negatives a language model proposes."""
        return self.graphs() if self.negatives.proposer == "llm" else []

    def suites_of(self, table: str) -> list[str]:
        """Suites that are columns of a table, in the order of the file."""
        return [name for name, entry in self.suites.items() if entry.table == table]

    def wordings(self, suite: str) -> list[str]:
        """Wordings that a suite is asked with, for any model of the tables."""
        return list(dict.fromkeys(self.wording(suite, row) for row in self.suite_rows(suite)))

    def wording(self, suite: str, row: str) -> str:
        """Return the wording that a model (or model@adapter) is asked a suite with."""
        entry = self.suites[suite]
        return entry.prompts.get(self.models[row.partition(AT)[0]].family or "", entry.prompt)

    def suite_modules(self) -> list[str]:
        """Modules of all suites."""
        return [name if "." in (name := entry.module or key) else f"finer.suites.{name}"
                for key, entry in self.suites.items()]  # fmt: skip

    def resolve(self, path: str, model: str = "") -> str:
        """Fill in the placeholders of a path."""
        filled = path.replace("{data}", self.data).replace("{results}", self.root)
        return filled.replace("{captions}", self.captions or "").replace("{model}", model)

    @property
    def data_root(self) -> str:
        """Folder of the raw data that is retrieved."""
        return self.resolve(self.data)

    def asked(self, tuned_only: bool = False) -> str:
        """Return a wildcard pattern of the models that are asked, those with an adapter included (or those alone)."""
        imported = self.imported
        asked = [name for name in self.models if name not in imported]
        return pattern(self.tuned() if tuned_only else (*asked, *self.tuned()))

    def not_asked(self) -> str:
        """Return a wildcard pattern of the models whose answers are read from files."""
        return pattern(self.imported)

    def readers(self, *formats: str) -> str:
        """Return a wildcard pattern of the benchmarks in these formats."""
        return pattern(name for name, entry in self.benchmarks.items() if entry.reader in formats)

    def extracted(self, extractor: Literal["rules", "llm"]) -> str:
        """Return a wildcard pattern of the benchmarks whose captions become scene graphs in this way."""
        return self.readers(*CAPTIONED) if self.scene_graphs.extractor == extractor else pattern(())

    def proposed(self, proposer: Literal["lexicon", "llm"]) -> str:
        """Return a wildcard pattern of the benchmarks whose negatives are proposed in this way."""
        return self.readers("comprecap", *CAPTIONED) if self.negatives.proposer == proposer else pattern(())

    def source_readers(self, *formats: str) -> str:
        """Return a wildcard pattern of the sources in these formats."""
        return pattern(name for name, source in self.preferences.sources.items() if source.reader in formats)

    def sources(self, source: Literal["recipe", "repo", "adapter_repo"]) -> str:
        """Return a wildcard pattern of the models (or their adapters) that come from a recipe or from a repository."""
        return pattern(name for name, entry in self.models.items() if getattr(entry, source))
