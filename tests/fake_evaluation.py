"""Invented items, responses and configuration for the tests of scoring, statistics and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from finer.keys import generator
from finer.schemas import ITEMS, RESPONSES
from finer.store import table_from
from finer.tables.shown import ModelName, Shown

COUNTS = {"multi_obj": range(1, 7), "multi_attr": range(1, 4), "multi_rel": range(1, 4), "wh": range(1, 3)}
CHOICES = {"seed": 2603, "resamples": 400, "confidence": 0.95}
SHOWN = Shown(
    models={
        "seer-micro": ModelName("Seer <micro>", "1M", "LLaVA-1.6,7B"),
        "seer-micro@tuned": ModelName("Seer <micro>", "1M", "LLaVA-1.6,7B", "+ Tuning"),
        "yes_man": ModelName("Yes & Man", "2M"),
    },
    benchmarks={"comprecap": "FINER-CompreCap", "docci": "FINER-DOCCI"},
)


def item(**values: object) -> dict[str, object]:
    """One item row with defaults."""
    row: dict[str, object] = {
        "item_id": "i0", "suite": "finer", "benchmark": "comprecap", "image_paths": ["a.jpg"], "image_id": "a",
        "prompt": "?", "answering": "letter", "options": ["1", "2", "3", "4", "5"], "answer_index": 0,
        "group_id": "g0", "grouping": "multi_obj", "polarity": "positive", "entity_count": 1, "control": "none",
    }  # fmt: skip
    return {**row, **values}


def response(item_id: str, text: str, **values: object) -> dict[str, object]:
    """One response row with defaults."""
    row: dict[str, object] = {
        "item_id": item_id, "model": "seer-micro", "variant": "base", "answering": "letter", "control": "none",
        "text": text, "option_logprobs": [0.0], "option_mean_logprobs": None, "engine": "fake", "run_id": "r",
    }  # fmt: skip
    return {**row, **values}


def finer_items(images: int = 40, benchmarks: tuple[str, ...] = ("comprecap", "docci")) -> pl.DataFrame:
    """One pair per image, setting and entity count, in each benchmark."""
    rows = []
    for benchmark in benchmarks:
        for image in range(images):
            for setting, counts in COUNTS.items():
                for count in counts:
                    for polarity in ("positive", "negative"):
                        group = f"{benchmark}-{image:03}-{setting}-{count}"
                        key = f"{group}-{polarity}"
                        rows.append(
                            item(
                                item_id=key, benchmark=benchmark, image_id=f"{benchmark}-{image:03}", group_id=group,
                                grouping=setting, polarity=polarity, entity_count=count,
                                answer_index=generator(1, key).randrange(5),
                            )
                        )  # fmt: skip
    return table_from(rows, ITEMS)


def granularity_items(images: int = 40, benchmarks: tuple[str, ...] = ("comprecap", "docci")) -> pl.DataFrame:
    """One wrong query and its matched true one per image and level."""
    rows = []
    for benchmark in benchmarks:
        for image in range(images):
            for level in range(1, 8):
                for answer, polarity in enumerate(("positive", "negative")):
                    group = f"{benchmark}-{image:03}-level-{level}"
                    rows.append(
                        item(
                            item_id=f"{group}-{polarity}", suite="granularity", benchmark=benchmark,
                            image_id=f"{benchmark}-{image:03}", group_id=group, grouping=f"level_{level}",
                            polarity=polarity, entity_count=None, answering="yes_no", options=["yes", "no"],
                            answer_index=answer,
                        )
                    )  # fmt: skip
    return table_from(rows, ITEMS)


def responses(items: pl.DataFrame, skill: Mapping[tuple[str, str], float]) -> pl.DataFrame:
    """Answers of each (model, variant): right with a chance of ``skill`` less 0.06 per entity or level, by key."""
    rows = []
    for one in items.iter_rows(named=True):
        for (model, variant), share in skill.items():
            draw = generator(7, one["item_id"], model, variant)
            depth = one["entity_count"] or int(one["grouping"][-1])
            right = draw.random() < share - 0.06 * depth
            options = len(one["options"])
            index = one["answer_index"] if right else (one["answer_index"] + draw.randrange(1, options)) % options
            text = "ABCDE"[index] if one["answering"] == "letter" else one["options"][index].capitalize() + "."
            if draw.random() < 0.02:
                text = "I cannot tell"
            rows.append(
                response(
                    one["item_id"],
                    text,
                    model=model,
                    variant=variant,
                    answering=one["answering"],
                    control=one["control"],
                )
            )
    return table_from(rows, RESPONSES)


BOTH_TUNED = replace(SHOWN, models={**SHOWN.models, "yes_man@tuned": ModelName("Yes & Man", "2M", variant="+ Tuning")})
SKILL = {
    ("seer-micro", "base"): 0.8, ("seer-micro", "tuned"): 0.9, ("yes_man", "base"): 0.35, ("yes_man", "tuned"): 0.6,
}  # fmt: skip
