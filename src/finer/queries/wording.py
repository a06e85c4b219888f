"""The versioned wordings of questions and options (``templates.yaml``), filled with finished phrases."""

from __future__ import annotations

from importlib import resources

import yaml

from finer.scenes.phrases import agreed, attributes_phrase, capitalised, definite, head, number_free

_TEXT = (resources.files("finer.queries") / "templates.yaml").read_text(encoding="utf-8")
_TEMPLATES = yaml.safe_load(_TEXT)
VERSION: int = _TEMPLATES["version"]
SYMMETRIC: frozenset[str] = frozenset(_TEMPLATES["symmetric"])
INVERSE: dict[str, str] = {
    a: b for one, other in _TEMPLATES["inverse"].items() for a, b in ((one, other), (other, one))
}
_PERSONS = frozenset(_TEMPLATES["persons"].split())


def asked(phrase: str) -> str:
    """Return the question of a list setting."""
    return str(_TEMPLATES["list"]["question"]).format(phrase=phrase)


def affirmed(phrase: str) -> str:
    """Return the option that says yes."""
    return str(_TEMPLATES["list"]["affirm"]).format(phrase=phrase)


def corrected(phrase: str) -> str:
    """Return an option that says no and names something else."""
    return str(_TEMPLATES["list"]["correct"]).format(phrase=phrase)


def granularity(phrase: str) -> str:
    """Return the yes/no question of the granularity study."""
    return str(_TEMPLATES["granularity"]["question"]).format(phrase=phrase)


def wh_question(predicate: str, named: str, plural: bool, asks_subject: bool, answer: str) -> str:
    """Return "What is lying on the floor with …?" or, asking for the target, "What is the cat with … lying on?".

    ``named``: the finished phrase of the side that is named; ``plural``: of that side; ``answer``: the true
    answer, which decides between "what" and "who".
    """
    side = ("subject" if asks_subject else "target") + ("_person" if is_person(answer) else "")
    verb, _, rest = predicate.partition(" ")
    return str(_TEMPLATES["wh"][side]).format(rest=rest, named=named, verb=agreed(verb, plural))


def wh_answer(text: str, attributes: list[str]) -> str:
    """Return the option that names an object with attributes."""
    return str(_TEMPLATES["wh"]["answer"]).format(phrase=capitalised(attributes_phrase(text, attributes)))


def wh_correction(text: str, plural: bool, denied: str, affirmed: str) -> str:
    """Return the option that denies one attribute of the named object and affirms another."""
    sentence = str(_TEMPLATES["wh"]["correction"])
    return capitalised(
        sentence.format(object=definite(text), verb=agreed("is", plural), denied=denied, affirmed=affirmed)
    )


def is_person(text: str) -> bool:
    """Tell whether a thing is asked for with "who"."""
    return head(text) in _PERSONS or number_free(head(text)) in _PERSONS
