"""SymPy's expressions as trees of texts, which can be handed from process to process and computed at a point.

A tree is a head and what belongs to it: ["symbol", "p"], ["rational", "1", "2"], ["float", "0.1"],
["number", "pi"], or the name of a function and the trees of its arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import mpmath
import sympy

Complex = Any  # mpmath's numbers have no types

_FUNCTIONS: dict[str, tuple[Callable[..., sympy.Expr], Callable[..., Complex]]] = {
    "Add": (sympy.Add, lambda *terms: mpmath.fsum(terms)),
    "Mul": (sympy.Mul, lambda *factors: mpmath.fprod(factors)),
    "Pow": (sympy.Pow, mpmath.power),
    "Abs": (sympy.Abs, mpmath.fabs),
    "Max": (sympy.Max, max),
    "Min": (sympy.Min, min),
    "sign": (sympy.sign, mpmath.sign),
    **{
        name: (getattr(sympy, name), getattr(mpmath, name))
        for name in ("log", "exp", "tanh", "cosh", "sinh", "coth", "sin", "cos", "tan", "atan", "erf", "erfc")
    },
}
"""What a tree may consist of, beside numbers and inputs: in SymPy, and at a point."""

_DIGITS = 30


def to_tree(expr: sympy.Expr) -> Any:
    """The tree of an expression. What no tree may hold gets a head that `from_tree` does not know."""
    if isinstance(expr, sympy.Symbol):
        return ["symbol", str(expr.name)]
    if isinstance(expr, sympy.Rational):
        return ["rational", str(expr.p), str(expr.q)]
    if isinstance(expr, sympy.Float):
        return ["float", repr(float(expr))]
    if expr in (sympy.pi, sympy.E):
        return ["number", str(expr)]
    return [type(expr).__name__, *map(to_tree, expr.args)]


def from_tree(tree: Any, symbols: Mapping[str, sympy.Symbol]) -> sympy.Expr:
    """The expression of a tree. Raises KeyError, TypeError or ValueError for what may not be in one."""
    head, *rest = tree
    if head == "symbol":
        return {str(s.name): s for s in symbols.values()}[rest[0]]
    if head == "rational":
        return sympy.Rational(int(rest[0]), int(rest[1]))
    if head == "float":
        return sympy.Float(float(rest[0]), 17)
    if head == "number":
        return {"pi": sympy.pi, "E": sympy.E}[rest[0]]
    return _FUNCTIONS[head][0](*(from_tree(argument, symbols) for argument in rest))


def tree_value(tree: Any, inputs: Mapping[str, float]) -> complex:
    """The value at a point, computed with 30 digits; not a number where it is not defined or not known.

    SymPy's own evaluation takes a hundred times as long where it has to compare expressions.
    """
    with mpmath.workdps(_DIGITS):
        try:
            return complex(_value(tree, inputs))
        except (KeyError, TypeError, ValueError, ArithmeticError):
            return complex(math.nan, math.nan)


def _value(tree: Any, inputs: Mapping[str, float]) -> Complex:
    head, *rest = tree
    if head == "symbol":
        return mpmath.mpf(inputs[rest[0]])
    if head == "rational":
        return mpmath.mpf(int(rest[0])) / int(rest[1])
    if head == "float":
        return mpmath.mpf(float(rest[0]))
    if head == "number":
        return {"pi": mpmath.pi, "E": mpmath.e}[rest[0]]
    return _FUNCTIONS[head][1](*(_value(argument, inputs) for argument in rest))
