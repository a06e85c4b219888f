"""One schema a table: column types, which columns may be empty, and the key. The map of the system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

TEXT, INT, REAL, FLAG = pl.String(), pl.Int64(), pl.Float64(), pl.Boolean()
NAMED = pl.List(pl.Struct({"name": pl.String(), "value": pl.String()}))
PARTS = pl.List(pl.Struct({"name": pl.String(), "value": pl.Float64()}))
TEXTS, INTS, REALS = pl.List(pl.String()), pl.List(pl.Int64()), pl.List(pl.Float64())


@dataclass(frozen=True)
class Table:
    """A table's name, columns in order, key columns (unique together) and nullable columns.

    ``choices`` lists the values a text column may take.
    """

    name: str
    columns: Mapping[str, pl.DataType]
    key: tuple[str, ...]
    nullable: frozenset[str] = frozenset()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def empty(self) -> pl.DataFrame:
        """Return the table without rows."""
        return pl.DataFrame(schema=dict(self.columns))


SETTINGS = ("multi_obj", "multi_attr", "multi_rel", "wh")
POLARITIES = ("positive", "negative")
ELEMENT_KINDS = ("object", "attribute", "relation")
NEGATIVE_KINDS = ("object", "attribute", "predicate", "relation_object")
CHECKS = ("passed", "sure_failure", "unsure_failure", "skipped")
ANSWERING = ("letter", "text", "likelihood", "yes_no", "free")
CONTROLS = ("none", "wrong_image", "text_only")
PHRASE_TYPES = ("obj", "attr", "rel", "wh")
IMAGE_CLASSES = ("natural_image", "chart_graph", "screenshot_ui", "document_text")
POOLED = "pooled"  # the benchmark of estimates over all benchmarks together
BASE = "base"  # the variant of a model without an adapter

# ---------------------------------------------------------------- benchmark side
IMAGES = Table(
    "images",
    {
        "image_id": TEXT,  # stable_key(benchmark, sha256) or, without an image file, (benchmark, file name)
        "benchmark": TEXT,
        "split": TEXT,
        "file_name": TEXT,
        "path": TEXT,  # from the folder the rule runs in; empty for captions without images
        "width": INT,
        "height": INT,
        "sha256": TEXT,
    },
    key=("image_id",),
    nullable=frozenset({"path", "width", "height", "sha256"}),
)
CAPTIONS = Table(
    "captions",
    {"caption_id": TEXT, "image_id": TEXT, "benchmark": TEXT, "example_id": TEXT, "text": TEXT},
    key=("caption_id",),
)
ELEMENTS = Table(
    "elements",
    {
        "element_id": TEXT,
        "image_id": TEXT,
        "benchmark": TEXT,
        "kind": TEXT,  # object, attribute, relation
        "position": INT,  # order within (image, kind), from 0
        "text": TEXT,  # object: "fire hydrant"; attribute: "with a red color"; relation: "is lying on"
        "category": TEXT,  # object: head noun, singular; attribute: class (color, …); relation: predicate class
        "value": TEXT,  # attribute: the bare value ("red"); else null
        "plural": FLAG,  # of an object: "three towels" is plural; false otherwise
        "parent_id": TEXT,  # attribute: its object; relation: its subject
        "target_id": TEXT,  # relation: its object
        "ambiguous": FLAG,  # object: another instance of its category may be meant by the same words
        "source": TEXT,  # annotation or caption_rules
        "evidence": TEXT,  # the sentence that states it
    },
    key=("element_id",),
    nullable=frozenset({"value", "parent_id", "target_id", "evidence"}),
    choices={"kind": ELEMENT_KINDS},
)
NEGATIVES = Table(
    "negatives",
    {
        "negative_id": TEXT,
        "element_id": TEXT,
        "image_id": TEXT,
        "round": INT,  # 0: first proposal; k: proposed anew after k failed checks
        "rank": INT,  # 0..3; rank 0 is the negative that a negative question asks about
        "negative_kind": TEXT,  # object, attribute, predicate, relation_object
        "text": TEXT,  # replaces elements.text (object: "dog"; attribute: "with a blue color"; relation: predicate)
        "target_text": TEXT,  # relation: the object named after the predicate, without article; else null
        "plural": FLAG,
        "proposer": TEXT,  # lexicon, …
    },
    key=("negative_id",),
    nullable=frozenset({"target_text"}),
    choices={"negative_kind": NEGATIVE_KINDS},
)
NEGATIVE_CHECKS = Table(
    "negative_checks",
    {
        "element_id": TEXT,
        "image_id": TEXT,
        "round": INT,
        "verifier": TEXT,  # name of the model, or "none"
        "check": TEXT,  # passed, sure_failure (low entropy), unsure_failure, skipped
        "picked": INT,  # 0: the true element; 1..4: negative of that rank + 1
        "probabilities": REALS,  # of the five, true one first, mean over the five cyclic option orders
        "entropy": REAL,  # of these, divided by ln 5: 0..1
        "letters": TEXTS,  # the letter picked in each order
        "run_id": TEXT,
    },
    key=("element_id", "round"),
    nullable=frozenset({"picked", "probabilities", "entropy", "letters"}),
    choices={"check": CHECKS},
)
PAIRS = Table(
    "pairs",
    {
        "mcq_id": TEXT,
        "pair_id": TEXT,
        "image_id": TEXT,
        "benchmark": TEXT,
        "setting": TEXT,
        "polarity": TEXT,
        "qtype": TEXT,  # setting + "_pos" / "_neg"
        "question": TEXT,
        "options": TEXTS,  # five, in the order shown
        "gt_index": INT,  # 0-based
        "entity_count": INT,  # null after an import: the interchange form does not carry it
        "edited_slot": INT,
        "negative_kind": TEXT,
        "edited_element_id": TEXT,
        "element_ids": TEXTS,
        "check": TEXT,  # how the edited element's negatives fared: passed, …, skipped
    },
    key=("mcq_id",),
    nullable=frozenset({"entity_count", "edited_slot", "negative_kind", "edited_element_id", "element_ids", "check"}),
    choices={"setting": SETTINGS, "polarity": POLARITIES},
)
GRANULARITY = Table(
    "granularity",
    {
        "query_id": TEXT,
        "pair_id": TEXT,  # the wrong query and the matched true one
        "image_id": TEXT,
        "benchmark": TEXT,
        "level": INT,  # 1..7
        "polarity": TEXT,  # negative: the right answer is "no"; positive: "yes"
        "question": TEXT,
        "element_ids": TEXTS,
        "edited_element_id": TEXT,
    },
    key=("query_id",),
    choices={"polarity": POLARITIES},
)
DROPS = Table(
    "drops",
    {
        "stage": TEXT,  # read, scene_graph, negatives, pairs, granularity, …
        "benchmark": TEXT,
        "image_id": TEXT,
        "item": TEXT,  # element id, setting, file name: what was dropped
        "reason": TEXT,  # a short fixed word, to be counted
        "detail": TEXT,
    },
    key=(),
    nullable=frozenset({"image_id", "detail"}),
)

# ---------------------------------------------------------------- tuning side
PHRASES = Table(
    "phrases",
    {
        "phrase_id": TEXT,
        "source": TEXT,  # name in preferences.sources
        "image_id": TEXT,
        "caption_id": TEXT,
        "phrase_type": TEXT,
        "phraser": TEXT,  # rules, or a language model's name
        "text": TEXT,  # frame and slots in turn
        "frame": TEXTS,  # what stands before, between and after the slots: one more than these
        "slots": TEXTS,  # obj: "two towels"; attr, wh: "with a red color"; rel: "is lying on the chair"
        "element_ids": TEXTS,  # of the slots; none where a language model stated the phrase
        "subject": TEXT,  # whose slots these are, without article; wh: the side that is named; obj: null
        "subject_id": TEXT,
        "subject_plural": FLAG,
        "question": TEXTS,  # wh: the frame of the question, with the same slots; else null
        "answer": TEXT,  # wh: the plain answer; else null
    },
    key=("phrase_id",),
    nullable=frozenset({"subject", "subject_id", "question", "answer"}),
    choices={"phrase_type": PHRASE_TYPES},
)
EDITS = Table(
    "edits",
    {
        "edit_id": TEXT,
        "phrase_id": TEXT,
        "source": TEXT,
        "image_id": TEXT,
        "editor": TEXT,  # rules, or a language model's name
        "slot": INT,  # 0-based: the slot that was to be replaced
        "element_id": TEXT,  # of that slot; null where a language model stated the phrase
        "negative_kind": TEXT,  # what changed in it; null where an editor does not tell
        "original": TEXT,
        "replacement": TEXT,
        "slots": TEXTS,  # all slots after the edit
    },
    key=("edit_id",),
    nullable=frozenset({"element_id", "negative_kind"}),
    choices={"negative_kind": NEGATIVE_KINDS},
)
LEAKS = Table(
    "leaks",
    {
        "source": TEXT,
        "image_id": TEXT,
        "file_name": TEXT,
        "benchmark": TEXT,  # whose image it is, or looks like
        "other_image_id": TEXT,
        "other_file_name": TEXT,
        "found_by": TEXT,  # content (SHA-256), or look (perceptual hash)
        "distance": INT,  # bits of 256 in which the perceptual hashes differ; content: 0
    },
    key=("image_id", "other_image_id"),
    choices={"found_by": ("content", "look")},
)
PREFERENCES = Table(
    "preferences",
    {
        "preference_id": TEXT,  # stable_key of phrase, edit and polarity; after an import, of the row's content
        "source": TEXT,  # name in preferences.sources
        "image_id": TEXT,
        "image_path": TEXT,
        "image_class": TEXT,
        "caption_id": TEXT,  # with the type, what a mixture draws one query of; null after an import
        "phrase_id": TEXT,
        "edit_id": TEXT,
        "phrase_type": TEXT,
        "polarity": TEXT,  # of the query: positive asks for something true
        "wording": INT,  # which of the five wordings; null for wh and after an import
        "question": TEXT,
        "chosen": TEXT,
        "rejected": TEXT,
    },
    key=("preference_id",),
    nullable=frozenset({"caption_id", "phrase_id", "edit_id", "wording", "image_class"}),
    choices={"phrase_type": PHRASE_TYPES, "polarity": POLARITIES, "image_class": IMAGE_CLASSES},
)
TRAINING_LOG = Table(
    "training_log",
    {
        "model": TEXT,
        "variant": TEXT,
        "split": TEXT,  # train: mean over the pairs since the row before; held_out: over the held-out pairs
        "step": INT,  # optimiser steps so far
        "pairs": INT,  # pairs seen so far
        "loss": REAL,
        "accuracy": REAL,  # DPO: share of pairs with the chosen answer's reward above the rejected one's; else null
        "margin": REAL,  # DPO: mean difference of these rewards
        "chosen_reward": REAL,
        "rejected_reward": REAL,
        "gradient_norm": REAL,
        "learning_rate": REAL,
    },
    key=("model", "variant", "split", "step"),
    nullable=frozenset({"accuracy", "margin", "chosen_reward", "rejected_reward", "gradient_norm", "learning_rate"}),
)

# ---------------------------------------------------------------- evaluation side, the same for every suite
ITEMS = Table(
    "items",
    {
        "item_id": TEXT,
        "suite": TEXT,  # finer, granularity, …
        "benchmark": TEXT,
        "image_paths": TEXTS,  # what is shown: the image, for a control another one or none
        "image_id": TEXT,  # cluster of the error
        "prompt": TEXT,  # what the user says after the image(s)
        "answering": TEXT,  # letter (options A..), text, likelihood, yes_no, free (some words)
        "options": TEXTS,  # the texts behind the letters; ["yes", "no"] for yes_no
        "answer_index": INT,  # the right option, 0-based
        "group_id": TEXT,  # the pair
        "grouping": TEXT,  # multi_obj … wh, or level_1 … level_7: the cell of the table
        "polarity": TEXT,
        "entity_count": INT,
        "control": TEXT,
        "references": TEXTS,  # free: answers that count as right, in the suite's own order and number
        "groups": NAMED,  # further keys that a metric groups by: figure, question, circular group, …
        "labels": NAMED,  # what else the official file says and a metric needs: category, association words as JSON, …
        "max_new_tokens": INT,  # null: as configured
    },
    key=("item_id", "answering", "control"),
    nullable=frozenset(
        {"entity_count", "polarity", "answer_index", "references", "groups", "labels", "max_new_tokens"}
    ),
    choices={"answering": ANSWERING, "control": CONTROLS},
)
RESPONSES = Table(
    "responses",
    {
        "item_id": TEXT,
        "model": TEXT,
        "variant": TEXT,  # base, or the name of an adapter
        "answering": TEXT,
        "control": TEXT,
        # Greedy text, at most as many new tokens as asked for; text: the option that would be said. Null: not asked,
        # since the engine cannot ask it; such a response gets no verdict.
        "text": TEXT,
        # Natural log-probability of each option (letter: of its letter as first token); null where it is not told.
        "option_logprobs": REALS,
        "option_mean_logprobs": REALS,  # the same per token of the option
        "option_first_logprobs": REALS,  # text: of each option's first word, one value a distinct word
        "engine": TEXT,  # its name, a blank, its version
        "run_id": TEXT,
    },
    key=("item_id", "model", "variant", "answering", "control"),
    nullable=frozenset({"text", "option_logprobs", "option_mean_logprobs", "option_first_logprobs"}),
    choices={"answering": ANSWERING, "control": CONTROLS},
)
VERDICTS = Table(
    "verdicts",
    {
        "item_id": TEXT,
        "model": TEXT,
        "variant": TEXT,
        "answering": TEXT,
        "control": TEXT,
        "scorer": TEXT,  # strict, upstream, sum, mean, …
        "prediction": INT,  # option index; null where unparsed
        "score": REAL,
        "unparsed": FLAG,
        "read": TEXT,  # free: what was read from the response, as it was compared
        "parts": PARTS,  # what a ratio needs of this response beside its score: errors, kept, covered, …
    },
    key=("item_id", "model", "variant", "answering", "control", "scorer"),
    nullable=frozenset({"prediction", "read", "parts"}),
)
JUDGEMENTS = Table(
    "judgements",
    {
        "judge": TEXT,  # name of the judge: rules, or a model's
        "judge_revision": TEXT,
        "prompt": TEXT,  # "<suite>.<wording> <version>" of judge_prompts.yaml
        "item_id": TEXT,
        "model": TEXT,
        "variant": TEXT,
        "answering": TEXT,
        "control": TEXT,
        "request_hash": TEXT,  # of prompt and request: what a reply is found again by
        "request": TEXT,
        "reply": TEXT,  # as the judge gave it; a model's as its form, or "(why there is none)", or "": nobody replied
        "parser": TEXT,  # what read it: rating_json, rating_line, correct_json, correctness_json
        "verdict": REAL,  # 0..6, or 1 right, 0 wrong, 0.5 neither; null: unparsed
        "reason": TEXT,
        "unparsed": FLAG,
        "run_id": TEXT,  # of the run that asked
    },
    key=("judge", "judge_revision", "prompt", "item_id", "model", "variant", "answering", "control"),
    nullable=frozenset({"verdict", "reason"}),
    choices={"answering": ANSWERING, "control": CONTROLS},
)
JUDGE_AGREEMENT = Table(
    "judge_agreement",
    {
        "suite": TEXT,
        "judge": TEXT,  # "<name> <revision>"
        "other": TEXT,
        "statistic": TEXT,  # agreement, kappa; of ratings also hallucination_…, weighted_kappa, rank_correlation
        "value": REAL,  # agreement: percent; null where it is not defined
        "ci_low": REAL,
        "ci_high": REAL,
        "n": INT,  # responses that both judged
        "n_images": INT,
        "unparsed": INT,  # of these, with an unreadable verdict of either
    },
    key=("suite", "judge", "other", "statistic"),
    nullable=frozenset({"value", "ci_low", "ci_high"}),
)
ESTIMATES = Table(
    "estimates",
    {
        "model": TEXT,
        "variant": TEXT,
        "benchmark": TEXT,  # or "pooled": all of them together
        "setting": TEXT,  # multi_obj …, or level_1 …
        "answering": TEXT,
        "scorer": TEXT,
        "control": TEXT,  # none: asked with the right image
        "statistic": TEXT,  # paired_accuracy, positive_accuracy, no_share, yes_share, d_prime, criterion, gain_…
        "entity_count": INT,  # null: all
        "value": REAL,  # percent (differences: points), but for d_prime and criterion
        "ci_low": REAL,
        "ci_high": REAL,
        "n": INT,  # pairs (or queries)
        "n_images": INT,
        "interval": TEXT,  # bootstrap, wilson (of a difference: newcombe) or none
    },
    key=("model", "variant", "benchmark", "setting", "answering", "scorer", "control", "statistic", "entity_count"),
    nullable=frozenset({"entity_count", "value", "ci_low", "ci_high"}),
    choices={"control": CONTROLS},
)
COMPARISONS = Table(
    "comparisons",
    {
        "model": TEXT,
        "variant": TEXT,
        "against": TEXT,  # the variant of the same model that it is compared with
        "benchmark": TEXT,
        "setting": TEXT,
        "answering": TEXT,
        "scorer": TEXT,
        "control": TEXT,  # of a gain: the control that it is a gain over
        "statistic": TEXT,
        "value": REAL,  # variant minus against, in points
        "ci_low": REAL,
        "ci_high": REAL,
        "p_value": REAL,  # two-sided, whole images sign-flipped; not corrected
        "n": INT,
        "n_images": INT,
        "interval": TEXT,  # bootstrap or newcombe
    },
    key=("model", "variant", "against", "benchmark", "setting", "answering", "scorer", "control", "statistic"),
    nullable=frozenset({"value", "ci_low", "ci_high", "p_value"}),
    choices={"control": CONTROLS},
)
SUITE_ESTIMATES = Table(
    "suite_estimates",
    {
        "suite": TEXT,
        "model": TEXT,
        "variant": TEXT,
        "scorer": TEXT,
        "split": TEXT,  # all, or a part of the suite as its official metric names it
        "statistic": TEXT,  # accuracy, f1, pair_accuracy, chair, …
        "value": REAL,  # null where it is not defined: 0 / 0
        "ci_low": REAL,
        "ci_high": REAL,
        "n": INT,  # items, pairs or groups that it is a share of
        "n_clusters": INT,  # what is resampled together: images, or groups of questions
        "unparsed": REAL,  # percent of the responses of the split
    },
    key=("suite", "model", "variant", "scorer", "split", "statistic"),
    nullable=frozenset({"value", "ci_low", "ci_high"}),
)
SUITE_COMPARISONS = Table(
    "suite_comparisons",
    {
        "suite": TEXT,
        "model": TEXT,
        "variant": TEXT,
        "against": TEXT,
        "scorer": TEXT,
        "split": TEXT,
        "statistic": TEXT,
        "value": REAL,  # variant minus against
        "ci_low": REAL,
        "ci_high": REAL,
        "p_value": REAL,  # two-sided, the two variants' answers swapped cluster by cluster; not corrected
        "n": INT,
        "n_clusters": INT,
    },
    key=("suite", "model", "variant", "against", "scorer", "split", "statistic"),
    nullable=frozenset({"value", "ci_low", "ci_high", "p_value"}),
)
TEXT_RANKER = Table(
    "text_ranker",
    {
        "benchmark": TEXT,
        "setting": TEXT,
        "features": TEXT,  # the group that a reader of the text alone ranks by: prior, similarity, …, or all
        "value": REAL,  # paired accuracy, percent
        "ci_low": REAL,
        "ci_high": REAL,
        "n": INT,  # pairs
        "n_images": INT,
    },
    key=("benchmark", "setting", "features"),
    choices={"setting": SETTINGS},
)
TRUTHS = Table("truths", {"negative_id": TEXT, "is_true": FLAG}, key=("negative_id",))
AUDIT = Table(
    "audit",
    {
        "benchmark": TEXT,
        "section": TEXT,  # true_negatives_before, …_after, verifier, false_labels, duplicates, drops, positions
        "name": TEXT,
        "value": REAL,  # percent; of the position "p": the p-value of a chi-squared test; null for bare counts
        "ci_low": REAL,
        "ci_high": REAL,
        "count": INT,
        "n": INT,  # that the count is out of; null: of nothing
    },
    key=("benchmark", "section", "name"),
    nullable=frozenset({"value", "ci_low", "ci_high", "count", "n"}),
)
RUNS = Table(
    "runs",
    {
        "run_id": TEXT,  # stable key of what determines the output; the rest of the row is provenance
        "verb": TEXT,
        "model": TEXT,
        "model_revision": TEXT,
        "variant": TEXT,
        "adapter_revision": TEXT,
        "prompt_hash": TEXT,
        "config_hash": TEXT,
        "code_hash": TEXT,
        "lock_hash": TEXT,
        "image_digest": TEXT,  # container image, or "none"
        "hardware": TEXT,
        "started": TEXT,
        "seconds": REAL,
        "items": INT,
        "engine": TEXT,  # what asked the model: its name, a blank, its version
        "numerics": TEXT,  # JSON: precision, device, attention, how images become pixels, …
        "source": TEXT,  # "repository@commit" of a checkpoint that was retrieved
        "unasked": INT,  # items that the engine cannot ask
    },
    key=("run_id",),
    nullable=frozenset(
        {
            "model",
            "model_revision",
            "variant",
            "adapter_revision",
            "prompt_hash",
            "items",
            "engine",
            "numerics",
            "source",
            "unasked",
        }
    ),
)

CALLS = Table(
    "calls",
    {
        "call_id": TEXT,  # stable_key(run_id, request_hash)
        "run_id": TEXT,
        "role": TEXT,
        "subject": TEXT,  # stable key of the row that the question is about
        "attempt": INT,  # 0: first asked; above: sent back with what was wrong
        "model": TEXT,
        "revision": TEXT,
        "prompt_hash": TEXT,
        "request_hash": TEXT,  # where the reply is kept
        "request": TEXT,  # JSON
        "reply": TEXT,
        "finish": TEXT,
        "problem": TEXT,  # what was wrong with the reply
        "input_tokens": INT,
        "output_tokens": INT,
        "cost": REAL,  # at the configured prices, whenever it was paid
    },
    key=("call_id", "subject"),
    nullable=frozenset({"revision", "reply", "finish", "problem", "input_tokens", "output_tokens", "cost"}),
)

PARITY = Table(
    "parity",
    {
        "model": TEXT,
        "engine": TEXT,  # as in RESPONSES; a path of it after another blank
        "other": TEXT,
        "items": INT,
        "agreement": REAL,  # percent of the items with the same letter
        "compared": INT,  # log-probabilities of letters that both told
        "largest_gap": REAL,  # between these; null where there are none
        "mean_gap": REAL,
        "run_id": TEXT,
    },
    key=("model", "engine", "other"),
    nullable=frozenset({"largest_gap", "mean_gap"}),
)

TABLES = {
    table.name: table
    for table in (
        IMAGES, CAPTIONS, ELEMENTS, NEGATIVES, NEGATIVE_CHECKS, PAIRS, GRANULARITY, DROPS,
        PHRASES, EDITS, LEAKS, PREFERENCES, TRAINING_LOG,
        ITEMS, RESPONSES, VERDICTS, ESTIMATES, COMPARISONS, SUITE_ESTIMATES, SUITE_COMPARISONS,
        JUDGEMENTS, JUDGE_AGREEMENT,
        TEXT_RANKER, TRUTHS, AUDIT, RUNS, CALLS, PARITY,
    )
}  # fmt: skip
