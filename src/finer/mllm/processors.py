"""Image-only processors: the stock classes without the video part, which alone would need torchvision.

The PIL backend of the image processors is pinned: PIL and torchvision resize to slightly different
pixels (up to 0.018 of the value range), so a run must not depend on what happens to be installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from transformers import AutoConfig, AutoProcessor
from transformers.processing_utils import ProcessorMixin

from finer.errors import InputError

IMAGE_BACKEND = "pil"


class FinerQwen2_5_VLProcessor(transformers.Qwen2_5_VLProcessor):  # type: ignore[misc]  # noqa: N801 - upstream's name
    """Qwen2.5-VL's processor for images and text."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **options: Any
    ) -> None:
        super().__init__(image_processor, tokenizer, chat_template=chat_template, **options)


class FinerQwen3VLProcessor(transformers.Qwen3VLProcessor):  # type: ignore[misc]
    """Qwen3-VL's processor for images and text."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **options: Any
    ) -> None:
        super().__init__(image_processor, tokenizer, chat_template=chat_template, **options)


class FinerInternVLProcessor(transformers.InternVLProcessor):  # type: ignore[misc]
    """InternVL's processor for images and text."""

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        image_seq_length: int = 256,
        chat_template: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            image_processor, tokenizer, image_seq_length=image_seq_length, chat_template=chat_template, **options
        )


PROCESSORS: dict[str, type] = {  # by the model type of the config
    "llava_next": transformers.LlavaNextProcessor,
    "qwen2_5_vl": FinerQwen2_5_VLProcessor,
    "qwen3_vl": FinerQwen3VLProcessor,
    "internvl": FinerInternVLProcessor,
}
for _config, _processor in (
    (transformers.Qwen2_5_VLConfig, FinerQwen2_5_VLProcessor),
    (transformers.Qwen3VLConfig, FinerQwen3VLProcessor),
    (transformers.InternVLConfig, FinerInternVLProcessor),
):
    AutoProcessor.register(_config, _processor, exist_ok=True)


def load_processor(path: str | Path, revision: str | None = None) -> ProcessorMixin:
    """Load the processor of a checkpoint from local files.

    Raises:
        InputError: the directory holds no image-text processor (AutoProcessor would silently hand
            out a bare tokenizer then) or one of an unknown family.
    """
    where: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if revision is not None:
        where["revision"] = revision
    try:
        model_type = AutoConfig.from_pretrained(str(path), **where).model_type
    except (OSError, ValueError) as error:
        raise InputError(
            "no usable model config", file=path, found=str(error), expected="config.json of a known architecture",
            cure="give the directory of a checkpoint, or download it first",
        ) from error  # fmt: skip
    if model_type not in PROCESSORS:
        raise InputError(
            "unknown model family", file=path, field="model_type", found=model_type, expected=" | ".join(PROCESSORS)
        )
    # Named directly, not through AutoProcessor: released checkpoints name the stock class, which wants torchvision.
    processor = PROCESSORS[model_type].from_pretrained(str(path), backend=IMAGE_BACKEND, **where)  # type: ignore[attr-defined]
    if not isinstance(processor, ProcessorMixin):
        raise InputError(
            "no processor of images and text", file=path, found=type(processor).__name__, expected="a ProcessorMixin",
            cure="the directory needs processor_config.json or preprocessor_config.json",
        )  # fmt: skip
    return processor
