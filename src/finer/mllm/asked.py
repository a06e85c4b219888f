"""A job that asks language models in a role -> its CALLS, and a row of RUNS a prompt, written when it ends well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import polars as pl

from finer.chat.roles import RoleAsker, open_role
from finer.keys import stable_key
from finer.mllm.runs import Stopwatch, run_row
from finer.schemas import CALLS, RUNS
from finer.store import check_table, write_table


@contextmanager
def in_role(
    chat: str, prompts: Sequence[str], verb: str, code: str, config: str, calls: str | Path, run: str | Path
) -> Iterator[list[RoleAsker]]:
    """Open a role once a prompt; when the block is left without an error, write what was asked and how.

    Args:
        chat: the role's settings as JSON (``Config.role``).
        prompts: names of prompt files, one for each kind of question.
        verb: for RUNS.
        code: fingerprint of the code, for RUNS.
        config: the rest of the job's settings, for RUNS.
        calls: file of CALLS to write.
        run: file of RUNS to write.
    """
    watch = Stopwatch()
    with ExitStack() as opened:
        askers = [opened.enter_context(open_role(chat, name)) for name in prompts]
        yield askers
        asked = {_job(asker, frame): (asker, frame) for asker in askers for frame in [asker.calls()]}
        kept = pl.concat(_of_job(frame, job) for job, (_, frame) in asked.items())
        write_table(kept.sort("subject", "attempt", "call_id"), CALLS, calls)
        rows = [
            run_row(
                job, verb, watch, config_hash=stable_key(config), code_hash=code, model=asker.model,
                model_revision=asker.revision, prompt_hash=asker.prompt_hash, items=frame["subject"].n_unique(),
            )
            for job, (asker, frame) in asked.items()
        ]  # fmt: skip
        write_table(pl.concat(rows), RUNS, run)


def _of_job(calls: pl.DataFrame, job: str) -> pl.DataFrame:
    """Return CALLS under the id of this job: what the role replies to other questions is another row of RUNS."""
    rows = [
        row | {"run_id": job, "call_id": stable_key(job, row["request_hash"])} for row in calls.iter_rows(named=True)
    ]
    return check_table(pl.DataFrame(rows, schema=dict(CALLS.columns), orient="row"), CALLS)


def _job(asker: RoleAsker, calls: pl.DataFrame) -> str:
    return stable_key(asker.run_id, *calls["subject"].unique().sort())
