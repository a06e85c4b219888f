"""HallusionBench with a judge: beside the two scorers by rule, whether a judge calls a reply correct, as upstream does.

Chosen by ``module: hallusionbench_judged`` in the configuration; its numbers are those of the scorer ``judge``.
Upstream finds the verdict as a substring of GPT-4's free text; here the judge fills in a form. The rules of the micro
world judge no such questions: the judge must be a language model.
"""

from __future__ import annotations

from dataclasses import replace

from finer.suites.hallusionbench import JUDGE
from finer.suites.hallusionbench import SUITE as BY_RULE
from finer.suites.suite import JUDGED

SUITE = replace(
    BY_RULE,
    scorers={way: {**scorers, JUDGE: f"{JUDGED}any"} for way, scorers in BY_RULE.scorers.items()},
    column_scorer=JUDGE,
)
