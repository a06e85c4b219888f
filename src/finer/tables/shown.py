"""What tables and figures show beside the estimates: which models and benchmarks, in which order, by which names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from finer.errors import InputError

BASE = "base"
TUNED = "tuned"  # the variant that published tuned rows are compared with
Subject = tuple[str, str]  # model, variant


@dataclass(frozen=True)
class ModelName:
    """How a model is shown; ``published``: "model,size" of the published row that it reproduces."""

    title: str
    size: str = ""
    published: str | None = None


@dataclass(frozen=True)
class Shown:
    """The models (rows) and benchmarks (name -> title, columns) in order, and how answers were got and read."""

    models: Mapping[str, ModelName]
    benchmarks: Mapping[str, str]
    answering: str = "letter"
    parser: str = "strict"
    confidence: float = 0.95

    def title(self, subject: Subject) -> str:
        """Return the name of a model variant in a legend or a sentence."""
        model, variant = subject
        title = f"{self.models[model].title} {self.models[model].size}".strip()
        return title if variant == BASE else f"{title} ({variant})"

    def scorer_of(self, answering: str) -> str:
        """The scorer that the tables show: the parser of letters, or the sum of an option's log-probabilities."""
        return self.parser if answering == "letter" else "sum"

    def how_of(self, answering: str) -> str:
        """How answers were got and read this way, as a part of a sentence for a footnote."""
        return {
            "letter": f"letter (greedy; parser: {self.parser})",
            "text": "text (the likeliest first word among the options, then the option with the highest summed "
            "log-probability that begins with it; a tie counts as unread)",
            "likelihood": "likelihood (the option with the highest summed log-probability; a tie counts as unread)",
        }[answering]

    @property
    def scorer(self) -> str:
        """The scorer of the configured way of answering."""
        return self.scorer_of(self.answering)

    @property
    def how(self) -> str:
        """How answers were got and read in the configured way, as a sentence for a footnote."""
        return f"Answering: {self.how_of(self.answering)}."

    @property
    def level(self) -> str:
        """The confidence as readers know it: "95 %"."""
        return f"{100 * self.confidence:g} %"

    def subjects(self, estimates: pl.DataFrame) -> list[Subject]:
        """Return the (model, variant) rows in the order shown, the base variant of each model first.

        Raises InputError if the estimates lack a model that is to be shown, or hold another one.
        """
        wanted, found = list(self.models), estimates["model"].unique().to_list()
        for names, expected, message in (
            (sorted(set(found) - set(wanted)), wanted, "estimates of a model that is not configured"),
            ([name for name in wanted if name not in found], wanted, "no estimates of a configured model"),
        ):
            if names:
                raise InputError(
                    message, field="model", found=", ".join(names), expected=", ".join(expected),
                    cure="rerun the rules before this one with the same configuration",
                )  # fmt: skip
        pairs = estimates.select("model", "variant").unique().rows()
        return sorted(pairs, key=lambda pair: (wanted.index(pair[0]), pair[1] != BASE, pair[1]))


def shown(values: Mapping[str, Any]) -> Shown:
    """Read the configuration's layout: models (title, size, published), benchmarks (titles), answering, parser, …"""
    models = {name: ModelName(**entry) for name, entry in values["models"].items()}
    return Shown(**{**values, "models": models})
