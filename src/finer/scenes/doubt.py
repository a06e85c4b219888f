"""Words of a caption -> why they state nothing for certain: hedged, inferred, generic, or one of several names.

Captions written by models mix what is seen with what it may be ("which appears to be an oven"), what follows from it
("suggesting a park with benches") and what holds in general ("typically found in kitchens"). A word that opens such a
remark puts all words up to the end of the clause in doubt; "or" does so to what it joins. Parsers hang such remarks
anywhere, so spans are found in the order of the text, and the parse only says where a new clause begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from finer.scenes.nouns import NOUNS, Token, first_conjunct, lemma
from finer.scenes.words import mapping, type_of, words

_CACHE = "finer_doubts"
_STOPS = frozenset({";", ":", ".", "(", ")", "!", "?", "-", "–"})
_PURPOSE = frozenset({"to", "for", "as", "with"})
_SEEN = frozenset({"see", "view", "spot", "observe", "glimpse", "identify", "find", "notice"})
_CONTINUES = frozenset({"with", "while", "as", "though", "although", "whereas"})
_SUBJECTS = frozenset({"nsubj", "nsubjpass", "expl"})


def doubt(token: Token) -> str:
    """Return why a word states nothing for certain ("guessed", "inferred", "generic"); "" if it does."""
    return str(_doubts(token.doc).get(token.i, ""))


def _doubts(doc: Any) -> dict[int, str]:
    """Return the reason of each doubtful word of a text by its place."""
    if _CACHE not in doc.user_data:
        found: dict[int, str] = {}
        for token in doc:
            for place, reason in _opened(token):
                found.setdefault(place, reason)
        doc.user_data[_CACHE] = found
    known: dict[int, str] = doc.user_data[_CACHE]
    return known


def _opened(token: Token) -> Iterator[tuple[int, str]]:
    """Yield (place, reason) of the words that a word puts in doubt."""
    for opens, end, reason in _OPENERS:
        if opens(token):
            yield from ((place, reason) for place in range(token.i, end(token)))
            return


# ---------------------------------------------------------------- what opens a remark
def _supposes(token: Token) -> bool:
    """Whether a verb says what something seems to be: "appears to be", "is believed to be"."""
    return token.lemma_.lower() in words("supposing_verbs") and _next(token) == "to"


def _guesses(token: Token) -> bool:
    """Whether a word guesses: "possibly", "might be", "as if"."""
    if token.tag_ == "MD" and token.lower_ in words("guessing_modals"):
        return not any(other.lemma_ in _SEEN for other in token.doc[token.i + 1 : token.i + 4])
    if token.lower_ == "as" and _next(token) in {"if", "though"}:
        return True
    return token.lower_ in words("guesses") and token.tag_ not in {"NN", "NNS"}


def _qualifies(token: Token) -> bool:
    """Whether a guess stands within a noun phrase: in "a possibly wooden chair" there is a chair."""
    if token.i == 0 or not _guesses(token):
        return False
    return bool(token.nbor(-1).pos_ == "DET" or token.nbor(-1).lower_ in {"its", "their"})


def _infers(token: Token) -> bool:
    """Whether a verb tells what follows from what is seen, or what it does to a viewer."""
    if token.pos_ not in {"VERB", "AUX", "NOUN"} or token.tag_ in {"VBN", "NN", "NNS"}:
        return False
    verb = token.lemma_.lower()
    if token.tag_ == "VBD" and not any(child.dep_ in _SUBJECTS for child in token.children):
        return False  # "suggested by", a participle
    participle = token.lower_.endswith("ing") and token.i > 0 and token.nbor(-1).text == ","
    return verb in words("inference_verbs") or (participle and verb in words("effect_verbs"))


def _generalizes(token: Token) -> bool:
    """Whether a word tells what holds in general: "typically", "used for", "common in"."""
    if token.lower_ in words("general_adverbs"):
        return True
    if token.lower_ in words("general_adjectives"):
        return token.pos_ == "ADJ" and _next(token) in {"of", "in", "for", "with", "to", "at", "on", "during"}
    return token.lemma_.lower() in words("purpose_verbs") and token.tag_ in {"VBN", "VBD"} and _next(token) in _PURPOSE


def _next(token: Token) -> str:
    return str(token.nbor().lower_) if token.i + 1 < len(token.doc) else ""


# ---------------------------------------------------------------- where it ends
def _end_of_phrase(token: Token) -> int:
    """Return where the adjectives after a guess end."""
    return next((int(other.i) for other in _after(token) if other.pos_ in NOUNS), int(token.sent.end))


def _end_of_complement(token: Token) -> int:
    """Return where "appears to be an oven" ends: a named thing is in doubt, and not what is "with" or "on" it."""
    after = _after(token)
    names = len(after) > 2 and after[1].lower_ == "be" and after[2].pos_ not in {"VERB", "AUX"}
    end = _end_of_list(token, supposed=names)
    if not names:
        return end
    return next((other.i for other in after[2:] if other.i < end and _leaves_the_name(other)), end)


def _leaves_the_name(token: Token) -> bool:
    return bool(token.tag_ in {"WDT", "WP"} or (token.tag_ == "IN" and token.lower_ != "of"))


def _end_of_list(token: Token, supposed: bool = False) -> int:
    """Return where the clause of a guess ends; commas of a list are passed: "possibly a goat, a sheep, or a cow"."""
    for other in _after(token):
        near = other.i == token.i + 1
        if _stops(other) or _begins_clause(other) or (not near and _resumes(other, token)):
            return int(other.i)
        if other.text == "," and not near and not _goes_on(other, supposed):
            return int(other.i)
    return int(token.sent.end)


def _after(token: Token) -> Any:
    return token.doc[token.i + 1 : token.sent.end]


def _stops(token: Token) -> bool:
    """Whether a mark ends a clause; hyphens within words do not."""
    return bool(token.text in _STOPS and (token.text != "-" or token.whitespace_))


def _resumes(verb: Token, opener: Token) -> bool:
    """Whether a finite verb has its subject before a guess: "a lamp and possibly a radio stand on the desk"."""
    clause = verb.head if verb.dep_ in {"aux", "auxpass"} else verb
    finite = verb.tag_ in {"VBZ", "VBP", "VBD"}
    return finite and any(child.dep_ in _SUBJECTS and child.i < opener.i for child in clause.children)


def _goes_on(comma: Token, supposed: bool) -> bool:
    """Whether a list of guesses goes on behind a comma: "or" follows before any verb; in what is supposed, "and"."""
    for token in comma.doc[comma.i + 1 : comma.sent.end]:
        if token.lower_ in {"or", "such"} or (supposed and token.lower_ == "and"):
            return True
        if token.pos_ in {"VERB", "AUX", "ADP"} or token.text in _STOPS:
            return False
    return False


def _end_of_inference(token: Token) -> int:
    """Return where an inference ends: at the next clause that stands for itself."""
    for other in _after(token):
        if _stops(other) or _begins_clause(other) or (other.text == "," and _next(other) in _CONTINUES):
            return int(other.i)
    return int(token.sent.end)


def _begins_clause(token: Token) -> bool:
    """Whether "and" or "but" begins a clause with a subject of its own."""
    if token.dep_ != "cc" or token.lower_ not in {"and", "but"}:
        return False
    for other in token.doc[token.i + 1 : token.sent.end]:
        if other.text == "," or other.text in _STOPS:
            return False
        if other.dep_ in _SUBJECTS and other.head.dep_ in {"conj", "ROOT"} and other.head.pos_ in {"VERB", "AUX"}:
            return bool(first_conjunct(other.head).dep_ == "ROOT")
    return False


_OPENERS: tuple[tuple[Callable[[Token], bool], Callable[[Token], int], str], ...] = (
    (_qualifies, _end_of_phrase, "guessed"),
    (_supposes, _end_of_complement, "guessed"),
    (_guesses, _end_of_list, "guessed"),
    (_infers, _end_of_inference, "inferred"),
    (_generalizes, _end_of_list, "generic"),
)


# ---------------------------------------------------------------- alternatives
def is_alternative(token: Token) -> bool:
    """Whether "or" joins a word to another: neither "pier" nor "bridge" of "a pier or bridge" is stated."""
    if _names_before_or(token) or (token.dep_ == "dobj" and token.head.dep_ != "ROOT" and is_alternative(token.head)):
        return True
    joined_by_or = any(token.i in _alternatives(holder) for holder in _chain(token) if _bears_or(holder))
    return joined_by_or or (token.pos_ in NOUNS and _beside_or(token))


def _names_before_or(token: Token) -> bool:
    """Whether a noun stands among its modifiers before "or", taken for one of them: "moss or short ferns"."""
    left = token.doc[token.left_edge.i : token.i] if token.pos_ in NOUNS else ()
    before = [other.nbor(-1) for other in left if other.lower_ == "or" and other.i > token.left_edge.i]
    no_names = words("colors") | words("materials") | mapping("material_forms").keys()
    return any(lemma(other) in type_of() and other.lower_ not in no_names for other in before)


def _chain(token: Token) -> list[Token]:
    """Return all that is coordinated with a word, itself included; parsers hang list items as appositions too."""
    first = first_conjunct(token)
    found = [first_conjunct(first.head) if first.dep_ == "appos" else first]
    for other in found:
        found += [child for child in other.children if child.dep_ in {"conj", "appos"}]
    return found


def _bears_or(token: Token) -> bool:
    return any(child.dep_ == "cc" and child.lower_ == "or" for child in token.children)


def _alternatives(holder: Token) -> set[int]:
    """Return the places of what "or" at a word joins; with commas a whole list: "a cup, a bowl or a vase"."""
    place = min(child.i for child in holder.children if child.dep_ == "cc" and child.lower_ == "or")
    found = {child.i for child in holder.children if child.dep_ == "conj" and child.i > place}
    found = {holder.i, *sorted(found)[:1]}
    if any(child.dep_ == "cc" and child.lower_ != "or" for other in _chain(holder) for child in other.children):
        return found  # "a bench, a cup or bowl, and a tray": no list of names
    while holder.dep_ in {"conj", "appos"}:
        holder = holder.head
        found.add(holder.i)
    return found


def _beside_or(token: Token) -> bool:
    """Whether "or" stands right before or after a word, wherever the parser hung it."""
    doc = token.doc
    before = doc[token.left_edge.i - 1] if token.left_edge.i > 0 else None
    after = doc[token.i + 1] if token.i + 1 < len(doc) else None
    return any(other is not None and other.lower_ == "or" for other in (before, after))
