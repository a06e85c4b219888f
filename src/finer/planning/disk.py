"""How much disk a preset takes: raw images, checkpoints, adapters with their training states, tables of answers."""

from __future__ import annotations

from collections.abc import Iterable

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


def disk(config: Config, jobs: Iterable[Job]) -> dict[str, float]:
    """Return gigabytes by kind."""
    listed = list(jobs)
    counts = Counts(config)
    world = config.world is not None
    images: list[tuple[int, str]] = [(counts.images(name), entry.reader) for name, entry in config.benchmarks.items()]
    images += [(counts.captions(name), source.reader) for name, source in config.preferences.sources.items()]
    raw = sum(number * (_SCENE_MB if world else _PHOTOGRAPH_MB.get(reader, 0.5)) for number, reader in images)
    adapters = [config.models[name.partition("@")[0]].billions or 0.01 for name in config.tuned()]
    asked = sum(1 for job in listed if job.rule == "answer_finer") * counts.summed(counts.asked)
    return {
        "raw images and captions": raw / 1e3,
        "checkpoints": sum(
            (model.billions or 0.003) * _WEIGHT_BYTES[model.dtype] for model in config.models.values() if model.family
        ),
        "adapters and states of training": sum(adapters) * _ADAPTER_MB_PER_BILLION * (1 + _TRAINING_COPIES) / 1e3,
        "answers and verdicts": asked * _ANSWER_BYTES / 1e9,
    }  # fmt: skip
