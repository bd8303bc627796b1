"""What a quantity does at the end of its range: tends to a number, grows without bound, or neither."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath

from symloss.expr import short_number

EXPONENTS = (8, 16, 32, 64, 128, 256)
"""A quantity is looked at in 10^-8, 10^-16, ...: each step squares the distance from the end."""

DIGITS = 600
"""Enough for 1 - 10^-256 and its square."""

ENDLESS = 1e20
"""What is larger counts as infinite."""


@dataclass(frozen=True)
class Limit:
    """Where a quantity goes.

    value:     a number, plus or minus infinity, or not a number if it has no limit.
    unguarded: the same for the formula as on paper, whose operators have neither floors nor limits; None
               where that is no different.
    """

    value: float
    unguarded: float | None = None

    @property
    def words(self) -> str:
        """For people: "tends to 0.91"."""
        said = said_of(self.value)
        if self.unguarded is None:
            return said
        return f"{said} by the guards of its operators, {said_of(self.unguarded)} without them"

    @property
    def on_paper(self) -> float:
        """The limit of the formula without guards, as one would compute it by hand."""
        return self.value if self.unguarded is None else self.unguarded


def said_of(limit: float) -> str:
    """A limit in words."""
    if math.isnan(limit):
        return "has no limit"
    if math.isinf(limit):
        return "grows to +infinity" if limit > 0 else "falls to -infinity"
    return "tends to zero" if limit == 0 else f"tends to {short_number(limit)}"


def limits_of(function: Callable[[Any, bool], Sequence[Any]]) -> list[Limit]:
    """The limits of the quantities `function(e, guarded)` for e -> 0, with guards and without."""
    with mpmath.workdps(DIGITS):
        sides = []
        for guarded in (True, False):
            rows = [function(mpmath.mpf(10) ** -k, guarded) for k in EXPONENTS]
            sides.append([settled(column) for column in zip(*rows, strict=True)])
    return [
        Limit(kept, None if _same(kept, paper) else paper)
        for kept, paper in zip(sides[0], sides[1], strict=True)
    ]


def _same(a: float, b: float) -> bool:
    """Whether there is nothing to add: guards change nothing, or there is no limit without them."""
    if math.isinf(a) or math.isinf(b):
        return a == b
    return math.isnan(b) or abs(a - b) <= 1e-9 * max(abs(a), abs(b), 1.0)


def settled(values: Sequence[Any]) -> float:
    """The limit of a sequence whose argument is squared at each step.

    Powers of e settle at once. Logarithms double at each step, and their inverses halve: of those the limit
    is extrapolated (Aitken).
    """
    earlier, before, last = values[-3:]
    step, previous = last - before, before - earlier
    if any(map(mpmath.isnan, (earlier, before, last))):
        return math.nan
    if abs(last) > ENDLESS:
        return math.inf if last > 0 else -math.inf
    if abs(step) <= 1e-9 * max(1, abs(last)):
        return _snapped(last, 1e-12)
    if abs(last) < 0.3 * abs(before) < 0.09 * abs(earlier):  # a small power of e: it goes to zero ever faster
        return 0.0
    return _extrapolated(last, step, step / previous if previous else mpmath.nan)


def _extrapolated(last: Any, step: Any, ratio: Any) -> float:
    """The limit of a sequence that still moves, by how its last step compares with the one before."""
    if ratio >= 0.9:  # it goes on by as much as before, or more
        return math.inf if step > 0 else -math.inf
    if 0.4 <= ratio <= 0.6:
        return _snapped(last + step * ratio / (1 - ratio), 1e-6)
    return _snapped(last, 1e-6) if 0 <= ratio < 0.4 else math.nan


def _snapped(value: Any, tolerance: float) -> float:
    return 0.0 if abs(value) < tolerance else float(value)
