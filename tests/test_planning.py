"""What jobs ask for: measured costs, grown with the preset and with each attempt."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from finer.config import Config
from finer.config.overlay import load_files, overlaid
from finer.errors import InputError
from finer.planning.costs import FILE, SCHEMA, Cost, cost_of, load_costs, measure
from finer.planning.counts import UNITS, Counts, step_of
from finer.planning.disk import disk
from finer.planning.language import FILE as LANGUAGE
from finer.planning.language import RoleUse, Tokens, load_tokens, role_uses, write_tokens
from finer.planning.needs import Needs
from finer.planning.plan import STAGES, Job, measured_hours, parse_jobs, plan, stage_of
from finer.planning.shown import disk_by_stage, language_models, show

ROOT = Path(__file__).parent.parent
COSTS = load_costs(ROOT / FILE)
MICRO = load_files([ROOT / "config.yaml"])
PAPER = load_files([ROOT / "config.yaml", ROOT / "workflow/presets/paper.yaml"])
MINI = load_files([ROOT / "config.yaml", *(ROOT / f"workflow/presets/{name}.yaml" for name in ("paper", "paper-mini"))])
# Rules without jobs of their own, or whose time is that of a download.
UNMEASURED = (
    r"all|adapters|bases|captions|data|predictions|preferences|studies|suites|world|times|base_pinned|retrieve_\w+"
)


def rules() -> dict[str, str]:
    """Return the text of each rule by its name; those made in a loop by the pattern of their names."""
    found = {}
    for file in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for block in re.split(r"^(?= *rule\b.*:$)", file.read_text(), flags=re.MULTILINE)[1:]:
            named = re.match(r" *rule (\w+):", block) or re.search(r"name:\s+(.+)\n", block)
            assert named is not None, block[:200]
            found[named[1]] = block
    return found


def test_every_rule_that_leaves_this_machine_asks_for_resources_by_its_own_name() -> None:
    for name, block in rules().items():
        asked = re.findall(r"\*\*need\((.+?)\)", block)
        quoted = name if name.startswith(("f'", 'f"')) else f'"{name}"'
        local = "localrule: True" in block
        assert asked == ([] if local else [quoted]), name
        # The benchmark file is named after the rule: that is how costs are measured.
        kept = re.search(r"/benchmarks/([^.]+)\.", block)
        assert kept is None or kept[1] in (quoted.removeprefix("f").strip('"'), f"{{{name}}}"), name


def test_every_rule_has_costs() -> None:
    for name in rules():
        plain = name.removeprefix('f"').removesuffix('"')
        if "{" not in plain and not re.fullmatch(UNMEASURED, plain) and plain != "table":
            assert cost_of(plain, COSTS).seconds > 0, plain
    with pytest.raises(InputError, match="without measured or assumed costs"):
        cost_of("no_such_rule", COSTS)


def test_steps_that_grow_are_in_the_table_with_their_unit() -> None:
    for step, unit in UNITS.items():
        assert COSTS[step].unit == unit.name, step


def test_a_rule_belongs_to_the_longest_step_that_its_name_begins_with() -> None:
    assert step_of("verify_0", UNITS) == "verify_0" and step_of("verify_2", UNITS) == "verify"
    assert step_of("estimates_ablation_comprecap", UNITS) == "estimates_ablation"
    assert step_of("verdicts_ablation_suites", UNITS) == "verdicts_ablation_suites"
    assert step_of("second_judge_hallucination_suites", UNITS) == "second_judge_hallucination"
    assert step_of("answering", UNITS) is None


def test_micro_jobs_ask_for_no_gpu_and_for_what_was_measured_with_room() -> None:
    need = Needs(MICRO, COSTS)
    for step in COSTS:
        asked = need(step)
        assert set(asked) == {"mem_mb", "runtime"}, step
    answer = need("answer_finer")
    measured = COSTS["answer_finer"]
    row = {"model": "qwen2.5-vl-micro@finer-tuning"}
    assert measured.memory_mb < answer["mem_mb"](row, attempt=1) < 3 * measured.memory_mb  # type: ignore[operator]
    assert measured.seconds_max < 60 * answer["runtime"](row, attempt=1) < 5 * measured.seconds_max  # type: ignore[operator]


def test_an_attempt_more_asks_for_more_memory_and_time_up_to_the_longest_job() -> None:
    asked = Needs(PAPER, COSTS)("answer_finer")
    row = {"model": "internvl3.5-8b"}
    first, second = (tuple(asked[key](row, attempt=n) for key in ("mem_mb", "runtime")) for n in (1, 2))  # type: ignore[operator]
    assert second[0] == 2 * first[0] and first[1] < second[1] <= PAPER.cluster.longest


def test_paper_jobs_ask_for_gpus_where_their_model_runs() -> None:
    need = Needs(PAPER, COSTS)
    answer, verify, train = (need(rule) for rule in ("answer_finer", "verify_0", "train_adapter"))
    assert answer["gpu"]({"model": "internvl3.5-8b@finer-tuning"}) == 1  # type: ignore[operator]
    assert answer["mem_mb"]({"model": "internvl3.5-8b"}, attempt=1) == 64000  # type: ignore[operator]
    assert verify["gpu"]({"benchmark": "docci"}) == PAPER.models["qwen2.5-vl-72b"].gpus  # type: ignore[operator]
    assert train["gpu"]({"tuned": "internvl3.5-14b@finer-tuning"}) == PAPER.tuning.devices  # type: ignore[operator]
    assert "gpu" not in need("estimates_finer") and "gpu_model" not in answer
    one = PAPER.model_copy(update={"cluster": PAPER.cluster.model_copy(update={"gpu_model": "a100"})})
    assert Needs(one, COSTS)("answer_finer")["gpu_model"]({"model": "internvl3.5-8b"}) == "a100"  # type: ignore[operator]


def test_a_larger_model_and_more_questions_take_longer() -> None:
    need = Needs(PAPER, COSTS)
    small, large = (need.estimate("answer_finer", {"model": f"internvl3.5-{size}b"}) for size in (8, 14))
    assert small.seconds < large.seconds and small.memory_mb < large.memory_mb and small.assumed
    few, many = (need.estimate("verify_0", {"benchmark": name}) for name in ("comprecap", "docci"))
    assert few.seconds < many.seconds and few.items * 8 < many.items


def test_counts_follow_the_protocol() -> None:
    counts = Counts(PAPER)
    assert counts.questions("comprecap") == 17084 and counts.questions("docci") == 71116
    assert counts.images("comprecap") == 560 and counts.images("docci") == 5000
    assert counts.pairs("qwen2.5-vl-7b@finer-tuning") == 120000
    # As found in the items of the micro preset: three ways of 3,200 questions, and controls.
    assert Counts(MICRO).asked("docci") == 12800 and Counts(MICRO).granularity("docci") == 1680


def test_costs_are_measured_from_benchmark_files(tmp_path: Path) -> None:
    head = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    for name, seconds in (("internvl3.5-micro-s", 100.0), ("internvl3.5-micro-s@finer-tuning", 300.0)):
        line = f"{seconds}\t0:00:00\t700\t0\t0\t0\t0\t0\t0\t90\n"
        (tmp_path / f"answer_finer.{name}.tsv").write_text(head + line)
    (tmp_path / "settle_negatives.docci.tsv").write_text(head + "0.4\t0:00:00\t-\t0\t0\t0\t0\t0\t0\tNA\n")
    assumed = {"base_train": COSTS["base_train"], "settle_negatives": COSTS["settle_negatives"]}
    table = measure(sorted(tmp_path.glob("*.tsv")), MICRO, assumed)
    assert table.schema == SCHEMA and table["step"].to_list() == ["answer_finer", "base_train", "settle_negatives"]
    answered = Cost(**table.row(0, named=True))
    assert (answered.jobs, answered.items, answered.seconds, answered.seconds_max) == (2, 25600, 200, 300)
    assert answered.time(25600) == pytest.approx(200) and answered.time(51200) == pytest.approx(394)
    assert answered.memory(25600) == 700
    assert table.filter(pl.col("jobs") == 0)["step"].to_list() == ["base_train"]
    assert table["memory_mb"].to_list()[2] == 0.0


def test_overlays_merge_mappings_and_replace_the_rest() -> None:
    assert overlaid({"a": {"b": 1, "c": [1]}, "d": 1}, {"a": {"c": [2], "e": None}}) == {
        "a": {"b": 1, "c": [2], "e": None},
        "d": 1,
    }
    assert PAPER.world is None and "internvl3.5-micro-s" not in PAPER.models


DRY_RUN = """
[Wed Nov 25 19:38:41 2026]
rule answer_finer:
    input: a, b
    output: c
    wildcards: model=internvl3.5-8b@finer-tuning
    resources: tmpdir=/tmp
localrule all:
    input: c
    reason: Forced execution
rule verdicts_suite:
    output: d
    wildcards: model=x, evaluated=pope
"""


def test_jobs_are_read_from_a_dry_run() -> None:
    assert parse_jobs(DRY_RUN) == [
        Job("answer_finer", (("model", "internvl3.5-8b@finer-tuning"),)),
        Job("all", ()),
        Job("verdicts_suite", (("model", "x"), ("evaluated", "pope"))),
    ]


def test_every_rule_has_a_stage() -> None:
    assert stage_of("compose") == "benchmarks" and stage_of("compose_unverified") == "audit"
    assert stage_of("retrieve_model") == "models" and stage_of("retrieve_docci") == "raw data"
    assert stage_of("answer_ablation") == "evaluation" and stage_of("answer_ablation_suites") == "suites"
    assert stage_of("finer_benchmarks") == "tables" and stage_of("scene_graphs_of_long_captions") == "tuning data"


def test_the_plan_sums_jobs_and_says_what_is_assumed() -> None:
    jobs = [Job("answer_finer", (("model", f"internvl3.5-{size}b"),)) for size in (8, 14)]
    jobs += [Job("compose", (("benchmark", "docci"),)), Job("train_adapter", (("tuned", "internvl3.5-8b@sft-both"),))]
    planned = plan(PAPER, COSTS, [*jobs, Job("all", ())])
    assert planned["stage"].to_list() == ["benchmarks", "tuning", "evaluation", "tables"]
    answered = planned.row(by_predicate=pl.col("step") == "answer_finer", named=True)
    assert answered["jobs"] == 2 and answered["items"] == 2 * Counts(PAPER).summed(Counts(PAPER).asked)
    assert answered["from"] == "assumed" and answered["gpu_hours"] > answered["longest_hours"] > 0.5
    trained = planned.row(by_predicate=pl.col("step") == "train_adapter", named=True)
    assert trained["gpus"] == 4 and trained["gpu_hours"] == pytest.approx(4 * trained["longest_hours"])
    composed = planned.row(by_predicate=pl.col("step") == "compose", named=True)
    assert composed["from"] == "measured" and composed["gpu_hours"] == 0
    text = show(PAPER, planned, disk(PAPER, jobs))
    assert "answer_finer" in text and "assumed" in text and "Language models" in text and "checkpoints" in text
    used = RoleUse("extractor", "gemini", 10_000, 5_000_000, 1_000_000, 12.5)
    assert "5,000,000" in show(PAPER.model_copy(update={"chat": CHAT}), planned, [], [used])


def answering(config: Config) -> list[Job]:
    return [
        Job("answer_finer", (("model", row),)) for row in config.rows if not config.models[row.partition("@")[0]].by_api
    ]


def test_disk_is_told_by_stages_of_the_plan() -> None:
    parts = disk(PAPER, answering(PAPER))
    assert [part.stage for part in parts] == ["models", "raw data", "tuning", "evaluation"]
    assert {part.stage for part in parts} <= set(STAGES) and {part.basis for part in parts} == {"measured", "assumed"}
    weights = sum(2 * (model.billions or 0) for model in PAPER.models.values() if model.family)  # bfloat16
    sizes = {part.stage: part.gigabytes for part in parts}
    assert sizes["models"] == weights and sizes["raw data"] == pytest.approx(0.56 * 0.2 + 5 * 1.5 + 100 * 0.5)
    shown = disk_by_stage(parts)
    assert f"| all        |                                 | {sum(sizes.values()):.1f} |" in shown
    # What a plan of a few hundred scenes leaves is shown as little, not as nothing.
    assert disk_by_stage(disk(MICRO, [])).count("under 0.1") >= 2
    for config in (PAPER, MINI):
        page = (ROOT / "docs/paper.md").read_text(encoding="utf-8")
        assert disk_by_stage(disk(config, answering(config))) in page


def test_the_plan_says_of_each_figure_whether_it_is_measured() -> None:
    jobs = [*answering(PAPER)[:1], Job("compose", (("benchmark", "docci"),)), Job("retrieve_docci", ())]
    uses = role_uses(PAPER, load_tokens(ROOT / LANGUAGE))
    text = show(PAPER, plan(PAPER, COSTS, jobs), disk(PAPER, jobs), uses).split("What is measured, what assumed")[1]
    said = {
        line[2:].split(",")[0].split(" of steps marked")[0].split(":")[0]
        for line in text.splitlines()
        if line[:2] == "- "
    }
    assert {"GPU hours", "CPU hours", "CPU hours and memory", "Disk", "Prices", "Items"} <= said
    assert {use.basis for use in uses} == {"rehearsal", "assumed"}
    assert [use.role for use in uses if use.basis == "assumed"] == ["answers of gemini-2.5-flash"]
    # Nothing is said of what is not in the plan.
    small = show(MICRO, plan(MICRO, COSTS, [Job("compose", (("benchmark", "docci"),))]), [])
    assert "CPU hours and memory of steps marked measured" in small
    assert not any(word in small for word in ("GPU hours,", "Prices", "Tokens marked", "guessed"))


CHAT = type(PAPER.chat).model_validate({
    "backends": {"api": {"kind": "http", "base_url": "http://localhost/v1"}},
    "models": {"gemini": {"backend": "api", "model": "g"}}, "roles": {"extractor": {"model": "gemini"}},
})  # fmt: skip


def test_a_plan_is_compared_with_a_run(tmp_path: Path) -> None:
    (tmp_path / "compose.docci.tsv").write_text("s\th:m:s\n1800\t0:30:00\n")
    assert measured_hours(tmp_path) == 0.5
    planned = plan(MICRO, COSTS, [Job("compose", (("benchmark", "docci"),))])
    assert "A run of it took 0.50 h" in show(MICRO, planned, [], measured=0.5)
    with pytest.raises(InputError, match="no benchmark files"):
        measured_hours(tmp_path / "none")


def test_the_verb_plans_a_preset(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from finer.cli import main

    monkeypatch.chdir(ROOT)
    assert main(["plan", "--preset", "smoke"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Plan of the preset 'smoke'") and "train_adapter" in said
    assert main(["plan", "--configfile", "no/such.yaml"]) == 1


# ---------------------------------------------------------------- language models


def test_money_follows_from_counts_tokens_and_prices() -> None:
    tokens = {role: Tokens(2.0, 1000.0, 100.0) for role in ("extractor", "proposer", "phraser", "editor", "judge")}
    used = {(one.role, one.model): one for one in role_uses(MINI, tokens)}
    assert {role for role, _ in used} == {"extractor", "proposer", "phraser", "editor", "judge"}
    extractor = used["extractor", "gemini-2.0-flash"]
    assert (extractor.requests, extractor.tokens_in, extractor.tokens_out) == (600, 300_000, 30_000)
    assert extractor.money == pytest.approx(0.3 * 0.1 + 0.03 * 0.4)
    judge = used["judge", "gpt-4o"]
    assert judge.requests == 2 * 2 * 96  # the base and the tuned row, MMHal-Bench
    assert judge.money == pytest.approx(2 * 96 * (1000 * 2.5 + 100 * 10) / 1e6)


def test_each_benchmarks_proposer_and_subjects_by_api_have_lines_of_their_own() -> None:
    used = {(one.role, one.model): one for one in role_uses(PAPER, load_tokens(ROOT / LANGUAGE))}
    assert {model for role, model in used if role == "proposer"} == {"qwen3-14b", "gemini-2.0-flash"}
    assert used["proposer", "qwen3-14b"].money == 0 < used["proposer", "gemini-2.0-flash"].money
    answers = used["answers of gemini-2.5-flash", "gemini-2.5-flash"]
    assert answers.requests > Counts(PAPER).summed(Counts(PAPER).questions) and answers.money > 1
    assert sum(one.money for one in role_uses(MINI, load_tokens(ROOT / LANGUAGE))) < (MINI.chat.budget or 0)
    assert role_uses(MICRO, {}) == []


@pytest.mark.parametrize("config", [PAPER, MINI])
def test_the_page_shows_what_language_models_will_cost(config: Config) -> None:
    shown = language_models(config, role_uses(config, load_tokens(ROOT / LANGUAGE)))
    assert shown in (ROOT / "docs/paper.md").read_text(encoding="utf-8")


def test_roles_on_their_own_gpus_ask_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    needs = Needs(PAPER, COSTS)
    for step, wildcards in (
        ("phrase_by_model", {"source": "pixmo"}),
        ("propose_by_model_0", {"benchmark": "comprecap"}),
    ):
        estimate = needs.estimate(step, wildcards)
        assert estimate.gpus == 1 and estimate.assumed and estimate.seconds > 60, step
        assert "gpu" in needs(step)
    assert needs.estimate("propose_by_model_0", {"benchmark": "docci"}).gpus == 0  # by API
    assert needs.estimate("scene_graphs_by_model", {"benchmark": "docci"}).gpus == 0
    assert "gpu" not in needs("scene_graphs_by_model")
    assert Needs(MINI, COSTS).estimate("phrase_by_model", {"source": "pixmo"}).gpus == 0


def test_tokens_are_measured_from_calls(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no calls of a role"):
        write_tokens(tmp_path, tmp_path / "tokens.csv")
    (tmp_path / "tokens.csv").write_text("role\n")
    with pytest.raises(InputError, match="cannot be read"):
        load_tokens(tmp_path / "tokens.csv")
