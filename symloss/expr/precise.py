"""The words of expressions in numbers of many digits, for limits that floating point cannot reach.

How many digits there are is said by the caller: `with mpmath.workdps(50): ...`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath

from symloss.expr.expression import Expr, evaluate
from symloss.expr.primitives import EXP_LIMIT, GUARD
from symloss.expr.slope import Dual, DualVocabulary

HUGE = mpmath.mpf("1e5000")
"""Of larger arguments no exponential or angle is computed: their digits would fill the memory."""


def _log(a: Any) -> Any:
    if a > 0:
        return mpmath.log(a)
    return mpmath.mpf("-inf") if a == 0 else mpmath.nan  # mpmath's own answer would be complex


def _sqrt(a: Any) -> Any:
    return mpmath.sqrt(a) if a >= 0 else mpmath.nan


def _exp(a: Any) -> Any:
    if abs(a) > HUGE:
        return mpmath.inf if a > 0 else mpmath.mpf(0)
    return mpmath.exp(a)


def _angle(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda a: mpmath.nan if abs(a) > HUGE else function(a)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "sign": mpmath.sign,
    "log": _log,
    "exp": _exp,
    "sqrt": _sqrt,
    "tanh": mpmath.tanh,
    "sigmoid": lambda a: 1 / (1 + _exp(-a)),
    "sin": _angle(mpmath.sin),
    "cos": _angle(mpmath.cos),
    "atan": mpmath.atan,
    "erf": mpmath.erf,
    "log1p": mpmath.log1p,
    "maximum": lambda a, b: a if a >= b else b,
    "minimum": lambda a, b: a if a <= b else b,
}


class PreciseVocabulary:
    """Elementwise functions of mpmath numbers.

    guarded: whether `log` and its like have their floor of 1e-7, as everywhere else.
    """

    def __init__(self, guarded: bool = True) -> None:
        self._floor = mpmath.mpf(GUARD if guarded else 0.0)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in _FUNCTIONS:
            raise AttributeError(name)
        return _FUNCTIONS[name]

    def guard(self, a: Any, /) -> Any:
        return max(abs(a), self._floor)

    def guard_slope(self, a: Any, /) -> Any:
        return mpmath.sign(a) if abs(a) > self._floor else mpmath.mpf(0)


class _OnPaper(DualVocabulary):
    """Values with their slopes, without the limit of `exp` and `pow` against overflow."""

    def minimum(self, a: Any, b: Any) -> Dual:
        limit = isinstance(b, float) and b == EXP_LIMIT  # a constant of the formula is no float here
        return a if limit else super().minimum(a, b)


class Point(NamedTuple):
    """A value and the slope in the prediction; not a number where the formula is undefined."""

    value: Any
    slope: Any


class PreciseFormula:
    """A formula without `classes` as a function of numbers of many digits.

    guarded: as it is computed everywhere else. Otherwise it is as on paper: its operators have neither floors
             nor limits.
    """

    def __init__(self, expression: Expr, guarded: bool = True) -> None:
        self._expression = expression
        words: Any = PreciseVocabulary(guarded)
        self._words: Any = DualVocabulary(words) if guarded else _OnPaper(words)

    def __call__(self, prediction: Any, target: float) -> Point:
        """Value and slope at one prediction and target."""
        inputs = {"prediction": Dual(prediction, mpmath.mpf(1)), "target": Dual(mpmath.mpf(target))}
        try:
            dual = evaluate(self._expression, inputs, self._words, lambda value: Dual(mpmath.mpf(value)))
        except (ArithmeticError, ValueError):
            return Point(mpmath.nan, mpmath.nan)
        return Point(dual.value, mpmath.mpf(0) if dual.slope is None else dual.slope)
