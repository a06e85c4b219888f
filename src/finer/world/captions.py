"""Short captions of scenes: two to four sentences that state some of the facts."""

from __future__ import annotations

from finer.world.claims import View
from finer.world.phrases import PREDICATES, attributes, capital, cell_name, described, with_article

_SENTENCES = 4  # at most; long answers would cost the base training more than they teach


def short_caption(view: View) -> str:
    """Return a caption of up to four sentences, each about one thing and, often, one of its relations."""
    rng = view.rng
    order = list(range(len(view.things)))
    rng.shuffle(order)
    sentences = []
    for index in order[: rng.randint(2, _SENTENCES)]:
        thing = view.things[index]
        values = attributes(thing)
        text = with_article(described(thing, rng.sample(list(values), rng.randint(1, len(values)))))
        related = view.related.get(index, [])
        if related and rng.random() < 0.65:
            name, other = rng.choice(related)
            sentences.append(f"{capital(text)} {PREDICATES[name]} the {view.name(other)}.")
        elif rng.random() < 0.5:
            sentences.append(f"There is {text}.")
        else:
            sentences.append(f"{capital(text)} is {cell_name(thing.row, thing.column)}.")
    return " ".join(sentences)
