"""Exact derivatives of expressions with respect to the prediction, in any target.

A loss is elementwise, so its gradient with respect to the predictions is one number per element, and
a single forward pass carries it: each value travels with its slope (forward-mode differentiation).
Running an operator's one definition over `Dual` values gives the derivative in whatever target the
inner vocabulary speaks: tensors for training, text for exported gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from symloss.expr.expression import Expr, evaluate
from symloss.expr.primitives import Vocabulary


@dataclass(frozen=True)
class Dual:
    """A value and its slope. A slope of None is exactly zero and costs nothing."""

    value: Any
    slope: Any = None

    def __add__(self, other: Any) -> Dual:
        b = _dual(other)
        return Dual(self.value + b.value, _sum(self.slope, b.slope))

    def __sub__(self, other: Any) -> Dual:
        b = _dual(other)
        if b.slope is None:
            return Dual(self.value - b.value, self.slope)
        slope = -b.slope if self.slope is None else self.slope - b.slope
        return Dual(self.value - b.value, slope)

    def __mul__(self, other: Any) -> Dual:
        b = _dual(other)
        slope = _sum(_scaled(self.slope, b.value), _scaled(b.slope, self.value))
        return Dual(self.value * b.value, slope)

    def __truediv__(self, other: Any) -> Dual:
        b = _dual(other)
        value = self.value / b.value
        if b.slope is None:
            return Dual(value, None if self.slope is None else self.slope / b.value)
        rise = -(value * b.slope) if self.slope is None else self.slope - value * b.slope
        return Dual(value, rise / b.value)

    def __radd__(self, other: Any) -> Dual:
        return _dual(other) + self

    def __rsub__(self, other: Any) -> Dual:
        return _dual(other) - self

    def __rmul__(self, other: Any) -> Dual:
        return _dual(other) * self

    def __rtruediv__(self, other: Any) -> Dual:
        return _dual(other) / self

    def __neg__(self) -> Dual:
        return Dual(-self.value, None if self.slope is None else -self.slope)


def _dual(value: Any) -> Dual:
    return value if isinstance(value, Dual) else Dual(value)


def _sum(a: Any, b: Any) -> Any:
    if a is None:
        return b
    return a if b is None else a + b


def _scaled(slope: Any, factor: Any) -> Any:
    return None if slope is None else slope * factor


# Derivative of each one-argument word, from the vocabulary, its argument and its value.
_RULES: dict[str, Callable[[Vocabulary, Any, Any], Any]] = {
    "abs": lambda v, a, _: v.sign(a),
    "log": lambda v, a, _: 1.0 / a,
    "exp": lambda v, _, value: value,
    "sqrt": lambda v, _, value: 0.5 / value,
    "tanh": lambda v, _, value: 1.0 - value * value,
    "sigmoid": lambda v, _, value: value * (1.0 - value),
    "sin": lambda v, a, _: v.cos(a),
    "cos": lambda v, a, _: -v.sin(a),
    "atan": lambda v, a, _: 1.0 / (1.0 + a * a),
    "erf": lambda v, a, _: (2.0 / math.sqrt(math.pi)) * v.exp(-(a * a)),
    "log1p": lambda v, a, _: 1.0 / (1.0 + a),
    "guard": lambda v, a, _: v.guard_slope(a),
}


class DualVocabulary:
    """The words of `inner`, each returning its value together with its slope."""

    def __init__(self, inner: Vocabulary) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Callable[..., Dual]:
        if name.startswith("_") or not hasattr(self._inner, name):
            raise AttributeError(name)
        return lambda a: self._unary(name, _dual(a))

    def _unary(self, name: str, a: Dual) -> Dual:
        value = getattr(self._inner, name)(a.value)
        if a.slope is None or name in ("sign", "guard_slope"):  # piecewise constant
            return Dual(value)
        return Dual(value, _RULES[name](self._inner, a.value, value) * a.slope)

    def maximum(self, a: Any, b: Any) -> Dual:
        return self._choose("maximum", _dual(a), b)

    def minimum(self, a: Any, b: Any) -> Dual:
        return self._choose("minimum", _dual(a), b)

    def _choose(self, name: str, a: Dual, other: Any) -> Dual:
        """Expressions share the slope of a tie, as in torch.maximum; a limit leaves it whole, as clamp."""
        b = _dual(other)
        value = getattr(self._inner, name)(a.value, b.value)
        if a.slope is None and b.slope is None:
            return Dual(value)
        lead = a.value - b.value if name == "maximum" else b.value - a.value
        if b is not other:  # a number of an operator's definition: 1 where a is chosen and at the tie, else 0
            return Dual(value, a.slope * (1.0 + self._inner.minimum(self._inner.sign(lead), 0.0)))
        share = 0.5 + 0.5 * self._inner.sign(lead)  # 1 where a is chosen, 0 where b is, 1/2 at ties
        return Dual(value, _sum(_scaled(a.slope, share), _scaled(b.slope, 1.0 - share)))


def value_and_slope(
    expr: Expr, inputs: Mapping[str, Any], vocabulary: Vocabulary, constant: Callable[[float], Any], one: Any
) -> Dual:
    """`expr` and its derivative with respect to the prediction, in the target of `vocabulary`.

    one: the target's number 1, with which the prediction's slope starts.
    """
    duals = {name: Dual(value, one if name == "prediction" else None) for name, value in inputs.items()}
    result = evaluate(expr, duals, DualVocabulary(vocabulary), lambda value: Dual(constant(value)))
    return _dual(result)


def slope_and_mixed(
    expr: Expr, inputs: Mapping[str, Any], vocabulary: Vocabulary, constants: Sequence[Any], one: Any
) -> tuple[Any, list[Any]]:
    """The slope in the prediction, and the derivative of that slope with respect to each constant.

    The same forward mode twice: the numbers that travel with their slope in the prediction themselves
    travel with their slope in one constant. Constants are few, so one sweep for each costs little.

    constants: the target's values of them, in prefix order. Returns None for what is exactly zero.
    """
    inner = DualVocabulary(vocabulary)
    slope: Any = None
    mixed = []
    for index in range(max(len(constants), 1)):
        leaves = {name: Dual(value) for name, value in inputs.items()}
        numbered = iter([Dual(value, one if i == index else None) for i, value in enumerate(constants)])
        found = value_and_slope(expr, leaves, inner, lambda _, own=numbered: next(own), Dual(one)).slope  # type: ignore[misc]
        slope = None if found is None else found.value
        mixed.append(None if found is None else found.slope)
    return slope, mixed[: len(constants)]


def value_and_sensitivities(
    expr: Expr, inputs: Mapping[str, Any], vocabulary: Vocabulary, constants: Sequence[Any], one: Any
) -> tuple[Any, list[Any]]:
    """The value, and its derivative with respect to each constant: one forward sweep for each.

    constants: the target's values of them, in prefix order. Returns None for what is exactly zero.
    """
    duals = {name: Dual(value) for name, value in inputs.items()}
    value: Any = None
    sensitivities = []
    for index in range(max(len(constants), 1)):
        numbered = iter([Dual(number, one if i == index else None) for i, number in enumerate(constants)])
        found = _dual(evaluate(expr, duals, DualVocabulary(vocabulary), lambda _, own=numbered: next(own)))  # type: ignore[misc]
        value = found.value
        sensitivities.append(found.slope)
    return value, sensitivities[: len(constants)]
