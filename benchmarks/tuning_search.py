"""Try settings of tuning on development data: what the recipe of an adapter is chosen by.

    python benchmarks/tuning_search.py --model FOLDER --family internvl --preferences MIXTURE.parquet
        --items DEV_ITEMS.parquet … --trial '{"learning_rate": 0.0003}' --trial '{…}' [--out search.jsonl]

Each trial trains an adapter with the configured settings but for those given, and asks the tuned model the questions of
the development benchmarks (never those of the test benchmarks). Prints and appends, per trial: paired accuracy and the
shares of right answers to right and to wrong questions for each setting and way of answering; "no" to wrong and "yes"
to right queries for each level of granularity; CPU seconds. The first row is the base. Items: rules `items_finer` and
`items_granularity` of the benchmarks with role dev.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import polars as pl
import yaml

from finer.config import Evaluation, parse
from finer.mllm.answering import ASKED, respond
from finer.mllm.registry import Checkpoint, engine
from finer.schemas import ITEMS, RESPONSES, TRAINING_LOG
from finer.scoring.verdicts import verdicts
from finer.store import read_table, read_tables
from finer.tuning.train import Outputs, train_adapter

BLOCK = 4096


def answers(checkpoint: Checkpoint, items: pl.DataFrame, settings: Evaluation) -> pl.DataFrame:
    """Return VERDICTS joined with what was asked."""
    asked = items.sort("image_id", "item_id", "answering").select(ASKED)
    model = engine(checkpoint, settings)
    parts = [
        respond(asked[start : start + BLOCK], model, 2, checkpoint.name, "trial", "search")
        for start in range(0, asked.height, BLOCK)
    ]
    responses = pl.concat(parts).select(list(RESPONSES.columns))
    judged = verdicts(items, responses).filter(pl.col("scorer").is_in(["strict", "sum"]))
    keys = ["item_id", "answering", "control"]
    return judged.join(items.select(*keys, "group_id", "grouping", "polarity"), on=keys)


def summary(judged: pl.DataFrame) -> dict[str, float]:
    """Return shares in percent, by way of answering and setting: pairs, right and wrong questions answered rightly."""
    found: dict[str, float] = {}
    for (way, cell), rows in sorted(judged.group_by("answering", "grouping"), key=lambda pair: str(pair[0])):
        pairs = rows.group_by("group_id").agg(pl.col("score").min())["score"].mean()
        shares = dict(rows.group_by("polarity").agg(pl.col("score").mean()).rows())
        name = f"{way}.{cell}"
        if way != "yes_no":
            found[name] = 100 * float(pairs)  # type: ignore[arg-type]
        found[f"{name}.right"] = 100 * shares["positive"]
        found[f"{name}.wrong"] = 100 * shares["negative"]
    return found


def main() -> None:
    """Run the trials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--family", required=True)
    parser.add_argument("--preferences", required=True)
    parser.add_argument("--items", nargs="+", required=True)
    parser.add_argument("--trial", action="append", default=[], help="settings of `tuning` as JSON")
    parser.add_argument("--out", default="search.jsonl")
    parser.add_argument("--no-base", action="store_true", help="do not ask the base again")
    options = parser.parse_args()
    config = parse(yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8")))
    items = read_tables(options.items, ITEMS).filter(pl.col("control") == "none")
    base = Checkpoint(name=Path(options.model).name, path=options.model, family=options.family)
    trials: list[dict[str, Any] | None] = [*([] if options.no_base else [None]), *map(json.loads, options.trial)]
    for trial in trials:
        row: dict[str, Any] = {
            "model": base.name,
            "mixture": Path(options.preferences).name,
            "trial": json.dumps(trial),
        }
        checkpoint, started = base, time.process_time()
        with tempfile.TemporaryDirectory() as name:
            if trial is not None:
                folder = Path(name)
                files = (folder / f"{part}.parquet" for part in ("log", "drops", "run"))
                outputs = Outputs(folder / "adapter", *files, folder / "checkpoints")
                training = config.tuning.model_validate(config.tuning.model_dump() | trial)
                train_adapter(options.preferences, base, "trial", training, outputs, "search")
                log = read_table(outputs.log, TRAINING_LOG).filter(pl.col("split") == "held_out").sort("step")
                row |= {f"held_out.{part}": log[part][-1] for part in ("loss", "accuracy", "margin")}
                row |= {"steps": log["step"][-1]}
                checkpoint = base.model_copy(update={"adapter": str(outputs.adapter)})
            row["train_seconds"] = round(time.process_time() - started, 1)
            row |= {
                key: round(value, 1) for key, value in summary(answers(checkpoint, items, config.evaluation)).items()
            }
        print(json.dumps(row), flush=True)
        with Path(options.out).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
