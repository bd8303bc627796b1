"""Formulas as text: one language for printing, for reading, and for the right sides of grammars.

    abs(log(0.98 * y * p))        prediction or p, target or y; + - *; operators by name; numbers

`parse_expression(print_expression(e)) == e` for every expression: constants are written with all
their digits. `format_formula` writes the same language rounded, for people.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from symloss.errors import ExpressionError, did_you_mean, pointed_at, strange_letters
from symloss.expr.expression import Call, Constant, Expr, Variable, render, with_minus_signs
from symloss.expr.operators import INPUTS, OPERATORS
from symloss.expr.quick import negated, quickly_read

if TYPE_CHECKING:
    import lark

EXPRESSION_RULES = r"""
    ?sum: product | sum "+" product -> add | sum "-" product -> sub
    ?product: factor | product "*" factor -> mul
    ?factor: atom | "-" factor -> minus
    ?atom: NUMBER -> number | name | application | "(" sum ")"
    application: NAME "(" sum ("," sum)* ")"
    name: NAME
    NAME: /[A-Za-z_][A-Za-z_0-9]*/
    NUMBER: /[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?|\.[0-9]+([eE][+-]?[0-9]+)?/
    %ignore /[ \t\r\f\n]+/
"""
"""Shared with grammar files (see `symloss.grammar.reader`), so that both speak one language."""

MAX_TEXT = 200_000
"""Longest formula text that is read, in characters."""

_SYMBOLS = {row.symbol: row.name for row in INPUTS.values()}
_INFIX = {row.symbol: row.name for row in OPERATORS.values() if row.symbol}


@functools.cache
def _parser() -> lark.Lark:
    import lark

    return lark.Lark(EXPRESSION_RULES, start="sum", parser="lalr", propagate_positions=True)


def parse_expression(text: str) -> Expr:
    """Read a formula. Raises ExpressionError with the place and the reason if it is not one."""
    if len(text) > MAX_TEXT:
        raise ExpressionError(f"a formula may have at most {MAX_TEXT} characters, found {len(text)}")
    return quickly_read(text) or parsed(text)


def parsed(text: str) -> Expr:
    """As `parse_expression`, by the grammar above: slowly, but with a word about every mistake."""
    import lark

    try:
        tree = _parser().parse(text)
    except lark.exceptions.UnexpectedInput as error:
        at_end = isinstance(error, lark.exceptions.UnexpectedToken) and error.token.type == "$END"
        line, column = end_of(text) if at_end else (error.line, error.column)
        where = f"formula, line {line}, column {column}"
        reason = f"{describe_unexpected(error, _parser())}\n{pointed_at(text, line, column)}"
        raise ExpressionError(f"{where}: {reason}") from None
    return build_expression(tree, text)


def end_of(text: str) -> tuple[int, int]:
    """Line and column behind the last character that is not white space."""
    lines = text.rstrip().splitlines() or [""]
    return len(lines), len(lines[-1]) + 1


def cut_short(reason: str, length: int = 400) -> str:
    """`reason`, or its beginning: names in a hostile text may be as long as the text."""
    return reason if len(reason) <= length else f"{reason[:length]}..."


_TERMINALS = {"NUMBER": "a number", "NAME": "a name", "INT": "a whole number", "$END": "the end"}
_HINTS = {
    "/": "; division is written aq(a, b) or a * inv(b)",
    "^": "; powers are written pow(a, b) or square(a)",
    "*": "; powers are written pow(a, b) or square(a)",
}


def describe_unexpected(error: lark.exceptions.UnexpectedInput, parser: lark.Lark) -> str:
    """What the parser found and what it expected instead, in words."""
    import lark

    found, hint = "the text ends too early", ""
    expected: set[str] = set()
    if isinstance(error, lark.exceptions.UnexpectedCharacters):
        found = f"unexpected character {error.char!a}{strange_letters(error.char)}"
        hint = _HINTS.get(error.char, "")
        expected = set(error.allowed or ())
    elif isinstance(error, lark.exceptions.UnexpectedToken):
        expected = set(error.accepts or ())
        if error.token.type != "$END":
            found, hint = f"unexpected '{cut_short(error.token, 40)}'", _HINTS.get(str(error.token), "")
    return found + (hint or _expected(expected, parser))


def _expected(terminals: set[str], parser: lark.Lark) -> str:
    """The end of a sentence that lists a few terminals; a long list helps nobody and is left out."""
    quoted = {t.name: f"'{t.pattern.value}'" for t in parser.terminals if t.pattern.type == "str"}
    words = sorted(_TERMINALS.get(name) or quoted.get(name, "") for name in terminals)
    words = [word for word in words if word]
    if not words or len(words) > 7:
        return ""
    *others, last = words
    return f", expected {', '.join(others)} or {last}" if others else f", expected {last}"


def build_expression(tree: lark.Tree[Any], text: str) -> Expr:
    """The expression of a parse tree. Iterative, since the tree may be deeper than Python's stack."""
    done: dict[int, Expr] = {}
    for node in tree.iter_subtrees():  # children first
        arguments = [done[id(child)] for child in node.children if not isinstance(child, str)]
        try:
            done[id(node)] = _build_node(node, arguments)
        except ExpressionError as error:
            line, column = node.meta.line, node.meta.column
            reason = f"{cut_short(str(error))}\n{pointed_at(text, line, column)}"
            raise ExpressionError(f"formula, line {line}, column {column}: {reason}") from None
    return done[id(tree)]


def _build_node(node: lark.Tree[Any], arguments: list[Expr]) -> Expr:
    if node.data == "number":
        return Constant(float(str(node.children[0])))
    if node.data == "name":
        name = str(node.children[0])
        if name in OPERATORS:
            raise ExpressionError(f"operator '{name}' needs its arguments in parentheses")
        if name not in INPUTS and name not in _SYMBOLS:
            raise ExpressionError(
                f"unknown name '{name}': {did_you_mean(name, [*INPUTS, *_SYMBOLS, *OPERATORS])}"
            )
        return Variable(_SYMBOLS.get(name, name))
    if node.data == "minus":
        return negated(arguments[0])
    if node.data == "application":
        return Call(str(node.children[0]), tuple(arguments))
    return Call(str(node.data), tuple(arguments))


def print_expression(expr: Expr) -> str:
    """The exact text of `expr`, with full names and all digits."""
    return str(expr)


def format_formula(expr: Expr, digits: int = 4) -> str:
    """`expr` for people: short symbols and constants with at most `digits` significant digits."""
    shown = with_minus_signs(expr)
    return render(shown, lambda name: INPUTS[name].symbol, lambda value: short_number(value, digits))


def short_number(value: float, digits: int = 4) -> str:
    """`value` with at most `digits` significant digits: 1, 0.5, 1.234e-07."""
    text = re.sub(r"e([+-])0(\d)$", r"e\1\2", f"{value:.{digits}g}")
    return "0" if text == "-0" else text
