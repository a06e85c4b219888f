"""The five MLLM architectures: building micro instances from config, saving and loading any instance.

A micro model is the transformers class itself with small sizes, its own byte-level BPE tokenizer and
a one-token-a-role chat template. ``load`` is the one way models come in, micro or released.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForImageTextToText, PreTrainedTokenizerFast
from transformers.modeling_utils import PreTrainedModel
from transformers.processing_utils import ProcessorMixin

from finer.errors import InputError
from finer.mllm.images import AS_THE_CHECKPOINT_SAYS, Images
from finer.mllm.processors import PROCESSORS, load_processor
from finer.mllm.tokenizer import LETTERS, build_tokenizer

USER, ASSISTANT, END, SYSTEM, PAD = "<|user|>", "<|assistant|>", "<|end|>", "<|system|>", "<|pad|>"
MAX_POSITIONS = 2048


@dataclass(frozen=True)
class Family:
    """What differs between architectures as text and code see them."""

    name: str
    image_token: str  # repeated once per image feature in the expanded text
    image_block: str  # what the chat template writes for an image
    image_end: str  # special token that ends the expanded block: text may be cut right after its last occurrence
    extra_tokens: dict[str, str]  # named special tokens that the processor expects on the tokenizer
    assistant_cue: str = ASSISTANT  # micro chat template; released models have their own in their template


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        *(
            Family(name, "<image>", "<image>", "<image>", {"image_token": "<image>"})
            for name in ("llava_next", "llava")
        ),
        *(
            Family(
                name,
                "<|image_pad|>",
                "<|vision_start|><|image_pad|><|vision_end|>",
                "<|vision_end|>",
                {
                    "image_token": "<|image_pad|>",
                    "video_token": "<|video_pad|>",
                    "vision_start_token": "<|vision_start|>",
                    "vision_end_token": "<|vision_end|>",
                },
            )
            for name in ("qwen2_5_vl", "qwen3_vl")
        ),
        Family(
            "internvl",
            "<IMG_CONTEXT>",
            "<IMG_CONTEXT>",
            "</img>",
            {
                "start_image_token": "<img>",
                "end_image_token": "</img>",
                "context_image_token": "<IMG_CONTEXT>",
                "video_token": "<video>",
            },
        ),
    )
}


@dataclass(frozen=True)
class Spec:
    """Sizes of a micro model; images are squares of ``image_px`` pixels."""

    family: str
    image_px: int = 96
    patch: int = 12
    width: int = 192
    layers: int = 4
    heads: int = 4
    head_dim: int = 64
    hidden: int = 512
    vision_width: int = 128
    vision_layers: int = 2
    vision_heads: int = 4
    vision_hidden: int = 256
    vocabulary: int = 1400
    rope_theta: float = 1e4
    tile_px: int = 48  # LLaVA-NeXT only: edge of the tiles, and of the overview, that its vision tower sees

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise InputError("unknown model family", field="family", found=self.family, expected=" | ".join(FAMILIES))
        if self.family == "qwen2_5_vl" and self.heads * self.head_dim != self.width:
            raise InputError(
                "this architecture has no head size of its own", field="head_dim", found=self.head_dim,
                expected=f"width / heads = {self.width / self.heads}",
            )  # fmt: skip


def tiny(family: str) -> Spec:
    """Return the sizes of a model for tests: random weights, under 1M parameters, built in a second."""
    spec = Spec(
        family, width=64, layers=2, heads=4, head_dim=16, hidden=128, vision_width=32, vision_layers=2, vision_heads=2,
        vision_hidden=64, vocabulary=700, patch=24 if family.startswith("llava") else 12,
    )  # fmt: skip
    return replace(spec, vision_layers=3) if family == "qwen3_vl" else spec


TINY_CORPUS = (
    "Is there a red ball in the image? Answer with the letter.\nA. Yes, I can see a small red ball.\nB. No,",
    "but I can see a big blue box with a striped pattern that is to the left of the cup.\nC. D. E. Yes No\n"
    "Choose the best answer.",
    "What is above the green star with a black outline? The ball is inside the box, below the heart.",
) * 3


def chat_template(family: Family) -> str:
    """Return the micro chat template: one special token a role, image first where the message has it first."""
    return (
        "{% for m in messages %}"
        "{{ {'system': '" + SYSTEM + "', 'user': '" + USER + "', 'assistant': '" + ASSISTANT + "'}[m['role']] }}"
        "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
        "{% if c['type'] == 'image' %}{{ '" + family.image_block + "' }}"
        "{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}"
        "{% if m['role'] != 'user' %}{{ '" + END + "' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '" + ASSISTANT + "' }}{% endif %}"
    )


def _text_config(spec: Spec, tokenizer: PreTrainedTokenizerFast, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": spec.width, "intermediate_size": spec.hidden, "num_hidden_layers": spec.layers,
        "num_attention_heads": spec.heads, "num_key_value_heads": spec.heads, "max_position_embeddings": MAX_POSITIONS,
        "vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None, "tie_word_embeddings": False,
        "rope_parameters": {"rope_type": "default", "rope_theta": spec.rope_theta}, **more,
    }  # fmt: skip


def _vision_config(spec: Spec, **more: Any) -> dict[str, Any]:
    return {"hidden_size": spec.vision_width, "intermediate_size": spec.vision_hidden, **more}


def _internvl(spec: Spec, tokenizer: PreTrainedTokenizerFast) -> tuple[PreTrainedModel, Any, dict[str, Any]]:
    tokens = (spec.image_px // spec.patch // 2) ** 2
    config = transformers.InternVLConfig(
        text_config=_text_config(spec, tokenizer, model_type="qwen3", head_dim=spec.head_dim),
        vision_config=_vision_config(
            spec, num_hidden_layers=spec.vision_layers, num_attention_heads=spec.vision_heads,
            image_size=[spec.image_px] * 2, patch_size=[spec.patch] * 2,
        ),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"), image_seq_length=tokens,
        downsample_ratio=0.5, tie_word_embeddings=False,
    )  # fmt: skip
    images = transformers.GotOcr2ImageProcessorPil(
        size={"height": spec.image_px, "width": spec.image_px}, crop_to_patches=True, min_patches=1, max_patches=1,
        image_mean=[0.5] * 3, image_std=[0.5] * 3,
    )  # fmt: skip
    return transformers.InternVLForConditionalGeneration(config), images, {"image_seq_length": tokens}


def _qwen(spec: Spec, tokenizer: PreTrainedTokenizerFast) -> tuple[PreTrainedModel, Any, dict[str, Any]]:
    ids = {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(token)
        for name, token in (
            ("image", "<|image_pad|>"), ("video", "<|video_pad|>"),
            ("vision_start", "<|vision_start|>"), ("vision_end", "<|vision_end|>"),
        )
    }  # fmt: skip
    half = spec.head_dim // 2  # the rotary sections (time, height, width) share half of a head
    rope = {"rope_type": "default", "rope_theta": spec.rope_theta}
    vision = _vision_config(
        spec, depth=spec.vision_layers, num_heads=spec.vision_heads, patch_size=spec.patch, spatial_merge_size=2,
        temporal_patch_size=2, out_hidden_size=spec.width,
    )  # fmt: skip
    if spec.family == "qwen2_5_vl":
        time = half // 4
        rope["mrope_section"] = [time, (half - time) // 2, half - time - (half - time) // 2]
        config = transformers.Qwen2_5_VLConfig(
            text_config=_text_config(spec, tokenizer, rope_parameters=rope),
            vision_config={**vision, "window_size": spec.image_px,
                           "fullatt_block_indexes": list(range(spec.vision_layers))},
            tie_word_embeddings=False, **ids,
        )  # fmt: skip
        model = transformers.Qwen2_5_VLForConditionalGeneration(config)
    else:
        section = half // 3
        rope |= {"mrope_section": [half - 2 * section, section, section], "mrope_interleaved": True}
        config = transformers.Qwen3VLConfig(
            text_config=_text_config(spec, tokenizer, head_dim=spec.head_dim, rope_parameters=rope),
            vision_config={**vision, "num_position_embeddings": (spec.image_px // spec.patch) ** 2,
                           "deepstack_visual_indexes": list(range(min(spec.layers, spec.vision_layers - 1)))[:3]},
            tie_word_embeddings=False, **ids,
        )  # fmt: skip
        model = transformers.Qwen3VLForConditionalGeneration(config)
    images = transformers.Qwen2VLImageProcessorPil(
        size={"shortest_edge": spec.image_px**2, "longest_edge": spec.image_px**2},  # pixel areas, despite the names
        patch_size=spec.patch, merge_size=2, temporal_patch_size=2, image_mean=[0.5] * 3, image_std=[0.5] * 3,
    )  # fmt: skip
    return model, images, {}


def _llava(spec: Spec, tokenizer: PreTrainedTokenizerFast) -> tuple[PreTrainedModel, Any, dict[str, Any]]:
    """LLaVA-1.5: the whole image at one size, all its patches as tokens."""
    edge = spec.image_px
    config = transformers.LlavaConfig(
        text_config=_text_config(spec, tokenizer, model_type="llama", head_dim=spec.head_dim),
        vision_config=_clip_config(spec, edge),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"), image_seq_length=(edge // spec.patch) ** 2,
        vision_feature_layer=-2, vision_feature_select_strategy="default", tie_word_embeddings=False,
    )  # fmt: skip
    images = transformers.CLIPImageProcessorPil(
        size={"shortest_edge": edge}, crop_size={"height": edge, "width": edge},
        image_mean=[0.5] * 3, image_std=[0.5] * 3,
    )  # fmt: skip
    return transformers.LlavaForConditionalGeneration(config), images, _llava_processor(spec)


def _clip_config(spec: Spec, edge: int) -> dict[str, Any]:
    return _vision_config(
        spec, model_type="clip_vision_model", num_hidden_layers=spec.vision_layers,
        num_attention_heads=spec.vision_heads, image_size=edge, patch_size=spec.patch,
        projection_dim=spec.vision_width,
    )  # fmt: skip


def _llava_processor(spec: Spec) -> dict[str, Any]:
    return {"patch_size": spec.patch, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}


def _llava_next(spec: Spec, tokenizer: PreTrainedTokenizerFast) -> tuple[PreTrainedModel, Any, dict[str, Any]]:
    crop = spec.tile_px
    grid = [[spec.image_px, spec.image_px]]
    config = transformers.LlavaNextConfig(
        text_config=_text_config(spec, tokenizer, model_type="llama", head_dim=spec.head_dim),
        vision_config=_clip_config(spec, crop),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"), image_grid_pinpoints=grid,
        image_seq_length=(crop // spec.patch) ** 2, vision_feature_layer=-1,
        vision_feature_select_strategy="default", tie_word_embeddings=False,
    )  # fmt: skip
    images = transformers.LlavaNextImageProcessorPil(
        size={"shortest_edge": crop}, crop_size={"height": crop, "width": crop}, image_grid_pinpoints=grid,
        image_mean=[0.5] * 3, image_std=[0.5] * 3,
    )  # fmt: skip
    return transformers.LlavaNextForConditionalGeneration(config), images, _llava_processor(spec)


_BUILDERS = {"llava": _llava, "llava_next": _llava_next, "qwen2_5_vl": _qwen, "qwen3_vl": _qwen, "internvl": _internvl}


def build(spec: Spec, corpus: Iterable[str] = TINY_CORPUS, seed: int = 0) -> tuple[PreTrainedModel, ProcessorMixin]:
    """Return a randomly initialised float32 model in evaluation mode, and its processor with chat template."""
    family = FAMILIES[spec.family]
    tokenizer = build_tokenizer(
        corpus, spec.vocabulary, [PAD, USER, ASSISTANT, SYSTEM, END, *family.extra_tokens.values()],
        family.extra_tokens, PAD, END, MAX_POSITIONS,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, images, options = _BUILDERS[spec.family](spec, tokenizer)
    template = chat_template(family)
    processor = PROCESSORS[spec.family](image_processor=images, tokenizer=tokenizer, chat_template=template, **options)
    model.config.dtype = torch.float32
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return model.eval(), processor


def save(
    model: PreTrainedModel, processor: ProcessorMixin, folder: str | Path, dtype: torch.dtype = torch.float16
) -> None:
    """Write weights (safetensors, rounded to ``dtype``), config, tokenizer and processor; the model stays as it is."""
    rounded = copy.deepcopy(model).to(dtype)
    rounded.config.dtype = dtype
    rounded.save_pretrained(str(folder))
    processor.save_pretrained(str(folder))


def load(
    path: str | Path,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    attention: str = "sdpa",
    revision: str | None = None,
    images: Images = AS_THE_CHECKPOINT_SAYS,
    max_memory: Mapping[str, str] | None = None,
) -> tuple[PreTrainedModel, ProcessorMixin]:
    """Load any checkpoint of the families from local files: safetensors only, no code from the checkpoint.

    Args:
        device: a torch device, or "auto": spread over the devices that there are.
        images: how images become pixels.
        max_memory: with device "auto", device (a GPU's number, or "cpu") -> the most that it takes ("20GiB").

    Raises:
        InputError: no such model, weights in another format, or no image-text processor.
    """
    processor = load_processor(path, revision, images)
    placement: dict[str, Any] = {}
    if device == "auto":
        limits = {int(name) if name.isdigit() else name: size for name, size in (max_memory or {}).items()}
        placement = {"device_map": "auto", **({"max_memory": limits} if limits else {})}
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            str(path), dtype=dtype, attn_implementation=attention, local_files_only=True, trust_remote_code=False,
            use_safetensors=True, **({"revision": revision} if revision else {}), **placement,
        )  # fmt: skip
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(
            "the model cannot be loaded", file=path, found=str(error), expected="safetensors weights in a directory",
            cure="give the directory of a checkpoint, or download it first",
        ) from error  # fmt: skip
    except ImportError as error:  # a kernel of attention that is not installed
        raise InputError(
            "the model cannot be loaded", file=path, field="attention", found=str(error).strip().splitlines()[0],
            expected="eager | sdpa, or an installed flash_attn", cure="correct the model's entry in the configuration",
        ) from error  # fmt: skip
    return (model if device == "auto" else model.to(device)).eval(), processor


def family_of(model: PreTrainedModel) -> Family:
    """Return the family of a loaded model."""
    kind = model.config.model_type
    if kind not in FAMILIES:
        raise InputError("unknown model family", field="model_type", found=kind, expected=" | ".join(FAMILIES))
    return FAMILIES[kind]


def prefix_length(family: Family, processor: ProcessorMixin, ids: list[int]) -> int:
    """Return how many tokens stand up to the end of the image block; what follows is the question's own text."""
    end = processor.tokenizer.convert_tokens_to_ids(family.image_end)
    places = [place for place, token in enumerate(ids) if token == end]
    if not places:
        raise InputError("no image in the prompt", found=family.image_end, expected="one image block")
    return places[-1] + 1


def letter_ids(processor: ProcessorMixin) -> list[int]:
    """Return the token ids of A to E as they follow the assistant cue; asserts that each is one token."""
    ids = [processor.tokenizer(letter, add_special_tokens=False).input_ids for letter in LETTERS]
    if any(len(item) != 1 for item in ids):
        raise InputError("letters are not single tokens", found=ids, expected="one token each for A to E")
    return [int(item[0]) for item in ids]


def parameter_count(model: PreTrainedModel) -> int:
    """Return the number of weights, shared ones counted once."""
    return sum(weight.numel() for weight in {id(w): w for w in model.parameters()}.values())
