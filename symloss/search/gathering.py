"""A formula that is linear in the target, written as one term for the true class and one for the others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from itertools import islice

from symloss.expr import Call, Constant, Expr, Variable, call
from symloss.expr.fold import fold, split_factor

TARGET = Variable("target")
OTHERS = Call("sub", (Constant(1.0), TARGET))
MOST_TERMS = 16


@dataclass(frozen=True)
class _Term:
    """A constant times factors that are not sums, in the order in which they stood."""

    constant: float
    factors: tuple[Expr, ...]

    def __mul__(self, other: _Term) -> _Term:
        return _Term(self.constant * other.constant, self.factors + other.factors)

    def without(self, factor: Expr) -> _Term:
        place = self.factors.index(factor)
        return replace(self, factors=self.factors[:place] + self.factors[place + 1 :])


def gathered(expr: Expr) -> Expr | None:
    """`expr` as target * a + (1 - target) * b + c, where a, b and c are sums without the target.

    A part without terms is left out. None if the target stands anywhere but as a factor, or if there are too
    many terms.
    """
    terms = _terms(fold(expr))
    if terms is None:
        return None
    groups: dict[Expr | None, list[_Term]] = {TARGET: [], OTHERS: [], None: []}
    for term in terms:
        of = [factor for factor in term.factors if factor in (TARGET, OTHERS)]
        rest = term.without(of[0]) if of else term
        if len(of) > 1 or any("target" in factor.inputs for factor in rest.factors):
            return None
        groups[of[0] if of else None].append(rest)
    parts = [_whole(of, own) for of, own in groups.items() if own]
    return reduce(lambda a, b: call("add", a, b), parts)


def _whole(of: Expr | None, terms: list[_Term]) -> Expr:
    total = reduce(lambda a, b: call("add", a, b), map(_written, terms))
    return total if of is None else call("mul", of, total)


def _written(term: _Term) -> Expr:
    """With a minus sign at the first logarithm, which is where losses have it."""
    constant, factors = term.constant, list(term.factors)
    if not factors:
        return Constant(constant)
    if constant < 0:
        logs = (i for i, f in enumerate(factors) if isinstance(f, Call) and f.operator in ("log", "ln"))
        if (place := next(logs, None)) is not None:
            constant, factors[place] = -constant, call("neg", factors[place])
    product = reduce(lambda a, b: call("mul", a, b), factors)
    return product if constant == 1.0 else call("mul", constant, product)


def _terms(expr: Expr) -> list[_Term] | None:
    """The terms of `expr` multiplied out; only what is outside functions is, and `1 - ...` is kept."""
    terms = list(islice(_multiplied_out(expr), MOST_TERMS + 1))
    if len(terms) > MOST_TERMS or not all(math.isfinite(term.constant) for term in terms):
        return None
    return terms


def _multiplied_out(expr: Expr) -> Iterator[_Term]:
    if _is_one_minus(expr) or not isinstance(expr, Call):
        yield _Term(expr.value, ()) if isinstance(expr, Constant) else _Term(1.0, (expr,))
        return
    minus = _Term(-1.0, ())
    match expr.operator:
        case "add":
            for argument in expr.arguments:
                yield from _multiplied_out(argument)
        case "sub":
            yield from _multiplied_out(expr.arguments[0])
            yield from (minus * term for term in _multiplied_out(expr.arguments[1]))
        case "neg":
            yield from (minus * term for term in _multiplied_out(expr.arguments[0]))
        case "mul":
            first, second = expr.arguments
            if _is_free(first) and _is_free(second):  # as it is: it may be known as that
                constant, rest = split_factor(expr)
                yield _Term(constant, () if rest is None else (rest,))
                return
            for left in _multiplied_out(first):
                yield from (left * right for right in _multiplied_out(second))
        case _:
            yield _Term(1.0, (expr,))


def _is_one_minus(expr: Expr) -> bool:
    """`1 - target`, or 1 minus something of the prediction alone."""
    if not isinstance(expr, Call) or expr.operator != "sub" or expr.arguments[0] != Constant(1.0):
        return False
    return expr == OTHERS or _is_free(expr)


def _is_free(expr: Expr) -> bool:
    return "target" not in expr.inputs
