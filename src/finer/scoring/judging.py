"""Some suites' items and responses -> their judgements, by the judge that the configuration names.

One job judges all suites of a group that one model answered. What a language model was sent and what it said is kept
beside the judgements as CALLS, and the job is a row of RUNS.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from finer.errors import InputError
from finer.keys import stable_key
from finer.mllm.runs import Stopwatch, run_row
from finer.schemas import CALLS, RUNS
from finer.scoring.judges import Judge, judge_suite
from finer.scoring.model_judge import ModelJudge
from finer.scoring.rules_judge import Rules
from finer.store import write_table
from finer.suites.suite import load_suite

Files = Sequence[str | Path]


def judge_suites(
    suites: Sequence[str], who: str, chat: str, code: str, items: Files, responses: Files, outputs: Files,
    calls: str | Path, run: str | Path,
) -> None:  # fmt: skip
    """Judge the responses to some suites, of each one file of items, responses and JUDGEMENTS.

    Args:
        suites: names or modules of the suites.
        who: rules, or llm.
        chat: llm: the role's settings as JSON (``Config.role``).
        code: fingerprint of the code, for RUNS.
        calls: file of CALLS to write; by rules it is empty.
        run: file of RUNS to write.
    """
    watch = Stopwatch()
    if who == "rules":
        made = _judge(Rules(), suites, items, responses, outputs)
        write_table(CALLS.empty(), CALLS, calls)
        write_table(_run(Rules(), watch, code, chat, made), RUNS, run)
    elif who == "llm":
        from finer.chat.roles import open_role  # with its libraries, which rules need not

        model = json.loads(chat)["model"]
        version = " ".join(filter(None, (model["model"], model["revision"])))
        with open_role(chat) as asker:
            judge = ModelJudge(asker, version)
            made = _judge(judge, suites, items, responses, outputs)
            write_table(asker.calls(), CALLS, calls)
            write_table(_run(judge, watch, code, chat, made), RUNS, run)
    else:
        raise InputError("no such judge", field="evaluation.judge", found=who, expected="rules | llm")


def _judge(judge: Judge, suites: Sequence[str], items: Files, responses: Files, outputs: Files) -> int:
    """Write the judgements of each suite; return how many there are."""
    return sum(
        judge_suite(load_suite(name).name, [asked], [answered], judge, output).height
        for name, asked, answered, output in zip(suites, items, responses, outputs, strict=True)
    )


def _run(judge: Judge, watch: Stopwatch, code: str, chat: str, items: int) -> pl.DataFrame:
    return run_row(
        judge.run_id, "judge-suites", watch, config_hash=stable_key(chat), code_hash=code, model=judge.name,
        model_revision=judge.revision, items=items,
    )  # fmt: skip
