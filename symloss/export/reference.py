"""Loss and gradient in high precision, for formulas that the search's own arithmetic cannot evaluate.

`ln(p)` and `ln(1 - p)` have no floor, so where a probability rounds to 0 or 1 nothing is left of them in
floating point. Here a probability is a number of fifty digits that knows its complement, and the derivative
is the forward mode of `symloss.expr.slope`, over these numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from symloss.export.grid import Batch
from symloss.expr.primitives import GUARD
from symloss.expr.slope import Dual, value_and_slope
from symloss.records import Kind, SymbolicLoss

DIGITS = 50

MOST = 1000
"""Batches that are remembered: every target is compared with the same numbers."""


@dataclass(frozen=True)
class Precise:
    """Values of a batch before any reduction, the gradient of their sum, and sizes of what is added up."""

    value: Any
    gradient: Any
    value_size: Any
    gradient_size: Any


_known: dict[Any, Precise] = {}


def precise(loss: SymbolicLoss, batch: Batch, dtype: str) -> Precise:
    """See the module. Outputs and labels are rounded to `dtype` first; results are float64."""
    key = (loss.expression, loss.kind, dtype, batch.outputs.tobytes(), batch.labels.tobytes())
    if key not in _known:
        if len(_known) > MOST:
            _known.clear()
        _known[key] = _computed(loss, batch, dtype)
    return _known[key]


def _computed(loss: SymbolicLoss, batch: Batch, dtype: str) -> Precise:
    outputs = batch.outputs.astype(dtype).astype(float)
    with mpmath.workdps(DIGITS):
        rows = [_row(loss, z, y) for z, y in zip(outputs, _targets(batch, dtype), strict=True)]
    values, slopes, sizes = (np.array([row[i] for row in rows], dtype=float) for i in range(3))
    if loss.kind is not Kind.MULTICLASS:
        return Precise(values, slopes, np.abs(values), sizes)
    return Precise(values.sum(axis=-1), slopes, np.abs(values).sum(axis=-1), sizes)


def _targets(batch: Batch, dtype: str) -> Any:
    if np.issubdtype(batch.labels.dtype, np.integer):
        return np.eye(batch.outputs.shape[-1])[batch.labels]
    return batch.labels.astype(dtype).astype(float)


def _row(loss: SymbolicLoss, outputs: Any, targets: Any) -> tuple[list[float], list[float], list[float]]:
    """Elementwise values of a sample, the derivative of their sum by each output, and its terms' size."""
    predictions = _predictions(outputs, loss.kind)
    classes = mpmath.mpf(len(predictions))
    duals = [
        _element(loss, {"prediction": p, "target": mpmath.mpf(float(y)), "classes": classes})
        for p, y in zip(predictions, targets, strict=True)
    ]
    values = [float(d.value.number if isinstance(d.value, _Probability) else d.value) for d in duals]
    slopes = [mpmath.mpf(0) if d.slope is None else d.slope for d in duals]
    if loss.kind is Kind.REGRESSION:
        return values, [float(s) for s in slopes], [float(abs(s)) for s in slopes]
    numbers = [p.number for p in predictions]
    rests = [p.rest for p in predictions]
    if loss.kind is Kind.BINARY:
        found = [float(s * p * r) for s, p, r in zip(slopes, numbers, rests, strict=True)]
        return values, found, [float(abs(s) * p * (1 + p)) for s, p in zip(slopes, numbers, strict=True)]
    pushes = [s * p for s, p in zip(slopes, numbers, strict=True)]
    total, size = mpmath.fsum(pushes), mpmath.fsum(map(abs, pushes))
    parts = list(zip(pushes, numbers, rests, strict=True))
    found = [float(push * rest - p * (total - push)) for push, p, rest in parts]
    return values, found, [float(abs(push) + p * size) for push, p, _ in parts]


def _element(loss: SymbolicLoss, inputs: dict[str, Any]) -> Dual:
    """The elementwise loss and its slope; not a number where the formula is undefined."""
    try:
        return value_and_slope(loss.expression, inputs, _Words(), mpmath.mpf, mpmath.mpf(1))
    except ZeroDivisionError:
        return Dual(mpmath.mpf("nan"), mpmath.mpf("nan"))


class _Probability:
    """A number between 0 and 1 that knows what it lacks to 1."""

    def __init__(self, number: Any, rest: Any) -> None:
        self.number = number
        self.rest = rest

    def __rsub__(self, other: Any) -> Any:
        return self.rest if other == 1 else other - self.number

    def __sub__(self, other: Any) -> Any:
        return self.number - _plain(other)

    def __add__(self, other: Any) -> Any:
        return self.number + _plain(other)

    def __mul__(self, other: Any) -> Any:
        return self.number * _plain(other)

    def __truediv__(self, other: Any) -> Any:
        return self.number / _plain(other)

    def __rtruediv__(self, other: Any) -> Any:
        return other / self.number

    def __neg__(self) -> Any:
        return -self.number

    __radd__, __rmul__ = __add__, __mul__


def _plain(value: Any) -> Any:
    return value.number if isinstance(value, _Probability) else value


def _predictions(outputs: Any, kind: Kind) -> list[Any]:
    if kind is Kind.REGRESSION:
        return [mpmath.mpf(float(z)) for z in outputs]
    if kind is Kind.BINARY:
        powers = [(mpmath.mpf(1), mpmath.exp(-mpmath.mpf(float(z)))) for z in outputs]
        return [_Probability(a / (a + b), b / (a + b)) for a, b in powers]
    powers = [mpmath.exp(mpmath.mpf(float(z))) for z in outputs]
    total = mpmath.fsum(powers)
    return [
        _Probability(power / total, mpmath.fsum(powers[:i] + powers[i + 1 :]) / total)
        for i, power in enumerate(powers)
    ]


def _log(a: Any) -> Any:
    if a <= 0:
        return mpmath.mpf("-inf") if a == 0 else mpmath.mpf("nan")
    return mpmath.log(a)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "sign": mpmath.sign,
    "log": _log,
    "exp": mpmath.exp,
    "sqrt": mpmath.sqrt,
    "tanh": mpmath.tanh,
    "sigmoid": lambda a: 1 / (1 + mpmath.exp(-a)),
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "atan": mpmath.atan,
    "erf": mpmath.erf,
    "log1p": mpmath.log1p,
    "maximum": lambda a, b: a if a >= b else b,
    "minimum": lambda a, b: a if a <= b else b,
    "guard": lambda a: max(abs(a), mpmath.mpf(GUARD)),
    "guard_slope": lambda a: mpmath.sign(a) if abs(a) > GUARD else mpmath.mpf(0),
}


class _Words:
    """The vocabulary of expressions in mpmath."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in _FUNCTIONS:
            raise AttributeError(name)
        function = _FUNCTIONS[name]
        return lambda *arguments: function(*map(_plain, arguments))
