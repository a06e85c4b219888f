"""The page on adding a suite: its code runs as it stands there, and its row comes out."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml
from PIL import Image

from finer.config import parse
from finer.schemas import SUITE_COMPARISONS, SUITE_ESTIMATES
from finer.scoring.suites import suite_verdicts
from finer.stats.suites import suite_comparisons, suite_estimates
from finer.store import write_table
from finer.suites.suite import Sources, load_suite
from finer.tables.shown import shown
from finer.tables.suite_tables import write_suites
from suite_runs import items_of, replied

ROOT = Path(__file__).parents[1]
HOW = {"seed": 1, "resamples": 200, "confidence": 0.95}


def blocks() -> dict[str, str]:
    page = (ROOT / "docs" / "new-suite.md").read_text(encoding="utf-8")
    return dict(re.findall(r"```(csv|python|yaml)\n(.*?)```", page, flags=re.DOTALL))


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = blocks()
    package, data = tmp_path / "our_suites", tmp_path / "data" / "squares"
    package.mkdir()
    data.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "squares.py").write_text(found["python"])
    (data / "squares.csv").write_text(found["csv"])
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8)).save(data / name)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("our_suites")]:
        del sys.modules[name]


def test_the_page_makes_a_column(written: Path) -> None:
    values = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    values["suites"] = yaml.safe_load(blocks()["yaml"])["suites"]
    config = parse(values)
    suite = load_suite(config.plan()["suites"]["squares"]["module"])
    folder = written / "data" / "squares"
    items, drops = items_of(suite, Sources(folder, folder, "squares"))
    assert items.height == 3 and drops.is_empty()
    responses = []
    for name in config.rows:
        model, _, adapter = name.partition("@")
        always = "No." if adapter else "Yes."
        responses.append(replied(items, lambda row, said=always: said, model, adapter or "base"))
    judged = suite_verdicts(suite, items, pl.concat(responses))
    write_table(suite_estimates(suite, items, judged, **HOW), SUITE_ESTIMATES, written / "e.parquet")
    write_table(suite_comparisons(suite, items, judged, **HOW), SUITE_COMPARISONS, written / "c.parquet")
    layout = json.loads(config.suite_layout("general"))
    suites = layout.pop("suites")
    outputs = [written / f"general_suites.{kind}" for kind in ("md", "csv", "tex", "html")]
    write_suites("general_suites", [written / "e.parquet"], [written / "c.parquet"], outputs, shown(layout), suites)
    table = outputs[0].read_text(encoding="utf-8")
    assert "Squares" in table and "33.3" in table and "66.7" in table and "+33.3" in table
    rows = pl.read_csv(outputs[1])
    assert rows.height == len(config.rows) and set(rows["column"]) == {"Squares"}
