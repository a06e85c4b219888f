"""Tuning: both answers in one row give the plain trainer's numbers, guards stop bad runs, killed runs end the same."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from finer.config import Training
from finer.config.plans import launcher
from finer.errors import InputError
from finer.mllm import families
from finer.mllm.adapters import adapter_revision, merged
from finer.mllm.registry import Checkpoint
from finer.schemas import DROPS, PREFERENCES, RUNS, TRAINING_LOG
from finer.store import read_table, write_table
from finer.tuning import train as training_module
from finer.tuning import trainers
from finer.tuning.checkpoints import MARK
from finer.tuning.lora import adapted_modules, lora_config, wanted_modules
from finer.tuning.pairs import Writer, choose, shrunk
from finer.tuning.train import Outputs, train_adapter
from preference_pairs import preference_pairs
from tiny_models import FAMILIES, save_tiny

FAMILY = "internvl"
ROOT = Path(__file__).parent.parent
SETTINGS: dict[str, Any] = {
    "samples": 20, "batch": 2, "accumulation": 2, "held_out": 0.2, "rank": 4, "alpha": 8.0, "learning_rate": 1e-2,
    "log_steps": 1, "checkpoint_steps": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for family in FAMILIES:
        save_tiny(family, root / family)
    return root


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    return preference_pairs(tmp_path_factory.mktemp("pairs"), 24)


@pytest.fixture(scope="module")
def mixture(pairs: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mixture") / "pon.parquet"
    write_table(pairs, PREFERENCES, path)
    return path


def trainer_of(models: Path, family: str, pairs: pl.DataFrame, folder: Path, **settings: Any) -> Any:
    training = Training(**{**SETTINGS, "held_out": 0.0, **settings})
    model, processor = families.load(models / family)
    writer = Writer(processor, training.image_pixels)
    return trainers.build(model, writer, training, choose(pairs, training, writer), folder)


def moved(trainer: Any) -> Any:
    """Move the adapter away from its start, where the gradient of LoRA's A is zero."""
    torch.manual_seed(5)
    for name, weight in trainer.model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.05)
    trainer.first_loss = 0.0  # not a start: nothing to check
    return trainer


def loss_and_gradients(trainer: Any) -> tuple[float, dict[str, torch.Tensor]]:
    trainer.model.train()
    batch = trainer.data_collator([trainer.train_dataset[number] for number in range(6)])
    loss = trainer.compute_loss(trainer.model, trainer._prepare_inputs(batch))
    loss.backward()
    return float(loss.detach()), {
        name: weight.grad.clone() for name, weight in trainer.model.named_parameters() if weight.requires_grad
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_one_row_a_pair_gives_the_plain_trainers_loss_and_gradients(
    family: str, models: Path, pairs: pl.DataFrame, tmp_path: Path
) -> None:
    plain = loss_and_gradients(moved(trainer_of(models, family, pairs, tmp_path, shared_prompt=False)))
    trainer = moved(trainer_of(models, family, pairs, tmp_path))
    shared = loss_and_gradients(trainer)
    assert shared[0] == pytest.approx(plain[0], abs=1e-5)
    assert shared[0] != pytest.approx(math.log(2), abs=1e-3)  # the comparison is not one of untouched adapters
    largest = max(float(gradient.abs().max()) for gradient in plain[1].values())
    for name, gradient in plain[1].items():
        assert float((shared[1][name] - gradient).abs().max()) < 1e-5 * max(1.0, largest), name
    assert all(float(gradient.abs().max()) > 0 for gradient in plain[1].values())
    # Tuned model and reference, chosen and rejected: the vision tower ran once for all of them.
    assert trainer.model.get_base_model().shared_features.vision_passes == 1


@pytest.mark.parametrize("broken", ["copy_sees_twice", "branches_see_each_other", "positions_go_on"])
def test_the_comparison_with_the_plain_trainer_can_fail(
    broken: str, models: Path, pairs: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from finer.tuning import shared

    visible, positions = shared._visible, shared._prompt_positions

    def wrong(mask: torch.Tensor, width: int) -> torch.Tensor:
        seen, before = visible(mask, width), mask.shape[1]
        if broken == "copy_sees_twice":
            seen[:, :, before + width :, before - 1] = True
        elif broken == "branches_see_each_other":
            seen[:, :, before + width :, before : before + width] = True
        return seen

    def later(model: Any, inputs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        first, real = positions(model, inputs)
        return first, real + (3 if broken == "positions_go_on" else 0)

    plain = loss_and_gradients(moved(trainer_of(models, FAMILY, pairs, tmp_path, shared_prompt=False)))
    monkeypatch.setattr(shared, "_visible", wrong)
    monkeypatch.setattr(shared, "_prompt_positions", later)
    other = loss_and_gradients(moved(trainer_of(models, FAMILY, pairs, tmp_path)))
    assert abs(other[0] - plain[0]) > 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_only_the_language_model_carries_the_adapter(family: str, models: Path) -> None:
    model, _ = families.load(models / family)
    wanted = wanted_modules(model, ["q_proj", "v_proj"])
    assert len(wanted) == 2 * model.config.get_text_config().num_hidden_layers
    assert all("language_model" in name and "vision" not in name for name in wanted)
    from peft import get_peft_model

    adapted = get_peft_model(model, lora_config(model, Training(**SETTINGS)))
    assert adapted_modules(adapted) == sorted(wanted)


def test_a_projection_that_the_model_lacks_is_refused(models: Path) -> None:
    model, _ = families.load(models / FAMILY)
    with pytest.raises(InputError, match="other projections"):
        lora_config(model, Training(modules=["q_proj", "query"]))


def test_a_pattern_that_reaches_the_vision_tower_is_refused(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = families.load(models / FAMILY)
    monkeypatch.setattr("finer.tuning.lora.pattern", lambda modules: r".*\.(q_proj|v_proj)")
    with pytest.raises(InputError, match="misses the language model"):
        lora_config(model, Training(**SETTINGS))


def test_a_start_that_is_not_the_reference_is_stopped(models: Path, pairs: pl.DataFrame, tmp_path: Path) -> None:
    trainer = moved(trainer_of(models, FAMILY, pairs, tmp_path))
    trainer.first_loss = None
    with pytest.raises(InputError, match="not ln 2"):
        trainer.train()


def test_weights_beside_the_adapter_are_not_trained(models: Path, pairs: pl.DataFrame, tmp_path: Path) -> None:
    trainer = trainer_of(models, FAMILY, pairs, tmp_path)
    wanted = adapted_modules(trainer.model)
    trainers.check_adapted(trainer.model, wanted)
    with pytest.raises(InputError, match="other modules"):
        trainers.check_adapted(trainer.model, wanted[1:])
    next(w for n, w in trainer.model.named_parameters() if "vision" in n).requires_grad_(True)
    with pytest.raises(InputError, match="weights beside the adapter"):
        trainers.check_adapted(trainer.model, wanted)


@pytest.mark.parametrize(
    ("logs", "message"),
    [
        ({"grad_norm": 0.0}, "gradient is zero"),
        ({"loss": math.nan}, "no number"),
        ({"grad_norm": math.inf}, "no number"),
    ],
)
def test_a_run_that_learns_nothing_is_stopped(logs: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        trainers.Guards().on_log(None, None, None, logs)
    trainers.Guards().on_log(None, None, None, {"loss": 0.6, "grad_norm": 0.1})


def test_a_vanishing_gradient_stops_a_real_training(
    models: Path, pairs: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_of(models, FAMILY, pairs, tmp_path)
    cut = trainer.data_collator

    def without_answers(examples: Any) -> Any:
        batch = cut(examples)
        return {**batch, "completion_mask": torch.zeros_like(batch["completion_mask"])}

    trainer.data_collator = without_answers
    with pytest.raises(InputError, match="gradient is zero"):
        trainer.train()


def test_a_base_that_changed_is_noticed(models: Path) -> None:
    model, _ = families.load(models / FAMILY)
    before = trainers.base_digest(model)
    from peft import get_peft_model

    adapted = get_peft_model(model, lora_config(model, Training(**SETTINGS)))
    assert trainers.base_digest(adapted) == before
    with torch.no_grad():
        next(w for n, w in adapted.named_parameters() if "base_layer" in n)[0, 0] += 1e-3
    assert trainers.base_digest(adapted) != before


class KilledError(Exception):
    """Stands for the end of a process."""


class Killer(TrainerCallback):  # type: ignore[misc]
    """Ends a training after a step, between two checkpoints."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            raise KilledError


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("adapters")


def run(mixture: Path, models: Path, place: Path, name: str, **settings: Any) -> Outputs:
    training = Training(**{**SETTINGS, **settings})
    tables = (place / f"{name}.{part}.parquet" for part in ("log", "drops", "run"))
    outputs = Outputs(place / name, *tables, place / f"{name}.checkpoints")
    base = Checkpoint(name="tiny", path=str(models / FAMILY), family=FAMILY)
    train_adapter(mixture, base, "tuned", training, outputs, "code")
    return outputs


def digest(outputs: Outputs) -> str:
    return hashlib.sha256((outputs.adapter / "adapter_model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def whole(mixture: Path, models: Path, place: Path) -> Outputs:
    return run(mixture, models, place, "whole")


def run_killed(mixture: Path, models: Path, place: Path, name: str, **settings: Any) -> None:
    """Run a training that ends after step 3, between two checkpoints."""

    def killed(*arguments: Any) -> Any:
        trainer = trainers.build(*arguments)
        trainer.add_callback(Killer(3))
        return trainer

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(training_module, "build", killed)
        run(mixture, models, place, name, **settings)


def test_a_killed_training_ends_with_the_same_bytes(
    whole: Outputs, mixture: Path, models: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_killed(mixture, models, place, "killed")
    kept = place / "killed.checkpoints"
    assert (kept / "checkpoint-2" / MARK).is_file()
    assert not (place / "killed").exists() and not (place / "killed.log.parquet").exists()
    (kept / "checkpoint-3").mkdir()  # a checkpoint that was being written
    (kept / "checkpoint-3" / "optimizer.pt").write_bytes(b"half")
    started: list[object] = []

    def resumed(*arguments: Any) -> Any:
        trainer = trainers.build(*arguments)
        plain = trainer.train
        trainer.train = lambda resume_from_checkpoint: (
            started.append(resume_from_checkpoint),
            plain(resume_from_checkpoint=resume_from_checkpoint),
        )
        return trainer

    monkeypatch.setattr(training_module, "build", resumed)
    again = run(mixture, models, place, "killed")
    assert started == [str(kept / "checkpoint-2")]
    assert digest(again) == digest(whole)
    assert read_table(again.log, TRAINING_LOG).equals(read_table(whole.log, TRAINING_LOG))
    assert not kept.exists()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    whole: Outputs, mixture: Path, models: Path, place: Path
) -> None:
    assert digest(run(mixture, models, place, "again")) == digest(whole)
    assert digest(run(mixture, models, place, "seeded", seed=2)) != digest(whole)


def test_checkpoints_of_other_settings_are_not_continued(
    whole: Outputs, mixture: Path, models: Path, place: Path
) -> None:
    run_killed(mixture, models, place, "other", learning_rate=5e-2)
    assert digest(run(mixture, models, place, "other")) == digest(whole)


def test_the_card_the_log_and_the_run_tell_what_made_an_adapter(whole: Outputs, models: Path) -> None:
    card = json.loads((whole.adapter / "model_card.json").read_text(encoding="utf-8"))
    base = Checkpoint(name="tiny", path=str(models / FAMILY), family=FAMILY)
    log, row = read_table(whole.log, TRAINING_LOG), read_table(whole.run, RUNS).row(0, named=True)
    assert card["base_revision"] == base.revision() == row["model_revision"]
    assert row["adapter_revision"] == adapter_revision(whole.adapter)
    assert card["pairs"]["train"] + card["pairs"]["held_out"] == 20 == SETTINGS["samples"]
    trained = log.filter(split="train")
    assert trained["step"].to_list() == list(range(1, card["steps"] + 1))
    assert trained["loss"][0] == pytest.approx(math.log(2), abs=1e-5)
    assert trained["accuracy"][0] is None and trained["accuracy"].drop_nulls().len() == trained.height - 1
    assert trained["gradient_norm"].min() > 0  # type: ignore[operator]
    assert log.filter(split="held_out")["step"].to_list()[0] == 0
    assert trained["margin"][-1] > 0.0
    assert [int(step) for step in card["loss"]] == trained["step"].to_list()
    assert "/" not in json.loads((whole.adapter / "adapter_config.json").read_text())["base_model_name_or_path"]


def test_sft_learns_the_chosen_answers(mixture: Path, models: Path, place: Path) -> None:
    log = read_table(run(mixture, models, place, "sft", method="sft").log, TRAINING_LOG)
    watched = log.filter(split="held_out").sort("step")["loss"]
    assert watched[-1] < watched[0]
    assert log["accuracy"].is_null().all() and log["margin"].is_null().all()


def test_pairs_too_long_are_dropped_and_counted(pairs: pl.DataFrame, mixture: Path, models: Path, place: Path) -> None:
    _, processor = families.load(models / FAMILY)
    writer = Writer(processor, 262144)
    limit = 90
    chosen = choose(pairs, Training(**{**SETTINGS, "samples": 24, "max_tokens": limit}), writer)
    lost = chosen.drops["item"].to_list()
    assert 0 < len(lost) < 24 and set(chosen.drops["reason"]) == {"too_long"}
    kept = pl.concat([chosen.train, chosen.held_out])["preference_id"].to_list()
    assert sorted(kept + lost) == sorted(pairs["preference_id"])
    outputs = run(mixture, models, place, "short", max_tokens=limit)
    assert read_table(outputs.drops, DROPS).height > 0
    with pytest.raises(InputError, match="no preference pair is left"):
        choose(pairs, Training(**{**SETTINGS, "max_tokens": 20}), writer)


def test_more_samples_hold_out_the_same_pairs(pairs: pl.DataFrame, models: Path) -> None:
    _, processor = families.load(models / FAMILY)
    writer = Writer(processor, 262144)
    few, many = (choose(pairs, Training(**{**SETTINGS, "samples": number}), writer) for number in (12, 24))
    assert set(few.held_out["preference_id"]) <= set(many.held_out["preference_id"])
    assert set(few.train["preference_id"]) <= set(many.train["preference_id"])


def test_large_images_are_shrunk_to_the_budget() -> None:
    from PIL import Image

    assert shrunk(Image.new("RGB", (100, 50)), 5000).size == (100, 50)
    small = shrunk(Image.new("RGB", (400, 100)), 10000)
    assert small.width * small.height <= 10000 and small.width == 4 * small.height


def test_checkpoints_lie_on_rows_of_the_log(mixture: Path, models: Path, place: Path) -> None:
    with pytest.raises(InputError, match=r"multiple of tuning\.log_steps"):
        run(mixture, models, place, "between", checkpoint_steps=3, log_steps=2)


def test_a_merged_adapter_answers_as_the_trained_one(
    whole: Outputs, models: Path, pairs: pl.DataFrame, tmp_path: Path
) -> None:
    from peft import PeftModel

    model, processor = families.load(models / FAMILY)
    writer = Writer(processor, 262144)
    text, _ = writer.texts(pairs["question"][0], "x")
    inputs = processor(images=[[writer.image(pairs["image_path"][0])]], text=[text], return_tensors="pt")
    with torch.inference_mode():
        base = model(**inputs).logits
        tuned = PeftModel.from_pretrained(families.load(models / FAMILY)[0], str(whole.adapter)).eval()(**inputs).logits
        both = merged(model, whole.adapter)(**inputs).logits
    assert float((both - tuned).abs().max()) < 1e-4
    assert float((both - base).abs().max()) > 1e-3


def test_an_adapter_of_another_model_is_refused(whole: Outputs, models: Path, tmp_path: Path) -> None:
    wide, _ = families.build(families.Spec(FAMILY, width=96, layers=2, vocabulary=700))
    with pytest.raises(InputError, match="does not fit"):
        merged(wide, whole.adapter)
    with pytest.raises(InputError, match="no adapter here"):
        merged(wide, tmp_path)


def test_two_processes_train_what_one_does(mixture: Path, models: Path, place: Path) -> None:
    """The gradients of several processes, as of several GPUs, are averaged: two half batches make one."""
    one = run(mixture, models, place, "alone", batch=4, accumulation=1, held_out=0.0)
    values = {**SETTINGS, "batch": 2, "accumulation": 1, "held_out": 0.0, "devices": 2}
    load = {"path": str(models / FAMILY), "family": FAMILY}
    options = {
        "preferences": mixture, "load": json.dumps(load), "model": "tiny@tuned", "training": json.dumps(values),
        "code": "code", "out": place / "two", "log": place / "two.log.parquet", "drops": place / "two.drops.parquet",
        "run": place / "two.run.parquet", "checkpoints": place / "two.checkpoints",
    }  # fmt: skip
    # As the rule starts it; a file in the user's home that says otherwise is not read.
    home = place / "home/accelerate"
    home.mkdir(parents=True)
    (home / "default_config.yaml").write_text(
        "compute_environment: LOCAL_MACHINE\ndistributed_type: 'NO'\nnum_processes: 3\nmixed_precision: bf16\n"
        "gpu_ids: '7'\nnum_machines: 2\nmain_process_port: 1\n"
    )
    python, *start = launcher(2, "float32").split()
    assert python == "python" and "accelerate.commands.launch" in start
    given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    done = subprocess.run(
        [sys.executable, *start, "finer", "train-adapter", *given], cwd=ROOT, capture_output=True, text=True,
        timeout=300, check=False, env=os.environ | {"HF_HOME": str(home.parent), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    curves = [pl.read_parquet(file).filter(split="train") for file in (one.log, place / "two.log.parquet")]
    assert curves[0]["step"].equals(curves[1]["step"]) and curves[0].height > 2
    apart = (curves[0]["loss"] - curves[1]["loss"]).abs().max()
    print(f"losses of one and of two processes: at most {apart:.1e} apart in {curves[0].height} rows")
    assert apart is not None and float(apart) < 1e-4
    assert float(curves[0]["loss"].max()) - float(curves[0]["loss"].min()) > 1e-2  # no flat curve at ln 2
    weights = [load_file(folder / "adapter_model.safetensors") for folder in (one.adapter, place / "two")]
    largest = max(float(weight.abs().max()) for name, weight in weights[0].items() if "lora_B" in name)
    for name, weight in weights[0].items():
        assert float((weights[1][name] - weight).abs().max()) < 0.02 * largest, name
    with pytest.raises(InputError, match="another number of processes"):
        run(mixture, models, place, "wrong", devices=2)
