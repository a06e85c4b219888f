"""Scenes and pools of the micro world."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finer.errors import InputError
from finer.keys import generator
from finer.world.catalogue import COLORS, CONTAINERS, FIGURES, KINDS, PATTERNS, SUPPORTS, WORLD
from finer.world.pools import POOLS, check_disjoint, check_manifests, draw_pool, pool_range, write_manifest
from finer.world.scenes import CONVERSE, INSIDE, ON_TOP, Scene, draw_scene


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return draw_pool(1, "base", 1500)


@given(st.integers(0, 10**9))
@settings(max_examples=150, deadline=None)
def test_scene_is_sound(number: int) -> None:
    scene = draw_scene(generator(3, number))
    assert 1 <= len(scene.things) <= 8
    assert len({thing.label for thing in scene.things}) == len(scene.things)
    cells = Counter((thing.row, thing.column) for thing in scene.things if thing.holder is None)
    assert set(cells.values()) == {1}
    for thing in scene.things:
        if thing.holder is not None:
            holder = scene.things[thing.holder]
            assert holder.kind in (*CONTAINERS, *SUPPORTS)
            assert (holder.row, holder.column, thing.size) == (thing.row, thing.column, "small")
            assert thing.raised == (holder.kind in SUPPORTS)


@given(st.integers(0, 10**9))
@settings(max_examples=80, deadline=None)
def test_relations_agree_with_cells_and_converses(number: int) -> None:
    scene = draw_scene(generator(4, number))
    for (i, j), name in scene.relations.items():
        assert scene.holds(name, i, j) is True
        if name in CONVERSE:
            assert scene.relations[j, i] == CONVERSE[name]
            down = scene.things[i].row - scene.things[j].row
            right = scene.things[i].column - scene.things[j].column
            assert {"left": -right, "right": right, "above": -down, "below": down}[name] == max(abs(down), abs(right))
            assert scene.holds(CONVERSE[name], i, j) is False


def test_hash_ignores_order_and_pixels_but_not_facts(scenes: list[Scene]) -> None:
    scene = next(scene for scene in scenes if len(scene.things) >= 4 and all(t.holder is None for t in scene.things))
    moved = tuple(replace(thing, shift=(1, -1)) for thing in reversed(scene.things))
    assert Scene(moved, 99, 5).graph_hash == scene.graph_hash
    color = next(color for color in COLORS if color != scene.things[0].color)
    other = (replace(scene.things[0], color=color), *scene.things[1:])
    assert Scene(other, scene.grey, scene.noise).graph_hash != scene.graph_hash


def test_every_value_and_relation_occurs_and_none_can_be_told_from_another(scenes: list[Scene]) -> None:
    kinds = Counter(thing.kind for scene in scenes for thing in scene.things)
    assert set(kinds) == set(KINDS) and len(FIGURES) >= 16 and len(COLORS) == 8 and len(PATTERNS) == 4
    assert max(kinds.values()) < 1.5 * min(kinds.values())
    names = Counter(name for scene in scenes for name in scene.relations.values())
    assert set(names) == {"left", "right", "above", "below", INSIDE, ON_TOP}
    hearts = Counter(thing.color for scene in scenes for thing in scene.things if thing.kind == "heart")
    assert set(hearts) == set(COLORS) and max(hearts.values()) < 0.25 * hearts.total()
    seas = [scene for scene in scenes if "boat" in scene.counts]
    with_boat = sum("fish" in scene.counts for scene in seas) / len(seas)
    without = sum("fish" in scene.counts for scene in scenes if "boat" not in scene.counts) / (len(scenes) - len(seas))
    assert with_boat < 1.5 * without


def test_no_weight_of_the_world_exceeds_another_by_more_than_a_half() -> None:
    assert set(WORLD["kinds"].values()) == {1.0} and WORLD["theme_boost"] <= 2.0
    boosts = [value for name in ("color", "pattern", "size") for kind in WORLD[f"{name}_boosts"].values()
              for value in kind.values()]  # fmt: skip
    rows = [weight for weights in WORLD["row_boosts"].values() for weight in weights]
    assert all(1.0 <= weight <= 1.5 for weight in [*boosts, *rows])


def test_about_an_eighth_of_scenes_hold_twins(scenes: list[Scene]) -> None:
    share = sum(max(scene.counts.values()) == 2 for scene in scenes) / len(scenes)
    assert 0.09 < share < 0.15
    assert all(max(scene.counts.values()) <= 2 for scene in scenes)


def test_pools_are_disjoint_repeatable_and_grow_at_the_end() -> None:
    pools = {pool: draw_pool(2603, pool, 20) for pool in POOLS}
    check_disjoint({pool: [scene.graph_hash for scene in members] for pool, members in pools.items()})
    assert draw_pool(2603, "base", 5) == pools["base"][:5]
    assert draw_pool(2604, "base", 5) != pools["base"][:5]
    assert pool_range("base")[0] == 0.0 and pool_range(POOLS[-1])[1] == 1.0


def test_shared_scene_is_refused(tmp_path: Path) -> None:
    scene = draw_pool(1, "verifier", 1)[0]
    with pytest.raises(InputError, match="must not share"):
        check_disjoint({"verifier": [scene.graph_hash], "base": [scene.graph_hash]})
    with pytest.raises(InputError, match="outside the range"):
        check_disjoint({"base": [scene.graph_hash]})
    with pytest.raises(InputError, match="outside the range"):
        write_manifest(tmp_path / "base.csv", "base", [scene])
    assert not list(tmp_path.iterdir())


def test_manifests_are_checked_together(tmp_path: Path) -> None:
    for pool in ("tuning", "docci_test"):
        write_manifest(tmp_path / f"{pool}.csv", pool, draw_pool(1, pool, 3))
    check_manifests(sorted(tmp_path.glob("*.csv")), tmp_path / "report.csv")
    assert (tmp_path / "report.csv").read_text().splitlines() == ["pool,scenes", "docci_test,3", "tuning,3"]


def test_unknown_pool_is_named() -> None:
    with pytest.raises(InputError, match="no such pool"):
        draw_pool(1, "train", 3)
