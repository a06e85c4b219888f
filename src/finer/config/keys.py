"""The keys of the whole configuration."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from finer.config.cluster import Cluster
from finer.config.language import Chat
from finer.config.models import Model
from finer.config.sections import (
    Benchmark,
    Containers,
    Evaluation,
    Micro,
    Negatives,
    SceneGraphs,
    Statistics,
    Study,
    SuiteSource,
    World,
)
from finer.config.tuning import Ablation, Adapter, Mixture, Name, Preferences, Section, Training

_REMOVABLE = ("benchmarks", "models", "studies", "mixtures", "adapters", "ablations", "suites")


class Keys(Section):
    """What config.yaml may hold."""

    preset: Name = Field("micro", description="results go to <results>/<preset>")
    results: str = Field("results", description="folder of all results")
    data: str = Field(
        "{results}/raw",
        description="folder of the raw data that the workflow retrieves; {results}: the preset's results",
    )
    seed: int = Field(2603, ge=0, description="seed of every draw")
    on_bad_item: Literal["stop", "drop"] = Field(
        "stop", description="one unreadable image or annotation: stop with an error, or drop and count it"
    )
    world: World | None = Field(None, description="the micro world; null: raw files are given")
    benchmarks: dict[Name, Benchmark] = Field(
        min_length=1, description="the benchmarks; null removes one of an overlaid file"
    )
    captions: str | None = Field(None, description="file of captions, for the target `captions`")
    scene_graphs: SceneGraphs = SceneGraphs()
    negatives: Negatives = Negatives()
    models: dict[Name, Model] = Field(min_length=1, description="the MLLMs; null removes one of an overlaid file")
    studies: dict[Name, Study] = Field({}, description="further tables, of the target `studies`")
    micro: Micro = Micro()
    preferences: Preferences = Preferences()
    mixtures: dict[Name, Mixture] = Field({}, description="which preference pairs are drawn")
    tuning: Training = Training()
    adapters: dict[Name, Adapter] = Field({}, description="what is trained; null removes one of an overlaid file")
    ablations: dict[Name, Ablation] = Field({}, description="tables `ablation_NAME` of variants of one model")
    suites: dict[Name, SuiteSource] = Field({}, description="evaluation suites; null removes one of an overlaid file")
    evaluation: Evaluation = Evaluation()
    chat: Chat = Chat()
    containers: Containers = Containers()
    statistics: Statistics = Statistics()
    cluster: Cluster = Cluster()

    @model_validator(mode="before")
    @classmethod
    def _without_removed(cls, values: Any) -> Any:
        """An overlay removes an entry of a mapping of names by setting it to null."""
        if isinstance(values, dict):
            values = {key: _kept(entry) if key in _REMOVABLE else entry for key, entry in values.items()}
            if isinstance(given := values.get("preferences"), dict):
                values["preferences"] = {**given, "sources": _kept(given.get("sources", {}))}
            if isinstance(given := values.get("chat"), dict):
                values["chat"] = {
                    key: _kept(entry) if isinstance(entry, dict) else entry for key, entry in given.items()
                }
            for key, inner in (("ablations", "rows"), ("adapters", "per_model")):
                if isinstance(given := values.get(key), dict):
                    values[key] = {name: _with_kept(entry, inner) for name, entry in given.items()}
        return values


def _with_kept(entry: Any, key: str) -> Any:
    return {**entry, key: _kept(entry[key])} if isinstance(entry, dict) and key in entry else entry


def _kept(entries: Any) -> Any:
    if not isinstance(entries, dict):
        return entries
    return {name: entry for name, entry in entries.items() if entry is not None}
