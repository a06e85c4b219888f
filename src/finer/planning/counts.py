"""How many items a job has, from the configuration alone: images, questions, captions, preference pairs.

A plan is made before anything is drawn, so these are the numbers that were asked for, not those that were found.
The same counting divides measured seconds by items (``costs``) and multiplies them again (``needs``, ``plan``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from finer.config import Config

Wildcards = Mapping[str, str]
WAYS = 3  # of answering a question: letter, text, likelihood
LEVELS = 7  # of granularity, each with a wrong and a true query
# Measured in the micro preset: elements with negatives an image, and how many of them a later round looks at again.
ELEMENTS = 16
AGAIN = 0.05
JUDGED = ("mmhal", "haloquest", "hallusionbench_judged")  # suites that take scores from a judge
UNKNOWN = 5000  # images or captions of a source that does not say how many it has


@dataclass(frozen=True)
class Counts:
    """The counts of one configuration. Methods take what the wildcards of the rules name."""

    config: Config

    def images(self, benchmark: str) -> int:
        """Return how many images a benchmark has."""
        entry = self.config.benchmarks[benchmark]
        world = self.config.world
        if world is None or entry.size is not None:
            return entry.size or UNKNOWN
        if entry.role == "dev":
            return world.benchmark_dev
        return world.comprecap_test if entry.reader == "comprecap" else world.docci_test

    def scenes(self, pool: str) -> int:
        """Return how many scenes a pool of the micro world has."""
        world = self.config.world
        if world is None:
            return 0
        sizes = {"test": world.docci_test, "dev": world.benchmark_dev}
        return sizes[pool] if pool in sizes else int(getattr(world, pool))

    def questions(self, benchmark: str) -> int:
        """Return how many multiple-choice questions a benchmark has."""
        return 2 * sum(self.config.benchmarks[benchmark].pairs.values())

    def asked(self, benchmark: str) -> int:
        """Return how often a benchmark's questions are asked: in three ways, some of them again without seeing."""
        pairs = self.config.benchmarks[benchmark].pairs.values()
        controls = sum(min(self.config.evaluation.control_pairs, count) for count in pairs)
        return WAYS * self.questions(benchmark) + 2 * 2 * controls

    def granularity(self, benchmark: str) -> int:
        """Return how many yes/no questions the granularity study asks."""
        return 2 * LEVELS * self.config.benchmarks[benchmark].granularity

    def elements(self, benchmark: str, round_: int = 0) -> int:
        """Return how many elements get negatives, or get new ones in a later round."""
        return max(1, round(ELEMENTS * self.images(benchmark) * (AGAIN if round_ else 1)))

    def suite(self, name: str) -> int:
        """Return how many items an evaluation suite has."""
        return self.config.suites[name].items

    def suites(self, table: str) -> int:
        """Return how many items the suites of a table have."""
        return sum(self.suite(name) for name in self.config.suites_of(table))

    def judged(self, table: str) -> int:
        """Return how many items of a table's suites a judge looks at."""
        judged = [name for name in self.config.suites_of(table) if (self.config.suites[name].module or name) in JUDGED]
        return sum(self.suite(name) for name in judged)

    def ablation_suites(self) -> int:
        """Return how many items the two suites of the ablations have."""
        named = ("repope", "mmstar")
        return sum(self.suite(name) for name, one in self.config.suites.items() if (one.module or name) in named)

    def captions(self, source: str) -> int:
        """Return how many long captions a source has."""
        entry = self.config.preferences.sources[source]
        world = self.config.world
        if world is None or entry.size is not None:
            return entry.size or UNKNOWN
        return world.tuning if entry.role == "train" else world.tuning_dev

    def all_captions(self) -> int:
        """Return how many long captions adapters learn from."""
        return sum(self.captions(name) for name in self.config.learnt_from("train"))

    def pairs(self, tuned: str) -> int:
        """Return how many preference pairs an adapter is trained on, each time counted."""
        training = self.config.training(*tuned.split("@"))
        return training.samples * training.epochs

    def summed(self, count: Callable[[str], int]) -> int:
        """Return a count over all benchmarks of the tables."""
        return sum(count(name) for name in self.config.tests)


@dataclass(frozen=True)
class Unit:
    """What the items of a step are, which wildcards its jobs have, and how many items one has."""

    name: str
    wildcards: tuple[str, ...]
    count: Callable[[Counts, Wildcards], int]


def _each(name: str, wildcard: str, method: Callable[[Counts, str], int], *others: str) -> Unit:
    return Unit(name, (wildcard, *others), lambda counts, values: method(counts, values[wildcard]))


def _whole(name: str, count: Callable[[Counts], int], *wildcards: str) -> Unit:
    return Unit(name, wildcards, lambda counts, _: count(counts))


_IMAGES = _each("images", "benchmark", Counts.images)
_ELEMENTS = _each("elements", "benchmark", Counts.elements)
_QUESTIONS = _each("questions", "benchmark", Counts.questions)
_CAPTIONS = _each("captions", "source", Counts.captions)
_SCENES = _each("scenes", "pool", Counts.scenes)
_DRAWN = _whole("captions", Counts.all_captions, "mixture")
_SUITE = Unit("items", ("model", "evaluated"), lambda counts, values: counts.suite(values["evaluated"]))
_SUITE_ITEMS = Unit("items", ("evaluated", "wording"), lambda counts, values: counts.suite(values["evaluated"]))
_ESTIMATED = _each("items", "estimated", lambda counts, name: counts.suite(name.removeprefix("ablation.")))
_HALLUCINATION = _whole("items", lambda counts: counts.suites("hallucination"), "model")
_GENERAL = _whole("items", lambda counts: counts.suites("general"), "model")
_ABLATION = _whole("items", Counts.ablation_suites, "model")
_JUDGED = {
    "hallucination": _whole("items", lambda counts: counts.judged("hallucination"), "model"),
    "general": _whole("items", lambda counts: counts.judged("general"), "model"),
}
_FINER = _whole("questions asked", lambda counts: counts.summed(counts.asked), "model")
_ROWS = _whole("verdicts", lambda counts: len(counts.config.rows) * counts.summed(counts.asked))
_ABLATED = _whole("questions asked", lambda counts: sum(map(counts.asked, counts.config.ablated())), "model")
_GRANULARITY = _whole("questions asked", lambda counts: counts.summed(counts.granularity), "model")
_STUDY = _whole("verdicts", lambda counts: len(counts.config.rows) * counts.summed(counts.granularity))
_COMPARED = _whole("verdicts", lambda counts: len(counts.config.rows) * counts.summed(counts.questions))

# Steps whose time and memory grow with the preset, and what they grow with. All other steps cost what they cost.
# A step is a rule, or several whose names begin with it (`step_of`).
UNITS: dict[str, Unit] = {
    "world_comprecap": _SCENES, "world_docci": _SCENES, "world_pixmo": _SCENES, "world_instruct": _SCENES,
    "world_suite": _each("items", "evaluated", Counts.suite),
    "read_comprecap": _IMAGES, "read_docci": _IMAGES, "read_csv": _IMAGES, "import_interchange": _QUESTIONS,
    "scene_graphs_from_annotations": _IMAGES, "scene_graphs_from_captions": _IMAGES,
    "scene_graphs_by_model": _IMAGES, "propose_by_model_0": _ELEMENTS,
    "propose_by_model": _each("elements", "benchmark", lambda counts, name: counts.elements(name, 1)),
    "propose": _ELEMENTS, "settle_negatives": _ELEMENTS, "compose": _QUESTIONS, "export_interchange": _QUESTIONS,
    "verify_0": _ELEMENTS, "verify": _each("elements", "benchmark", lambda counts, name: counts.elements(name, 1)),
    "granularity": _each("questions", "benchmark", Counts.granularity), "yields": _IMAGES, "text_ranker":
    _whole("questions", lambda counts: counts.summed(counts.questions)),
    "judge_negatives": _ELEMENTS, "settle_unverified": _ELEMENTS, "compose_unverified": _QUESTIONS,
    "items_unverified": _QUESTIONS, "audit": _QUESTIONS,
    "items_finer": _QUESTIONS, "items_granularity": _each("questions", "benchmark", Counts.granularity),
    "answer_finer": _FINER, "verdicts_finer": _FINER, "estimates_finer": _ROWS, "comparisons_finer": _ROWS,
    "answer_granularity": _GRANULARITY, "verdicts_granularity": _GRANULARITY, "estimates_granularity": _STUDY,
    "comparisons_granularity": _STUDY,
    "answer_unverified": _whole("questions", lambda counts: counts.summed(counts.questions), "model"),
    "verdicts_unverified": _whole("questions", lambda counts: counts.summed(counts.questions), "model"),
    "estimates_unverified": _COMPARED,
    "answer_ablation": _ABLATED, "verdicts_ablation": _ABLATED, "estimates_ablation": _ROWS,
    "comparisons_ablation": _ROWS, "estimates_study": _ROWS,
    "answer_hallucination_suites": _HALLUCINATION, "answer_general_suites": _GENERAL,
    "answer_ablation_suites": _ABLATION,
    "verdicts_hallucination": _HALLUCINATION, "verdicts_general": _GENERAL, "verdicts_ablation_suites": _ABLATION,
    **{f"{role}_{table}": unit for role in ("judge", "second_judge") for table, unit in _JUDGED.items()},
    "items_suite": _SUITE_ITEMS, "import_predictions": _SUITE, "export_predictions": _SUITE,
    "export_questions": _SUITE_ITEMS, "estimates_suite": _ESTIMATED,
    "read_long_captions": _CAPTIONS, "import_sharegpt": _CAPTIONS, "scene_graphs_of_long_captions": _CAPTIONS,
    "phrase": _CAPTIONS, "phrase_by_model": _CAPTIONS, "edit": _CAPTIONS, "edit_by_model": _CAPTIONS,
    "preference_pairs": _CAPTIONS, "leaks": _CAPTIONS,
    "without_leaks": _CAPTIONS, "mixture": _DRAWN, "mixture_held_out": _DRAWN, "export_sharegpt": _DRAWN,
    "train_adapter": _each("preference pairs", "tuned", Counts.pairs),
    "base_train": _whole("scenes", lambda counts: counts.scenes("base"), "model"),
}  # fmt: skip

# Rules of the same kind whose costs do not grow.
_KINDS = ("table_study", "figure_study", "table_ablation")
STEPS: dict[str, str] = {step: unit.name for step, unit in UNITS.items()} | dict.fromkeys(_KINDS, "jobs")


def step_of(rule: str, steps: Mapping[str, object]) -> str | None:
    """Return the step that a rule belongs to: the longest name that the rule's is or begins with."""
    found = [step for step in steps if rule == step or rule.startswith(f"{step}_")]
    return max(found, key=len, default=None)
