"""The two logarithms: `log`, which searches use, and `ln`, which formulas on paper mean.

`log(a)` is ln(max(|a|, 1e-7)): it is defined everywhere, and flat near zero. `ln(a)` has no such floor, so a
network that is confidently wrong still learns from it. Also here: the number of classes put in its place.
"""

from __future__ import annotations

from collections.abc import Callable

from symloss.errors import ExpressionError
from symloss.expr.expression import Call, Constant, Expr, Variable, map_leaves


def guarded(expr: Expr) -> Expr:
    """`expr` with every `ln` protected, as a search evaluates it: `ln` becomes `log`."""
    return _renamed(expr, "ln", "log", lambda argument: True)


def unguarded(expr: Expr) -> Expr:
    """`expr` without the floor of logarithms whose argument is a positive part of a probability.

    For tasks of classes. `log` becomes `ln` where its argument, for every prediction strictly between 0 and
    1, is certain to be positive, and does not contain the target.
    """
    return _renamed(expr, "log", "ln", _is_positive)


def _renamed(expr: Expr, old: str, new: str, fits: Callable[[Expr], bool]) -> Expr:
    if not isinstance(expr, Call):
        return expr
    arguments = tuple(_renamed(a, old, new, fits) for a in expr.arguments)
    name = new if expr.operator == old and fits(expr.arguments[0]) else expr.operator
    return Call(name, arguments)


def _is_positive(expr: Expr) -> bool:
    """True if `expr` is a product of positive constants and of p, 1 - p and powers of them, for 0 < p < 1."""
    if "target" in expr.inputs:
        return False
    if isinstance(expr, Constant):
        return expr.value > 0.0
    if isinstance(expr, Variable):
        return True  # a probability, or the number of classes
    if expr.operator in ("mul", "sqrt", "square", "inv"):
        return all(map(_is_positive, expr.arguments))
    if expr.operator == "sub":
        first, second = expr.arguments
        return first == Constant(1.0) and second == Variable("prediction")
    return False


def bound(expr: Expr, classes: int) -> Expr:
    """`expr` with the number of classes as a constant."""

    def replace(leaf: Variable | Constant) -> Expr:
        return Constant(float(classes)) if leaf == Variable("classes") else leaf

    if classes < 1:
        raise ExpressionError(f"there must be at least one class, found {classes}")
    return map_leaves(expr, replace)
