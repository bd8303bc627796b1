"""Every loss gets its own learning rate, from the same grid and by the same rule, on validation data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
    """The best setting of a loss, its mean validation cost (inf if all diverged), and how many were tried.

    per_seed: validation costs at that setting.
    """

    setting: Setting
    cost: float
    tried: int
    per_seed: tuple[float | None, ...]


def choose(contestant: Contestant, budget: Budget, costs: Costs) -> Choice:
    """The setting with the lowest mean validation cost; of equal ones the first, and the smaller rate."""
    tried: list[tuple[float, int, float, Setting, tuple[float | None, ...]]] = []
    for version in contestant.versions:
        for decay in budget.weight_decays:
            for rate, networks in _tried(version, decay, budget, costs).items():
                own = tuple(network.valid for network in networks)
                setting = Setting(version, decay, rate)
                tried.append((mean_cost(own), len(tried), rate, setting, own))
    cost, _, _, setting, own = min(tried, key=lambda found: (found[0], found[1]))
    return Choice(setting, cost, len(tried), own)


def _tried(version: Version, decay: float, budget: Budget, costs: Costs) -> dict[float, Sequence[Trained]]:
    """The networks at every rate of the grid, which grows while its best rate lies at its end."""
    rates = sorted(budget.learning_rates)
    found = dict(zip(rates, costs(version, decay, rates), strict=True))
    for _ in range(budget.widen):
        best = min(found, key=lambda rate: (mean_cost([n.valid for n in found[rate]]), rate))
        beyond = {min(found): rounded(best / WIDENING), max(found): rounded(best * WIDENING)}
        if best not in beyond:
            break
        (found[beyond[best]],) = costs(version, decay, [beyond[best]])
    return dict(sorted(found.items()))


def rounded(rate: float) -> float:
    """A rate of two digits, as people write them."""
    return float(f"{rate:.2g}")


def mean_cost(costs: Sequence[float | None]) -> float:
    """The mean, or inf if a network diverged."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) / len(known) if len(known) == len(costs) else math.inf
