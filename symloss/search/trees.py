"""DEAP's typed trees for a grammar, and the way to and from derivations.

Every nonterminal becomes a DEAP type and every production a primitive whose arguments are its holes,
followed by one hidden type for each random constant. DEAP objects never leave the search room.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from typing import Any

from deap import base, gp

from symloss.grammar import Derivation, Grammar, Production, RandomConstant


class Cost(base.Fitness):  # type: ignore[misc]
    """A single value, the lower the better."""

    weights = (-1.0,)


class Tree(gp.PrimitiveTree):  # type: ignore[misc]
    """A DEAP individual: a tree with a cost and the id of the candidate that it became."""

    def __init__(self, nodes: list[Any], candidate: int = 0) -> None:
        super().__init__(nodes)
        self.fitness = Cost()
        self.candidate = candidate


class TreeSet:
    """The primitive set of one grammar."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self._types = {name: type(name, (), {}) for name in sorted(grammar.rules)}
        self.pset = gp.PrimitiveSetTyped(grammar.name, [], self._types[grammar.start])
        self._constant_types: dict[RandomConstant, type] = {}
        self._nodes: dict[int, Any] = {}
        self._productions: dict[str, Production] = {}
        for nonterminal in sorted(grammar.rules):
            for production in grammar.rules[nonterminal]:
                self._add(nonterminal, production)

    def _add(self, nonterminal: str, production: Production) -> None:
        name = f"production_{production.id}"
        arguments = [self._types[hole] for hole in production.holes]
        arguments += [self._constant_type(constant) for constant in production.random_constants]
        if arguments:
            self.pset.addPrimitive(len, arguments, self._types[nonterminal], name=name)
        else:
            self.pset.addTerminal(name, self._types[nonterminal], name=name)
        self._nodes[production.id] = self.pset.mapping[name]
        self._productions[name] = production

    def _constant_type(self, constant: RandomConstant) -> type:
        if constant not in self._constant_types:
            kind = type(f"constant_{len(self._constant_types)}", (), {})
            self._constant_types[constant] = kind
            self.pset.addEphemeralConstant(kind.__name__, sampler(constant), kind)
        return self._constant_types[constant]

    def tree(self, derivation: Derivation, candidate: int = 0) -> Tree:
        """The DEAP tree of a derivation."""
        return Tree(list(self._flat(derivation)), candidate)

    def _flat(self, derivation: Derivation) -> Iterator[Any]:
        yield self._nodes[derivation.production.id]
        for child in derivation.children:
            yield from self._flat(child)
        pairs = zip(derivation.production.random_constants, derivation.constants, strict=True)
        for constant, value in pairs:
            yield with_value(self.pset.mapping[self._constant_type(constant).__name__], value)

    def derivation(self, tree: gp.PrimitiveTree) -> Derivation:
        """The derivation of a DEAP tree."""
        found, end = self._read(tree, 0)
        assert end == len(tree)
        return found

    def _read(self, tree: gp.PrimitiveTree, position: int) -> tuple[Derivation, int]:
        production = self._productions[tree[position].name]
        position += 1
        children = []
        for _ in production.holes:
            child, position = self._read(tree, position)
            children.append(child)
        count = len(production.random_constants)
        constants = tuple(float(tree[position + i].value) for i in range(count))
        return Derivation(production, constants, tuple(children)), position + count


def with_value(ephemeral: Any, value: float) -> Any:
    """A DEAP constant of a given value, made without drawing one from the global generator."""
    node = ephemeral.__new__(ephemeral)
    node.value = value
    return node


@functools.cache
def tree_set(grammar: Grammar) -> TreeSet:
    """The primitive set of `grammar`, built once per process as DEAP wants it."""
    return TreeSet(grammar)


@functools.cache
def sampler(constant: RandomConstant) -> Callable[[], float]:
    """A named function that draws `constant` from Python's global generator, as DEAP calls it."""

    def draw() -> float:
        return constant.sample(random._inst)

    return draw


class borrowed_randomness:  # noqa: N801 -- reads as a statement: with borrowed_randomness(rng):
    """While active, Python's global generator, which DEAP uses, continues `rng`; then both go back."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def __enter__(self) -> None:
        self._saved = random.getstate()
        random.setstate(self._rng.getstate())

    def __exit__(self, *_: object) -> None:
        self._rng.setstate(random.getstate())
        random.setstate(self._saved)
