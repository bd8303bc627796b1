"""Loss and gradient in high precision, for formulas that the search's own arithmetic cannot evaluate.

`ln(p)` and `ln(1 - p)` have no floor, so where a probability rounds to 0 or 1 nothing is left of them in
floating point. Here a probability is a number of fifty digits that knows its complement, and the derivative
is the forward mode of `symloss.expr.slope`, over these numbers and in the words of `symloss.expr.precise`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from symloss.export.grid import Batch
from symloss.expr.precise import PreciseVocabulary
from symloss.expr.slope import Dual, value_and_slope
from symloss.records import Kind, SymbolicLoss

DIGITS = 50

MOST = 1000
"""Batches that are remembered: every target is compared with the same numbers."""

INEXACT = frozenset("sqrt log exp tanh sigmoid sin cos atan erf log1p".split())
"""Words whose last digits depend on the library, or on the order in which a derivative is computed."""


@dataclass(frozen=True)
class Precise:
    """Values of a batch before any reduction, the gradient of their sum, and sizes of what is added up."""

    value: Any
    gradient: Any
    value_size: Any
    gradient_size: Any


_known: dict[Any, Precise] = {}


def precise(loss: SymbolicLoss, batch: Batch, dtype: str, shaken: int | None = None) -> Precise:
    """See the module. Outputs and labels are rounded to `dtype` first; results are float64.

    shaken: a seed. Probabilities and the results of inexact functions are then moved at random by a few
            rounding errors of `dtype`, as any code that computes in it may move them.
    """
    key = (loss.expression, loss.kind, dtype, batch.outputs.tobytes(), batch.labels.tobytes(), shaken)
    if key not in _known:
        if len(_known) > MOST:
            _known.clear()
        words = _Words() if shaken is None else _Shaken(4.0 * float(np.finfo(dtype).eps), shaken)
        _known[key] = _computed(loss, batch, dtype, words)
    return _known[key]


def _computed(loss: SymbolicLoss, batch: Batch, dtype: str, words: _Words) -> Precise:
    outputs = batch.outputs.astype(dtype).astype(float)
    with mpmath.workdps(DIGITS):
        rows = [_row(loss, z, y, words) for z, y in zip(outputs, _targets(batch, dtype), strict=True)]
    values, slopes, sizes = (np.array([row[i] for row in rows], dtype=float) for i in range(3))
    if loss.kind is not Kind.MULTICLASS:
        return Precise(values, slopes, np.abs(values), sizes)
    return Precise(values.sum(axis=-1), slopes, np.abs(values).sum(axis=-1), sizes)


def _targets(batch: Batch, dtype: str) -> Any:
    if np.issubdtype(batch.labels.dtype, np.integer):
        return np.eye(batch.outputs.shape[-1])[batch.labels]
    return batch.labels.astype(dtype).astype(float)


def _row(
    loss: SymbolicLoss, outputs: Any, targets: Any, words: _Words
) -> tuple[list[float], list[float], list[float]]:
    """Elementwise values of a sample, the derivative of their sum by each output, and its terms' size."""
    predictions = [words.prediction(p) for p in _predictions(outputs, loss.kind)]
    classes = mpmath.mpf(len(predictions))
    duals = [
        _element(loss, {"prediction": p, "target": mpmath.mpf(float(y)), "classes": classes}, words)
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


def _element(loss: SymbolicLoss, inputs: dict[str, Any], words: _Words) -> Dual:
    """The elementwise loss and its slope; not a number where the formula is undefined."""
    try:
        return value_and_slope(loss.expression, inputs, words, mpmath.mpf, mpmath.mpf(1))
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


class _Words:
    """The vocabulary of expressions over numbers and probabilities."""

    def __init__(self) -> None:
        self._vocabulary = PreciseVocabulary()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self._vocabulary, name)
        return lambda *arguments: function(*map(_plain, arguments))

    def prediction(self, own: Any) -> Any:
        """What formulas get as a prediction."""
        return own


class _Shaken(_Words):
    """The same with inexact results moved by the share `step`, up or down at random; 0 and 1 stay."""

    def __init__(self, step: float, seed: int) -> None:
        super().__init__()
        self._step = step
        self._random = random.Random(seed)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = super().__getattr__(name)
        return (lambda a: self._moved(function(a))) if name in INEXACT else function

    def prediction(self, own: Any) -> Any:
        """A probability moved as well as what it lacks to 1; a predicted value is exact."""
        if not isinstance(own, _Probability):
            return own
        return _Probability(self._moved(own.number), self._moved(own.rest))

    def _moved(self, value: Any) -> Any:
        return value if value in (0, 1) else value * (1 + self._step * self._random.choice((-1, 1)))
