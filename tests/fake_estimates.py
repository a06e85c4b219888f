"""Invented estimates, as complete as a run's: three ways of answering, pooled rows, controls, counts and levels.

Counts of right pairs and questions are drawn by key, so they fit together as those of real pairs do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from finer.keys import generator
from finer.schemas import COMPARISONS, ESTIMATES, POOLED, SETTINGS, TEXT_RANKER, TRAINING_LOG
from finer.store import table_from

PAIRS = {"multi_obj": 200, "multi_attr": 180, "multi_rel": 160, "wh": 120}
CONTROL_PAIRS = 80
SUBJECTS = (("seer-micro", "base"), ("seer-micro", "tuned"), ("yes_man", "base"))
SCORERS = {"letter": ("strict", "upstream"), "text": ("sum",), "likelihood": ("sum", "mean")}
BENCHMARKS = ("comprecap", "docci")
HALF = 6.0  # half of every interval, in points
Counts = Mapping[str, int]


def row(**values: object) -> dict[str, object]:
    """One row of the estimates with defaults."""
    plain: dict[str, object] = {
        "control": "none", "entity_count": None, "ci_low": None, "ci_high": None, "n_images": 40,
        "interval": "bootstrap",
    }  # fmt: skip
    return {**plain, **values}


def share(hits: int, n: int, signed: bool = False) -> dict[str, object]:
    """Value and bounds of a share, or of a difference of shares."""
    value = 100 * hits / n
    low = value - HALF if signed else max(0.0, value - HALF)
    return {"value": value, "ci_low": low, "ci_high": min(100.0, value + HALF), "n": n}


def counts(*key: object, pairs: int) -> Counts:
    """How many of the pairs, and of their questions, are right or unread."""
    draw = generator(11, *key)
    positive, negative = draw.randint(pairs // 2, pairs), draw.randint(0, pairs)
    both = draw.randint(max(0, positive + negative - pairs), min(positive, negative))
    return {"both": both, "positive": positive, "negative": negative, "lost": draw.choice([0, 0, 3]), "pairs": pairs}


def asked(cell: Mapping[str, object], found: Counts) -> Iterator[dict[str, object]]:
    """The estimates of one cell asked with the right image."""
    for statistic, hits in (("paired_accuracy", "both"), ("positive_accuracy", "positive"),
                            ("negative_accuracy", "negative")):  # fmt: skip
        yield row(**cell, statistic=statistic, **share(found[hits], found["pairs"]))
    yield row(**cell, statistic="unparsed_share", **share(found["lost"], 2 * found["pairs"]))
    yield row(**cell, statistic="minimal_detectable_difference", value=9.0, n=found["pairs"], interval="none")


def unseen(cell: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """The estimates of one cell asked about a wrong image and without any."""
    n = CONTROL_PAIRS
    seen = generator(12, *cell.values()).randint(n // 4, n)
    for control in ("wrong_image", "text_only"):
        blind = generator(13, control, *cell.values()).randint(0, n // 4)
        where = {**cell, "control": control}
        yield row(**where, statistic="paired_accuracy", **share(blind, n))
        yield row(**where, statistic="seen_paired_accuracy", **share(seen, n))
        yield row(**where, statistic="gain_of_seeing", **share(seen - blind, n, signed=True))


def fake_estimates(benchmarks: tuple[str, ...] = BENCHMARKS) -> pl.DataFrame:
    """All estimates of the suite ``finer``; without seeing, only letters were asked for."""
    rows: list[dict[str, object]] = []
    for model, variant in SUBJECTS:
        for setting in SETTINGS:
            for way, scorer in ((way, scorer) for way, scorers in SCORERS.items() for scorer in scorers):
                cell = {"model": model, "variant": variant, "setting": setting, "answering": way, "scorer": scorer}
                parts = {name: counts(name, *cell.values(), pairs=PAIRS[setting]) for name in benchmarks}
                for name, found in parts.items():
                    here = {**cell, "benchmark": name}
                    rows += asked(here, found)
                    if way == "letter":
                        rows += unseen(here)
                    if setting != "wh":
                        rows += by_count(here, found)
                pooled = {name: sum(one[name] for one in parts.values()) for name in next(iter(parts.values()))}
                rows += asked({**cell, "benchmark": POOLED}, pooled)
    return table_from(rows, ESTIMATES)


def by_count(cell: Mapping[str, object], found: Counts) -> Iterator[dict[str, object]]:
    """Paired accuracy of two entity counts."""
    for count in (1, 2):
        n = found["pairs"] // 2
        yield row(**{**cell, "entity_count": count}, statistic="paired_accuracy", **share(min(n, found["both"]), n))


def fake_levels(benchmarks: tuple[str, ...] = BENCHMARKS) -> pl.DataFrame:
    """Shares of "no" and "yes" over the seven levels."""
    rows = []
    for model, variant in SUBJECTS:
        for name in benchmarks:
            for level in range(1, 8):
                cell = {"model": model, "variant": variant, "benchmark": name, "setting": f"level_{level}",
                        "answering": "yes_no", "scorer": "strict"}  # fmt: skip
                rows += [row(**cell, statistic="no_share", **share(60 - 6 * level, 60)),
                         row(**cell, statistic="yes_share", **share(50 + level, 60))]  # fmt: skip
    return table_from(rows, ESTIMATES)


def fake_ranker(benchmarks: tuple[str, ...] = BENCHMARKS) -> pl.DataFrame:
    """The text-only ranker's rows: two groups of features and all of them."""
    rows = []
    for name in benchmarks:
        for place, setting in enumerate(SETTINGS):
            for features, value in (("all", 19.0 + place), ("prior", 18.0), ("length", 21.5)):
                found = {"value": value, "ci_low": value - 4, "ci_high": value + 4}
                where = {"benchmark": name, "setting": setting, "features": features}
                rows.append({**where, **found, "n": PAIRS[setting], "n_images": 40})
    return table_from(rows, TEXT_RANKER)


def fake_comparisons(estimates: pl.DataFrame) -> pl.DataFrame:
    """The differences of these estimates between tuned models and their bases, with invented bounds and p."""
    compared = ("paired_accuracy", "positive_accuracy", "negative_accuracy", "yes_share", "no_share", "gain_of_seeing")
    key = [name for name in COMPARISONS.key if name not in ("variant", "against")]
    own = estimates.filter(pl.col("statistic").is_in(compared), pl.col("entity_count").is_null())
    seen = (pl.col("control") == "none") | (pl.col("statistic") == "gain_of_seeing")
    base = own.filter(seen, variant="base").select(*key, base="value")
    rows = []
    for one in own.filter(seen, pl.col("variant") != "base").join(base, on=key).iter_rows(named=True):
        value = one["value"] - one["base"]
        place = {name: one[name] for name in (*key, "variant", "n", "n_images")}
        p = round(10 ** -(abs(value) / 12), 5)
        rows.append({**place, "against": "base", "value": value, "ci_low": value - HALF, "ci_high": value + HALF,
                     "p_value": p, "interval": "bootstrap"})  # fmt: skip
    return table_from(rows, COMPARISONS)


def fake_training(subjects: tuple[tuple[str, str], ...], steps: int = 40) -> pl.DataFrame:
    """Logs of trainings that go well, noisier on the pairs trained on."""
    rows = []
    for model, variant in subjects:
        for split, every in (("train", 1), ("held_out", 5)):
            for step in range(every, steps + 1, every):
                draw = generator(14, model, variant, split, step)
                noise = draw.uniform(-1, 1) * (0.05 if split == "train" else 0.01)
                done = 1 - 2.718 ** (-step / 12)
                rows.append({"model": model, "variant": variant, "split": split, "step": step, "pairs": 32 * step,
                             "loss": 0.69 - 0.5 * done + noise, "accuracy": min(1, 0.5 + 0.45 * done + noise),
                             "margin": 3 * done + 4 * noise, "chosen_reward": done, "rejected_reward": -2 * done,
                             "gradient_norm": 1.0, "learning_rate": 1e-4})  # fmt: skip
    return table_from(rows, TRAINING_LOG)
