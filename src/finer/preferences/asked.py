"""A language model in a role of this pipeline, with what is kept of it: CALLS, and a row of RUNS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finer.chat.roles import RoleAsker, open_role
from finer.keys import stable_key
from finer.mllm.runs import Stopwatch, run_row
from finer.schemas import CALLS, RUNS
from finer.store import write_table


@contextmanager
def in_role(
    chat: str, verb: str, code: str, config: str, calls: str | Path, run: str | Path
) -> Iterator[RoleAsker]:  # fmt: skip
    """Open a role; when the block is left without an error, write what was asked and how.

    Args:
        chat: the role's settings as JSON (``Config.role``).
        verb: for RUNS.
        code: fingerprint of the code, for RUNS.
        config: the rest of the job's settings, for RUNS.
        calls: file of CALLS to write.
        run: file of RUNS to write.
    """
    watch = Stopwatch()
    with open_role(chat) as role:
        yield role
        write_table(role.calls(), CALLS, calls)
        known = role.run_values()
        row = run_row(
            role.run_id, verb, watch, config_hash=stable_key(config), code_hash=code, model=role.model,
            model_revision=role.revision, prompt_hash=role.prompt_hash, items=int(known["items"] or 0),
        )  # fmt: skip
        write_table(row, RUNS, run)
