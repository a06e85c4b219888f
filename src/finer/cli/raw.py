"""Verbs that make or fetch raw files."""

from __future__ import annotations

from pathlib import Path

from finer.cli.verb import Arguments, settings, verb


@verb("config", ("pool", {"choices": ["test", "dev"]}), "annotations", "truth")
def world_comprecap(a: Arguments) -> None:
    """Write scenes of the micro world in CompreCap's format."""
    from finer.world.comprecap import write_comprecap

    pool = {"test": "comprecap_test", "dev": "benchmark_dev"}[a.pool]
    values = settings(a.config)
    write_comprecap(values["seed"], pool, values["world"][pool], Path(a.annotations).parent, truth=a.truth)


@verb("config", ("pool", {"choices": ["test", "dev"]}), "descriptions", "truth")
def world_docci(a: Arguments) -> None:
    """Write scenes of the micro world in DOCCI's format."""
    from finer.world.docci import write_docci

    pool = {"test": "docci_test", "dev": "benchmark_dev"}[a.pool]
    values = settings(a.config)
    write_docci(values["seed"], pool, values["world"][pool], Path(a.descriptions).parent, truth=a.truth)


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
    write_instruct(values["seed"], a.pool, values["world"][a.pool], a.out, a.manifest)


@verb("manifests*", "out")
def world_check(a: Arguments) -> None:
    """Check that no scene is in two pools."""
    from finer.world.pools import check_manifests

    check_manifests(a.manifests, a.out)


@verb("source?", "data?", "repo?", "revision?", "out?")
def retrieve(a: Arguments) -> None:
    """Fetch a data set of the registry (source, data), or a checkpoint of a hub (repo, revision, out)."""
    from finer.errors import InputError
    from finer.retrieval import retrieve as fetching

    if a.source and a.data:
        fetching.retrieve(a.source, a.data)
    elif a.repo and a.revision and a.out:
        fetching.retrieve_model(a.repo, a.revision, a.out)
    else:
        raise InputError("nothing to retrieve", expected="--source and --data, or --repo, --revision and --out")


@verb("repo", ("revision?", {"default": "main", "help": "a branch or a tag; main if not given"}))
def commit(a: Arguments) -> None:
    """Print the commit that a hub repository is at, to pin a model's revision in the configuration."""
    from finer.retrieval import hub

    print(hub.commit(a.repo, a.revision))
