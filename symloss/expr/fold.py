"""Rewrites that keep an expression's meaning and make it shorter.

Only identities of real arithmetic that hold for every value of the inputs are used, guards included;
results agree up to rounding. They run before a loss is trained, never after: what was trained is what
is stored and exported. Reading-only simplification is SymPy's work, in the export room.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from symloss.expr.expression import Call, Constant, Expr, call, evaluate
from symloss.expr.primitives import FLOATS


def fold(expr: Expr) -> Expr:
    """`expr` with constant parts computed and constant factors collected in front of products."""
    return _folded(expr, ones=False)


def _folded(expr: Expr, ones: bool) -> Expr:
    """`fold`. ones: factors of 1 are written too, for they are weights that will be tuned."""
    if not isinstance(expr, Call):
        return expr
    node = Call(expr.operator, tuple(_folded(a, ones) for a in expr.arguments))
    if all(isinstance(a, Constant) for a in node.arguments):
        value = _computed(node)
        return node if value is None else Constant(value)
    rule = _RULES.get(node.operator)
    return node if rule is None else rule(*node.arguments, ones)


def _computed(node: Call) -> float | None:
    try:
        value = float(evaluate(node, {}, FLOATS, float))
    except (ArithmeticError, ValueError):
        return None
    return value if math.isfinite(value) else None


def split_factor(expr: Expr) -> tuple[float, Expr | None]:
    """`expr` as a constant factor and the rest; the rest is None if all of it is constant."""
    if isinstance(expr, Constant):
        return expr.value, None
    if isinstance(expr, Call):
        if expr.operator == "neg":
            factor, rest = split_factor(expr.arguments[0])
            return -factor, rest
        if expr.operator == "mul" and isinstance(expr.arguments[0], Constant):
            return expr.arguments[0].value, expr.arguments[1]
    return 1.0, expr


def scaled(factor: float, rest: Expr | None, ones: bool = False) -> Expr:
    """`factor * rest`, written as shortly as possible. ones: a factor of 1 or -1 is written like others."""
    if rest is None:
        return Constant(factor)
    if ones:
        return call("mul", factor, rest)
    if factor == 1.0:
        return rest
    return call("neg", rest) if factor == -1.0 else call("mul", factor, rest)


def _finite(*factors: float) -> bool:
    return all(math.isfinite(f) and f != 0.0 for f in factors)


def _fold_mul(a: Expr, b: Expr, ones: bool) -> Expr:
    (x, rest_a), (y, rest_b) = split_factor(a), split_factor(b)
    if not _finite(x * y):
        return call("mul", a, b)
    if rest_a is None or rest_b is None:
        return scaled(x * y, rest_b if rest_a is None else rest_a, ones)
    return scaled(x * y, call("mul", rest_a, rest_b), ones)


def _fold_add(a: Expr, b: Expr, ones: bool) -> Expr:
    if a == Constant(0.0):
        return b
    if b == Constant(0.0):
        return a
    factor, rest = split_factor(b)
    if factor < 0 and rest is not None:
        return call("sub", a, scaled(-factor, rest, ones))
    factor, rest = split_factor(a)
    if factor < 0 and rest is not None:
        return call("sub", b, scaled(-factor, rest, ones))
    return call("add", a, b)


def _fold_sub(a: Expr, b: Expr, ones: bool) -> Expr:
    if b == Constant(0.0):
        return a
    factor, rest = split_factor(b)
    if factor < 0:
        return _fold_add(a, scaled(-factor, rest, ones), ones)
    return call("sub", a, b)


def _fold_neg(a: Expr, ones: bool = False) -> Expr:
    factor, rest = split_factor(a)
    return scaled(-factor, rest, ones)


def _fold_even(operator: str, a: Expr, outer: float, rest: Expr | None, ones: bool) -> Expr:
    """`operator` of a constant times `rest`, where the constant leaves as the factor `outer`."""
    if rest is None or not _finite(outer):
        return call(operator, a)
    return scaled(outer, call(operator, rest), ones)


def _fold_abs(a: Expr, ones: bool) -> Expr:
    factor, rest = split_factor(a)
    if isinstance(rest, Call) and rest.operator in ("abs", "square") and factor:
        return scaled(abs(factor), rest, ones)
    return _fold_even("abs", a, abs(factor), rest, ones)


def _fold_square(a: Expr, ones: bool) -> Expr:
    factor, rest = split_factor(a)
    if isinstance(rest, Call) and rest.operator == "abs":
        rest = rest.arguments[0]
    return _fold_even("square", a, factor * factor, rest, ones)


def _fold_aq(a: Expr, b: Expr, ones: bool) -> Expr:
    factor, rest = split_factor(a)
    if rest is None or not _finite(factor):
        return call("aq", a, b)
    return scaled(factor, call("aq", rest, b), ones)


_RULES: dict[str, Callable[..., Expr]] = {
    "mul": _fold_mul,
    "add": _fold_add,
    "sub": _fold_sub,
    "neg": _fold_neg,
    "abs": _fold_abs,
    "square": _fold_square,
    "aq": _fold_aq,
}


def without_offset(expr: Expr) -> Expr:
    """`expr` without outermost terms that do not contain the prediction: they never reach a gradient."""
    if isinstance(expr, Call) and expr.operator in ("add", "sub"):
        a, b = expr.arguments
        if "prediction" not in b.inputs:
            return without_offset(a)
        if "prediction" not in a.inputs:
            rest = without_offset(b)
            return rest if expr.operator == "add" else _fold_neg(rest)
    return expr


def weighted(expr: Expr) -> Expr:
    """`expr` with a constant 1 multiplied into every edge: the constants that EvoMAL tunes.

    A node's output enters its parent multiplied by a weight of its own, so there are as many weights
    as nodes other than the root. A constant is its own weight already.
    """
    if not isinstance(expr, Call):
        return expr
    return Call(expr.operator, tuple(_weighted_edge(weighted(a)) for a in expr.arguments))


def merged_weights(expr: Expr) -> Expr:
    """`weighted`, with those weights collected that act as one: all of a product's in front of it.

    Whatever `weighted` can become by other constants, this can, with fewer of them.
    """
    return _folded(weighted(expr), ones=True)


def _weighted_edge(child: Expr) -> Expr:
    return child if isinstance(child, Constant) else call("mul", 1.0, child)
