"""Formulas as text: printing and reading are inverse, and mistakes are answered with their place."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import expressions, finite, law

from symloss.errors import ExpressionError
from symloss.expr import (
    PREDICTION,
    TARGET,
    Constant,
    call,
    constants_of,
    format_formula,
    parse_expression,
    print_expression,
    short_number,
    with_constants,
    with_minus_signs,
)
from symloss.expr.quick import quickly_read
from symloss.expr.text import parsed


@law
@given(expressions(finite))
def test_reading_what_was_printed_gives_the_same_formula_bit_for_bit(expr):
    read = parse_expression(print_expression(expr))
    assert read == expr
    assert [c.hex() for c in constants_of(read)] == [c.hex() for c in constants_of(expr)]


@law
@given(expressions())
def test_the_short_form_differs_in_signs_and_the_digits_of_constants_only(expr):
    signed = with_minus_signs(expr)
    read = parse_expression(format_formula(expr, digits=17))
    assert read == signed
    rounded = constants_of(parse_expression(format_formula(expr)))
    assert with_constants(read, constants_of(signed)) == signed
    assert rounded == pytest.approx(constants_of(signed), rel=1e-3)


@pytest.mark.parametrize(
    ("exact", "shown"),
    [
        ("p + (-0.5)", "p - 0.5"),
        ("p - (-0.5)", "p + 0.5"),
        ("y - (p + (-2))", "y - (p - 2)"),
        ("pow(p + (-1), -2) * (-3)", "pow(p - 1, -2) * (-3)"),
        ("-0.5 + p", "-0.5 + p"),
    ],
)
def test_people_read_differences(exact, shown):
    assert format_formula(parse_expression(exact)) == shown


P, Y = PREDICTION, TARGET
WRITTEN = [
    ("p", P),
    ("target", Y),
    (".5", Constant(0.5)),
    ("-2e-3", Constant(-0.002)),
    ("p - y - 1", call("sub", call("sub", P, Y), 1.0)),
    ("p - (y - 1)", call("sub", P, call("sub", Y, 1.0))),
    ("p + y * 2", call("add", P, call("mul", Y, 2.0))),
    ("-p * y", call("mul", call("neg", P), Y)),
    ("-(p * y)", call("neg", call("mul", P, Y))),
    ("p - -1", call("sub", P, -1.0)),
    ("--p", call("neg", call("neg", P))),
    ("neg(2)", call("neg", 2.0)),
    ("aq(p,\n  y)", call("aq", P, Y)),
]


@pytest.mark.parametrize(("text", "expr"), WRITTEN)
def test_how_formulas_are_grouped(text, expr):
    assert parse_expression(text) == parsed(text) == quickly_read(text) == expr


TOKENS = [
    "p",
    "y",
    "log",
    "mul",
    "q",
    "(",
    ")",
    ",",
    "+",
    "-",
    "*",
    "2",
    ".5",
    "1e999",
    "3e",
    ".",
    " ",
    "\v",
    "/",
]


@law
@given(
    st.one_of(st.lists(st.sampled_from(TOKENS), max_size=9).map("".join), expressions().map(format_formula))
)
def test_the_quick_way_of_reading_agrees_with_the_one_that_explains(text):
    try:
        expected = parsed(text)
    except ExpressionError:
        expected = None
    assert quickly_read(text) == expected


def test_what_is_too_deep_for_the_quick_way_is_read_all_the_same():
    text = "(" * 3000 + "p" + ")" * 3000
    assert quickly_read(text) is None
    assert parse_expression(text) == P


PRINTED = [
    (call("sub", P, call("neg", Y)), "prediction - (-target)", "p - (-y)"),
    (call("mul", P, -2.0), "prediction * (-2.0)", "p * (-2)"),
    (call("neg", call("add", P, Y)), "-(prediction + target)", "-(p + y)"),
    (call("neg", 2.0), "neg(2.0)", "neg(2)"),
    (call("mul", call("add", P, 1 / 3), Y), f"(prediction + {1 / 3!r}) * target", "(p + 0.3333) * y"),
    (call("aq", P, call("log", Y)), "aq(prediction, log(target))", "aq(p, log(y))"),
]


@pytest.mark.parametrize(("expr", "exact", "short"), PRINTED)
def test_how_formulas_are_printed(expr, exact, short):
    assert print_expression(expr) == str(expr) == exact
    assert format_formula(expr) == short


NUMBERS = [(1.0, "1"), (-0.0, "0"), (1e-7, "1e-7"), (1.23456, "1.235"), (1e300, "1e+300")]


@pytest.mark.parametrize(("value", "text"), NUMBERS)
def test_short_numbers(value, text):
    assert short_number(value) == text


MISTAKES = [  # text, line, column, words of the answer
    ("", 1, 1, "ends too early"),
    ("p +", 1, 4, "ends too early, expected '(', '-', a name or a number"),
    ("log(p", 1, 6, "ends too early"),
    ("p y", 1, 3, "unexpected 'y', expected '(', '*', '+', '-' or the end"),
    ("p)", 1, 2, "unexpected ')'"),
    ("p / y", 1, 3, "division is written aq(a, b)"),
    ("p ^ 2", 1, 3, "powers are written pow(a, b)"),
    ("p ** 2", 1, 4, "powers are written pow(a, b)"),
    ("p -\n  q", 2, 3, "unknown name 'q'"),
    ("predicton", 1, 1, "did you mean 'prediction'?"),
    ("p + lgo(y)", 1, 5, "did you mean 'log'?"),
    ("log", 1, 1, "operator 'log' needs its arguments in parentheses"),
    ("1 + log(p, y)", 1, 5, "takes 1 argument, found 2"),
    ("min(p)", 1, 1, "takes 2 arguments, found 1"),
    ("p * 1e999", 1, 5, "must be finite"),
    ("a" * 5000, 1, 1, "unknown name 'aaaa"),
    ("tanh()", 1, 6, "unexpected ')'"),
    ("__import__('os')", 1, 12, "unexpected character"),
    ("(" * 60_000, 1, 60_001, "ends too early"),
    ("tanh(" * 101 + "p" + ")" * 101, 1, 1, "at most 100 levels"),
    ("p" + "+p" * 30_000, 1, 1, "at most 100 levels"),
    ("-" * 60_000 + "p", 1, 59_900, "at most 100 levels"),
]


@pytest.mark.parametrize(("text", "line", "column", "words"), MISTAKES, ids=lambda v: str(v)[:20])
def test_mistakes_are_answered_with_place_and_reason(text, line, column, words):
    started = time.perf_counter()
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    message, *shown = str(caught.value).splitlines()
    assert re.match(rf"formula, line {line}, column {column}: ", message)
    assert words in message
    assert shown[-1].strip() == "^"
    assert len(str(caught.value)) < 1000
    assert time.perf_counter() - started < 20


def test_a_text_that_is_too_long_is_not_read():
    with pytest.raises(ExpressionError, match="at most 200000 characters"):
        parse_expression("p" * 200_001)


def test_parentheses_may_be_as_deep_as_one_likes():
    assert parse_expression("(" * 60_000 + "p" + ")" * 60_000) == PREDICTION
