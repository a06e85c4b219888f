"""Model entries of the configuration -> engines, and the revision of the weights behind them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from finer.config import Evaluation
from finer.errors import InputError
from finer.mllm.adapters import adapter_revision

if TYPE_CHECKING:
    from finer.mllm.engine import Engine

# What decides a model's answers: weights, configs, vocabulary and chat template. Logs and READMEs do not.
_CHECKPOINT_SUFFIXES = (".safetensors", ".json", ".jinja", ".model", ".txt")
_NOT_CHECKPOINT = ("training", "log", "readme", "license", "provenance", "hashes")


class Checkpoint(BaseModel):
    """How one model of the configuration is loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    path: str
    family: str
    dtype: str = "float32"
    device: str = "cpu"
    attention: str = "sdpa"
    adapter: str | None = None  # folder of an adapter, merged in when the model is loaded

    @classmethod
    def read(cls, name: str, load: str | Mapping[str, Any]) -> Checkpoint:
        """Build from the plan's ``load`` entry (a mapping, or the same as JSON)."""
        values = json.loads(load) if isinstance(load, str) else dict(load)
        return cls.model_validate({"name": name, **values})

    @property
    def numerics(self) -> str:
        """What, beside the weights, decides the numbers; the place of the files does not."""
        return json.dumps({"dtype": self.dtype, "device": self.device, "attention": self.attention})

    def adapter_revision(self) -> str | None:
        """Return the revision of the adapter, None for a base model."""
        return None if self.adapter is None else adapter_revision(self.adapter)

    def revision(self) -> str:
        """Return 16 hex digits over the names and bytes of the checkpoint's files, those of an adapter not among them.

        Raises:
            InputError: the folder holds no checkpoint.
        """
        folder = Path(self.path)
        files = sorted(path for path in folder.glob("*") if _of_checkpoint(path))
        if not any(path.suffix == ".safetensors" for path in files):
            raise InputError(
                "no checkpoint here", file=folder, expected="a folder with *.safetensors, config and tokenizer",
                cure=f"run the rule that makes model '{self.name}', or correct its path",
            )  # fmt: skip
        total = hashlib.sha256()
        for path in files:
            total.update(path.name.encode())
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        return total.hexdigest()[:16]


def _of_checkpoint(path: Path) -> bool:
    name = path.name.lower()
    return path.is_file() and path.suffix in _CHECKPOINT_SUFFIXES and not name.startswith(_NOT_CHECKPOINT)


def engine(checkpoint: Checkpoint, settings: Evaluation) -> Engine:
    """Load the model of a checkpoint as the evaluation settings want it asked."""
    from finer.mllm.engine import TransformersEngine

    return TransformersEngine(
        checkpoint.path, checkpoint.family, dtype=checkpoint.dtype, device=checkpoint.device,
        attention=checkpoint.attention, prefix_reuse=settings.prefix_reuse, batch_tokens=settings.batch_tokens,
        adapter=checkpoint.adapter,
    )  # fmt: skip
