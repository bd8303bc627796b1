"""The operator table: one row is all that symloss knows about an operator.

To add an operator, add a row. The formula parser, grammars, search, evaluation, code generators and
the conformance tests read the table and pick it up by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from symloss.errors import ExpressionError, did_you_mean
from symloss.expr.primitives import EXP_LIMIT


@dataclass(frozen=True)
class Operator:
    """One elementwise, real-valued function of one or two real arguments.

    name:     what formulas and grammars call it.
    arity:    number of arguments.
    define:   `define(v, *arguments)` computes it with the words of vocabulary `v`; see `primitives`.
              Its protection against undefined arguments is part of it, and holds in every target.
    meaning:  the exact function in words of mathematics, for people.
    latex:    template with {0}, {1}; the guard is not drawn (`meaning` is printed beside a formula).
    symbol:   infix symbol in formulas, or None for function notation.
    guarded:  `meaning` in LaTeX, if it differs from the plain function that `latex` shows.
    partial:  True if it is undefined for arguments that are not positive, and nothing protects it: for
              formulas on paper, whose arguments are probabilities.
    reference: where the operator or its protection comes from.
    """

    name: str
    arity: int
    define: Callable[..., Any]
    meaning: str
    latex: str
    symbol: str | None = None
    guarded: str = ""
    partial: bool = False
    reference: str = "standard"


_EVOMAL = "EvoMAL (arXiv 2209.08907), function set"
_ZERO = "AutoLoss-Zero (arXiv 2103.14026), function set"
_CSE = "CSE-AutoLoss (arXiv 2102.04700), function set"

_ROWS = [
    Operator("add", 2, lambda v, a, b: a + b, "a + b", "{0} + {1}", "+", reference=_EVOMAL),
    Operator("sub", 2, lambda v, a, b: a - b, "a - b", "{0} - {1}", "-", reference=_EVOMAL),
    Operator("mul", 2, lambda v, a, b: a * b, "a b", r"{0} \, {1}", "*", reference=_EVOMAL),
    Operator(
        "aq",
        2,
        lambda v, a, b: a / v.sqrt(1.0 + b * b),
        "a / sqrt(1 + b^2), the analytic quotient",
        r"\frac{{{0}}}{{\sqrt{{1 + \left({1}\right)^{{2}}}}}}",
        reference=_EVOMAL,
    ),
    Operator(
        "min",
        2,
        lambda v, a, b: v.minimum(a, b),
        "the smaller of a and b",
        r"\min\left({0}, {1}\right)",
        reference=_EVOMAL,
    ),
    Operator(
        "max",
        2,
        lambda v, a, b: v.maximum(a, b),
        "the larger of a and b",
        r"\max\left({0}, {1}\right)",
        reference=_EVOMAL,
    ),
    Operator(
        "pow",
        2,
        # Clamped like exp: |a|^b overflows as soon as b is a large output of the network.
        lambda v, a, b: v.exp(v.minimum(b * v.log(v.guard(a)), EXP_LIMIT)),
        "max(|a|, 1e-7)^b, its logarithm at most 80",
        r"\left|{0}\right|^{{{1}}}",
        guarded=r"$\max(|a|, 10^{-7})^{b}$, whose logarithm is at most 80",
    ),
    Operator("neg", 1, lambda v, a: -a, "-a", "-{0}", reference=_ZERO),
    Operator(
        "sign",
        1,
        lambda v, a: v.sign(a),
        "-1, 0 or 1 as a is negative, zero or positive",
        r"\operatorname{{sign}}\left({0}\right)",
        reference=_EVOMAL,
    ),
    Operator("square", 1, lambda v, a: a * a, "a^2", r"\left({0}\right)^{{2}}", reference=_EVOMAL),
    Operator("abs", 1, lambda v, a: v.abs(a), "|a|", r"\left|{0}\right|", reference=_EVOMAL),
    Operator(
        "log",
        1,
        lambda v, a: v.log(v.guard(a)),
        "ln(max(|a|, 1e-7))",
        r"\log\left|{0}\right|",
        guarded=r"$\ln\max(|a|, 10^{-7})$",
        reference=_EVOMAL,
    ),
    Operator(
        "ln",
        1,
        lambda v, a: v.log(a),
        "ln a, for an a that is always positive, such as a probability: it has no protection",
        r"\ln\left({0}\right)",
        partial=True,
    ),
    Operator(
        "sqrt",
        1,
        lambda v, a: v.sqrt(v.guard(a)),
        "sqrt(max(|a|, 1e-7))",
        r"\sqrt{{\left|{0}\right|}}",
        guarded=r"$\sqrt{\max(|a|, 10^{-7})}$",
        reference=_EVOMAL,
    ),
    Operator("tanh", 1, lambda v, a: v.tanh(a), "tanh a", r"\tanh\left({0}\right)", reference=_EVOMAL),
    Operator(
        "exp",
        1,
        lambda v, a: v.exp(v.minimum(a, EXP_LIMIT)),
        "e^min(a, 80)",
        r"\exp\left({0}\right)",
        guarded=r"$e^{\min(a, 80)}$",
        reference=_ZERO,
    ),
    Operator(
        "inv",
        1,
        # Odd like 1/a, and finite with a finite derivative at 0, where 1/a is not.
        lambda v, a: v.sign(a) / v.guard(a),
        "sign(a) / max(|a|, 1e-7)",
        r"\frac{{1}}{{{0}}}",
        guarded=r"$\operatorname{sign}(a) / \max(|a|, 10^{-7})$",
        reference=_ZERO,
    ),
    Operator(
        "sigmoid", 1, lambda v, a: v.sigmoid(a), "1 / (1 + e^-a)", r"\sigma\left({0}\right)", reference=_CSE
    ),
    Operator(
        "softplus",
        1,
        # max(a, 0) + log(1 + e^-|a|) does not overflow where log(1 + e^a) does. Written with |a|, the maximum
        # has the slope 1/2 at 0 that softplus has there.
        lambda v, a: 0.5 * (a + v.abs(a)) + v.log1p(v.exp(-v.abs(a))),
        "ln(1 + e^a)",
        r"\operatorname{{softplus}}\left({0}\right)",
        reference=_CSE,
    ),
    Operator(
        "relu", 1, lambda v, a: v.maximum(a, 0.0), "max(a, 0)", r"\max\left({0}, 0\right)", reference=_CSE
    ),
    Operator("sin", 1, lambda v, a: v.sin(a), "sin a", r"\sin\left({0}\right)", reference=_CSE),
    Operator("cos", 1, lambda v, a: v.cos(a), "cos a", r"\cos\left({0}\right)", reference=_CSE),
    Operator("atan", 1, lambda v, a: v.atan(a), "arctan a", r"\arctan\left({0}\right)"),
    Operator(
        "erf", 1, lambda v, a: v.erf(a), "the error function of a", r"\operatorname{{erf}}\left({0}\right)"
    ),
]

OPERATORS: dict[str, Operator] = {row.name: row for row in _ROWS}


@dataclass(frozen=True)
class Input:
    """A quantity that enters a loss: its full name, its symbol in formulas and in LaTeX."""

    name: str
    symbol: str
    latex: str
    meaning: str


INPUTS: dict[str, Input] = {
    row.name: row
    for row in [
        Input("prediction", "p", "p", "probability of the class, or predicted value"),
        Input("target", "y", "y", "1 for the true class and 0 for the others, or true value"),
        Input("classes", "C", "C", "number of classes; of outputs where there are none"),
    ]
}

SEARCHED = ("prediction", "target")
"""Inputs that a grammar may use. The number of classes belongs to a task: a search has it as a constant."""


def operator_named(name: str) -> Operator:
    """The row of `name`. Raises ExpressionError, with the nearest known name, if there is none."""
    row = OPERATORS.get(name)
    if row is None:
        raise ExpressionError(f"unknown operator '{name}': {did_you_mean(name, OPERATORS)}")
    return row
