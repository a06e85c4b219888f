"""The whole configuration, and what of it each rule depends on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from finer.config import groups
from finer.config.cluster import Cluster
from finer.config.engines import to_compare
from finer.config.language import Chat, RoleName
from finer.config.models import Model
from finer.config.sections import (
    CAPTIONED,
    Benchmark,
    Containers,
    Evaluation,
    Micro,
    Negatives,
    SceneGraphs,
    Statistics,
    Study,
    SuiteSource,
    World,
)
from finer.config.tuning import AT, Ablation, Adapter, Mixture, Name, Preferences, Section, Training, TuningSource
from finer.errors import InputError
from finer.schemas import POOLED

_POOLS = {"subject": "base", "study": "base", "verifier": "verifier"}  # whose scenes a micro model is trained on
# Settings of a model that decide its answers or how it is loaded; the others only name it.
_LOADING = {
    "family", "dtype", "device", "max_memory", "attention", "image_backend", "min_pixels", "max_pixels", "max_tiles",
    "thinking_tokens", "engine_options",
}  # fmt: skip
ACCELERATE = "workflow/resources/accelerate.yaml"  # in place of a file in the user's home
_REMOVABLE = ("benchmarks", "models", "studies", "mixtures", "adapters", "ablations", "suites")


class Config(Section):
    """The whole configuration."""

    preset: Name = Field("micro", description="results go to <results>/<preset>")
    results: str = Field("results", description="folder of all results")
    data: str = Field(
        "{results}/raw",
        description="folder of the raw data that the workflow retrieves; {results}: the preset's results",
    )
    seed: int = Field(2603, ge=0, description="seed of every draw")
    on_bad_item: Literal["stop", "drop"] = Field(
        "stop", description="one unreadable image or annotation: stop with an error, or drop and count it"
    )
    world: World | None = Field(None, description="the micro world; null: raw files are given")
    benchmarks: dict[Name, Benchmark] = Field(
        min_length=1, description="the benchmarks; null removes one of an overlaid file"
    )
    captions: str | None = Field(None, description="file of captions, for the target `captions`")
    scene_graphs: SceneGraphs = SceneGraphs()
    negatives: Negatives = Negatives()
    models: dict[Name, Model] = Field(min_length=1, description="the MLLMs; null removes one of an overlaid file")
    studies: dict[Name, Study] = Field({}, description="further tables, of the target `studies`")
    micro: Micro = Micro()
    preferences: Preferences = Preferences()
    mixtures: dict[Name, Mixture] = Field({}, description="which preference pairs are drawn")
    tuning: Training = Training()
    adapters: dict[Name, Adapter] = Field({}, description="what is trained; null removes one of an overlaid file")
    ablations: dict[Name, Ablation] = Field({}, description="tables `ablation_NAME` of variants of one model")
    suites: dict[Name, SuiteSource] = Field({}, description="evaluation suites; null removes one of an overlaid file")
    evaluation: Evaluation = Evaluation()
    chat: Chat = Chat()
    containers: Containers = Containers()
    statistics: Statistics = Statistics()
    cluster: Cluster = Cluster()

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
        return _compact(role | {"access": json.loads(self.chat_access())} if access else role)

    def chat_access(self) -> str:
        """Return where and how language models are reached, as JSON."""
        return _compact(self.chat.access(self.resolve(self.chat.cache)))

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
            raise ValueError(f"adapters.{adapter} for {model}: {_explain(error)}") from None

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

    @property
    def studied(self) -> list[str]:
        """Models of any study."""
        return list(dict.fromkeys(name for study in self.studies.values() for name in study.models))

    @property
    def tests(self) -> list[str]:
        """Benchmarks that are columns of the tables."""
        return [name for name, benchmark in self.benchmarks.items() if benchmark.role == "test"]

    @model_validator(mode="before")
    @classmethod
    def _without_removed(cls, values: Any) -> Any:
        """An overlay removes an entry of a mapping of names by setting it to null."""
        if isinstance(values, dict):
            values = {key: _kept(entry) if key in _REMOVABLE else entry for key, entry in values.items()}
            if isinstance(given := values.get("preferences"), dict):
                values["preferences"] = {**given, "sources": _kept(given.get("sources", {}))}
            if isinstance(given := values.get("chat"), dict):
                values["chat"] = {
                    key: _kept(entry) if isinstance(entry, dict) else entry for key, entry in given.items()
                }
            if isinstance(given := values.get("ablations"), dict):
                values["ablations"] = {
                    name: {**entry, "rows": _kept(entry.get("rows"))} if isinstance(entry, dict) else entry
                    for name, entry in given.items()
                }
        return values

    def asking(self) -> str:
        """Return the settings that answers depend on, as JSON; how they are parsed and shown is not among them."""
        kept = {"prefix_reuse", "batch_tokens", "shard_items", "max_new_tokens"}
        return _compact({"evaluation": self.evaluation.model_dump(include=kept)})

    def controls(self) -> str:
        """Return what decides which questions are asked again without seeing, as JSON."""
        kept = self.evaluation.model_dump(include={"answering", "control_pairs"})
        return _compact({"seed": self.seed, "evaluation": kept})

    def proposing(self) -> str:
        """Return the settings that proposals of negatives depend on, as JSON."""
        kept = self.negatives.model_dump(include={"unheard", "predictable"})
        return _compact({"seed": self.seed, "negatives": kept})

    def preferring(self, *keys: str) -> str:
        """Return the seed and some keys of ``preferences``, as JSON."""
        return _compact({"seed": self.seed, "preferences": self.preferences.model_dump(include=set(keys))})

    def learnt_from(self, role: Literal["train", "dev"]) -> list[str]:
        """Return the sources of captions and preference pairs with a role."""
        return [name for name, source in self.preferences.sources.items() if source.role == role]

    def source_readers(self, *formats: str) -> str:
        """Return a wildcard pattern of the sources in these formats."""
        return _pattern(name for name, source in self.preferences.sources.items() if source.reader in formats)

    def verifying(self) -> str:
        """Return the settings that checks of negatives depend on, as JSON."""
        kept = {"verification", "verifier", "entropy_threshold"}
        return _compact(json.loads(self.asking()) | {"negatives": self.negatives.model_dump(include=kept)})

    def graphs(self) -> list[str]:
        """Benchmarks of the tables that have scene graphs: all but imported ones."""
        return [name for name in self.tests if self.benchmarks[name].reader != "interchange"]

    def captioned(self) -> list[str]:
        """Benchmarks of the tables that start from captions."""
        return [name for name in self.tests if self.benchmarks[name].reader in CAPTIONED]

    def unverified(self) -> str:
        """Return the settings of negatives as if nobody had checked them, as JSON."""
        return _compact({"negatives": self.negatives.model_copy(update={"verification": "none"}).model_dump()})

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

    def _ablation(self, name: str) -> list[str]:
        entry = self.ablations[name]
        return [entry.model, *(f"{entry.model}{AT}{adapter}" for adapter in entry.rows)]

    def _shown(self, row: str) -> dict[str, Any]:
        """Return how a row is named; a tuned one has the title of its adapter as its ``variant``."""
        model, _, adapter = row.partition(AT)
        entry = self.models[model]
        names = entry.model_dump(include={"title", "size", "published"})
        if entry.by_api:
            names |= {"scores": False, "comparable": entry.family is not None}
        return names | ({"variant": self.adapters[adapter].title} if adapter else {})

    def resolve(self, path: str, model: str = "") -> str:
        """Fill in the placeholders of a path."""
        filled = path.replace("{data}", self.data).replace("{results}", self.root)
        return filled.replace("{captions}", self.captions or "").replace("{model}", model)

    @property
    def data_root(self) -> str:
        """Folder of the raw data that is retrieved."""
        return self.resolve(self.data)

    def raw_paths(self) -> list[str]:
        """Return all paths of raw files and image folders."""
        entries: list[Benchmark | TuningSource] = [*self.benchmarks.values(), *self.preferences.sources.values()]
        given = [path for entry in entries for path in (entry.raw, entry.images) if path is not None]
        suites = [plan[part] for plan in map(self._suite_plan, self.suites) for part in ("raw", "images")]
        return [*(self.resolve(path) for path in given), *suites]

    def plan(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return, per benchmark and per model, the paths and the settings (as JSON) that its rules depend on.

        Each rule gets only what it reads, so that a new title, say, rebuilds tables and no answers.
        """
        return {
            "benchmarks": {
                name: {
                    "reader": entry.reader,
                    "raw": self.resolve(entry.raw),
                    "images": [] if entry.images is None else self.resolve(entry.images),
                    "captions": f"{self.root}/benchmark/{name}/captions.parquet" if entry.reader in CAPTIONED else [],
                    "read": _compact(
                        {"on_bad_item": self.on_bad_item, "split": entry.split, "limit": entry.limit, "seed": self.seed}
                    ),
                    "compose": _compact(
                        {"seed": self.seed} | entry.model_dump(mode="json", include={"pairs", "entity_counts"})
                    ),
                    "granularity": _compact({"seed": self.seed, "granularity": entry.granularity}),
                    "proposer": self.role("proposer", access=False, model=entry.proposer_model),
                }
                for name, entry in self.benchmarks.items()
            },
            "models": self._models_plan(),
            "suites": {name: self._suite_plan(name) for name in self.suites},
            "groups": {name: {"suites": group.suites} for name, group in groups.suite_groups(self).items()},
            "estimates": groups.estimates_plan(self),
            "tunings": {name: self._tuning_plan(*name.split(AT)) for name in self.tuned()},
            "sources": {
                name: {
                    "reader": source.reader,
                    "raw": self.resolve(source.raw),
                    "images": self.resolve(source.images),
                    "read": _compact({"on_bad_item": self.on_bad_item, "split": source.split}),
                }
                for name, source in self.preferences.sources.items()
            },
            "mixtures": {
                name: {"draw": _compact({"seed": self.seed, "mixture": mixture.model_dump(mode="json")})}
                for name, mixture in self.mixtures.items()
            },
        }

    def _suite_plan(self, name: str) -> dict[str, Any]:
        entry = self.suites[name]
        places = {part: self.resolve(getattr(entry, part).replace("{suite}", name)) for part in ("raw", "images")}
        return {
            **places,
            # Where the images are no part of the official files, they are an input of their own.
            "shown": [] if f"{places['images']}/".startswith(f"{places['raw']}/") else places["images"],
            "module": entry.module or name,
            "items": entry.items,
            "read": _compact(
                places | {"suite": name, "module": entry.module or name, "on_bad_item": self.on_bad_item}
                | {"options": entry.options}
            ),
        }  # fmt: skip

    def _models_plan(self) -> dict[str, dict[str, Any]]:
        """Return the plan of each model, and of each model with an adapter."""
        plans: dict[str, dict[str, Any]] = {}
        suite_groups = groups.suite_groups(self)
        for name, entry in self.models.items():
            path = self._checkpoint(name)
            load = self.loading(name)
            asked = {
                suite: f"{self.root}/items/suites/{suite}.{self.wording(suite, name)}.parquet" for suite in self.suites
            }
            by_group = {part: [asked[suite] for suite in group.suites] for part, group in suite_groups.items()}
            plans[name] = {
                "path": [] if entry.by_api else path,
                "checkpoint": path,  # of a model by API: only for comparing engines
                "adapter": self._released(name) or [],
                "predictions": {suite: self.resolve(file, name) for suite, file in entry.predictions.items()},
                "suites": asked,
                "asked": by_group,
                "instruct": f"{self.root}/raw/instruct/{_POOLS[entry.role]}.parquet",
                "recipe": entry.recipe or "",
                "grown_from": f"{self.root}/models/{entry.grown_from}" if entry.grown_from else [],
                "repo": entry.repo or "",
                "revision": entry.revision or "",
                "adapter_repo": entry.adapter_repo or "",
                "adapter_revision": entry.adapter_revision or "",
                "engine": entry.engine,
                "load": _compact(load),
            }
            for tuned in self.tuned():
                if tuned.split(AT)[0] == name:
                    adapter = f"{self.root}/adapters/{tuned}"
                    plans[tuned] = {"path": path, "adapter": adapter, "suites": asked, "asked": by_group,
                                    "engine": entry.engine, "load": _compact(load | {"adapter": adapter})}  # fmt: skip
        for name, engines in self.compared().items():
            plans[name] |= {"compared": engines, "comparing": self.comparing(name)}
        return plans

    def _checkpoint(self, model: str) -> str:
        """Return the folder of a model's checkpoint; "" if only an API has it."""
        entry = self.models[model]
        return "" if entry.by_api and entry.family is None else self.resolve(entry.path, model)

    def _released(self, model: str) -> str:
        return f"{self.root}/adapters/released/{model}" if self.models[model].adapter_repo else ""

    def loading(self, model: str) -> dict[str, Any]:
        """Return how a model is loaded and asked: what ``finer.mllm.registry.Checkpoint`` reads."""
        entry = self.models[model]
        load: dict[str, Any] = entry.model_dump(mode="json", include=_LOADING, exclude_defaults=True)
        load |= {"engine": entry.engine, "path": self._checkpoint(model)}
        if released := self._released(model):
            load["adapter"] = released
        if entry.chat:
            api = self.chat.models[entry.chat]
            parts = {"model": api, "backend": self.chat.backends[api.backend]}
            load["api"] = {key: part.model_dump(mode="json") for key, part in parts.items()}
            load["api"] |= {"name": entry.chat, "budget": self.chat.budget, "cache": self.resolve(self.chat.cache)}
        return load

    def unpinned(self) -> list[str]:
        """Return the keys of models' revisions that are no commits: what they name may change."""
        return [f"models.{name}.{key}" for name, model in self.models.items() for key in model.unpinned]

    def compared(self) -> dict[str, list[str]]:
        """Model whose engine is not that of most rows -> the two engines that have to agree on it, the usual first."""
        known = {name: self.models[name].engine for name in self.subjects if self.models[name].family is not None}
        usual, others = to_compare(known)
        return {name: [usual, known[name]] for name in others}

    def comparing(self, model: str) -> str:
        """Return what comparing engines on a model depends on, as JSON."""
        entry = self.models.get(model)
        if entry is None or entry.family is None:
            raise ValueError(f"'{model}' is not a model with a checkpoint, which a second engine could ask")
        asked = [f"{self.root}/items/finer/{name}.parquet" for name in self.tests]
        return _compact(
            json.loads(self.asking())
            | {"load": self.loading(model), "items": asked, "parity": self.evaluation.parity.model_dump(mode="json")}
        )

    def _tuning_plan(self, model: str, adapter: str) -> dict[str, Any]:
        entry = self.models[model]
        training = self.training(model, adapter)
        kept = {"family", "attention", "image_backend"}
        load = entry.model_dump(mode="json", include=kept) | {"dtype": training.dtype}
        return {
            "model": self.resolve(entry.path, model),
            "load": _compact(load | {"device": training.device, "path": self.resolve(entry.path, model)}),
            "mixture": f"{self.root}/tuning/mixtures/{self.adapters[adapter].mixture}.parquet",
            "training": _compact(training.model_dump(mode="json")),
            "launcher": launcher(training.devices, training.dtype),
        }

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

    def judging(self) -> str:
        """Return what the table of two judges' agreement depends on beside it, as JSON, in the order of the file."""
        suites = {name: {"module": entry.module or name, "title": entry.title} for name, entry in self.suites.items()}
        return json.dumps({"suites": suites, "confidence": self.statistics.confidence}, separators=(",", ":"))

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

    def asked(self, tuned_only: bool = False) -> str:
        """Return a wildcard pattern of the models that are asked, those with an adapter included (or those alone)."""
        imported = self.imported
        asked = [name for name in self.models if name not in imported]
        return _pattern(self.tuned() if tuned_only else (*asked, *self.tuned()))

    def not_asked(self) -> str:
        """Return a wildcard pattern of the models whose answers are read from files."""
        return _pattern(self.imported)

    def extracted(self, extractor: Literal["rules", "llm"]) -> str:
        """Return a wildcard pattern of the benchmarks whose captions become scene graphs in this way."""
        return self.readers(*CAPTIONED) if self.scene_graphs.extractor == extractor else _pattern(())

    def proposed(self, proposer: Literal["lexicon", "llm"]) -> str:
        """Return a wildcard pattern of the benchmarks whose negatives are proposed in this way."""
        return self.readers("comprecap", *CAPTIONED) if self.negatives.proposer == proposer else _pattern(())

    def asked_for_graphs(self) -> list[str]:
        """Benchmarks of the tables whose scene graphs a language model makes."""
        return self.captioned() if self.scene_graphs.extractor == "llm" else []

    def asked_for_negatives(self) -> list[str]:
        """Benchmarks of the tables whose negatives a language model proposes."""
        return self.graphs() if self.negatives.proposer == "llm" else []

    def readers(self, *formats: str) -> str:
        """Return a wildcard pattern of the benchmarks in these formats."""
        return _pattern(name for name, entry in self.benchmarks.items() if entry.reader in formats)

    def sources(self, source: Literal["recipe", "repo", "adapter_repo"]) -> str:
        """Return a wildcard pattern of the models (or their adapters) that come from a recipe or from a repository."""
        return _pattern(name for name, entry in self.models.items() if getattr(entry, source))

    def part(self, *keys: str) -> str:
        """Return some top-level keys as JSON with a stable order: what a rule depends on."""
        dumped = self.model_dump(mode="json")
        return _compact({key: dumped[key] for key in keys})


def parse(values: Mapping[str, Any], file: str | Path = "config.yaml") -> Config:
    """Validate a configuration; errors name each wrong key, its value and the cure."""
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(_explain(error), file=file, cure="see docs/configuration.md") from error


def launcher(processes: int, dtype: str) -> str:
    """Return how a module is started in one process or in several, one a GPU that is visible.

    Every setting that accelerate would else take from a file in the user's home is named here or in the file of
    ``ACCELERATE``, so that a training is what the configuration says and nothing else.
    """
    if processes == 1:
        return "python -m"
    options = {
        "config_file": ACCELERATE, "num_processes": processes, "num_machines": 1, "machine_rank": 0,
        "mixed_precision": "bf16" if dtype == "bfloat16" else "no", "dynamo_backend": "no", "gpu_ids": "all",
        "num_cpu_threads_per_process": 1, "main_process_port": 0,
    }  # fmt: skip
    given = " ".join(f"--{name} {value}" for name, value in options.items())
    return f"python -m accelerate.commands.launch --multi_gpu {given} --module"


def _kept(entries: Any) -> Any:
    if not isinstance(entries, dict):
        return entries
    return {name: entry for name, entry in entries.items() if entry is not None}


def _compact(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def _pattern(names: Iterable[str]) -> str:
    """Return a regular expression that matches these names; one that matches nothing if there are none."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def _explain(error: ValidationError) -> str:
    lines = [f"{error.error_count()} error(s) in the configuration"]
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "(whole file)"
        value = item["input"]
        shown = "" if item["type"] in ("missing",) or isinstance(value, dict) else f" (found {value!r})"
        lines.append(f"  {key}: {item['msg']}{shown}")
    return "\n".join(lines)
