"""V* Bench: tiny details of large images, by likelihood as officially and by letter as toolkits ask.

Official files: ``direct_attributes/`` and ``relative_position/`` with an annotation ``<stem>.json`` (``question``,
``options``, the right one first) beside each image, and ``test_questions.jsonl`` (``image``, ``text`` with options as
lines "(A) …", ``category``, ``label``). The folders ``OCR`` and ``GPT4V-hard`` are no part of the 191 questions.

By likelihood, nothing is generated: the option with the highest mean log-probability of its tokens is the answer.
Letters are asked as in ``test_questions.jsonl``; with the setting ``shuffle_seed`` they are made from the
annotations instead, options shuffled by that seed, as without a shuffle the right letter were always A.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image, UnidentifiedImageError

from finer.errors import InputError
from finer.keys import shuffled
from finer.raw.records import BadItems, BadRecordError, decoded, file_bytes, parsed
from finer.suites.files import Record, bad_row, json_lines, made, one_of, question_items, text_of
from finer.suites.letters import MAX_NEW_TOKENS, as_lines, option_lines, split_sums, whole_groups
from finer.suites.prompts import LETTERS, wording
from finer.suites.suite import Sources, Statistic, Suite, named, ratio

TYPES = ("direct_attributes", "relative_position")
QUESTIONS = "test_questions.jsonl"
FIELDS = ("image", "text", "category", "label")
SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")
WAYS = 2  # by letter and by likelihood
SCORERS = {
    "likelihood": {"official": "likeliest_mean"},
    "letter": {"toolkit": "toolkit_choice", "lenient": "lenient_letter", "strict": "strict_letter"},
}


def read(sources: Sources, bad: BadItems) -> pl.DataFrame:
    """Return ITEMS: each question twice, by likelihood and by letter; ``group_id`` is the image's type and stem."""
    seed = sources.options.get("shuffle_seed")
    found = _annotations(sources, bad)
    rows = [_by_likelihood(*one) for one in found]
    if seed is None:
        file = sources.raw / QUESTIONS
        if not file.is_file():
            raise InputError(
                "no such file", file=file, expected="the official lettered questions",
                cure="fetch it, or set shuffle_seed to letter the options of the annotations",
            )  # fmt: skip
        rows += made(json_lines(file, FIELDS, bad), partial(_by_letter, sources, file), bad)
    else:
        if not isinstance(seed, int):
            raise InputError("not a seed", field="shuffle_seed", found=seed, expected="a whole number")
        rows += [_shuffled(sources, seed, *one) for one in found]
    items = question_items(rows, "vstar", sources, bad)
    return _with_size(whole_groups(items, WAYS, "question by letter and by likelihood", sources.raw, bad))


def _annotations(sources: Sources, bad: BadItems) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (key "type/stem", image, annotation)."""
    found = []
    for kind in TYPES:
        folder = sources.raw / kind
        if not folder.is_dir():
            raise InputError("no such folder", file=folder, expected="the annotations of a type of questions",
                             cure="check `raw` of this benchmark")  # fmt: skip
        for file in sorted(folder.glob("*.json")):
            try:
                found.append((f"{kind}/{file.stem}", _image(sources, kind, file.stem), _annotation(file)))
            except BadRecordError as error:
                bad.take(error, f"{kind}/{file.stem}")
    return found


def _annotation(file: Path) -> dict[str, Any]:
    where = file.stem
    record = parsed(decoded(file_bytes(file, "one JSON object"), file), file)
    for field in ("question", "options"):
        if not isinstance(record, dict) or field not in record:
            raise bad_row("missing_field", "a field is missing", file, where, field, type(record).__name__, field)
    options = record["options"]
    texts = isinstance(options, list) and all(isinstance(option, str) and option.strip() for option in options)
    if not texts or not 2 <= len(options) <= len(LETTERS):
        raise bad_row("no_options", "options that cannot be asked", file, where, "options", options,
                      f"2 to {len(LETTERS)} texts, the right one first")  # fmt: skip
    return {"question": text_of(record, "question", file, where), "options": options}


def _image(sources: Sources, kind: str, stem: str) -> str:
    """Return the name of the annotation's image; one that does not exist is refused later, with its row."""
    names = [f"{kind}/{stem}{suffix}" for suffix in SUFFIXES]
    return next((name for name in names if (sources.images / name).is_file()), names[0])


def _by_likelihood(key: str, image: str, annotation: dict[str, Any]) -> dict[str, Any]:
    prompt = wording("vstar_likelihood", "official").format(question=annotation["question"])
    return {**_item("likelihood", key, image, prompt, annotation["options"], 0), "labels": None}


def _by_letter(sources: Sources, file: Path, where: str, record: Record) -> dict[str, Any]:
    text, image = (text_of(record, field, file, where) for field in ("text", "image"))
    kind = one_of(record, "category", TYPES, file, where)
    found = option_lines(text)
    if found is None:
        raise bad_row("no_options", "a text without its options", file, where, "text", text,
                      "a question and lines '(A) …'")  # fmt: skip
    question, options = found
    label = one_of(record, "label", tuple(LETTERS[: len(options)]), file, where)
    key = str(Path(image).with_suffix(""))
    if not key.startswith(f"{kind}/"):
        raise bad_row("other_category", "an image of another category", file, where, "category", kind, image)
    prompt = text if sources.prompt == "official" else _asked(sources, question, options)
    return {
        **_item("letter", key, image, prompt, options, LETTERS.index(label)),
        "labels": named(letters="as released"),
    }


def _shuffled(sources: Sources, seed: int, key: str, image: str, annotation: dict[str, Any]) -> dict[str, Any]:
    options = shuffled(annotation["options"], seed, "vstar", key)
    prompt = _asked(sources, annotation["question"], options)
    item = _item("letter", key, image, prompt, options, options.index(annotation["options"][0]))
    return {**item, "labels": named(letters=f"shuffled with seed {seed}")}


def _asked(sources: Sources, question: str, options: list[str]) -> str:
    lines, officially = as_lines(options), as_lines(options, "({letter}) {option}")
    return wording("vstar", sources.prompt).format(question=question, lines=lines, options=officially)


def _item(answering: str, key: str, image: str, prompt: str, options: list[str], right: int) -> dict[str, Any]:
    return {
        "key": f"{answering}:{key}", "image": image, "prompt": prompt, "answering": answering, "options": options,
        "answer_index": right, "grouping": key.split("/")[0], "group_id": key,
        "max_new_tokens": MAX_NEW_TOKENS, "where": key,
    }  # fmt: skip


def _with_size(items: pl.DataFrame) -> pl.DataFrame:
    """Add the size of each image to the labels: what a model is shown of it, and so the result, depends on it."""
    sizes = {path: _size(Path(path)) for path in items["image_paths"].list.first().unique()}
    size = pl.struct(
        name=pl.lit("pixels"), value=pl.col("image_paths").list.first().replace_strict(sizes, return_dtype=pl.String())
    )
    labels = pl.col("labels").fill_null(pl.lit([], items.schema["labels"]))
    return items.with_columns(labels=labels.list.concat(pl.concat_list(size)))


def _size(path: Path) -> str:
    try:
        with Image.open(path) as image:
            return f"{image.width}x{image.height}"
    except (UnidentifiedImageError, OSError) as error:
        raise InputError("not an image", file=path, found=str(error), expected="an image",
                         cure="fetch the file again") from error  # fmt: skip


def tally(judged: pl.DataFrame) -> pl.DataFrame:
    """Return sums per image, of both types and each."""
    splits = {"all": pl.lit(True), **{kind: pl.col("grouping") == kind for kind in TYPES}}
    return split_sums(judged, "image_id", splits, {"n": pl.lit(1), "right": pl.col("score")})


def _statistics() -> tuple[Statistic, ...]:
    return tuple(
        Statistic("accuracy", split, scorer, ratio, (f"{split}.right", f"{split}.n"), f"{split}.n",
                  variant="by likelihood" if answering == "likelihood" else "by letter")
        for answering, scorers in SCORERS.items() for scorer in scorers for split in ("all", *TYPES)
    )  # fmt: skip


SUITE = Suite(
    name="vstar", title="V* Bench", cluster="image", read=read, tally=tally, scorers=SCORERS,
    statistics=_statistics(), column="accuracy", column_scorer="toolkit",
)  # fmt: skip
