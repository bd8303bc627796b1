"""A grammar's operators and limits as arguments of PySR.

PySR knows no typed grammars: it gets the operators that the grammar uses, and its limits. Operators with
protected arguments are handed over as Julia functions that compute what ours compute.
"""

from __future__ import annotations

from typing import Any

from symloss.expr import OPERATORS
from symloss.expr.primitives import GUARD
from symloss.grammar import Grammar, Template, TemplateCall

INFIX = {"add": "+", "sub": "-", "mul": "*"}

_GUARDED = f"max(abs(x), oftype(x, {GUARD!r}))"

JULIA: dict[str, str] = {
    "aq": "aq(x, y) = x / sqrt(one(x) + y * y)",
    "min": "min",
    "max": "max",
    "pow": f"pow(x, y) = exp(min(y * log({_GUARDED}), oftype(x, 80)))",
    "neg": "neg",
    "sign": "sign",
    "square": "square",
    "abs": "abs",
    "log": f"log_abs(x) = log({_GUARDED})",
    "sqrt": f"sqrt_abs(x) = sqrt({_GUARDED})",
    "tanh": "tanh",
    "exp": "exp",
    "inv": f"inv(x) = sign(x) / {_GUARDED}",
    "sigmoid": "sigmoid(x) = one(x) / (one(x) + exp(-x))",
    "softplus": "softplus(x) = max(x, zero(x)) + log1p(exp(-abs(x)))",
    "relu": "relu",
    "sin": "sin",
    "cos": "cos",
    "atan": "atan",
    "erf": "erf",
}
"""How PySR is given each operator. `ln` has no row: searches do not use it."""


def operators_of(grammar: Grammar) -> list[str]:
    """Names of the operators that occur in a grammar, in the order of the table."""
    used = {
        name
        for productions in grammar.rules.values()
        for production in productions
        for name in _called(production.template)
    }
    return [name for name in OPERATORS if name in used]


def _called(template: Template) -> set[str]:
    if not isinstance(template, TemplateCall):
        return set()
    return {template.operator}.union(*map(_called, template.arguments))


def arguments_for(grammar: Grammar, largest: int, seconds: float, seed: int) -> dict[str, Any]:
    """Keyword arguments of `PySRRegressor`, more than any one version knows: the worker leaves out the rest.

    The settings make a run reproducible, as far as its time limit does not end it.
    """
    names = [name for name in operators_of(grammar) if name in INFIX or name in JULIA]
    binary = [INFIX.get(name) or JULIA[name] for name in names if OPERATORS[name].arity == 2]
    unary = [JULIA[name] for name in names if OPERATORS[name].arity == 1]
    return {
        "binary_operators": binary or ["+", "-", "*"],
        "unary_operators": unary,
        "maxsize": max(7, min(grammar.max_size, largest)),
        "maxdepth": grammar.max_height,
        "niterations": 1_000_000,  # the time limit ends it
        "timeout_in_seconds": seconds,
        "random_state": seed,
        "deterministic": True,
        "parallelism": "serial",
        "procs": 0,  # versions before 1.0 say it so
        "multithreading": False,
        "progress": False,
        "verbosity": 0,
        "input_stream": "devnull",
        "temp_equation_file": False,
        "model_selection": "accuracy",
        "output_directory": "out",
        "run_id": "run",
    }
