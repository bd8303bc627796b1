"""The course of training as a line: the target's probability from 0 to 1, the others sharing the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import mpmath

from symloss.expr import Expr
from symloss.expr.precise import PreciseFormula
from symloss.records import Kind

DIGITS = 50
"""Of numbers on the line: what remains of 1 - p is still exact where p is close to 1."""

SPAN = 13.8
"""The grid goes from logits -13.8 to 13.8: probabilities from 1e-6 to 1 - 1e-6, which float32 can tell."""

STEPS = 276


@dataclass(frozen=True)
class Moment:
    """A place on the line, in numbers of many digits.

    probability: of the target.
    loss:        of the sample.
    target:      update through the target's output, -dl/dp; for binary losses, towards the label.
    other:       update through the output of another class; None for binary losses, which have one output.
    gradient:    of the loss with respect to the target's logit, through softmax or sigmoid.
    """

    probability: Any
    loss: Any
    target: Any
    other: Any
    gradient: Any


@dataclass(frozen=True)
class Course:
    """A loss along the line.

    expression: without `classes`. label: 1, or 0 for the line of a binary loss on which p falls to 0.
    """

    expression: Expr
    kind: Kind
    classes: int
    label: int = 1
    guarded: bool = True
    _formula: PreciseFormula = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_formula", PreciseFormula(self.expression, self.guarded))

    def at(self, probability: Any) -> Moment:
        """The moment at which the target has this probability."""
        rest = 1 - probability
        spread = probability * rest
        if self.kind is Kind.BINARY:
            value, slope = self._formula(probability if self.label else rest, self.label)
            rise = slope if self.label else -slope
            return Moment(probability, value, -rise, None, spread * rise)
        hit = self._formula(probability, 1)
        miss = self._formula(rest / (self.classes - 1), 0)
        # Softmax: dl/dz_t = p_t (l'(p_t) - sum_j p_j l'(p_j)), and here all other slopes are equal.
        gradient = spread * (hit.slope - miss.slope)
        return Moment(
            probability, hit.value + (self.classes - 1) * miss.value, -hit.slope, -miss.slope, gradient
        )

    def gradient_at_logit(self, logit: Any) -> Any:
        """The gradient where ln(f / (1 - f)) is `logit`; f is the target's probability."""
        return self.at(probability_of(logit)).gradient


def probability_of(logit: Any) -> Any:
    """1 / (1 + e^-logit)."""
    return 1 / (1 + mpmath.exp(-logit))


def logits() -> list[Any]:
    """The grid of the line. No point of it is 0, where a formula may have its symmetries."""
    step = mpmath.mpf(2 * SPAN) / STEPS
    return [-mpmath.mpf(SPAN) + step * (i + mpmath.mpf("0.37")) for i in range(STEPS)]


def as_floats(values: Sequence[Any]) -> tuple[float, ...]:
    """As ordinary numbers."""
    return tuple(map(as_float, values))


def as_float(value: Any) -> float:
    """As an ordinary number; infinite if it is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
