"""Settings of preference tuning: where long captions come from, how preference pairs are drawn, how adapters train."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from finer.schemas import BASE

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
RowName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(@[A-Za-z0-9][A-Za-z0-9._-]*)?$")]
PhraseType = Literal["obj", "attr", "rel", "wh"]

AT = "@"  # "model@adapter" names a model with an adapter, in paths and in `studies`


def subject(name: str) -> tuple[str, str]:
    """Return model and variant of "model" or "model@adapter"."""
    model, _, adapter = name.partition(AT)
    return model, adapter or BASE


class Section(BaseModel):
    """A part of the configuration; unknown keys are errors, not silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TuningSource(Section):
    """Long captions with their images, or finished preference pairs."""

    reader: Literal["pixmo", "docci", "sharegpt"] = Field(
        description="format of the raw file; sharegpt: finished preference pairs, which replace the stages before them"
    )
    role: Literal["train", "dev"] = Field(
        "train", description="train: adapters learn from it; dev: for choosing how, never trained on"
    )
    raw: str = Field(description="raw file; {results} stands for the preset's results folder")
    images: str = Field(description="folder of the images")
    split: str | None = Field(None, description="split to read, where the format has several; null: all")
    size: int | None = Field(None, ge=1, description="about how many captions it has, as for `benchmarks`")


class Preferences(Section):
    """How long captions become preference pairs."""

    sources: dict[Name, TuningSource] = Field({}, description="the captions; null removes one of an overlaid file")
    phraser: Literal["rules", "llm"] = Field(
        "rules", description="who states the positive phrases. rules: the scene graph; llm: a language model"
    )
    editor: Literal["rules", "llm"] = Field(
        "rules", description="who replaces one slot. rules: the lexicon of negatives; llm: a language model"
    )
    balanced: bool = Field(
        True,
        description="edit only so that the text alone does not tell what is true: replacements are drawn from what is "
        "true elsewhere in the source. false: any plausible one, for small sources, which else yield little",
    )
    caption_tokens: int = Field(
        512, ge=16, description="words of a caption that are read; the rest is cut, and counted"
    )
    leak_distance: int = Field(
        0, ge=0, le=256,
        description="photographs: a tuning image whose perceptual hash differs from a benchmark image's in at most so "
        "many of 256 bits is dropped as a leak",
    )  # fmt: skip


class Mixture(Section):
    """Which of the preference pairs an adapter is trained on."""

    queries: Literal["one", "both", "negative", "share"] = Field(
        description="of each caption and type, one: the positive or the negative query, drawn (PoN); both; negative: "
        "only the negative; share: positive ones in the given share"
    )
    positive_share: Share | None = Field(None, description="with queries: share, how many are positive")
    types: dict[PhraseType, float] = Field(
        {"obj": 1.0, "attr": 1.0, "rel": 1.0, "wh": 1.0},
        description="how likely a pair of each type is to be drawn next, against the others; a type left out is not",
    )
    natural_only: bool = Field(False, description="only captions of natural images")

    @model_validator(mode="after")
    def _share_given(self) -> Mixture:
        if (self.queries == "share") != (self.positive_share is not None):
            raise ValueError("positive_share belongs to queries: share, and to no other")
        if not self.types or min(self.types.values()) <= 0:
            raise ValueError("types needs at least one type, each with a weight above 0; leave out what is not drawn")
        return self


class Training(Section):
    """How an adapter is trained."""

    method: Literal["dpo", "sft"] = Field("dpo", description="dpo: on preferences; sft: on the chosen answers alone")
    samples: int = Field(6400, ge=1, description="preference pairs drawn from the mixture; fewer if it has fewer")
    beta: float = Field(0.1, gt=0, description="strength of DPO's tie to the base model")
    rank: int = Field(32, ge=1, description="LoRA rank")
    alpha: float = Field(64.0, gt=0, description="LoRA alpha; the update is scaled by alpha / rank")
    dropout: Share = Field(0.0, description="LoRA dropout")
    modules: list[str] = Field(
        ["q_proj", "v_proj"], min_length=1, description="projections of the language model that get an adapter"
    )
    learning_rate: float = Field(5e-6, gt=0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: Share = Field(0.1, description="share of the steps over which the rate rises")
    epochs: int = Field(1, ge=1)
    batch: int = Field(4, ge=1, description="pairs a device and forward pass")
    accumulation: int = Field(8, ge=1, description="forward passes a step")
    devices: int = Field(
        1, ge=1, description="processes, one a GPU; the pairs a step are batch x accumulation x devices"
    )
    held_out: Share = Field(0.01, description="share of the pairs that is only watched")
    image_pixels: int = Field(262144, ge=1024, description="larger images are shrunk to so many pixels, keeping shape")
    max_tokens: int = Field(
        512, ge=16, description="longest sequence, image included; longer pairs are dropped, counted"
    )
    shared_prompt: bool = Field(
        True, description="run image and question once a pair for chosen and rejected answer; false: the plain trainer"
    )
    checkpoint_steps: int = Field(50, ge=1, description="steps between checkpoints: what a killed training repeats")
    log_steps: int = Field(5, ge=1, description="steps between rows of the training log")
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="precision of the forward pass")
    device: Literal["cpu", "cuda"] = "cpu"
    seed: int = Field(1, ge=0)


class Adapter(Section):
    """One way of tuning, trained for some models; a tuned model is named model@adapter."""

    title: str = Field(description="name in tables, after the model's: '+ FINER-Tuning'")
    role: Literal["main", "ablation", "study"] = Field(
        "main", description="main: rows of the tables; ablation: of the ablation tables; study: of `studies` only"
    )
    models: list[Name] = Field(min_length=1, description="the models it is trained for")
    mixture: Name = Field(description="a mixture of `mixtures`")
    training: dict[str, Any] = Field({}, description="settings that differ from `tuning`")
    per_model: dict[Name, dict[str, Any]] = Field({}, description="settings that differ for one model")


class Ablation(Section):
    """A table of variants of one model."""

    title: str
    model: Name = Field(description="the model, whose base row comes first")
    benchmark: Name = Field(description="the benchmark whose settings are the columns")
    rows: dict[Name, list[str]] = Field(
        min_length=1, description="adapter -> its labels in the stub columns, as many as `columns`"
    )
    columns: list[str] = Field(min_length=1, description="headings of the stub columns")
