"""One row a preference pair: image and question once, the chosen and the rejected answer side by side after them.

The plain way runs the prompt twice (before either answer), for the tuned model and for the reference each, and so
encodes the image four times. Here the answers are two branches of one row: a block mask hides each from the other, and
each stands at the positions that it would have alone, so the numbers are the same up to rounding. The first token of
the rejected branch is predicted from a copy of the prompt's last token, whose hidden state is the original's. The
vision tower is frozen and has no adapter, so its features serve the tuned model and the reference.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers.modeling_utils import PreTrainedModel

PROMPT, PROMPT_MASK, PROMPT_TYPES = "prompt_ids", "prompt_mask", "prompt_mm_token_type_ids"
_TEXT = {"input_ids", "attention_mask", "mm_token_type_ids", "labels", "use_cache", "fused_lm_head"}


@dataclass
class Scored:
    """Per token of the answers, rows as in the plain layout: all chosen ones, then all rejected ones; zero elsewhere.

    The fields are those that the trainer reads; shape (2 x pairs, tokens).
    """

    log_probs: Tensor
    entropy: Tensor
    mean_logits: Tensor
    is_top1: Tensor
    log_sum_sq_probs: Tensor | None = None


@dataclass
class _Features:
    """Image features of the batch at hand: computed for the tuned model, used again for the reference."""

    pixels: Tensor | None = None
    encoded: Any = None
    vision_passes: int = field(default=0)  # how often the vision tower ran, for tests and benchmarks


def share_prompts(model: PreTrainedModel) -> None:
    """Let a base model, wrapped by an adapter or not, answer calls with ``prompt_ids`` by one row a pair.

    Such a call takes, beside the vision inputs of the pairs: ``prompt_ids`` and ``prompt_mask`` (pairs, prompt),
    padded on the left; ``input_ids`` and ``labels`` (2 x pairs, 1 + answer), the last prompt token and the answer,
    padded on the right, labels -100 where no token of an answer stands. It returns ``Scored``. Other calls are
    unchanged.
    """
    plain = model.forward
    features = _Features()

    def forward(self: Any, *args: Any, **inputs: Any) -> Any:
        if PROMPT not in inputs:
            return plain(*args, **inputs)
        return _score_pairs(self, inputs, features)

    model.forward = types.MethodType(forward, model)
    model.shared_features = features


def _score_pairs(model: Any, inputs: Mapping[str, Any], features: _Features) -> Scored:
    prompts, mask = inputs[PROMPT], inputs[PROMPT_MASK]
    ids, labels = inputs["input_ids"], inputs["labels"]
    pairs, before = prompts.shape
    answers = ids[:, 1:]
    width = answers.shape[1]
    row = torch.cat([prompts, answers[:pairs], prompts[:, -1:], answers[pairs:]], 1)
    first, real = _prompt_positions(model, inputs)
    later = torch.arange(width, device=row.device) + real[:, None]
    position = torch.cat([first, _alike(later, first), first[..., -1:], _alike(later, first)], -1)
    hidden = model.base_model(
        input_ids=row, attention_mask=_additive(_visible(mask, width), model.dtype), position_ids=position,
        mm_encoder_outputs={"image": _encoded(model, inputs, features)}, use_cache=False,
    ).last_hidden_state  # fmt: skip
    # The states from which the answers' tokens are predicted, in the plain layout: chosen rows, then rejected rows.
    states = torch.cat([hidden[:, before - 1 : before - 1 + width], hidden[:, before + width : before + 2 * width]])
    return _scored(model.get_output_embeddings()(states), labels[:, 1:])


def _scored(logits: Tensor, labels: Tensor) -> Scored:
    asked = labels != -100
    target = labels.clamp(min=0)
    logprobs = logits.float().log_softmax(-1)
    picked = logprobs.gather(-1, target[..., None])[..., 0]
    with torch.no_grad():
        entropy = -(logprobs.exp() * logprobs).sum(-1)
        mean, top = logits.float().mean(-1), logits.argmax(-1) == target
    return Scored(picked * asked, entropy * asked, mean * asked, top & asked)


def _prompt_positions(model: Any, inputs: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Return rotary positions of the prompts, (pairs, prompt) or (3, pairs, prompt), and that of the next token."""
    mask = inputs[PROMPT_MASK]
    if PROMPT_TYPES in inputs:  # Qwen: image tokens share positions
        positions, deltas = model.model.get_rope_index(
            inputs[PROMPT], inputs[PROMPT_TYPES], image_grid_thw=inputs["image_grid_thw"], attention_mask=mask
        )
        return positions, mask.sum(1) + deltas.reshape(-1).to(mask.device)
    return (mask.cumsum(1) - 1).clamp(min=0), mask.sum(1)


def _alike(positions: Tensor, first: Tensor) -> Tensor:
    """Return positions (pairs, tokens) with the leading axis that ``first`` has."""
    return positions if first.ndim == 2 else positions.expand(first.shape[0], *positions.shape)


def _visible(mask: Tensor, width: int) -> Tensor:
    """Return who sees whom, (pairs, 1, tokens, tokens): the prompt causally; each branch the prompt and itself."""
    pairs, before = mask.shape
    length = before + 2 * width + 1
    branch = torch.tensor([0] * before + [1] * width + [2] * (width + 1), device=mask.device)
    place = torch.arange(length, device=mask.device)
    same = (branch[:, None] == branch[None, :]) | (branch[None, :] == 0)
    seen = same & (place[:, None] >= place[None, :])
    seen[before + width :, before - 1] = False  # the copy stands for the prompt's last token
    real = torch.cat([mask.bool(), mask.new_ones((pairs, length - before), dtype=torch.bool)], 1)
    seen = seen[None] & real[:, None, :]
    seen |= torch.eye(length, dtype=torch.bool, device=mask.device)[None]  # padding sees itself: no empty softmax
    return seen[:, None]


def _additive(seen: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, torch.finfo(dtype).min)


def _encoded(model: Any, inputs: Mapping[str, Any], features: _Features) -> Any:
    """Return the features of the batch's images, computed once a batch."""
    pixels = inputs["pixel_values"]
    if features.pixels is not pixels:
        vision = {name: value for name, value in inputs.items() if name not in _TEXT and not name.startswith("prompt_")}
        vision["pixel_values"] = pixels.to(model.dtype)
        with torch.no_grad():
            features.encoded = model.model.get_image_features(**vision, return_dict=True)
        features.pixels = pixels
        features.vision_passes += 1
    return features.encoded


def pad_left(rows: list[list[int]], value: int) -> tuple[Tensor, Tensor]:
    """Return ids and mask (rows, longest), padded on the left."""
    return _padded(rows, value, "left")


def pad_right(rows: list[list[int]], value: int) -> tuple[Tensor, Tensor]:
    """Return ids and mask (rows, longest), padded on the right."""
    return _padded(rows, value, "right")


def _padded(rows: list[list[int]], value: int, side: str) -> tuple[Tensor, Tensor]:
    tensors = [torch.tensor(row) for row in rows]
    ids = pad_sequence(tensors, batch_first=True, padding_value=value, padding_side=side)
    mask = pad_sequence([torch.ones_like(row) for row in tensors], batch_first=True, padding_side=side)
    return ids, mask
