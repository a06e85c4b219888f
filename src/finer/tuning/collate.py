"""Batches of preference pairs: the trainer's own layout, or one row a pair with the image processed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from finer.errors import InputError
from finer.tuning.pairs import Writer
from finer.tuning.shared import PROMPT, PROMPT_MASK, PROMPT_TYPES, pad_right

Example = Mapping[str, Any]


def opened(examples: Sequence[Example], writer: Writer) -> list[dict[str, Any]]:
    """Return examples whose image paths are images."""
    return [{**example, "images": [writer.image(path) for path in example["images"]]} for example in examples]


class PlainCollator:
    """The trainer's own collator, given images that are opened and shrunk here."""

    def __init__(self, stock: Any, writer: Writer) -> None:
        self.stock = stock
        self.writer = writer

    def __call__(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        """Return the batch as the trainer's own collator makes it."""
        return dict(self.stock(opened(examples, self.writer)))


class SharedCollator:
    """Batches for ``finer.tuning.shared``: the prompt of a pair once, both answers after it."""

    def __init__(self, writer: Writer, max_tokens: int) -> None:
        self.writer = writer
        self.max_tokens = max_tokens
        tokenizer = writer.processor.tokenizer
        self.pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id

    def __call__(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        """Return the batch of some pairs; see ``share_prompts`` for its fields."""
        written = [
            self.writer.texts(*(example[part][0]["content"] for part in ("prompt", "chosen", "rejected")))
            for example in examples
        ]
        images = [[self.writer.image(path) for path in example["images"]] for example in examples]
        prompts = dict(
            self.writer.processor(
                images=images, text=[start for start, _ in written], padding=True, padding_side="left",
                return_tensors="pt", add_special_tokens=False,
            )
        )  # fmt: skip
        ids = self.writer.ids([answers[side] for side in (0, 1) for _, answers in written])
        answers, mask = pad_right(ids, self.pad)
        self._check(prompts["attention_mask"], mask)
        last = prompts["input_ids"][:, -1:].repeat(2, 1)
        batch = {
            PROMPT: prompts.pop("input_ids"), PROMPT_MASK: prompts.pop("attention_mask"),
            "input_ids": torch.cat([last, answers], 1),
            "attention_mask": torch.cat([torch.ones_like(last), mask], 1),
            "completion_mask": torch.cat([torch.zeros_like(last), mask], 1),
        }  # fmt: skip
        if (kinds := prompts.pop("mm_token_type_ids", None)) is not None:
            batch[PROMPT_TYPES] = kinds
        return {**batch, **prompts}

    def _check(self, prompt: Tensor, answers: Tensor) -> None:
        longest = int((prompt.sum(1).repeat(2) + answers.sum(1)).max())
        if longest > self.max_tokens:
            raise InputError(
                "a pair is longer than it was counted", field="tuning.max_tokens",
                found=f"{longest} tokens", expected=f"at most {self.max_tokens}",
                cure="lengths are miscounted: report it",
            )  # fmt: skip
