"""A loss of residuals where they are very small and very large."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath

from symloss.expr import short_number
from symloss.report.analysis.course import DIGITS, as_float
from symloss.report.analysis.limits import Limit, limits_of

Line = Callable[[Any], Any]
"""From a residual to value and slope."""

FAR = (mpmath.mpf("1e8"), mpmath.mpf("1e16"))
"""Residuals between which growth is measured."""

EXPONENTIAL = mpmath.mpf("1e1000")
"""A loss this large at the farther of them is no power of the residual."""

NEAR = (mpmath.mpf("1e-14"), mpmath.mpf("1e-10"))
"""Residuals between which the power near zero is measured."""


@dataclass(frozen=True)
class Power:
    """l(r) - l(0) is like `coefficient` |r|^`exponent` near zero, by the formula without guards."""

    coefficient: float
    exponent: float


@dataclass(frozen=True)
class Tail:
    """Large residuals of one sign.

    growth:    of the loss: bounded, logarithmic, linear, quadratic, "like |r|^1.5", exponential or unclear.
    loss:      its limit. influence: of dl/dr. curvature: of (dl/dr) / r.
    """

    growth: str
    loss: Limit
    influence: Limit
    curvature: Limit


def power_at(line: Line, sign: int) -> Power | None:
    """Measured on the formula without guards, which would hide what happens below 1e-7."""
    with mpmath.workdps(2 * DIGITS):
        origin = line(sign * mpmath.mpf("1e-60")).value
        near, far = (line(sign * r).value - origin for r in NEAR)
        if not (mpmath.isfinite(near) and mpmath.isfinite(far)) or near == 0 or far == 0 or near / far <= 0:
            return None
        exponent = float(mpmath.log(far / near) / mpmath.log(NEAR[1] / NEAR[0]))
        if exponent < 0.02:  # a logarithm: it has no value at zero
            return None
        exponent = round(exponent, 2) if abs(exponent - round(exponent, 2)) < 1e-4 else exponent
        coefficient = near / NEAR[0] ** mpmath.mpf(exponent)
    return Power(as_float(coefficient), exponent)


def tail_of(line: dict[bool, Line], sign: int) -> Tail:
    """Where the loss goes for large residuals of a sign. The line is given with guards and without."""

    def far(e: Any, guarded: bool) -> list[Any]:
        point = line[guarded](sign / e)
        return [point.value, point.slope, sign * point.slope * e]

    loss, influence, curvature = limits_of(far)
    return Tail(_growth(line[False], sign, loss.on_paper), loss, influence, curvature)


def _growth(line: Line, sign: int, limit: float) -> str:
    if math.isfinite(limit):
        return "bounded"
    near, far = (abs(line(sign * r).value) for r in FAR)
    if math.isnan(limit) or mpmath.isnan(near) or mpmath.isnan(far) or near == 0:
        return "unclear"
    if far > EXPONENTIAL:
        return "exponential"
    ratio = far / near
    exponent = float(mpmath.log(ratio) / mpmath.log(FAR[1] / FAR[0]))
    if exponent < 0.06:
        return "logarithmic" if 1.8 < ratio < 2.2 else "slower than any power"
    for power, word in ((1, "linear"), (2, "quadratic")):
        if abs(exponent - power) < 1e-3:
            return word
    return f"like |r|^{short_number(exponent, 3)}"
