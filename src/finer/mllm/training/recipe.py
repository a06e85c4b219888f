"""Training recipes: the versioned data file beside this module, read into typed records."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from finer.errors import InputError
from finer.mllm.families import Spec

RECIPES = Path(__file__).with_name("recipes.yaml")
TASKS = (
    "lookup", "presence", "short", "where", "which", "truth_attr", "truth_rel", "truth_obj",
    "caption", "see", "mcq", "mcq_short", "bind", "mixed", "refer", "count", "read", "chart", "detail", "compare",
)  # fmt: skip
FINE_GRAINED_TASKS = ("see", "mcq", "mixed")  # positive or negative, by the recipe's share
LETTERED_TASKS = ("mcq", "mcq_short", "bind")
OPTION = "option"  # no task of the data: the judgement asked at the end of each option of a lettered item
COUNTED = (*TASKS, OPTION)  # what losses and accuracies are counted for


@dataclass(frozen=True)
class VisionStage:
    """Stage V: vision tower and projector learn to name what each cell of the image holds."""

    steps: int
    images: int = 64  # images a step
    learning_rate: float = 2e-3
    matrix_rate: float = 0.02  # Muon, for weight matrices
    warmup: int = 100
    decay: float = 0.6  # the last share of the steps, over which the rate falls to 1 %


@dataclass(frozen=True)
class LanguageStage:
    """One stage of the language model on frozen image features."""

    name: str
    steps: int
    mix: dict[str, float]  # weight of each task among the items drawn
    rows: int = 24  # packed rows a step, one image each
    tokens: int = 128  # item tokens a row, the image prefix not counted
    learning_rate: float = 2e-3
    matrix_rate: float = 0.02
    query_key_share: float = 1.0  # of matrix_rate, for queries and keys: less where the model does not normalise them
    warmup: int = 60
    decay: float = 0.4
    letter_weight: float = 3.0  # the one token of a lettered answer against each word of other answers


@dataclass(frozen=True)
class Recipe:
    """How one base model is made."""

    name: str
    title: str
    data: str  # pool of instruct data: base or verifier
    seed: int
    spec: Spec
    vision: VisionStage
    stages: tuple[LanguageStage, ...]
    negative_share: float = 0.2  # of fine-grained questions, the share that asks for something false
    place_gain: float = 1.0  # how much row and column of a cell are raised in the image features
    grown_from: str | None = None  # another recipe, whose finished model becomes the first layers of this one
    held_out: int = 500  # last images of the data: never trained on
    compiled: bool = True  # one compiled decoder layer at a time; the tests run eagerly
    digest: str = field(default="", compare=False)  # of the whole recipe
    digests: tuple[str, ...] = field(default=(), compare=False)  # of the recipe up to stage 0 (vision), 1, 2, …


def _record(kind: type[Any], values: dict[str, Any], where: str, file: Path) -> Any:
    known = [item.name for item in fields(kind)]
    unknown = [key for key in values if key not in known]
    if unknown:
        raise InputError("unknown key", file=file, row=where, field=unknown[0], expected=", ".join(known))
    return kind(**values)


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(yaml.safe_dump(values, sort_keys=True).encode("utf-8")).hexdigest()


def load_recipe(name: str, file: str | Path = RECIPES) -> Recipe:
    """Read one recipe.

    Raises:
        InputError: no such recipe, an unknown key or an unknown task in a mix.
    """
    path = Path(file)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    if name not in content:
        raise InputError("unknown recipe", file=path, found=name, expected=" | ".join(content))
    values = dict(content[name])
    # A checkpoint fits a recipe that has the same stages up to its own: stages can be added to a finished training.
    digests = tuple(
        _digest(values | {"stages": values["stages"][:number]}) for number in range(len(values["stages"]) + 1)
    )
    stages = []
    for stage in values.pop("stages"):
        unknown = [task for task in stage["mix"] if task not in TASKS]
        if unknown:
            raise InputError("unknown task", file=path, row=f"{name}, stage {stage['name']}", found=unknown[0],
                             expected=" | ".join(TASKS))  # fmt: skip
        stages.append(_record(LanguageStage, stage, f"{name}, stage {stage['name']}", path))
    vision = _record(VisionStage, values.pop("vision"), f"{name}, vision", path)
    spec = _record(Spec, {"family": values.pop("family"), **values.pop("spec", {})}, f"{name}, spec", path)
    rest = {"name": name, "spec": spec, "vision": vision, "stages": tuple(stages), "digest": digests[-1],
            "digests": digests, **values}  # fmt: skip
    return _record(Recipe, rest, name, path)  # type: ignore[no-any-return]
