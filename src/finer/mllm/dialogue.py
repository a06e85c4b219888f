"""How a question becomes the tokens of one chat turn, and which token an answer begins with.

Everything is read from the model's own chat template, so that a letter is looked for in the form the
model writes it ("A" after a cue that ends a line, " A" after a cue like "ASSISTANT:").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finer.errors import InputError
from finer.firstwords import opening

_SENTINEL = "Zq7"  # stands for an answer when the template is analysed; no template contains it


class Dialogue:
    """One user turn, image first, then the text; the model's turn is left open."""

    def __init__(self, processor: Any, family: str) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.family = family
        cue = self.text("x", with_image=False)
        answered = self._render("x", False, _SENTINEL)
        if not answered.startswith(cue) or _SENTINEL not in answered[len(cue) :]:
            raise InputError(
                f"the chat template of this {family} model does not continue its generation cue", found=answered,
                expected=f"text that starts with {cue!r}", cure="use a chat template whose cue opens the answer",
            )  # fmt: skip
        self._cue = cue
        self._joiner = answered[len(cue) :].split(_SENTINEL)[0]

    def text(self, prompt: str, with_image: bool) -> str:
        """Return the prompt as chat text that ends where the answer begins; the image is one placeholder.

        Raises:
            InputError: the prompt holds the placeholder itself.
        """
        if self.processor.image_token in prompt:
            raise InputError(
                f"a question holds the image token of this {self.family} model", found=prompt,
                expected="plain text", cure=f"remove '{self.processor.image_token}' from the question",
            )  # fmt: skip
        return self._render(prompt, with_image, None)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of chat texts, image placeholders unexpanded."""
        encoded: list[list[int]] = self.tokenizer(list(texts)).input_ids
        return encoded

    def answer_text(self, answer: str) -> str:
        """Return an answer as it stands after the cue."""
        return self._joiner + answer

    def answers_ids(self, answers: Sequence[str]) -> list[tuple[int, ...]]:
        """Return the tokens of answers, without the end of the turn.

        Raises:
            InputError: an answer has no tokens or merges with the cue, so it has no tokens of its own.
        """
        cue, *full = self.ids([self._cue, *(self._cue + self.answer_text(answer) for answer in answers)])
        for answer, ids in zip(answers, full, strict=True):
            if ids[: len(cue)] != cue or len(ids) == len(cue):
                raise InputError(
                    f"the tokenizer of this {self.family} model joins an answer with its cue", found=answer,
                    expected="an answer with tokens of its own",
                )  # fmt: skip
        return [tuple(ids[len(cue) :]) for ids in full]

    def covering(self, answer: str, ids: Sequence[int]) -> int:
        """Return how many of an answer's tokens its first word needs; the last of them may reach beyond the word."""
        wanted = opening(answer)
        for count in range(1, len(ids)):
            if self.tokenizer.decode(list(ids[:count])).lstrip().startswith(wanted.lstrip()):
                return count
        return len(ids)

    def label_ids(self, labels: Sequence[str]) -> tuple[int, ...]:
        """Return the first token of each label.

        Raises:
            InputError: two labels begin with the same token, so one token cannot tell them apart.
        """
        firsts = tuple(ids[0] for ids in self.answers_ids(labels))
        if len(set(firsts)) != len(firsts):
            raise InputError(
                f"labels begin with the same token in this {self.family} model", found=tuple(labels),
                expected="labels that differ in their first token",
            )  # fmt: skip
        return firsts

    def _render(self, prompt: str, with_image: bool, answer: str | None) -> str:
        content: list[dict[str, str]] = [{"type": "image"}] if with_image else []
        turns = [{"role": "user", "content": [*content, {"type": "text", "text": prompt}]}]
        if answer is not None:
            turns.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        rendered: str = self.processor.apply_chat_template(turns, add_generation_prompt=answer is None)
        return rendered
