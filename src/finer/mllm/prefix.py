"""Questions about the same image computed together: the image and what all prompts share only once.

Tokens are shared where the *whole* token sequences agree, never by cutting text, so a shared prefix
followed by a question's suffix is the full sequence by construction. Images of one sequence length form
a wave: one forward pass over their prefixes, then the suffixes of all their questions, right-padded,
sorted by length, on copies of the prefix's keys and values. The answers that are scored for one question
branch off copies of the question's keys and values in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from finer.errors import InputError
from finer.mllm.dialogue import Dialogue

_PER_TOKEN = ("input_ids", "attention_mask", "mm_token_type_ids")  # processor outputs with one entry a token


@dataclass(frozen=True)
class Row:
    """One sequence to run: its position in the caller's list and its tokens."""

    index: int
    ids: tuple[int, ...]


@dataclass
class Group:
    """Rows about one image (or about none) and what the vision tower needs for it."""

    rows: list[Row]
    head: int = 0  # tokens up to the end of the image
    features: dict[str, Tensor] = field(default_factory=dict)
    token_types: Tensor | None = None  # (1, tokens); Qwen's processors mark image tokens

    @property
    def shape(self) -> tuple[object, ...]:
        """Groups of one shape can share a batch."""
        return (self.head, *((name, tuple(value.shape[1:])) for name, value in sorted(self.features.items())))


@dataclass
class Wave:
    """Prefixes of some groups as keys and values, and the rows that continue them."""

    rows: list[Row]
    owner: list[int]  # row -> group
    length: int  # tokens of the prefix
    cache: Any
    start: Tensor  # (groups,) rotary position of the first suffix token


def text_group(rows: Sequence[Row]) -> Group:
    """Return a group without an image."""
    return Group(list(rows))


def image_group(dialogue: Dialogue, image: object, text: str, rows: Sequence[Row]) -> Group:
    """Process an image once and expand its placeholder in the tokens of all rows.

    Args:
        text: chat text of the first row, used to expand the placeholder and to check the expansion.
        rows: tokens with the placeholder unexpanded, all about this image.

    Raises:
        InputError: the placeholder is missing or repeated, or the processor's tokens are not the
            tokenizer's with the placeholder expanded: prefixes cannot be reused then.
    """
    processor, family = dialogue.processor, dialogue.family
    encoded = dict(processor(text=[text], images=[[image]], return_tensors="pt"))
    full = encoded["input_ids"][0].tolist()
    plain = list(dialogue.ids([text])[0])
    place = _placeholder(plain, processor.image_token_id, family)
    tail = len(plain) - place - 1
    block = full[place : len(full) - tail]
    if full[:place] != plain[:place] or full[len(full) - tail :] != plain[place + 1 :] or not block:
        raise InputError(
            f"prefix reuse fails for this {family} model: prefix and suffix are not the tokens of the whole prompt",
            found=text, expected="a processor that only expands the image placeholder",
            cure="set evaluation.prefix_reuse: false",
        )  # fmt: skip
    expanded = []
    for row in rows:
        spot = _placeholder(row.ids, processor.image_token_id, family)
        if list(row.ids[:spot]) != plain[:place]:
            raise InputError(f"prompts of this {family} model differ before the image", found=text)
        expanded.append(Row(row.index, (*row.ids[:spot], *block, *row.ids[spot + 1 :])))
    return Group(
        expanded, place + len(block), {name: value for name, value in encoded.items() if name not in _PER_TOKEN},
        encoded.get("mm_token_type_ids"),
    )  # fmt: skip


def _placeholder(ids: Sequence[int], token: int, family: str) -> int:
    places = [place for place, item in enumerate(ids) if item == token]
    if len(places) != 1:
        raise InputError(
            f"the chat template of this {family} model writes the image token {len(places)} times", expected="once",
            cure="use the model's own chat template",
        )  # fmt: skip
    return places[0]


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens agree from the start; of sorted rows, first and last agree on what all share."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def waves(groups: Iterable[Group], tokens: int) -> Iterator[list[Group]]:
    """Collect groups of one shape until their heads fill ``tokens``; at least one group a wave."""
    waiting: dict[tuple[object, ...], list[Group]] = {}
    for group in groups:
        some = waiting.setdefault(group.shape, [])
        some.append(group)
        if (len(some) + 1) * group.head > tokens:
            yield waiting.pop(group.shape)
    yield from waiting.values()


def chunks(tokens: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Yield runs of positions whose ``tokens`` add up to at most ``limit``; at least one position a run."""
    run: list[int] = []
    filled = 0
    for place, count in enumerate(tokens):
        if run and filled + count > limit:
            yield run
            run, filled = [], 0
        run.append(place)
        filled += count
    if run:
        yield run


def batches(wave: Wave, tokens: int) -> Iterator[list[int]]:
    """Yield positions in ``wave.rows``, short rows first, so that a batch pads little and holds at most ``tokens``."""
    order = sorted(range(len(wave.rows)), key=lambda place: (len(wave.rows[place].ids), place))
    batch: list[int] = []
    for place in order:
        if batch and (len(batch) + 1) * len(wave.rows[place].ids) > tokens:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


class PrefixModel:
    """A loaded model seen as: prefix -> keys and values; suffixes on top of them -> hidden states."""

    def __init__(self, model: Any, family: str) -> None:
        self.model = model
        self.core = model.model  # everything but the output head
        self.family = family
        self.qwen = family.startswith("qwen")  # rotary positions have three rows: time, height, width

    def open(self, groups: Sequence[Group]) -> Wave:
        """Run what all rows of these groups share: the image and the first words of the prompts."""
        rows = [row for group in groups for row in group.rows]
        owner = [place for place, group in enumerate(groups) for _ in group.rows]
        # At least one token of the question must remain: the answer is read from its hidden state.
        spare = min(len(row.ids) for row in rows) - 1
        length = min(_common(min(row.ids for row in rows), max(row.ids for row in rows)), spare)
        if length < max(group.head for group in groups):
            raise InputError(f"prefix reuse fails for this {self.family} model: prompts of a wave differ in the image")
        inputs = {"input_ids": torch.tensor([group.rows[0].ids[:length] for group in groups])}
        inputs |= {
            name: torch.cat([group.features[name] for group in groups])
            for name in groups[0].features
        }  # fmt: skip
        types = [group.token_types for group in groups if group.token_types is not None]
        if types:
            inputs["mm_token_type_ids"] = torch.cat([part[:, :length] for part in types])
        if self.qwen:
            self.core.rope_deltas = None  # state of the last call; without an image it would stay
        if length == 0:
            return Wave(rows, owner, 0, None, torch.zeros(len(groups), dtype=torch.long))
        cache = self.core(**self.placed(inputs), use_cache=True).past_key_values
        if any(layer.is_sliding for layer in cache.layers):
            raise InputError(
                f"prefix reuse fails for this {self.family} model: it attends within a sliding window",
                cure="set evaluation.prefix_reuse: false",
            )  # fmt: skip
        return Wave(rows, owner, length, cache, self._start(length, len(groups)))

    def _start(self, length: int, groups: int) -> Tensor:
        # Image tokens share positions in Qwen, so text goes on at another number than the token count.
        deltas = self.core.rope_deltas if self.qwen else None
        start = torch.full((groups,), length, dtype=torch.long)
        return start if deltas is None else start + deltas.reshape(-1).cpu()

    def run(self, wave: Wave, places: Sequence[int]) -> Suffixes:
        """Run the suffixes of some rows of a wave as one right-padded batch."""
        owner = torch.tensor([wave.owner[place] for place in places])
        before = torch.ones(len(places), wave.length, dtype=torch.long)
        rows = [wave.rows[place].ids[wave.length :] for place in places]
        return self._continued(wave.cache, owner, before, wave.start[owner], rows)

    def branch(self, suffixes: Suffixes, owner: Tensor, answers: Sequence[Sequence[int]]) -> Suffixes:
        """Run ``answers[i]`` after row ``owner[i]`` of a batch of suffixes, on copies: the batch stays as it is."""
        return self._continued(suffixes.cache, owner, suffixes.mask[owner], suffixes.position[owner], answers)

    def _continued(
        self, cache: Any, owner: Tensor, before: Tensor, start: Tensor, rows: Sequence[Sequence[int]]
    ) -> Suffixes:
        """Run rows, right-padded, after rows ``owner`` of a cache whose places ``before`` (rows, places) are filled."""
        lengths = torch.tensor([len(row) for row in rows])
        width = int(lengths.max())
        ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
        mask = torch.cat([before, (torch.arange(width) < lengths[:, None]).long()], 1)
        suffixes = Suffixes(self, lengths, start + lengths, mask, self._expand(cache, owner))
        suffixes.hidden = suffixes.forward(ids, start[:, None] + torch.arange(width))
        return suffixes

    def _expand(self, cache: Any, owner: Tensor) -> Any:
        fresh = DynamicCache(config=self.model.config.get_text_config())
        if cache is None:
            return fresh
        for number, layer in enumerate(cache.layers):
            if layer.keys.shape[0] == 1:  # a view: the forward pass copies it anyway
                shape = (len(owner), -1, -1, -1)
                fresh.update(layer.keys.expand(shape), layer.values.expand(shape), number)
            else:
                fresh.update(layer.keys[owner], layer.values[owner], number)
        return fresh

    def placed(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors on the model's device, floating ones in its precision."""
        return {
            name: value.to(self.model.device, self.model.dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
        }


@dataclass
class Suffixes:
    """A running batch of suffixes; it can be continued by one token a row."""

    owner: PrefixModel
    lengths: Tensor  # (rows,) tokens of each suffix
    position: Tensor  # (rows,) rotary position of the next token
    mask: Tensor  # (rows, prefix + width) 1 where a token stands
    cache: Any
    hidden: Tensor = field(default_factory=lambda: torch.empty(0))  # (rows, width, channels)

    def forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        """Run tokens (rows, width) at rotary positions of the same shape; return their last hidden states."""
        if self.owner.qwen:
            positions = positions.expand(3, *positions.shape)
        inputs = {"input_ids": ids, "attention_mask": self.mask, "position_ids": positions}
        output = self.owner.core(**self.owner.placed(inputs), past_key_values=self.cache, use_cache=True)
        hidden: Tensor = output.last_hidden_state
        return hidden

    def logits(self, row: Tensor, place: Tensor) -> Tensor:
        """Return float32 logits (n, vocabulary) after the suffix tokens at these rows and places."""
        head = self.owner.model.get_output_embeddings()
        scores: Tensor = head(self.hidden[row, place]).float().cpu()
        return scores

    def last_logits(self) -> Tensor:
        """Return the logits of the first new token of each row."""
        return self.logits(torch.arange(len(self.lengths)), self.lengths - 1)

    def advance(self, tokens: Tensor) -> Tensor:
        """Append one token a row (rows,); return the logits of the next one."""
        self.mask = torch.cat([self.mask, torch.ones(len(tokens), 1, dtype=torch.long)], 1)
        self.hidden = self.forward(tokens[:, None], self.position[:, None])
        self.position = self.position + 1
        return self.logits(torch.arange(len(tokens)), torch.zeros(len(tokens), dtype=torch.long))
