"""What a regression loss does: the curve over the residual r = p - y, and its derivative, the influence."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import mpmath
import torch

from symloss.expr import Expr
from symloss.expr.precise import Point, PreciseFormula
from symloss.records import Kind
from symloss.report.analysis.course import DIGITS, as_float, as_floats
from symloss.report.analysis.limits import Limit, limits_of
from symloss.report.analysis.sample import sample_of, values_at
from symloss.report.analysis.tails import Line, Power, Tail, power_at, tail_of
from symloss.report.analysis.turns import Turn, turns_of, undefined_in

PLACES = (-100, -10, -3, -1, -0.3, -0.1, 0, 0.1, 0.3, 1, 3, 10, 100)
"""Residuals at which values and influences are shown."""

TARGETS = (-2.0, 1.0, 3.0)
"""Targets at which the lowest loss is looked for, where it matters which."""

SHOWN = 6.0
"""Residuals of the curve go from -6 to 6, and to the `PLACES` beyond."""


@dataclass(frozen=True)
class Curve:
    """Loss and influence over increasing residuals."""

    residual: tuple[float, ...]
    loss: tuple[float, ...]
    influence: tuple[float, ...]


@dataclass(frozen=True)
class Regression:
    """What is found about a loss for values.

    target:         y, which is fixed, and of which nothing depends if `only_residual`.
    only_residual:  the loss depends on p and y through p - y alone.
    sees_target:    the loss depends on y at all.
    lowest:         where it does not depend on p - y alone: targets, and the prediction at which the loss is
                    lowest for each, None where there is none.
    near_zero:      on the left and on the right; None where there is no power.
    left, right:    large negative and large positive residuals.
    bound:          the largest influence, without its sign.
    redescending:   the influence goes to zero for large residuals: outliers are ignored.
    even, convex:   checked at `points` residuals.
    turns:          stationary residuals, in increasing order.
    minimum:        the lowest of them, and `smallest` the loss there.
    quantile:       which quantile of wide noise the loss aims at, if its influence has finite limits that
                    pull to both sides; `exact` if it is constant on each side: then it holds for any noise.
    undefined:      the stretch of residuals in which the formula is not a number somewhere.
    expectile:      the same for a loss that is quadratic in both tails: 0.5 aims at the mean.
    """

    target: float
    only_residual: bool
    sees_target: bool
    lowest: tuple[tuple[float, float | None], ...]
    curve: Curve
    near_zero: tuple[Power | None, Power | None]
    left: Tail
    right: Tail
    bound: Limit
    redescending: bool
    even: bool
    convex: bool
    turns: tuple[Turn, ...]
    minimum: Turn | None
    smallest: float | None
    quantile: float | None
    exact: bool
    expectile: float | None
    undefined: tuple[float, float] | None
    points: int


def regression_of(expression: Expr) -> Regression:
    """The findings about an expression without `classes`."""
    with mpmath.workdps(DIGITS):
        target = _target(expression)
        return _found(expression, target)


def _target(expression: Expr) -> float:
    """0, unless nothing can be learned there and it can at 1."""
    formula = PreciseFormula(expression)
    for target in (0.0, 1.0):
        if any(formula(r + target, target).slope != 0 for r in residuals()[::8]):
            return target
    return 0.0


@dataclass(frozen=True)
class _Section:
    """The loss along the residuals of one target.

    line:   by whether operators are guarded. points: on the grid of `residuals`. turns: stationary residuals.
    minimum, smallest: the lowest of those, and the loss there.
    """

    line: dict[bool, Line]
    points: list[Point]
    left: Tail
    right: Tail
    turns: Sequence[Turn]
    minimum: Turn | None
    smallest: float | None

    @property
    def slopes(self) -> list[Any]:
        return [point.slope for point in self.points]


def _section(expression: Expr, target: float) -> _Section:
    line = {f: _along(PreciseFormula(expression, f), target) for f in (True, False)}
    grid = residuals()
    points = [line[True](r) for r in grid]
    left, right = (tail_of(line, sign) for sign in (-1, 1))
    turns = turns_of(lambda r: line[True](r).slope, grid, [point.slope for point in points])
    return _Section(line, points, left, right, turns, *_lowest(line[True], turns, (left, right)))


def _found(expression: Expr, target: float) -> Regression:
    section = _section(expression, target)
    line, left, right, slopes = section.line, section.left, section.right, section.slopes
    grid = residuals()
    quantile = _balance(left.influence.on_paper, right.influence.on_paper)
    only_residual = depends_on_residual_only(expression)
    return Regression(
        target=target,
        only_residual=only_residual,
        sees_target="target" in expression.inputs,
        lowest=() if only_residual else tuple((y, _lowest_at(expression, y)) for y in TARGETS),
        curve=_curve(line[True]),
        near_zero=(power_at(line[False], -1), power_at(line[False], 1)),
        left=left,
        right=right,
        bound=_bound(line, grid, slopes, (left, right)),
        redescending=any(slopes) and left.influence.on_paper == right.influence.on_paper == 0.0,
        even=_even([p.value for p in section.points]),
        convex=_rising(slopes),
        turns=tuple(section.turns),
        minimum=section.minimum,
        smallest=section.smallest,
        quantile=quantile,
        exact=quantile is not None
        and _constant(grid, slopes, left.influence.on_paper, right.influence.on_paper),
        expectile=None if quantile else _balance(-left.curvature.on_paper, right.curvature.on_paper),
        undefined=undefined_in(grid, [p.value + p.slope for p in section.points]),
        points=len(grid),
    )


def _lowest_at(expression: Expr, target: float) -> float | None:
    """The prediction at which the loss is lowest, for a target."""
    minimum = _section(expression, target).minimum
    if minimum is None or (minimum.is_flat and minimum.high - minimum.low > 1e-6):
        return None
    return target + _inside(minimum)


def residuals() -> list[Any]:
    """The grid: residuals of both signs from 1e-8 to 1e6, none of them a round number."""
    sizes = [mpmath.mpf(10) ** (mpmath.mpf(i) / 20 - mpmath.mpf("7.99")) for i in range(280)]
    return [*(-size for size in reversed(sizes)), *sizes]


def _along(formula: PreciseFormula, target: float) -> Line:
    return lambda residual: formula(residual + mpmath.mpf(target), target)


def depends_on_residual_only(expression: Expr) -> bool:
    """Whether moving prediction and target together changes the loss anywhere on the sample."""
    sample = sample_of(Kind.REGRESSION, 1)
    p, y = sample.predictions, sample.targets
    found = torch.stack([values_at(expression, p + shift, y + shift) for shift in (0.0, 1.3, -2.9)])
    spread = (found - found[0]).abs()
    return bool((torch.nan_to_num(spread) <= 1e-9 * torch.nan_to_num(found).abs().clamp(min=1e-6)).all())


def _curve(line: Line) -> Curve:
    shown = [mpmath.mpf(SHOWN) * i / 120 for i in range(-120, 121)]
    grid = sorted({*map(mpmath.mpf, map(str, PLACES)), *shown})
    points = [line(r) if r else _at_zero(line) for r in grid]
    return Curve(as_floats(grid), as_floats([p.value for p in points]), as_floats([p.slope for p in points]))


def _at_zero(line: Line) -> Point:
    """The value, and the mean slope of both sides: at a kink any slope between them would do."""
    near = mpmath.mpf("1e-30")
    return Point(line(mpmath.mpf(0)).value, (line(-near).slope + line(near).slope) / 2)


def _lowest(line: Line, turns: Sequence[Turn], tails: Sequence[Tail]) -> tuple[Turn | None, float | None]:
    """The turn with the smallest loss, unless the loss is smaller still in a tail."""
    values = [
        (as_float(line(mpmath.mpf(_inside(turn))).value), turn) for turn in turns if turn.kind == "minimum"
    ]
    values = [(value, turn) for value, turn in values if math.isfinite(value)]
    if not values:
        return None, None
    smallest, minimum = min(values, key=lambda pair: (round(pair[0], 12), abs(pair[1].low)))
    return (None, None) if any(tail.loss.on_paper < smallest for tail in tails) else (minimum, smallest)


def _inside(turn: Turn) -> float:
    return turn.low if math.isfinite(turn.low) else turn.high


def _bound(
    line: dict[bool, Line], grid: Sequence[Any], slopes: Sequence[Any], tails: Sequence[Tail]
) -> Limit:
    """The largest influence: of the grid, refined around its largest, of the tails, and towards zero."""
    sizes = [mpmath.mpf(0) if mpmath.isnan(s) else abs(s) for s in slopes]
    best = max(range(len(grid)), key=sizes.__getitem__)
    around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    inside = max(sizes[best], _peak(lambda r: abs(line[True](r).slope), *around))
    near = limits_of(lambda e, guarded: [abs(line[guarded](sign * e).slope) for sign in (-1, 1)])
    limits = [*near, *(tail.influence for tail in tails)]
    kept = max([as_float(inside), *(abs(x.value) for x in limits if not math.isnan(x.value))])
    paper = max([as_float(inside), *(abs(x.on_paper) for x in limits if not math.isnan(x.on_paper))])
    return Limit(kept, None if kept == paper else paper)


def _peak(size: Callable[[Any], Any], low: Any, high: Any) -> Any:
    """The largest value between two residuals of one sign, by thirds of the interval."""
    if low * high < 0:
        return mpmath.mpf(0)
    for _ in range(60):
        first, second = low + (high - low) / 3, high - (high - low) / 3
        low, high = (first, high) if size(first) < size(second) else (low, second)
    found = size(low)
    return mpmath.mpf(0) if mpmath.isnan(found) else found


def _even(values: Sequence[Any]) -> bool:
    """Equal at opposite places of a grid that is its own mirror image."""
    half = len(values) // 2
    return all(
        abs(a - b) <= mpmath.mpf("1e-12") * max(abs(a), abs(b), mpmath.mpf("1e-30"))
        for a, b in zip(values[:half], reversed(values[half:]), strict=True)
    )


def _rising(slopes: Sequence[Any]) -> bool:
    return all(b - a >= -abs(a) / 10**12 for a, b in pairwise(slopes))


def _balance(left: float, right: float) -> float | None:
    """The share q of targets below a point of rest, for constant pulls: q right + (1 - q) left = 0."""
    pulls = math.isfinite(left) and math.isfinite(right) and left < 0.0 < right
    return -left / (right - left) if pulls else None


def _constant(grid: Sequence[Any], slopes: Sequence[Any], left: float, right: float) -> bool:
    """Whether the influence has its limits everywhere."""
    return all(
        abs(slope - (right if r > 0 else left)) <= 1e-12 * (right - left)
        for r, slope in zip(grid, slopes, strict=True)
    )
