"""Elements + captions -> four negatives an element, from the lexicon: near, plausible, and not in the scene.

An element for which fewer than four can be found is left out with the reason; the list is never padded. Which of the
four a negative question asks about (rank 0) is drawn by key. With ``Limits`` the four are drawn from what is true
elsewhere in the benchmark, so that the truth cannot be guessed from the text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import polars as pl

from finer.errors import InputError
from finer.keys import generator, shuffled, stable_key
from finer.negatives.candidates import Candidate, for_attribute, for_object, for_relation
from finer.negatives.heard import Heard
from finer.negatives.lexicon import families
from finer.negatives.scene import Row, Scene
from finer.schemas import DROPS, NEGATIVES
from finer.store import drop, table_from

STAGE = "negatives"
PROPOSER = "lexicon"
FOUR = 4


@dataclass(frozen=True)
class Limits:
    """What may be proposed, given what the benchmark's images are said to show (``finer.negatives.heard``)."""

    unheard: int = FOUR  # of the four, how many may be true of no image
    predictable: float = 1.0  # largest share that the true value may fill of its slot


_CANDIDATES = {"object": for_object, "attribute": for_attribute, "relation": for_relation}
Said = dict[str, set[tuple[str, str | None]]]


def propose(
    elements: pl.DataFrame,
    captions: pl.DataFrame | None,
    exclude: pl.DataFrame | None = None,
    round_number: int = 0,
    seed: int = 0,
    only: Collection[str] | None = None,
    limits: Limits = Limits(),
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return NEGATIVES (four rows an element, ranks 0 to 3) and DROPS of one round.

    Args:
        elements: ELEMENTS of whole scenes: the other elements decide what may be proposed.
        captions: CAPTIONS of the same images; None: the sentences that state the elements stand for them.
        exclude: NEGATIVES of earlier rounds, none of which is proposed again for its element.
        round_number: round of the proposal, from 0.
        seed: the config's seed.
        only: ids of the elements to propose for; None: all.
        limits: what may be proposed; by default anything that is near and not in the scene.

    Raises:
        InputError: if an id of ``only`` is no element.
    """
    wanted = wanted_of(elements, only)
    said = said_before(exclude)
    drawing = Drawing(limits, None if limits == Limits() else Heard(elements), round_number, seed)
    rows: list[dict[str, object]] = []
    drops: list[dict[str, str | None]] = []
    for scene in scenes(elements, captions):
        for row in scene.rows:
            if wanted is not None and row["element_id"] not in wanted:
                continue
            chosen, reason = drawing.choose(scene, row, said.get(str(row["element_id"]), set()))
            if reason:
                item, image = str(row["element_id"]), str(row["image_id"])
                drops.append(drop(STAGE, str(row["benchmark"]), item, reason, image, described(row)))
            rows += negative_rows(row, chosen, round_number)
    return table_from(rows, NEGATIVES), table_from(drops, DROPS)


def wanted_of(elements: pl.DataFrame, only: Collection[str] | None) -> set[str] | None:
    """Return the ids to propose for as a set; None: all.

    Raises:
        InputError: one of them is no element.
    """
    wanted = None if only is None else set(only)
    if wanted is not None and (unknown := wanted - set(elements["element_id"].to_list())):
        raise InputError(
            "no such element", field="element_id", found=min(unknown),
            expected="an id of the table of elements", cure="rebuild the checks of the round before",
        )  # fmt: skip
    return wanted


def scenes(elements: pl.DataFrame, captions: pl.DataFrame | None) -> Iterator[Scene]:
    """Yield the scene of each image, in order of image id."""
    texts: dict[str, list[str]] = {}
    if captions is not None:
        for image_id, text in captions.select("image_id", "text").iter_rows():
            texts.setdefault(image_id, []).append(text)
    grouped = elements.sort("image_id", "kind", "position", "element_id").partition_by("image_id", maintain_order=True)
    for frame in grouped:
        records = frame.to_dicts()
        stated = sorted({str(row["evidence"]) for row in records if row["evidence"]})
        yield Scene(records, texts.get(str(records[0]["image_id"]), stated))


@dataclass(frozen=True)
class Drawing:
    """How the negatives of a round are drawn."""

    limits: Limits
    heard: Heard | None  # None: without limits
    round_number: int
    seed: int

    def choose(self, scene: Scene, row: Row, said: set[tuple[str, str | None]]) -> tuple[list[Candidate], str]:
        """Return four candidates of one kind in order of rank and "", or none and the reason."""
        key = (PROPOSER, row["element_id"], self.round_number)
        rng = generator(self.seed, *key)
        reasons = []
        for found in _CANDIDATES[str(row["kind"])](scene, row, rng):
            allowed, reason = self._allowed(scene, row, found, rng)
            fresh = [candidate for candidate in allowed if (candidate.text, candidate.target) not in said]
            if len(fresh) >= FOUR:
                return shuffled(fresh[:FOUR], self.seed, "rank", *key), ""
            reasons.append("candidates_used_up" if len(allowed) >= FOUR else reason)
        return [], reasons[0]

    def _allowed(
        self, scene: Scene, row: Row, found: Sequence[Candidate], rng: Random
    ) -> tuple[Sequence[Candidate], str]:
        """Return what of the candidates may be proposed, and why that is too little if it is."""
        if self.heard is None or len(found) < FOUR:
            return found, "too_few_candidates" if found else nothing(row)
        if self.heard.share(scene, row, found[0].kind) > self.limits.predictable:
            return [], "predictable"
        return self.heard.order(scene, row, found, self.limits.unheard, rng), "too_few_true_elsewhere"


def nothing(row: Row) -> str:
    """Return why an element has no candidate at all."""
    if row["kind"] == "attribute" and row["category"] != "part" and families(str(row["category"])) is None:
        return "class_without_candidates"
    return "no_category"


def said_before(exclude: pl.DataFrame | None) -> Said:
    """Return the (text, target) of earlier NEGATIVES by element."""
    found: Said = {}
    if exclude is not None:
        for element_id, text, target in exclude.select("element_id", "text", "target_text").iter_rows():
            found.setdefault(element_id, set()).add((text, target))
    return found


def negative_rows(
    row: Row, chosen: Sequence[Candidate], round_number: int, proposer: str = PROPOSER
) -> Iterator[dict[str, object]]:
    """Yield the rows of NEGATIVES of one element, in order of rank."""
    element_id = str(row["element_id"])
    for rank, candidate in enumerate(chosen):
        yield {
            "negative_id": stable_key(element_id, "negative", round_number, candidate.text, candidate.target),
            "element_id": element_id, "image_id": row["image_id"], "round": round_number, "rank": rank,
            "negative_kind": candidate.kind, "text": candidate.text, "target_text": candidate.target,
            "plural": candidate.plural, "proposer": proposer,
        }  # fmt: skip


def described(row: Row) -> str:
    """Return an element as the table of drops shows it."""
    value: Any = row["value"]
    return f"{row['kind']}: {row['text']}" + (f" ({row['category']})" if value is not None else "")
