"""Pools of scenes that share no scene: each owns a range of the scene graphs' hashes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Protocol, TypeVar

import polars as pl

from finer.errors import InputError
from finer.keys import generator
from finer.store import atomic_path
from finer.world.catalogue import WORLD
from finer.world.scenes import Scene, draw_scene


class Hashed(Protocol):
    """Whatever a pool may own: a scene or another picture."""

    @property
    def graph_hash(self) -> str:
        """32 hex digits of what it shows."""


_T = TypeVar("_T", bound=Hashed)
POOLS: tuple[str, ...] = tuple(WORLD["pools"])
MANIFEST = "scenes.csv"  # beside the files made from these scenes
_SCHEMA = {"pool": pl.String(), "scene_hash": pl.String()}
_TRIES_A_SCENE = 400  # many more than 1 / smallest share; reached only if the world is too small for the count


def pool_range(pool: str) -> tuple[float, float]:
    """Return the range [low, high) of the unit interval that the pool owns."""
    if pool not in POOLS:
        raise InputError("no such pool", field="pool", found=pool, expected=" | ".join(POOLS), cure="name one of these")
    low = 0.0
    for name, share in WORLD["pools"].items():
        if name == pool:
            break
        low += share
    return round(low, 9), round(low + WORLD["pools"][pool], 9)


def hash_position(graph_hash: str) -> float:
    """Return where in the unit interval a scene graph's hash lies."""
    return int(graph_hash[:13], 16) / 16.0**13


def draw_pool(seed: int, pool: str, count: int) -> list[Scene]:
    """Draw ``count`` different scenes of a pool; the first scenes do not depend on the count."""
    return draw_unique(seed, pool, count, "scene", draw_scene)


def draw_unique(seed: int, pool: str, count: int, name: str, draw: Callable[[Random], _T]) -> list[_T]:
    """Draw ``count`` different things whose hashes lie in the pool's range; ``name`` sets their draws apart."""
    low, high = pool_range(pool)
    found: list[_T] = []
    seen: set[str] = set()
    for attempt in range((count + 1) * _TRIES_A_SCENE):
        if len(found) == count:
            return found
        one = draw(generator(seed, name, pool, attempt))
        if low <= hash_position(one.graph_hash) < high and one.graph_hash not in seen:
            seen.add(one.graph_hash)
            found.append(one)
    raise InputError(
        "the micro world has too few scenes for this pool", field=f"world.{pool}", found=count,
        expected=f"at most about {len(found)}", cure="ask for fewer scenes",
    )  # fmt: skip


def check_disjoint(hashes: Mapping[str, Iterable[str]]) -> None:
    """Raise InputError if a pool holds a scene twice, one outside its range, or one of another pool."""
    owner: dict[str, str] = {}
    for pool, members in hashes.items():
        low, high = pool_range(pool)
        for graph_hash in members:
            if graph_hash in owner:
                raise _shared(graph_hash, f"in the pools '{owner[graph_hash]}' and '{pool}'")
            if not low <= hash_position(graph_hash) < high:
                raise _shared(graph_hash, f"outside the range of the pool '{pool}'")
            owner[graph_hash] = pool


def write_manifest(path: str | Path, pool: str, scenes: Iterable[Hashed]) -> None:
    """Write the hashes of a pool's scenes (CSV: pool, scene_hash), each checked to lie in the pool's own range."""
    hashes = [scene.graph_hash for scene in scenes]
    check_disjoint({pool: hashes})
    with atomic_path(path) as partial:
        pl.DataFrame({"pool": [pool] * len(hashes), "scene_hash": hashes}, schema=_SCHEMA).write_csv(partial)


def check_manifests(paths: Sequence[str | Path], report: str | Path) -> None:
    """Check that the pools of these manifests share no scene and write how many scenes each holds (CSV)."""
    hashes: dict[str, list[str]] = {}
    for path in paths:
        if not Path(path).is_file():
            raise InputError("no such file", file=path, expected="a manifest of scenes", cure="run its rule first")
        for pool, scene_hash in pl.read_csv(path, schema=_SCHEMA).iter_rows():
            hashes.setdefault(pool, []).append(scene_hash)
    check_disjoint(hashes)
    with atomic_path(report) as partial:
        pl.DataFrame({"pool": list(hashes), "scenes": [len(members) for members in hashes.values()]}).write_csv(partial)


def _shared(graph_hash: str, where: str) -> InputError:
    return InputError(
        "pools of scenes must not share a scene", field="scene_hash", found=f"{graph_hash} {where}",
        expected="each scene graph in one pool", cure="delete the manifests and the raw files and rerun",
    )  # fmt: skip
