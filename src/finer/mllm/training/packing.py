"""Packed rows: one image prefix, then independent items that see the prefix and themselves only.

An item is the rest of the chat template around a question and its answer, token for token what the
plain ``generate`` path sees, at the positions it would have there. So one forward pass over a row equals
one pass per item, and the image is paid for once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel
from transformers.processing_utils import ProcessorMixin

from finer.errors import InputError
from finer.keys import generator
from finer.mllm.families import FAMILIES, Family, family_of, prefix_length
from finer.mllm.tokenizer import LETTERS
from finer.mllm.training.instruct import Instruct
from finer.mllm.training.recipe import COUNTED, FINE_GRAINED_TASKS, LETTERED_TASKS, OPTION, TASKS, LanguageStage

ATTENTION = "finer_packed"
HIDDEN = -1e4  # added to the score of a pair that must not see each other; finite, so no row is all -inf
IGNORED = -1
_OPTION = re.compile(r"^(?P<letter>[A-E])\. .*$", re.MULTILINE)
DRAWS = 6  # items in a row that do not fit before a row counts as full


def packed_attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    scaling: float | None = None, dropout: float = 0.0, **_: object,
) -> tuple[Tensor, None]:  # fmt: skip
    """Plain attention with an additive mask: after compilation faster on a CPU than the masked library kernel."""
    groups = getattr(module, "num_key_value_groups", 1)
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = (query * (query.shape[-1] ** -0.5 if scaling is None else scaling)) @ key.transpose(2, 3)
    if attention_mask is not None:
        scores = scores + attention_mask
    return (torch.softmax(scores, -1) @ value).transpose(1, 2), None


ALL_ATTENTION_FUNCTIONS.register(ATTENTION, packed_attention)


@dataclass(frozen=True)
class Template:
    """The chat template cut at its seams."""

    prefix: list[int]  # up to the end of the image block, image tokens expanded
    cue: list[int]  # between question and answer
    tail: list[int]  # after the answer
    image_token: int
    positions: Tensor  # of the prefix: (P,) or, with three rotary axes, (3, P)
    start: int  # position of the first item token


def read_template(model: PreTrainedModel, processor: ProcessorMixin, image: object) -> Template:
    """Cut the rendered template of one image, question and answer at its seams; all images must have one size."""
    family: Family = family_of(model)
    marks = ("\u2460", "\u2461")
    messages = [
        {"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": marks[0]}]},
        {"role": "assistant", "content": [{"type": "text", "text": marks[1]}]},
    ]
    text = processor.apply_chat_template(messages, tokenize=False)
    head, rest = text.split(marks[0])
    cue, tail = rest.split(marks[1])
    inputs = processor(images=[image], text=[head], return_tensors="pt")
    ids = inputs["input_ids"][0].tolist()
    if prefix_length(family, processor, ids) != len(ids):
        raise InputError("the template has text between image and question", found=head[-40:])
    if "image_grid_thw" in inputs:
        places, _ = model.model.get_rope_index(
            inputs["input_ids"], inputs["mm_token_type_ids"], image_grid_thw=inputs["image_grid_thw"]
        )
        positions = places[:, 0]
    else:
        positions = torch.arange(len(ids))
    encode = processor.tokenizer
    return Template(
        ids, encode(cue, add_special_tokens=False).input_ids, encode(tail, add_special_tokens=False).input_ids,
        int(encode.convert_tokens_to_ids(FAMILIES[family.name].image_token)), positions, int(positions.max()) + 1,
    )  # fmt: skip


@dataclass(frozen=True)
class Pack:
    """A batch of rows; all arrays are rows x tokens. ``item`` numbers the items of a row, -1 is padding."""

    images: Tensor  # rows: place of the image in the data
    ids: Tensor
    offset: Tensor  # place within the item
    item: Tensor
    target: Tensor  # next token, or -1 where nothing is asked
    task: Tensor


class Packer:
    """Draws items of images and packs them; a step's batch depends on seed, stage and step only."""

    def __init__(
        self, data: Instruct, processor: ProcessorMixin, template: Template, negative_share: float = 0.5
    ) -> None:
        self.data = data
        self.template = template
        self.negative_share = negative_share
        self._encode: Callable[[str], list[int]] = lambda text: (
            processor.tokenizer._tokenizer.encode(text, add_special_tokens=False).ids
        )
        self._known: dict[int, tuple[NDArray[np.int16], int]] = {}
        self._judged: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        self._offsets: Callable[[str], list[tuple[int, int]]] = lambda text: (
            processor.tokenizer._tokenizer.encode(text, add_special_tokens=False).offsets
        )
        self._truth = tuple(int(processor.tokenizer.convert_tokens_to_ids(word)) for word in ("No", "Yes"))

    def item(self, number: int) -> tuple[NDArray[np.int16], int]:
        """Return the tokens of an item and how many of them come before its answer."""
        if number not in self._known:
            question = self._encode(self.data.questions[number]) + self.template.cue
            answer = self._encode(self.data.answers[number]) + self.template.tail
            self._known[number] = np.array(question + answer, dtype=np.int16), len(question)
        return self._known[number]

    def judged(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where the options of a lettered item end, and whether each is the right one, as a word.

        A letter alone is one word of teaching for a hundred tokens of question. Asking at the end of each option
        whether it is the right one teaches what the letter is to point at; at inference nothing is asked there.
        """
        if number not in self._judged:
            text, right = self.data.questions[number], self.data.answers[number].strip()
            ends = {match.end(): match["letter"] == right for match in _OPTION.finditer(text)}
            found = [
                (place, self._truth[ends[end]])
                for place, (_, end) in enumerate(self._offsets(text)) if end in ends
            ]  # fmt: skip
            places, words = zip(*found, strict=True) if found else ((), ())
            self._judged[number] = np.array(places, dtype=np.int64), np.array(words, dtype=np.int64)
        return self._judged[number]

    def draw(self, image: int, stage: LanguageStage, seed: int, *key: object) -> list[int]:
        """Draw items of one image by the stage's mix until a row is full; fine-grained ones by the negative share.

        Where the image has none left of what was drawn, nothing takes its place, which keeps the shares.
        """
        draw = generator(seed, stage.name, *key)
        first, last = int(self.data.offsets[image]), int(self.data.offsets[image + 1])
        left: dict[tuple[str, bool], list[int]] = {}
        for number in range(first, last):
            task = TASKS[self.data.tasks[number]]
            if stage.mix.get(task, 0.0) > 0.0:
                left.setdefault((task, bool(self.data.negative[number])), []).append(number)
        for numbers in left.values():
            draw.shuffle(numbers)
        chosen: list[int] = []
        room, misses = stage.tokens, 0
        while left and misses < DRAWS:
            tasks = list(dict.fromkeys(task for task, _ in left))
            task = draw.choices(tasks, [stage.mix[name] for name in tasks])[0]
            which = task, task in FINE_GRAINED_TASKS and draw.random() < self.negative_share
            if which not in left:
                misses += 1
                continue
            number = left[which].pop()
            if not left[which]:
                del left[which]
            length = len(self.item(number)[0]) - 1  # the last token predicts nothing
            if length <= room:
                chosen.append(number)
                room -= length
            else:
                misses += 1
        return chosen

    def pack(self, images: list[int], rows: list[list[int]], tokens: int, judge: bool = True) -> Pack:
        """Lay out rows of items; ``judge``: also ask at the end of each option whether it is the right one."""
        shape = (len(rows), tokens)
        ids, offset, task = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        item, target = (np.full(shape, IGNORED, dtype=np.int64) for _ in range(2))
        for row, numbers in enumerate(rows):
            place = 0
            for count, number in enumerate(numbers):
                sequence, asked = self.item(number)
                here = slice(place, place + len(sequence) - 1)
                ids[row, here], item[row, here] = sequence[:-1], count
                offset[row, here] = np.arange(len(sequence) - 1)
                task[row, here] = self.data.tasks[number]
                target[row, place + asked - 1 : place + len(sequence) - 1] = sequence[asked:]
                if judge and TASKS[self.data.tasks[number]] in LETTERED_TASKS:
                    places, words = self.judged(number)
                    target[row, place + places] = words
                    task[row, place + places] = COUNTED.index(OPTION)
                place += len(sequence) - 1
        arrays = (np.array(images, dtype=np.int64), ids, offset, item, target, task)
        return Pack(*(torch.from_numpy(array) for array in arrays))

    def batch(self, stage: LanguageStage, step: int, seed: int, images: int) -> Pack:
        """Return the batch of one step over the first ``images`` images, each epoch in its own order."""
        chosen = []
        for row in range(step * stage.rows, (step + 1) * stage.rows):
            epoch, place = divmod(row, images)
            chosen.append(int(self._order(stage.name, epoch, seed, images)[place]))
        rows = [self.draw(image, stage, seed, step, row) for row, image in enumerate(chosen)]
        return self.pack(chosen, rows, stage.tokens)

    def _order(self, stage: str, epoch: int, seed: int, images: int) -> NDArray[np.int64]:
        key = (stage, epoch, seed, images)
        if getattr(self, "_order_key", None) != key:
            order = np.random.default_rng(generator(seed, stage, epoch).getrandbits(32)).permutation(images)
            self._order_key, self._order_now = key, order
        return self._order_now


def packed_logits(model: PreTrainedModel, template: Template, features: Tensor, pack: Pack, asked: Tensor) -> Tensor:
    """Return the logits (asked tokens x vocabulary) of a batch of rows.

    Args:
        model: any of the families, its language model set to an attention that takes an additive mask.
        template: seams of its chat template.
        features: image features, rows x image tokens x width.
        pack: the rows.
        asked: rows x tokens, true where logits are wanted.
    """
    language = model.model.language_model
    rows, tokens = pack.ids.shape
    prefix = torch.tensor(template.prefix)
    length = len(template.prefix)
    embedded = language.embed_tokens(torch.cat([prefix.expand(rows, length), pack.ids], 1))
    before = embedded[:, :length].clone()
    before[:, prefix == template.image_token] = features.to(embedded.dtype)
    kind = torch.bfloat16 if torch.is_autocast_enabled("cpu") else torch.float32
    positions = pack.offset + template.start
    if template.positions.ndim == 2:
        first = template.positions[:, None].expand(3, rows, length)
        positions = torch.cat([first, positions.expand(3, rows, tokens)], -1)
    else:
        positions = torch.cat([template.positions.expand(rows, length), positions], -1)
    hidden = language(
        inputs_embeds=torch.cat([before, embedded[:, length:]], 1).to(kind),
        attention_mask=_mask(model, _visible(pack.item, length), kind), position_ids=positions, use_cache=False,
    ).last_hidden_state[:, length:]  # fmt: skip
    logits: Tensor = model.lm_head(hidden[asked])
    return logits


def _visible(item: Tensor, prefix: int) -> Tensor:
    """Who sees whom: the prefix itself causally, an item the prefix and, causally, itself."""
    rows, tokens = item.shape
    length = prefix + tokens
    seen = torch.zeros(rows, 1, length, length, dtype=torch.bool)
    seen[:, :, :prefix, :prefix] = torch.ones(prefix, prefix, dtype=torch.bool).tril()
    seen[:, :, prefix:, :prefix] = True
    same = item[:, :, None] == item[:, None, :]
    seen[:, 0, prefix:, prefix:] = same & torch.ones(tokens, tokens, dtype=torch.bool).tril()
    return seen


def _mask(model: PreTrainedModel, seen: Tensor, kind: torch.dtype) -> Tensor | Mapping[str, Tensor]:
    mask = torch.zeros(seen.shape, dtype=kind).masked_fill_(~seen, HIDDEN)
    # The Llama classes take a finished mask as it is, the Qwen classes one per kind of layer.
    return mask if model.config.model_type == "llava_next" else {"full_attention": mask}


def letter_mask(processor: ProcessorMixin, vocabulary: int) -> Tensor:
    """Return which token ids are letters of an answer."""
    mask = torch.zeros(vocabulary, dtype=torch.bool)
    mask[[processor.tokenizer.convert_tokens_to_ids(letter) for letter in LETTERS]] = True
    return mask
