"""Expressions as LaTeX, through the templates of the operator table."""

from __future__ import annotations

from decimal import Decimal

from symloss.expr.expression import Call, Constant, Expr, Variable, with_minus_signs
from symloss.expr.operators import OPERATORS

DIGITS = 4
"""Significant digits of constants. The exported code has all of them."""


def number(value: float, digits: int = DIGITS) -> str:
    r"""`value` with at most `digits` significant digits: 0.25, 1200, 1.5 \cdot 10^{-7}, 10^{-7}."""
    rounded = Decimal(f"{value:.{digits}g}")
    power = rounded.adjusted()
    if not rounded or -4 < power < 6:
        return f"{rounded.normalize():f}" if rounded else "0"
    mantissa = f"{rounded.scaleb(-power).normalize():f}"
    times = {"1": "", "-1": "-"}.get(mantissa, rf"{mantissa} \cdot ")
    return f"{times}10^{{{power}}}"


_BINDING = {"add": 0, "sub": 0, "mul": 1, "neg": 1}


def expression_latex(expr: Expr, symbols: dict[str, str], digits: int = DIGITS) -> str:
    """`expr` through the templates of the operator table."""
    return _through_templates(with_minus_signs(expr), symbols, digits)


def _through_templates(expr: Expr, symbols: dict[str, str], digits: int) -> str:
    if isinstance(expr, Variable):
        return symbols[expr.name]
    if isinstance(expr, Constant):
        return number(expr.value, digits)
    texts = [_through_templates(a, symbols, digits) for a in expr.arguments]
    binding = _BINDING.get(expr.operator)
    if binding is not None:
        texts = [
            _within(a, t, binding + (i == 1 and expr.operator == "sub"), i > 0 or expr.operator == "neg")
            for i, (a, t) in enumerate(zip(expr.arguments, texts, strict=True))
        ]
    if expr.operator == "mul" and texts[1][:1].isdigit():
        both = texts[0][:1].isdigit()
        return rf"{texts[0]} \cdot {texts[1]}" if both else rf"{texts[1]} \, {texts[0]}"
    return OPERATORS[expr.operator].latex.format(*texts)


def _within(expr: Expr, text: str, binding: int, inner: bool) -> str:
    """`text` of `expr` in parentheses where it would read differently without."""
    own = _BINDING.get(expr.operator, 2) if isinstance(expr, Call) else 2
    return rf"\left({text}\right)" if own < binding or (inner and text.startswith("-")) else text
