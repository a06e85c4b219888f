"""The five architectures: built, saved, loaded by the one path every checkpoint takes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from finer.errors import InputError
from finer.mllm import processors
from finer.mllm.families import (
    FAMILIES,
    build,
    letter_ids,
    load,
    parameter_count,
    prefix_length,
    save,
    tiny,
)
from finer.mllm.images import Images
from finer.mllm.processors import load_processor
from finer.mllm.tokenizer import SINGLE_TOKENS

IMAGE = Image.effect_noise((96, 96), 80).convert("RGB")


def _messages(question: str) -> list[dict[str, object]]:
    return [{"role": "user", "content": [{"type": "image", "image": IMAGE}, {"type": "text", "text": question}]}]


@pytest.fixture(scope="module", params=list(FAMILIES))
def built(request, tmp_path_factory):
    torch.set_num_threads(1)
    model, processor = build(tiny(request.param), seed=3)
    folder = tmp_path_factory.mktemp(request.param)
    save(model, processor, folder)
    return request.param, model, processor, folder


def _inputs(processor, question: str):
    return processor.apply_chat_template(
        _messages(question), add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )


def test_tiny_models_are_small(built):
    assert parameter_count(built[1]) < 1_000_000


def test_checkpoint_holds_safetensors_and_no_pickle(built):
    names = {path.suffix for path in Path(built[3]).rglob("*") if path.is_file()}
    assert ".safetensors" in names
    assert not names & {".bin", ".pt", ".pth", ".pkl", ".py"}


def test_loaded_model_is_the_saved_one_rounded_to_half(built):
    _, model, _, folder = built
    loaded, _ = load(folder)
    for name, weight in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight.half().float()), name


def test_loaded_processor_prepares_the_same_inputs(built):
    _, _, processor, folder = built
    before, after = _inputs(processor, "Is there a red ball?"), _inputs(load_processor(folder), "Is there a red ball?")
    assert before.keys() == after.keys()
    for name in before:
        assert torch.equal(torch.as_tensor(before[name]), torch.as_tensor(after[name])), name


def test_image_processor_is_the_pinned_backend(built):
    assert type(load_processor(built[3]).image_processor).__name__.endswith("Pil")


def test_letters_yes_and_no_are_single_tokens_after_the_cue(built):
    family, _, processor, _ = built
    cue = FAMILIES[family].assistant_cue
    for word in SINGLE_TOKENS:
        ids = processor.tokenizer(cue + word, add_special_tokens=False).input_ids
        assert len(ids) == 2
        assert processor.tokenizer.decode(ids[1:]) == word
    options = processor.tokenizer("\nA. red\nB. blue", add_special_tokens=False).input_ids
    assert set(letter_ids(processor)[:2]) <= set(options), "the option's letter and the answer's are one token"


def test_text_cut_after_the_image_block_has_the_same_tokens(built):
    family, _, processor, _ = built
    question = "What is above the green star?\nA. Yes"
    ids = _inputs(processor, question)["input_ids"][0].tolist()
    cut = prefix_length(FAMILIES[family], processor, ids)
    rest = processor.tokenizer(question + FAMILIES[family].assistant_cue, add_special_tokens=False).input_ids
    assert ids[cut:] == rest


def test_loaded_model_generates(built):
    loaded, processor = load(built[3])
    inputs = _inputs(processor, "Is there a red ball?")
    assert loaded.generate(**inputs, max_new_tokens=2, do_sample=False).shape[1] <= inputs["input_ids"].shape[1] + 2


def test_a_pickled_checkpoint_is_refused(built, tmp_path):
    _, model, processor, _ = built
    processor.save_pretrained(tmp_path)
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="cannot be loaded"):
        load(tmp_path)


def test_a_folder_without_a_model_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no usable model config"):
        load_processor(tmp_path)


def test_unknown_family_names_the_known_ones():
    with pytest.raises(InputError, match="internvl"):
        tiny("unheard_of")


# ---------------------------------------------------------------- options that decide numbers
WIDE = Image.effect_noise((400, 300), 80).convert("RGB")


def _encoded(processor, image):
    text = processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "x"}]}], add_generation_prompt=True
    )
    return processor(text=[text], images=[[image]], return_tensors="pt")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder of a tiny model of each family."""
    root = tmp_path_factory.mktemp("saved")
    for family in FAMILIES:
        save(*build(tiny(family), seed=3), root / family)
    return root


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_a_pixel_budget_bounds_the_image(saved, family):
    patches = {
        pixels: _encoded(load_processor(saved / family, images=Images(min_pixels=1, max_pixels=pixels)), WIDE)
        for pixels in (2304, 9216, 40000)
    }
    counts = {pixels: encoded["pixel_values"].shape[0] for pixels, encoded in patches.items()}
    assert all(count * 12 * 12 <= pixels for pixels, count in counts.items())
    assert counts[2304] < counts[9216] < counts[40000]


def test_a_small_image_is_enlarged_to_the_least_pixels(saved):
    small = Image.effect_noise((48, 48), 80).convert("RGB")
    least = load_processor(saved / "qwen2_5_vl", images=Images(min_pixels=40000, max_pixels=50000))
    assert _encoded(least, small)["pixel_values"].shape[0] * 144 >= 40000


@pytest.mark.parametrize(("tiles", "expected"), [(1, 1), (4, 5), (None, 1)])
def test_tiles_are_bounded(saved, tiles, expected):
    """Several tiles come with an overview of the whole image."""
    encoded = _encoded(load_processor(saved / "internvl", images=Images(max_tiles=tiles)), WIDE)
    assert encoded["pixel_values"].shape[0] == expected


@pytest.mark.parametrize(
    ("family", "images", "found"),
    [
        ("internvl", Images(max_pixels=9216), "no such budget"),
        ("llava", Images(max_tiles=2), "no such budget"),
        ("qwen3_vl", Images(min_pixels=10_000), "smallest image is larger"),
        ("llava_next", Images(backend="torchvision"), "torchvision is not installed"),
    ],
)
def test_settings_that_do_not_fit_are_refused(saved, monkeypatch, family, images, found):
    monkeypatch.setattr(processors, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=found):
        load_processor(saved / family, images=images)


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("device", ["auto", "cpu"])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_options_of_large_models_load_and_answer_here_too(saved, family, device, attention):
    limits = {"cpu": "1GiB"} if device == "auto" else {}
    model, processor = load(saved / family, torch.bfloat16, device, attention, max_memory=limits)
    assert model.dtype == torch.bfloat16 and model.config._attn_implementation == attention
    encoded = {
        name: value.to(torch.bfloat16) if value.is_floating_point() else value
        for name, value in _encoded(processor, IMAGE).items()
    }
    with torch.inference_mode():
        assert model(**encoded).logits.isfinite().all()


def test_attention_that_is_not_installed_is_named(saved):
    with pytest.raises(InputError, match="attention"):
        load(saved / "llava", attention="flash_attention_2")
