"""Genetic programming over the derivations of a grammar, with DEAP's typed trees and operators."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from deap import gp, tools

from symloss.expr import Expr, print_expression
from symloss.grammar import Derivation, Grammar, admits, derive, from_json, to_json
from symloss.records import Candidate, Origin, Proposal
from symloss.search.generate import Generator, Room
from symloss.search.saved import RandomStanding, randomness, saved_as
from symloss.search.settings import Genetic
from symloss.search.trees import Tree, borrowed_randomness, tree_set, with_value

ATTEMPTS = 20
"""How often an operator is tried until its child is valid and new; then a fresh formula is drawn."""


class GeneticStanding(RandomStanding, frozen=True):
    """What is saved. parents: derivation, cost and candidate of each."""

    parents: tuple[tuple[Any, float, int], ...]


class GeneticSearch:
    """The default search. Implements `Search`.

    grammar:    what may be proposed.
    population: formulas per generation.
    settings:   see `Genetic`.
    seed:       of all random choices.
    seeds:      formulas with which the first generation starts, where the grammar can derive them.
    """

    def __init__(
        self, grammar: Grammar, population: int, settings: Genetic, seed: int, seeds: Sequence[Expr] = ()
    ) -> None:
        self.grammar = grammar
        self._population = population
        self.settings = settings
        self._rng = random.Random(seed)
        self._set = tree_set(grammar)
        self._generator = Generator(grammar, self._rng)
        self._seeds = list(seeds)
        self._parents: list[Tree] = []
        self._asked: dict[int, Tree] = {}
        self._seen: set[int] = set()  # marks: a long search proposes very many formulas
        self._next_id = 1
        self._generation = 0

    def ask(self) -> list[Proposal]:
        proposals = []
        self._asked = {}
        for index in range(self._population):
            derivation, origin = self._propose(index)
            expression = derivation.expression
            self._seen.add(_mark(expression))
            proposals.append(Proposal(self._next_id, expression, self._generation, origin))
            self._asked[self._next_id] = self._set.tree(derivation, self._next_id)
            self._next_id += 1
        return proposals

    def tell(self, candidates: Sequence[Candidate]) -> None:
        told = []
        for candidate in sorted(candidates, key=lambda c: c.id):
            if candidate.score.fitness is not None:
                tree = self._asked[candidate.id]
                tree.fitness.values = (candidate.score.fitness,)
                told.append(tree)
        elites = sorted(self._parents, key=_rank)[: self.settings.elites]
        self._parents = told + elites
        self._asked = {}
        self._generation += 1

    def _propose(self, index: int) -> tuple[Derivation, Origin]:
        if self._generation == 0 and index < len(self._seeds):
            found = derive(self.grammar, self._seeds[index])
            if found is not None:
                return found, Origin("seed")
        for _ in range(ATTEMPTS):
            child = self._vary() if self._parents else None
            derivation, origin = child or (self._generator.ramped(), Origin("random"))
            expression = derivation.expression
            if admits(self.grammar, expression) and _mark(expression) not in self._seen:
                return derivation, origin
        return self._generator.ramped(), Origin("random")

    def _vary(self) -> tuple[Derivation, Origin] | None:
        draw = self._rng.random()
        if draw < self.settings.crossover:
            first, second = self._select(2)
            return self._crossed(first, second)
        if draw < self.settings.crossover + self.settings.mutation:
            name, operator = self._rng.choice(self._mutations())
            (parent,) = self._select(1)
            child = operator(Tree(list(parent)))
            return None if child is None else (child, Origin(name, (parent.candidate,)))
        return None

    def _select(self, count: int) -> list[Tree]:
        with borrowed_randomness(self._rng):
            chosen: list[Tree] = tools.selDoubleTournament(
                self._parents,
                count,
                fitness_size=self.settings.tournament,
                parsimony_size=self.settings.parsimony,
                fitness_first=True,
            )
        return chosen

    def _crossed(self, first: Tree, second: Tree) -> tuple[Derivation, Origin] | None:
        """One subtree of the first replaced by one of the same type from the second.

        DEAP's own crossover picks the type from a Python set, whose order differs between processes.
        """
        points: dict[str, list[int]] = {}
        for index, node in enumerate(second):
            points.setdefault(node.ret.__name__, []).append(index)
        places = [i for i in range(1, len(first)) if first[i].ret.__name__ in points]
        if not places:
            return None
        place = self._rng.choice(places)
        donor = self._rng.choice(points[first[place].ret.__name__])
        nodes = list(first)
        nodes[first.searchSubtree(place)] = second[second.searchSubtree(donor)]
        return self._set.derivation(Tree(nodes)), Origin("crossover", (first.candidate, second.candidate))

    def _mutations(self) -> list[tuple[str, Callable[[Tree], Derivation | None]]]:
        return [
            ("subtree mutation", self._regrown),
            ("point mutation", lambda tree: self._through_deap(gp.mutNodeReplacement, tree, self._set.pset)),
            ("insertion", lambda tree: self._through_deap(gp.mutInsert, tree, self._set.pset)),
            ("shrinking", lambda tree: self._through_deap(gp.mutShrink, tree)),
            ("constant mutation", self._jittered),
        ]

    def _through_deap(self, operator: Callable[..., Any], tree: Tree, *arguments: Any) -> Derivation | None:
        with borrowed_randomness(self._rng):
            try:
                (child,) = operator(tree, *arguments)
            except IndexError:  # DEAP's insertion, where a type has no terminals
                return None
        return self._set.derivation(child)

    def _regrown(self, tree: Tree) -> Derivation | None:
        """A random subtree replaced by a new one of little height."""
        places = [i for i, node in enumerate(tree) if node.ret.__name__ in self.grammar.rules]
        place = self._rng.choice(places)
        room = Room(self._rng.randint(0, 2), self.grammar.max_size)
        name = tree[place].ret.__name__
        if not self._generator.fits(name, room):
            return None
        grown = self._set.tree(self._generator.draw(name, room, full=False))
        nodes = list(tree)
        nodes[tree.searchSubtree(place)] = list(grown)
        return self._set.derivation(Tree(nodes))

    def _jittered(self, tree: Tree) -> Derivation | None:
        """Every random constant moved by about a quarter of its size."""
        places = [i for i, node in enumerate(tree) if isinstance(node, gp.Terminal) and _is_number(node)]
        if not places:
            return None
        nodes = list(tree)
        for place in places:
            value = tree[place].value * (1.0 + self._rng.gauss(0.0, 0.25)) + self._rng.gauss(0.0, 0.02)
            nodes[place] = with_value(type(tree[place]), value)
        return self._set.derivation(Tree(nodes))

    def state(self) -> Any:
        return {
            "rng": randomness(self._rng),
            "parents": [
                [to_json(self._set.derivation(tree)), tree.fitness.values[0], tree.candidate]
                for tree in self._parents
            ],
            "next_id": self._next_id,
            "generation": self._generation,
        }

    def restore(self, state: Any, asked: Iterable[Expr]) -> None:
        saved = saved_as(state, GeneticStanding)
        self._rng.setstate(saved.rng)
        self._parents = []
        for data, fitness, candidate in saved.parents:
            tree = self._set.tree(from_json(self.grammar, data), candidate)
            tree.fitness.values = (fitness,)
            self._parents.append(tree)
        self._seen = {_mark(expression) for expression in asked}
        self._next_id, self._generation = saved.next_id, saved.generation
        self._asked = {}


def _mark(expression: Expr) -> int:
    """A number of the formula, the same in any process.

    That a search of a million formulas has two with one number happens once in 40 million searches.
    """
    text = print_expression(expression).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def _is_number(node: Any) -> bool:
    return isinstance(type(node), gp.MetaEphemeral)


def _rank(tree: Tree) -> tuple[float, int, int]:
    """Best first; of equal cost the smaller, then the older."""
    return (tree.fitness.values[0], len(tree), tree.candidate)
