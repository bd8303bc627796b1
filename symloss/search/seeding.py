"""Formulas that somebody has, as beginnings of a search.

A grammar derives a formula in one spelling alone: it may know y * -(log p) and not -(y * log p). So a seed is
spelled anew, by rules that leave its value as it is, until the grammar can derive it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from symloss.expr import Call, Constant, Expr, call, guarded, parse_expression
from symloss.expr.fold import without_offset
from symloss.grammar import Grammar, admits, derive
from symloss.search.gathering import gathered

SPELLINGS = 400
"""As many spellings of one seed are tried."""


def seeds_from(texts: Sequence[str]) -> list[Expr]:
    """Formulas of texts, their logarithms as a search has them, each once."""
    return list(dict.fromkeys(guarded(parse_expression(text)) for text in texts))


def sown(grammar: Grammar, seeds: Sequence[Expr]) -> list[Expr]:
    """Those seeds that the grammar can derive within its limits, in a spelling that it knows."""
    found = (derivable(grammar, seed) for seed in seeds)
    return [seed for seed in found if seed is not None]


def derivable(grammar: Grammar, seed: Expr) -> Expr | None:
    """A spelling of `seed` that the grammar can derive within its limits, or None if none is found.

    Terms that do not contain the prediction are dropped, since they never reach a gradient.
    """
    for spelling in spellings(without_offset(seed), SPELLINGS):
        if admits(grammar, spelling) and derive(grammar, spelling) is not None:
            return spelling
    return None


def spellings(expr: Expr, most: int) -> Iterator[Expr]:
    """`expr`, and other ways to write it: the fewest changes first, at most so many of them."""
    ordered = gathered(expr)
    waiting = list(dict.fromkeys([expr] if ordered is None else [expr, ordered]))
    known = set(waiting)
    for current in waiting:
        yield current
        for changed in _changed(current):
            if len(waiting) >= most:
                break
            if changed not in known:
                known.add(changed)
                waiting.append(changed)


def _changed(expr: Expr) -> Iterator[Expr]:
    """`expr` with one of its nodes written in another way."""
    if not isinstance(expr, Call):
        return
    yield from _respelled(expr)
    for place, argument in enumerate(expr.arguments):
        for changed in _changed(argument):
            yield Call(expr.operator, (*expr.arguments[:place], changed, *expr.arguments[place + 1 :]))


def _respelled(node: Call) -> Iterator[Expr]:  # noqa: PLR0912 -- one for each identity
    """Other ways to write a node of the same value."""
    a, *rest = node.arguments
    match node.operator:
        case "neg":
            yield call("mul", -1.0, a)
            if isinstance(a, Call) and a.operator in ("mul", "add"):
                yield from _negated(a)
        case "mul":
            (b,) = rest
            yield call("mul", b, a)
            if isinstance(a, Constant) and a.value < 0:
                yield call("neg", call("mul", -a.value, b)) if a.value != -1.0 else call("neg", b)
            if isinstance(b, Call) and b.operator == "mul":
                yield call("mul", call("mul", a, b.arguments[0]), b.arguments[1])
            if isinstance(a, Call) and a.operator == "mul":
                yield call("mul", a.arguments[0], call("mul", a.arguments[1], b))
        case "add":
            (b,) = rest
            yield call("add", b, a)
            if not isinstance(b, Constant) and not (isinstance(b, Call) and b.operator == "mul"):
                yield call("add", a, call("mul", 1.0, b))
        case "max" | "min":
            yield call(node.operator, rest[0], a)
        case "sub":
            yield call("add", a, call("neg", rest[0]))
            if isinstance(a, Constant) and a.value == 0.0:
                yield call("neg", rest[0])
        case "square":
            yield call("pow", a, 2.0)
            if isinstance(a, Call) and a.operator == "sub":
                yield call("square", call("sub", *reversed(a.arguments)))
        case "abs":
            if isinstance(a, Call) and a.operator == "sub":
                yield call("abs", call("sub", *reversed(a.arguments)))
        case _:
            return


def _negated(inner: Call) -> Iterator[Expr]:
    """Minus a product or a sum, with the sign further inside."""
    a, b = inner.arguments
    if inner.operator == "mul":
        yield call("mul", a, call("neg", b))
        yield call("mul", call("neg", a), b)
    else:
        yield call("add", call("neg", a), call("neg", b))
