"""LoRA on the language model only: which modules get an adapter, checked by name, and the adapter's files."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel
from torch import nn
from transformers.modeling_utils import PreTrainedModel

from finer.config import Training
from finer.errors import InputError
from finer.mllm.adapters import CONFIG
from finer.store import atomic_path, write_text

CARD = "model_card.json"


def pattern(modules: Sequence[str]) -> str:
    """Return the regular expression that names the adapted modules in full.

    A bare list of names would also hit the vision tower, whose projections are called the same in LLaVA and InternVL.
    """
    return rf"(?:model\.)?language_model\.(?:.+\.)?(?:{'|'.join(map(re.escape, modules))})"


def wanted_modules(model: PreTrainedModel, modules: Sequence[str]) -> list[str]:
    """Return the names of the linear layers of the language model that are to be adapted.

    Raises:
        InputError: a layer of the language model lacks one of the projections.
    """
    language = model.get_decoder()
    prefix = next(name for name, module in model.named_modules() if module is language)
    inside = [
        f"{prefix}.{name}"
        for name, module in language.named_modules()
        if isinstance(module, nn.Linear) and name.rsplit(".", 1)[-1] in modules
    ]
    layers = int(model.config.get_text_config().num_hidden_layers)
    if len(inside) != layers * len(modules):
        raise InputError(
            "the language model has other projections", field="tuning.modules", found=", ".join(modules),
            expected=f"names of linear layers, each once in all {layers} layers ({len(inside)} found)",
            cure="name projections of this architecture, such as q_proj, v_proj",
        )  # fmt: skip
    return inside


def lora_config(model: PreTrainedModel, training: Training) -> LoraConfig:
    """Return the configuration of the adapter; LoRA's matrix B starts at zero, so the tuned model starts as the base.

    Raises:
        InputError: the pattern would hit other modules than those of the language model.
    """
    chosen = pattern(training.modules)
    wanted = wanted_modules(model, training.modules)
    hit = [name for name, _ in model.named_modules() if re.fullmatch(chosen, name)]
    if sorted(hit) != sorted(wanted):
        raise InputError(
            "the pattern of adapted modules misses the language model", field="tuning.modules",
            found=", ".join(sorted(set(hit) ^ set(wanted))[:4]), expected=f"exactly {len(wanted)} modules",
            cure="name projections of the language model",
        )  # fmt: skip
    return LoraConfig(r=training.rank, lora_alpha=training.alpha, lora_dropout=training.dropout, target_modules=chosen)


def adapted_modules(model: PeftModel) -> list[str]:
    """Return the names (as in the base model) of the modules that carry an adapter."""
    found = {name.split(".lora_A.")[0] for name, _ in model.named_modules() if ".lora_A." in name}
    return sorted(name.removeprefix("base_model.model.") for name in found)


def save_adapter(model: PeftModel, folder: str | Path, base: str, card: dict[str, Any]) -> None:
    """Write the adapter (safetensors and its configuration) and its model card, all or nothing.

    Args:
        base: name of the base model, recorded instead of its place on this machine.
        card: what made the adapter.
    """
    if Path(folder).is_dir():  # of an earlier training
        shutil.rmtree(folder)
    with atomic_path(folder) as partial:
        model.save_pretrained(str(partial), safe_serialization=True)
        (partial / "README.md").unlink(missing_ok=True)  # the library's empty form; the card says more
        config = json.loads((partial / CONFIG).read_text(encoding="utf-8"))
        config["base_model_name_or_path"] = base
        write_text(partial / CONFIG, json.dumps(config, indent=2, sort_keys=True) + "\n")
        write_text(partial / CARD, json.dumps(card, indent=2) + "\n")
