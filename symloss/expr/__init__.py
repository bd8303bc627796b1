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
    map_leaves,
    walk,
    with_constants,
    with_minus_signs,
)
from symloss.expr.fold import fold, merged_weights, weighted, without_offset
from symloss.expr.guards import bound, guarded, unguarded
from symloss.expr.operators import INPUTS, OPERATORS, SEARCHED, Input, Operator, operator_named
from symloss.expr.text import format_formula, parse_expression, print_expression, short_number

__all__ = [
    "INPUTS",
    "OPERATORS",
    "PREDICTION",
    "SEARCHED",
    "TARGET",
    "Call",
    "Constant",
    "Expr",
    "Input",
    "Operator",
    "Variable",
    "bound",
    "call",
    "constants_of",
    "evaluate",
    "fold",
    "format_formula",
    "guarded",
    "map_leaves",
    "merged_weights",
    "operator_named",
    "parse_expression",
    "print_expression",
    "short_number",
    "unguarded",
    "walk",
    "weighted",
    "with_constants",
    "with_minus_signs",
    "without_offset",
]
