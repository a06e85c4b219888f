"""A language model as judge: each request is one question to the role, answered in the form that its parser reads.

What is kept in JUDGEMENTS is the checked verdict as JSON, or in brackets why there is none; the model's own words, all
attempts included, are rows of CALLS and stay in the cache of replies, so that a run is repeated without the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from finer.chat.asking import Asker, Outcome, Question
from finer.errors import InputError
from finer.scoring.judge_replies import FORMS, JudgeForm
from finer.scoring.judge_requests import Request

UNANSWERED = "unanswered"  # nobody replied; asked again when the rule runs again


@dataclass(frozen=True)
class ModelJudge:
    """A language model as judge.

    ``version``: name and revision of the model at its back end.
    """

    asker: Asker
    version: str

    @property
    def name(self) -> str:
        """The model's name in the configuration."""
        return self.asker.model

    @property
    def revision(self) -> str:
        """The model's version, and the hash of what it is told beside a request."""
        return f"{self.version} {self.asker.prompt_hash}"

    @property
    def run_id(self) -> str:
        """Row of RUNS that the replies belong to."""
        return self.asker.run_id

    def ask(self, requests: Sequence[Request]) -> list[str]:
        """Return one reply a request, in their order.

        Raises:
            InputError: a request whose reply has no form; the budget is spent, or the back end cannot be reached.
        """
        replies: dict[int, str] = {}
        for form in {_form(request) for request in requests}:
            places = [place for place, request in enumerate(requests) if _form(request) is form]
            questions = [Question(requests[place].hash, requests[place].text, form) for place in places]
            outcomes = self.asker.ask(questions)
            replies |= {place: _reply(outcome) for place, outcome in zip(places, outcomes, strict=True)}
        return [replies[place] for place in range(len(requests))]


def _form(request: Request) -> type[JudgeForm]:
    if request.parser not in FORMS:
        raise InputError("a language model judges in a form", row=request.hash, field="parser", found=request.parser,
                         expected=" | ".join(FORMS), cure="choose the wording 'structured'")  # fmt: skip
    return FORMS[request.parser]


def _reply(outcome: Outcome[JudgeForm]) -> str:
    if outcome.value is not None:
        return outcome.value.model_dump_json()
    return "" if outcome.reason == UNANSWERED else f"({outcome.reason}: {outcome.detail})"
