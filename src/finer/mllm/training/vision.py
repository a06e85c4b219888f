"""Stage V: vision tower and projector learn to name what each cell holds; then image features for all data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers.modeling_utils import PreTrainedModel
from transformers.processing_utils import ProcessorMixin

from finer.keys import generator
from finer.mllm.training.instruct import CELLS, Instruct
from finer.mllm.training.recipe import VisionStage

SIDE = 4  # cells a row and rows
PLACE_WEIGHT = 0.3  # row and column are easy; they only have to be present in the features
BLOCK = 64  # images a forward pass when features are computed


def vision_parts(model: PreTrainedModel) -> tuple[nn.Module, nn.Module, nn.Linear]:
    """Return vision tower, projector and the projector's last layer."""
    inner = model.model
    if hasattr(inner, "multi_modal_projector"):
        return inner.vision_tower, inner.multi_modal_projector, inner.multi_modal_projector.linear_2
    return inner.visual, inner.visual.merger, inner.visual.merger.mlp[2]


class Pixels:
    """What the processor makes of every image, kept as bytes: processors of the families rescale whole numbers."""

    def __init__(self, data: Instruct, processor: ProcessorMixin) -> None:
        first = processor.image_processor(images=[data.pixels(0)], return_tensors="pt")
        self.shape = tuple(first["pixel_values"].shape)  # of one image; its first axis may count patches
        self.options = {name: value for name, value in first.items() if name in ("image_grid_thw", "image_sizes")}
        self.values: NDArray[np.uint8] = np.empty((len(data), *self.shape), dtype=np.uint8)
        for start in range(0, len(data), BLOCK):
            images = [data.pixels(index) for index in range(start, min(start + BLOCK, len(data)))]
            made = processor.image_processor(images=images, return_tensors="np")["pixel_values"]
            self.values[start : start + len(images)] = np.rint((made * 0.5 + 0.5) * 255).reshape(-1, *self.shape)

    def inputs(self, images: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return the model's image inputs."""
        pixels = torch.from_numpy(self.values[images]).to(torch.float32).mul_(1 / 127.5).sub_(1.0)
        options = {name: value.repeat(len(images), 1) for name, value in self.options.items()}
        return {"pixel_values": pixels.flatten(0, 1), **options}


@contextmanager
def linear_patches(model: PreTrainedModel) -> Iterator[None]:
    """Embed patches by a matrix product where the stock model convolves one patch at a time, twice as slow a step."""
    embed = getattr(getattr(model.model, "visual", None), "patch_embed", None)
    if embed is not None:
        embed.forward = lambda patches: functional.linear(patches, embed.proj.weight.flatten(1))
    try:
        yield
    finally:
        if embed is not None:
            del embed.forward


def image_features(model: PreTrainedModel, inputs: dict[str, Tensor]) -> Tensor:
    """Return image features, images x tokens x width, as the stock model would insert them."""
    config = model.config
    options = (
        {"vision_feature_layer": config.vision_feature_layer,
         "vision_feature_select_strategy": config.vision_feature_select_strategy}
        if hasattr(config, "vision_feature_layer") else {}
    )  # fmt: skip
    made = model.model.get_image_features(**inputs, **options).pooler_output
    return made if isinstance(made, Tensor) else torch.stack(list(made))


def cell_tokens(model: PreTrainedModel) -> Tensor:
    """Return, for each of the 16 cells, the places of the image tokens that show it: 16 x k."""
    config = model.config
    cells = torch.arange(CELLS)
    if config.model_type != "llava_next":
        return cells[:, None]
    crop, patch = config.vision_config.image_size, config.vision_config.patch_size
    per_crop = crop // patch
    across = config.image_grid_pinpoints[0][0] // patch  # tokens in a row of the tiled image, without the newline
    per_cell = across // SIDE
    rows, columns = cells // SIDE * per_cell, cells % SIDE * per_cell
    inside = [(row, column) for row in range(per_cell) for column in range(per_cell)]
    tiled = [per_crop**2 + (rows + row) * (across + 1) + columns + column for row, column in inside]
    if per_crop == across:  # the overview shows the cells as finely as the tile does
        tiled += [(rows + row) * per_crop + columns + column for row, column in inside]
    return torch.stack(tiled, 1)


class CellHeads(nn.Module):
    """Linear heads on the features of a cell, used in stage V only."""

    def __init__(self, width: int, cells: NDArray[np.int64]) -> None:
        super().__init__()
        sizes = [int(values.max()) + 1 for values in np.moveaxis(cells, -1, 0)]
        self.labels = len(sizes)  # the heads after these are for row and column
        self.heads = nn.ModuleList(nn.Linear(width, size) for size in (*sizes, SIDE, SIDE))

    def forward(self, features: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the loss and, per label, which cells are right."""
        loss, right = features.new_zeros((), dtype=torch.float32), []
        for label, head in enumerate(self.heads):
            logits = head(features)
            weight = 1.0 if label < self.labels else PLACE_WEIGHT
            loss = loss + weight * functional.cross_entropy(logits.float().flatten(0, 1), labels[..., label].flatten())
            right.append(logits.argmax(-1) == labels[..., label])
        return loss, right


def cell_labels(cells: NDArray[np.int64]) -> Tensor:
    """Return labels with row and column appended: images x 16 x (labels + 2)."""
    place = np.stack([np.arange(CELLS) // SIDE, np.arange(CELLS) % SIDE], -1)
    return torch.from_numpy(np.concatenate([cells, np.broadcast_to(place, (len(cells), CELLS, 2))], -1))


def vision_batches(stage: VisionStage, seed: int, images: int, start: int) -> Iterator[NDArray[np.int64]]:
    """Yield the images of each step from ``start`` on; each epoch has its own order."""
    for step in range(start, stage.steps):
        chosen, rest = [], stage.images
        place = step * stage.images
        while rest:
            epoch, inside = divmod(place, images)
            order = np.random.default_rng(generator(seed, "vision", epoch).getrandbits(32)).permutation(images)
            part = order[inside : inside + rest]
            chosen.append(part)
            place, rest = place + len(part), rest - len(part)
        yield np.concatenate(chosen)


def unit_features(model: PreTrainedModel, pixels: Pixels, sample: int = 256) -> None:
    """Rescale the projector so that image features have root mean square 1, the size text embeddings start from."""
    with torch.no_grad():
        size = image_features(model, pixels.inputs(np.arange(min(sample, len(pixels.values))))).square().mean().sqrt()
        last = vision_parts(model)[2]
        last.weight.div_(size)
        last.bias.div_(size)


def centre_features(model: PreTrainedModel, pixels: Pixels, sample: int = 256) -> None:
    """Take the mean of all cells out of the projector's bias: it says nothing and drowns what differs."""
    with torch.no_grad():
        features = image_features(model, pixels.inputs(np.arange(min(sample, len(pixels.values)))))
        vision_parts(model)[2].bias.sub_(features[:, cell_tokens(model)].mean((0, 1, 2)))
    unit_features(model, pixels, sample)


def lift_places(model: PreTrainedModel, pixels: Pixels, gain: float, sample: int = 1024) -> None:
    """Raise what row and column contribute to image features by ``gain``.

    Stage V needs place for nothing but its own two heads and leaves it a twentieth of the features' variance; language
    models then learn every word but those that compare places. The directions raised are the means of each
    row's and each column's cells; the projector's last layer takes the change in, so the model stays a stock one.
    """
    with torch.no_grad():
        features = image_features(model, pixels.inputs(np.arange(min(sample, len(pixels.values)))))
        cells = features[:, cell_tokens(model)].mean((0, 2)).reshape(SIDE, SIDE, -1)
        cells = cells - cells.mean((0, 1))
        basis = torch.linalg.qr(torch.cat([cells.mean(1)[1:], cells.mean(0)[1:]]).T).Q
        last = vision_parts(model)[2]
        last.weight.add_((gain - 1) * basis @ (basis.T @ last.weight))
        last.bias.add_((gain - 1) * basis @ (basis.T @ last.bias))
    unit_features(model, pixels)


def all_features(model: PreTrainedModel, pixels: Pixels) -> Tensor:
    """Return the features of all images, images x tokens x width, kept in bfloat16 (what training computes in)."""
    with torch.no_grad():
        blocks = [
            image_features(model, pixels.inputs(np.arange(start, min(start + BLOCK, len(pixels.values))))).bfloat16()
            for start in range(0, len(pixels.values), BLOCK)
        ]
    return torch.cat(blocks)
