"""What a rule's jobs ask for: memory, minutes, cores, GPUs.

On CPUs that is what was measured (``costs``), grown with the items of this preset. Jobs with a large model on GPUs
could not be measured where this was written: theirs follow from the model's size and from `cluster`, and say so in
the plan. A job that failed asks for more: twice as much at its second attempt, three times as much at its third.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finer.config import Config, Model, Training
from finer.config.tuning import AT
from finer.planning.costs import FILE, Cost, cost_of, load_costs
from finer.planning.counts import UNITS, Counts, Wildcards
from finer.planning.language import InProcess, in_process

# What is asked for over what is expected.
_TIMES, _MEMORY_TIMES = 3.0, 1.5
_LEAST_MINUTES, _LEAST_MB, _PROCESS_MB = 10, 1000, 500  # _PROCESS_MB: of the workflow's own process beside the job
_LOAD_SECONDS_PER_BILLION = 15.0  # reading weights from a shared disk, at about 130 MB a second
_HOST_MB, _HOST_MB_PER_BILLION = 32000, 4000  # host memory of a GPU job: twice the weights while they are read
_FORWARD = 2e9  # operations a token and billion parameters, forward
_TRAINING = 6e9  # … of a pair's answer in training: with adapters, forward, backward, and the reference's forward
_UNSIZED = 8.0  # billion parameters of a model on GPUs whose size is not given


@dataclass(frozen=True)
class Estimate:
    """What a job is expected to take; ``assumed`` if nothing of it was measured."""

    seconds: float
    memory_mb: float
    gpus: int
    cores: int
    items: int
    assumed: bool

    @property
    def asked_mb(self) -> int:
        """Megabytes that the job asks for: more than is expected, and the workflow's own process beside it."""
        wanted = self.memory_mb if self.gpus else _MEMORY_TIMES * self.memory_mb + _PROCESS_MB
        return max(_LEAST_MB, 100 * math.ceil(wanted / 100))

    @property
    def asked_minutes(self) -> int:
        """Minutes that the job asks for: more than are expected, and never so few that a slow disk matters."""
        return max(_LEAST_MINUTES, math.ceil(_TIMES * self.seconds / 60))


class Needs:
    """The resources of rules in one configuration. ``need("rule")`` goes into the rule's ``resources``."""

    def __init__(self, config: Config, costs: Mapping[str, Cost]) -> None:
        self.config, self.costs, self.counts = config, costs, Counts(config)

    def __call__(self, rule: str) -> dict[str, Callable[..., int | str] | int | str]:
        """Return Snakemake's resources of a rule, as functions of a job's wildcards and attempt."""
        cost = cost_of(rule, self.costs)
        longest = self.config.cluster.longest

        def mem_mb(wildcards: Any, attempt: int) -> int:
            return self.estimate(cost.step, values_of(wildcards)).asked_mb * attempt

        def runtime(wildcards: Any, attempt: int) -> int:
            return min(longest, self.estimate(cost.step, values_of(wildcards)).asked_minutes * attempt)

        def gpu(wildcards: Any) -> int:
            return self.estimate(cost.step, values_of(wildcards)).gpus

        def gpu_model(wildcards: Any) -> str:
            return (self.config.cluster.gpu_model or "") if gpu(wildcards) else ""

        asked: dict[str, Callable[..., int | str] | int | str] = {"mem_mb": mem_mb, "runtime": runtime}
        if self._on_gpus(cost.step):
            asked["gpu"] = gpu
            if self.config.cluster.gpu_model:
                asked["gpu_model"] = gpu_model
        return asked

    def threads(self, rule: str) -> Callable[[Any], int]:
        """Return the cores of a rule's jobs, as a function of a job's wildcards."""
        step = cost_of(rule, self.costs).step
        return lambda wildcards: self.estimate(step, values_of(wildcards)).cores

    def estimate(self, step: str, wildcards: Wildcards) -> Estimate:
        """Return what a job of a step is expected to take."""
        cost = self.costs[step]
        unit = UNITS.get(step)
        items = unit.count(self.counts, wildcards) if unit else 1
        if role := in_process(self.config, step, wildcards):
            return self._by_language_model(role, items)
        model, gpus = self._model(step, wildcards)
        if model is not None and gpus:
            cores = gpus * self.config.cluster.cpus_per_gpu
            billions = model.billions or _UNSIZED
            seconds = _LOAD_SECONDS_PER_BILLION * billions + self._gpu_seconds(step, wildcards, items, billions) / gpus
            return Estimate(seconds, _HOST_MB + _HOST_MB_PER_BILLION * billions, gpus, cores, items, True)
        weights = 4000 * (model.billions or 0.0) if model else 0.0
        cores = self._training(wildcards["tuned"]).devices if step == "train_adapter" else 1
        return Estimate(cost.time(items), cost.memory(items) * cores + weights, 0, cores, items, cost.jobs == 0)

    def _by_language_model(self, role: InProcess, items: int) -> Estimate:
        """What a role's job takes on its own GPUs: weights, then operations of all tokens, read and written alike."""
        tokens = items * role.tokens
        seconds = tokens * role.billions * _FORWARD / (self.config.cluster.teraflops * 1e12) / role.gpus
        cores = role.gpus * self.config.cluster.cpus_per_gpu
        memory = _HOST_MB + _HOST_MB_PER_BILLION * role.billions
        return Estimate(_LOAD_SECONDS_PER_BILLION * role.billions + seconds, memory, role.gpus, cores, items, True)

    def _gpu_seconds(self, step: str, wildcards: Wildcards, items: int, billions: float) -> float:
        """Seconds of one GPU, from operations: tokens x parameters, over what a GPU sustains."""
        cluster = self.config.cluster
        sustained = cluster.teraflops * 1e12
        if step == "train_adapter":
            tokens = 2 * items * self._training(wildcards["tuned"]).max_tokens  # chosen and rejected, at their longest
            return tokens * billions * _TRAINING / sustained
        images = self._images(step, wildcards, items) if self.config.evaluation.prefix_reuse else items
        return (images * cluster.image_tokens + items * cluster.text_tokens) * billions * _FORWARD / sustained

    def _images(self, step: str, wildcards: Wildcards, items: int) -> int:
        """How many images a job encodes: each once if the prefix is reused, and in a suite one an item."""
        if step.endswith("suites"):
            return items
        benchmark = wildcards.get("benchmark")
        images = self.counts.images(benchmark) if benchmark else self.counts.summed(self.counts.images)
        return min(images, items)

    def _model(self, step: str, wildcards: Wildcards) -> tuple[Model | None, int]:
        """Return the model that a job of the step runs, and how many GPUs it runs on."""
        if step == "train_adapter":
            training = self._training(wildcards["tuned"])
            return self.config.models[wildcards["tuned"].split(AT)[0]], training.devices * (training.device != "cpu")
        if step.startswith("verify"):
            name = self.config.negatives.verifier or ""
        elif step.startswith(("answer", "parity")):
            name = wildcards["model"].split(AT)[0]
        else:
            return None, 0
        model = self.config.models[name]
        if model.by_api and step != "parity":  # its weights are on another machine
            return None, 0
        return model, model.gpus * model.on_gpus

    def _training(self, tuned: str) -> Training:
        return self.config.training(*tuned.split(AT))

    def _on_gpus(self, step: str) -> bool:
        """Tell whether any job of the step runs on GPUs."""
        config = self.config
        if any(in_process(config, step, {"benchmark": name}) for name in config.benchmarks):
            return True
        if step == "train_adapter":
            return any(self._model(step, {"tuned": name})[1] for name in config.tuned())
        if step.startswith("verify"):
            return config.negatives.verification == "mllm" and self._model(step, {})[1] > 0
        return step.startswith(("answer", "parity")) and any(model.on_gpus for model in config.models.values())


def needs(config: Config, root: str | Path = ".") -> Needs:
    """Return the resources of a configuration's rules from the committed costs."""
    return Needs(config, load_costs(Path(root) / FILE))


def values_of(wildcards: Any) -> dict[str, str]:
    """Return a job's wildcards as a mapping."""
    return dict(wildcards.items())
