"""Adapters of a model: their files, their revision, and the base model with one of them merged in."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from finer.errors import InputError

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def adapter_revision(folder: str | Path) -> str:
    """Return 16 hex digits over what of an adapter decides answers: its weights and its configuration.

    Raises:
        InputError: the folder holds no adapter.
    """
    total = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        path = Path(folder) / name
        if not path.is_file():
            raise InputError(
                "no adapter here", file=path, expected=f"a folder with {CONFIG} and {WEIGHTS}",
                cure="run the rule that trains it, or correct its path",
            )  # fmt: skip
        total.update(name.encode())
        total.update(path.read_bytes())
    return total.hexdigest()[:16]


def merged(model: Any, folder: str | Path) -> Any:
    """Return a loaded model with an adapter added to its weights: no slower to ask than the base.

    Raises:
        InputError: the folder holds no adapter, or one that does not fit the model.
    """
    from peft import PeftModel  # takes seconds to import, and most jobs ask a base

    adapter_revision(folder)
    before = {name for name, _ in model.named_modules()}
    try:
        adapted = PeftModel.from_pretrained(model, str(folder))
    except (ValueError, RuntimeError, KeyError) as error:
        raise InputError(
            "the adapter does not fit the model", file=folder, found=str(error).splitlines()[0],
            expected="an adapter trained on this base", cure="train it again for this model",
        ) from error  # fmt: skip
    whole = adapted.merge_and_unload()
    assert {name for name, _ in whole.named_modules()} == before  # nothing of the adapter is left outside the weights
    return whole.eval()
