"""Expressions as SymPy algebra, for reading. Executable code never comes from here.

SymPy canonicalises as it builds (x - x is 0, x/x is 1), so its form is a second opinion and the
expression stays the truth: a simplified form is shown only if it has the expression's values.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

import sympy

from symloss.expr import INPUTS, Expr, evaluate, parse_expression, print_expression
from symloss.expr.primitives import EXP_LIMIT, GUARD, FloatVocabulary
from symloss.records import Kind, SymbolicLoss

TIME_LIMIT = 10.0
"""Seconds that simplification may take; SymPy can hang, so it runs in a process that can be stopped."""


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
    result = _with_whole_numbers(result)
    if guards:
        return result
    result = result.replace(sympy.Mul, _without_signs)
    return result if kind is Kind.REGRESSION else result.replace(sympy.Abs, lambda a: _size(a, kind))


def _with_whole_numbers(expr: sympy.Expr) -> sympy.Expr:
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


# --- simplification -------------------------------------------------------------------------------


def simplified(loss: SymbolicLoss, time_limit: float = TIME_LIMIT) -> sympy.Expr:
    """A simpler SymPy form of the formula if there is one in time that has the same values.

    Otherwise `to_sympy` of it. Values are compared where no guard is active, since the guards are
    left out in a form for reading.
    """
    plain = to_sympy(loss.expression, kind=loss.kind)
    tree = _simplified_elsewhere(loss, time_limit)
    if tree is None:
        return plain
    try:
        shorter = _from_tree(tree, symbols_for(loss.kind))
    except (KeyError, TypeError, ValueError):
        return plain
    return shorter if shorter.count_ops() < plain.count_ops() and same_values(loss, shorter) else plain


_CHILD = "from symloss.export.algebra import _simplify_here; _simplify_here()"


def _simplified_elsewhere(loss: SymbolicLoss, time_limit: float) -> Any:
    """The simplified form as a tree, from a new process; None if it fails or takes too long."""
    request = json.dumps([print_expression(loss.expression), loss.kind.value])
    try:
        done = subprocess.run(  # noqa: S603 -- our own interpreter, no shell
            [sys.executable, "-c", _CHILD],
            input=request,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=time_limit,
            check=False,
        )
        return json.loads(done.stdout) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        return None


def _simplify_here() -> None:
    """What the other process does: a formula on the way in, a tree on the way out."""
    text, kind = json.loads(sys.stdin.read())
    plain = to_sympy(parse_expression(text), kind=Kind(kind))
    found = [sympy.simplify(plain), sympy.factor_terms(plain), sympy.logcombine(plain)]
    print(json.dumps(_to_tree(min(map(_with_whole_numbers, found), key=sympy.count_ops))))


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        *(sympy.Add, sympy.Mul, sympy.Pow, sympy.Abs, sympy.Max, sympy.Min, sympy.sign, sympy.log, sympy.exp),
        *(sympy.tanh, sympy.cosh, sympy.sinh, sympy.coth, sympy.sin, sympy.cos, sympy.tan, sympy.atan),
        *(sympy.erf, sympy.erfc),
    )
}
"""What a tree may consist of, beside numbers and the inputs."""


def _to_tree(expr: sympy.Expr) -> Any:
    if isinstance(expr, sympy.Symbol):
        return ["symbol", str(expr.name)]
    if isinstance(expr, sympy.Rational):
        return ["rational", str(expr.p), str(expr.q)]
    if isinstance(expr, sympy.Float):
        return ["float", repr(float(expr))]
    if expr in (sympy.pi, sympy.E):
        return ["number", str(expr)]
    return [type(expr).__name__, *map(_to_tree, expr.args)]


def _from_tree(tree: Any, symbols: dict[str, sympy.Symbol]) -> sympy.Expr:
    """The expression of a tree. Raises KeyError or ValueError for what may not be in one."""
    head, *rest = tree
    if head == "symbol":
        return {str(s.name): s for s in symbols.values()}[rest[0]]
    if head == "rational":
        return sympy.Rational(int(rest[0]), int(rest[1]))
    if head == "float":
        return sympy.Float(float(rest[0]), 17)
    if head == "number":
        return {"pi": sympy.pi, "E": sympy.E}[rest[0]]
    return _FUNCTIONS[head](*(_from_tree(argument, symbols) for argument in rest))


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
    symbols = symbols_for(loss.kind)
    compared = 0
    for p, y in _points(loss.kind):
        try:
            inputs = {"prediction": p, "target": y, "classes": CLASSES}
            right = evaluate(loss.expression, inputs, _UnguardedFloats(), float)
        except (_GuardSeenError, ArithmeticError, ValueError):
            continue
        if not math.isfinite(right):
            continue
        places = {symbols["prediction"]: p, symbols["target"]: y, symbols["classes"]: CLASSES}
        found = complex(algebra.evalf(17, subs=places))
        if not abs(found - right) <= tolerance * max(1.0, abs(right)):
            return False
        compared += 1
    return compared >= 3
