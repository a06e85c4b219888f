"""Verbs that exchange predictions with other toolkits."""

from __future__ import annotations

from finer.cli.verb import Arguments, verb


@verb("items*", "responses*", "out*")
def export_predictions(a: Arguments) -> None:
    """Write responses to a suite as other toolkits do (.tsv, .jsonl); without responses, its questions (.tsv)."""
    from finer.suites.interchange import write_predictions

    write_predictions(a.items, a.responses, a.out)


@verb("items*", "predictions", "model", "on-bad-item", "out", "drops")
def import_predictions(a: Arguments) -> None:
    """Read predictions that another toolkit wrote as the responses of a model (or model@variant) to a suite."""
    from finer.config.tuning import subject
    from finer.raw.records import OnBadItem
    from finer.schemas import DROPS, ITEMS, RESPONSES
    from finer.store import read_tables, write_table
    from finer.suites.interchange import import_predictions as imported

    policy: OnBadItem = "drop" if a.on_bad_item == "drop" else "stop"
    responses, drops = imported(read_tables(a.items, ITEMS), a.predictions, *subject(a.model), policy)
    write_table(drops, DROPS, a.drops)
    write_table(responses, RESPONSES, a.out)
