"""The engine that is always there: genetic programming that proposes, least squares that fits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from symloss.expr import Expr, constants_of, fold, without_offset
from symloss.fitting.constants import Fit, Fitted
from symloss.fitting.front import Front, trimmed
from symloss.fitting.samples import Samples
from symloss.grammar import Grammar, reach_of
from symloss.losses.population import structure_of
from symloss.records import Candidate, Kind, Proposal, Score, Status, SymbolicLoss
from symloss.search.genetic import GeneticSearch
from symloss.search.settings import Genetic


@dataclass(frozen=True)
class FitSettings:
    """How long and how hard formulas are looked for.

    population, generations: of each search; when one has ended, another one starts from scratch.
    searches:   how many of them. seconds: no new generation is started after so many; what is found then
                depends on the machine.
    largest:    nodes of the largest formula that is kept, its scale included.
    price:      what a node costs: a formula with one more has to have an error smaller by this fraction.
    enough:     an error at which the search stops.
    """

    population: int = 120
    generations: int = 25
    searches: int = 12
    seconds: float = 40.0
    largest: int = 20
    price: float = 0.05
    enough: float = 1e-6
    seed: int = 0


TRIES = 4
"""How often constants of one structure are fitted, each time from another start."""

STARTS = 48
"""Random constants of which the best is such a start; looking at them all costs little, in one go."""

STEPS = 12
"""Evaluations of each of these fits."""

SEEDS_APART = 1000
"""Searches of one seed and of the next do not share theirs."""


@dataclass
class Fitter:
    """Scores proposals by how well they fit; plays the part that training plays in a search."""

    samples: Samples
    settings: FitSettings
    kind: Kind
    front: Front = field(init=False)
    _known: dict[Expr, tuple[int, Fitted | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.front = Front(self.settings.largest)
        self._rng = np.random.default_rng(self.settings.seed)

    def evaluate(self, proposals: Sequence[Proposal]) -> list[Candidate]:
        """Candidates in the order of `proposals`; the cost weighs error against size."""
        return [self._candidate(proposal) for proposal in proposals]

    def _candidate(self, proposal: Proposal) -> Candidate:
        found = self._fitted(fold(without_offset(fold(proposal.structure))))
        if found is None:
            bare = SymbolicLoss(proposal.structure, self.kind)
            return Candidate(proposal, bare, Score(Status.FLAT))
        self.front.add(found)
        cost = math.log(max(found.error, self.settings.enough)) + self.settings.price * found.size
        return Candidate(proposal, SymbolicLoss(found.expression, self.kind), Score(Status.OK, cost))

    def _fitted(self, expr: Expr) -> Fitted | None:
        if "prediction" not in expr.inputs:
            return None
        structure = structure_of(expr)
        tries, best = self._known.get(structure, (0, None))
        if tries < (TRIES if constants_of(expr) else 1):
            fit = Fit(expr, self.samples)
            start: Sequence[float] = constants_of(expr)
            if start:
                start = fit.promising(start, self._rng, STARTS).tolist()
            found = fit.fitted(start, STEPS)
            if found is not None and (best is None or found.error < best.error):
                best = found
            self._known[structure] = (tries + 1, best)
        return best


def fit_formulas(
    samples: Samples,
    grammar: Grammar,
    kind: Kind,
    settings: FitSettings = FitSettings(),
    tick: Callable[[str], None] = lambda line: None,
    stop: Callable[[], bool] = lambda: False,
) -> Front:
    """The front of size against error among the formulas of a grammar.

    tick: told a line after each search. stop: asked after each generation; what was found so far is the
    result then.
    """
    began = time.monotonic()
    fitter = Fitter(samples, settings, kind)
    limited = _limited(grammar, settings.largest)
    for number in range(settings.searches):
        seed = settings.seed * SEEDS_APART + number
        search = GeneticSearch(limited, settings.population, Genetic(), seed)
        for _ in range(settings.generations):
            search.tell(fitter.evaluate(search.ask()))
            if stop() or time.monotonic() - began > settings.seconds or fitter.front.least <= settings.enough:
                return trimmed(fitter.front, samples)
        tick(f"search {number + 1}/{settings.searches}: least error {fitter.front.least:.2%}")
    return trimmed(fitter.front, samples)


def _limited(grammar: Grammar, largest: int) -> Grammar:
    """The grammar with formulas no larger than needed, as far as it can have such."""
    limited = replace(grammar, max_size=min(grammar.max_size, largest + 6))
    smallest = reach_of(limited).size(limited.start, limited.required)
    return limited if smallest <= limited.max_size else grammar
