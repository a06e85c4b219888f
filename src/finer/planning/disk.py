"""How much disk each stage of a preset takes: checkpoints, raw images, adapters with training states, answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from finer.config import Config
from finer.planning.counts import Counts
from finer.planning.plan import Job

# Measured in the micro preset: a scene with its files, an answer with its verdicts.
_SCENE_MB, _ANSWER_BYTES = 0.009, 60
# Assumed: a photograph as it is downloaded; bytes a parameter of a checkpoint; numbers of an adapter for one of its
# model's billions of parameters, of which a checkpoint of training keeps three copies beside it.
_PHOTOGRAPH_MB = {"comprecap": 0.2, "docci": 1.5, "pixmo": 0.5}
_WEIGHT_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_ADAPTER_MB_PER_BILLION, _TRAINING_COPIES = 6.0, 4


@dataclass(frozen=True)
class Part:
    """What the jobs of a stage leave on disk. ``basis``: whether the size of one was measured, or is assumed."""

    stage: str  # of `finer.planning.plan.STAGES`
    what: str
    gigabytes: float
    basis: Literal["measured", "assumed"]


def disk(config: Config, jobs: Iterable[Job]) -> list[Part]:
    """Return what each stage leaves on disk, in the order of the stages; the files of suites are not among it."""
    counts = Counts(config)
    world = config.world is not None
    images: list[tuple[int, str]] = [(counts.images(name), entry.reader) for name, entry in config.benchmarks.items()]
    images += [(counts.captions(name), source.reader) for name, source in config.preferences.sources.items()]
    raw = sum(number * (_SCENE_MB if world else _PHOTOGRAPH_MB.get(reader, 0.5)) for number, reader in images)
    weights = sum(
        (model.billions or 0.003) * _WEIGHT_BYTES[model.dtype] for model in config.models.values() if model.family
    )
    adapters = sum(config.models[name.partition("@")[0]].billions or 0.01 for name in config.tuned())
    adapters *= _ADAPTER_MB_PER_BILLION * (1 + _TRAINING_COPIES)
    asked = sum(1 for job in jobs if job.rule == "answer_finer") * counts.summed(counts.asked)
    return [
        Part("models", "checkpoints", weights, "assumed"),
        Part("raw data", "raw images and captions", raw / 1e3, "measured" if world else "assumed"),
        Part("tuning", "adapters and states of training", adapters / 1e3, "assumed"),
        Part("evaluation", "answers and verdicts", asked * _ANSWER_BYTES / 1e9, "measured"),
    ]
