"""Relation sentences of annotated objects -> (predicate, other object), or a reason why not.

CompreCap states relations as sentences under their subject: no ids, no triples. The other object is found by its
category, whole words, longest first ("dining table" is no "table"); the predicate is the text between. What a
sentence leaves open (two entries of one category, several objects at once) is dropped with its reason, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from finer.scenes.phrases import number_free
from finer.scenes.relations import gerund
from finer.scenes.words import words

_DETERMINER = re.compile(r"\s(?:the|a|an|his|her|its|their|this|that|another|some)\b")
_CLAUSES = re.compile(r",?\s+and\s+(?=(?:is|are)\b)|,\s+(?=(?:is|are)\b)")
_BE = {"is": "is", "are": "is", "was": "is", "were": "is"}
_HAVE = frozenset({"has", "have", "had", "contains", "contain", "includes", "include"})
_NEGATION = re.compile(r"\b(?:not|no|never|without)\b|n't\b")
_VAGUE = frozenset({"between", "among", "amongst", "and", "or", "that", "which", "who"})
_FOLLOWS = frozenset(["and", "or", "while", "as", "that", "which", "who", "where", "when", "but", "is", "are"])
_LONGEST_LEAD = 4  # words before the subject: "the small brown …"; more is another sentence structure


@dataclass(frozen=True)
class Mention:
    """A category found in a sentence, by character position; ``same_number``: in the number of its entry."""

    start: int
    end: int
    category: str
    same_number: bool


@dataclass(frozen=True)
class Stated:
    """One clause of a relation sentence: predicate and category of the other object, or the reason of a drop."""

    clause: str
    predicate: str = ""
    category: str = ""
    reason: str = ""


def read_sentence(sentence: str, owner: str, categories: Sequence[str]) -> list[Stated]:
    """Read a sentence whose subject is the object of category ``owner``; one result a clause.

    ``categories``: of every entry of the image, the owner's included, repeats included.
    """
    text = re.sub(r"\s+", " ", sentence).strip().rstrip(".!").lower()
    mentions = list(_mentions(text, categories))
    own = number_free(owner)
    if not mentions or number_free(mentions[0].category) != own or not _leads(text[: mentions[0].start]):
        found = any(number_free(each.category) == own for each in mentions)
        return [Stated(text, reason="subject_not_first" if found else "subject_not_found")]
    if not mentions[0].same_number:
        return [Stated(text, reason="plural_mention")]
    rest = text[mentions[0].end :]
    return [_read_clause(clause.strip(), own, categories) for clause in _CLAUSES.split(rest) if clause.strip()]


def _leads(before: str) -> bool:
    return len(before.split()) <= _LONGEST_LEAD and "," not in before


def _read_clause(clause: str, owner: str, categories: Sequence[str]) -> Stated:
    """Read "is lying on the sofa": what follows the subject."""
    if _NEGATION.search(clause):
        return Stated(clause, reason="negated")
    mentions = list(_mentions(clause, categories))
    others = [each for each in mentions if number_free(each.category) != owner]
    if not others:
        return Stated(clause, reason="ambiguous_target" if mentions else "no_other_object")
    target = others[0]
    if mentions[0] is not target:
        return Stated(clause, reason="several_objects")
    if not target.same_number:
        return Stated(clause, reason="plural_mention")
    if sum(number_free(each) == number_free(target.category) for each in categories) > 1:
        return Stated(clause, reason="ambiguous_target")
    if not _ends_name(clause[target.end :]):
        return Stated(clause, reason="part_of_longer_name")
    predicate = _predicate(clause[: target.start])
    if predicate is None:
        return Stated(clause, reason="unparsable_predicate")
    return Stated(clause, predicate, target.category)


def _mentions(text: str, categories: Sequence[str]) -> Iterator[Mention]:
    """Yield the categories that occur as whole words, in order, without those inside a longer one."""
    found: list[Mention] = []
    for category in dict.fromkeys(each.lower() for each in categories):
        for form in _forms(category):
            for match in re.finditer(rf"(?<![\w-]){re.escape(form)}(?![\w-])", text):
                found.append(Mention(match.start(), match.end(), category, form == category))
    found.sort(key=lambda each: (each.start - each.end, each.start, not each.same_number))
    kept: list[Mention] = []
    for mention in found:
        if all(mention.end <= other.start or mention.start >= other.end for other in kept):
            kept.append(mention)
    yield from sorted(kept, key=lambda each: each.start)


def _forms(category: str) -> list[str]:
    """Return the category and its likely forms in the other number."""
    single = number_free(category)
    forms = [category, single, f"{single}s", f"{single}es", re.sub(r"y$", "ies", single)]
    return list(dict.fromkeys(forms))


def _ends_name(after: str) -> bool:
    """Tell whether the name is over: "on the table leg" is not about the table."""
    following = after.split(maxsplit=1)
    if not following or after.startswith((",", ";")):
        return True
    word = following[0].strip(",;")
    return word in words("place_prepositions") or word in _FOLLOWS or word.endswith("ing")


def _predicate(between: str) -> str | None:
    """Return the predicate, starting with "is", of the text between subject and object; None if it is none."""
    text = _before_article(f" {between.strip()}").strip()
    first, _, rest = text.partition(" ")
    if not text or "," in text or first in _HAVE or _VAGUE & set(text.split()):
        return None
    if first in _BE:
        return f"is {rest}" if rest else None
    if first in words("weak_prepositions"):
        return None
    if first in words("place_prepositions") or first.endswith("ing"):
        return f"is {text}"
    if first.endswith("s"):  # "lies on", "wears"
        return f"is {gerund(_base_form(first))}{' ' * bool(rest)}{rest}"
    return None


def _before_article(between: str) -> str:
    """Cut the article and adjectives of the object: "is to the left of the big" -> "is to the left of"."""
    for match in reversed(list(_DETERMINER.finditer(between))):
        adjectives = between[match.end() :].split()
        if not any(word in words("place_prepositions") for word in adjectives):
            return between[: match.start()]
        break
    return between


def _base_form(verb: str) -> str:
    if verb.endswith(("ches", "shes", "sses", "xes", "zes", "goes", "does")):
        return verb[:-2]
    if verb.endswith("ies"):
        return verb[:-1] if len(verb) == 4 else verb[:-3] + "y"  # lies -> lie, carries -> carry
    return verb[:-1]
