"""Settings of the searches."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Probability = Annotated[float, Meta(ge=0, le=1)]


class Genetic(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Genetic programming.

    crossover, mutation: probabilities of the two; what remains are new random formulas.
    elites:     how many of the best stay as parents.
    tournament: candidates among which a parent is chosen.
    parsimony:  from 1 (size does not matter) to 2 (of two equally chosen the smaller always goes on), as
                in DEAP's double tournament.
    """

    crossover: Probability = 0.6
    mutation: Probability = 0.35
    elites: Annotated[int, Meta(ge=0)] = 6
    tournament: Annotated[int, Meta(ge=1)] = 4
    parsimony: Annotated[float, Meta(ge=1, le=2)] = 1.4


class TaylorGLO(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """CMA-ES on the numbers of a polynomial loss; see `symloss.search.taylorglo`.

    sigma:     standard deviation of the first generation, about the zero vector.
    invariant: do not train losses that break the paper's condition on the start of training; they count as
               worst. It is for classification.
    """

    sigma: Annotated[float, Meta(gt=0, le=1e3)] = 1.2
    invariant: bool = False
