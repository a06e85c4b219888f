"""Preference pairs <-> ShareGPT JSON lines with ranking, the form that LLaMA-Factory reads and FINER-Tuning came in.

One object a line: `conversations` (one human turn that starts with "<image>"), `chosen`, `rejected`, `images` (one
path) and `meta`. `meta` holds shard, row_idx, qa_type and polarity, and in files of this project the row's own keys,
so that what was exported comes back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import Field

from finer.errors import InputError
from finer.keys import stable_key
from finer.raw.images import ImageShelf, path_inside
from finer.raw.records import (
    BadItems,
    BadRecordError,
    FilledText,
    OnBadItem,
    Record,
    bad_record,
    checked,
    decoded,
    parsed,
)
from finer.schemas import IMAGE_CLASSES, IMAGES, PREFERENCES
from finer.store import atomic_path, table_from, write_text

IMAGE = "<image>"
_OWN = ("preference_id", "source", "image_id", "image_class", "caption_id", "phrase_id", "edit_id", "wording")
_BLOCK = 20_000  # rows written at a time
_EXPECTED = "ShareGPT JSON lines with ranking: conversations, chosen, rejected, images, meta"


# ---------------------------------------------------------------- export
def export_sharegpt(preferences: pl.DataFrame, path: str | Path, root: str | Path) -> None:
    """Write PREFERENCES in their order as JSON lines, in blocks.

    Image paths are written relative to ``root`` where they lie inside it (LLaMA-Factory's ``media_dir``, the
    ``images`` of an import), else as they are.
    """
    rows = preferences.with_columns(
        row_idx=pl.coalesce("caption_id", "image_id").rank("dense").over("source").cast(pl.Int64) - 1
    )
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        for block in rows.iter_slices(_BLOCK):
            file.writelines(
                json.dumps(_line(row, Path(root)), ensure_ascii=False, separators=(",", ":")) + "\n"
                for row in block.iter_rows(named=True)
            )


def _line(row: dict[str, Any], root: Path) -> dict[str, Any]:
    image = Path(row["image_path"])
    meta = {"shard": row["source"], "row_idx": row["row_idx"], "qa_type": row["phrase_type"]}
    meta |= {"polarity": row["polarity"]} | {name: row[name] for name in _OWN}
    return {
        "conversations": [{"from": "human", "value": f"{IMAGE}\n{row['question']}"}],
        "chosen": {"from": "gpt", "value": row["chosen"]},
        "rejected": {"from": "gpt", "value": row["rejected"]},
        "images": [image.relative_to(root).as_posix() if image.is_relative_to(root) else str(image)],
        "meta": meta,
    }


def write_dataset_info(names: Sequence[str], out: str | Path) -> None:
    """Write ``dataset_info.json`` for files NAME.jsonl in its folder; LLaMA-Factory knows each as ``finer_NAME``."""
    columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected", "images": "images"}
    common = {"formatting": "sharegpt", "ranking": True, "columns": columns}
    entries = {f"finer_{name}": {"file_name": f"{name}.jsonl"} | common for name in names}
    write_text(out, json.dumps(entries, indent=2) + "\n")


# ---------------------------------------------------------------- import
class _Turn(Record):
    role: Literal["human", "gpt", "user", "assistant"] = Field(alias="from", description="who speaks: human or gpt")
    value: FilledText = Field(description="text: what is said, not empty")


class _Meta(Record):
    shard: str | int | None = Field(None, description="text or number: the shard of the caption")
    row_idx: int | str | None = Field(None, description="number: the row of the caption in its shard")
    qa_type: Literal["obj", "attr", "rel", "wh"] | None = Field(None, description="obj | attr | rel | wh")
    polarity: Literal["positive", "negative", "pos", "neg"] | None = Field(None, description="positive | negative")
    preference_id: str | None = Field(None, description="text: key of the row")
    source: str | None = Field(None, description="text: where the row came from")
    image_class: Literal["natural_image", "chart_graph", "screenshot_ui", "document_text"] | None = Field(
        None, description=" | ".join(IMAGE_CLASSES)
    )
    caption_id: str | None = Field(None, description="text: key of the caption")
    phrase_id: str | None = Field(None, description="text: key of the phrase")
    edit_id: str | None = Field(None, description="text: key of the edit")
    wording: int | None = Field(None, description="number: which of the wordings")


class _Line(Record):
    conversations: list[_Turn] = Field(min_length=1, max_length=1, description="a list with one human turn")
    chosen: _Turn = Field(description="an object with from and value: the better answer")
    rejected: _Turn = Field(description="an object with from and value: the worse answer")
    images: list[FilledText] = Field(min_length=1, max_length=1, description="a list with the path of one image")
    meta: _Meta = Field(_Meta(), description="an object with shard, row_idx, qa_type, polarity")


@dataclass(frozen=True)
class ShareGptRaw:
    """What a file holds: the tables of images, preference pairs and drops."""

    images: pl.DataFrame
    preferences: pl.DataFrame
    drops: pl.DataFrame


def import_sharegpt(
    path: str | Path, images: str | Path, source: str, on_bad_item: OnBadItem = "stop", split: str = "train"
) -> ShareGptRaw:
    """Read and check preference pairs; each image, resolved inside ``images``, is decoded once.

    Of a missing ``meta``, polarity is told from the answers and "wh" from the question; obj, attr and rel cannot be
    told apart for sure, so that such a line is a bad item.
    """
    file = Path(path)
    bad = BadItems(source, on_bad_item)
    shelf = ImageShelf(Path(images), source, split)
    known: dict[str, str | None] = {}
    rows: list[dict[str, object]] = []
    seen: dict[str, str] = {}
    for number, content in _lines(file):
        where = f"line {number}"
        try:
            line = checked(_Line, parsed(decoded(content, file, where), file, where), file, where)
            row = _row(line, source, file, where)
            _refuse_twice(str(row["preference_id"]), seen, file, where)
            row["image_id"] = _image(line.images[0], file, where, shelf, known)
            row["image_path"] = str(path_inside(Path(images), line.images[0], file, where, "images"))
        except BadRecordError as error:
            bad.take(error, where)
            continue
        seen[str(row["preference_id"])] = where
        if row["caption_id"] is None and (line.meta.shard, line.meta.row_idx) != (None, None):
            row["caption_id"] = stable_key(source, line.meta.shard, line.meta.row_idx)
        rows.append(row)
    bad.refuse_nothing_left(file, len(rows))
    return ShareGptRaw(table_from(shelf.rows, IMAGES), table_from(rows, PREFERENCES), bad.table())


def _refuse_twice(preference_id: str, seen: dict[str, str], file: Path, where: str) -> None:
    if preference_id in seen:
        raise bad_record(
            "duplicate_pair", "a preference pair occurs twice", file=file, row=where, field="meta.preference_id",
            found=f"{preference_id}, first at {seen[preference_id]}", expected="each pair once",
            cure="remove one of the lines, or set on_bad_item: drop",
        )  # fmt: skip


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    if not file.is_file():
        raise InputError("no such file", file=file, expected=_EXPECTED, cure="check `raw` of this source")
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, line.strip().removeprefix(b"\xef\xbb\xbf")


def _image(name: str, file: Path, where: str, shelf: ImageShelf, known: dict[str, str | None]) -> str:
    """Return the image id, reading each image once; a bad one is a bad item again at each of its lines."""
    if name not in known:
        known[name] = None
        known[name] = shelf.keep(shelf.look(name, file, where, "images"))
    found = known[name]
    if found is None:
        raise bad_record("missing_image", "the image was dropped", file=file, row=where, field="images", found=name)
    return found


def _row(line: _Line, source: str, file: Path, where: str) -> dict[str, object]:
    question = line.conversations[0].value.replace(IMAGE, "", 1).strip()
    chosen, rejected = line.chosen.value, line.rejected.value
    if not question or chosen == rejected:
        field, found = ("conversations", line.conversations[0].value) if not question else ("rejected", rejected)
        raise bad_record(
            "bad_row", "nothing is asked" if not question else "both answers are the same", file=file, row=where,
            field=field, found=found, expected="a question, and two different answers",
            cure="mend the line, or set on_bad_item: drop",
        )  # fmt: skip
    meta = line.meta
    phrase_type = meta.qa_type or _type(question)
    polarity = meta.polarity or _polarity(chosen, rejected)
    for field, value in (("meta.qa_type", phrase_type), ("meta.polarity", polarity)):
        if value is None:
            raise bad_record(
                "bad_row", "missing, and cannot be told from the texts", file=file, row=where, field=field,
                found=question, expected="obj | attr | rel | wh" if field.endswith("type") else "positive | negative",
                cure="complete `meta`, or set on_bad_item: drop",
            )  # fmt: skip
    content = stable_key(source, line.images[0], phrase_type, question, chosen, rejected)
    return {
        "preference_id": meta.preference_id or content, "source": source, "image_id": "", "image_path": "",
        "image_class": meta.image_class, "caption_id": meta.caption_id, "phrase_id": meta.phrase_id,
        "edit_id": meta.edit_id, "phrase_type": phrase_type,
        "polarity": {"pos": "positive", "neg": "negative"}.get(str(polarity), polarity), "wording": meta.wording,
        "question": question, "chosen": chosen, "rejected": rejected,
    }  # fmt: skip


def _type(question: str) -> str | None:
    first = question.split(maxsplit=1)[0].lower().strip(",")
    return "wh" if first in {"what", "who", "which", "where", "whose", "whom"} else None


def _polarity(chosen: str, rejected: str) -> str | None:
    """Tell the polarity from who says yes, or, of wh, from who denies something."""
    said = [_first_word(text) for text in (chosen, rejected)]
    if said in (["yes", "no"], ["no", "yes"]):
        return "positive" if said[0] == "yes" else "negative"
    denies = [_denies(text) for text in (chosen, rejected)]
    if denies[0] == denies[1]:
        return None
    return "negative" if denies[0] else "positive"


def _first_word(text: str) -> str:
    return text.split(maxsplit=1)[0].lower().strip(",.!;:")


def _denies(text: str) -> bool:
    words = text.lower().replace("’", "'").replace(",", " ").split()
    return "not" in words or any(word.endswith("n't") for word in words)
