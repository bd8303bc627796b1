"""Properties of a classification loss as a function: bounds, symmetry, monotony.

They are checked at many points, not proven; see `sample`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from symloss.expr import Expr
from symloss.expr.precise import PreciseFormula
from symloss.records import Kind
from symloss.report.analysis.limits import Limit, limits_of
from symloss.report.analysis.sample import Sample, gradients, slopes_at, values_at

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Shape:
    """A loss as a function of the predictions.

    lowest, highest: the bounds of a sample's loss; infinite if there are none.
    label_sum:   the sum of the loss over all labels if it is the same for all predictions, else None: such a
                 loss is called symmetric, and is robust to uniform label noise (Ghosh et al. 2017).
    monotone:    the loss never rises with the target's logit.
    only_target: no output but the target's has a slope.
    points:      at how many points this was checked.
    """

    lowest: Limit
    highest: Limit
    label_sum: float | None
    monotone: bool
    only_target: bool
    points: int

    @property
    def symmetric(self) -> bool:
        return self.label_sum is not None


def shape_of(expression: Expr, sample: Sample, classes: int, losses: Sequence[float]) -> Shape:
    """The properties of an expression without `classes`; `losses` are values that it is known to take."""
    lowest, highest = bounds(expression, sample, classes, losses)
    return Shape(
        lowest,
        highest,
        label_sum(expression, sample, classes),
        is_monotone(expression, sample),
        is_zero(slopes_at(expression, sample.predictions, 0.0)),
        len(sample.outputs),
    )


def label_sum(expression: Expr, sample: Sample, classes: int) -> float | None:
    """sum_k l(p, label k), if it is constant over the sample.

    Class j enters with l(1, p_j) for its own label and with l(0, p_j) for each of the others.
    """
    hit, miss = (values_at(expression, sample.predictions, label) for label in (1.0, 0.0))
    others = classes - 1 if sample.kind is Kind.MULTICLASS else 1
    sums = (hit + others * miss).sum(dim=-1)
    size = (hit.abs() + others * miss.abs()).sum(dim=-1).max().item()
    spread = (sums.max() - sums.min()).item()
    return sums.mean().item() if spread <= TOLERANCE * max(size, 1e-30) else None


def is_monotone(expression: Expr, sample: Sample) -> bool:
    """True if the gradient on the target's logit is nowhere positive. A binary label 0 lowers its logit."""
    found = gradients(expression, sample)[:, 0]
    if sample.kind is Kind.BINARY:
        found = torch.where(sample.targets[:, 0] > 0, found, -found)
    found = found[torch.isfinite(found)]
    return bool((found <= TOLERANCE * found.abs().max()).all()) if len(found) else False


def is_zero(values: Tensor) -> bool:
    """True if there is nothing but zeros where there are numbers."""
    return not bool(torch.nan_to_num(values).any())


Place = tuple[Any, Sequence[tuple[int, Any]]]
"""The target's probability, and the other classes': how many have which."""


def bounds(
    expression: Expr, sample: Sample, classes: int, losses: Sequence[float] = ()
) -> tuple[Limit, Limit]:
    """The smallest and the largest loss, over the points and towards the corners."""
    formulas = {guarded: PreciseFormula(expression, guarded) for guarded in (True, False)}

    def loss(place: Place, guarded: bool) -> Any:
        own, others = place
        formula = formulas[guarded]
        return formula(own, 1).value + sum(n * formula(p, 0).value for n, p in others if n)

    if sample.kind is Kind.BINARY:
        limits = limits_of(
            lambda e, guarded: [formulas[guarded](p, y).value for p in (e, 1 - e) for y in (0, 1)]
        )
    else:
        corners = _corners(classes)
        limits = limits_of(lambda e, guarded: [loss(corner(e), guarded) for corner in corners])
    values = values_at(expression, sample.predictions, sample.targets).sum(dim=-1)
    inside = [*values[torch.isfinite(values)].tolist(), *losses]
    return _extreme(min, limits, inside), _extreme(max, limits, inside)


def _corners(classes: int) -> list[Callable[[Any], Place]]:
    """Ways to the edges of the simplex: the target's share, and how the others divide the rest."""
    others = classes - 1
    shares: list[Callable[[Any], Any]] = [lambda e: e, lambda e: 1 - e, lambda e: (1 + e) / 2]

    def equal(share: Callable[[Any], Any]) -> Callable[[Any], Place]:
        return lambda e: (share(e), [(others, (1 - share(e)) / others)])

    def single(share: Callable[[Any], Any]) -> Callable[[Any], Place]:
        # All but one of the others share e times what is left.
        def place(e: Any) -> Place:
            rest = 1 - share(e)
            small = e * rest / max(others - 1, 1)
            return share(e), [(1, rest - (others - 1) * small), (others - 1, small)]

        return place

    return [way(share) for way in (equal, single) for share in shares]


def _extreme(choose: Callable[..., float], limits: Sequence[Limit], inside: Sequence[float]) -> Limit:
    """The smallest or largest of limits and values, with guards and without."""
    kept = [limit.value for limit in limits if not math.isnan(limit.value)]
    unguarded = [limit.on_paper for limit in limits if not math.isnan(limit.on_paper)]
    value = choose([*kept, *inside], default=math.nan)
    paper = choose([*unguarded, *inside], default=math.nan)
    return Limit(value, None if math.isclose(value, paper, rel_tol=1e-9, abs_tol=1e-12) else paper)
