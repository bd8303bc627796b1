"""TaylorGLO: a polynomial loss whose eight numbers are proposed by CMA-ES.

The loss is minus a third-order polynomial of two variables about a centre, without the terms that lack the
prediction (Gonzalez and Miikkulainen, arXiv 2002.00059):

    l(y, p) = -[ t2 P + t3 P^2 + t4 P^3 + t5 Y P + t6 Y P^2 + t7 Y^2 P ],    P = p - t1,  Y = y - t0

The factorials of a Taylor series are part of t3, t4, t6 and t7, as in the authors' code. All eight numbers
change dl/dp; behind a softmax t2 does nothing, since probabilities sum to one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from deap import cma

from symloss.errors import ConfigError
from symloss.expr import PREDICTION, TARGET, Expr, call
from symloss.records import Candidate, Origin, Proposal
from symloss.search.saved import Standing, saved_as
from symloss.search.settings import TaylorGLO
from symloss.search.trees import Cost

NUMBERS = 8

DRAWS = 100
"""How often a generation is drawn anew because all of it breaks the invariant."""


def polynomial(t: Sequence[float]) -> Expr:
    """The loss of the eight numbers t0 to t7; see above."""
    p, y = call("sub", PREDICTION, t[1]), call("sub", TARGET, t[0])
    squared = call("square", p)
    alone = _sum(t[2:5], [p, squared, call("mul", p, squared)])
    mixed = _sum(t[5:], [call("mul", y, p), call("mul", y, squared), call("mul", call("square", y), p)])
    return call("neg", call("add", alone, mixed))


def _sum(numbers: Sequence[float], parts: Sequence[Expr]) -> Expr:
    terms = [call("mul", number, part) for number, part in zip(numbers, parts, strict=True)]
    return functools.reduce(functools.partial(call, "add"), terms)


def rise(t: Sequence[float], p: float, y: float) -> float:
    """How strongly training pushes the probability p of a class with target y up: -dl/dp."""
    dp, dy = p - t[1], y - t[0]
    return t[2] + 2 * t[3] * dp + 3 * t[4] * dp**2 + t[5] * dy + 2 * t[6] * dy * dp + t[7] * dy**2


def trains_at_the_start(t: Sequence[float], classes: int) -> bool:
    """The paper's invariant: with all classes equally likely, the true one is pushed up far enough.

    In excess of a wrong class it is pushed at least as strongly as `classes` - 2 wrong ones.
    """
    wrong = rise(t, 1 / classes, 0.0)
    return rise(t, 1 / classes, 1.0) - wrong >= (classes - 2) * wrong


class Point(list[float]):
    """The numbers of a loss, with a cost as DEAP wants it and the id of its candidate; 0 if it is none."""

    def __init__(self, numbers: Sequence[float]) -> None:
        super().__init__(float(number) for number in numbers)
        self.fitness = Cost()
        self.candidate = 0


class TaylorGLOStanding(Standing, frozen=True):
    """What is saved. strategy: the numbers of CMA-ES, by DEAP's names for them."""

    strategy: dict[str, Any]
    seed: int


class TaylorGLOSearch:
    """Proposes polynomials. Implements `Search`.

    CMA-ES is DEAP's. It starts at the zero vector, and starts again there when its distribution has become a
    point, or endless, or flat. What could not be scored counts as worst.

    population: formulas per generation, at least 2.
    settings:   see `TaylorGLO`.
    seed:       of all random choices; each generation's depend on it and on nothing else.
    classes:    of the task, for the invariant; None for regression.
    Raises:     ConfigError if the population is too small or there is no invariant.
    """

    def __init__(self, population: int, settings: TaylorGLO, seed: int, classes: int | None = None) -> None:
        if population < 2:
            raise ConfigError(f"method 'taylorglo' needs a population of at least 2, found {population}")
        if settings.invariant and classes is None:
            raise ConfigError("'taylorglo.invariant' is about classes, found a regression task: leave it out")
        self._population = population
        self.settings = settings
        self._seed = seed
        self._classes = classes
        self._strategy = self._fresh()
        self._points: list[Point] = []
        self._next_id = 1
        self._generation = 0

    def _fresh(self) -> Any:
        return cma.Strategy([0.0] * NUMBERS, self.settings.sigma, lambda_=self._population)

    def ask(self) -> list[Proposal]:
        self._points = self._drawn()
        chosen = [point for point in self._points if self._allowed(point)] or self._points
        proposals = []
        for point in chosen:
            point.candidate = self._next_id
            self._next_id += 1
            origin = Origin("cma-es")
            proposals.append(Proposal(point.candidate, polynomial(point), self._generation, origin))
        return proposals

    def _drawn(self) -> list[Point]:
        """A generation of points, some of which are allowed, if that can be had.

        As DEAP's `generate`, which draws from NumPy's global generator.
        """
        strategy = self._strategy
        for attempt in range(DRAWS):
            normal = np.random.default_rng([self._seed, self._generation, attempt])
            steps = normal.standard_normal((self._population, NUMBERS)) @ strategy.BD.T
            points = [Point(row) for row in strategy.centroid + strategy.sigma * steps]
            if any(self._allowed(point) for point in points):
                break
        return points

    def _allowed(self, point: Point) -> bool:
        if not self.settings.invariant:
            return True
        assert self._classes is not None
        return trains_at_the_start(point, self._classes)

    def tell(self, candidates: Sequence[Candidate]) -> None:
        costs = {candidate.id: candidate.score.fitness for candidate in candidates}
        for point in self._points:
            cost = costs.get(point.candidate)
            point.fitness.values = (math.inf if cost is None else cost,)
        if any(cost is not None for cost in costs.values()):  # nothing is learned from nothing
            with np.errstate(all="ignore"):
                self._strategy.update(self._points)
            if not _sound(self._strategy):
                self._strategy = self._fresh()
        self._points = []
        self._generation += 1

    def state(self) -> Any:
        s = self._strategy
        arrays = {name: getattr(s, name).tolist() for name in ("centroid", "C", "B", "diagD", "pc", "ps")}
        return {
            "strategy": {**arrays, "sigma": float(s.sigma), "update_count": s.update_count},
            "seed": self._seed,
            "next_id": self._next_id,
            "generation": self._generation,
        }

    def restore(self, state: Any, asked: Iterable[Expr]) -> None:
        standing = saved_as(state, TaylorGLOStanding)
        self._strategy, saved = self._fresh(), standing.strategy
        for name in ("centroid", "C", "B", "diagD", "pc", "ps"):
            shape = (NUMBERS, NUMBERS) if name in ("C", "B") else (NUMBERS,)
            setattr(self._strategy, name, np.array(saved[name], dtype=float).reshape(shape))
        self._strategy.BD = self._strategy.B * self._strategy.diagD
        self._strategy.sigma = float(saved["sigma"])
        self._strategy.update_count = int(saved["update_count"])
        self._seed = standing.seed
        self._next_id, self._generation = standing.next_id, standing.generation
        self._points = []


def _sound(strategy: Any) -> bool:
    """Whether there is something to draw from: False for what is not a number as well."""
    spread = strategy.sigma * strategy.diagD
    far = float(np.abs(strategy.centroid).max())
    widest, narrowest = float(spread.max()), float(spread.min())
    return far < 1e9 and 1e-9 < widest < 1e6 and narrowest > 1e-7 * widest
