"""The trainers: TRL's DPO and SFT with the project's batches, and guards that stop a bad run with the reason."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PrinterCallback, TrainerCallback
from transformers.modeling_utils import PreTrainedModel
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
from trl.trainer.dpo_trainer import DataCollatorForVisionPreference

from finer.config import Training
from finer.errors import InputError
from finer.tuning import lora
from finer.tuning.checkpoints import CompleteCheckpoints
from finer.tuning.collate import PlainCollator, SharedCollator
from finer.tuning.pairs import Chosen, Writer, dataset
from finer.tuning.shared import share_prompts

LN2_TOLERANCE = 1e-3  # of the first loss: policy and reference are the same weights in the same precision


def stop(message: str, found: object, expected: str, cure: str) -> InputError:
    """Return the error that ends a training."""
    return InputError(message, field="tuning", found=found, expected=expected, cure=cure)


class Guards(TrainerCallback):  # type: ignore[misc]
    """Stops a run whose gradient vanishes or whose loss is no number."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Look at each row of the log."""
        for name, value in (logs or {}).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise stop(f"'{name}' is no number", value, "a finite value", "lower tuning.learning_rate")
        norm = (logs or {}).get("grad_norm")
        if norm is not None and norm <= 0:
            raise stop(
                "the gradient is zero, so nothing is learnt", norm, "above zero",
                "see that answers are not cut (tuning.max_tokens) and that tuning.modules are used by the model",
            )  # fmt: skip


class Lines(TrainerCallback):  # type: ignore[misc]
    """Writes a line of the training log to the standard error, in place of the library's dictionaries."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Write what a row of the log says."""
        shown = {
            name.removeprefix("eval_").removeprefix("rewards/"): value for name, value in (logs or {}).items()
            if name.removeprefix("eval_") in ("loss", "rewards/accuracies", "rewards/margins", "grad_norm")
        }  # fmt: skip
        if shown and state.is_world_process_zero:
            split = "held out" if "eval_loss" in (logs or {}) else "train"
            values = ", ".join(f"{name} {float(value):.4f}" for name, value in shown.items())
            print(f"step {state.global_step}/{state.max_steps}, {split}: {values}", file=sys.stderr, flush=True)


class PairTrainer(DPOTrainer):  # type: ignore[misc]
    """TRL's DPO trainer, its first loss checked: ln 2 exactly when the tuned model starts as its reference."""

    first_loss: float | None = None

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
        result = super()._compute_loss(model, inputs, return_outputs)
        if self.first_loss is None and self.model.training and self.state.global_step == 0:
            self.first_loss = check_first_loss(result[0] if return_outputs else result)
        return result


def check_first_loss(loss: Tensor) -> float:
    """Return the first loss.

    Raises:
        InputError: it is not ln 2, so the reference is not the model that the training starts from.
    """
    value = float(loss.detach())
    if not abs(value - math.log(2)) < LN2_TOLERANCE:
        raise stop(
            "the first DPO loss is not ln 2: the reference is not the base model", round(value, 6),
            f"{math.log(2):.6f}", "train from the base without another adapter, and without dropout",
        )  # fmt: skip
    return value


def check_adapted(adapted: PeftModel, wanted: Sequence[str]) -> None:
    """Check that an adapter sits on the wanted modules alone and that nothing else is trained.

    Raises:
        InputError: other modules carry the adapter, or other weights are trained.
    """
    found = lora.adapted_modules(adapted)
    if found != sorted(wanted):
        raise stop("other modules carry the adapter", found, ", ".join(sorted(wanted)), "see tuning.modules")
    trained = [name for name, weight in adapted.named_parameters() if weight.requires_grad]
    if others := [name for name in trained if ".lora_" not in name]:
        raise stop("weights beside the adapter are trained", others, "LoRA weights only", "see tuning.modules")


def base_digest(model: nn.Module) -> str:
    """Return a digest of the base's weights, bit for bit, with or without an adapter around them."""
    plain = {
        name.removeprefix("base_model.model.").replace(".base_layer.", "."): weight
        for name, weight in model.named_parameters() if ".lora_" not in name
    }  # fmt: skip
    total = hashlib.sha256()
    for name in sorted(plain):
        total.update(name.encode())
        total.update(plain[name].detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def arguments(training: Training, folder: Path, steps: int, watched: bool) -> dict[str, Any]:
    """Return what both trainers' configurations share; ``watched``: held-out pairs are looked at on the way."""
    on_cpu = training.device == "cpu"
    half = training.dtype == "bfloat16"
    return {
        "output_dir": str(folder), "seed": training.seed, "data_seed": training.seed, "use_cpu": on_cpu,
        "num_train_epochs": training.epochs, "learning_rate": training.learning_rate,
        "lr_scheduler_type": training.schedule, "warmup_steps": round(training.warmup * steps),
        "per_device_train_batch_size": training.batch, "per_device_eval_batch_size": training.batch,
        "gradient_accumulation_steps": training.accumulation, "gradient_checkpointing": not on_cpu,
        "bf16": half, "max_length": None, "logging_steps": training.log_steps, "logging_first_step": True,
        "save_strategy": "steps", "save_steps": training.checkpoint_steps, "save_total_limit": 2,
        "eval_strategy": "steps" if watched else "no", "eval_steps": training.checkpoint_steps,
        "eval_on_start": watched, "report_to": "none", "disable_tqdm": True, "dataloader_num_workers": 0,
        "ddp_backend": "gloo" if on_cpu and training.devices > 1 else None,
        "average_tokens_across_devices": True,
    }  # fmt: skip


def steps_of(pairs: int, training: Training) -> int:
    """Return how many optimiser steps so many pairs make."""
    batches = math.ceil(pairs / (training.batch * training.devices))
    return math.ceil(batches / training.accumulation) * training.epochs


def build(
    model: PreTrainedModel, writer: Writer, training: Training, chosen: Chosen, folder: Path
) -> DPOTrainer | SFTTrainer:
    """Return the trainer of an adapter on a base model; ``folder``: for its checkpoints."""
    wanted = lora.wanted_modules(model, training.modules)
    watched = chosen.held_out.height > 0
    shared = arguments(training, folder, steps_of(chosen.train.height, training), watched)
    common = {
        "model": model,
        "peft_config": lora.lora_config(model, training),
        "processing_class": writer.processor,
        "callbacks": [Guards(), Lines(), CompleteCheckpoints()],
        "train_dataset": dataset(chosen.train, training.method),
        "eval_dataset": dataset(chosen.held_out, training.method) if watched else None,
    }
    if training.method == "sft":
        trainer = SFTTrainer(args=SFTConfig(**shared, completion_only_loss=True), **common)
        trainer.remove_callback(PrinterCallback)
        trainer.data_collator = PlainCollator(trainer.data_collator, writer)
        check_adapted(trainer.model, wanted)
        return trainer
    collator = (
        SharedCollator(writer, training.max_tokens)
        if training.shared_prompt
        else PlainCollator(DataCollatorForVisionPreference(writer.processor), writer)
    )
    trainer = PairTrainer(args=DPOConfig(**shared, beta=training.beta), data_collator=collator, **common)
    trainer.remove_callback(PrinterCallback)
    check_adapted(trainer.model, wanted)
    if training.shared_prompt:
        share_prompts(model)  # after the trainer, which replaces the forward pass by its own
    return trainer
