"""Scene graphs with verified negatives -> pairs of five-way questions for the four settings, by rule alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from finer.config import Range
from finer.errors import InputError
from finer.keys import generator, shuffled, stable_key
from finer.queries.draft import Draft, Side
from finer.queries.lists import list_drafts, most_entities
from finer.queries.scene import Drop, Scene, scenes_of
from finer.queries.spread import Source, balanced_positions, spread
from finer.queries.wh import askings, wh_drafts
from finer.schemas import DROPS, PAIRS, SETTINGS
from finer.store import drop, table_from

_SUFFIX = {"positive": "pos", "negative": "neg"}


@dataclass(frozen=True)
class Composition:
    """The tables of pairs and of what could not be asked, each with its reason."""

    pairs: pl.DataFrame
    drops: pl.DataFrame


def compose(
    elements: pl.DataFrame,
    negatives: pl.DataFrame,
    checks: pl.DataFrame,
    benchmark: str,
    pairs: Mapping[str, int],
    entity_counts: Mapping[str, Range],
    seed: int,
) -> Composition:
    """Compose the pairs of one benchmark.

    Args:
        elements: ELEMENTS.
        negatives: NEGATIVES as they stand after verification.
        checks: NEGATIVE_CHECKS, one an element.
        benchmark: name for the record of drops.
        pairs: number of pairs wanted per setting; where the scenes give fewer, a drop "shortage" says so.
        entity_counts: smallest and largest entity count per list setting.
        seed: seed of every draw.

    Returns:
        PAIRS, two rows a pair, positive first, by setting and image; and DROPS.
    """
    scenes, drops = scenes_of(elements, negatives, checks)
    rows: list[dict[str, object]] = []
    for setting in SETTINGS:
        target = pairs.get(setting, 0)
        if not target:
            continue
        if setting == "wh":
            sources, unasked = _wh_sources(scenes, seed)
            drops.extend(unasked)
        elif setting not in entity_counts:
            raise InputError(
                "no entity counts for a setting that shall have pairs", field=f"entity_counts.{setting}",
                found=", ".join(entity_counts) or "nothing", expected="low and high", cure="add it to this benchmark",
            )  # fmt: skip
        else:
            sources = list(_list_sources(scenes, setting, entity_counts[setting], seed))
        drafts = spread(sources, target)
        if len(drafts) < target:
            made = f"wanted {target} pairs, made {len(drafts)}"
            drops.append(drop("pairs", benchmark, setting, "shortage", detail=made))
        rows.extend(_rows(sorted(drafts, key=lambda draft: (draft.scene.image_id, draft.pair_id)), seed))
    return Composition(table_from(rows, PAIRS), table_from(drops, DROPS))


def _list_sources(scenes: list[Scene], setting: str, counts: Range, seed: int) -> Iterator[Source[Draft]]:
    """One source an image and count; the order in which an image offers its counts is drawn by its key."""
    for scene in scenes:
        highest = min(counts.high, most_entities(scene, setting))
        offered = shuffled(range(counts.low, highest + 1), seed, scene.image_id, setting, "counts")
        for turn, count in enumerate(offered):
            key = stable_key(seed, scene.image_id, setting, count)
            yield Source(scene.image_id, count, turn, key, list_drafts(scene, setting, count, seed))


def _wh_sources(scenes: list[Scene], seed: int) -> tuple[list[Source[Draft]], list[Drop]]:
    sources: list[Source[Draft]] = []
    drops: list[Drop] = []
    for scene in scenes:
        possible, unasked = askings(scene)
        drops.extend(unasked)
        if possible:
            key = stable_key(seed, scene.image_id, "wh")
            sources.append(Source(scene.image_id, 0, 0, key, wh_drafts(scene, possible, seed)))
    return sources, drops


def _rows(drafts: list[Draft], seed: int) -> Iterator[dict[str, object]]:
    """Yield two rows a pair; over the table, right answers stand at each position equally often."""
    questions: list[tuple[Draft, str, str, Side]] = []
    for draft in drafts:
        for polarity, side in (("positive", draft.positive), ("negative", draft.negative)):
            questions.append((draft, polarity, stable_key(draft.pair_id, polarity), side))
    positions = balanced_positions(
        [((draft.setting, polarity), stable_key(seed, mcq_id)) for draft, polarity, mcq_id, _ in questions]
    )
    for (draft, polarity, mcq_id, side), position in zip(questions, positions, strict=True):
        options = list(side.wrong)
        generator(seed, mcq_id, "options").shuffle(options)
        options.insert(position, side.right)
        yield {
            "mcq_id": mcq_id, "pair_id": draft.pair_id, "image_id": draft.scene.image_id,
            "benchmark": draft.scene.benchmark, "setting": draft.setting, "polarity": polarity,
            "qtype": f"{draft.setting}_{_SUFFIX[polarity]}", "question": side.question, "options": options,
            "gt_index": position, "entity_count": draft.entity_count, "edited_slot": draft.slot,
            "negative_kind": draft.edited.negatives[0].kind, "edited_element_id": draft.edited.element_id,
            "element_ids": list(draft.named), "check": draft.edited.check,
        }  # fmt: skip
