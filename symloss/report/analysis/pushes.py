"""How a loss pushes in training towards one label, from the first step to the last."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import mpmath

from symloss.expr import Expr
from symloss.records import Kind
from symloss.report.analysis.course import Course, Moment, as_float, logits, probability_of
from symloss.report.analysis.limits import Limit, limits_of
from symloss.report.analysis.turns import Turn, turns_of

SMALL = (0.1, 0.01, 0.001)
"""Training errors for which the updates near the end are shown."""


@dataclass(frozen=True)
class Update:
    """What gradient descent does in one place of training, for a learning rate of 1.

    probability: of the target. loss: of the sample.
    target:   change through the target's output, -dl/dp; for binary losses, towards the label.
    other:    change through the output of a class that is not the target; None for binary losses.
    gradient: on the target's logit, through softmax or sigmoid.
    """

    probability: float
    loss: float
    target: float
    other: float | None
    gradient: float


@dataclass(frozen=True)
class UpdateLimit:
    """The same where the training error goes to zero."""

    target: Limit
    other: Limit | None
    gradient: Limit


@dataclass(frozen=True)
class Updates:
    """A loss at the start of training, where all classes are equally likely, and near zero training error.

    near_end: for each of `SMALL` as the training error. end: their limit.
    """

    name: str
    start: Update
    near_end: tuple[Update, ...]
    end: UpdateLimit


@dataclass(frozen=True)
class Weights:
    """The gradient on the target's logit relative to cross-entropy's: how much an example counts.

    wrong:  where the target's probability goes to 0. start: where all classes are equally likely: the implied
            learning-rate factor. fitted: where it goes to 1.
    steady: it is `start`, within 1 %, from far below chance until the loss holds the probability, or to the
            end.
    """

    wrong: Limit
    start: float
    fitted: Limit
    steady: bool


class Training:
    """A loss along the course from wrong to right. To be used at the precision of `course.DIGITS`."""

    def __init__(self, expression: Expr, kind: Kind, classes: int, label: int) -> None:
        self.chance = 1 / mpmath.mpf(classes)
        self.courses = {f: Course(expression, kind, classes, label, f) for f in (True, False)}
        self.course = self.courses[True]
        self.grid = logits()
        self.moments = [self.course.at(probability_of(logit)) for logit in self.grid]

    def updates(self, name: str) -> Updates:
        """The table of its pushes."""
        near = [_update(self.course.at(1 - mpmath.mpf(str(e)))) for e in SMALL]
        ends = limits_of(lambda e, guarded: _numbers(self.courses[guarded].at(1 - e)))
        target, gradient, *other = ends
        return Updates(
            name,
            _update(self.course.at(self.chance)),
            tuple(near),
            UpdateLimit(target, other[0] if other else None, gradient),
        )

    @cached_property
    def weights(self) -> Weights:
        # Cross-entropy's gradient on the target's logit is f - 1.
        wrong, fitted = (
            limits_of(lambda e, guarded: [self.courses[guarded].at(e).gradient / (e - 1)])[0],
            limits_of(lambda e, guarded: [self.courses[guarded].at(1 - e).gradient / -e])[0],
        )
        start = self.course.at(self.chance).gradient / (self.chance - 1)
        return Weights(wrong, as_float(start), fitted, self._steady(start))

    def _steady(self, start: Any) -> bool:
        """1 % of deviation is allowed: losses as they are computed carry small numbers in logarithms."""
        end = 1.0 if self.held is None else self.held.low
        return bool(start) and all(
            abs(m.gradient / (m.probability - 1) - start) <= abs(start) / 100
            for m in self.moments
            if self.chance / 100 < m.probability < end
        )

    @cached_property
    def turns(self) -> list[Turn]:
        found = turns_of(self.course.gradient_at_logit, self.grid, [m.gradient for m in self.moments])
        return [_in_probability(turn) for turn in found]

    @cached_property
    def held(self) -> Turn | None:
        """The minimum, or the flat stretch, to which training from chance leads."""
        direction = self.course.at(self.chance).gradient
        ends = [turn for turn in self.turns if turn.kind != "maximum"]
        if direction < 0:
            return next((turn for turn in ends if turn.low > self.chance), None)
        if direction > 0:
            return next((turn for turn in reversed(ends) if turn.high < self.chance), None)
        return next((turn for turn in ends if turn.low <= self.chance <= turn.high), None)

    @cached_property
    def concave(self) -> list[tuple[float, float]]:
        """Where the gradient falls from one point of the grid to the next, by more than rounding."""
        found: list[tuple[float, float]] = []
        rounding = max(abs(m.gradient) for m in self.moments) / 10**12
        for before, after in pairwise(self.moments):
            if after.gradient - before.gradient < -rounding:
                low, high = float(before.probability), float(after.probability)
                if found and found[-1][1] == low:
                    low = found.pop()[0]
                found.append((low, high))
        return found


def _in_probability(turn: Turn) -> Turn:
    """A turn in logits as one in probabilities."""
    low, high = (as_float(probability_of(mpmath.mpf(logit))) for logit in (turn.low, turn.high))
    return Turn(turn.kind, low, high, turn.jump)


def _numbers(moment: Moment) -> list[Any]:
    return [moment.target, moment.gradient, *([] if moment.other is None else [moment.other])]


def _update(moment: Moment) -> Update:
    other = None if moment.other is None else as_float(moment.other)
    probability, loss, target, gradient = map(
        as_float, (moment.probability, moment.loss, moment.target, moment.gradient)
    )
    return Update(probability, loss, target, other, gradient)
