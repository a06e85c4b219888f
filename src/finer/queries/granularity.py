"""The motivational study's seven levels: yes/no questions with one wrong element in an ever longer context.

1 wrong object; 2-4 an object and one to three attributes, the last wrong; 5 three attributes and a wrong relation to
a second object; 6 the relation true, the second object wrong; 7 all that true and a wrong attribute of the second
object. "Always no" would be right every time, so each wrong query has its matched true one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import polars as pl

from finer.keys import generator, stable_key
from finer.queries import wording
from finer.queries.lists import PATIENCE
from finer.queries.scene import Drop, Element, Scene, scenes_of
from finer.queries.spread import Source, spread
from finer.scenes import phrases
from finer.schemas import DROPS, GRANULARITY
from finer.store import drop, table_from

LEVELS = (1, 2, 3, 4, 5, 6, 7)
_CONTEXT = 3  # attributes of the first object from level 4 on


@dataclass(frozen=True)
class Granularity:
    """The tables of queries and of levels that the scenes could not fill."""

    queries: pl.DataFrame
    drops: pl.DataFrame


@dataclass(frozen=True)
class _Query:
    """A true phrase and the same with one element wrong."""

    scene: Scene
    true: str
    wrong: str
    named: tuple[str, ...]
    edited: Element


def granularity_queries(
    elements: pl.DataFrame, negatives: pl.DataFrame, checks: pl.DataFrame, benchmark: str, wanted: int, seed: int
) -> Granularity:
    """Compose ``wanted`` wrong queries a level, each with its true one; a level that falls short is a drop.

    Args:
        elements: ELEMENTS.
        negatives: NEGATIVES as they stand after verification.
        checks: NEGATIVE_CHECKS, one an element.
        benchmark: name for both tables.
        wanted: wrong queries a level.
        seed: seed of every draw.
    """
    scenes, _ = scenes_of(elements, negatives, checks)  # the same drops as of the pairs, recorded there
    rows: list[dict[str, object]] = []
    drops: list[Drop] = []
    for level in LEVELS:
        sources = [
            Source(scene.image_id, level, 0, stable_key(seed, scene.image_id, level), _queries(scene, level, seed))
            for scene in scenes
        ]
        chosen = spread(sources, wanted)
        if len(chosen) < wanted:
            made = f"wanted {wanted} queries, made {len(chosen)}"
            drops.append(drop("granularity", benchmark, f"level_{level}", "shortage", detail=made))
        for query in sorted(chosen, key=lambda query: (query.scene.image_id, query.wrong)):
            rows.extend(_rows(query, level))
    return Granularity(table_from(rows, GRANULARITY), table_from(drops, DROPS))


def _rows(query: _Query, level: int) -> Iterator[dict[str, object]]:
    pair_id = stable_key(query.scene.benchmark, query.scene.image_id, level, *query.named, query.true, query.wrong)
    for polarity, phrase in (("positive", query.true), ("negative", query.wrong)):
        yield {
            "query_id": stable_key(pair_id, polarity), "pair_id": pair_id, "image_id": query.scene.image_id,
            "benchmark": query.scene.benchmark, "level": level, "polarity": polarity,
            "question": wording.granularity(phrase), "element_ids": list(query.named),
            "edited_element_id": query.edited.element_id,
        }  # fmt: skip


def _queries(scene: Scene, level: int, seed: int) -> Iterator[_Query]:
    """Yield distinct queries of one image and level: every object or relation once before any comes again."""
    rng = generator(seed, scene.image_id, "granularity", level)
    draw: Callable[[Scene, int, Element, Random], _Query | None]
    if level == 1:
        starts, draw = list(scene.objects.values()), _object_query
    elif level <= 1 + _CONTEXT:
        starts, draw = [each for each in scene.objects.values() if not each.ambiguous], _attribute_query
    else:
        starts, draw = scene.relations, _relation_query
    order = rng.sample(starts, len(starts))
    seen: set[tuple[str, str]] = set()
    in_vain = 0
    while in_vain < PATIENCE * len(order):
        for start in order:
            query = draw(scene, level, start, rng)
            if query is None or (query.true, query.wrong) in seen:
                in_vain += 1
                continue
            seen.add((query.true, query.wrong))
            in_vain = 0
            yield query


def _object_query(scene: Scene, level: int, start: Element, rng: Random) -> _Query | None:
    if not start.editable:
        return None
    wrong = start.negatives[0]
    true_phrase, wrong_phrase = (
        phrases.indefinite(start.text, start.plural),
        phrases.indefinite(wrong.text, wrong.plural),
    )
    return _Query(scene, true_phrase, wrong_phrase, (start.element_id,), start)


def _attribute_query(scene: Scene, level: int, start: Element, rng: Random) -> _Query | None:
    """An object with one to three attributes, the last wrong."""
    drawn = _context(scene, start, level - 2, rng)
    last = None if drawn is None else _editable_attribute(scene, start, drawn, rng)
    if drawn is None or last is None:
        return None
    texts = [each.text for each in drawn]
    return _Query(
        scene,
        phrases.attributes_phrase(start.text, [*texts, last.text]),
        phrases.attributes_phrase(start.text, [*texts, last.negatives[0].text]),
        (start.element_id, *(each.element_id for each in drawn), last.element_id),
        last,
    )


def _relation_query(scene: Scene, level: int, start: Element, rng: Random) -> _Query | None:
    """An object with three attributes and a relation: the predicate, the second object or its attribute is wrong."""
    if not (scene.singled_out(start.parent_id) and scene.singled_out(start.target_id)):
        return None
    owner, target = scene.objects[str(start.parent_id)], scene.objects[str(start.target_id)]
    drawn = _context(scene, owner, _CONTEXT, rng)
    if drawn is None:
        return None
    subject = phrases.attributes_phrase(owner.text, [each.text for each in drawn])
    plural = phrases.takes_plural(owner.text, owner.plural)
    named = (owner.element_id, *(each.element_id for each in drawn), start.element_id, target.element_id)

    def phrase(predicate: str, other: str, attribute: str = "") -> str:
        return " ".join(filter(None, (phrases.relations_phrase(subject, plural, [(predicate, other)]), attribute)))

    true = phrase(start.text, target.text)
    if level == 5:
        wrong = next((each for each in start.negatives if each.kind == "predicate"), None)
        return None if wrong is None else _Query(scene, true, phrase(wrong.text, target.text), named, start)
    if level == 6:
        if not target.editable:
            return None
        return _Query(scene, true, phrase(start.text, target.negatives[0].text), named, target)
    edited = _editable_attribute(scene, target, [], rng)
    if edited is None:
        return None
    return _Query(
        scene,
        phrase(start.text, target.text, edited.text),
        phrase(start.text, target.text, edited.negatives[0].text),
        (*named, edited.element_id),
        edited,
    )


def _context(scene: Scene, owner: Element, count: int, rng: Random) -> list[Element] | None:
    """Draw ``count`` attributes of an object that differ in words; None if it has fewer."""
    unlike = list({each.text: each for each in scene.attributes.get(owner.element_id, ())}.values())
    return rng.sample(unlike, count) if len(unlike) >= count else None


def _editable_attribute(scene: Scene, owner: Element, drawn: list[Element], rng: Random) -> Element | None:
    """Draw an attribute that can be edited and is none of those drawn."""
    known = {each.text for each in drawn}
    free = [each for each in scene.attributes.get(owner.element_id, ()) if each.editable and each.text not in known]
    return rng.choice(free) if free else None
