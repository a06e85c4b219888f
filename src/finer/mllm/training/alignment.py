"""A start at which words point at what they name, so that the language model sees the image from its first step.

Without it the language model first learns to answer from the question alone and stays there for
hundreds of steps: looking up a word in the image needs queries, keys and values to fit each other, and
none of them is rewarded before the others fit. Here (a) each word that goes with a label of the cells (found by
correlation over images, not by a list) starts as the linear reading of that label from image
features, turned by one random rotation, (b) in half of the heads keys start as the queries of what is so
turned, so a word finds image tokens that show it, and in the others as the queries themselves, so a word finds
the same word before it, (c) outputs start as the transpose of values, so what is
found is copied, and (d) the head starts with the readings, so what is copied can be said.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from finer.mllm.training.instruct import Instruct
from finer.mllm.training.packing import Packer
from finer.mllm.training.recipe import TASKS

SAMPLE = 4000  # images
SOURCES = ("lookup", "short", "caption")  # tasks whose texts name only what is in the image
CORRELATION = 0.15  # least correlation over images between a word and a label
RIDGE = 1e-2
WORD, NOISE = 0.9, 0.44  # share of the label's direction, and of the random start that tells synonyms apart
EMBEDDING = 0.5
HEAD = 0.03
COPY = 0.5
ROTATION_SEED = 1


def placed(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the labels of cells with row and column (from 1) of the filled ones as two more."""
    images, count, _ = cells.shape
    side = round(count**0.5)
    place = np.broadcast_to(np.stack(np.divmod(np.arange(count), side), -1) + 1, (images, count, 2))
    return np.concatenate([cells, np.where((cells > 0).any(2, keepdims=True), place, 0)], -1)


def label_presence(cells: NDArray[np.int64]) -> tuple[NDArray[np.float32], list[tuple[int, int]]]:
    """Return images x classes: which label values occur in an image; and the classes as (label, value)."""
    classes = [
        (label, value) for label in range(cells.shape[2]) for value in range(1, int(cells[..., label].max()) + 1)
    ]
    columns = [(cells[..., label] == value).any(1) for label, value in classes]
    return np.stack(columns, 1).astype(np.float32), classes


def word_presence(data: Instruct, packer: Packer, images: int, vocabulary: int) -> NDArray[np.float32]:
    """Return images x vocabulary: which tokens occur in what is said about an image."""
    said = np.zeros((images, vocabulary), dtype=np.float32)
    sources = {TASKS.index(task) for task in SOURCES}
    for image in range(images):
        for number in range(int(data.offsets[image]), int(data.offsets[image + 1])):
            if int(data.tasks[number]) in sources:
                said[image, packer.item(number)[0]] = 1.0
    return said


def words_of_labels(said: NDArray[np.float32], shown: NDArray[np.float32]) -> dict[int, int]:
    """Return for each token that goes with a label the class it goes with best."""

    def standard(values: NDArray[np.float32]) -> NDArray[np.float32]:
        deviation = values.std(0)
        scaled: NDArray[np.float32] = (values - values.mean(0)) / np.where(deviation > 0, deviation, np.inf)
        return scaled

    correlation = standard(said).T @ standard(shown) / len(said)
    best = correlation.argmax(1)
    return {token: int(place) for token, place in enumerate(best) if correlation[token, place] >= CORRELATION}


def label_directions(features: Tensor, cells: NDArray[np.int64], classes: list[tuple[int, int]]) -> Tensor:
    """Return classes x width: the ridge reading of each class from the features of filled cells, each of unit size."""
    filled = torch.from_numpy((cells > 0).any(2))
    inputs = features[filled].float()
    inputs = inputs - inputs.mean(0)
    labels = torch.from_numpy(cells)[filled]
    targets = torch.stack([(labels[:, label] == value).float() for label, value in classes], 1)
    gram = inputs.T @ inputs
    ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(gram))
    directions = torch.linalg.solve(gram + ridge, inputs.T @ (targets - targets.mean(0))).T
    unit: Tensor = directions / directions.square().mean(1, keepdim=True).sqrt().clamp_min(1e-6)
    return unit


@torch.no_grad()
def align(model: PreTrainedModel, data: Instruct, packer: Packer, features: Tensor, places: Tensor) -> dict[int, int]:
    """Give the language model this start; returns the class of each aligned token.

    Args:
        model: initialised, its vision tower trained.
        data: instruct data.
        packer: its items as tokens.
        features: image features, images x tokens x width.
        places: for each cell the places of its image tokens, 16 x k.
    """
    images = min(SAMPLE, len(features))
    cells = placed(data.cells[:images])
    language = model.model.language_model
    shown, classes = label_presence(cells)
    pairs = words_of_labels(word_presence(data, packer, images, language.embed_tokens.num_embeddings), shown)
    directions = label_directions(features[:images][:, places].float().mean(2), cells, classes)
    draw = torch.Generator().manual_seed(ROTATION_SEED)
    width = directions.shape[1]
    rotation = torch.linalg.qr(torch.randn(width, width, generator=draw)).Q  # without it a word finds itself first
    for token, place in pairs.items():
        embedding = language.embed_tokens.weight[token]
        noise = embedding / embedding.square().mean().sqrt()
        language.embed_tokens.weight[token] = EMBEDDING * (WORD * rotation @ directions[place] + NOISE * noise)
        model.lm_head.weight[token] = HEAD * directions[place]
    size = model.config.text_config.hidden_size // model.config.text_config.num_attention_heads
    size = getattr(model.config.text_config, "head_dim", None) or size
    for layer in language.layers:
        attention = layer.self_attn
        keys = attention.q_proj.weight.clone()
        looking = len(keys) // size // 2 * size  # the first half of the heads looks for things, the rest for words
        keys[:looking] = keys[:looking] @ rotation
        attention.k_proj.weight.copy_(keys)
        attention.o_proj.weight.copy_(COPY * len(language.layers) ** -0.5 * attention.v_proj.weight.T)
    return pairs
