"""The four architectures: built, saved, loaded by the one path every checkpoint takes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from finer.errors import InputError
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
