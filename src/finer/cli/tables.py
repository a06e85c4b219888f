"""Verbs that write tables, figures, the catalogue and the docs."""

from __future__ import annotations

from finer.cli.verb import Arguments, settings, verb


@verb("config", "estimates*", "comparisons*", "runs*", "parity*", "out*")
def table_finer_benchmarks(a: Arguments) -> None:
    """Write the FINER table as Markdown, CSV, LaTeX and HTML."""
    from finer.tables.engines import with_engines
    from finer.tables.finer_benchmarks import write_finer_benchmarks
    from finer.tables.shown import shown

    what = with_engines(shown(settings(a.config)), a.runs, a.parity)
    write_finer_benchmarks(a.estimates, a.comparisons, a.out, what)


@verb("config", "estimates*", "comparisons*", "runs*", "parity*", "out*")
def table_finer_answering(a: Arguments) -> None:
    """Write the three ways of answering side by side."""
    from finer.tables.engines import with_engines
    from finer.tables.finer_answering import write_finer_answering
    from finer.tables.shown import shown

    what = with_engines(shown(settings(a.config)), a.runs, a.parity)
    write_finer_answering(a.estimates, a.comparisons, a.out, what)


@verb("config", "estimates*", "comparisons*", "ranker", "runs*", "parity*", "out*")
def table_blind_controls(a: Arguments) -> None:
    """Write what is right without seeing the image, and what seeing adds."""
    from finer.tables.blind_controls import write_blind_controls
    from finer.tables.engines import with_engines
    from finer.tables.shown import shown

    what = with_engines(shown(settings(a.config)), a.runs, a.parity)
    write_blind_controls(a.estimates, a.comparisons, a.ranker, a.out, what)


@verb("config", "audits*", "verified*", "unverified*", "out*")
def table_audit(a: Arguments) -> None:
    """Write what the micro world's truth says of the benchmarks."""
    from finer.tables.audit import write_audit
    from finer.tables.shown import shown

    write_audit(a.audits, a.verified, a.unverified, a.out, shown(settings(a.config)).asked())


@verb("config", "estimates*", "out*")
def figure_granularity(a: Arguments) -> None:
    """Draw the seven levels of granularity."""
    from finer.tables.figures import write_granularity
    from finer.tables.shown import shown

    write_granularity(a.estimates, a.out, shown(settings(a.config)))


@verb("config", "estimates*", "out*")
def figure_entity_count(a: Arguments) -> None:
    """Draw paired accuracy against entity count."""
    from finer.tables.figures import write_entity_count
    from finer.tables.shown import shown

    write_entity_count(a.estimates, a.out, shown(settings(a.config)).asked())


@verb("config", "name", "estimates*", "comparisons*", "suites*", "suite-comparisons*", "out*")
def table_ablation(a: Arguments) -> None:
    """Write variants of one model, each against its base."""
    from finer.tables.ablation import ablation_of, write_ablation

    ablation, shown = ablation_of(settings(a.config), a.name)
    suites = (a.suites, a.suite_comparisons)
    write_ablation(a.estimates, a.comparisons, a.out, ablation, shown, suites)


@verb("config", "logs*", "out*")
def figure_training(a: Arguments) -> None:
    """Draw loss, accuracy and margin over the steps of training."""
    from finer.tables.shown import shown
    from finer.tables.training_figure import write_training

    write_training(a.logs, a.out, shown(settings(a.config)))


@verb("config", "name", "title", "estimates*", "out*")
def table_study(a: Arguments) -> None:
    """Write models side by side that differ in one thing only."""
    from finer.tables.shown import shown
    from finer.tables.study import write_study

    write_study(a.estimates, a.out, shown(settings(a.config)), a.title, a.name)


@verb("config", "title", "estimates*", "out*")
def figure_study(a: Arguments) -> None:
    """Draw models that differ in one thing only."""
    from finer.tables.figures import write_study
    from finer.tables.shown import shown

    write_study(a.estimates, a.out, shown(settings(a.config)), a.title)


@verb("config", ("seed", {"type": int}), "items*", "verdicts*", "images*", "out", "sheet")
def examples(a: Arguments) -> None:
    """Write some pairs with all models' answers, and a contact sheet of the images."""
    from finer.tables.examples import write_examples
    from finer.tables.shown import shown

    write_examples(a.items, a.verdicts, a.images, a.seed, a.out, a.sheet, shown(settings(a.config)))


@verb("folder", "out*")
def table_times(a: Arguments) -> None:
    """Add up where the time of a run went."""
    from pathlib import Path

    from finer.tables.times import write_times

    write_times(sorted(Path(a.folder).glob("*.tsv")), a.out)


@verb("files*", "out")
def catalogue(a: Arguments) -> None:
    """Write the DuckDB catalogue of views on the tables."""
    from finer.tables.catalogue import write_catalogue

    write_catalogue(a.files, a.out)


@verb("new", "reference")
def verify_tables(a: Arguments) -> int:
    """Compare tables with a committed reference, cell by cell."""
    from finer.tables.verify import verify as compare

    compared = compare(a.new, a.reference)
    print(compared)
    return 0 if compared.ok else 1


@verb("results", "out")
def reference(a: Arguments) -> None:
    """Copy a run's tables and figures to where `verify-tables` finds them."""
    from finer.tables.reference import renew

    renew(a.results, a.out)


@verb("docs?", "schema?")
def config_docs(a: Arguments) -> None:
    """Write the configuration's page of the docs and its JSON schema."""
    from finer.configdocs import json_schema, markdown
    from finer.store import write_text

    write_text(a.docs or "docs/configuration.md", markdown())
    write_text(a.schema or "workflow/config.schema.json", json_schema())
