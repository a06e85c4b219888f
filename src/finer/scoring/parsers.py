"""Parsers turn a response into the position of an option, or into nothing (unparsed).

Each is a polars expression: columns of the response in (its text, the log-probabilities of the options), option index
(0-based, Int64) or null out. A parser never guesses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf

import polars as pl

Parser = Callable[..., pl.Expr]

LETTERS = "ABCDE"
YES_NO = ("yes", "no")

# One letter and nothing else but punctuation, brackets, quotes, emphasis and an "Answer:" before it.
_STRICT_LETTER = r"(?i)^[\W_]*(?:answer[*_\s]*:[\W_]*)?([a-e])[\W_]*$"
_ANY_LETTER = r"([A-Ea-e])"
# The word ends at the first character that cannot continue it: "no," is no; "none", "no-one" and "no's" are not.
_FIRST_WORD = r"(?i)^[^\w]*(yes|no)(?:[^\w'’-]|['’-](?:\W|$)|$)"
_FIRST_SUBSTRING = r"(?i)(yes|no)"


def strict_letter(text: pl.Expr) -> pl.Expr:
    """Read "B", "b.", "(B)", "**B**" or "Answer: B"; all else is unparsed.

    The prompt asks for one letter: several ("A or B"), a letter with a text behind it ("B. Yes") and a
    sentence ("The answer is B") are unparsed.
    """
    return _position(text.str.extract(_STRICT_LETTER, 1).str.to_uppercase(), tuple(LETTERS))


def upstream_letter(text: pl.Expr) -> pl.Expr:
    """Read the first of the characters A-E, a-e anywhere, as the paper's released script does.

    "The answer is B" is read as E (the last letter of "The"); kept to reproduce printed numbers.
    """
    return _position(text.str.extract(_ANY_LETTER, 1).str.to_uppercase(), tuple(LETTERS))


def strict_yes_no(text: pl.Expr) -> pl.Expr:
    """Read the first word if it is "yes" or "no" in any case: position in ("yes", "no")."""
    return _position(text.str.extract(_FIRST_WORD, 1).str.to_lowercase(), YES_NO)


def first_substring_yes_no(text: pl.Expr) -> pl.Expr:
    """Read whichever of "yes" and "no" occurs first, also inside a word ("I do not know" is "no")."""
    return _position(text.str.extract(_FIRST_SUBSTRING, 1).str.to_lowercase(), YES_NO)


def pope_official_yes_no(text: pl.Expr) -> pl.Expr:
    """Read as POPE's own script: "no" if a token before the first full stop is "No", "no" or "not", else "yes".

    An empty response, "NO" and "no\\n" are therefore "yes"; nothing is unparsed.
    """
    tokens = text.str.split(".").list.first().str.replace_all(",", "").str.split(" ")
    denied = tokens.list.eval(pl.element().is_in(["No", "no", "not"])).list.any()
    return pl.when(denied).then(1).otherwise(0).cast(pl.Int64)


def one_word_yes_no(text: pl.Expr) -> pl.Expr:
    """Read "yes" or "no" if exactly one of the two words occurs (punctuation and case ignored), else unparsed."""
    words = text.str.to_lowercase().str.replace_all(r"[^\w\s]", " ").str.split(" ")
    yes, no = (words.list.contains(word) for word in YES_NO)
    return pl.when(yes & ~no).then(0).when(no & ~yes).then(1).cast(pl.Int64)


def yes_before_no(text: pl.Expr) -> pl.Expr:
    """Read "yes" if it occurs anywhere, also inside a word, else "no" if that does, else nothing (RePOPE, DASH-B).

    "No, yes" is therefore yes, and "I cannot tell" is no.
    """
    lower = text.str.to_lowercase()
    yes, no = (lower.str.contains(word, literal=True) for word in YES_NO)
    return pl.when(yes).then(0).when(no).then(1).cast(pl.Int64)


def exact_yes_no(text: pl.Expr) -> pl.Expr:
    """Read "Yes" or "No" if the response is that and nothing else: no other case, no full stop (AMBER)."""
    return pl.when(text == "Yes").then(0).when(text == "No").then(1).cast(pl.Int64)


def likeliest(logprobs: pl.Expr) -> pl.Expr:
    """Read the option with the highest log-probability; a tie is unparsed, never decided by position."""
    tied = (logprobs.list.eval(pl.element() == pl.element().max()).list.sum()) > 1
    return pl.when(~tied).then(logprobs.list.arg_max()).cast(pl.Int64())


def likeliest_said(logprobs: pl.Expr, first_logprobs: pl.Expr) -> pl.Expr:
    """Read the likeliest of the options that begin with the likeliest first word (``finer.firstwords``)."""
    lost = first_logprobs.list.eval(pl.when(pl.element() < pl.element().max()).then(-inf).otherwise(0.0))
    return likeliest(logprobs + lost)


# ---------------------------------------------------------------- suites with lettered options
# A letter that stands first, alone or with a delimiter behind it, also after "The answer is": "(b) Open", "B. on".
_LENIENT_LETTER = (
    r"^[\W_]*(?:(?i:(?:the\s+)?(?:(?:correct|right|best)\s+)?(?:answer|option|choice)(?:\s+is)?)[\W_]+)?"
    r"([A-Ea-e])(?:[\W_]*$|[).:,;\]\n])"
)
_TOOLKIT_BLANKS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_TOOLKIT_TAIL = 5  # the letter must be one of the last words


def lenient_letter(text: pl.Expr) -> pl.Expr:
    """Read what ``strict_letter`` reads, and a letter first with a delimiter behind it: "(b) Open", "The answer is C."

    "A man" and "B because" are unparsed: without a delimiter the letter may be a word.
    """
    return _position(text.str.extract(_LENIENT_LETTER, 1).str.to_uppercase(), tuple(LETTERS))


def one_character_letter(text: pl.Expr) -> pl.Expr:
    """Read as CRPE's own script: a reply of one character that is a capital letter; "A." and "a" are unparsed."""
    return _position(text.str.extract(r"^([A-E])$", 1), tuple(LETTERS))


def mmstar_official_letter(text: pl.Expr) -> pl.Expr:
    """Read as MMStar's own script: the first character, or the one behind "(", "option " or "the answer is ".

    The first character is taken for a letter whatever follows: "Based on the image" is B, "A man" is A.
    """
    line = text.str.strip_chars().str.replace_all("\n", " ", literal=True).str.to_lowercase()
    return _position(line.str.extract(r"^(?:\(|option |the answer is )?([a-e])", 1).str.to_uppercase(), tuple(LETTERS))


def whole_word_yes_no(text: pl.Expr) -> pl.Expr:
    """Read as NaturalBench's own script: whichever of the words "yes" and "no", in any case, comes first."""
    return _position(text.str.extract(r"(?i)\b(yes|no)\b", 1).str.to_lowercase(), YES_NO)


def whole_word_a_b(text: pl.Expr) -> pl.Expr:
    """Read as NaturalBench's own script: whichever of the words "a" and "b", in any case, comes first.

    The article counts: "It is a dog" is A.
    """
    return _position(text.str.extract(r"(?i)\b(a|b)\b", 1).str.to_uppercase(), ("A", "B"))


def toolkit_choice(text: str, options: Sequence[str], answer_index: int) -> int | None:
    """Read a multiple-choice reply as VLMEvalKit's rules without a judge (``can_infer``); ``answer_index`` is unused.

    The one capital letter that stands as a word (punctuation aside) among the last five, else the one option whose
    text occurs in the reply, which must not be longer than twice all options. What the rules cannot read is unparsed:
    there, too, it is wrong unless a judge is asked.
    """
    words = text.translate(_TOOLKIT_BLANKS).split()
    letters = [place for place in range(len(options)) if LETTERS[place] in words]
    if len(letters) == 1 and words.index(LETTERS[letters[0]]) > len(words) - _TOOLKIT_TAIL:
        return letters[0]
    if list(options) == list(LETTERS[: len(options)]) or len(text) > 2 * sum(map(len, options)):
        return None  # texts that are not known cannot occur
    told = [place for place, option in enumerate(options) if option.lower() in text.lower()]
    return told[0] if len(told) == 1 else None


def crpe_toolkit_choice(text: str, options: Sequence[str], answer_index: int) -> int | None:
    """Read a reply to CRPE as VLMEvalKit: A to D as first character, else the right option if its text occurs.

    Right is, of the texts, the only one that is looked for. If the toolkit's own table holds bare letters, it looks
    for an empty text there, so that any other reply passes; here none does.
    """
    if text[:1] in LETTERS[:4] and text:
        return LETTERS.index(text[0])
    return answer_index if options[answer_index].lower() in text.lower() else None


#: way of answering -> scorer -> columns of the response, parser
PARSERS: Mapping[str, Mapping[str, tuple[tuple[str, ...], Parser]]] = {
    "letter": {"strict": (("text",), strict_letter), "upstream": (("text",), upstream_letter)},
    "yes_no": {"strict": (("text",), strict_yes_no), "first_substring": (("text",), first_substring_yes_no)},
    "text": {"sum": (("option_logprobs", "option_first_logprobs"), likeliest_said)},
    # The sum over an option's tokens, and their mean, which does not favour short options.
    "likelihood": {"sum": (("option_logprobs",), likeliest), "mean": (("option_mean_logprobs",), likeliest)},
}


def _position(token: pl.Expr, options: tuple[str, ...]) -> pl.Expr:
    return token.replace_strict(list(options), list(range(len(options))), default=None, return_dtype=pl.Int64())
