"""Random search: the baseline that every cleverer search has to beat."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

from symloss.expr import Expr
from symloss.grammar import Grammar
from symloss.records import Candidate, Origin, Proposal
from symloss.search.generate import Generator
from symloss.search.saved import RandomStanding, randomness, saved_as


class RandomSearch:
    """Proposes independent random formulas. Implements `Search`."""

    def __init__(self, grammar: Grammar, population: int, seed: int) -> None:
        self._population = population
        self._rng = random.Random(seed)
        self._generator = Generator(grammar, self._rng)
        self._next_id = 1
        self._generation = 0

    def ask(self) -> list[Proposal]:
        drawn = [self._generator.ramped().expression for _ in range(self._population)]
        first = self._next_id
        self._next_id += len(drawn)
        origin = Origin("random")
        return [Proposal(first + i, expr, self._generation, origin) for i, expr in enumerate(drawn)]

    def tell(self, candidates: Sequence[Candidate]) -> None:
        self._generation += 1

    def state(self) -> Any:
        return {
            "rng": randomness(self._rng),
            "next_id": self._next_id,
            "generation": self._generation,
        }

    def restore(self, state: Any, asked: Iterable[Expr]) -> None:
        saved = saved_as(state, RandomStanding)
        self._rng.setstate(saved.rng)
        self._next_id, self._generation = saved.next_id, saved.generation
