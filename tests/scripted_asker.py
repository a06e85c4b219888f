"""A role whose replies come from a function: asks, checks, sends back what is wrong, as a real one does, in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import ValidationError

from finer.chat.asking import Form, Outcome, Question


class Scripted:
    """An Asker: ``replies(prompt, complaints)`` gives the text of a reply; complaints are what was wrong so far."""

    def __init__(self, replies: Callable[[str, list[str]], str], repairs: int = 2) -> None:
        self.replies = replies
        self.repairs = repairs
        self.model = "scripted"
        self.prompt_hash = "0" * 16
        self.run_id = "run"
        self.prompts: list[str] = []
        self.complaints: list[str] = []

    def ask(self, questions: Sequence[Question[Form]]) -> list[Outcome[Form]]:
        """Return the outcome of each question."""
        return [self._one(question) for question in questions]

    def _one(self, question: Question[Form]) -> Outcome[Form]:
        self.prompts.append(question.prompt)
        said: list[str] = []
        reason = ""
        for attempt in range(self.repairs + 1):
            text = self.replies(question.prompt, said)
            try:
                value = question.form.model_validate_json(text)
            except ValidationError as error:
                reason = "invalid"
                said.append(str(error))
                continue
            problems = list(question.problems(value))
            if not problems:
                return Outcome(question.key, value, "", "", tuple(f"{question.key}#{n}" for n in range(attempt + 1)))
            reason = "rejected"
            said.append("; ".join(problems))
        self.complaints += said
        return Outcome(question.key, None, reason, said[-1], tuple(f"{question.key}#{n}" for n in range(len(said))))
