"""A judge by rules for pictures of simple things: deterministic, reads text alone, as the model judges do.

It compares what an answer claims with what the references and the image's labels say (``finer.scoring.claims``). Made
for the micro world, whose words it knows; of other pictures it sees few claims and finds few of them false.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from finer.errors import InputError
from finer.scoring.claims import KIND, NUMBER, PLACE, Claim, claims, content, denied_words, says, tokens, words
from finer.scoring.judge_requests import Request
from finer.scoring.judges import run_of

YES_NO = ("yes", "no")
VERY, SOMEWHAT = 0.75, 0.2  # share of the reference's words that an informative answer tells
MORE = 2  # true claims beyond the reference that count as sound thoughts of one's own
Judged = tuple[float, str]  # verdict, reason


@dataclass(frozen=True)
class Rules:
    """The judge by rules."""

    name: str = "rules"
    revision: str = "1"

    @property
    def run_id(self) -> str:
        """Row of RUNS of this revision."""
        return run_of(self.name, self.revision)

    def ask(self, requests: Sequence[Request]) -> list[str]:
        """Return a reply to each request, in the form that its parser reads.

        Raises:
            InputError: a suite that there are no rules for.
        """
        return [_reply(request) for request in requests]


def _reply(request: Request) -> str:
    if request.suite not in _RULES:
        raise InputError("no rules to judge this suite by", field="judge", found=request.suite,
                         expected=" | ".join(_RULES), cure="name another judge")  # fmt: skip
    verdict, reason = _RULES[request.suite](request)
    if request.parser == "rating_line":
        return f"{reason}\nRating: {verdict:.0f}"
    said: dict[str, object] = {"reason": reason}
    said |= {"rating": round(verdict)} if request.parser == "rating_json" else {"correct": bool(verdict)}
    return json.dumps(said)


def rating(request: Request) -> Judged:
    """Return MMHal-Bench's rating: 3 to 6 by what the answer tells, three less where it claims something false."""
    reference = " ".join(request.references)
    wrong = false_claims(request)
    wanted = content(reference) - content(request.question) or content(reference)
    told = len(wanted & content(request.reply)) / len(wanted) if wanted else 0.0
    informative = 2 if told >= VERY else 1 if told >= SOMEWHAT else 0
    if wrong:
        return float(informative), f"False: {wrong[0]}. Tells {told:.0%} of the reference."
    more = len(_true_beyond(request, reference))
    bonus = 1 if informative == 2 and more >= MORE else 0
    return 3.0 + informative + bonus, f"Nothing false. Tells {told:.0%} of the reference and {more} more claim(s)."


def _true_beyond(request: Request, reference: str) -> set[str]:
    known = {word for label in request.contents for word in content(label)}
    sorted_words = {claim.value for claim in claims(request.reply) if not claim.denied and claim.sort != NUMBER}
    return (sorted_words & known) - content(reference) - content(request.question)


def false_claims(request: Request) -> list[str]:
    """Return, in words, each claim of the answer that the reference or the image's labels contradict."""
    reference = " ".join(request.references)
    topic = _topic(request.question)
    stated = claims(reference, topic)
    things = [claims(label) for label in request.contents]
    found = [
        f"{'not ' if claim.denied else ''}{claim.value} ({claim.sort} of {claim.kind or 'what is shown'})"
        for claim in claims(request.reply, topic)
        if _contradicted(claim, stated, things, request.question)
    ]
    absent = {claim.value for claim in stated if claim.sort == KIND and claim.denied}
    if absent and content(request.reply) and words()["denial"] not in tokens(request.reply):
        found.append(f"takes the {min(absent)} for present")
    if _opposite(request.reply, reference):
        found.append("the opposite of the reference")
    return found


def _contradicted(claim: Claim, stated: Sequence[Claim], things: Sequence[Sequence[Claim]], question: str) -> bool:
    if claim.sort == KIND:
        return _wrong_kind(claim, stated, things, question)
    said = {other.value for other in stated if other.sort == claim.sort and not other.denied}
    if claim.sort in (NUMBER, PLACE):
        return bool(said) and (claim.value in said) == claim.denied
    own = {
        value.value for thing in things if any(one.sort == KIND and one.value == claim.kind for one in thing)
        for value in thing if value.sort == claim.sort
    }  # fmt: skip
    of_kind = {
        other.value for other in stated
        if other.sort == claim.sort and not other.denied and other.kind in (claim.kind, None)
    }  # fmt: skip
    if claim.denied:
        return claim.value in of_kind or own == {claim.value}
    if own or of_kind:
        return claim.value not in own | of_kind
    return False


def _wrong_kind(claim: Claim, stated: Sequence[Claim], things: Sequence[Sequence[Claim]], question: str) -> bool:
    shown = {one.value for thing in things for one in thing if one.sort == KIND}
    shown |= {one.value for one in stated if one.sort == KIND and not one.denied}
    if claim.denied:
        return claim.value in shown
    absent = {one.value for one in stated if one.sort == KIND and one.denied}
    return claim.value not in shown and (claim.value in absent or claim.value not in tokens(question))


def _topic(question: str) -> str | None:
    """Return the one kind of thing that a question names, or None."""
    named = {word for word in tokens(question) if word in words()["kinds"]}
    return min(named) if len(named) == 1 else None


def _opposite(reply: str, reference: str) -> bool:
    first, wanted = (next(iter(tokens(text)), "") for text in (reply, reference))
    return first in YES_NO and wanted in YES_NO and first != wanted


def correct(request: Request) -> Judged:
    """Return HaloQuest's decision: 1 if the answer says what one of the references says, else 0."""
    reply, said = request.reply, content(request.reply)
    if not said:
        return 0.0, "Says nothing."
    if says(reply, words()["refusals"]):
        return 0.0, "Refuses."
    unknown = words()["unknown"]
    unknowable = [reference for reference in request.references if says(reference, unknown)]
    denials = [one for one in request.references if denied_words(one) and one not in unknowable]
    if (denials or unknowable) and set(tokens(reply)) <= set(YES_NO):
        return 0.0, "A bare yes, no or nothing."
    if any(_same(reference, request) for reference in request.references):
        return 1.0, "Says what a reference says."
    if unknowable and says(reply, unknown):
        return 1.0, "Says that it cannot be known."
    named = set().union(*(denied_words(reference) for reference in denials)) & denied_words(reply)
    if named:
        return 1.0, f"Says that there is no {min(named)}."
    return 0.0, "Says what no reference says."


def _same(reference: str, request: Request) -> bool:
    """Return whether the answer holds a reference's content and no other value, number or place in its stead."""
    topic = _topic(request.question)
    if words()["denial"] in tokens(reference):
        needed = content(reference)
    else:
        needed = content(reference) - content(request.question) or content(reference)
    if not needed <= content(request.reply) or _opposite(request.reply, reference):
        return False
    if denied_words(reference) and not denied_words(reference) & denied_words(request.reply):
        return False  # both deny something, but not the same
    stated, said = claims(reference, topic), claims(request.reply, topic)
    asked = content(request.question)
    for sort in {claim.sort for claim in stated} - {KIND}:
        wanted = {claim.value for claim in stated if claim.sort == sort} | (asked if sort != NUMBER else set())
        if not {claim.value for claim in said if claim.sort == sort and not claim.denied} <= wanted:
            return False
    return not any(claim.denied for claim in said) or words()["denial"] in tokens(reference)


_RULES: Mapping[str, Callable[[Request], Judged]] = {"mmhal": rating, "haloquest": correct}
