"""Formulas computed with care: through log-probabilities, and without protection where none is needed.

A formula is evaluated over quantities. A quantity is a node of the graph together with what is known of it:
bounds on its value, its logarithm and its complement where there is a better way to them than from the value.
The rewrites of this module are those identities of real arithmetic:

    log p, log(1 - p)        from the network's outputs, never by way of p
    log(a b), log(a / b)     log a + log b, log a - log b, where the parts' logarithms are known
    log(e^a), log(sqrt a)    a, log(a) / 2
    log(1 + e^a), log(1+a)   -logsigmoid(-a), log1p(a)
    log(sigmoid a)           logsigmoid(a);  1 - sigmoid(a) is sigmoid(-a), and 1 - (1 - p) is p
    e^a - 1                  expm1(a)
    max(|a|, 1e-7)           a where a is certain to be at least that; max(a, 1e-7) where a is positive
    |a|, sign(a), min(a, b)  without bars or choice where the bounds decide

They are exact in real arithmetic, also for derivatives. In floating point they round differently from the
search, so exported code is compared with it on the grid of `grid`; where it differs, the plain form is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from symloss.export.graph import Graph, Node
from symloss.expr import Expr, evaluate
from symloss.expr.primitives import EXP_LIMIT, GUARD

LOG_GUARD = math.log(GUARD)
TINY = math.ulp(0.0)

SAFE = 1e-30
"""A number that is not 0 in single precision either."""


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
    low = _log(_exp(x.low) + 1.0) if x.low < EXP_LIMIT else x.low
    high = _log(_exp(x.high) + 1.0) if x.high < EXP_LIMIT else math.inf
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
    return join(_logarithm(a), _logarithm(b))


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


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _log(x: float) -> float:
    return -math.inf if x <= 0.0 else math.log(x)


def _logarithm(a: Quantity) -> Quantity:
    """Log a, by the best way there is."""
    if a.number is not None and a.number > 0.0:
        return known(a.node.graph, math.log(a.number))
    if a.log is not None:
        return a.log
    return Quantity(a.node.graph.log(a.node), _log(a.low), _log(a.high), a.strict)


class CarefulVocabulary:
    """The words of expressions over quantities."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def _quantity(self, value: Quantity | float) -> Quantity:
        return value if isinstance(value, Quantity) else known(self._graph, float(value))

    def guard(self, value: Quantity | float, /) -> Quantity:
        a = self._quantity(value)
        if a.negative:
            a = -a
        if a.number is not None:
            return known(self._graph, max(abs(a.number), GUARD))
        if a.positive and a.low >= GUARD:
            return a
        if not a.positive:
            return Quantity(self._graph.guard(a.node), GUARD, max(abs(a.low), abs(a.high), GUARD))
        log = None
        if a.log is not None and not a.costly:
            log = self._limited("maximum", a.log, LOG_GUARD)
        return Quantity(self._graph.maximum(a.node, GUARD), GUARD, max(a.high, GUARD), log=log)

    def log(self, value: Quantity | float, /) -> Quantity:
        return _logarithm(self._quantity(value))

    def exp(self, value: Quantity | float, /) -> Quantity:
        a = self._quantity(value)
        return Quantity(self._graph.exp(a.node), max(_exp(a.low), TINY), _exp(a.high), a.strict, log=a)

    def sqrt(self, value: Quantity | float, /) -> Quantity:
        a = self._quantity(value)
        log = None if a.log is None else a.log * 0.5
        low = math.sqrt(max(a.low, 0.0))
        high = math.sqrt(max(a.high, 0.0))
        return Quantity(self._graph.sqrt(a.node), low, high, a.strict, log, costly=a.costly)

    def abs(self, value: Quantity | float, /) -> Quantity:
        a = self._quantity(value)
        if a.positive:
            return a
        if a.negative:
            return -a
        return Quantity(self._graph.abs(a.node), 0.0, max(abs(a.low), abs(a.high)))

    def sign(self, value: Quantity | float, /) -> Quantity:
        a = self._quantity(value)
        if a.low > SAFE or a.high < -SAFE:  # a smaller number may round to 0, whose sign is 0 in a search
            return known(self._graph, 1.0 if a.low > SAFE else -1.0)
        return Quantity(self._graph.sign(a.node), -1.0, 1.0)

    def sigmoid(self, value: Quantity | float, /) -> Quantity:
        return logistic(self._quantity(value))

    def maximum(self, a: Quantity, b: Quantity | float, /) -> Quantity:
        return self._limited("maximum", a, b)

    def minimum(self, a: Quantity, b: Quantity | float, /) -> Quantity:
        return self._limited("minimum", a, b)

    def _limited(self, word: str, a: Quantity, b: Quantity | float) -> Quantity:
        """The choice of two. A float is a limit of an operator's definition; see `Node`."""
        choose = max if word == "maximum" else min
        if not isinstance(b, Quantity):
            if (a.low >= b) if word == "maximum" else (a.high <= b):
                return a
            return Quantity(self._graph.record(word, a.node, b), choose(a.low, b), choose(a.high, b))
        low, high = choose(a.low, b.low), choose(a.high, b.high)
        return Quantity(self._graph.record(word, a.node, b.node), low, high)

    def __getattr__(self, name: str) -> Callable[..., Quantity]:
        if name not in _BOUNDS:
            raise AttributeError(name)
        low, high = _BOUNDS[name]
        word = getattr(self._graph, name)
        return lambda value: Quantity(word(self._quantity(value).node), low, high)


_BOUNDS: dict[str, tuple[float, float]] = {
    "tanh": (-1.0, 1.0),
    "sin": (-1.0, 1.0),
    "cos": (-1.0, 1.0),
    "atan": (-math.pi / 2, math.pi / 2),
    "erf": (-1.0, 1.0),
    "log1p": (-math.inf, math.inf),
}
"""Words of which only the bounds are known."""


def logistic(odds: Quantity) -> Quantity:
    """The sigmoid of `odds`, which knows its logarithm and its complement."""
    graph = odds.node.graph
    ends: dict[str, Any] = {"low": 0.0, "high": 1.0, "strict": True}
    log = Quantity(graph.logsigmoid(odds.node), -math.inf, 0.0, True)
    log_rest = Quantity(graph.logsigmoid(-odds.node), -math.inf, 0.0, True)
    value = Quantity(graph.sigmoid(odds.node), log=log, **ends)
    rest = Quantity(graph.sigmoid(-odds.node), log=log_rest, rest=value, **ends)
    return Quantity(value.node, log=log, rest=rest, **ends)


def probability(p: Node, log_p: Node, log_rest: Node) -> Quantity:
    """A softmax probability with its logarithm; the logarithm of its complement is a costly one."""
    ends: dict[str, Any] = {"low": 0.0, "high": 1.0, "strict": True}
    log = Quantity(log_p, -math.inf, 0.0, True)
    value = Quantity(p, log=log, **ends)
    costly = Quantity(log_rest, -math.inf, 0.0, True)
    rest = Quantity(1.0 - p, log=costly, rest=value, costly=True, **ends)
    return Quantity(p, log=log, rest=rest, **ends)


def careful_value(
    expr: Expr, graph: Graph, inputs: Mapping[str, Quantity], tunable: bool = False
) -> Quantity:
    """`expr` over quantities. tunable: nothing is known of the constants, which are the inputs c1, c2, ..."""
    count = 0

    def constant(value: float) -> Quantity:
        nonlocal count
        count += 1
        return Quantity(graph.input(f"c{count}")) if tunable else known(graph, value)

    found = evaluate(expr, inputs, CarefulVocabulary(graph), constant)
    assert isinstance(found, Quantity)
    return found
