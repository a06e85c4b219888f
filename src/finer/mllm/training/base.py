"""Base training: instruct data and a recipe -> a checkpoint folder with its log and model card."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers.modeling_utils import PreTrainedModel
from transformers.processing_utils import ProcessorMixin

from finer.errors import InputError
from finer.mllm.families import build, parameter_count, save
from finer.mllm.training.alignment import align
from finer.mllm.training.instruct import Instruct, read_instruct
from finer.mllm.training.language import Tally, grow, held_out_accuracy, initialise, packed, stage_loss
from finer.mllm.training.optimizer import Optimizers, rate_factor
from finer.mllm.training.packing import Packer, letter_mask, read_template
from finer.mllm.training.progress import Progress, resume
from finer.mllm.training.recipe import Recipe
from finer.mllm.training.vision import (
    CellHeads,
    Pixels,
    all_features,
    cell_labels,
    cell_tokens,
    centre_features,
    image_features,
    lift_places,
    linear_patches,
    unit_features,
    vision_batches,
    vision_parts,
)
from finer.store import atomic_path, write_text

LOG_EVERY = 50
TRAINABLE = ("llava_next", "qwen2_5_vl", "internvl")  # Qwen3-VL also feeds features into deeper layers


def _silent(_: str) -> None:
    """Report nothing."""


def train_base(
    instruct: str | Path, recipe: Recipe, out: str | Path, checkpoints: str | Path | None = None,
    every_seconds: float = 120.0, report: Callable[[str], None] = _silent, stop_after: int | None = None,
) -> bool:  # fmt: skip
    """Train one base model and write its checkpoint folder; a killed training continues from its last checkpoint.

    Args:
        instruct: Parquet file of instruct data.
        recipe: sizes, stages and seed.
        out: folder of the finished model: float16 safetensors, config, tokenizer, processor,
            ``training_log.csv`` and ``model_card.json``.
        checkpoints: folder of the training's own state; None: not resumable.
        every_seconds: wall seconds between checkpoints.
        report: takes a line of progress.
        stop_after: stop with a checkpoint after so many steps in all (for tests and pilots).

    Returns:
        Whether the training is finished.

    Raises:
        InputError: unusable data, a family that is not trained here, or a checkpoint of another training.
    """
    if recipe.spec.family not in TRAINABLE:
        raise InputError("family is not trained here", found=recipe.spec.family, expected=" | ".join(TRAINABLE))
    started = time.monotonic()
    data = read_instruct(instruct)
    if len(data) <= recipe.held_out:
        raise InputError("too few images", file=instruct, found=len(data), expected=f"more than {recipe.held_out}")
    identities = [f"{recipe.name} {digest} {recipe.seed} {data.digest}" for digest in recipe.digests]
    progress = resume(identities, checkpoints, every_seconds)
    model, processor = build(recipe.spec, data.texts(), recipe.seed)
    initialise(model, recipe.seed)
    if recipe.grown_from is not None:
        grow(model, Path(out).with_name(recipe.grown_from))
    if progress.weights:
        model.load_state_dict(progress.weights)
    training = _Training(recipe, data, model, processor, progress, report, stop_after)
    report(f"{recipe.name}: {parameter_count(model):,} weights, {len(data):,} images, "
           f"vocabulary {len(processor.tokenizer)}")  # fmt: skip
    if not training.run():
        return False
    accuracy = training.held_out()
    report(json.dumps(accuracy))
    if Path(out).is_dir():  # a folder cannot be replaced by renaming onto it
        shutil.rmtree(out)
    with atomic_path(out) as folder:
        save(model, processor, folder)
        progress.log_frame().write_csv(folder / "training_log.csv")
        card = {
            "model": recipe.name, "title": recipe.title, "family": recipe.spec.family, "seed": recipe.seed,
            "parameters": parameter_count(model), "data": f"instruct/{recipe.data}", "data_sha256": data.digest,
            "recipe_sha256": recipe.digest, "grown_from": recipe.grown_from, "negative_share": recipe.negative_share,
            "cpu_seconds": round(progress.cpu_seconds),
            "wall_seconds_of_last_run": round(time.monotonic() - started),
            "command": "make bases", "torch": torch.__version__,
            "python": sys.version.split()[0], "held_out_images": recipe.held_out, "held_out": accuracy,
        }  # fmt: skip
        write_text(folder / "model_card.json", json.dumps(card, indent=1) + "\n")
    return True


class _Training:
    """The stages of one training, in order."""

    def __init__(
        self, recipe: Recipe, data: Instruct, model: PreTrainedModel, processor: ProcessorMixin, progress: Progress,
        report: Callable[[str], None], stop_after: int | None,
    ) -> None:  # fmt: skip
        self.recipe, self.data, self.model, self.processor = recipe, data, model, processor
        self.progress, self.report, self.left = progress, report, stop_after
        self.images = len(data) - recipe.held_out  # the last ones are held out
        self.pixels = Pixels(data, processor)
        self.template = read_template(model, processor, data.pixels(0))
        self.packer = Packer(data, processor, self.template, recipe.negative_share)
        self.letters = letter_mask(processor, len(processor.tokenizer))

    def run(self) -> bool:
        """Run what is left of all stages; false if stopped before the end."""
        self.report(f"prepared at {self.progress.cpu_seconds:.0f} CPU s")
        if self.progress.stage == 0 and self.recipe.grown_from is not None:
            self._next_stage()
        if self.progress.stage == 0:
            with linear_patches(self.model):
                if not self._vision():
                    return False
            unit_features(self.model, self.pixels)
            self._round_vision()
            self._next_stage()
        self.model.requires_grad_(True)
        for part in vision_parts(self.model)[:2]:
            part.requires_grad_(False)
        if hasattr(self.model.model, "image_newline"):
            self.model.model.image_newline.requires_grad_(False)
        begins = (self.progress.stage, self.progress.step) == (1, 0) and self.recipe.grown_from is None
        if begins:
            if self.recipe.place_gain != 1.0:
                lift_places(self.model, self.pixels, self.recipe.place_gain)
            centre_features(self.model, self.pixels)
            self._round_vision()
        with linear_patches(self.model):
            self.features = all_features(self.model, self.pixels)
        self.report(f"features {tuple(self.features.shape)} at {self.progress.cpu_seconds:.0f} CPU s")
        if begins:
            words = align(self.model, self.data, self.packer, self.features, cell_tokens(self.model))
            self.report(f"{len(words)} words aligned")
        for number in range(self.progress.stage, len(self.recipe.stages) + 1):
            with packed(self.model, self.recipe.compiled):
                if not self._language(number):
                    return False
            self._next_stage()
        return True

    def held_out(self) -> dict[str, dict[str, float]]:
        """Return accuracies of the rounded weights on the held-out images."""
        with torch.no_grad():
            for weight in self.model.parameters():
                weight.copy_(weight.half().float())
        with packed(self.model):
            return held_out_accuracy(self.model, self.packer, self.features, range(self.images, len(self.data)))

    def _round_vision(self) -> None:
        with torch.no_grad():  # rounded now, so that the language model learns on the features it will be given
            for part in vision_parts(self.model)[:2]:
                for weight in part.parameters():
                    weight.copy_(weight.half().float())

    def _next_stage(self) -> None:
        self.progress.stage, self.progress.step = self.progress.stage + 1, 0
        self.progress.optimizers, self.progress.heads = [], {}
        self.progress.weights = self.model.state_dict()
        self.progress.save()

    def _continue(self, step: int, optimizers: Optimizers, heads: CellHeads | None = None) -> bool:
        """Save what is due after a step; false if the training is to stop here."""
        if self.left is not None:
            self.left -= 1
        stop = self.left == 0
        if stop or self.progress.due():
            self.progress.step = step + 1
            self.progress.weights, self.progress.optimizers = self.model.state_dict(), optimizers.state_dict()
            self.progress.heads = heads.state_dict() if heads else {}
            self.progress.save()
        return not stop

    def _vision(self) -> bool:
        stage, progress = self.recipe.vision, self.progress
        tower, projector, last = vision_parts(self.model)
        torch.manual_seed(self.recipe.seed)
        heads = CellHeads(last.out_features, self.data.cells)
        named = {
            f"{kind}.{name}": weight
            for kind, module in (("matrix", tower), ("matrix", projector), ("heads", heads))
            for name, weight in module.named_parameters()
        }  # fmt: skip
        optimizers = Optimizers(named.items(), ["matrix"], stage.learning_rate, stage.matrix_rate)
        if progress.optimizers:
            heads.load_state_dict(progress.heads)
            optimizers.load_state_dict(progress.optimizers)
        labels, places, tally = cell_labels(self.data.cells), cell_tokens(self.model), []
        for step, images in enumerate(
            vision_batches(stage, self.recipe.seed, self.images, progress.step), start=progress.step
        ):
            with torch.autocast("cpu", torch.bfloat16):
                features = image_features(self.model, self.pixels.inputs(images))[:, places].mean(2)
                loss, right = heads(features, labels[images])
            optimizers.step(loss, rate_factor(step, stage.steps, stage.warmup, stage.decay))
            shown = labels[images] > 0  # row and column are zero in the first
            tally.append([float(loss.detach()), *(
                float(hit[there].float().mean()) for hit, there in zip(right, shown.unbind(-1), strict=True)
            )])  # fmt: skip
            if (step + 1) % LOG_EVERY == 0 or step + 1 == stage.steps:
                means = np.nanmean(tally, 0)
                progress.record("V", step + 1, "cells", float(means[0]), float(means[1:-2].mean()), len(tally))
                self.report(f"V {step + 1} loss {means[0]:.3f} " + " ".join(f"{value:.3f}" for value in means[1:])
                            + f" cpu {progress.cpu_seconds:.0f}")  # fmt: skip
                tally = []
            if not self._continue(step, optimizers, heads):
                return False
        return True

    def _language(self, number: int) -> bool:
        stage, progress = self.recipe.stages[number - 1], self.progress
        optimizers = Optimizers(
            self.model.named_parameters(),
            ["language_model.layers."],
            stage.learning_rate,
            stage.matrix_rate,
            stage.query_key_share,
        )
        if progress.optimizers:
            optimizers.load_state_dict(progress.optimizers)
        tally = Tally()
        for step in range(progress.step, stage.steps):
            pack = self.packer.batch(stage, step, self.recipe.seed, self.images)
            loss, losses, right, task = stage_loss(
                self.model, self.template, self.features[pack.images], pack, self.letters, stage.letter_weight
            )
            optimizers.step(loss, rate_factor(step, stage.steps, stage.warmup, stage.decay))
            tally.add(losses, right, task)
            if (step + 1) % LOG_EVERY == 0 or step + 1 == stage.steps:
                rows = tally.rows()
                for name, mean, share, tokens in rows:
                    progress.record(stage.name, step + 1, name, mean, share, tokens)
                self.report(f"{stage.name} {step + 1} " + " ".join(f"{name} {share:.2f}" for name, _, share, _ in rows)
                            + f" cpu {progress.cpu_seconds:.0f}")  # fmt: skip
            if not self._continue(step, optimizers):
                return False
        return True
