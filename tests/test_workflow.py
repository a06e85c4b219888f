"""The workflow: fingerprints of code, a static DAG, a checked configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from finer import configdocs, workflow
from finer.config import parse
from finer.errors import InputError
from finer.tables.shown import shown

ROOT = Path(__file__).parent.parent


def config(**changes: object) -> dict[str, object]:
    return yaml.safe_load((ROOT / "config.yaml").read_text()) | changes


def test_default_configuration_is_valid() -> None:
    assert parse(config()).preset == "micro"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sede": 1}, "sede"),
        ({"seed": "many"}, "found 'many'"),
        ({"statistics": {"confidence": 1.5}}, "statistics.confidence"),
        ({"negatives": {"verifier": "gpt"}}, "'gpt' is not a model"),
        ({"negatives": {"verifier": "internvl3.5-micro-s"}}, "role: verifier"),
        ({"models": {"m": {"title": "M", "family": "blip"}}}, "family"),
        ({"models": {"m": {"title": "M", "family": "internvl", "repo": "a/b"}}}, "needs a revision"),
        ({"studies": {"s": {"title": "S", "models": {"nobody": "1"}}}}, "studies.s names 'nobody'"),
        ({"studies": {"s": {"title": "S", "models": {"internvl3.5-micro-s@none": "1"}}}}, "internvl3.5-micro-s@none"),
        ({"studies": {"s": {"title": "S", "models": {"a@b@c": "1"}}}}, "studies.s.models"),
        ({"negatives": {"unheard": 5}}, "negatives.unheard"),
    ],
)
def test_wrong_configuration_names_the_key(changes: dict[str, object], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(config(**changes))
    assert expected in str(caught.value)
    assert "cure" in str(caught.value)


def test_an_overlay_removes_a_model_with_null() -> None:
    values = config()
    values |= {"adapters": {}, "ablations": {}, "studies": {}}  # they name models
    values["models"] = {**values["models"], "qwen2.5-vl-micro": None}  # type: ignore[dict-item]
    assert "qwen2.5-vl-micro" not in parse(values).models


def test_a_study_of_tuned_models_shows_them_by_its_own_labels() -> None:
    layout = shown(json.loads(parse(config()).layout("tuning_seeds")))
    assert layout.spread and [layout.title(one) for one in layout.order] == ["first seed", "second seed", "third seed"]
    assert layout.order[1] == ("internvl3.5-micro-s", "seed2")


def test_rows_of_the_layout_are_each_base_with_its_tuned_rows() -> None:
    layout = shown(json.loads(parse(config()).layout()))
    assert [variant for _, variant in layout.order] == ["base", "finer-tuning"] * 4
    assert layout.title(layout.order[5]) == "InternVL-3.5-micro S + FINER-Tuning"


def test_docs_and_schema_are_generated_from_the_typed_configuration() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == configdocs.markdown(), "run: python -m finer config-docs"
    assert (ROOT / "workflow/config.schema.json").read_text() == configdocs.json_schema()


def test_fingerprint_follows_imports() -> None:
    assert "finer.queries.compose" in workflow.modules("compose")
    assert "finer.queries.compose" not in workflow.modules("answer")
    assert not any(name.startswith("finer.tables") for name in workflow.modules("answer"))
    assert not any(name.startswith("finer.world") for name in workflow.modules("compose"))


def test_fingerprint_changes_with_what_a_verb_runs_and_with_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "finer"
    (package / "a").mkdir(parents=True)
    (package / "cli").mkdir()
    (package / "cli" / "verbs.py").write_text(
        "def one():\n    from finer.a.x import f\n    f()\n\n\ndef two():\n    from finer.b import g\n    g()\n"
    )
    (package / "a" / "__init__.py").write_text("")
    (package / "a" / "x.py").write_text("from finer.c import h\n")
    (package / "a" / "words.yaml").write_text("a: 1\n")
    (package / "b.py").write_text("")
    (package / "c.py").write_text("")
    monkeypatch.setattr(workflow, "PACKAGE", package)

    def both() -> tuple[str, str]:
        workflow.code.cache_clear()
        workflow._direct.cache_clear()
        return workflow.code("one"), workflow.code("two")

    one, two = both()
    for changed in ("a/x.py", "c.py", "a/words.yaml"):
        (package / changed).write_text("# changed\n" + (package / changed).read_text())
        new_one, new_two = both()
        assert new_one != one and new_two == two, changed
        one = new_one
    (package / "b.py").write_text("# changed\n")
    new_one, new_two = both()
    assert new_one == one and new_two != two
    workflow.code.cache_clear()
    workflow._direct.cache_clear()


def snakemake(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--quiet", "rules", "--nolock", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_paper_preset_plans_the_whole_finer_table() -> None:
    done = snakemake(
        "-n", "--configfile", "workflow/presets/paper.yaml", "--", "results/paper/tables/finer_benchmarks.md"
    )
    assert done.returncode == 0, done.stderr


def test_wrong_configuration_stops_the_workflow_without_a_traceback() -> None:
    done = snakemake("-n", "--config", "negatives={verifier: gpt}")
    assert done.returncode == 1
    assert "'gpt' is not a model" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


CAPTIONS = "tests/data/captions/docci_descriptions.jsonlines"


def test_the_captions_command_of_the_makefile_plans_the_interchange_files() -> None:
    # A make within `make test` must neither inherit its flags nor announce its folders.
    command = [
        "make",
        "--no-print-directory",
        "--dry-run",
        "--old-file=.venv/ready",
        "captions",
        f"CAPTIONS={CAPTIONS}",
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    made = next(line for line in said.splitlines() if "snakemake " in line)
    arguments = made.split("snakemake ", 1)[1].replace('"', "").split()
    done = snakemake("-n", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "export_interchange" in done.stdout


def test_captions_alone_become_questions_with_a_summary(tmp_path: Path) -> None:
    overlay = ("--configfile", "workflow/presets/captions.yaml", "--config", f"captions={CAPTIONS}")
    done = snakemake("--cores", "1", *overlay, f"results={tmp_path}", "--", "captions")
    assert done.returncode == 0, done.stdout + done.stderr
    for setting in ("multi_obj", "multi_attr", "multi_rel", "wh"):
        lines = (tmp_path / f"captions/interchange/captions/{setting}.csv").read_text().splitlines()
        assert lines[0] == "image,qtype,question,choice1,choice2,choice3,choice4,choice5,gt_index"
        assert len(lines) > 10 and len(lines) % 2 == 1
    summary = (tmp_path / "captions/tables/yields.captions.md").read_text()
    assert "skipped" in summary and "ambiguous_object" in summary


def test_paper_preset_plans_everything() -> None:
    done = snakemake("-n", "--configfile", "workflow/presets/paper.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "retrieve_model" in done.stdout
