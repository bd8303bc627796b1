"""Every loss gets its own learning rate, from the same grid and by the same rule, on validation data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from symloss.evaluation.contestants import Contestant, Version
from symloss.evaluation.settings import WIDENING, Budget
from symloss.evaluation.training import Trained

Costs = Callable[[Version, float, Sequence[float]], Sequence[Sequence[Trained]]]
"""Networks trained under a version, with a weight decay, at some learning rates: one list for each."""


@dataclass(frozen=True)
class Setting:
    """What can be chosen for a loss."""

    version: Version
    weight_decay: float
    learning_rate: float


@dataclass(frozen=True)
class Choice:
    """The best setting of a loss, its mean validation cost, and how many were tried.

    cost: inf if a network diverged even there. per_seed: validation costs at that setting; None for those.
    """

    setting: Setting
    cost: float
    tried: int
    per_seed: tuple[float | None, ...]


def choose(contestant: Contestant, budget: Budget, costs: Costs) -> Choice:
    """The setting at which the fewest networks diverge, and of these the one with the lowest mean cost.

    Costs are those on validation data. Of equal ones the first is taken, and the smaller rate.
    """
    tried: list[tuple[Setting, tuple[float | None, ...]]] = []
    for version in contestant.versions:
        for decay in budget.weight_decays:
            for rate, networks in _tried(version, decay, budget, costs).items():
                own = tuple(network.valid for network in networks)
                tried.append((Setting(version, decay, rate), own))
    setting, own = min(tried, key=lambda found: _quality(found[1]))
    return Choice(setting, mean_cost(own), len(tried), own)


def _quality(costs: Sequence[float | None]) -> tuple[int, float]:
    """Less is better: how many diverged, then the mean of the others."""
    known = [cost for cost in costs if cost is not None]
    return len(costs) - len(known), sum(known) / len(known) if known else math.inf


def _tried(version: Version, decay: float, budget: Budget, costs: Costs) -> dict[float, Sequence[Trained]]:
    """The networks at every rate of the grid, which grows where the costs still fall at its ends.

    Only to look whether the best rate ends the grid would not do: under squared error with outliers a high
    rate, at which networks die, can be better than all but those far below the grid. And where networks
    diverge at every rate, smaller ones are tried.
    """
    rates = sorted(budget.learning_rates)
    found = dict(zip(rates, costs(version, decay, rates), strict=True))
    for _ in range(budget.widen):
        beyond = _beyond({rate: mean_cost([n.valid for n in found[rate]]) for rate in sorted(found)})
        if not beyond:
            break
        found |= zip(beyond, costs(version, decay, beyond), strict=True)
    return dict(sorted(found.items()))


def _beyond(tried: Mapping[float, float]) -> list[float]:
    """The next rates to try: half a decade on at each end whose cost is lower than that of its neighbour.

    Costs are inf where networks diverge; below the lowest rate if they do at all.
    """
    rates = sorted(tried)
    lowest, highest = rates[0], rates[-1]
    hopeless = math.isinf(min(tried.values()))
    falling = {
        rounded(lowest / WIDENING): len(rates) == 1 or tried[lowest] < tried[rates[1]] or hopeless,
        rounded(highest * WIDENING): not hopeless and (len(rates) == 1 or tried[highest] < tried[rates[-2]]),
    }
    return [rate for rate, promising in falling.items() if promising and 0.0 < rate < math.inf]


def rounded(rate: float) -> float:
    """A rate of two digits, as people write them."""
    return float(f"{rate:.2g}")


def mean_cost(costs: Sequence[float | None]) -> float:
    """The mean, or inf if a network diverged."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) / len(known) if len(known) == len(costs) else math.inf
