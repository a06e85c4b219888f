"""One round of negatives + images -> checks: can an MLLM that sees the image pick the true element among the five?

Each element is asked in five cyclic orders, so that every phrase stands once at every letter and a liking
for a letter cancels out. A failure with low entropy is the sign of a "negative" that is in the image:
such an element gets new negatives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import yaml

from finer.config import Evaluation, Negatives
from finer.errors import InputError
from finer.keys import shuffled, stable_key
from finer.mllm import registry
from finer.mllm.registry import Checkpoint
from finer.mllm.runs import Stopwatch, frame_digest, run_row, versions
from finer.mllm.shards import run_sharded
from finer.negatives.settle import skipped
from finer.scenes.phrases import indefinite, relations_phrase, takes_plural
from finer.schemas import ELEMENTS, IMAGES, NEGATIVE_CHECKS, NEGATIVES, RUNS
from finer.store import read_table, table_from, write_table

if TYPE_CHECKING:
    from finer.mllm.questions import Answer, Engine

LETTERS = "ABCDE"
COUNT = len(LETTERS)  # the true phrase and four negatives
_Row = Mapping[str, Any]


@dataclass(frozen=True)
class Question:
    """One element, its true phrase and its four negatives, about one image."""

    element_id: str
    image_id: str
    image: Path
    round: int
    kind: str
    phrases: tuple[str, ...]  # true one first, then by rank

    @property
    def order(self) -> list[int]:
        """The phrases' order in the first of the five askings, drawn so that the truth has no usual neighbour."""
        return shuffled(range(COUNT), 0, "verify", self.element_id, self.round)

    def orders(self) -> list[list[int]]:
        """Return the five cyclic orders: ``orders[r][p]`` is the phrase at letter p in asking r."""
        first = self.order
        return [first[turn:] + first[:turn] for turn in range(COUNT)]


@cache
def _wordings() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("verify_prompts.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def prompt(kind: str, phrases: Sequence[str]) -> str:
    """Return what the verifier is asked, with the phrases as options in this order."""
    options = "\n".join(f"{letter}. {phrase}" for letter, phrase in zip(LETTERS, phrases, strict=True))
    return str(_wordings()["prompt"]).format(question=_wordings()["questions"][kind], options=options)


def _phrase(element: _Row, parent: _Row | None, text: str, plural: bool, target: str | None) -> str:
    """Return a full phrase: "a ball", "a ball with a red color" or "a ball that is to the left of the box"."""
    if parent is None:
        return indefinite(text, plural)
    owner = indefinite(parent["text"], parent["plural"])
    if element["kind"] == "attribute":
        return f"{owner} {text}"
    assert target is not None, "questions() gives every relation its target"
    return relations_phrase(owner, takes_plural(parent["text"], parent["plural"]), [(text, target)])


def questions(elements: pl.DataFrame, negatives: pl.DataFrame, images: pl.DataFrame) -> list[Question]:
    """Return one question per element that has negatives in this round, sorted by image.

    Args:
        elements: ELEMENTS.
        negatives: NEGATIVES of one round, four an element.
        images: IMAGES.

    Raises:
        InputError: not four negatives, an element that is not in the table, or an image without a file.
    """
    known = {row["element_id"]: row for row in elements.iter_rows(named=True)}
    paths = dict(images.select("image_id", "path").iter_rows())
    groups: dict[str, list[_Row]] = {}
    for row in negatives.sort("element_id", "rank").iter_rows(named=True):
        groups.setdefault(row["element_id"], []).append(row)
    built = [_question(known, paths, element_id, rows) for element_id, rows in groups.items()]
    return sorted(built, key=lambda question: (question.image_id, question.element_id))


def _question(
    known: Mapping[str, _Row], paths: Mapping[str, str | None], element_id: str, rows: Sequence[_Row]
) -> Question:
    if element_id not in known:
        raise InputError("negatives of an unknown element", row=element_id, expected="an element_id of the elements")
    if [row["rank"] for row in rows] != list(range(COUNT - 1)) or len({row["round"] for row in rows}) != 1:
        raise InputError(
            "an element without its four negatives of one round", row=element_id, field="rank",
            found=[(row["round"], row["rank"]) for row in rows], expected="one round, ranks 0 to 3",
        )  # fmt: skip
    element = known[element_id]
    path = paths.get(element["image_id"])
    if path is None:
        raise InputError(
            "the verifier needs an image", row=element["image_id"], field="path", expected="an image with a file",
            cure="give the benchmark its images, or set negatives.verification: none",
        )  # fmt: skip
    parent = None if element["parent_id"] is None else known[element["parent_id"]]
    target = None if element["target_id"] is None else known[element["target_id"]]["text"]
    phrases = [_phrase(element, parent, element["text"], element["plural"], target)]
    for row in rows:
        named = target if row["target_text"] is None else row["target_text"]
        phrases.append(_phrase(element, parent, row["text"], row["plural"], named))
    return Question(
        element_id, element["image_id"], Path(path), rows[0]["round"], element["kind"], tuple(phrases)
    )  # fmt: skip


def check(question: Question, answers: Sequence[Answer], threshold: float, verifier: str, run_id: str) -> _Row:
    """Return the row of NEGATIVE_CHECKS that the answers to the five askings make.

    The five letters' log-probabilities are normalised within each asking, mapped back to the phrases and averaged.
    A tie with a negative is a failure: position never decides. An API tells the likeliest tokens only: a letter that
    is not among them has no share in the choice; an asking in which none is makes an unsure failure without numbers.
    """
    row = {
        "element_id": question.element_id, "image_id": question.image_id, "round": question.round,
        "verifier": verifier, "check": "unsure_failure", "picked": None, "probabilities": None, "entropy": None,
        "letters": None, "run_id": run_id,
    }  # fmt: skip
    told = [[-math.inf if value is None else value for value in answer.logprobs] for answer in answers]
    if any(max(values, default=-math.inf) == -math.inf for values in told):
        return row
    total = [0.0] * COUNT
    letters = []
    for order, values in zip(question.orders(), told, strict=True):
        top = max(values)
        weights = [math.exp(value - top) for value in values]
        for place, weight in enumerate(weights):
            total[order[place]] += weight / sum(weights) / COUNT
        letters.append(LETTERS[values.index(top)])
    entropy = -sum(p * math.log(p) for p in total if p > 0) / math.log(COUNT)
    wrong = max(range(1, COUNT), key=total.__getitem__)
    picked = 0 if total[0] > total[wrong] else wrong
    failure = "sure_failure" if entropy < threshold else "unsure_failure"
    return row | {
        "check": failure if picked else "passed", "picked": picked, "probabilities": total, "entropy": entropy,
        "letters": letters,
    }  # fmt: skip


def check_block(
    block: Sequence[Question], engine: Engine, threshold: float, verifier: str, run_id: str
) -> pl.DataFrame:
    """Ask the verifier about some elements, five orders each; return their NEGATIVE_CHECKS."""
    from finer.mllm.questions import Query

    queries = [
        Query(
            f"{question.element_id}.{turn}",
            question.image,
            prompt(question.kind, [question.phrases[place] for place in order]),
            tuple(LETTERS),
        )
        for question in block
        for turn, order in enumerate(question.orders())
    ]
    answers = engine.answer(queries, 1)
    rows = [
        check(question, answers[start : start + COUNT], threshold, verifier, run_id)
        for start, question in zip(range(0, len(answers), COUNT), block, strict=True)
    ]
    return table_from(rows, NEGATIVE_CHECKS)


def verify(
    elements: pl.DataFrame,
    negatives: pl.DataFrame,
    images: pl.DataFrame,
    engine: Engine,
    settings: Negatives,
    run_id: str = "",
) -> pl.DataFrame:
    """Return the NEGATIVE_CHECKS of one round of negatives in one go (see ``verify_files`` for long jobs)."""
    if settings.verification == "none":
        return skipped(negatives)
    asked = questions(elements, negatives, images)
    return check_block(asked, engine, settings.entropy_threshold, str(settings.verifier), run_id)


def verify_files(
    elements: str | Path,
    negatives: str | Path,
    images: str | Path,
    out: str | Path,
    run: str | Path,
    checkpoint: Checkpoint,
    settings: Negatives,
    evaluation: Evaluation,
    code: str,
    load: Callable[[Checkpoint, Evaluation], Engine] = registry.engine,
) -> None:
    """Read ELEMENTS, one round of NEGATIVES, IMAGES; write NEGATIVE_CHECKS and the job's row of RUNS; resumable."""
    watch = Stopwatch()
    asked = questions(read_table(elements, ELEMENTS), read_table(negatives, NEGATIVES), read_table(images, IMAGES))
    asked_hash = frame_digest(pl.DataFrame([(q.element_id, str(q.image), *q.phrases) for q in asked], orient="row"))
    prompt_hash = stable_key(_wordings(), asked_hash)
    chosen = evaluation.model_dump_json(include={"prefix_reuse", "batch_tokens", "shard_items"})
    config_hash = stable_key(chosen, settings.entropy_threshold, checkpoint.numerics)
    revision = checkpoint.revision()
    adapter = checkpoint.adapter_revision()
    added = () if adapter is None else (adapter, versions("peft"))
    run_id = stable_key("verify", checkpoint.name, revision, prompt_hash, config_hash, code, versions(), *added)

    @cache
    def engine() -> Engine:
        return load(checkpoint, evaluation)

    size = max(1, evaluation.shard_items // COUNT)  # each element is five questions
    run_sharded(
        [asked[start : start + size] for start in range(0, len(asked), size)],
        lambda block: check_block(block, engine(), settings.entropy_threshold, checkpoint.name, run_id),
        NEGATIVE_CHECKS, out, run_id, f"{checkpoint.name} checks",
    )  # fmt: skip
    row = run_row(
        run_id, "verify", watch, config_hash=config_hash, code_hash=code, model=checkpoint.name,
        model_revision=revision, adapter_revision=adapter, prompt_hash=prompt_hash, items=len(asked) * COUNT,
        engine=checkpoint.engine, numerics=checkpoint.numerics, source=checkpoint.source(),
    )  # fmt: skip
    write_table(row, RUNS, run)
