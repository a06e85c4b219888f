"""Verbs about language models."""

from __future__ import annotations

from finer.cli.verb import Arguments, verb


@verb("cache")
def chat_costs(a: Arguments) -> None:
    """Print tokens and money of all replies in a cache, by role and model."""
    from finer.chat.ledger import costs

    frame = costs(a.cache)
    print(frame.write_csv(separator="\t", float_precision=6), end="")
