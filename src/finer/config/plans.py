"""Paths and settings of each benchmark, model, suite and adapter, as its rules look them up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from finer.config import groups
from finer.config.engines import to_compare
from finer.config.models import is_commit
from finer.config.parts import Parts
from finer.config.sections import (
    CAPTIONED,
    Benchmark,
)
from finer.config.texts import compact
from finer.config.tuning import AT, TuningSource

_POOLS = {"subject": "base", "study": "base", "verifier": "verifier"}  # whose scenes a micro model is trained on
# Settings of a model that decide its answers or how it is loaded; the others only name it.
_LOADING = {
    "family", "dtype", "device", "max_memory", "attention", "image_backend", "min_pixels", "max_pixels", "max_tiles",
    "thinking_tokens", "engine_options",
}  # fmt: skip
ACCELERATE = "workflow/resources/accelerate.yaml"  # in place of a file in the user's home


class Plans(Parts):
    """The configuration, asked for the plan of the workflow."""

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
                    "read": compact(
                        {"on_bad_item": self.on_bad_item, "split": entry.split, "limit": entry.limit, "seed": self.seed}
                    ),
                    "compose": compact(
                        {"seed": self.seed} | entry.model_dump(mode="json", include={"pairs", "entity_counts"})
                    ),
                    "granularity": compact({"seed": self.seed, "granularity": entry.granularity}),
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
                    "read": compact({"on_bad_item": self.on_bad_item, "split": source.split}),
                }
                for name, source in self.preferences.sources.items()
            },
            "mixtures": {
                name: {"draw": compact({"seed": self.seed, "mixture": mixture.model_dump(mode="json")})}
                for name, mixture in self.mixtures.items()
            },
        }

    def raw_paths(self) -> list[str]:
        """Return all paths of raw files and image folders."""
        entries: list[Benchmark | TuningSource] = [*self.benchmarks.values(), *self.preferences.sources.values()]
        given = [path for entry in entries for path in (entry.raw, entry.images) if path is not None]
        suites = [plan[part] for plan in map(self._suite_plan, self.suites) for part in ("raw", "images")]
        return [*(self.resolve(path) for path in given), *suites]

    def _suite_plan(self, name: str) -> dict[str, Any]:
        entry = self.suites[name]
        places = {part: self.resolve(getattr(entry, part).replace("{suite}", name)) for part in ("raw", "images")}
        return {
            **places,
            # Where the images are no part of the official files, they are an input of their own.
            "shown": [] if f"{places['images']}/".startswith(f"{places['raw']}/") else places["images"],
            "module": entry.module or name,
            "items": entry.items,
            "read": compact(
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
                "load": compact(load),
            }
            for tuned in self.tuned():
                if tuned.split(AT)[0] == name:
                    adapter = f"{self.root}/adapters/{tuned}"
                    plans[tuned] = {"path": path, "adapter": adapter, "suites": asked, "asked": by_group,
                                    "engine": entry.engine, "load": compact(load | {"adapter": adapter})}  # fmt: skip
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

    def unpinned(self) -> dict[str, tuple[str, str]]:
        """Return, of weights that no commit pins, the key of the revision -> their repository and the revision.

        MLLMs and their released adapters, and language models that a role runs in process, unless they are a
        directory: a server by API has its own.
        """
        found = {
            f"models.{name}.{key}": at for name, model in self.models.items() for key, at in model.unpinned.items()
        }
        for name in self.run_here():
            model = self.chat.models[name]
            if not Path(model.model).is_dir() and not is_commit(model.revision):
                found[f"chat.models.{name}.revision"] = (model.model, model.revision or "main")
        return found

    def run_here(self) -> list[str]:
        """Return the models of `chat.models` that a role's jobs run in their own process."""
        roles = [role for role in self.chat.roles if self.role(role, access=False)]
        named = [self.chat.roles[role].model for role in roles]
        if "proposer" in roles:
            named += [entry.proposer_model for entry in self.benchmarks.values() if entry.proposer_model]
        chat = self.chat
        return [
            name for name in chat.models if name in named and chat.backends[chat.models[name].backend].kind != "http"
        ]

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
        return compact(
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
            "load": compact(load | {"device": training.device, "path": self.resolve(entry.path, model)}),
            "mixture": f"{self.root}/tuning/mixtures/{self.adapters[adapter].mixture}.parquet",
            "training": compact(training.model_dump(mode="json")),
            "launcher": launcher(training.devices, training.dtype),
        }


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
