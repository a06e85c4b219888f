"""A role of the configuration -> an ``Asker``: prompts, forms and repairs around a model that is paid once."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from finer.chat.asking import Form, Outcome, Question
from finer.chat.canonical import canonical_json, request_record
from finer.chat.forms import read_reply, strict_schema
from finer.chat.messages import Failure, Message, Reply, Request
from finer.chat.service import Service
from finer.chat.wording import Prompt, load_prompt, repair_turns
from finer.config.language import RoleSettings
from finer.errors import InputError
from finer.keys import stable_key
from finer.schemas import CALLS
from finer.store import check_table

_REFUSED = ("refusal", "content_filter")
_OVERLONG = ("length", "too_long")


ACCESS = "FINER_CHAT_ACCESS"  # environment variable: what Config.chat_access returns


def open_role(text: str, prompt: Prompt | str | None = None) -> RoleAsker:
    """Return who takes a role.

    Args:
        text: what ``Config.role`` returns; without its part ``access``, that is read from the environment.
        prompt: its words, or the name of a file of them; None: those named like the role.

    Raises:
        InputError: the settings cannot be read, or no language model has the role.
    """
    if not text:
        raise InputError("no language model has this role", field="chat.roles", cure="name its model in `chat.roles`")
    settings = _settings(text)
    words = prompt if isinstance(prompt, Prompt) else load_prompt(prompt or settings.role)
    return RoleAsker(settings, words)


def _settings(text: str) -> RoleSettings:
    try:
        role = json.loads(text)
        access = role.pop("access", None) or json.loads(os.environ[ACCESS])
        return RoleSettings.join(role, access)
    except (ValueError, KeyError, AttributeError) as error:
        raise InputError(
            "not the settings of a role", field="--chat", found=f"{type(error).__name__}: {error}",
            expected=f"what Config.role returns, and in the environment variable {ACCESS} where models are reached",
            cure="run the job through the workflow, which sets both",
        ) from None  # fmt: skip


@dataclass
class _State:
    """A question on its way to an outcome."""

    turns: list[Message]
    attempt: int = 0
    calls: list[str] = field(default_factory=list)


class RoleAsker:
    """A role that can be asked; close it when done."""

    def __init__(self, settings: RoleSettings, prompt: Prompt) -> None:
        self.settings = settings
        self.prompt = prompt
        self.service = Service(
            settings.name, settings.model, settings.backend, settings.cache, settings.budget, settings.role
        )
        self.outcomes: Counter[str] = Counter()  # reason ("" for a value) -> questions
        self._rows: dict[tuple[str, str], dict[str, object]] = {}

    def __enter__(self) -> RoleAsker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Put what was answered in order on disk."""
        self.service.close()

    @property
    def model(self) -> str:
        """Name of the model in the configuration."""
        return self.settings.name

    @property
    def revision(self) -> str | None:
        """Its version or commit."""
        return self.settings.model.revision

    @property
    def prompt_hash(self) -> str:
        """16 hex digits over the role's prompt, its version and its examples."""
        return self.prompt.hash

    @property
    def run_id(self) -> str:
        """Row of RUNS that the replies belong to: all that they depend on beside the questions."""
        model, how = self.settings.model, self.settings.settings
        return stable_key(
            "role", self.settings.role, model.model, model.revision, canonical_json(model.options), self.prompt.hash,
            self.settings.backend.held, how.temperature, how.max_tokens, how.repairs,
        )  # fmt: skip

    def run_values(self) -> dict[str, str | int | None]:
        """Return what a row of RUNS says of this role."""
        return {
            "run_id": self.run_id, "model": self.model, "model_revision": self.revision,
            "prompt_hash": self.prompt_hash, "items": sum(self.outcomes.values()),
        }  # fmt: skip

    def fill(self, **fields: object) -> str:
        """Return the prompt's template with its fields: a ``Question.prompt``."""
        return self.prompt.fill(**fields)

    def ask(self, questions: Sequence[Question[Form]]) -> list[Outcome[Form]]:
        """Return one outcome a question, in their order.

        All are asked, then those with an unusable reply are sent back together, ``repairs`` times at most.

        Raises:
            InputError: see ``Service.send``; or some had no answer at all and ``unanswered`` is "stop".
        """
        outcomes: dict[int, Outcome[Form]] = {}
        failures: list[Failure] = []
        states = {number: _State(self._opening(question)) for number, question in enumerate(questions)}
        while pending := [number for number in states if number not in outcomes]:
            requests = [self._request(questions[number], states[number]) for number in pending]
            replies = self.service.send(requests)
            for number, request, reply in zip(pending, requests, replies, strict=True):
                outcome = self._consider(questions[number], states[number], request, reply)
                if outcome is not None:
                    outcomes[number] = outcome
                if isinstance(reply, Failure):
                    failures.append(reply)
        if failures and self.settings.settings.unanswered == "stop":
            raise _unanswered(self.settings, failures, len(questions))
        found = [outcomes[number] for number in range(len(questions))]
        self.outcomes.update(outcome.reason for outcome in found)
        return found

    def calls(self) -> pl.DataFrame:
        """Return CALLS of everything asked so far, by subject and attempt; the same questions give the same bytes."""
        frame = pl.DataFrame(list(self._rows.values()), schema=dict(CALLS.columns), orient="row")
        return check_table(frame.sort("subject", "attempt", "call_id"), CALLS)

    def _opening(self, question: Question[Form]) -> list[Message]:
        told = None if self.settings.backend.held == "json_schema" else strict_schema(question.form)
        return self.prompt.conversation(question.prompt, question.images, told)

    def _request(self, question: Question[Form], state: _State) -> Request:
        how = self.settings.settings
        return Request(tuple(state.turns), how.max_tokens, how.temperature, strict_schema(question.form))

    def _consider(
        self, question: Question[Form], state: _State, request: Request, reply: Reply | Failure
    ) -> Outcome[Form] | None:
        """Return the outcome; None if the question is to be asked again, as its state now says."""
        value, reason, problems = _verdict(question, reply)
        state.calls.append(self._note(question, state, request, reply, problems))
        if reason in ("invalid", "rejected") and isinstance(reply, Reply) and state.attempt < self._repairs:
            state.attempt += 1
            state.turns += repair_turns(reply.text, problems)
            return None
        return Outcome(question.key, value, reason, problems[-1] if problems else "", tuple(state.calls))

    @property
    def _repairs(self) -> int:
        return self.settings.settings.repairs

    def _note(
        self, question: Question[Form], state: _State, request: Request, reply: Reply | Failure, problems: list[str]
    ) -> str:
        """Write a row of CALLS; return its id."""
        request_hash = self.service.key(request)
        call_id = stable_key(self.run_id, request_hash)
        said = reply if isinstance(reply, Reply) else None
        row = {
            "call_id": call_id, "run_id": self.run_id, "role": self.settings.role, "subject": question.key,
            "attempt": state.attempt, "model": self.model, "revision": self.revision, "prompt_hash": self.prompt_hash,
            "request_hash": request_hash, "request": canonical_json(request_record(request)),
            "reply": said.text if said else None, "finish": said.finish if said else None,
            "problem": "\n".join(problems) or None, "input_tokens": said.input_tokens if said else None,
            "output_tokens": said.output_tokens if said else None, "cost": self.service.cost(said) if said else None,
        }  # fmt: skip
        self._rows[call_id, question.key] = row
        return call_id


def _verdict(question: Question[Form], reply: Reply | Failure) -> tuple[Form | None, str, list[str]]:
    """Return (value, reason, problems) of a reply."""
    if isinstance(reply, Failure):
        return None, "unanswered", [reply.reason]
    if reply.finish in _REFUSED:
        return None, "refusal", [reply.finish]
    if reply.finish in _OVERLONG:
        return None, "overlong", [reply.finish]
    value, problems = read_reply(reply.text, question.form)
    if value is None:
        return None, "invalid", problems
    problems = list(question.problems(value))
    return (None, "rejected", problems) if problems else (value, "", [])


def _unanswered(settings: RoleSettings, failures: Sequence[Failure], asked: int) -> InputError:
    reasons = Counter(failure.reason for failure in failures)
    return InputError(
        "requests without an answer", field=f"{settings.role} {settings.name}",
        found=f"{len(failures)} of {asked} ({', '.join(f'{name}: {n}' for name, n in sorted(reasons.items()))}); "
        f"the last: {failures[-1].detail}", expected=f"a reply within {failures[-1].attempts} attempts",
        cure="run again: the others are kept, and only these are asked; chat.roles.…unanswered: count gives them up",
    )  # fmt: skip
