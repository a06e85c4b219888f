"""The page on adding a model: its lines of configuration and its commands as they stand there, on small real models."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from api_models import served
from finer.config import parse
from finer.config.overlay import overlaid
from finer.mllm.engine import TransformersEngine
from finer.schemas import PARITY, RESPONSES, RUNS
from finer.store import read_table
from loopback import Loopback
from tiny_models import save_tiny

ROOT = Path(__file__).parents[1]
MICRO = ROOT / "workflow/resources/bases/internvl3.5-micro-s"
SMALL = {  # one benchmark of few scenes, nothing trained, nothing verified: what is asked is the point
    "world": {"comprecap_test": 12},
    "benchmarks": {
        "docci": None, "dev": None, "dev_captions": None,
        "comprecap": {"pairs": dict.fromkeys(("multi_obj", "multi_attr", "multi_rel", "wh"), 8), "granularity": 4},
    },
    "negatives": {"verification": "none"},
    "evaluation": {"control_pairs": 0, "parity": {"items": 20}},
    "statistics": {"resamples": 200},
}  # fmt: skip


def blocks(kind: str) -> list[str]:
    page = (ROOT / "docs" / "new-model.md").read_text(encoding="utf-8")
    return re.findall(rf"```{kind}\n(.*?)```", page, flags=re.DOTALL)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The page's configuration in a file, the checkpoints and the server that it names, and how to run its commands."""
    folder = tmp_path_factory.mktemp("page")
    save_tiny("internvl", folder / "checkpoints" / "mine")
    (folder / "checkpoints" / "served").symlink_to(MICRO)
    values = overlaid(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")), SMALL)
    values |= {name: dict.fromkeys(values[name]) for name in ("adapters", "ablations", "studies", "suites", "models")}
    values["results"] = str(folder / "results")
    with Loopback(served(TransformersEngine(MICRO, "internvl"))) as server:
        for text in blocks("yaml"):
            text = text.replace("checkpoints/", f"{folder}/checkpoints/").replace(
                "http://127.0.0.1:8000/v1", server.address
            )
            values = overlaid(values, yaml.safe_load(text))
        # The hub's model stays out of the tables here: there is no network to fetch it from.
        values["models"]["theirs"]["role"] = "study"
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(values, sort_keys=False))

        def run(command: str) -> str:
            words = [word.replace("results/micro", f"{folder}/results/micro") for word in shlex.split(command)]
            if words[0] == "snakemake":
                words = ["-m", "snakemake", "--nolock", "--quiet", "progress", "--configfile", str(config), *words[1:]]
            else:
                words = [str(config) if word == "config.yaml" else word for word in words[1:]]
            environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
            done = subprocess.run(
                [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
            return done.stdout + done.stderr

        yield folder / "results" / "micro", run


def test_three_lines_are_enough_for_each_kind_of_model() -> None:
    added = [yaml.safe_load(text) for text in blocks("yaml")]
    assert [list(entry["models"]) for entry in added] == [["mine"], ["theirs"], ["by-api"], ["by-api"]]
    assert all(len(text.splitlines()) <= 3 for text in blocks("yaml")[:2])
    base = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    for entry in added[:3]:
        names = parse(overlaid(base, entry)).rows
        assert set(entry["models"]) < set(names)


@pytest.mark.timeout(600)
def test_the_page_s_commands_make_the_rows(page: Any) -> None:
    results, run = page
    own, hub, api, by_hand = (text.strip() for text in blocks("bash"))
    run(own)
    assert "Mine" in (results / "tables/finer_benchmarks.md").read_text()
    assert "retrieve_model" in run(hub)
    run(api)
    table = pl.read_csv(results / "tables/finer_benchmarks.csv")
    assert set(table["model"]) == {"random_guess", "mine", "by-api"}

    responses = read_table(results / "responses/by-api/finer.comprecap.parquet", RESPONSES)
    asked = responses.filter(pl.col("text").is_not_null())
    assert set(asked["answering"]) == {"letter"} and asked["text"].is_in(list("ABCDE")).all()
    unasked = read_table(results / "responses/by-api/finer.run.parquet", RUNS)["unasked"].item()
    assert unasked == responses.height - asked.height > 0

    answering = (results / "tables/finer_answering.md").read_text()
    row = next(line for line in answering.splitlines() if "By API" in line and "Letter" in line)
    dashes = [line for line in answering.splitlines() if line.startswith("|  | Text") or line.startswith("| | Text")]
    assert "–" not in row and dashes and "does not tell how likely an option is" in answering
    footnotes = (results / "tables/finer_benchmarks.md").read_text()
    assert "By API by http" in footnotes and "the same letter" in footnotes

    parity = read_table(results / "parity/by-api.parquet", PARITY).row(0, named=True)
    assert parity["agreement"] == 100.0 and parity["largest_gap"] < 1e-3 and parity["items"] == 20
    assert '"within": true' in run(by_hand)
    assert (results / "by-hand.csv").stat().st_size > 50
