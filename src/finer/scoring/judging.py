"""Some suites' items and responses -> their judgements, by rules or, in ``finer.scoring.model_judging``, by a model.

One job judges all suites of a group that one model answered. Beside the judgements lie CALLS, what a language model was
sent and what it said (by rules: nothing), and the job's row of RUNS.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from finer.mllm.runs import Stopwatch, run_row
from finer.schemas import CALLS, RUNS
from finer.scoring.judges import Judge, judge_suite
from finer.scoring.rules_judge import Rules
from finer.store import write_table
from finer.suites.suite import load_suite

Files = Sequence[str | Path]


def judge_by_rules(
    suites: Sequence[str], code: str, items: Files, responses: Files, outputs: Files, calls: str | Path,
    run: str | Path,
) -> None:  # fmt: skip
    """Judge the responses to some suites, of each one file of items, responses and JUDGEMENTS.

    Args:
        suites: names or modules of the suites.
        code: fingerprint of the code, for RUNS.
        calls: file of CALLS to write.
        run: file of RUNS to write.
    """
    watch, judge = Stopwatch(), Rules()
    made = judge_suites(judge, suites, items, responses, outputs)
    write_table(CALLS.empty(), CALLS, calls)
    row = run_row(
        judge.run_id, "judge-suites", watch, config_hash="none", code_hash=code, model=judge.name,
        model_revision=judge.revision, items=made,
    )  # fmt: skip
    write_table(row, RUNS, run)


def judge_suites(judge: Judge, suites: Sequence[str], items: Files, responses: Files, outputs: Files) -> int:
    """Write the judgements of each suite; return how many there are."""
    return sum(
        judge_suite(load_suite(name).name, [asked], [answered], judge, output).height
        for name, asked, answered, output in zip(suites, items, responses, outputs, strict=True)
    )
