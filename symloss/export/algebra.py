"""Expressions as SymPy algebra, for reading. Executable code never comes from here.

SymPy canonicalises as it builds (x - x is 0, x/x is 1), so its form is a second opinion and the
expression stays the truth: a simplified form is shown only if it has the expression's values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import sympy

from symloss.export.trees import to_tree, tree_value
from symloss.expr import INPUTS, Expr, evaluate
from symloss.expr.primitives import EXP_LIMIT, GUARD, FloatVocabulary
from symloss.records import Kind, SymbolicLoss


class SympyVocabulary:
    """The words of expressions in SymPy.

    guards: keep the protection of undefined arguments; without it, guard(a) reads as |a|, exp is
            not limited, and sign(a)/|a| reads as 1/a.
    """

    abs, log, exp, tanh, sign = sympy.Abs, sympy.log, sympy.exp, sympy.tanh, sympy.sign
    sin, cos, atan, erf = sympy.sin, sympy.cos, sympy.atan, sympy.erf
    sqrt = staticmethod(sympy.sqrt)
    log1p = staticmethod(lambda a: sympy.log(1 + a))
    sigmoid = staticmethod(lambda a: 1 / (1 + sympy.exp(-a)))

    def __init__(self, guards: bool) -> None:
        self._guards = guards

    def guard(self, a: Any, /) -> Any:
        return sympy.Max(sympy.Abs(a), GUARD) if self._guards else sympy.Abs(a)

    def guard_slope(self, a: Any, /) -> Any:
        slope = sympy.sign(a)
        return slope * sympy.Heaviside(sympy.Abs(a) - GUARD, 0) if self._guards else slope

    def maximum(self, a: Any, b: Any, /) -> Any:
        return sympy.Max(a, b)

    def minimum(self, a: Any, b: Any, /) -> Any:
        if not self._guards and isinstance(b, float) and b == EXP_LIMIT:
            return a
        return sympy.Min(a, b)


def symbols_for(kind: Kind) -> dict[str, sympy.Symbol]:
    """The input symbols: probabilities are positive (the target may be 0), values are real."""
    p, y = INPUTS["prediction"].symbol, INPUTS["target"].symbol
    classes = sympy.Symbol(INPUTS["classes"].symbol, integer=True, positive=True)
    if kind is Kind.REGRESSION:
        own = sympy.Symbol(p, real=True), sympy.Symbol(y, real=True)
    else:
        own = sympy.Symbol(p, positive=True), sympy.Symbol(y, nonnegative=True)
    return {"prediction": own[0], "target": own[1], "classes": classes}


def to_sympy(expr: Expr, guards: bool = False, kind: Kind = Kind.REGRESSION) -> sympy.Expr:
    """The SymPy form of `expr`, in symbols p and y whose assumptions follow from `kind`."""
    result = evaluate(expr, symbols_for(kind), SympyVocabulary(guards), lambda value: sympy.Float(value, 17))
    result = with_whole_numbers(result)
    if guards:
        return result
    result = result.replace(sympy.Mul, _without_signs)
    return result if kind is Kind.REGRESSION else result.replace(sympy.Abs, lambda a: _size(a, kind))


def with_whole_numbers(expr: sympy.Expr) -> sympy.Expr:
    """Floats that are whole numbers as integers: 2 p instead of 2.0 p."""
    floats = [f for f in expr.atoms(sympy.Float) if float(f).is_integer() and abs(f) < 1e6]
    whole = {f: sympy.Integer(int(f)) for f in floats}
    return expr.xreplace(whole) if whole else expr


def _without_signs(*factors: sympy.Expr) -> sympy.Expr:
    """sign(a)/|a| reads as 1/a."""
    left = list(factors)
    for sign in [f for f in factors if isinstance(f, sympy.sign)]:
        size = 1 / sympy.Abs(sign.args[0])
        if size in left:
            left.remove(sign)
            left[left.index(size)] = 1 / sign.args[0]
    return sympy.Mul(*left)


def _size(a: sympy.Expr, kind: Kind) -> sympy.Expr:
    """|a| without its bars where the sign of `a` is the same for all probabilities p and y.

    If `a` is linear in each of p and y, its sign at the four corners of the square decides.
    """
    p, y, _ = symbols_for(kind).values()
    if not a.is_polynomial(p, y) or sympy.degree(a, p) > 1 or sympy.degree(a, y) > 1:
        return sympy.Abs(a)
    corners = [a.subs({p: i, y: j}) for i in (0, 1) for j in (0, 1)]
    if all(c >= 0 for c in corners):
        return a
    return sympy.expand(-a) if all(c <= 0 for c in corners) else sympy.Abs(a)


# --- comparison -----------------------------------------------------------------------------------


class _GuardSeenError(Exception):
    """A guard was active."""


class _UnguardedFloats(FloatVocabulary):
    """Floats that stop where a guard would change the value."""

    @staticmethod
    def guard(a: float) -> float:
        if abs(a) <= GUARD:
            raise _GuardSeenError
        return abs(a)

    @staticmethod
    def minimum(a: float, b: float) -> float:
        if b == EXP_LIMIT and a > b:
            raise _GuardSeenError
        return min(a, b)


def _points(kind: Kind) -> Iterable[tuple[float, float]]:
    if kind is Kind.REGRESSION:
        sides = [-100.0, -3.3, -1.0, -0.31, 0.0, 0.17, 1.0, 2.9, 100.0]
        return [(p, y) for p in sides for y in sides]
    return [(p, y) for p in (1e-6, 0.013, 0.21, 0.5, 0.77, 0.9999, 1.0) for y in (0.0, 0.3, 1.0)]


CLASSES = 7.0
"""The number of classes at which a formula that contains it is compared."""


def same_values(loss: SymbolicLoss, algebra: sympy.Expr, tolerance: float = 1e-8) -> bool:
    """True if `algebra` has the values of the loss's formula wherever no guard is active, and is real."""
    names = {name: str(symbol.name) for name, symbol in symbols_for(loss.kind).items()}
    tree = to_tree(algebra)
    compared = 0
    for p, y in _points(loss.kind):
        try:
            inputs = {"prediction": p, "target": y, "classes": CLASSES}
            right = evaluate(loss.expression, inputs, _UnguardedFloats(), float)
        except (_GuardSeenError, ArithmeticError, ValueError):
            continue
        if not math.isfinite(right):
            continue
        found = tree_value(tree, {names[name]: value for name, value in inputs.items()})
        if not abs(found - right) <= tolerance * max(1.0, abs(right)):
            return False
        compared += 1
    return compared >= 3
