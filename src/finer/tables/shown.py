"""What tables and figures show beside the estimates: which models and benchmarks, in which order, by which names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from finer.config.tuning import AT, subject
from finer.errors import InputError
from finer.schemas import BASE

Subject = tuple[str, str]  # model, variant
SCORED = ("text", "likelihood")  # ways of answering that read how likely whole options are


@dataclass(frozen=True)
class ModelName:
    """How a row is shown.

    ``published``: "model,size" of the published rows that the model and its tuned variants are compared with;
    ``variant``: the title of the adapter, of a tuned row; ``scores``: whether its engine tells how likely an option is,
    without which there is no answer by text or likelihood; ``comparable``: whether several engines could ask it.
    """

    title: str
    size: str = ""
    published: str | None = None
    variant: str = ""
    scores: bool = True
    comparable: bool = True

    @property
    def full(self) -> str:
        """The name in a legend or a sentence."""
        plain = f"{self.title} {self.size}".strip()
        if not self.variant:
            return plain
        return f"{plain} {self.variant}" if self.variant.startswith("+") else f"{plain} ({self.variant})"


@dataclass(frozen=True)
class Shown:
    """The rows ("model" or "model@adapter") and benchmarks (name -> title, columns) in order, and how answers were got.

    ``spread``: the rows are one thing several times, so their mean and standard deviation are of interest;
    ``parity``: the least agreement of engines (share) and the largest gap that let them stand in one table.
    """

    models: Mapping[str, ModelName]
    benchmarks: Mapping[str, str]
    answering: str = "letter"
    parser: str = "strict"
    confidence: float = 0.95
    spread: bool = False
    parity: Mapping[str, float] = field(default_factory=lambda: {"agreement": 1.0, "gap": 0.0})
    engines: tuple[str, ...] = ()  # footnotes on the engines that asked

    @property
    def order(self) -> list[Subject]:
        """The rows in order."""
        return [subject(row) for row in self.models]

    @property
    def tuned(self) -> list[Subject]:
        """The rows of tuned models in order."""
        return [one for one in self.order if one[1] != BASE]

    @property
    def untuned(self) -> Shown:
        """The same with the models as they are, without their tuned variants."""
        return replace(self, models={row: name for row, name in self.models.items() if subject(row)[1] == BASE})

    def asked(self, answering: str | None = None) -> Shown:
        """The same with the models that can answer this way (None: the configured one)."""
        way = self.answering if answering is None else answering
        able = {row: name for row, name in self.models.items() if name.scores or way not in SCORED}
        return replace(self, models=able)

    @property
    def unscored(self) -> list[str]:
        """Names of the models whose engine does not tell how likely an option is."""
        return [name.full for name in self.models.values() if not name.scores]

    def name(self, subject: Subject) -> ModelName:
        """Return how a row is shown."""
        return self.models[row_name(subject)]

    def title(self, subject: Subject) -> str:
        """Return the name of a row in a legend or a sentence."""
        return self.name(subject).full

    def only(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the frame's rows of the models and variants that are shown."""
        wanted = pl.DataFrame(self.order, schema={"model": pl.String, "variant": pl.String}, orient="row")
        return frame.join(wanted, on=["model", "variant"], how="semi", maintain_order="left")

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
        """Return the (model, variant) rows in the order shown.

        Raises InputError if the estimates lack a row that is to be shown, or hold another one.
        """
        wanted, found = self.order, estimates.select("model", "variant").unique().rows()
        for names, message in (
            (sorted(set(found) - set(wanted)), "estimates of a model that is not configured"),
            ([one for one in wanted if one not in found], "no estimates of a configured model"),
        ):
            if names:
                raise InputError(
                    message, field="model, variant", found=", ".join(map(row_name, names)),
                    expected=", ".join(self.models),
                    cure="rerun the rules before this one with the same configuration",
                )  # fmt: skip
        return wanted


def row_name(subject: Subject) -> str:
    """Return "model" or "model@adapter"."""
    model, variant = subject
    return model if variant == BASE else f"{model}{AT}{variant}"


def shown(values: Mapping[str, Any]) -> Shown:
    """Read the configuration's layout: models (title, size, published, variant), benchmarks (titles), answering, …"""
    models = {name: ModelName(**entry) for name, entry in values["models"].items()}
    return Shown(**{**values, "models": models})
