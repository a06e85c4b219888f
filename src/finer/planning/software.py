"""Which software a rule's jobs take: the image, and the file of packages for conda; as functions of a job's wildcards.

Jobs that load a model take the GPU image where there is one, also those of a role whose language model runs in the
job's own process; the same role asked by API takes the usual image. The packages for GPUs (CUDA, vLLM) are taken by
jobs that ask for GPUs, and by no other: numpy and transformers are older there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from finer.planning.costs import cost_of
from finer.planning.language import asked_here
from finer.planning.needs import Needs, values_of

# As seen from a rule's file.
CONDA = {"cpu": "../../envs/finer.yaml", "gpu": "../../envs/finer-gpu.yaml"}
_LOADING = ("answer", "verify", "parity", "train_adapter", "base_train")


class Software:
    """The software of rules in one configuration: ``image("rule")`` and ``conda("rule")`` stand in the rule."""

    def __init__(self, need: Needs) -> None:
        self.need = need

    def image(self, rule: str) -> Callable[[Any], str]:
        """Return the image of a rule's jobs."""
        step = cost_of(rule, self.need.costs).step
        config = self.need.config
        usual, gpu = config.containers.cpu, config.containers.gpu or config.containers.cpu

        def image(wildcards: Any) -> str:
            loads = step.startswith(_LOADING) or asked_here(config, step, values_of(wildcards)) is not None
            return gpu if loads else usual

        return image

    def conda(self, rule: str) -> Callable[[Any], str]:
        """Return the file of a rule's packages."""
        step = cost_of(rule, self.need.costs).step
        return lambda wildcards: CONDA["gpu" if self.need.estimate(step, values_of(wildcards)).gpus else "cpu"]
