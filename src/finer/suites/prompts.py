"""The wordings of all suites, kept in ``prompts.yaml``, and how options are lettered."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import polars as pl
import yaml

from finer.errors import InputError
from finer.schemas import IMAGES

LETTERS = "ABCDE"


@cache
def _wordings() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(resources.files(__package__).joinpath("prompts.yaml").read_text("utf-8"))
    return loaded


def version() -> str:
    """Return the version of the wordings."""
    return str(_wordings()["version"])


def lettered(question: str, options: list[str]) -> str:
    """Return a multiple-choice prompt with options A, B, …"""
    lines = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=True))
    return str(_wordings()["finer"]["prompt"]).format(question=question, options=lines)


def bare(question: str) -> str:
    """Return a multiple-choice question without its options."""
    return str(_wordings()["finer"]["question"]).format(question=question)


def yes_no(question: str) -> str:
    """Return a question with the request to answer yes or no."""
    return str(_wordings()["granularity"]["prompt"]).format(question=question)


def with_image_paths(queries: pl.DataFrame, images: pl.DataFrame) -> pl.DataFrame:
    """Add ``image_paths`` (a list of one) from the table of images.

    Raises:
        InputError: a query's image is not in the table or has no file.
    """
    joined = queries.join(images.select("image_id", "path"), on="image_id", how="left", maintain_order="left")
    lost = joined.filter(pl.col("path").is_null())
    if lost.height:
        row = lost.row(0, named=True)
        raise InputError(
            "a question about an image without a file", row=row["image_id"], field="path", found=None,
            expected=f"a row of the table '{IMAGES.name}' with a path", cure="give the benchmark its images",
        )  # fmt: skip
    return joined.with_columns(image_paths=pl.concat_list("path")).drop("path")


def wording(suite: str, name: str) -> str:
    """Return a wording of a suite: official, or a toolkit's for a model family.

    Raises:
        InputError: the suite has no such wording.
    """
    found = _wordings()["suites"].get(suite, {})
    if name not in found:
        raise InputError(
            "no such prompt", field=f"suites.{suite}.prompt", found=name, expected=" | ".join(found) or "none",
            cure="name one of the wordings of prompts.yaml",
        )  # fmt: skip
    return str(found[name])


def wordings() -> list[str]:
    """Return every wording of every suite."""
    return [str(text) for suite in _wordings()["suites"].values() for text in suite.values()]
