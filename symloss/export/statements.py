"""Formulas as short statements: what is used twice gets a name, the rest stays in one line.

A formula is first traced into a graph, in which equal subexpressions are one node, by running the
operators' own definitions; then each node is written through the target's `CodeVocabulary`.
"""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from symloss.errors import ExportError
from symloss.expr import Expr, evaluate
from symloss.expr.primitives import WORDS, Code, CodeVocabulary
from symloss.expr.slope import value_and_slope

LINE = 84
"""Longest piece of text that is written without giving its parts names."""

_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "sum": operator.add,
    "difference": operator.sub,
    "product": operator.mul,
    "quotient": operator.truediv,
    "negative": operator.neg,
}


@dataclass(frozen=True, eq=False)
class Node:
    """One value of the graph; `word` is of the vocabulary, of arithmetic, "input" or "constant".

    A constant of the formula is a node; a number that belongs to an operator's definition is a float.
    """

    word: str
    arguments: tuple[Node | float | str, ...]
    graph: Graph = field(repr=False)

    def __add__(self, other: Node | float) -> Node:
        return self.graph.record("sum", self, other)

    def __radd__(self, other: float) -> Node:
        return self.graph.record("sum", other, self)

    def __sub__(self, other: Node | float) -> Node:
        return self if _is_number(other, 0.0) else self.graph.record("difference", self, other)

    def __rsub__(self, other: float) -> Node:
        return self.graph.record("difference", other, self)

    def __mul__(self, other: Node | float) -> Node:
        if _is_number(self, 1.0) and isinstance(other, Node):
            return other
        return self if _is_number(other, 1.0) else self.graph.record("product", self, other)

    def __rmul__(self, other: float) -> Node:
        return self if other == 1.0 else self.graph.record("product", other, self)

    def __truediv__(self, other: Node | float) -> Node:
        return self if _is_number(other, 1.0) else self.graph.record("quotient", self, other)

    def __rtruediv__(self, other: float) -> Node:
        return self.graph.record("quotient", other, self)

    def __neg__(self) -> Node:
        return self.graph.record("negative", self)


def _is_number(value: Node | float, number: float) -> bool:
    """True for a literal or constant equal to `number`, sign of zero included."""
    if isinstance(value, Node):
        return value.word == "constant" and repr(value.arguments[0]) == repr(number)
    return repr(float(value)) == repr(number)


class Graph:
    """A vocabulary that records. Recording the same thing twice gives the same node."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[tuple[str, ...], Node] = {}

    def record(self, word: str, *arguments: Node | float | str) -> Node:
        key = (word, *(f"node {id(a)}" if isinstance(a, Node) else repr(a) for a in arguments))
        if key not in self._known:
            self._known[key] = Node(word, arguments, self)
            self.nodes.append(self._known[key])
        return self._known[key]

    def constant(self, value: float) -> Node:
        return self.record("constant", value)

    def inputs(self) -> Mapping[str, Node]:
        return {name: self.record("input", name) for name in ("prediction", "target")}

    def __getattr__(self, name: str) -> Callable[..., Node]:
        if name not in WORDS:
            raise AttributeError(name)
        return lambda *arguments: self.record(name, *arguments)


def value_lines(expr: Expr, vocabulary: CodeVocabulary, array: str | None = None) -> list[str]:
    """Statements that compute `values`, the elementwise loss, from `prediction` and `target`.

    array: template that makes an array of a number, for targets whose maximum wants two arrays.
    """
    graph = Graph()
    value = evaluate(expr, graph.inputs(), graph, graph.constant)
    return _Writer(vocabulary, array).write({"values": value})


def slope_lines(expr: Expr, vocabulary: CodeVocabulary, array: str | None = None) -> list[str]:
    """Statements that compute `slopes`, the derivative of the elementwise loss by `prediction`."""
    graph = Graph()
    slope = value_and_slope(expr, graph.inputs(), graph, graph.constant, graph.constant(1.0)).slope
    return _Writer(vocabulary, array).write({"slopes": graph.constant(0.0) if slope is None else slope})


class _Writer:
    def __init__(self, vocabulary: CodeVocabulary, array: str | None) -> None:
        self._vocabulary = vocabulary
        self._array = array
        self._lines: list[str] = []
        self._code: dict[Node, Code] = {}
        self._names: Counter[str] = Counter()

    def write(self, results: Mapping[str, Node]) -> list[str]:
        nodes = _needed(list(results.values()))
        uses = Counter(a for node in nodes for a in node.arguments if isinstance(a, Node))
        for node in nodes:
            self._code[node] = self._written(node)
            if uses[node] > 1:
                self._name(node)
        self._lines += [f"{name} = {self._code[node].text}" for name, node in results.items()]
        return self._lines

    def _written(self, node: Node) -> Code:
        if node.word == "input":
            return Code(str(node.arguments[0]))
        if node.word == "constant":
            return Code.literal(float(node.arguments[0]))  # type: ignore[arg-type]
        code = self._applied(node)
        for argument in sorted(_nodes(node), key=lambda a: -len(self._code[a].text)):
            if len(code.text) <= LINE or not self._name(argument):
                break
            code = self._applied(node)
        return code

    def _applied(self, node: Node) -> Code:
        codes = [self._code[a] if isinstance(a, Node) else Code.literal(float(a)) for a in node.arguments]
        if node.word in ("maximum", "minimum") and self._array and any(c.value is None for c in codes):
            # A constant of the formula shares the gradient at a tie, as it does while it is tuned; a
            # number of the definition does not.
            codes = [
                Code(self._array.format(code.text))
                if isinstance(a, Node) and code.value is not None
                else code
                for a, code in zip(node.arguments, codes, strict=True)
            ]
        function = _ARITHMETIC.get(node.word) or getattr(self._vocabulary, node.word)
        try:
            code: Code = function(*codes)
            if code.value is not None and not math.isfinite(code.value):
                raise OverflowError
        except (ArithmeticError, ValueError):
            numbers = ", ".join(c.text for c in codes)
            raise ExportError(
                f"the formula cannot be exported: its constant part {node.word}({numbers}) is not finite"
            ) from None
        return code

    def _name(self, node: Node) -> bool:
        """Give the node's text a line and a name of its own, unless it is a name or number already."""
        text = self._code[node].text
        if self._code[node].value is not None or text.lstrip("-").isidentifier():
            return False
        self._names[node.word] += 1
        name = f"{node.word}_{self._names[node.word]}"
        self._lines.append(f"{name} = {text}")
        self._code[node] = Code(name)
        return True


def _nodes(node: Node) -> list[Node]:
    return [a for a in node.arguments if isinstance(a, Node)]


def _needed(results: Sequence[Node]) -> list[Node]:
    """The nodes on which `results` depend, in the order in which they were recorded."""
    wanted, waiting = set(results), list(results)
    while waiting:
        fresh = [a for a in _nodes(waiting.pop()) if a not in wanted]
        wanted.update(fresh)
        waiting += fresh
    return [node for node in results[0].graph.nodes if node in wanted]
