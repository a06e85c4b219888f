"""Elements + captions -> four negatives an element, by a language model.

The model proposes, the vetoes of ``finer.negatives.vetoes`` decide. What is sound of several replies to one question is
put together; an element for which four sound negatives do not come is a row of the table of drops with the reason, and
never padded. What of a relation is replaced (predicate or object) is drawn by key, as for the lexicon, and told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from finer.chat.asking import Asker, Outcome, Question
from finer.chat.wording import load_prompt
from finer.keys import generator, shuffled
from finer.negatives.candidates import PREDICATE_SHARE, Candidate, part_of
from finer.negatives.propose import FOUR, STAGE, Said, described, negative_rows, said_before, scenes, wanted_of
from finer.negatives.scene import Row, Scene
from finer.negatives.vetoes import Changed, Slot, Veto
from finer.scenes.phrases import indefinite, relations_phrase, takes_plural
from finer.schemas import DROPS, NEGATIVES
from finer.store import drop, table_from

PROMPTS: dict[Changed, str] = {
    "object": "proposer_object", "attribute": "proposer_attribute", "part": "proposer_part",
    "predicate": "proposer_predicate", "relation_object": "proposer_target",
}  # fmt: skip


class Proposal(BaseModel):
    """The form that the proposer fills in."""

    model_config = ConfigDict(extra="forbid")
    negatives: list[str] = Field(description="exactly four, each in place of the words that are to be replaced")


@dataclass
class Asked:
    """One element that is asked about, and what is sound of the replies so far."""

    slot: Slot
    round_number: int
    said: frozenset[tuple[str, str | None]] = frozenset()  # (text, target) of earlier rounds
    seen: str = ""  # the negative that the verifier took for the truth
    sound: dict[str, tuple[str, Candidate]] = field(default_factory=dict)  # meaning -> (as proposed, candidate)
    vetoes: list[Veto] = field(default_factory=list)  # of the last reply
    failure: tuple[str, str] = ("", "")  # why there are no four: a fixed word, and more

    @property
    def key(self) -> str:
        """What rows of CALLS name as their subject: element and round."""
        return f"{self.slot.row['element_id']}.{self.round_number}"

    def problems(self, form: Proposal) -> Sequence[str]:
        """Take what is sound of a reply; return what is still wanted, in words for the model; nothing if four are."""
        self.vetoes = []
        meant: set[str] = set()
        for proposal in form.negatives:
            found = self.slot.candidate(proposal)
            if isinstance(found, Candidate):
                meaning = self.slot.meaning(found)
                if (found.text, found.target) in self.said:
                    found = Veto("proposed_before", f"'{proposal}' was proposed before")
                elif meaning in meant:
                    found = Veto("repeated", f"'{proposal}' means the same as another of the four")
                else:
                    meant.add(meaning)
                    self.sound.setdefault(meaning, (proposal, found))
            if isinstance(found, Veto):
                self.vetoes.append(found)
        if len(self.sound) >= FOUR:
            return []
        count = [] if len(form.negatives) == FOUR else [f"give exactly four negatives, not {len(form.negatives)}"]
        kept = ", ".join(f"'{proposal}'" for proposal, _ in self.sound.values()) or "none"
        return [*count, *(veto.told for veto in self.vetoes), f"good so far: {kept}; keep these and replace the others"]

    @property
    def four(self) -> list[Candidate]:
        """The first four sound candidates, or none."""
        found = [candidate for _, candidate in self.sound.values()][:FOUR]
        return found if len(found) == FOUR else []


def propose_by_model(
    askers: Mapping[Changed, Asker],
    elements: pl.DataFrame,
    captions: pl.DataFrame | None,
    earlier: pl.DataFrame | None = None,
    checks: pl.DataFrame | None = None,
    round_number: int = 0,
    seed: int = 0,
    only: Collection[str] | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return NEGATIVES (four rows an element, ranks 0 to 3) and DROPS of one round.

    Args:
        askers: the role ``proposer`` with each of the ``PROMPTS``.
        elements: ELEMENTS of whole scenes: the other elements decide what may be proposed.
        captions: CAPTIONS of the same images; None: the sentences that state the elements stand for them.
        earlier: NEGATIVES of earlier rounds, none of which is proposed again for its element.
        checks: NEGATIVE_CHECKS of the round before, which tell the model what the verifier took for the truth.
        round_number: round of the proposal, from 0.
        seed: the config's seed.
        only: ids of the elements to propose for; None: all.

    Raises:
        InputError: an id of ``only`` is no element; or as ``Asker.ask``.
    """
    wanted = wanted_of(elements, only)
    said, seen = said_before(earlier), _seen(earlier, checks)
    asked: list[Asked] = []
    drops: list[dict[str, str | None]] = []
    for scene in scenes(elements, captions):
        for row in scene.rows:
            if wanted is not None and row["element_id"] not in wanted:
                continue
            if reason := _not_asked(scene, row):
                drops.append(_drop(row, reason, described(row)))
            else:
                asked.append(_asked(scene, row, round_number, seed, said, seen))
    for changed, asker in askers.items():
        _ask([each for each in asked if each.slot.changed == changed], asker)
    rows: list[dict[str, object]] = []
    for each in asked:
        row = each.slot.row
        proposer = askers[each.slot.changed].model
        key = (proposer, row["element_id"], round_number)
        rows += negative_rows(row, shuffled(each.four, seed, "rank", *key), round_number, proposer)
        if not each.four:
            drops.append(_drop(row, *each.failure))
    return table_from(rows, NEGATIVES), table_from(drops, DROPS)


def _ask(asked: Sequence[Asked], asker: Asker) -> None:
    questions = [Question(each.key, _prompt(each), Proposal, problems=each.problems) for each in asked]
    for each, outcome in zip(asked, asker.ask(questions), strict=True):
        each.failure = _reason(each, outcome)


def _not_asked(scene: Scene, row: Row) -> str:
    """Return why a negative of an element would never be used; "" if it may be."""
    ends = [scene.by_id[str(row[end])] for end in ("parent_id", "target_id") if row[end] is not None]
    return "ambiguous_object" if any(end["ambiguous"] for end in ends) else ""


def _asked(
    scene: Scene, row: Row, round_number: int, seed: int, said: Said, seen: Mapping[str, tuple[str, str | None]]
) -> Asked:
    element_id = str(row["element_id"])
    slot = Slot(scene, row, _changed(row, seed))
    picked = seen.get(element_id)
    found = "" if picked is None else (picked[1] if slot.changed == "relation_object" else picked[0]) or ""
    return Asked(slot, round_number, frozenset(said.get(element_id, set())), found)


def _changed(row: Row, seed: int) -> Changed:
    if row["kind"] == "relation":
        rng = generator(seed, "proposer", row["element_id"])
        return "predicate" if rng.random() < PREDICATE_SHARE else "relation_object"
    if row["kind"] == "attribute":
        return "part" if row["category"] == "part" else "attribute"
    return "object"


def _seen(earlier: pl.DataFrame | None, checks: pl.DataFrame | None) -> dict[str, tuple[str, str | None]]:
    """Return (text, target) of the negative that the verifier picked, by element."""
    if earlier is None or checks is None:
        return {}
    picked = checks.filter(pl.col("picked") > 0).select("element_id", "round", rank=pl.col("picked") - 1)
    found = earlier.join(picked, on=["element_id", "round", "rank"]).select("element_id", "text", "target_text")
    return {element_id: (text, target) for element_id, text, target in found.iter_rows()}


def _prompt(asked: Asked) -> str:
    slot = asked.slot
    tried = sorted({_shown(Candidate("", text, target), slot) for text, target in asked.said})
    fields = {"caption": " ".join(slot.scene.texts), "statement": _statement(slot), "true": slot.true}
    if slot.changed == "attribute":
        fields["category"] = str(slot.row["category"])
    elif slot.changed != "predicate":
        fields["number"] = "Plural" if _plural(slot) else "Singular"
    prompt = load_prompt(PROMPTS[slot.changed])
    return prompt.fill(**fields, tried="; ".join(tried) or "nothing", seen=asked.seen or "nothing")


def _statement(slot: Slot) -> str:
    """Return the true phrase: "a cat", "a cat with a black color", "a cat that is lying on the mat"."""
    owner = indefinite(str(slot.owner["text"]), bool(slot.owner["plural"]))
    if slot.row["kind"] == "object":
        return owner
    if slot.row["kind"] == "attribute":
        return f"{owner} {slot.row['text']}"
    plural = takes_plural(str(slot.owner["text"]), bool(slot.owner["plural"]))
    return relations_phrase(owner, plural, [(str(slot.row["text"]), str(slot.target["text"]))])


def _plural(slot: Slot) -> bool:
    if slot.changed == "part":
        return part_of(str(slot.row["value"])).plural
    named = slot.target if slot.changed == "relation_object" else slot.owner
    return takes_plural(str(named["text"]), bool(named["plural"]))


def _shown(candidate: Candidate, slot: Slot) -> str:
    """Return what a candidate puts in the place of the truth."""
    return str(candidate.target) if slot.changed == "relation_object" else candidate.text


def _reason(asked: Asked, outcome: Outcome[Proposal]) -> tuple[str, str]:
    """Return why an element has no four negatives: the last reply's first veto, too few, or what became of it."""
    detail = f"{described(asked.slot.row)}: {outcome.detail}"
    if outcome.reason not in {"", "rejected"}:
        return outcome.reason, detail
    return asked.vetoes[0].reason if asked.vetoes else "too_few", detail


def _drop(row: Row, reason: str, detail: str) -> dict[str, str | None]:
    return drop(STAGE, str(row["benchmark"]), str(row["element_id"]), reason, str(row["image_id"]), detail)
