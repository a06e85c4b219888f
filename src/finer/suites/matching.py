"""Which question of a suite a row of a foreign file answers: by our key, else by image, wording and official key.

A toolkit words a question in its own way: it adds a request ("Answer with the option's letter …") or leaves the
options to columns. So a text is compared whole, then without the requests of ``prompts.yaml``, then without its options
too; the first of these under which some question is found decides. What the row says of image, options, category and
index then has to leave questions that are one and the same; nothing is guessed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from finer.keys import stable_key
from finer.raw.records import BadRecordError, bad_record
from finer.suites.predictions import LETTERS, Prediction
from finer.suites.prompts import wordings

Item = Mapping[str, Any]
_CURE = "add a column item_id (an export has it), or set on_bad_item: drop"
_HEADING = r"\s*(?:Options:|Choices:)?\s*"


class Matcher:
    """Finds the items that rows answer."""

    def __init__(self, items: pl.DataFrame, file: Path) -> None:
        self.items: Sequence[Item] = items.rows(named=True)
        self.file = file
        self._by_id: dict[str, list[int]] = defaultdict(list)
        self._by_form: list[dict[str, list[int]]] = [defaultdict(list) for _ in range(3)]
        for place, item in enumerate(self.items):
            self._by_id[item["item_id"]].append(place)
            for level, form in enumerate(forms(item["prompt"], item["options"])):
                self._by_form[level][form].append(place)

    def find(self, row: Prediction) -> tuple[int, ...]:
        """Return the places of the items that a row answers: one, or several that ask the same of the same image.

        Raises:
            BadRecordError: no such item, or several that differ.
        """
        return self._by_key(row) if row.item_id else self._by_content(row)

    def _by_key(self, row: Prediction) -> tuple[int, ...]:
        places = [
            place for place in self._by_id.get(row.item_id, ()) if row.answering in ("", self.items[place]["answering"])
        ]
        if len(places) == 1:
            return (places[0],)
        told = row.item_id + (f", {row.answering}" if row.answering else "")
        if not places:
            raise self._bad("unknown_item", "a prediction for an item that the suite does not have", row, told)
        raise self._bad("ambiguous_item", "an item that is asked in several ways", row, told)

    def _by_content(self, row: Prediction) -> tuple[int, ...]:
        if not row.questions:
            raise self._bad("no_question", "a row that names neither an item nor a question", row, "neither")
        told = " | ".join((row.image or "no image", row.questions[0]))
        found = self._candidates(row)
        if not found:
            raise self._bad("unknown_item", "a prediction for a question that the suite does not have", row, told)
        for hint in (self._official(row), self._grouped(row)):
            found = [place for place in found if hint(self.items[place])] or found
        if len({self._asked(place) for place in found}) > 1:
            raise self._bad("ambiguous_item", f"{len(found)} items fit the row, and they differ", row, told)
        return tuple(found)

    def _candidates(self, row: Prediction) -> list[int]:
        """Return the items with the row's question, image and options, under the strictest comparison to find any."""
        texts = [forms(question, row.options) for question in row.questions]
        for level, known in enumerate(self._by_form):
            wanted = {form for found in texts for form in found[: level + 1]}
            places = sorted({place for form in wanted for place in known.get(form, ())})
            places = self._with_image(row, [place for place in places if _same_options(row, self.items[place])])
            if places:
                return places
        return []

    def _with_image(self, row: Prediction, places: Sequence[int]) -> list[int]:
        """Keep the items whose image ends like the row's path, in as many parts as any; all if no image is named."""
        if not row.image:
            without = [place for place in places if row.image == "" and not self.items[place]["image_paths"]]
            return without or list(places)
        tails = {place: _common_tail(row.image, self.items[place]["image_paths"]) for place in places}
        longest = max(tails.values(), default=0)
        return [place for place in places if longest and tails[place] == longest]

    def _official(self, row: Prediction) -> Callable[[Item], bool]:
        """Return whether an item's key is made of the row's index: an item's id is a hash of key and prompt."""
        keys = {
            variant
            for key in row.keys
            for variant in (key, key.replace("_", ":"), f"{row.category}:{key}", f"letter:{key}")
        }
        return lambda item: any(stable_key(item["suite"], key, item["prompt"]) == item["item_id"] for key in keys)

    def _grouped(self, row: Prediction) -> Callable[[Item], bool]:
        """Return whether an item is of the row's category; a toolkit joins several by commas."""
        names = {name.strip().lower() for name in row.category.split(",")}
        return lambda item: item["grouping"].lower() in names

    def _asked(self, place: int) -> tuple[Any, ...]:
        item = self.items[place]
        return item["prompt"], item["answering"], tuple(item["image_paths"]), tuple(item["options"])

    def _bad(self, reason: str, message: str, row: Prediction, found: str) -> BadRecordError:
        return bad_record(
            reason, message, file=self.file, row=row.where, field="item_id" if row.item_id else "image, question",
            found=found, expected="one of the suite's items", cure=_CURE,
        )  # fmt: skip


def forms(text: str, options: Sequence[str]) -> tuple[str, str, str]:
    """Return a text with its spaces evened out; the same without requests; the same without options, too."""
    whole = " ".join(text.split())
    asked = _without_requests(whole)
    return whole, asked, _without_requests(_without_options(asked, options))


def _without_options(text: str, options: Sequence[str]) -> str:
    if not options or len(options) > len(LETTERS):
        return text
    lines = (
        rf"\(?{letter}[.):]\s*{re.escape(' '.join(option.split()))}"
        for letter, option in zip(LETTERS, options, strict=False)
    )
    return re.sub(_HEADING + r"[\s,;.]*".join(lines) + r"[\s.]*$", "", text, flags=re.IGNORECASE)


def _without_requests(text: str) -> str:
    before = None
    while before != text:
        before = text
        for head, tail in _requests():
            text = text.removeprefix(head).removesuffix(tail).strip()
    return text


@cache
def _requests() -> tuple[tuple[str, str], ...]:
    """Return what the wordings of all suites put before and behind a question, long ones first."""
    found = set()
    for template in wordings():
        text = " ".join(template.split())
        head, question, _ = text.partition("{question}")
        if question:
            found |= {(head.strip(), ""), ("", text.rpartition("}")[2].strip())}
    return tuple(sorted(found - {("", "")}, key=lambda pair: (-len(pair[0] + pair[1]), pair)))


def _same_options(row: Prediction, item: Item) -> bool:
    unread = list(item["options"]) == list(LETTERS[: len(item["options"])])  # letters that stand for themselves
    if not row.options or item["answering"] != "letter" or unread:
        return True
    return [" ".join(one.split()) for one in row.options] == [" ".join(one.split()) for one in item["options"]]


def _common_tail(named: str, paths: Sequence[str]) -> int:
    """Return how many last parts a named path has in common with any of the paths."""
    own = PurePosixPath(named.replace("\\", "/")).parts[::-1]
    return max((_common(own, PurePosixPath(path).parts[::-1]) for path in paths), default=0)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    number = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        number += 1
    return number
