"""Formulas computed with care: through log-probabilities, and without protection where none is needed.

A formula is evaluated over quantities. A quantity is a node of the graph together with what is known of it:
bounds on its value, its logarithm and its complement where there is a better way to them than from the value.
The rewrites, here and in `quantities`, are those identities of real arithmetic:

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
from typing import Any

from symloss.export.graph import Graph, Node
from symloss.export.quantities import Quantity, exp_or_infinity, known, logarithm
from symloss.expr import Expr, evaluate
from symloss.expr.primitives import GUARD

LOG_GUARD = math.log(GUARD)
TINY = math.ulp(0.0)

SAFE = 1e-30
"""A number that is not 0 in single precision either."""


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
        return logarithm(self._quantity(value))

    def exp(self, value: Quantity | float, /) -> Quantity:
        a = self._quantity(value)
        return Quantity(
            self._graph.exp(a.node),
            max(exp_or_infinity(a.low), TINY),
            exp_or_infinity(a.high),
            a.strict,
            log=a,
        )

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
