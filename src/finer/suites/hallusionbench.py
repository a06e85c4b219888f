"""HallusionBench: yes/no questions with control pairs: the same question of a figure, of an edited one, and of none.

Official file: ``HallusionBench.json``, an array in which all values are texts (``category`` VD or VS, ``subcategory``,
``visual_input`` 0 none, 1 the figure, 2 an edited one, ``set_id``, ``figure_id``, ``question_id``, ``gt_answer`` 0 no,
1 yes, …); images by ``filename``, which is null where there is none: figure 0 of the category VS.

Upstream asks GPT-4 whether a reply is correct, incorrect or unclear; here the first word decides, and a reply that does
not begin with yes or no is unclear. "Unclear" is right where there is no image, else wrong. The toolkit leaves these
questions out (1129 -> 951) and reads the one of the words yes and no that occurs. The module
``finer.suites.hallusionbench_judged`` asks a judge as well, as upstream does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from finer.raw.records import BadItems, BadRecordError
from finer.suites.files import Record, bad_row, json_array, made, one_of, question_items, text_of
from finer.suites.prompts import wording
from finer.suites.suite import Array, Sources, Statistic, Suite, entry, long, mean_of_ratios, named, ratio
from finer.suites.yes_no import YES_NO

SUBCATEGORIES = {
    "VD": ("figure", "illusion", "math", "ocr", "video"), "VS": ("chart", "map", "ocr", "table"),
}  # fmt: skip
KEYS = ("category", "subcategory", "set_id", "figure_id", "question_id")
FIELDS = (*KEYS, "visual_input", "question", "gt_answer_details", "gt_answer", "filename")
NO_IMAGE, FIGURE, EDITED = "0", "1", "2"  # visual_input
ORIGINAL = "0"  # figure_id of the version that the others of a question are compared with
MAX_NEW_TOKENS = 64  # the prompt asks for no form, so that yes or no may come late
JUDGE, UNCLEAR = "judge", 0.5  # the scorer of a judge's verdicts, and its score of a reply that takes no side
_GROUPS = ("set", "figure", "visual_input")


def read(sources: Sources, bad: BadItems) -> pl.DataFrame:
    """Return ITEMS: one a row; ``group_id``: the question in all its versions, within a set of figures.

    Raises:
        InputError: also where a question lacks the version that its others are compared with. With a bad row dropped,
            its whole set is: figures and questions are right only as a whole.
    """
    file = sources.raw / "HallusionBench.json" if sources.raw.is_dir() else sources.raw
    records = list(json_array(file, FIELDS, bad))
    items = question_items(made(records, partial(_row, sources, file), bad), "hallusionbench", sources, bad)
    wanted = Counter(_set(record) for _, record in records)
    incomplete = dict(_incomplete(items, wanted))
    for name, reason in incomplete.items():
        bad.take(_incomplete_set(file, name, reason), name)
    kept = items.filter(~entry("groups", "set").is_in(list(incomplete)))
    bad.refuse_nothing_left(file, kept.height)
    return kept


def _row(sources: Sources, file: Path, where: str, record: Record) -> dict[str, Any]:
    category = one_of(record, "category", tuple(SUBCATEGORIES), file, where)
    subcategory = one_of(record, "subcategory", SUBCATEGORIES[category], file, where)
    shown = one_of(record, "visual_input", (NO_IMAGE, FIGURE, EDITED), file, where)
    yes = one_of(record, "gt_answer", ("0", "1"), file, where) == "1"
    key = [text_of(record, name, file, where) for name in KEYS]
    imageless = category == "VS" and record["figure_id"] == ORIGINAL
    if (shown == NO_IMAGE) != imageless:
        raise bad_row("contradiction", "an image where there is none, or none where there is one", file, where,
                      "visual_input", shown, "0 for figure 0 of the category VS, and only there")  # fmt: skip
    if imageless and record["filename"] is not None:
        raise bad_row("contradiction", "a file of no image", file, where, "filename", record["filename"], "null")
    name, figure, question = _set(record), record["figure_id"], record["question_id"]
    asked = text_of(record, "question", file, where)
    return {
        "key": ":".join(key), "image": None if imageless else text_of(record, "filename", file, where),
        "prompt": wording("hallusionbench", sources.prompt).format(question=asked), "answering": "yes_no",
        "options": list(YES_NO), "answer_index": YES_NO.index("yes" if yes else "no"),
        "grouping": f"{category}_{subcategory}", "group_id": f"{name}:question {question}",
        "groups": named(set=name, figure=figure, visual_input=shown),
        "labels": named(details=str(record["gt_answer_details"]), question=asked), "max_new_tokens": MAX_NEW_TOKENS,
    }  # fmt: skip


def _set(record: Record) -> str:
    # All three: "ocr" is a subcategory of both categories, and sets are numbered within a subcategory.
    return f"{record['category']}_{record['subcategory']}:{record['set_id']}"


def _incomplete(items: pl.DataFrame, wanted: Counter[str]) -> Iterator[tuple[str, str]]:
    """Yield (set, reason) of the sets that cannot be judged."""
    rows = items.with_columns(entry("groups", name) for name in _GROUPS)
    for name, kept in sorted(rows["set"].value_counts().iter_rows()):
        if kept < wanted[name]:
            yield name, f"{wanted[name] - kept} of its rows dropped"
    original = rows.group_by("set", "group_id").agg((pl.col("figure") == ORIGINAL).any().alias("has"))
    for name, question in original.filter(~pl.col("has")).select("set", "group_id").sort("group_id").iter_rows():
        yield name, f"'{question}' without its version of figure {ORIGINAL}"


def _incomplete_set(file: Path, name: str, reason: str) -> BadRecordError:
    return bad_row("incomplete_set", "an incomplete set of figures", file, f"set '{name}'", "figure_id", reason,
                   "every row of the set")  # fmt: skip


# ---------------------------------------------------------------- sums
def tally(judged: pl.DataFrame) -> pl.DataFrame:
    """Return sums per set of figures, "<split>.<part>": of questions, figures, pairs and what made pairs wrong.

    ``right`` is the official correctness: the right answer, or no clear one where there is no image.
    """
    by_judge = pl.col("scorer") == JUDGE
    rows = judged.with_columns(entry("groups", name) for name in _GROUPS).with_columns(
        imageless=pl.col("visual_input") == NO_IMAGE, yes=pl.col("answer_index") == YES_NO.index("yes"),
        # A judge says that a reply is unclear; a verdict of it that cannot be read says nothing, and counts as wrong.
        unclear=pl.when(by_judge).then(pl.col("score") == UNCLEAR).otherwise("unparsed"), wrong=pl.col("score") < 1,
    ).with_columns(right=~pl.col("wrong") | (pl.col("imageless") & pl.col("unclear")))  # fmt: skip
    blamed = _blamed(rows)
    found = []
    for split in SPLITS:
        part = _of_split(rows, split)
        found += [
            _questions(part, split),
            _together(part.filter(~pl.col("imageless")), "figure", f"{split}.figures"),
            _together(part, "group_id", f"{split}.pairs"),
            _together(part.filter(pl.col("visual_input") != EDITED), "group_id", f"{split}.easy"),
            _together(part.filter(pl.col("visual_input") == EDITED), "group_id", f"{split}.hard"),
        ]
    return _with_all_parts(pl.concat([*found, blamed]), str(rows["set"].min()))


def _of_split(rows: pl.DataFrame, split: str) -> pl.DataFrame:
    name = split.removesuffix("image").removesuffix("_")
    with_image = rows.filter(~pl.col("imageless")) if split.endswith("image") else rows
    return with_image if name in ("", "all") else with_image.filter(pl.col("grouping").str.starts_with(name))


def _questions(rows: pl.DataFrame, split: str) -> pl.DataFrame:
    """Sum over questions; ``said``: yes as the official script infers it, from being right."""
    wrong = ~pl.col("right")
    counted = {
        "n": pl.lit(1), "right": pl.col("right"), "said": pl.col("right") == pl.col("yes"), "gold": pl.col("yes"),
        "missed": wrong, "missed_no": wrong & ~pl.col("yes"),
    }  # fmt: skip
    named_parts = {f"{split}.{name}": value for name, value in counted.items()}
    return long(rows.select("set", **named_parts), "set", *named_parts)


def _together(rows: pl.DataFrame, key: str, prefix: str) -> pl.DataFrame:
    """Sum over groups: how many, those with all questions right, and those with none."""
    grouped = rows.group_by("set", key).agg(all=pl.col("right").all(), none=~pl.col("right").any())
    parts = {f"{prefix}.n": pl.lit(1), f"{prefix}.right": pl.col("all"), f"{prefix}.none": pl.col("none")}
    return long(grouped.select("set", **parts), "set", *parts)


def _blamed(rows: pl.DataFrame) -> pl.DataFrame:
    """Sum over pairs what is to blame for a wrong one: language, vision, or both, as the official script decides it.

    A second judgement of GPT-4, whether a reply says the same as that to figure 0, is here whether both were read as
    the same answer.
    """
    original = rows.filter(pl.col("figure") == ORIGINAL).select(
        "group_id", was_wrong=pl.col("wrong") & ~pl.col("unclear"), was_unclear="unclear", was_read="prediction"
    )
    joined = rows.join(original, on="group_id", how="left")
    unclear, false = pl.col("unclear"), pl.col("wrong") & ~pl.col("unclear")
    was_right = ~pl.col("was_wrong") & ~pl.col("was_unclear")
    same = (pl.col("prediction") == pl.col("was_read")).fill_null(False)
    first, vd = pl.col("figure") == ORIGINAL, pl.col("grouping").str.starts_with("VD")
    guessed = was_right & false & (pl.col("visual_input") == EDITED) & same
    language = (
        pl.when(vd).then(~first & was_right & false & same)
        .when(first).then(false)
        .otherwise((pl.col("was_wrong") & (false | unclear)) | guessed)
    )  # fmt: skip
    vision = (
        pl.when(vd).then(false | unclear)
        .when(first).then(False)
        .when(pl.col("was_wrong")).then((false & ~same) | unclear)
        .otherwise((false | unclear) & ~guessed)
    )  # fmt: skip
    pairs = joined.group_by("set", "group_id").agg(language=language.any(), vision=vision.any())
    parts = {
        "all.language": pl.col("language") & ~pl.col("vision"), "all.vision": pl.col("vision") & ~pl.col("language"),
        "all.mixed": pl.col("language") & pl.col("vision"), "all.blamed": pl.col("language") | pl.col("vision"),
    }  # fmt: skip
    return long(pairs.select("set", **parts), "set", *parts)


def _with_all_parts(sums: pl.DataFrame, cluster: str) -> pl.DataFrame:
    """Add zeros for the splits that these files do not have."""
    needed = {part for statistic in STATISTICS for part in (*statistic.parts, statistic.n)}
    missing = sorted(needed - set(sums["part"]))
    zeros = pl.DataFrame([(cluster, part, 0.0) for part in missing], schema=sums.schema, orient="row")
    return pl.concat([sums, zeros]).sort("cluster", "part")


# ---------------------------------------------------------------- numbers
_CELLS = tuple(f"{category}_{name}" for category, names in SUBCATEGORIES.items() for name in names)
_WITH_IMAGE = ("image", *(f"{name}_image" for name in (*SUBCATEGORIES, *_CELLS)))
SPLITS = ("all", *SUBCATEGORIES, *_WITH_IMAGE)
_VARIANTS = {
    "official": "the first word instead of GPT-4's judgement", "toolkit": "yes or no as a word instead of a judgement",
    JUDGE: "as the configured judge decides",
}  # fmt: skip


def _difference(said: Array, gold: Array, n: Array) -> Array:
    return ratio(said, n) - ratio(gold, n)


def _accuracies(split: str, scorer: str) -> list[Statistic]:
    shares = {
        "accuracy": ("right", "n"), "figure_accuracy": ("figures.right", "figures.n"),
        "pair_accuracy": ("pairs.right", "pairs.n"), "easy_accuracy": ("easy.right", "easy.n"),
        "hard_accuracy": ("hard.right", "hard.n"),
    }  # fmt: skip
    note = _VARIANTS[scorer] + ("; questions with an image" if split.endswith("image") else "")
    found = [
        Statistic(name, split, scorer, ratio, (f"{split}.{hits}", f"{split}.{trials}"), f"{split}.{trials}",
                  variant=note)
        for name, (hits, trials) in shares.items()
    ]  # fmt: skip
    thirds = [f"{split}.{part}" for name in list(shares)[:3] for part in shares[name]]
    found.append(Statistic("mean_of_three", split, scorer, mean_of_ratios, tuple(thirds), f"{split}.n", variant=note))
    return found


def _diagnosis(split: str, scorer: str) -> list[Statistic]:
    """Return the tendency to say yes, and how consistent the answers about a figure are."""
    n, figures, missed = (f"{split}.{part}" for part in ("n", "figures.n", "missed"))
    note = _VARIANTS[scorer]
    return [
        Statistic("yes_difference", split, scorer, _difference, (f"{split}.said", f"{split}.gold", n), n, "score",
                  variant=note),
        Statistic("false_positive_ratio", split, scorer, ratio, (f"{split}.missed_no", missed), missed, "score",
                  variant=note),
        Statistic("figures_wrong", split, scorer, ratio, (f"{split}.figures.none", figures), figures,
                  lower_is_better=True, variant=note),
        Statistic("figures_inconsistent", split, scorer, _neither,
                  (f"{split}.figures.right", f"{split}.figures.none", figures), figures, lower_is_better=True,
                  variant=note),
    ]  # fmt: skip


def _neither(right: Array, none: Array, n: Array) -> Array:
    return ratio(n - right - none, n)


def _statistics() -> tuple[Statistic, ...]:
    found: list[Statistic] = []
    official = ("all", *SUBCATEGORIES, "image")
    for scorer, splits in (("official", official), (JUDGE, official), ("toolkit", ("all", *_WITH_IMAGE))):
        for split in splits:
            found += _accuracies(split, scorer)
        for split in ("all", "image"):
            found += _diagnosis(split, scorer)
    for name in ("language", "vision", "mixed"):
        found.append(Statistic(f"blame_{name}", "all", "official", ratio, (f"all.{name}", "all.blamed"), "all.blamed",
                               variant=_VARIANTS["official"]))  # fmt: skip
    return tuple(found)


STATISTICS = _statistics()
SUITE = Suite(
    name="hallusionbench", title="HallusionBench", cluster="set of figures", read=read, tally=tally,
    scorers={"yes_no": {"official": "strict_yes_no", "toolkit": "one_word_yes_no"}}, statistics=STATISTICS,
    column="accuracy", column_split="image", column_scorer="toolkit",
)  # fmt: skip
