"""Image-only processors: the stock classes without the video part, which alone would need torchvision.

The backend of the image processors is pinned: PIL and torchvision resize to slightly different pixels (up to
0.018 of the value range), so a run must not depend on what happens to be installed. So are the budgets of
pixels and tiles that differ from a checkpoint's own.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoConfig, AutoProcessor
from transformers.processing_utils import ProcessorMixin

from finer.errors import InputError
from finer.mllm.images import AS_THE_CHECKPOINT_SAYS, Images

PIXEL_FAMILIES = ("qwen2_5_vl", "qwen3_vl")  # images are resized to within a number of pixels
TILE_FAMILIES = ("internvl",)  # images are cut into a number of tiles


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
    "llava": transformers.LlavaProcessor,
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


def load_processor(
    path: str | Path, revision: str | None = None, images: Images = AS_THE_CHECKPOINT_SAYS
) -> ProcessorMixin:
    """Load the processor of a checkpoint from local files.

    Raises:
        InputError: the directory holds no image-text processor (AutoProcessor would silently hand
            out a bare tokenizer then) or one of an unknown family; or the backend is not installed, or the family has
            no such budget.
    """
    if images.backend == "torchvision" and find_spec("torchvision") is None:
        raise InputError(
            "torchvision is not installed", field="image_backend", found=images.backend, expected="pil",
            cure="install the torchvision that belongs to this torch, or set image_backend: pil",
        )  # fmt: skip
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
    processor = PROCESSORS[model_type].from_pretrained(str(path), backend=images.backend, **where)  # type: ignore[attr-defined]
    if not isinstance(processor, ProcessorMixin):
        raise InputError(
            "no processor of images and text", file=path, found=type(processor).__name__, expected="a ProcessorMixin",
            cure="the directory needs processor_config.json or preprocessor_config.json",
        )  # fmt: skip
    _set_budgets(processor, model_type, images)
    return processor


def _set_budgets(processor: Any, family: str, images: Images) -> None:
    """Set the budgets that are given on the image processor."""
    pixels = {"shortest_edge": images.min_pixels, "longest_edge": images.max_pixels}  # areas, despite the names
    given = {name: value for name, value in pixels.items() if value is not None}
    for key, value, families in (
        ("min_pixels, max_pixels", given, PIXEL_FAMILIES), ("max_tiles", images.max_tiles, TILE_FAMILIES),
    ):  # fmt: skip
        if value and family not in families:
            raise InputError(
                f"models of the family {family} have no such budget", field=key, found=value,
                expected=f"null; it belongs to {' | '.join(families)}", cure="correct the model's entry",
            )  # fmt: skip
    image_processor = processor.image_processor
    if given:
        whole = {**dict(image_processor.size), **given}
        if whole["shortest_edge"] > whole["longest_edge"]:
            raise InputError(
                "the smallest image is larger than the largest", field="min_pixels, max_pixels", found=whole,
                expected="min_pixels <= max_pixels", cure="set both",
            )  # fmt: skip
        image_processor.size = type(image_processor.size)(**whole)
    if images.max_tiles:
        image_processor.crop_to_patches = images.max_tiles > 1
        image_processor.max_patches = images.max_tiles
        image_processor.min_patches = min(image_processor.min_patches, images.max_tiles)
