"""Expressions: the formulas that symloss searches for. Imports neither torch nor SymPy nor DEAP."""

from symloss.expr.expression import (
    PREDICTION,
    TARGET,
    Call,
    Constant,
    Expr,
    Variable,
    call,
    constants_of,
    evaluate,
    inputs_of,
    map_leaves,
    walk,
    with_constants,
)
from symloss.expr.fold import fold, weighted, without_offset
from symloss.expr.operators import INPUTS, OPERATORS, Input, Operator, operator_named
from symloss.expr.text import format_formula, parse_expression, print_expression, short_number

__all__ = [
    "INPUTS",
    "OPERATORS",
    "PREDICTION",
    "TARGET",
    "Call",
    "Constant",
    "Expr",
    "Input",
    "Operator",
    "Variable",
    "call",
    "constants_of",
    "evaluate",
    "fold",
    "format_formula",
    "inputs_of",
    "map_leaves",
    "operator_named",
    "parse_expression",
    "print_expression",
    "short_number",
    "walk",
    "weighted",
    "with_constants",
    "without_offset",
]
