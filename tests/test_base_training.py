"""Base training: packed rows equal plain prompts, a killed run ends with the same bytes, bad data is refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from finer.errors import InputError
from finer.mllm.families import build, load, save, tiny
from finer.mllm.training.alignment import align, label_presence, placed, word_presence, words_of_labels
from finer.mllm.training.base import TRAINABLE, train_base
from finer.mllm.training.instruct import read_instruct
from finer.mllm.training.language import grow, initialise, packed
from finer.mllm.training.optimizer import Optimizers
from finer.mllm.training.packing import Packer, packed_logits, read_template
from finer.mllm.training.recipe import COUNTED, OPTION, RECIPES, TASKS, LanguageStage, Recipe, VisionStage, load_recipe
from finer.mllm.training.vision import Pixels, cell_tokens, image_features, lift_places
from instruct_samples import COLORS, write_instruct

STAGE = LanguageStage("M", 4, {"lookup": 1.0, "mcq": 1.0, "presence": 1.0}, rows=3, tokens=72, warmup=2)


def _recipe(family: str = "internvl") -> Recipe:
    stages = (replace(STAGE, name="A", steps=3), STAGE)
    return Recipe("t", "T", "base", 1, tiny(family), VisionStage(3, 8), stages, held_out=5, compiled=False, digest="d",
                  digests=("v", *(stage.name for stage in stages)))  # fmt: skip


@pytest.fixture(scope="module")
def instruct(tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    return write_instruct(tmp_path_factory.mktemp("data") / "instruct.parquet", 30)


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("family", TRAINABLE)
def test_packed_row_equals_plain_prompts(family, instruct, tmp_path):
    data = read_instruct(instruct)
    model, processor = build(tiny(family), data.texts(), seed=5)
    template = read_template(model, processor, data.pixels(0))
    packer = Packer(data, processor, template)
    images = [2, 7]
    rows = [packer.draw(image, STAGE, 0, image) for image in images]
    pack = packer.pack(images, rows, STAGE.tokens, judge=False)
    with torch.no_grad():
        features = image_features(model, Pixels(data, processor).inputs(pack.images.numpy()))
        with packed(model):
            logits = packed_logits(model, template, features, pack, pack.target >= 0)
        place = 0
        for image, numbers in zip(images, rows, strict=True):
            assert len(numbers) >= 2
            for number in numbers:
                question = {"type": "text", "text": data.questions[number]}
                content = [{"type": "image", "image": data.pixels(image)}, question]
                text = processor.apply_chat_template(
                    [{"role": "user", "content": content}, {"role": "assistant", "content": data.answers[number]}],
                    tokenize=False,
                )
                plain = model(**processor(images=[data.pixels(image)], text=[text], return_tensors="pt")).logits[0]
                asked = len(packer.item(number)[0]) - packer.item(number)[1]
                expected = plain[-asked - 1 : -1]
                assert (logits[place : place + asked] - expected).abs().max() <= 1e-4
                place += asked
        assert place == len(logits)


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_fine_grained_items_are_drawn_by_the_negative_share(instruct, share):
    data = read_instruct(instruct)
    model, processor = build(tiny("internvl"), data.texts(), seed=5)
    packer = Packer(data, processor, read_template(model, processor, data.pixels(0)), share)
    stage = replace(STAGE, mix={"mcq": 1.0}, tokens=30)  # room for one
    drawn = [number for step in range(400) for number in packer.draw(step % len(data), stage, 0, step)]
    assert {TASKS[data.tasks[number]] for number in drawn} == {"mcq"}
    assert abs(data.negative[drawn].mean() - share) < 0.07


def test_items_of_a_row_do_not_see_each_other(instruct):
    data = read_instruct(instruct)
    model, processor = build(tiny("internvl"), data.texts(), seed=5)
    template = read_template(model, processor, data.pixels(0))
    packer = Packer(data, processor, template)
    first, second, third = packer.draw(3, STAGE, 0)[:3]
    features = torch.randn(1, 16, 64)
    with torch.no_grad(), packed(model):
        logits = []
        for other in (second, third):
            pack = packer.pack([3], [[other, first]], 96)
            logits.append(packed_logits(model, template, features, pack, (pack.item == 1) & (pack.target >= 0)))
    assert torch.allclose(logits[0], logits[1], atol=1e-5)


def test_features_of_a_cell_come_from_that_cell(instruct):
    data = read_instruct(instruct)
    for family in TRAINABLE:
        model, processor = build(tiny(family), data.texts(), seed=5)
        assert cell_tokens(model).shape[0] == 16
        blank = data.pixels(0)
        changed = blank.copy()
        changed.paste((255, 0, 255), (24, 48, 48, 72))  # row 3, column 2
        with torch.no_grad():
            features = []
            for image in (blank, changed):
                inputs = dict(processor.image_processor(images=[image], return_tensors="pt"))
                inputs.pop("num_patches", None)
                features.append(image_features(model, inputs)[0][cell_tokens(model)].mean(1))
        assert int((features[0] - features[1]).abs().sum(1).argmax()) == 2 * 4 + 1, family


@pytest.mark.parametrize("stops", [[2], [4, 3], [8]])
def test_a_stopped_training_ends_with_the_same_bytes(stops, instruct, tmp_path):
    assert train_base(instruct, _recipe(), tmp_path / "whole", tmp_path / "a")
    for stop in stops:
        assert not train_base(instruct, _recipe(), tmp_path / "parts", tmp_path / "b", stop_after=stop)
        assert not (tmp_path / "parts").exists()
    assert train_base(instruct, _recipe(), tmp_path / "parts", tmp_path / "b")
    assert _digest(tmp_path / "whole") == _digest(tmp_path / "parts")


def test_finished_folder_loads_and_says_how_it_was_made(instruct, tmp_path):
    assert train_base(instruct, _recipe("qwen2_5_vl"), tmp_path / "out")
    model, _ = load(tmp_path / "out")
    card = json.loads((tmp_path / "out" / "model_card.json").read_text())
    assert card["data_sha256"] == hashlib.sha256(instruct.read_bytes()).hexdigest()
    assert card["seed"] == 1
    assert card["held_out"]["mcq"]["items"] > 0
    log = pl.read_csv(tmp_path / "out" / "training_log.csv")
    assert set(log["stage"]) == {"V", "A", "M"}
    assert not list((tmp_path / "out").glob("*.pt"))
    assert model.config.model_type == "qwen2_5_vl"


def test_another_seed_gives_another_model(instruct, tmp_path):
    for seed in (1, 2):
        train_base(instruct, replace(_recipe(), seed=seed), tmp_path / str(seed))
    assert _digest(tmp_path / "1") != _digest(tmp_path / "2")


def test_checkpoint_of_another_recipe_is_refused(instruct, tmp_path):
    train_base(instruct, _recipe(), tmp_path / "out", tmp_path / "state", stop_after=1)
    with pytest.raises(InputError, match="another training"):
        train_base(instruct, replace(_recipe(), seed=9), tmp_path / "out", tmp_path / "state")


def test_held_out_images_are_never_drawn(instruct):
    data = read_instruct(instruct)
    model, processor = build(tiny("internvl"), data.texts())
    packer = Packer(data, processor, read_template(model, processor, data.pixels(0)))
    drawn = {int(image) for step in range(20) for image in packer.batch(STAGE, step, 1, 25).images}
    assert drawn == set(range(25))


def test_only_tasks_of_the_mix_are_drawn(instruct):
    data = read_instruct(instruct)
    model, processor = build(tiny("internvl"), data.texts())
    packer = Packer(data, processor, read_template(model, processor, data.pixels(0)))
    pack = packer.batch(replace(STAGE, mix={"presence": 1.0}), 0, 1, 25)
    said = {processor.tokenizer.decode([token]) for token in pack.target[pack.target >= 0].tolist()}
    assert said == {"Yes", "No", "<|end|>"}


def test_wrong_cell_labels_name_row_and_number(instruct, tmp_path):
    frame = pl.read_parquet(instruct).with_columns(pl.col("cells").list.head(111))
    frame.write_parquet(tmp_path / "bad.parquet")
    with pytest.raises(InputError, match=r"row 0: field 'cells'"):
        read_instruct(tmp_path / "bad.parquet")


def test_unknown_task_in_a_recipe_is_refused(tmp_path):
    text = RECIPES.read_text(encoding="utf-8").replace("{lookup:", "{looking:", 1)
    (tmp_path / "recipes.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="looking"):
        load_recipe("internvl3.5-micro-s", tmp_path / "recipes.yaml")


def test_the_end_of_each_option_is_asked_whether_it_is_the_right_one(instruct):
    data = read_instruct(instruct)
    model, processor = build(tiny("internvl"), data.texts(), seed=5)
    packer = Packer(data, processor, read_template(model, processor, data.pixels(0)))
    yes, no = (processor.tokenizer.convert_tokens_to_ids(word) for word in ("Yes", "No"))
    lettered = [n for n in range(len(data.answers)) if "\nB. " in data.questions[n]]
    assert lettered
    for number in lettered:
        options = [line for line in data.questions[number].splitlines() if line[1:3] == ". "]
        places, words = packer.judged(number)
        assert [line[0] == data.answers[number] for line in options] == [word == yes for word in words]
        assert set(words) <= {yes, no}
        ids = packer.item(number)[0]
        for place, line in zip(places, options, strict=True):
            before = processor.tokenizer.decode(ids[: place + 1].tolist())
            assert before.endswith(line)


def test_every_recipe_can_be_read():
    for name in ("internvl3.5-micro-s", "internvl3.5-micro-l", "qwen2.5-vl-micro", "llava-1.6-micro", "verifier-micro"):
        assert load_recipe(name).name == name


def test_words_find_the_label_they_name(instruct):
    data = read_instruct(instruct)
    model, processor = build(tiny("internvl"), data.texts())
    packer = Packer(data, processor, read_template(model, processor, data.pixels(0)))
    shown, classes = label_presence(data.cells)
    vocabulary = len(processor.tokenizer)
    pairs = words_of_labels(word_presence(data, packer, len(data), vocabulary), shown)
    for value, color in enumerate(COLORS, start=1):
        token = processor.tokenizer(color, add_special_tokens=False).input_ids[0]
        assert classes[pairs[token]] == (1, value), color


def test_aligned_word_looks_at_the_cell_it_names(instruct):
    data = read_instruct(instruct)
    model, processor = build(tiny("internvl"), data.texts())
    initialise(model, 1)
    packer = Packer(data, processor, read_template(model, processor, data.pixels(0)))
    codes = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    features = codes[torch.from_numpy(data.cells[..., 1])]
    align(model, data, packer, features, torch.arange(16)[:, None])
    attention, words = model.model.language_model.layers[0].self_attn, model.model.language_model.embed_tokens.weight
    for value, color in enumerate(COLORS, start=1):
        token = processor.tokenizer(color, add_special_tokens=False).input_ids[0]
        scores = attention.q_proj(words[token])[:32] @ attention.k_proj(codes)[:, :32].T
        assert int(scores.argmax()) == value, color


def test_grown_model_starts_as_the_smaller_one(tmp_path, instruct):
    small, processor = build(tiny("internvl"), seed=2)
    save(small, processor, tmp_path / "small")
    large, _ = build(replace(tiny("internvl"), layers=4), seed=3)
    grow(large, tmp_path / "small")
    loaded, _ = load(tmp_path / "small")
    text = processor.tokenizer("Is there a red ball", return_tensors="pt")
    with torch.no_grad():
        assert torch.allclose(large(**text).logits, loaded(**text).logits, atol=1e-5)


def test_only_the_right_option_is_judged_true(instruct):
    data = read_instruct(instruct)
    model, processor = build(tiny("internvl"), data.texts())
    packer = Packer(data, processor, read_template(model, processor, data.pixels(0)))
    pack = packer.batch(replace(STAGE, mix={"mcq": 1.0}), 0, 1, 25)
    judged = pack.target[pack.task == COUNTED.index(OPTION)]
    items = int((pack.item.amax(1) + 1).sum())
    words = [processor.tokenizer.decode([token]) for token in judged.tolist()]
    assert words.count("Yes") == items
    assert words.count("No") == 3 * items
    drawn = packer.draw(3, replace(STAGE, mix={"mcq": 1.0}), 0)
    unjudged = packer.pack([3], [drawn], 96, judge=False)
    assert not (unjudged.task == COUNTED.index(OPTION)).any()


def _share_of_place(model, pixels) -> float:
    """How much of the variance of the cells' features rows and columns explain."""
    with torch.no_grad():
        features = image_features(model, pixels.inputs(np.arange(len(pixels.values))))[:, cell_tokens(model)].mean(2)
    cells = features.mean(0).reshape(4, 4, -1)
    between = sum((cells.mean(axis) - cells.mean((0, 1))).square().mean() for axis in (0, 1))
    return float(between / features.flatten(0, 1).var(0, unbiased=False).mean())


@pytest.mark.parametrize("family", ["internvl", "llava_next"])  # Qwen's has no place in it before it is trained
def test_lifting_places_raises_what_rows_and_columns_explain(family, instruct):
    data = read_instruct(instruct)
    model, processor = build(tiny(family), data.texts(), seed=5)
    initialise(model, 5)
    for name, weight in model.named_parameters():
        if "position_embedding" in name:  # so that there is something to lift before any training
            torch.nn.init.normal_(weight, std=1.0)
    pixels = Pixels(data, processor)
    before = _share_of_place(model, pixels)
    lift_places(model, pixels, 1.0)
    assert _share_of_place(model, pixels) == pytest.approx(before, rel=1e-3)
    lift_places(model, pixels, 3.0)
    after = _share_of_place(model, pixels)
    assert after / (1 - after) > 1.3 * before / (1 - before)


def test_only_filled_cells_have_a_place_among_the_labels_that_words_are_aligned_with(instruct):
    cells = read_instruct(instruct).cells
    found = placed(cells)
    assert found.shape == (*cells.shape[:2], cells.shape[2] + 2)
    filled = (cells > 0).any(2)
    assert (found[..., -2:][~filled] == 0).all()
    image, cell = next(zip(*np.nonzero(filled), strict=True))
    assert found[image, cell, -2:].tolist() == [cell // 4 + 1, cell % 4 + 1]


def test_queries_and_keys_can_be_given_a_smaller_rate():
    names = ("layers.0.self_attn.q_proj.weight", "layers.0.self_attn.k_proj.weight", "layers.0.self_attn.v_proj.weight")
    moved = []
    for share in (1.0, 0.25):
        weights = {name: torch.nn.Parameter(torch.eye(8)) for name in (*names, "norm.weight")}
        optimizers = Optimizers(weights.items(), ["layers."], 0.0, 0.1, share)
        loss = sum((weight * torch.arange(64.0).reshape(8, 8)).sum() for name, weight in weights.items())
        optimizers.step(loss, 1.0)
        moved.append([float((weights[name].detach() - torch.eye(8)).norm()) for name in names])
    (q, k, v), (slow_q, slow_k, same_v) = moved
    assert slow_q < 0.5 * q and slow_k < 0.5 * k and same_v == pytest.approx(v, rel=0.05)
