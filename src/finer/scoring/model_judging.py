"""Some suites' items and responses -> their judgements by a language model, with all that it was sent and said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from finer.chat.roles import open_role
from finer.keys import stable_key
from finer.mllm.runs import Stopwatch, run_row
from finer.schemas import CALLS, RUNS
from finer.scoring.judging import Files, judge_suites
from finer.scoring.model_judge import ModelJudge
from finer.store import write_table


def judge_by_model(
    suites: Sequence[str], chat: str, code: str, items: Files, responses: Files, outputs: Files, calls: str | Path,
    run: str | Path,
) -> None:  # fmt: skip
    """Judge the responses to some suites, as ``finer.scoring.judging.judge_by_rules`` does.

    ``chat``: the role's settings as JSON (``Config.role``).
    """
    watch = Stopwatch()
    with open_role(chat) as role:
        version = " ".join(filter(None, (role.settings.model.model, role.revision)))
        judge = ModelJudge(role, version)
        made = judge_suites(judge, suites, items, responses, outputs)
        write_table(role.calls(), CALLS, calls)
    row = run_row(
        judge.run_id, "judge-suites-by-model", watch, config_hash=stable_key(chat), code_hash=code, model=judge.name,
        model_revision=role.revision, prompt_hash=role.prompt_hash, items=made,
    )  # fmt: skip
    write_table(row, RUNS, run)
