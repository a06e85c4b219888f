"""What language models in their roles will read and write, and what of it runs on GPUs of the job itself.

Tokens an item were measured in a rehearsal on real captions (``workflow/resources/tokens.csv``), without a tokenizer:
four bytes count as one token, and the replies were those of rules, which say less than a talkative model. First
replies count; those that had to be sent back are not foreseen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import polars as pl

from finer.config import Config
from finer.config.language import LanguageModel, RoleName
from finer.errors import InputError
from finer.planning.counts import Counts
from finer.schemas import CALLS, CAPTIONS
from finer.store import read_table, write_text

FILE = Path("workflow/resources/tokens.csv")
SCHEMA = {"role": pl.String(), "unit": pl.String(), "items": pl.Int64(), "requests": pl.Int64(),
          "tokens_in": pl.Int64(), "tokens_out": pl.Int64()}  # fmt: skip
# Steps whose jobs ask a language model, by how their names begin, and its role.
_STEPS: dict[str, RoleName] = {
    "scene_graphs_by_model": "extractor", "propose_by_model": "proposer", "phrase_by_model": "phraser",
    "edit_by_model": "editor", "second_judge": "second_judge", "judge_hallucination": "judge",
    "judge_general": "judge", "judge_ablation": "judge",
}  # fmt: skip
_UNITS = {"extractor": "captions", "proposer": "elements", "phraser": "captions", "editor": "captions",
          "judge": "answers"}  # fmt: skip
_UNSIZED = 8.0  # billion parameters of a model whose name gives no size
_LETTER_TOKENS = 2  # what a model by API writes to answer


@dataclass(frozen=True)
class RoleUse:
    """What one role of a language model will read and write; ``money`` at configured prices.

    ``basis``: whether tokens an item are those of a rehearsal, or assumed (`cluster`).
    """

    role: str
    model: str
    requests: int
    tokens_in: int
    tokens_out: int
    money: float
    basis: Literal["rehearsal", "assumed"] = "rehearsal"


@dataclass(frozen=True)
class Tokens:
    """What was measured of one role; means an item."""

    requests: float
    read: float
    written: float


@dataclass(frozen=True)
class InProcess:
    """A language model on the GPUs of the job that asks it."""

    gpus: int
    billions: float
    tokens: float  # an item


@cache
def load_tokens(file: Path = FILE) -> dict[str, Tokens]:
    """Return role -> tokens an item, as measured."""
    try:
        frame = pl.read_csv(file, schema=SCHEMA)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError("cannot be read", file=file, found=str(error), expected=",".join(SCHEMA),
                         cure="restore the file") from error  # fmt: skip
    return {
        row["role"]: Tokens(*(row[key] / row["items"] for key in ("requests", "tokens_in", "tokens_out")))
        for row in frame.iter_rows(named=True)
    }


def asked_here(config: Config, step: str, wildcards: Mapping[str, str]) -> LanguageModel | None:
    """Return the language model that a step's job runs in its own process; None if it asks a server, or nobody."""
    role = _role(step)
    if role is None or not config.role(role, access=False):
        return None
    benchmark = config.benchmarks.get(wildcards.get("benchmark", ""))
    own = benchmark.proposer_model if benchmark is not None and role == "proposer" else None
    model = config.chat.models[own or config.chat.roles[role].model]
    return None if config.chat.backends[model.backend].kind == "http" else model


def in_process(config: Config, step: str, wildcards: Mapping[str, str]) -> InProcess | None:
    """Return what a step's job asks on GPUs of its own; None if it has no model in its process, or one on the CPU."""
    role, model = _role(step), asked_here(config, step, wildcards)
    if role is None or model is None:
        return None
    backend = config.chat.backends[model.backend]
    if backend.kind == "transformers" and model.device == "cpu":
        return None
    used = load_tokens()["judge" if role == "second_judge" else role]
    gpus = int(backend.options.get("tensor_parallel_size", 1))
    return InProcess(gpus, _billions(model), used.read + used.written)


def _role(step: str) -> RoleName | None:
    return next((name for begin, name in _STEPS.items() if step.startswith(begin)), None)


def _billions(model: LanguageModel) -> float:
    found = re.search(r"(\d+(?:\.\d+)?)[bB]\b", model.model)
    return float(found[1]) if found else _UNSIZED


def role_uses(config: Config, tokens: Mapping[str, Tokens] | None = None) -> list[RoleUse]:
    """Return what each role will read and write for a whole preset, and models that are asked by API as subjects."""
    measured = load_tokens() if tokens is None else tokens
    found: dict[tuple[str, str], float] = {}
    for role, model, items in _asked(config, Counts(config)):
        found[role, model] = found.get((role, model), 0) + items
    uses = []
    for (role, model), items in found.items():
        one = measured["judge" if role == "second_judge" else role]
        uses.append(_use(config, role, model, *(items * part for part in (one.requests, one.read, one.written))))
    return [use for use in [*uses, *_answers(config)] if use.requests]


def _asked(config: Config, counts: Counts) -> Iterator[tuple[str, str, float]]:
    """Return (role, model, items)."""
    chat = config.chat
    if config.scene_graphs.extractor == "llm":
        named = [name for name in config.benchmarks if config.benchmarks[name].reader in ("docci", "csv")]
        yield "extractor", chat.roles["extractor"].model, sum(map(counts.images, named))
    if config.negatives.proposer == "llm":
        rounds = config.negatives.rounds if config.negatives.verification == "mllm" else 0
        for name, entry in config.benchmarks.items():
            if entry.reader != "interchange":
                items = sum(counts.elements(name, round_) for round_ in range(rounds + 1))
                yield "proposer", entry.proposer_model or chat.roles["proposer"].model, items
    captions = [name for name, one in config.preferences.sources.items() if one.reader != "sharegpt"]
    for role in ("phraser", "editor"):
        if getattr(config.preferences, role) == "llm":
            yield role, chat.roles[role].model, sum(map(counts.captions, captions))  # type: ignore[index]
    judged = len(config.rows) * (counts.judged("hallucination") + counts.judged("general"))
    if config.evaluation.judge == "llm":
        yield "judge", chat.roles["judge"].model, judged
    if config.evaluation.second_judge == "llm":
        yield "second_judge", chat.roles["second_judge"].model, judged


def _answers(config: Config) -> Iterator[RoleUse]:
    """Return what subjects by API read and write: they answer in one way only, and each question has its image."""
    counts = Counts(config)
    asked = counts.summed(_one_way(counts)) + counts.summed(counts.granularity)
    asked += counts.suites("hallucination") + counts.suites("general")
    a_question = config.cluster.image_tokens + config.cluster.text_tokens
    for name in config.subjects:
        if (model := config.models[name].chat) is not None:
            written = _LETTER_TOKENS + config.models[name].thinking_tokens
            use = _use(config, f"answers of {name}", model, asked, asked * a_question, asked * written)
            yield replace(use, basis="assumed")


def _one_way(counts: Counts) -> Callable[[str], int]:
    # `asked` is three ways of all questions and the controls in one.
    return lambda name: counts.asked(name) - 2 * counts.questions(name)


def _use(config: Config, role: str, model: str, requests: float, read: float, written: float) -> RoleUse:
    entry = config.chat.models[model]
    money = (read * entry.price_in + written * entry.price_out) / 1e6
    return RoleUse(role, model, round(requests), round(read), round(written), money)


def write_tokens(results: str | Path, out: str | Path) -> None:
    """Measure a run's calls on captions, and write what each role read and wrote as CSV."""
    root = Path(results)
    places = {
        "extractor": sorted(root.glob("benchmark/*/elements.calls.parquet")),
        "proposer": [file for file in sorted(root.glob("benchmark/*/rounds/negatives.0.calls.parquet"))
                     if (file.parents[1] / "captions.parquet").is_file()],
        "phraser": sorted(root.glob("tuning/*/phrases.calls.parquet")),
        "editor": sorted(root.glob("tuning/*/edits.calls.parquet")),
        "judge": sorted(root.glob("judgements/*/*_suites.calls.parquet")),
    }  # fmt: skip
    rows = []
    for role, files in places.items():
        if not files:
            raise InputError("no calls of a role", file=root, field=role, expected="a run in which a model had it",
                             cure="make rehearsal")  # fmt: skip
        calls = pl.concat([read_table(file, CALLS) for file in files]).filter(attempt=0)
        if _UNITS[role] == "captions":
            items = sum(read_table(file.parent / "captions.parquet", CAPTIONS).height for file in files)
        elif role == "judge":
            items = calls.height  # equal answers are one subject and are judged in each row of the tables
        else:
            items = calls["subject"].n_unique()
        sums = (int(calls[key].sum()) for key in ("input_tokens", "output_tokens"))
        rows.append((role, _UNITS[role], items, calls.height, *sums))
    write_text(out, pl.DataFrame(rows, schema=SCHEMA, orient="row").write_csv())
