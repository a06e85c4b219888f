"""The verbs of ``python -m finer``: each reads files, calls one function and writes files.

Imports stand inside the verbs: help answers at once, and the fingerprint of a rule's code covers what its verb
runs and no more (see ``finer.workflow``).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from finer.errors import InputError

Arguments = argparse.Namespace
CHECKPOINT_SECONDS = 120.0  # what a killed training repeats at most
VERBS: dict[str, tuple[Callable[[Arguments], int | None], tuple[tuple[str, dict[str, Any]], ...]]] = {}


def verb(*options: str | tuple[str, dict[str, Any]]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a verb. An option's name ends in ``*`` if it takes any number of values, ``?`` if it may be absent."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        parsed: list[tuple[str, dict[str, Any]]] = []
        for option in options:
            name, details = option if isinstance(option, tuple) else (option, {})
            bare = name.rstrip("*?")
            nargs = {"nargs": "*", "default": []} if name.endswith("*") else {}
            required = {} if name.endswith(("*", "?")) else {"required": True}
            parsed.append((f"--{bare}", {**nargs, **required, **details}))
        VERBS[function.__name__.replace("_", "-")] = (function, tuple(parsed))
        return function

    return register


def settings(text: str) -> dict[str, Any]:
    """Read ``--config``: a part of the configuration as JSON, or the path of a whole configuration file."""
    if text.lstrip().startswith("{"):
        values: dict[str, Any] = json.loads(text)
        return values
    import yaml

    from finer.config import parse

    try:
        loaded = yaml.safe_load(Path(text).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError("cannot be read", file=text, found=str(error), expected="a configuration file") from error
    return parse(loaded, text).model_dump(mode="json")


# ---------------------------------------------------------------- raw files


@verb("config", ("pool", {"choices": ["test", "dev"]}), "annotations", "truth")
def world_comprecap(a: Arguments) -> None:
    """Write scenes of the micro world in CompreCap's format."""
    from finer.world.comprecap import write_comprecap

    pool = {"test": "comprecap_test", "dev": "benchmark_dev"}[a.pool]
    values = settings(a.config)
    write_comprecap(values["seed"], pool, values["world"][pool], Path(a.annotations).parent, truth=a.truth)


@verb("config", "descriptions", "truth")
def world_docci(a: Arguments) -> None:
    """Write scenes of the micro world in DOCCI's format."""
    from finer.world.docci import write_docci

    values = settings(a.config)
    write_docci(values["seed"], "docci_test", values["world"]["docci_test"], Path(a.descriptions).parent, truth=a.truth)


@verb("config", ("pool", {"choices": ["tuning", "tuning_dev"]}), "captions")
def world_pixmo(a: Arguments) -> None:
    """Write scenes of the micro world with long captions in PixMo-Cap's format."""
    from finer.world.pixmo import write_pixmo

    values = settings(a.config)
    write_pixmo(values["seed"], a.pool, values["world"][a.pool], Path(a.captions).parent)


@verb("config", ("pool", {"choices": ["base", "verifier"]}), "out", "manifest")
def world_instruct(a: Arguments) -> None:
    """Write instruction data for training the micro models."""
    from finer.world.instruct import write_instruct

    values = settings(a.config)
    share = values["world"]["negative_share" if a.pool == "base" else "verifier_negative_share"]
    write_instruct(values["seed"], a.pool, values["world"][a.pool], a.out, share, manifest=a.manifest)


@verb("manifests*", "out")
def world_check(a: Arguments) -> None:
    """Check that no scene is in two pools."""
    from finer.world.pools import check_manifests

    check_manifests(a.manifests, a.out)


@verb("repo", "annotations", "images")
def retrieve_comprecap(a: Arguments) -> None:
    """Fetch CompreCap from its hub repository."""
    from finer.raw import retrieve

    retrieve.retrieve_comprecap(a.repo, a.annotations, a.images)


@verb("source", "descriptions", "images")
def retrieve_docci(a: Arguments) -> None:
    """Fetch DOCCI's descriptions and images."""
    from finer.raw import retrieve

    retrieve.retrieve_docci(a.source, a.descriptions, a.images)


@verb("repo", "revision", "out")
def retrieve_model(a: Arguments) -> None:
    """Fetch a checkpoint from a hub at a given revision."""
    from finer.raw import retrieve

    retrieve.retrieve_model(a.repo, a.revision, a.out)


# ---------------------------------------------------------------- benchmarks


@verb("config", "benchmark", "annotations", "images", "out", "drops")
def read_comprecap(a: Arguments) -> None:
    """Read and check CompreCap's annotations and images."""
    from finer.raw import comprecap
    from finer.schemas import DROPS, IMAGES
    from finer.store import write_table

    values = settings(a.config)
    raw = comprecap.read_comprecap(
        a.annotations, a.images, a.benchmark, values["on_bad_item"], values["split"] or "all"
    )
    write_table(raw.drops, DROPS, a.drops)
    write_table(raw.images, IMAGES, a.out)


@verb("config", "benchmark", "descriptions", ("images", {"nargs": "?", "default": None}), "out", "captions", "drops")
def read_docci(a: Arguments) -> None:
    """Read and check DOCCI's captions and, where they are, images."""
    from finer.raw import docci
    from finer.schemas import CAPTIONS, DROPS, IMAGES
    from finer.store import write_table

    values = settings(a.config)
    raw = docci.read_docci(a.descriptions, a.images, a.benchmark, values["split"], values["on_bad_item"])
    write_table(raw.drops, DROPS, a.drops)
    write_table(raw.captions, CAPTIONS, a.captions)
    write_table(raw.images, IMAGES, a.out)


@verb("config", "benchmark", "folder", ("images", {"nargs": "?", "default": None}), "out", "pairs", "drops")
def import_interchange(a: Arguments) -> None:
    """Read a released benchmark in the interchange form."""
    from finer.queries import interchange
    from finer.schemas import DROPS, IMAGES, PAIRS
    from finer.store import write_table

    values = settings(a.config)
    raw = interchange.import_interchange(
        a.folder, a.images, a.benchmark, values["on_bad_item"], values["split"] or "all"
    )
    write_table(raw.drops, DROPS, a.drops)
    write_table(raw.pairs, PAIRS, a.pairs)
    write_table(raw.images, IMAGES, a.out)


@verb("config", "annotations", "images", "out", "drops")
def scene_graphs_from_annotations(a: Arguments) -> None:
    """Turn CompreCap's annotations into scene graphs."""
    from finer.raw.comprecap import annotations_of
    from finer.scenes.annotations import elements_of
    from finer.schemas import DROPS, ELEMENTS, IMAGES
    from finer.store import read_table, write_table

    annotated = annotations_of(a.annotations, read_table(a.images, IMAGES))
    elements, drops = elements_of(annotated, settings(a.config)["scene_graphs"]["parser"])
    write_table(drops, DROPS, a.drops)
    write_table(elements, ELEMENTS, a.out)


@verb("config", "captions", "out", "drops")
def scene_graphs_from_captions(a: Arguments) -> None:
    """Turn captions into scene graphs."""
    from finer.scenes.captions import extract
    from finer.schemas import CAPTIONS, DROPS, ELEMENTS
    from finer.store import read_table, write_table

    elements, drops = extract(read_table(a.captions, CAPTIONS), settings(a.config)["scene_graphs"]["parser"])
    write_table(drops, DROPS, a.drops)
    write_table(elements, ELEMENTS, a.out)


@verb("config", ("round", {"type": int}), "elements", "captions*", "earlier*", "checks*", "out", "drops")
def propose(a: Arguments) -> None:
    """Propose four negatives an element; in later rounds, for elements whose negatives failed."""
    from finer.negatives import propose as proposing
    from finer.negatives.settle import failed
    from finer.schemas import CAPTIONS, DROPS, ELEMENTS, NEGATIVE_CHECKS, NEGATIVES
    from finer.store import read_table, read_tables, write_table

    negatives, drops = proposing.propose(
        read_table(a.elements, ELEMENTS), read_tables(a.captions, CAPTIONS) if a.captions else None,
        read_tables(a.earlier, NEGATIVES), a.round, settings(a.config)["seed"],
        only=set(failed(read_tables(a.checks, NEGATIVE_CHECKS))) if a.round else None,
    )  # fmt: skip
    write_table(drops, DROPS, a.drops)
    write_table(negatives, NEGATIVES, a.out)


@verb("config", "load", "model", "elements", "negatives", "images", "code", "out", "run")
def verify(a: Arguments) -> None:
    """Let the verifier pick the true element among itself and its negatives."""
    from finer.config import Evaluation, Negatives
    from finer.mllm.registry import Checkpoint
    from finer.negatives.verify import verify_files

    values = settings(a.config)
    verify_files(
        a.elements, a.negatives, a.images, a.out, a.run, Checkpoint.read(a.model, a.load),
        Negatives(**values["negatives"]), Evaluation(**values["evaluation"]), a.code,
    )  # fmt: skip


@verb("elements", "negatives", "checks", "images", "truth", "out")
def calibrate(a: Arguments) -> None:
    """Choose the verifier's entropy threshold on development scenes, whose truth is known."""
    from finer.negatives import calibrate as calibrating
    from finer.schemas import ELEMENTS, IMAGES, NEGATIVE_CHECKS, NEGATIVES
    from finer.store import read_table, write_text
    from finer.world.judge import judge_negatives
    from finer.world.truth import read_truth

    negatives = read_table(a.negatives, NEGATIVES)
    truth = judge_negatives(
        negatives, read_table(a.elements, ELEMENTS), read_table(a.images, IMAGES), read_truth(a.truth)
    )
    chosen = calibrating.calibrate(read_table(a.checks, NEGATIVE_CHECKS), negatives, truth)
    print(f"negatives.entropy_threshold: {chosen.threshold}")
    write_text(a.out, chosen.curve.write_csv())


@verb("config", "benchmark", "negatives*", "checks*", "out", "out-checks", "drops")
def settle(a: Arguments) -> None:
    """Keep of each element the negatives of its last round."""
    from finer.config import Negatives
    from finer.negatives import settle as settling
    from finer.schemas import DROPS, NEGATIVE_CHECKS, NEGATIVES
    from finer.store import read_tables, write_table

    negatives, checks, drops = settling.settle(
        read_tables(a.negatives, NEGATIVES), read_tables(a.checks, NEGATIVE_CHECKS),
        Negatives(**settings(a.config)["negatives"]), a.benchmark,
    )  # fmt: skip
    write_table(drops, DROPS, a.drops)
    write_table(checks, NEGATIVE_CHECKS, a.out_checks)
    write_table(negatives, NEGATIVES, a.out)


@verb("config", "benchmark", "elements", "negatives", "checks", "out", "drops")
def compose(a: Arguments) -> None:
    """Compose pairs of multiple-choice questions."""
    from finer.config import Range
    from finer.queries import compose as composing
    from finer.schemas import DROPS, ELEMENTS, NEGATIVE_CHECKS, NEGATIVES, PAIRS
    from finer.store import read_table, write_table

    values = settings(a.config)
    made = composing.compose(
        read_table(a.elements, ELEMENTS), read_table(a.negatives, NEGATIVES), read_table(a.checks, NEGATIVE_CHECKS),
        a.benchmark, values["pairs"], {key: Range(**limits) for key, limits in values["entity_counts"].items()},
        values["seed"],
    )  # fmt: skip
    write_table(made.drops, DROPS, a.drops)
    write_table(made.pairs, PAIRS, a.out)


@verb("config", "benchmark", "elements", "negatives", "checks", "out", "drops")
def granularity(a: Arguments) -> None:
    """Compose the yes/no queries of the seven levels of granularity."""
    from finer.queries.granularity import granularity_queries
    from finer.schemas import DROPS, ELEMENTS, GRANULARITY, NEGATIVE_CHECKS, NEGATIVES
    from finer.store import read_table, write_table

    values = settings(a.config)
    made = granularity_queries(
        read_table(a.elements, ELEMENTS), read_table(a.negatives, NEGATIVES), read_table(a.checks, NEGATIVE_CHECKS),
        a.benchmark, values["granularity"], values["seed"],
    )  # fmt: skip
    write_table(made.drops, DROPS, a.drops)
    write_table(made.queries, GRANULARITY, a.out)


@verb("pairs", "images", "out")
def export_interchange(a: Arguments) -> None:
    """Write pairs in the interchange form, one CSV a setting."""
    from finer.queries import interchange
    from finer.schemas import IMAGES, PAIRS
    from finer.store import read_table

    interchange.export_interchange(read_table(a.pairs, PAIRS), read_table(a.images, IMAGES), a.out)


@verb("benchmark", "elements", "negatives", "checks", "pairs", "images", "drops*", "markdown", "csv")
def yields(a: Arguments) -> None:
    """Summarise what each stage yielded and dropped."""
    from finer.queries.summary import summarise
    from finer.schemas import DROPS, ELEMENTS, IMAGES, NEGATIVE_CHECKS, NEGATIVES, PAIRS
    from finer.store import read_table, read_tables, write_text

    summary = summarise(
        a.benchmark, read_table(a.images, IMAGES), read_table(a.elements, ELEMENTS),
        read_table(a.negatives, NEGATIVES), read_table(a.checks, NEGATIVE_CHECKS), read_table(a.pairs, PAIRS),
        read_tables(a.drops, DROPS),
    )  # fmt: skip
    write_text(a.csv, summary.numbers.write_csv())
    write_text(a.markdown, summary.markdown)


# ---------------------------------------------------------------- models


@verb("pinned", "out")
def base_pinned(a: Arguments) -> None:
    """Install the committed weights of a micro model after checking their hashes."""
    from finer.mllm import pinned

    pinned.install(a.pinned, a.out)


@verb("recipe", "instruct", "out", "checkpoints")
def base_train(a: Arguments) -> None:
    """Train a micro model on the micro world's instruction data."""
    from finer.mllm.training.base import train_base
    from finer.mllm.training.recipe import load_recipe

    train_base(
        a.instruct, load_recipe(a.recipe), a.out, a.checkpoints, CHECKPOINT_SECONDS,
        lambda line: print(line, file=sys.stderr, flush=True),
    )  # fmt: skip


@verb("trained", "pinned")
def base_pin(a: Arguments) -> None:
    """Make a trained micro model the pinned one."""
    from finer.mllm import pinned

    pinned.pin(a.trained, a.pinned)


# ---------------------------------------------------------------- evaluation


@verb("pairs", "images", "out")
def items_finer(a: Arguments) -> None:
    """Turn pairs into items of the FINER suite."""
    from finer.suites import finer

    finer.build(a.pairs, a.images, a.out)


@verb("queries", "images", "out")
def items_granularity(a: Arguments) -> None:
    """Turn granularity queries into items."""
    from finer.suites import granularity

    granularity.build(a.queries, a.images, a.out)


@verb("config", "load", "model", "code", "items*", "out*", "run")
def answer(a: Arguments) -> None:
    """Ask one model all questions of some item sets."""
    from finer.config import Evaluation
    from finer.mllm.answering import answer_items
    from finer.mllm.registry import Checkpoint

    evaluation = Evaluation(**settings(a.config)["evaluation"])
    answer_items(a.items, a.out, a.run, Checkpoint.read(a.model, a.load), evaluation, a.code)


@verb("items*", "responses*", "out")
def verdicts(a: Arguments) -> None:
    """Read the answers: right, wrong or unparsed."""
    from finer.scoring.verdicts import score_responses

    score_responses(a.items, a.responses, a.out)


@verb("config", "items*", "verdicts*", "out")
def estimates(a: Arguments) -> None:
    """Estimate accuracies and shares with their intervals."""
    from finer.stats.estimates import estimate

    values = settings(a.config)
    statistics = values["statistics"]
    estimate(
        a.items, a.verdicts, a.out, seed=values["seed"], resamples=statistics["resamples"],
        confidence=statistics["confidence"],
    )  # fmt: skip


# ---------------------------------------------------------------- tables


@verb("config", "estimates*", "out*")
def table_finer_benchmarks(a: Arguments) -> None:
    """Write the FINER table as Markdown, CSV, LaTeX and HTML."""
    from finer.tables.finer_benchmarks import write_finer_benchmarks
    from finer.tables.shown import shown

    write_finer_benchmarks(a.estimates, a.out, shown(settings(a.config)))


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

    write_entity_count(a.estimates, a.out, shown(settings(a.config)))


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
    arguments = parser.parse_args(argv)
    try:
        return VERBS[arguments.verb][0](arguments) or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
