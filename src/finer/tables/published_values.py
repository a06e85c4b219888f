"""Numbers printed for the paper's models, to be compared with a run on the same models and data.

Source: arXiv 2603.17662 as updated on its project page. ``published/finer_benchmarks.csv`` is percent, one decimal;
``published/granularity.csv`` was read off a plot by eye and is in fractions (InternVL-3.5 14B only). The ablations
are of InternVL-3.5 8B on FINER-CompreCap; their columns ``repope`` (mean accuracy of the three splits) and ``mmstar``
are percent too.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

import polars as pl

from finer.errors import InputError
from finer.schemas import SETTINGS

#: the one model of the published granularity figure
GRANULARITY_MODEL = "InternVL-3.5,14B"

#: the one model and benchmark of the published ablations; ablation -> its columns of labels
ABLATION_MODEL, ABLATION_BENCHMARK = "InternVL-3.5,8B", "comprecap"
ABLATIONS = {"strategy": ("method", "queries"), "subset": ("subset",)}


def published_accuracy() -> pl.DataFrame:
    """Return the published paired accuracies: row ("model,size"), tuned, benchmark, setting, published."""
    wide = _read("finer_benchmarks.csv")
    long = wide.with_columns(row=pl.concat_str("model", "size", separator=",", ignore_nulls=True)).unpivot(
        index=["row", "tuned"], variable_name="column", value_name="published"
    )
    numbers = long.filter(pl.col("column").str.contains("_") & pl.col("published").is_not_null())
    setting = pl.col("column").str.extract(f"_({'|'.join(SETTINGS)})$", 1)
    return numbers.select(
        "row",
        tuned=pl.col("tuned") == "yes",
        benchmark=pl.col("column").str.replace(f"_({'|'.join(SETTINGS)})$", ""),
        setting=setting,
        published=pl.col("published").cast(pl.Float64),
    )


def published_granularity() -> pl.DataFrame:
    """Return the published shares of "no" in percent: benchmark, level, tuned, published."""
    wide = _read("granularity.csv").cast({"level": pl.Int64, "base_accuracy": pl.Float64, "tuned_accuracy": pl.Float64})
    long = wide.unpivot(index=["benchmark", "level"], variable_name="variant", value_name="published")
    return long.select(
        "benchmark", "level", tuned=pl.col("variant") == "tuned_accuracy", published=100 * pl.col("published")
    )


def published_ablation(name: str, columns: Sequence[str] = SETTINGS) -> pl.DataFrame:
    """Return a published ablation: row ("model,size"), benchmark, labels (joined by a space), setting, published.

    Empty for ablations that the paper does not have. ``columns``: those that ``setting`` names, settings or suites.
    """
    schema = {"row": pl.String, "benchmark": pl.String, "labels": pl.String, "setting": pl.String}
    if name not in ABLATIONS:
        return pl.DataFrame(schema={**schema, "published": pl.Float64})
    wide = _read(f"ablation_{name}.csv").with_columns(
        labels=pl.concat_str(ABLATIONS[name], separator=" ", ignore_nulls=True),
        row=pl.lit(ABLATION_MODEL), benchmark=pl.lit(ABLATION_BENCHMARK),
    )  # fmt: skip
    long = wide.unpivot(columns, index=["row", "benchmark", "labels"], variable_name="setting", value_name="published")
    return long.with_columns(pl.col("published").cast(pl.Float64))


def check_published_row(row: str, model: str) -> None:
    """Raise InputError if no published row has this name."""
    known = published_accuracy()["row"].unique(maintain_order=True).to_list()
    if row not in known:
        raise InputError(
            "no such row in the published tables", file="config.yaml", field=f"models.{model}.published", found=row,
            expected=" | ".join(known), cure="name one of these rows, or null",
        )  # fmt: skip


def _read(name: str) -> pl.DataFrame:
    return pl.read_csv(files("finer.tables").joinpath("published", name).read_bytes(), infer_schema=False)
