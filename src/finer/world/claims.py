"""True phrases about a scene and near ones that are false of every instance: what questions are made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property
from random import Random

from finer.world.catalogue import COLORS, KINDS, PATTERNS
from finer.world.phrases import PREDICATES, TEXT, attributes, telling_name
from finer.world.scenes import RELATIONS, Scene

Claim = tuple[str, str]  # (predicate, target's name): "is above", "red cup"
_FOREIGN: dict[str, list[str]] = TEXT["foreign"]
_OWN: dict[str, tuple[str, ...]] = {"color": COLORS, "pattern": PATTERNS, "outline": ()}


class View:
    """A scene with what questions need looked up once, and the generator that draws from it."""

    def __init__(self, scene: Scene, rng: Random) -> None:
        self.scene, self.rng, self.things = scene, rng, scene.things
        self.names = [telling_name(scene, index) for index in range(len(scene.things))]
        self.named = [index for index, name in enumerate(self.names) if name]
        self.figures = [index for index, thing in enumerate(scene.things) if thing.is_figure]
        self.present = sorted(scene.counts)
        self.absent = [kind for kind in KINDS if kind not in scene.counts]

    @cached_property
    def instances(self) -> dict[str, list[int]]:
        """Indices of the things of each kind."""
        found: dict[str, list[int]] = {}
        for index, thing in enumerate(self.things):
            found.setdefault(thing.kind, []).append(index)
        return found

    @cached_property
    def related(self) -> dict[int, list[tuple[str, int]]]:
        """For each thing that stands in a relation to a thing that can be named: (relation, index of the other)."""
        found: dict[int, list[tuple[str, int]]] = {}
        for (i, j), name in self.scene.relations.items():
            if self.names[j]:
                found.setdefault(i, []).append((name, j))
        return found

    def name(self, index: int) -> str:
        """Return the telling name of a thing that has one."""
        found = self.names[index]
        assert found is not None, "only things in `named` have a telling name"
        return found

    def foreign(self) -> bool:
        """Draw whether to use a word that is never true of the world."""
        return self.rng.random() < float(TEXT["foreign_share"])

    def absent_kinds(self, count: int, also_not: Iterable[str] = ()) -> list[str]:
        """Draw kinds that the scene does not hold."""
        barred = set(also_not)
        pool = [kind for kind in self.absent if kind not in barred]
        drawn = self.rng.sample(pool, count)
        if self.foreign():
            drawn[self.rng.randrange(count)] = self.rng.choice(_FOREIGN["kind"])
        return drawn

    def wrong_values(self, index: int, name: str, count: int) -> list[str] | None:
        """Draw values of an attribute that no thing of this kind has; None if there are too few."""
        kind = self.things[index].kind
        true = [attributes(self.things[twin]).get(name) for twin in self.instances[kind]]
        if name == "size":
            sizes = [value for value in TEXT["wrong_sizes"][self.things[index].size] if value not in true]
            return sizes[:1] + self.rng.sample(sizes[1:], count - 1) if len(sizes) >= count else None
        near = [value for value in _OWN[name] if value not in true]
        self.rng.shuffle(near)
        far = self.rng.sample(_FOREIGN[name], len(_FOREIGN[name]))
        if near and self.foreign():
            near = [far.pop(), *near]
        values = (near + far)[:count]
        return values if len(values) == count else None

    def surely_false(self, kind: str, relation: str, target: str) -> bool:
        """Whether no thing of the kind stands in the relation to any thing of the target's kind."""
        return all(
            self.scene.holds(relation, i, j) is False
            for i in self.instances.get(kind, ())
            for j in self.instances.get(target, ())
            if i != j
        )

    def wrong_claims(
        self, index: int, true: tuple[str, int], count: int, barred: Collection[str] = ()
    ) -> list[Claim] | None:
        """Draw false claims near to a true relation: all with another predicate, or all with another target.

        ``barred`` names targets that the phrase has already. None if the scene does not allow so many.
        """
        relation, target = true
        kind, target_kind = self.things[index].kind, self.things[target].kind
        if self.rng.random() < 0.6:
            wrong = [
                PREDICATES[other] for other in RELATIONS
                if other != relation and self.surely_false(kind, other, target_kind)
            ]  # fmt: skip
            self.rng.shuffle(wrong)
            far = self.rng.sample(_FOREIGN["predicate"], len(_FOREIGN["predicate"]))
            if self.foreign():
                wrong.insert(0, far.pop())
            return [(predicate, self.name(target)) for predicate in (wrong + far)[:count]]
        near = [
            self.name(j) for j in self.named
            if self.things[j].kind not in (kind, target_kind) and self.name(j) not in barred
            and self.surely_false(kind, relation, self.things[j].kind)
        ]  # fmt: skip
        self.rng.shuffle(near)
        targets = [*near[: self.rng.randint(0, count)], *self.absent_kinds(min(count, len(self.absent)))][:count]
        return [(PREDICATES[relation], name) for name in targets] if len(targets) == count else None

    def only_ones(self) -> list[tuple[int, str, int]]:
        """Return (asked, relation, named) where one thing alone stands in the relation to a named thing."""
        holders: dict[tuple[str, int], list[int]] = {}
        for (i, j), name in self.scene.relations.items():
            if self.names[j]:
                holders.setdefault((name, j), []).append(i)
        return [(who[0], name, j) for (name, j), who in holders.items() if len(who) == 1 and self.names[who[0]]]
