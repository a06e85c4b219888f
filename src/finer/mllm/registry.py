"""Model entries of the configuration -> engines, and the revision of the weights behind them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from finer.config import Evaluation
from finer.errors import InputError
from finer.keys import stable_key
from finer.mllm.adapters import adapter_revision
from finer.mllm.images import Images

if TYPE_CHECKING:
    from finer.mllm.questions import Engine

ENGINE_MODULES = {
    "transformers": "finer.mllm.engine", "vllm": "finer.mllm.vllm_engine", "http": "finer.mllm.http_engine",
}  # fmt: skip
SOURCE = "revision.txt"  # written by the rules that retrieve

# What decides a model's answers: weights, configs, vocabulary and chat template. Logs and READMEs do not.
_CHECKPOINT_SUFFIXES = (".safetensors", ".json", ".jinja", ".model", ".txt")
_NOT_CHECKPOINT = ("training", "log", "readme", "license", "provenance", "hashes")


class Checkpoint(BaseModel):
    """How one model of the configuration is loaded and asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    path: str = ""
    family: str | None = None
    engine: Literal["transformers", "vllm", "http"] = "transformers"
    dtype: str = "float32"
    device: str = "cpu"
    max_memory: dict[str, str] = {}
    attention: str = "sdpa"
    image_backend: str | None = None
    min_pixels: int | None = None
    max_pixels: int | None = None
    max_tiles: int | None = None
    adapter: str | None = None  # folder of an adapter, trained or released
    thinking_tokens: int = 0
    engine_options: dict[str, Any] = {}
    api: dict[str, Any] | None = None  # what asking an API takes: its model, back end, budget and cache

    @classmethod
    def read(cls, name: str, load: str | Mapping[str, Any]) -> Checkpoint:
        """Build from the plan's ``load`` entry (a mapping, or the same as JSON)."""
        values = json.loads(load) if isinstance(load, str) else dict(load)
        return cls.model_validate({"name": name, **values})

    @property
    def images(self) -> Images:
        """How the transformers engine turns images into pixels."""
        return Images(self.image_backend or "pil", self.min_pixels, self.max_pixels, self.max_tiles)

    @property
    def numerics(self) -> str:
        """What, beside the weights, decides the numbers, as JSON; the place of the files does not."""
        asked = {"engine": self.engine, "greedy": True}
        if self.engine == "http":
            options = {} if self.api is None else self.api["model"]["options"]
            return json.dumps(asked | {"thinking_tokens": self.thinking_tokens, "options": options})
        budgets = self.model_dump(include={"min_pixels", "max_pixels", "max_tiles"}, exclude_none=True)
        if self.engine == "vllm":
            return json.dumps(asked | {"dtype": self.dtype, "images": "vllm", **budgets, **self.engine_options})
        kept = self.model_dump(include={"dtype", "device", "attention"})
        return json.dumps(asked | kept | {"images": self.images.backend, **budgets})

    def source(self) -> str | None:
        """Return "repository@commit" of a checkpoint that was retrieved, "model@revision" of an API, else None."""
        if self.api is not None:
            return f"{self.api['model']['model']}@{self.api['model']['revision'] or 'unknown'}"
        file = Path(self.path) / SOURCE
        return file.read_text(encoding="utf-8").strip() if self.path and file.is_file() else None

    def adapter_revision(self) -> str | None:
        """Return the revision of the adapter, None for a base model."""
        return None if self.adapter is None else adapter_revision(self.adapter)

    def revision(self) -> str:
        """Return 16 hex digits over the names and bytes of the checkpoint's files, those of an adapter not among them.

        Of an API, whose weights nobody sees, over its address, its model's name and the revision that is configured.

        Raises:
            InputError: the folder holds no checkpoint.
        """
        if self.api is not None:
            model = self.api["model"]
            return stable_key(self.api["backend"]["base_url"], model["model"], model["revision"])
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
    """Load the model of a checkpoint as the evaluation settings want it asked.

    The engine's module is imported by name, so that a change in one engine is none for models asked by another.
    """
    loaded: Engine = import_module(ENGINE_MODULES[checkpoint.engine]).load(checkpoint, settings)
    return loaded
