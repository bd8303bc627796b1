"""Equations of PySR as expressions, by a parser of our own: nothing in them is evaluated.

PySR writes a hall of fame with the columns Complexity, Loss and Equation. Equations are Julia: numbers
such as `1.0e-5`, `2.5f0` or `1.0e-5f0`, the signs + - * / ^, and functions by name.
"""

from __future__ import annotations

import csv
import functools
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symloss.errors import ExpressionError, did_you_mean, pointed_at
from symloss.expr import OPERATORS, PREDICTION, TARGET, Call, Constant, Expr, call, fold
from symloss.expr.quick import negated
from symloss.expr.text import cut_short, describe_unexpected, end_of
from symloss.reading.files import read_text

if TYPE_CHECKING:
    import lark

RULES = r"""
    ?sum: product | sum "+" product -> add | sum "-" product -> sub
    ?product: signed | product "*" signed -> mul | product "/" signed -> div
    ?signed: power | "-" signed -> minus | "+" signed
    ?power: atom | atom "^" signed -> raised
    ?atom: NUMBER -> number | NAME -> name | application | "(" sum ")"
    application: NAME "(" sum ("," sum)* ")"
    NAME: /[A-Za-z_][A-Za-z_0-9]*/
    NUMBER: /([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?(f[+-]?[0-9]+)?/
    %ignore /[ \t\r\f\n]+/
"""

MAX_EQUATION = 20_000
"""Longest equation that is read, in characters."""

MAX_BYTES = 2**18
"""Largest hall of fame that is read; PySR writes a few kilobytes, and parsing takes seconds for as much."""

MAX_POWER = 9
"""Whole exponents up to here are written as products."""

INPUTS = {"p": PREDICTION, "y": TARGET, "x0": PREDICTION, "x1": TARGET}
"""Names of the two inputs: those that symloss gives them, and PySR's own."""


def _log1p(a: Expr) -> Expr:
    return call("log", call("add", 1.0, a))


def _cube(a: Expr) -> Expr:
    return call("mul", a, call("square", a))


FUNCTIONS: dict[str, Callable[..., Expr]] = {
    **{name: functools.partial(call, name) for name in OPERATORS},
    "log1p": _log1p,
    "cube": _cube,
    "log_abs": functools.partial(call, "log"),
    "sqrt_abs": functools.partial(call, "sqrt"),
    "pow_abs": functools.partial(call, "pow"),
}
"""What functions of PySR and Julia are here. Where Julia's logarithm is not a number, ours is guarded."""


@dataclass(frozen=True)
class Equation:
    """A row of a hall of fame."""

    complexity: int
    loss: float
    expression: Expr


@functools.cache
def _parser() -> lark.Lark:
    import lark

    return lark.Lark(RULES, start="sum", parser="lalr", propagate_positions=True)


def parse_equation(text: str) -> Expr:
    """The expression of an equation in Julia's notation. Raises ExpressionError if it is none."""
    import lark

    if len(text) > MAX_EQUATION:
        raise ExpressionError(f"an equation may have at most {MAX_EQUATION} characters, found {len(text)}")
    try:
        tree = _parser().parse(text)
    except lark.exceptions.UnexpectedInput as error:
        ended = isinstance(error, lark.exceptions.UnexpectedToken) and error.token.type == "$END"
        line, column = end_of(text) if ended else (error.line, error.column)
        reason = f"{describe_unexpected(error, _parser())}\n{pointed_at(text, line, column)}"
        raise ExpressionError(f"equation, column {column}: {reason}") from None
    done: dict[int, Expr] = {}
    for node in tree.iter_subtrees():  # children first; iterative, since a tree may be deep
        arguments = [done[id(child)] for child in node.children if not isinstance(child, str)]
        done[id(node)] = _built(node, arguments)
    return done[id(tree)]


def _built(node: lark.Tree[Any], arguments: list[Expr]) -> Expr:  # noqa: PLR0911 -- one for each rule
    match str(node.data):
        case "number":
            return Constant(_number(str(node.children[0])))
        case "name":
            name = str(node.children[0])
            if name not in INPUTS:
                raise ExpressionError(f"unknown name '{cut_short(name, 40)}' in an equation: expected p or y")
            return INPUTS[name]
        case "application":
            return _applied(str(node.children[0]), arguments)
        case "minus":
            return negated(arguments[0])
        case "div":
            return _divided(*arguments)
        case "raised":
            return _raised(*arguments)
        case operator:
            return Call(operator, tuple(arguments))


def _number(text: str) -> float:
    """A number of Julia: `f` is the exponent of a number in single precision, and may follow an `e`."""
    mantissa, mark, exponent = text.partition("f")
    try:
        value = float(mantissa) * 10.0 ** int(exponent) if mark else float(mantissa)
    except (OverflowError, ValueError):  # Python reads no whole number of more than 4300 digits
        value = math.inf
    if mark and math.isfinite(value) and "e" not in mantissa.lower():
        value = float(f"{mantissa}e{exponent}")  # rounded once
    return value  # a Constant refuses infinity


def _applied(name: str, arguments: list[Expr]) -> Expr:
    if name not in FUNCTIONS:
        hint = did_you_mean(name, FUNCTIONS)
        raise ExpressionError(f"unknown function '{cut_short(name, 40)}' in an equation: {hint}")
    try:
        return FUNCTIONS[name](*arguments)
    except TypeError:
        raise ExpressionError(f"function '{name}' has {len(arguments)} arguments in an equation") from None


def _divided(a: Expr, b: Expr) -> Expr:
    if isinstance(b, Constant) and b.value != 0.0 and math.isfinite(1.0 / b.value):
        return fold(call("mul", 1.0 / b.value, a))
    return call("mul", a, call("inv", b))


def _raised(a: Expr, b: Expr) -> Expr:
    """A power. Ours takes the magnitude of its base; whole exponents become products, which keep the sign."""
    if isinstance(b, Constant) and b.value.is_integer() and 1 <= abs(b.value) <= MAX_POWER:
        found = _product(a, int(abs(b.value)))
        return found if b.value > 0 else call("inv", found)
    return call("pow", a, b)


def _product(a: Expr, times: int) -> Expr:
    if times == 1:
        return a
    half = call("square", _product(a, times // 2))
    return call("mul", a, half) if times % 2 else half


def print_equation(expr: Expr) -> str:
    """An expression in the notation of `parse_equation`, which reads it back as it was."""
    if isinstance(expr, Constant):
        return repr(expr.value)
    if not isinstance(expr, Call):
        return "p" if expr == PREDICTION else "y"
    texts = [print_equation(argument) for argument in expr.arguments]
    signs = {"add": "+", "sub": "-", "mul": "*"}
    if expr.operator in signs:
        return f"({f' {signs[expr.operator]} '.join(texts)})"
    return f"{expr.operator}({', '.join(texts)})"


def read_hall_of_fame(path: Path) -> list[Equation]:
    """The rows of a hall of fame. Raises ExpressionError, naming the line, if it is none."""
    text = read_text(path, "the hall of fame", ExpressionError, MAX_BYTES)
    return parse_hall_of_fame(text, str(path))


def parse_hall_of_fame(text: str, name: str) -> list[Equation]:
    """The same of its text."""
    rows = csv.reader(io.StringIO(text.lstrip("\ufeff")))
    try:
        titles = [title.strip().lower() for title in next(rows, [])]
        places = [titles.index(title) for title in ("complexity", "loss", "equation")]
    except (ValueError, csv.Error):
        raise ExpressionError(
            f"'{name}' is no hall of fame of PySR: its first line should name the columns "
            "Complexity, Loss and Equation"
        ) from None
    try:
        return [_row(row, places, f"{name}, line {rows.line_num}") for row in rows if row]
    except csv.Error as error:
        raise ExpressionError(f"{name}, line {rows.line_num}: {error}") from None


def _row(row: list[str], places: list[int], where: str) -> Equation:
    try:
        complexity, loss, text = (row[place] for place in places)
        numbers = int(complexity), float(loss)
    except (ValueError, IndexError):
        raise ExpressionError(f"{where}: expected a complexity, a loss and an equation") from None
    try:
        return Equation(*numbers, parse_equation(text))
    except ExpressionError as error:
        raise ExpressionError(f"{where}: {error}") from None
