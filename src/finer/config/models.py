"""Settings of the MLLMs: where a checkpoint or an API is, how it is loaded and asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from finer.config.tuning import Name, Section

Family = Literal["llava", "llava_next", "qwen2_5_vl", "internvl", "qwen3_vl"]
_PIXEL_FAMILIES = ("qwen2_5_vl", "qwen3_vl")  # images are resized to within a number of pixels
_COMMIT = re.compile(r"[0-9a-f]{40}")


def is_commit(revision: str | None) -> bool:
    """Tell whether a revision is a commit: branches and tags move."""
    return bool(_COMMIT.fullmatch(revision or ""))


class Model(Section):
    """One MLLM: a directory (or hub id) that the transformers Auto classes load, or a model by API."""

    title: str = Field(description="name in tables and figures")
    size: str = Field("", description="size as tables print it; '8B' also sizes its jobs on a cluster")
    role: Literal["subject", "verifier", "study"] = Field(
        "subject", description="subject: a row of the tables; verifier: of negatives; study: of `studies` only"
    )
    engine: Literal["transformers", "vllm", "http"] = Field(
        "transformers",
        description="what asks it (docs/new-model.md). transformers, vllm: in the job's own process; http: an API, "
        "which answers by letter, yes or no and free text only",
    )
    chat: Name | None = Field(None, description="engine http: the model of `chat.models` that is asked")
    family: Family | None = Field(
        None, description="how it is loaded and asked; may be null only with `predictions` or engine http (there it "
        "says that `path` is the checkpoint that is served, so that both engines can be compared)",
    )  # fmt: skip
    path: str = Field(
        "{results}/models/{model}",
        description="directory of the checkpoint; {results} stands for the preset's results folder, {model} for "
        "the model's name",
    )
    recipe: Name | None = Field(None, description="micro models: training recipe; the weights are pinned or trained")
    grown_from: Name | None = Field(
        None, description="micro models: the model whose trained weights this one starts from, so it is made first"
    )
    repo: str | None = Field(None, description="hub repository to retrieve the checkpoint from")
    revision: str | None = Field(
        None, description="commit, tag or branch of the repository; only a commit pins it. What was retrieved is "
        "recorded in `revision.txt` beside the files",
    )  # fmt: skip
    adapter_repo: str | None = Field(
        None, description="hub repository of a released adapter (peft), merged into the checkpoint when it is loaded"
    )
    adapter_revision: str | None = Field(None, description="commit, tag or branch of the adapter's repository")
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: str = Field("cpu", description="torch device, or auto: spread over the devices that there are")
    gpus: int = Field(1, ge=1, description="GPUs that its jobs ask for, if `device` is not cpu or `engine` is vllm")
    max_memory: dict[str, str] = Field(
        {}, description='device auto: number of a GPU, or cpu -> the most that it takes ({"0": 20GiB, cpu: 64GiB})'
    )
    attention: Literal["eager", "sdpa", "flash_attention_2"] = "sdpa"
    image_backend: Literal["pil", "torchvision"] | None = Field(
        None, description="what resizes images: their pixels differ a little, so it is pinned and recorded. null: pil "
        "with engine transformers; with the others their own",
    )  # fmt: skip
    min_pixels: int | None = Field(
        None,
        ge=1,
        description="families qwen2_5_vl, qwen3_vl: smaller images are enlarged; null: as the checkpoint says",
    )
    max_pixels: int | None = Field(
        None, ge=1, description="families qwen2_5_vl, qwen3_vl: larger images are shrunk; null: as the checkpoint says"
    )
    max_tiles: int | None = Field(
        None, ge=1, description="family internvl: most tiles of an image; null: as the checkpoint says"
    )
    thinking_tokens: int = Field(
        0, ge=0, description="engine http: tokens added to the limit of each answer, for models that think before it"
    )
    engine_options: dict[str, Any] = Field(
        {}, description="engine vllm: further arguments of its engine, such as tensor_parallel_size"
    )
    published: str | None = Field(None, description="`model,size` of the published row that this model reproduces")
    predictions: dict[Name, str] = Field(
        {}, description="suite -> file of responses that another toolkit wrote (docs/predictions.md): such a model has "
        "no checkpoint and is a row of the suites' tables only",
    )  # fmt: skip

    @property
    def billions(self) -> float | None:
        """Billions of parameters, as far as ``size`` says so."""
        found = re.match(r"([\d.]+)B", self.size)
        return float(found[1]) if found else None

    @property
    def on_gpus(self) -> bool:
        """Whether its jobs run on GPUs: `device` says so, and vLLM runs nowhere else."""
        return self.device != "cpu" or self.engine == "vllm"

    @property
    def by_api(self) -> bool:
        """Whether another machine asks it: no checkpoint is needed here."""
        return self.engine == "http"

    @property
    def unpinned(self) -> dict[str, tuple[str, str]]:
        """Key of a revision that is no commit -> its repository, which may change below it, and the revision."""
        given = {"revision": (self.repo, self.revision), "adapter_revision": (self.adapter_repo, self.adapter_revision)}
        return {key: (repo, name or "") for key, (repo, name) in given.items() if repo and not is_commit(name)}

    @model_validator(mode="after")
    def _one_source(self) -> Model:
        if self.recipe and self.repo:
            raise ValueError("a model has either a recipe (micro) or a repo (hub), not both")
        for repo, revision in ((self.repo, self.revision), (self.adapter_repo, self.adapter_revision)):
            if repo and not revision:
                raise ValueError(f"repo '{repo}' needs a revision, so that results can be traced to weights")
        if self.family is None and not self.predictions and not self.by_api:
            raise ValueError("a model that is asked needs a family")
        if self.predictions and (self.recipe or self.repo or self.by_api or self.role != "subject"):
            raise ValueError(
                "a model with predictions is not asked: it has no recipe, no repo, no API and the role subject"
            )
        return self

    @model_validator(mode="after")
    def _of_its_engine(self) -> Model:
        for problem in self._contradictions():
            raise ValueError(problem)
        return self

    def _contradictions(self) -> Iterator[str]:
        if self.by_api != (self.chat is not None):
            yield "chat names the model of an API: it belongs to engine: http, and to no other"
        if self.by_api and self.adapter_repo:
            yield "a model with engine: http has no adapter_repo: the server has its weights"
        if self.by_api and self.family is None and (self.recipe or self.repo):
            yield "a model with engine: http that names its checkpoint, to be compared with, needs a family"
        if self.thinking_tokens and not self.by_api:
            yield "thinking_tokens belongs to engine: http"
        if self.engine_options and self.engine != "vllm":
            yield "engine_options belongs to engine: vllm"
        if self.image_backend and self.engine != "transformers":
            yield f"image_backend belongs to engine: transformers; with {self.engine} images are prepared by its own"
        if self.max_memory and self.device != "auto":
            yield "max_memory belongs to device: auto"
        if (self.min_pixels or self.max_pixels) and self.family not in _PIXEL_FAMILIES:
            yield f"min_pixels and max_pixels belong to the families {' and '.join(_PIXEL_FAMILIES)}"
        if self.max_tiles and self.family != "internvl":
            yield "max_tiles belongs to the family internvl"
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            yield f"min_pixels {self.min_pixels} is above max_pixels {self.max_pixels}"
