"""Language stages on frozen image features: every step runs the language model only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.modeling_utils import PreTrainedModel

from finer.errors import InputError
from finer.mllm.families import load
from finer.mllm.training.packing import ATTENTION, Pack, Packer, Template, packed_logits
from finer.mllm.training.recipe import COUNTED, LETTERED_TASKS, TASKS, LanguageStage

LETTERED = torch.tensor([task in LETTERED_TASKS for task in COUNTED])
EVALUATION_SEED = 20


def initialise(model: PreTrainedModel, seed: int) -> None:
    """Give the language model a start that learns in few steps: unit-scale matrices, small residual writes."""
    config, language = model.config.text_config, model.model.language_model
    width, depth = config.hidden_size, 2 * config.num_hidden_layers
    draw = torch.Generator().manual_seed(seed)

    def normal(weight: Tensor, scale: float) -> None:
        nn.init.normal_(weight, std=scale, generator=draw)

    with torch.no_grad():
        normal(language.embed_tokens.weight, 0.5)
        nn.init.zeros_(model.lm_head.weight)
        for layer in language.layers:
            attention, dense = layer.self_attn, layer.mlp
            for part in (attention.q_proj, attention.k_proj, attention.v_proj, dense.up_proj, dense.gate_proj):
                normal(part.weight, width**-0.5)
            normal(attention.o_proj.weight, 0.5 * attention.o_proj.in_features**-0.5 * depth**-0.5)
            normal(dense.down_proj.weight, config.intermediate_size**-0.5 * depth**-0.5)
        if model.config.model_type == "internvl":  # zero by default, which leaves all patches alike
            normal(model.model.vision_tower.embeddings.position_embeddings, 0.02)
        if hasattr(model.model, "image_newline"):
            normal(model.model.image_newline, 0.5)


def grow(model: PreTrainedModel, source: Path) -> None:
    """Take over a shallower trained model of the same widths; the layers above it start as doing nothing.

    Raises:
        InputError: the source is missing or has other sizes.
    """
    weights = load(source)[0].state_dict()
    own = model.state_dict()
    other = [name for name, weight in weights.items() if name not in own or own[name].shape != weight.shape]
    if other:
        raise InputError("the model to grow from has other sizes", file=source, field=other[0],
                         expected="the same widths, vocabulary and fewer layers")  # fmt: skip
    model.load_state_dict(weights, strict=False)
    depth = 1 + max(int(name.split("layers.")[1].split(".")[0]) for name in weights if "language_model.layers." in name)
    with torch.no_grad():
        for layer in model.model.language_model.layers[depth:]:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()


@contextmanager
def packed(model: PreTrainedModel, compiled: bool = False) -> Iterator[None]:
    """Let the language model take packed rows; optionally with its layers compiled, which share one graph."""
    before = model.config.text_config._attn_implementation
    model.config.text_config._attn_implementation = ATTENTION
    layers = list(model.model.language_model.layers) if compiled else []
    for layer in layers:
        layer.forward = torch.compile(layer.forward, dynamic=False)
    try:
        yield
    finally:
        model.config.text_config._attn_implementation = before
        for layer in layers:
            del layer.forward


def stage_loss(
    model: PreTrainedModel, template: Template, features: Tensor, pack: Pack, letters: Tensor, letter_weight: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the weighted loss of a batch and, per asked token: its loss, whether it is right, its task."""
    asked = pack.target >= 0
    with torch.autocast("cpu", torch.bfloat16):
        logits = packed_logits(model, template, features, pack, asked)
    target, task = pack.target[asked], pack.task[asked]
    losses = functional.cross_entropy(logits.float(), target, reduction="none")
    weight = torch.where(letters[target] & LETTERED[task], letter_weight, 1.0)
    right = logits.detach().argmax(-1) == target
    return (losses * weight).sum() / weight.sum(), losses.detach(), right, task


class Tally:
    """Loss and accuracy per task since the last row of the log."""

    def __init__(self) -> None:
        self.sums = torch.zeros(len(COUNTED), 3, dtype=torch.float64)

    def add(self, losses: Tensor, right: Tensor, task: Tensor) -> None:
        """Count the asked tokens of a step."""
        values = torch.stack([losses.double(), right.double(), torch.ones_like(losses, dtype=torch.float64)], 1)
        self.sums.index_add_(0, task, values)

    def rows(self) -> list[tuple[str, float, float, int]]:
        """Return task, mean loss, share of right tokens and their number; and start anew."""
        rows = [
            (name, float(loss / count), float(right / count), int(count))
            for name, (loss, right, count) in zip(COUNTED, self.sums.tolist(), strict=True) if count
        ]  # fmt: skip
        self.sums.zero_()
        return rows


@torch.no_grad()
def held_out_accuracy(
    model: PreTrainedModel, packer: Packer, features: Tensor, images: range, rows: int = 25, tokens: int = 320
) -> dict[str, dict[str, float]]:
    """Ask items of images that were never trained on, as many of each task as the rows hold.

    Returns per task: the share of items whose whole answer is right (each word given the right ones
    before it), the share whose first word is right, and the number of items.
    """
    stage = LanguageStage("held_out", 0, dict.fromkeys(TASKS, 1.0), tokens=tokens)
    counts = np.zeros((len(TASKS), 3))
    for start in range(images.start, images.stop, rows):
        chosen = list(range(start, min(start + rows, images.stop)))
        drawn = [packer.draw(image, stage, EVALUATION_SEED, image) for image in chosen]
        pack = packer.pack(chosen, drawn, tokens, judge=False)
        asked = pack.target >= 0
        logits = packed_logits(model, packer.template, features[pack.images].float(), pack, asked)
        right = (logits.argmax(-1) == pack.target[asked]).numpy()
        row = torch.arange(len(chosen))[:, None].expand_as(pack.item)[asked].numpy()
        item = row * tokens + pack.item[asked].numpy()
        _, first, which = np.unique(item, return_index=True, return_inverse=True)
        wrong = np.bincount(which, weights=~right)
        task = pack.task[asked].numpy()[first]
        np.add.at(counts, task, np.stack([wrong == 0, right[first], np.ones(len(first))], 1))
    return {
        name: {"exact": round(exact / count, 4), "first_word": round(word / count, 4), "items": int(count)}
        for name, (exact, word, count) in zip(TASKS, counts.tolist(), strict=True) if count
    }  # fmt: skip
