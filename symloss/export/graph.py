"""Formulas as graphs of operations, in which equal parts are one node.

A graph is recorded by running the operators' own definitions, plainly (`Graph` is itself a vocabulary) or
with care for numbers (see `careful`). Everything that is exported as code is written from one.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeGuard

from symloss.expr.primitives import FLOATS, WORDS
from symloss.expr.slope import Dual, DualVocabulary

EXTRA_WORDS = ("logsigmoid", "expm1")
"""Words that definitions of operators do not need, and careful code does."""

ARITHMETIC: dict[str, Callable[..., Any]] = {
    "sum": operator.add,
    "difference": operator.sub,
    "product": operator.mul,
    "quotient": operator.truediv,
    "negative": operator.neg,
}

Argument: TypeAlias = "Node | float | str"


@dataclass(frozen=True, eq=False)
class Node:
    """One value of the graph; `word` is of the vocabulary, of arithmetic, "input" or "constant".

    A constant of the formula is a node; a number that belongs to an operator's definition is a float.
    """

    word: str
    arguments: tuple[Argument, ...]
    graph: Graph = field(repr=False)

    # Minus signs move outwards and become differences, which changes no digit of a result.

    def __add__(self, other: Node | float) -> Node:
        if is_negative(other):
            return self - -other
        if is_negative(self) and isinstance(other, Node):
            return other - -self
        return self.graph.record("sum", self, other)

    def __radd__(self, other: float) -> Node:
        return other - -self if is_negative(self) else self.graph.record("sum", other, self)

    def __sub__(self, other: Node | float) -> Node:
        if is_number(other, 0.0):
            return self
        if is_negative(other):
            return self + -other
        if is_negative(self):
            return -(-self + other)
        return self.graph.record("difference", self, other)

    def __rsub__(self, other: float) -> Node:
        return other + -self if is_negative(self) else self.graph.record("difference", other, self)

    def __mul__(self, other: Node | float) -> Node:
        if is_number(self, 1.0) and isinstance(other, Node):
            return other
        if is_number(self, -1.0) and isinstance(other, Node):
            return -other
        if is_number(other, -1.0):
            return -self
        if is_negative(self):
            return -(-self * other)
        if is_negative(other):
            return -(self * -other)
        return self if is_number(other, 1.0) else self.graph.record("product", self, other)

    def __rmul__(self, other: float) -> Node:
        if is_negative(self):
            return -(other * -self)
        return self if other == 1.0 else self.graph.record("product", other, self)

    def __truediv__(self, other: Node | float) -> Node:
        if is_negative(self):
            return -(-self / other)
        if is_negative(other):
            return -(self / -other)
        return self if is_number(other, 1.0) else self.graph.record("quotient", self, other)

    def __rtruediv__(self, other: float) -> Node:
        return self.graph.record("quotient", other, self)

    def __neg__(self) -> Node:
        if self.word == "negative" and isinstance(self.arguments[0], Node):
            return self.arguments[0]
        if self.word == "constant":
            return self.graph.constant(-float(self.arguments[0]))  # type: ignore[arg-type]
        if self.word == "difference":
            return self.graph.record("difference", *reversed(self.arguments))
        return self.graph.record("negative", self)

    @property
    def operands(self) -> list[Node]:
        """The arguments that are nodes."""
        return [a for a in self.arguments if isinstance(a, Node)]


def is_negative(value: Node | float) -> TypeGuard[Node]:
    """True for minus another node."""
    return isinstance(value, Node) and value.word == "negative"


def is_number(value: Node | float, number: float) -> bool:
    """True for a literal or constant equal to `number`, sign of zero included."""
    if isinstance(value, Node):
        return value.word == "constant" and repr(value.arguments[0]) == repr(number)
    return repr(float(value)) == repr(number)


class Graph:
    """A vocabulary that records. Recording the same thing twice gives the same node."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[tuple[str, ...], Node] = {}

    def record(self, word: str, *arguments: Argument) -> Node:
        key = (word, *(f"node {id(a)}" if isinstance(a, Node) else repr(a) for a in arguments))
        if key not in self._known:
            self._known[key] = Node(word, arguments, self)
            self.nodes.append(self._known[key])
        return self._known[key]

    def constant(self, value: float) -> Node:
        return self.record("constant", float(value))

    def input(self, name: str) -> Node:
        return self.record("input", name)

    def __getattr__(self, name: str) -> Callable[..., Node]:
        if name not in WORDS and name not in EXTRA_WORDS:
            raise AttributeError(name)
        return lambda *arguments: self.record(name, *arguments)


def needed(*results: Node) -> list[Node]:
    """The nodes on which `results` depend, in the order in which they were recorded."""
    wanted, waiting = set(results), list(results)
    while waiting:
        fresh = [a for a in waiting.pop().operands if a not in wanted]
        wanted.update(fresh)
        waiting += fresh
    return [node for node in results[0].graph.nodes if node in wanted]


def inputs_needed(*results: Node) -> set[str]:
    """Names of the inputs on which `results` depend."""
    return {str(node.arguments[0]) for node in needed(*results) if node.word == "input"}


def value_at(result: Node, inputs: Mapping[str, float]) -> float:
    """The value of `result` in floats; nan where it is not defined."""
    values: dict[Node, float] = {}
    for node in needed(result):
        if node.word in ("input", "constant"):
            own = node.arguments[0]
            values[node] = inputs[own] if isinstance(own, str) else float(own)  # type: ignore[arg-type]
            continue
        function = ARITHMETIC.get(node.word) or getattr(FLOATS, node.word)
        try:
            values[node] = function(*(values[a] if isinstance(a, Node) else float(a) for a in node.arguments))
        except (ArithmeticError, ValueError):
            return math.nan
    return values[result]


def slope_of(result: Node, seeds: Mapping[str, Node]) -> Node | None:
    """The derivative of `result`, recorded in its graph. None if it is exactly zero.

    seeds: the derivative of each input by the variable in question; inputs left out do not depend on it.
    """
    vocabulary = _GraphDuals(result.graph)
    duals: dict[Node, Dual] = {}
    for node in needed(result):
        if node.word == "input":
            duals[node] = Dual(node, seeds.get(str(node.arguments[0])))
        elif node.word == "constant":
            duals[node] = Dual(node)
        else:
            arguments = [duals[a] if isinstance(a, Node) else a for a in node.arguments]
            duals[node] = _applied(vocabulary, node.word, arguments)
    slope = duals[result].slope
    return slope if slope is None or isinstance(slope, Node) else result.graph.constant(slope)


def _applied(vocabulary: DualVocabulary, word: str, arguments: Sequence[Any]) -> Dual:
    if word in ARITHMETIC:
        if not isinstance(arguments[0], Dual):
            arguments = [Dual(arguments[0]), *arguments[1:]]
        found = ARITHMETIC[word](*arguments)
    else:
        found = getattr(vocabulary, word)(*arguments)
    assert isinstance(found, Dual)
    return found


class _GraphDuals(DualVocabulary):
    """Derivatives of the extra words too."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self._graph = graph

    def logsigmoid(self, a: Dual) -> Dual:
        slope = None if a.slope is None else self._graph.sigmoid(-a.value) * a.slope
        return Dual(self._graph.logsigmoid(a.value), slope)

    def expm1(self, a: Dual) -> Dual:
        slope = None if a.slope is None else self._graph.exp(a.value) * a.slope
        return Dual(self._graph.expm1(a.value), slope)
