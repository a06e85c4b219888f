"""Items and responses of an evaluation suite -> verdicts: each response read and scored by each of its scorers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from finer.errors import InputError
from finer.schemas import ITEMS, JUDGEMENTS, RESPONSES, VERDICTS
from finer.scoring import amber, charts, parsers, vqa
from finer.scoring.judges import judged_answers
from finer.scoring.verdicts import check_complete
from finer.store import check_table, read_table, write_table
from finer.suites.suite import JUDGED, Suite, load_suite

_QUESTION = ["item_id", "answering", "control"]
_OPTIONAL = ("prediction", "read", "parts")
#: rows of items joined with responses -> the same with score, unparsed and, where they apply, prediction, read, parts
Score = Callable[[pl.DataFrame], pl.DataFrame]


def by_option(parse: Callable[[pl.Expr], pl.Expr], column: str = "text") -> Score:
    """Return the scorer of a parser that reads the position of an option from the text, or another column."""

    def score(joined: pl.DataFrame) -> pl.DataFrame:
        read = parse(pl.col(column))
        known = pl.when(read < pl.col("options").list.len()).then(read)
        return joined.with_columns(prediction=known).with_columns(
            score=(pl.col("prediction") == pl.col("answer_index")).fill_null(False).cast(pl.Float64),
            unparsed=pl.col("prediction").is_null(),
        )

    return score


def by_option_texts(read: Callable[[str, list[str], int], int | None]) -> Score:
    """Return the scorer of a parser that needs the texts of the options beside the reply."""
    columns = ("text", "options", "answer_index")

    def parse(row: pl.Expr) -> pl.Expr:
        return row.map_elements(lambda found: read(*(found[name] for name in columns)), return_dtype=pl.Int64())

    scored = by_option(parse, "_row")
    return lambda joined: scored(joined.with_columns(_row=pl.struct(columns))).drop("_row")


SCORES: Mapping[str, Score] = {
    "strict_letter": by_option(parsers.strict_letter),
    "lenient_letter": by_option(parsers.lenient_letter),
    "one_character_letter": by_option(parsers.one_character_letter),
    "mmstar_official_letter": by_option(parsers.mmstar_official_letter),
    "whole_word_a_b": by_option(parsers.whole_word_a_b),
    "whole_word_yes_no": by_option(parsers.whole_word_yes_no),
    "toolkit_choice": by_option_texts(parsers.toolkit_choice),
    "crpe_toolkit_choice": by_option_texts(parsers.crpe_toolkit_choice),
    "likeliest_mean": by_option(parsers.likeliest, "option_mean_logprobs"),
    "strict_yes_no": by_option(parsers.strict_yes_no),
    "first_substring_yes_no": by_option(parsers.first_substring_yes_no),
    "pope_official": by_option(parsers.pope_official_yes_no),
    "one_word_yes_no": by_option(parsers.one_word_yes_no),
    "yes_before_no": by_option(parsers.yes_before_no),
    "exact_yes_no": by_option(parsers.exact_yes_no),
    "amber_objects": amber.described(),
    "vqa_soft": vqa.by_soft_accuracy(vqa.official_answer),
    "vqa_soft_toolkit": vqa.by_soft_accuracy(vqa.toolkit_answer),
    "relaxed": charts.by_first_reference(charts.relaxed),
    "relaxed_swapped": charts.by_first_reference(charts.swapped),
    "relaxed_without_stop": charts.by_first_reference(charts.without_stop),
}


def score_suites(
    suites: Sequence[str], items: Sequence[str | Path], responses: Sequence[str | Path],
    judgements: Sequence[str | Path], outputs: Sequence[str | Path],
) -> None:  # fmt: skip
    """Read items and responses, of each suite one file, and write their verdicts.

    Args:
        suites: names or modules of the suites.
        judgements: files of the suites that are judged, in their order.
        outputs: one file a suite.
    """
    loaded = [load_suite(name) for name in suites]
    by_judge = iter(judgements)
    for suite, asked, answered, output in zip(loaded, items, responses, outputs, strict=True):
        judged = read_table(_next(by_judge, suite), JUDGEMENTS) if suite.judged else None
        tables = read_table(asked, ITEMS), read_table(answered, RESPONSES)
        write_table(suite_verdicts(suite, *tables, judged), VERDICTS, output)


def _next(judgements: Iterator[str | Path], suite: Suite) -> str | Path:
    for file in judgements:
        return file
    raise InputError("a judged suite without judgements", field="judgements", found="none",
                     expected=f"a table of judgements of {suite.name}", cure="run its judging rule first")  # fmt: skip


def suite_verdicts(
    suite: Suite, items: pl.DataFrame, responses: pl.DataFrame, judgements: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return VERDICTS: responses x scorers of the suite; nothing is dropped, what cannot be read is unparsed.

    A model variant whose engine cannot ask all items (a response without a text) gets no verdict: numbers over the
    others would be of another suite. A scorer named "judge:<name>" takes its score from the judgements of the judge of
    that name ("any": whose they are).

    Raises:
        InputError: responses that are missing, doubled or of other items, an unknown scorer, or no judgements.
    """
    check_complete(items, responses)
    whole = pl.col("text").is_not_null().all().over("model", "variant")
    joined = responses.filter(whole).join(items, on=_QUESTION, how="inner")
    judged = []
    for answering, scorers in suite.scorers.items():
        rows = joined.filter(pl.col("answering") == answering)
        for scorer, name in scorers.items():
            if name.startswith(JUDGED):
                scored = judged_answers(rows, judgements, name.removeprefix(JUDGED))
            elif name in SCORES:
                scored = SCORES[name](rows)
            else:
                raise InputError("unknown scorer", field=f"{suite.name}.scorers", found=name,
                                 expected=" | ".join([*SCORES, f"{JUDGED}<name>"]),
                                 cure="name a function of finer.scoring")  # fmt: skip
            found = scored.with_columns(scorer=pl.lit(scorer))
            empty = [pl.lit(None, VERDICTS.columns[c]).alias(c) for c in _OPTIONAL if c not in found.columns]
            judged.append(found.with_columns(empty).select(list(VERDICTS.columns)))
    result = pl.concat(judged).sort(VERDICTS.key) if judged else VERDICTS.empty()
    return check_table(result, VERDICTS)
