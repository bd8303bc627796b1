"""One alternative of a grammar file: from its parse tree to a template."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from symloss.errors import did_you_mean
from symloss.expr import INPUTS, OPERATORS, SEARCHED, Constant, Variable
from symloss.grammar.model import Hole, RandomConstant, Template, TemplateCall

if TYPE_CHECKING:
    import lark

MAX_NESTING = 50
"""Deepest nesting of one production, and greatest height of a grammar's formulas."""

LARGEST_BOUND = 1e100
"""Largest magnitude in `uniform` and `normal`, so that whatever they draw is finite."""

SYMBOLS = {INPUTS[name].symbol: name for name in SEARCHED}
DISTRIBUTIONS = ("uniform", "normal")


@dataclass(frozen=True)
class Place:
    """Where something is written, counted from 1."""

    line: int
    column: int


class Fault(Exception):  # noqa: N818  (never leaves this room: the reader turns it into a GrammarError)
    """What is wrong with a grammar file, and where."""

    def __init__(self, reason: str, place: Place | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.place = place


def place_of(node: lark.Tree[Any] | lark.Token) -> Place:
    """Where a part of the file begins."""
    position: Any = node.meta if hasattr(node, "meta") else node
    return Place(position.line, position.column)


def build_template(tree: lark.Tree[Any], names: Collection[str]) -> Template:
    """The template of an alternative in which `names` are rules.

    Iterative and bottom-up: a hostile file may nest deeper than Python's stack.
    """
    done: dict[int, tuple[Template, int]] = {}
    for node in tree.iter_subtrees():
        below = [done[id(child)] for child in node.children if not isinstance(child, str)]
        nesting = 1 + max((n for _, n in below), default=0)
        if nesting > MAX_NESTING:
            raise Fault(f"an alternative may be nested at most {MAX_NESTING} deep", place_of(node))
        done[id(node)] = (_node(node, [template for template, _ in below], names), nesting)
    return done[id(tree)][0]


def _node(node: lark.Tree[Any], arguments: list[Template], names: Collection[str]) -> Template:
    if node.data == "number":
        return _number(node)
    if node.data == "name":
        return _named(node, names)
    if node.data == "minus":
        (inner,) = arguments
        return Constant(-inner.value) if isinstance(inner, Constant) else TemplateCall("neg", (inner,))
    operator = str(node.children[0]) if node.data == "application" else str(node.data)
    if operator in DISTRIBUTIONS:
        return _random_constant(operator, arguments, node)
    if operator in names:
        raise Fault(f"rule '{operator}' takes no arguments; write '{operator}' alone", place_of(node))
    if operator not in OPERATORS:
        nearest = did_you_mean(operator, [*OPERATORS, *DISTRIBUTIONS])
        raise Fault(f"unknown operator '{operator}': {nearest}", place_of(node))
    arity = OPERATORS[operator].arity
    if len(arguments) != arity:
        takes = f"{arity} argument{'s' * (arity != 1)}"
        raise Fault(f"operator '{operator}' takes {takes}, found {len(arguments)}", place_of(node))
    return TemplateCall(operator, tuple(arguments))


def _number(node: lark.Tree[Any]) -> Constant:
    value = float(str(node.children[0]))
    if not math.isfinite(value):
        raise Fault("a number must be finite", place_of(node))
    return Constant(value)


def _named(node: lark.Tree[Any], names: Collection[str]) -> Template:
    name = str(node.children[0])
    if name in names:
        return Hole(name)
    full = SYMBOLS.get(name, name)
    if full in SEARCHED:
        return Variable(full)
    if name in OPERATORS or name in DISTRIBUTIONS:
        raise Fault(f"'{name}' needs its arguments in parentheses", place_of(node))
    nearest = did_you_mean(name, [*names, *SEARCHED, *OPERATORS])
    raise Fault(f"'{name}' is neither a rule nor an input: {nearest}", place_of(node))


def _random_constant(name: str, arguments: list[Template], node: lark.Tree[Any]) -> RandomConstant:
    values = [a.value for a in arguments if isinstance(a, Constant)]
    if len(values) != 2 or len(arguments) != 2:
        raise Fault(f"'{name}' takes two numbers, such as {name}(0, 1)", place_of(node))
    a, b = values
    if max(abs(a), abs(b)) > LARGEST_BOUND:
        raise Fault(f"the numbers of '{name}' may be {LARGEST_BOUND:g} at most", place_of(node))
    if name == "uniform" and not a < b:
        raise Fault(f"uniform(a, b) needs a < b, found {a:g} and {b:g}", place_of(node))
    if name == "normal" and not b > 0:
        raise Fault(f"normal(mean, sd) needs sd > 0, found {b:g}", place_of(node))
    return RandomConstant(name, a, b)
