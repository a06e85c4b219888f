"""Settings of a cluster: what its jobs ask for, and what is assumed of its GPUs where nothing could be measured."""

from __future__ import annotations

from pydantic import Field

from finer.config.tuning import Section


class Cluster(Section):
    """What jobs ask a cluster for. None of it changes a result."""

    gpu_model: str | None = Field(None, description="name of the GPUs that jobs ask for; null: any")
    cpus_per_gpu: int = Field(2, ge=1, description="CPU cores of a job with GPUs, for each of them")
    longest: int = Field(
        1440, ge=10, description="minutes: no job asks for more. Long jobs resume, so one that is cut off loses a block"
    )
    teraflops: float = Field(
        60.0, gt=0, description="assumed: operations a second and GPU that are sustained, in 10^12 (docs/cluster.md)"
    )
    image_tokens: int = Field(3000, ge=1, description="assumed: tokens of a photograph")
    text_tokens: int = Field(300, ge=1, description="assumed: tokens of a question with its options")
