"""The verbs of ``python -m finer``: each reads files, calls one function and writes files.

Imports stand inside the verbs: help answers at once, and the fingerprint of a rule's code covers what its verb
runs and no more (see ``finer.workflow``).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from finer.cli import (
    benchmark,
    chat,
    containers,
    doctor,
    evaluation,
    models,
    planning,
    predictions,
    preferences,
    raw,
    suites,
    tables,
)
from finer.cli.verb import VERBS
from finer.errors import InputError

__all__ = [
    "benchmark", "chat", "containers", "doctor", "evaluation", "main", "models", "planning", "predictions",
    "preferences", "raw", "suites", "tables",
]  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb; return the exit code: 0, or 1 after an error that the user can mend."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    parser = argparse.ArgumentParser(prog="python -m finer", description="FINER: the verbs behind the workflow.")
    subparsers = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, (function, options) in VERBS.items():
        summary = (function.__doc__ or "").strip().splitlines()[0]
        child = subparsers.add_parser(name, help=summary, description=summary)
        for option, details in options:
            child.add_argument(option, **details)
    arguments = parser.parse_args(_joined(sys.argv[1:] if argv is None else list(argv)))
    try:
        return VERBS[arguments.verb][0](arguments) or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _joined(words: list[str]) -> list[str]:
    """Let a verb be written as two words: `containers build` is `containers-build`."""
    joined = "-".join(words[:2])
    return [joined, *words[2:]] if joined in VERBS else words
