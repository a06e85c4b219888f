"""Verbs that turn raw files into paired questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from finer.cli.verb import Arguments, settings, verb

if TYPE_CHECKING:
    from finer.raw.docci import DocciRaw


@verb("config", "benchmark", "annotations", "images", "out", "drops")
def read_comprecap(a: Arguments) -> None:
    """Read and check CompreCap's annotations and images."""
    import polars as pl

    from finer.raw import comprecap
    from finer.raw.draw import draw_images
    from finer.schemas import DROPS, IMAGES
    from finer.store import write_table

    values = settings(a.config)
    raw = comprecap.read_comprecap(
        a.annotations, a.images, a.benchmark, values["on_bad_item"], values["split"] or "all"
    )
    images, undrawn = draw_images(raw.images, values["limit"], values["seed"])
    write_table(pl.concat([raw.drops, undrawn]), DROPS, a.drops)
    write_table(images, IMAGES, a.out)


@verb("config", "benchmark", "descriptions", ("images", {"nargs": "?", "default": None}), "out", "captions", "drops")
def read_docci(a: Arguments) -> None:
    """Read and check DOCCI's captions and, where they are, images."""
    from finer.raw import docci

    values = settings(a.config)
    raw = docci.read_docci(a.descriptions, a.images, a.benchmark, values["split"], values["on_bad_item"])
    _write_captioned(raw, values, a)


@verb("config", "benchmark", "table", ("images", {"nargs": "?", "default": None}), "out", "captions", "drops")
def read_csv(a: Arguments) -> None:
    """Read and check captions of a CSV and, where they are, images."""
    from finer.raw import csv_captions

    values = settings(a.config)
    raw = csv_captions.read_captions_csv(a.table, a.images, a.benchmark, values["on_bad_item"])
    _write_captioned(raw, values, a)


def _write_captioned(raw: DocciRaw, values: Mapping[str, Any], a: Arguments) -> None:
    import polars as pl

    from finer.raw.draw import draw_images
    from finer.schemas import CAPTIONS, DROPS, IMAGES
    from finer.store import write_table

    images, undrawn = draw_images(raw.images, values["limit"], values["seed"])
    write_table(pl.concat([raw.drops, undrawn]), DROPS, a.drops)
    write_table(raw.captions.join(images, on="image_id", how="semi", maintain_order="left"), CAPTIONS, a.captions)
    write_table(images, IMAGES, a.out)


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

    values = settings(a.config)
    negatives, drops = proposing.propose(
        read_table(a.elements, ELEMENTS), read_tables(a.captions, CAPTIONS) if a.captions else None,
        read_tables(a.earlier, NEGATIVES), a.round, values["seed"],
        only=set(failed(read_tables(a.checks, NEGATIVE_CHECKS))) if a.round else None,
        limits=proposing.Limits(**values["negatives"]),
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


@verb("elements*", "negatives*", "checks*", "images*", "truth*", "out")
def calibrate(a: Arguments) -> None:
    """Choose the entropy threshold on development scenes, whose truth is known; of each benchmark one file."""
    import polars as pl

    from finer.negatives import calibrate as calibrating
    from finer.schemas import ELEMENTS, IMAGES, NEGATIVE_CHECKS, NEGATIVES
    from finer.store import read_table, read_tables, write_text
    from finer.world.judge import judge_negatives
    from finer.world.truth import read_truth

    judged = pl.concat(
        judge_negatives(
            read_table(negatives, NEGATIVES), read_table(elements, ELEMENTS), read_table(images, IMAGES),
            read_truth(truth),
        )
        for negatives, elements, images, truth in zip(a.negatives, a.elements, a.images, a.truth, strict=True)
    )  # fmt: skip
    chosen = calibrating.calibrate(read_tables(a.checks, NEGATIVE_CHECKS), read_tables(a.negatives, NEGATIVES), judged)
    print(f"negatives.entropy_threshold: {chosen.threshold}")
    write_text(a.out, chosen.curve.write_csv())


@verb("negatives*", "elements", "images", "truth", "out")
def judge_negatives(a: Arguments) -> None:
    """Say of each negative of a micro benchmark whether it is true of its scene after all."""
    from finer.schemas import ELEMENTS, IMAGES, NEGATIVES, TRUTHS
    from finer.store import read_table, read_tables, write_table
    from finer.world import judge
    from finer.world.truth import read_truth

    judged = judge.judge_negatives(
        read_tables(a.negatives, NEGATIVES), read_table(a.elements, ELEMENTS), read_table(a.images, IMAGES),
        read_truth(a.truth),
    )  # fmt: skip
    write_table(judged, TRUTHS, a.out)


@verb(
    "config", "benchmark", "elements", "first", "first-checks", "settled", "pairs", "unverified", "drops*", "truth",
    "out",
)  # fmt: skip
def audit(a: Arguments) -> None:
    """Count what the truth says of a benchmark's negatives, its verifier and its pairs."""
    from finer import schemas
    from finer.stats import audit as auditing
    from finer.store import read_table, read_tables, write_table

    values = settings(a.config)
    tables = auditing.Tables(
        name=a.benchmark, elements=read_table(a.elements, schemas.ELEMENTS),
        first=read_table(a.first, schemas.NEGATIVES), first_checks=read_table(a.first_checks, schemas.NEGATIVE_CHECKS),
        settled=read_table(a.settled, schemas.NEGATIVES), pairs=read_table(a.pairs, schemas.PAIRS),
        unverified=read_table(a.unverified, schemas.PAIRS), drops=read_tables(a.drops, schemas.DROPS),
        truth=read_table(a.truth, schemas.TRUTHS),
    )  # fmt: skip
    sampling = auditing.Sampling(values["seed"], **values["statistics"])
    write_table(auditing.audit(tables, sampling), schemas.AUDIT, a.out)


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
