"""Quantities: values of a formula with what is known of them, and arithmetic that keeps it.

The rewrites of sums, products and quotients that `careful` lists are made here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from symloss.export.graph import Graph, Node
from symloss.expr.primitives import EXP_LIMIT


@dataclass(frozen=True, eq=False)
class Quantity:
    """A value of a formula.

    node:   computes it.
    low, high: bounds on it. strict: it reaches neither of them.
    log:    its logarithm, if it is positive and that is known in a better way than from the value.
    rest:   one minus it, in the same case.
    costly: its logarithm needs another pass over all classes, so it is used only where nothing less is exact.
    """

    node: Node
    low: float = -math.inf
    high: float = math.inf
    strict: bool = False
    log: Quantity | None = None
    rest: Quantity | None = None
    costly: bool = False

    @property
    def number(self) -> float | None:
        """Its value, if it is a constant."""
        if self.node.word != "constant":
            return None
        value = self.node.arguments[0]
        assert isinstance(value, float)
        return value

    @property
    def positive(self) -> bool:
        return self.low > 0.0 or (self.low == 0.0 and self.strict)

    @property
    def negative(self) -> bool:
        return self.high < 0.0 or (self.high == 0.0 and self.strict)

    def __add__(self, other: Quantity | float) -> Quantity:
        return _add(self, _as(other, self))

    def __radd__(self, other: float) -> Quantity:
        return _add(_as(other, self), self)

    def __sub__(self, other: Quantity | float) -> Quantity:
        return _subtract(self, _as(other, self))

    def __rsub__(self, other: float) -> Quantity:
        return _subtract(_as(other, self), self)

    def __mul__(self, other: Quantity | float) -> Quantity:
        return _multiply(self, _as(other, self))

    def __rmul__(self, other: float) -> Quantity:
        return _multiply(_as(other, self), self)

    def __truediv__(self, other: Quantity | float) -> Quantity:
        return _divide(self, _as(other, self))

    def __rtruediv__(self, other: float) -> Quantity:
        return _divide(_as(other, self), self)

    def __neg__(self) -> Quantity:
        if self.number is not None:
            return known(self.node.graph, -self.number)
        return Quantity(-self.node, -self.high, -self.low, self.strict)


def known(graph: Graph, value: float) -> Quantity:
    """A constant."""
    log = None
    if 0.0 < value < math.inf and value != 1.0:
        own = math.log(value)
        log = Quantity(graph.constant(own), own, own)
    return Quantity(graph.constant(value), value, value, log=log)


def _as(value: Quantity | float, beside: Quantity) -> Quantity:
    return value if isinstance(value, Quantity) else known(beside.node.graph, float(value))


def _bounds(*corners: float) -> tuple[float, float]:
    """Least and greatest; no bounds where one of them is not defined."""
    return (-math.inf, math.inf) if any(map(math.isnan, corners)) else (min(corners), max(corners))


def _folded(compute: Callable[[float, float], float], a: Quantity, b: Quantity) -> Quantity | None:
    """The result of two constants, if it is a number."""
    if a.number is None or b.number is None:
        return None
    try:
        value = compute(a.number, b.number)
    except (ArithmeticError, ValueError):
        return None
    return known(a.node.graph, value) if math.isfinite(value) else None


def _add(a: Quantity, b: Quantity) -> Quantity:
    folded = _folded(lambda x, y: x + y, a, b)
    if folded is not None:
        return folded
    if a.number == 0.0 or b.number == 0.0:
        return b if a.number == 0.0 else a
    if b.number is not None and a.number is None and b.number == 1.0:
        log = _log_of_one_plus(a)
    else:
        log = _log_of_one_plus(b) if a.number == 1.0 else None
    low, high = _bounds(a.low + b.low, a.high + b.high)
    return Quantity(a.node + b.node, low, high, a.strict or b.strict, log)


def _log_of_one_plus(a: Quantity) -> Quantity | None:
    """log(1 + a) for a positive a."""
    if a.low < 0.0:
        return None
    if a.log is not None and a.high > 1.0:  # 1 + e^x
        return _softplus(a.log)
    return Quantity(a.node.graph.log1p(a.node), math.log1p(a.low), _log(a.high + 1.0), a.strict)


def _softplus(x: Quantity) -> Quantity:
    """log(1 + e^x), which does not overflow."""
    low = _log(exp_or_infinity(x.low) + 1.0) if x.low < EXP_LIMIT else x.low
    high = _log(exp_or_infinity(x.high) + 1.0) if x.high < EXP_LIMIT else math.inf
    return Quantity(-x.node.graph.logsigmoid(-x.node), low, high, strict=True)


def _subtract(a: Quantity, b: Quantity) -> Quantity:
    folded = _folded(lambda x, y: x - y, a, b)
    if folded is not None:
        return folded
    if a.number == 0.0 or b.number == 0.0:
        return a if b.number == 0.0 else -b
    if a.number == 1.0 and b.rest is not None:
        return b.rest
    if b.number == 1.0 and a.rest is not None:
        return -a.rest
    low, high = _bounds(a.low - b.high, a.high - b.low)
    graph = a.node.graph
    if b.number == 1.0 and a.node.word == "exp":
        return Quantity(graph.expm1(*a.node.arguments), low, high, a.strict)
    return Quantity(a.node - b.node, low, high, a.strict or b.strict)


def _multiply(a: Quantity, b: Quantity) -> Quantity:
    folded = _folded(lambda x, y: x * y, a, b)
    if folded is not None:
        return folded
    for one, other in ((a, b), (b, a)):
        if one.number == 0.0:
            return one
        if one.number == 1.0:
            return other
    low, high = _bounds(*(_product(x, y) for x in (a.low, a.high) for y in (b.low, b.high)))
    if a.number is not None or b.number is not None or (a.positive and b.positive):
        strict = a.strict or b.strict
    else:
        strict = a.strict and b.strict
    return Quantity(a.node * b.node, low, high, strict, _joined(a, b, _add), costly=a.costly or b.costly)


def _product(x: float, y: float) -> float:
    """X y, where a bound of zero beats an infinite one: nothing in between is infinite."""
    return 0.0 if x == 0.0 or y == 0.0 else x * y


def _joined(a: Quantity, b: Quantity, join: Callable[[Quantity, Quantity], Quantity]) -> Quantity | None:
    """The logarithm of a product or quotient of which one part's is known for a good reason."""
    if not (a.positive and b.positive) or (_own_log(a) is None and _own_log(b) is None):
        return None
    return join(logarithm(a), logarithm(b))


def _own_log(a: Quantity) -> Quantity | None:
    return None if a.number is not None else a.log


def _divide(a: Quantity, b: Quantity) -> Quantity:
    folded = _folded(lambda x, y: x / y, a, b)
    if folded is not None:
        return folded
    if b.number == 1.0 or a.number == 0.0:
        return a
    low, high = -math.inf, math.inf
    if b.positive:
        low, high = _bounds(*(_quotient(x, y) for x in (a.low, a.high) for y in (b.low, b.high)))
    strict = a.positive and b.positive and (a.strict or b.strict)
    return Quantity(a.node / b.node, low, high, strict, _joined(a, b, _subtract), costly=a.costly or b.costly)


def _quotient(x: float, y: float) -> float:
    if y == 0.0:
        return 0.0 if x == 0.0 else math.copysign(math.inf, x)
    return 0.0 if math.isinf(y) else x / y


def exp_or_infinity(x: float) -> float:
    """Exp x, also where that overflows."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _log(x: float) -> float:
    return -math.inf if x <= 0.0 else math.log(x)


def logarithm(a: Quantity) -> Quantity:
    """Log a, by the best way there is."""
    if a.number is not None and a.number > 0.0:
        return known(a.node.graph, math.log(a.number))
    if a.log is not None:
        return a.log
    return Quantity(a.node.graph.log(a.node), _log(a.low), _log(a.high), a.strict)
