"""The whole configuration, checked: contradictions are refused when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator

from finer.config.plans import Plans
from finer.config.texts import explain
from finer.config.tuning import AT
from finer.errors import InputError
from finer.schemas import POOLED


class Config(Plans):
    """The whole configuration."""

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        chosen = self.negatives.verifier
        if self.negatives.verification == "mllm":
            if chosen is None or chosen not in self.models:
                raise ValueError(
                    f"negatives.verifier '{chosen}' is not a model; known: {', '.join(self.models)}. "
                    "Name one of `models` or set negatives.verification: none"
                )
            if self.models[chosen].role != "verifier":
                raise ValueError(f"negatives.verifier '{chosen}' must be a model with role: verifier")
        self._models_consistent()
        if POOLED in self.benchmarks:
            raise ValueError(f"a benchmark cannot be named '{POOLED}': tables call all of them together so")
        known = {*self.models, *self.tuned()} - {*self.imported}
        for name, study in self.studies.items():
            if unknown := set(study.models) - known:
                raise ValueError(f"studies.{name} names '{min(unknown)}', which is not a model")
        for name in self.imported:
            if unknown := set(self.models[name].predictions) - set(self.suites):
                raise ValueError(f"models.{name}.predictions names '{min(unknown)}', which is not one of `suites`")
        self._tuning_consistent()
        self._roles_consistent()
        self._proposers_consistent()
        if not self.subjects:
            raise ValueError("no model has role: subject, so there is nothing to measure")
        return self

    def _proposers_consistent(self) -> None:
        for name, benchmark in self.benchmarks.items():
            chosen = benchmark.proposer_model
            if chosen is not None and (self.negatives.proposer != "llm" or chosen not in self.chat.models):
                raise ValueError(
                    f"benchmarks.{name}.proposer_model '{chosen}' needs negatives.proposer: llm and a model of that "
                    "name in chat.models"
                )
        if self.negatives.proposer == "llm" and (self.negatives.unheard, self.negatives.predictable) != (4, 1.0):
            raise ValueError(
                "negatives.unheard and negatives.predictable limit the lexicon; a model proposes what it likes. "
                "With negatives.proposer: llm they must be 4 and 1.0"
            )

    def _roles_consistent(self) -> None:
        for role, who in self._role_settings().items():
            if who == "llm" and role not in self.chat.roles:
                raise ValueError(f"the {role} is a language model (llm), so chat.roles.{role} must name its model")
        if self.preferences.phraser == "llm" and self.preferences.editor == "rules":
            raise ValueError(
                "preferences.editor: rules replaces elements of scene graphs; the phrases of preferences.phraser: "
                "llm have none. Set both to llm, or phraser: rules"
            )
        judge, second = self.evaluation.judge, self.evaluation.second_judge
        same = judge == second == "rules" or (
            judge == second == "llm" and self.chat.roles["judge"].model == self.chat.roles["second_judge"].model
        )
        if same:
            raise ValueError("evaluation.second_judge is evaluation.judge once more; name another model, or null")

    def _models_consistent(self) -> None:
        for name, model in self.models.items():
            if model.chat is None:
                continue
            if model.chat not in self.chat.models:
                raise ValueError(f"models.{name}.chat '{model.chat}' is not one of `chat.models`")
            if self.chat.backends[self.chat.models[model.chat].backend].kind != "http":
                raise ValueError(
                    f"models.{name} is asked by API, so the back end of chat.models.{model.chat} must be one"
                )
            if model.role == "verifier" and not self.chat.models[model.chat].logprobs:
                raise ValueError(
                    f"models.{name} is a verifier, whose choice is weighed by the log-probabilities of letters: "
                    f"chat.models.{model.chat}.logprobs must be true, or another model must verify"
                )

    def _tuning_consistent(self) -> None:
        for name, adapter in self.adapters.items():
            if adapter.mixture not in self.mixtures:
                raise ValueError(
                    f"adapters.{name}.mixture '{adapter.mixture}' is not one of: {', '.join(self.mixtures) or 'none'}"
                )
            for model in (*adapter.models, *adapter.per_model):
                if model not in self.models or self.models[model].role == "verifier" or model in self.imported:
                    raise ValueError(f"adapters.{name} names '{model}', which is not a model that is measured")
                if self.models[model].by_api or self.models[model].adapter_repo:
                    raise ValueError(f"adapters.{name} names '{model}', which has no plain checkpoint to be trained")
                self.training(model, name)
        if self.adapters and not any(source.role == "train" for source in self.preferences.sources.values()):
            raise ValueError("adapters need preferences.sources with role: train to learn from")
        if len(asked := {ablation.benchmark for ablation in self.ablations.values()}) > 1:
            raise ValueError(f"ablations name several benchmarks ({', '.join(sorted(asked))}); all must name the same")
        for name, ablation in self.ablations.items():
            if ablation.benchmark not in self.tests:
                raise ValueError(
                    f"ablations.{name}.benchmark '{ablation.benchmark}' is not a benchmark with role: test"
                )
            for row, labels in ablation.rows.items():
                if f"{ablation.model}{AT}{row}" not in self.tuned():
                    raise ValueError(f"ablations.{name}: no adapter '{row}' is trained for {ablation.model}")
                if len(labels) != len(ablation.columns):
                    raise ValueError(
                        f"ablations.{name}.rows.{row} has {len(labels)} labels for {len(ablation.columns)} columns"
                    )


def parse(values: Mapping[str, Any], file: str | Path = "config.yaml") -> Config:
    """Validate a configuration; errors name each wrong key, its value and the cure."""
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(explain(error), file=file, cure="see docs/configuration.md") from error
