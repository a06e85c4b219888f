"""Long captions as people write them: varied sentences, pronouns, coordination, remarks; never all, never false."""

from __future__ import annotations

from random import Random

from finer.world.catalogue import read_yaml
from finer.world.claims import View
from finer.world.phrases import PREDICATES, attributes, capital, described, join, with_article
from finer.world.scenes import ON_TOP, Scene

STORY = read_yaml("stories.yaml")
_LEAST, _MOST = 3, 8  # sentences


class Teller:
    """Tells one scene sentence by sentence and remembers what it has said."""

    def __init__(self, scene: Scene, rng: Random) -> None:
        self.view, self.rng, self.scene, self.things = View(scene, rng), rng, scene, scene.things
        self.told: set[int] = set()
        self.said: dict[int, set[str]] = {}
        self.linked: set[tuple[int, int]] = set()  # pairs whose relation is told, from either side
        self.sentences: list[str] = []

    # ------------------------------------------------------------ noun phrases
    def mention(self, index: int, least: int = 1) -> str:
        """Return "a small red ball" the first time, "the ball" after that."""
        if index in self.told:
            return f"the {self.view.name(index)}"
        thing = self.things[index]
        names = self.rng.sample(list(attributes(thing)), min(self.rng.choice((1, 1, 2, 2, 3)), len(attributes(thing))))
        if least == 0 and self.rng.random() < 0.4:
            names = []
        chosen = set(names) | self._distinguishing(index)
        self.told.add(index)
        self.said.setdefault(index, set()).update(chosen)
        return with_article(described(thing, chosen))

    def _distinguishing(self, index: int) -> set[str]:
        """Return the attribute that the telling name of a twin uses."""
        words = self.view.name(index).split()
        return {name for name, value in attributes(self.things[index]).items() if value in words[:-1]}

    def left_over(self, index: int) -> list[str]:
        """Return attributes of a thing that no sentence has said yet."""
        return [name for name in attributes(self.things[index]) if name not in self.said.get(index, set())]

    def link(self, index: int, told_only: bool) -> tuple[str, int] | None:
        """Draw a relation of the thing that is not told yet; holders come first, as people mention them."""
        open_ = [
            (name, other) for name, other in self.view.related.get(index, ())
            if (index, other) not in self.linked and (other, index) not in self.linked
            and (not told_only or other in self.told)
        ]  # fmt: skip
        if not open_:
            return None
        held = [(name, other) for name, other in open_ if other == self.things[index].holder]
        chosen = held[0] if held else self.rng.choice(open_)
        self.linked.add((index, chosen[1]))
        return chosen

    def place(self, index: int) -> str | None:
        """Return where in the frame a thing at its border is."""
        thing = self.things[index]
        for corner, cell in STORY["corners"].items():
            if cell == [thing.row, thing.column]:
                return f"in the {corner} corner"
        found = STORY["rows"].get(thing.row) or STORY["columns"].get(thing.column)
        return str(found) if found else None

    # ------------------------------------------------------------ sentences about a thing not told yet
    def introduce(self, index: int) -> None:
        """Say that a thing is there, in one of several ways, and perhaps more about it."""
        ways = [self._there, self._subject, self._inverted, self._framed]
        self.rng.shuffle(ways)
        way = next(way for way in ways if way(index))  # `_there` always can
        if self.rng.random() < 0.45:
            # After "Above the cup is a ball" a reader takes "it" for the cup.
            self.follow(index, None if way == self._inverted else "it")

    def _there(self, index: int) -> bool:
        link = self.link(index, told_only=True) if self.rng.random() < 0.7 else None
        text = self.mention(index)
        if link is None:
            self.sentences.append(self.rng.choice((f"There is {text}.", f"{capital(text)} is visible.")))
        else:
            self.sentences.append(f"There is {text} {_bare(link[0])} {self.mention(link[1])}.")
        return True

    def _subject(self, index: int) -> bool:
        link = self.link(index, told_only=False)
        if link is None:
            return False
        text = self.mention(index)
        if link[0] == ON_TOP and self.rng.random() < 0.5:
            self.sentences.append(f"{capital(text)} rests on top of {self.mention(link[1])}.")
            return True
        rest = self.left_over(index)
        if rest and "outline" not in text and self.rng.random() < 0.25:  # an outline would take the clause
            text += f", which {self._predicate(index, rest[:1])},"
        self.sentences.append(f"{capital(text)} {PREDICATES[link[0]]} {self.mention(link[1])}.")
        return True

    def _inverted(self, index: int) -> bool:
        link = self.link(index, told_only=True)
        if link is None or link[0] == ON_TOP:  # "Resting on top of the table is a cup" reads oddly
            return False
        verb = self.rng.choice(("is", "there is"))
        self.sentences.append(f"{capital(_bare(link[0]))} {self.mention(link[1])} {verb} {self.mention(index)}.")
        return True

    def _framed(self, index: int) -> bool:
        place = self.place(index)
        if place is None:
            return False
        text = self.mention(index)
        if self.rng.random() < 0.5:
            self.sentences.append(f"{capital(place)}, there is {text}.")
        else:
            self.sentences.append(f"{capital(text)} is {place}.")
        return True

    # ------------------------------------------------------------ sentences about things already told
    def follow(self, index: int, pronoun: str | None) -> None:
        """Say more about a told thing: left-over attributes, or one or two more relations."""
        subject = capital(pronoun) if pronoun else f"The {self.view.name(index)}"
        rest = self.left_over(index)
        self.rng.shuffle(rest)
        if rest and self.rng.random() < 0.65:
            self.sentences.append(f"{subject} {self._predicate(index, rest[: self.rng.choice((1, 2, 2))])}.")
            return
        links = [self.link(index, told_only=True) for _ in range(self.rng.choice((1, 2)))]
        claims = [f"{_bare(link[0])} the {self.view.name(link[1])}" for link in links if link]
        if claims:
            self.sentences.append(f"{subject} is {join(claims)}.")

    def _predicate(self, index: int, names: list[str]) -> str:
        """Return "is small and has a black outline" and mark it as said."""
        values = attributes(self.things[index])
        self.said.setdefault(index, set()).update(names)
        plain = [values[name] for name in ("size", "color") if name in names]
        having = [f"{with_article(values[name])} {name}" for name in ("pattern", "outline") if name in names]
        parts = [f"is {join(plain)}"] if plain else []
        if having:
            parts.append(f"has {join(having)}")
        return join(parts)

    def together(self, one: int, other: int) -> None:
        """Name two things in one sentence."""
        also = "also " if self.told else ""
        first, second = self.mention(one), self.mention(other)
        self.sentences.append(
            self.rng.choice((f"{capital(first)} and {second} are {also}visible.", f"There is {first} and {second}."))
        )

    def twins(self, one: int, other: int) -> None:
        """Tell two things of one kind and how they differ."""
        kind = self.things[one].kind
        name = next(iter(self._distinguishing(one)))
        values = [attributes(self.things[index])[name] for index in (one, other)]
        self.sentences.append(f"There are two {plural(kind)}.")
        self.sentences.append(
            f"One {self._contrast(name, values[0])} and the other {self._contrast(name, values[1])}."
            if name != "color" else f"One {kind} is {values[0]}, and the other is {values[1]}."
        )  # fmt: skip
        for index in (one, other):
            self.told.add(index)
            self.said.setdefault(index, set()).add(name)

    def _contrast(self, name: str, value: str) -> str:
        return f"is {value}" if name == "size" else f"has {with_article(value)} {name}"


def tell(scene: Scene, rng: Random, least: int = _LEAST, most: int = _MOST, share: float = 0.85) -> str:
    """Return a caption of ``least`` to ``most`` sentences that tells about ``share`` of the things."""
    teller = Teller(scene, rng)
    order = [index for index in teller.view.named if rng.random() < share] or teller.view.named[:1]
    rng.shuffle(order)
    remarks = rng.sample(STORY["remarks"], len(STORY["remarks"]))
    _open(teller, order)
    twin = _twins(teller, order)
    if twin and rng.random() < 0.5:
        teller.twins(*twin)
    room = most - rng.choice((0, 1, 1))
    waiting = [index for index in order if index not in teller.told]
    while waiting and len(teller.sentences) < room:
        index = waiting.pop()
        if index in teller.told:  # named on the way, as the place of another thing
            continue
        if len(waiting) > 1 and waiting[-1] not in teller.told and rng.random() < 0.15:
            teller.together(index, waiting.pop())
        else:
            teller.introduce(index)
    _add_more(teller, room, rng)
    sentences = teller.sentences[:room] or [remarks.pop()]
    while len(sentences) < least or (len(sentences) < most and rng.random() < 0.35 and remarks):
        sentences.insert(rng.randint(1, len(sentences)) if rng.random() < 0.3 else len(sentences), remarks.pop())
    return " ".join(sentences)


def _open(teller: Teller, order: list[int]) -> None:
    """Begin with a camera remark, a list of things, or at once."""
    draw = teller.rng.random()
    if draw < 0.35:
        teller.sentences.append(teller.rng.choice(STORY["openings"]))
    elif draw < 0.7 and len(order) >= 2:
        listed = order[: teller.rng.randint(2, min(4, len(order)))]
        things = join([teller.mention(index, least=0) for index in listed])
        teller.sentences.append(teller.rng.choice(STORY["listing_openings"]).format(things=things))


def _add_more(teller: Teller, room: int, rng: Random) -> None:
    """Say more about told things while there is room, most captions a little."""
    told = sorted(teller.told)
    rng.shuffle(told)
    for index in told:
        if len(teller.sentences) >= room or rng.random() < 0.35:
            continue
        teller.follow(index, None)


def _twins(teller: Teller, order: list[int]) -> tuple[int, int] | None:
    """Return two things of one kind that are both still to be told, if there are."""
    for one in order:
        for other in order:
            same = one < other and teller.things[one].kind == teller.things[other].kind
            if same and not {one, other} & teller.told:
                return one, other
    return None


def plural(kind: str) -> str:
    """Return the plural of a kind."""
    return {"box": "boxes", "cross": "crosses", "fish": "fish"}.get(kind, f"{kind}s")


def _bare(name: str) -> str:
    return PREDICATES[name].removeprefix("is ")
