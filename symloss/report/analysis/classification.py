"""What is found about a classification loss: its curves, its pushes in training, and its shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import mpmath

from symloss.expr import Expr, bound, parse_expression
from symloss.expr.precise import PreciseFormula
from symloss.losses.catalogue import CATALOGUE
from symloss.records import Kind
from symloss.report.analysis.course import DIGITS, Course, as_floats, logits, probability_of
from symloss.report.analysis.pushes import Training, Updates, Weights
from symloss.report.analysis.sample import sample_of
from symloss.report.analysis.shape import Shape, shape_of
from symloss.report.analysis.turns import Turn, undefined_in

PLACES = (0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999)
"""Probabilities at which values and slopes are shown."""

BINARY_SMOOTHING = "-((0.9 * y + 0.05) * ln(p)) - (0.95 - 0.9 * y) * ln(1 - p)"
"""Label smoothing 0.1 for one output: the label 1 becomes 0.95, and 0 becomes 0.05."""


@dataclass(frozen=True)
class Curves:
    """l(1, p) and l(0, p) with their derivatives by p, over increasing p."""

    p: tuple[float, ...]
    loss_true: tuple[float, ...]
    loss_false: tuple[float, ...]
    slope_true: tuple[float, ...]
    slope_false: tuple[float, ...]


@dataclass(frozen=True)
class Side:
    """Training towards one label, the other classes being equal to each other.

    label:       "any", or "0" and "1" where a binary loss treats its labels differently.
    updates:     of this loss, of cross-entropy and of label smoothing 0.1.
    turns:       where the loss is stationary in the target's probability, in increasing order.
    turning_losses: the loss there.
    held:        the minimum to which training from the start leads, or None if it leads to 0 or 1.
    smoothing:   the label smoothing with that minimum, (1 - held) C / (C - 1), if it lies above chance.
    concave:     stretches of the target's probability on which the loss is not convex in the logit.
    undefined:   the stretch of it in which the formula is not a number somewhere.
    probability: of the target, for the curves. loss: of a sample. gradient: on the target's logit, of the
                 losses in `updates`.
    """

    label: str
    updates: tuple[Updates, ...]
    weights: Weights
    turns: tuple[Turn, ...]
    turning_losses: tuple[float, ...]
    held: Turn | None
    smoothing: float | None
    concave: tuple[tuple[float, float], ...]
    undefined: tuple[float, float] | None
    probability: tuple[float, ...]
    loss: tuple[float, ...]
    gradient: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Classification:
    """What is found about a loss for classes."""

    classes: int
    curves: Curves
    sides: tuple[Side, ...]
    shape: Shape


def classification_of(expression: Expr, kind: Kind, classes: int) -> Classification:
    """The findings about an expression without `classes`."""
    choices = 2 if kind is Kind.BINARY else classes
    with mpmath.workdps(DIGITS):
        curves = _curves(expression)
        sides = [_side(expression, kind, choices, label) for label in _labels(expression, kind)]
    taken = [value for side in sides for value in (*side.loss, *side.turning_losses) if math.isfinite(value)]
    shape = shape_of(expression, sample_of(kind, classes), choices, taken)
    return Classification(choices, curves, tuple(sides), shape)


def _curves(expression: Expr) -> Curves:
    formula = PreciseFormula(expression)
    even = [mpmath.mpf(i) / 100 for i in range(1, 100)]
    grid = sorted({*map(mpmath.mpf, map(str, PLACES)), *even, *map(probability_of, logits()[::6])})
    true, false = ([formula(p, label) for p in grid] for label in (1, 0))
    columns = [
        [p.value for p in true],
        [p.value for p in false],
        [p.slope for p in true],
        [p.slope for p in false],
    ]
    return Curves(as_floats(grid), *map(as_floats, columns))


def _labels(expression: Expr, kind: Kind) -> Sequence[str]:
    """Which labels have to be told apart."""
    if kind is not Kind.BINARY:
        return ["any"]
    one, zero = (Course(expression, kind, 2, label) for label in (1, 0))
    for logit in logits()[::8]:
        a, b = one.gradient_at_logit(logit), zero.gradient_at_logit(logit)
        differ = mpmath.isnan(a) != mpmath.isnan(b) or abs(a - b) > mpmath.mpf("1e-12") * max(abs(a), abs(b))
        if differ:
            return ["1", "0"]
    return ["any"]


def references(kind: Kind, classes: int) -> dict[str, Expr]:
    """The two losses that every analysis compares with."""
    if kind is Kind.BINARY:
        standard, smoothed = CATALOGUE["binary-cross-entropy"].exact, parse_expression(BINARY_SMOOTHING)
    else:
        standard, smoothed = CATALOGUE["cross-entropy"].exact, CATALOGUE["label-smoothing"].exact
    return {"cross-entropy": bound(standard, classes), "label smoothing 0.1": bound(smoothed, classes)}


@lru_cache(maxsize=16)
def _compared(kind: Kind, classes: int) -> dict[str, Training]:
    """They treat their labels alike, so either will do."""
    return {name: Training(expr, kind, classes, 1) for name, expr in references(kind, classes).items()}


def _side(expression: Expr, kind: Kind, classes: int, label: str) -> Side:
    own = Training(expression, kind, classes, int(label != "0"))
    lines = {"this loss": own, **_compared(kind, classes)}
    probabilities = [m.probability for m in own.moments]
    return Side(
        label=label,
        updates=tuple(line.updates(name) for name, line in lines.items()),
        weights=own.weights,
        turns=tuple(own.turns),
        turning_losses=as_floats([own.course.at(mpmath.mpf(t.low or t.high)).loss for t in own.turns]),
        held=own.held,
        smoothing=_smoothing(own.held, classes),
        concave=tuple(own.concave),
        undefined=undefined_in(probabilities, [m.loss + m.gradient for m in own.moments]),
        probability=as_floats(probabilities),
        loss=as_floats([m.loss for m in own.moments]),
        gradient={name: as_floats([m.gradient for m in line.moments]) for name, line in lines.items()},
    )


def _smoothing(held: Turn | None, classes: int) -> float | None:
    if held is None or held.low <= 1.0 / classes:
        return None
    return (1.0 - held.low) * classes / (classes - 1.0)
