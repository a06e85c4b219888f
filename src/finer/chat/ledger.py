"""What requests may cost before they are asked, and what replies did cost: tokens and money at configured prices."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from PIL import Image

from finer.chat.canonical import canonical_json
from finer.chat.journal import Journal
from finer.chat.messages import Request
from finer.chat.shards import REPLIES, shard_files
from finer.config.language import LanguageModel
from finer.errors import InputError
from finer.store import read_tables

_MILLION = 1e6
_TURN_TOKENS = 16  # marks of a turn in chat templates, rounded up
_IMAGE_TOKENS = 13 * 256  # of an image in InternVL at its most tiles, whatever its size
_PIXELS_A_TOKEN = 28 * 28  # Qwen2.5-VL; others take fewer tokens of an image


def money(model: LanguageModel, input_tokens: int, output_tokens: int) -> float:
    """Return what so many tokens cost."""
    return (input_tokens * model.price_in + output_tokens * model.price_out) / _MILLION


def most_input_tokens(request: Request) -> int:
    """Return a bound on the tokens of a request: a token of text is a byte at least."""
    text = sum(len(message.text.encode("utf-8", "replace")) + _TURN_TOKENS for message in request.messages)
    schema = len(canonical_json(request.schema).encode()) if request.schema is not None else 0
    return text + schema + sum(_image_tokens(path) for message in request.messages for path in message.images)


def most_money(model: LanguageModel, request: Request) -> float:
    """Return the most that a request may cost."""
    return money(model, most_input_tokens(request), request.max_tokens)


def _image_tokens(path: Path) -> int:
    try:
        with Image.open(path) as image:
            width, height = image.size
    except OSError as error:
        raise InputError(
            "an image to be shown to a language model cannot be read", file=path, found=str(error),
            expected="an image file", cure="restore the file",
        ) from error  # fmt: skip
    return max(_IMAGE_TOKENS, -(-width * height // _PIXELS_A_TOKEN))


def costs(folder: str | Path) -> pl.DataFrame:
    """Return replies, tokens and money of each role and model of a cache, and their sum in the last row.

    Raises:
        InputError: there is no cache.
    """
    place = Path(folder)
    journal = Journal(place / "journal.jsonl")
    files = shard_files(place)
    if not files and not journal.path.is_file():
        raise InputError("no cache of replies", file=place, cure="name the folder of `chat.cache`")
    kept = read_tables(files, REPLIES)
    if journal.path.is_file():
        rows = [event["reply"] for _, event in journal.unread() if "reply" in event]
        kept = pl.concat([kept, pl.DataFrame(rows, schema=dict(REPLIES.columns), orient="row")])
    kept = kept.unique("key", keep="first").rename({"name": "entry"})
    sums = (
        pl.len().cast(pl.Int64).alias("replies"), pl.col("input_tokens").sum(), pl.col("output_tokens").sum(),
        pl.col("cost").sum(),
    )  # fmt: skip
    grouped = kept.group_by("role", "entry", "model").agg(*sums).sort("role", "entry", "model")
    whole = kept.select(pl.lit("all").alias("role"), pl.lit("").alias("entry"), pl.lit("").alias("model"), *sums)
    return pl.concat([grouped, whole.head(1)]) if kept.height else grouped
