"""Rewrites before training keep the value, and the outermost ones keep the slope."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import expressions, law, moderate

from symloss.expr import (
    Call,
    Constant,
    constants_of,
    evaluate,
    fold,
    merged_weights,
    parse_expression,
    walk,
    weighted,
    with_constants,
    without_offset,
)
from symloss.expr.primitives import FLOATS
from symloss.expr.slope import value_and_slope
from symloss.losses.population import structure_of

# Operators that do not magnify rounding, so that "equal up to rounding" is a number.
TAME = ("add", "sub", "mul", "neg", "abs", "square", "aq", "min", "max", "tanh", "sin", "sigmoid")


def value(expr, p, y):
    return evaluate(expr, {"prediction": p, "target": y}, FLOATS, float)


FOLDING = ("add", "sub", "mul", "neg", "abs", "square", "aq")  # have rules of their own


@settings(law, max_examples=300)
@given(expressions(operators=FOLDING) | expressions(operators=TAME), moderate, moderate)
def test_folding_keeps_the_value_and_never_lengthens(expr, p, y):
    expected = value(expr, p, y)
    scale = max(abs(value(part, p, y)) for part in walk(expr))
    assume(math.isfinite(scale) and scale < 1e6)
    folded = fold(expr)
    assert value(folded, p, y) == pytest.approx(expected, rel=1e-9, abs=1e-9 * (1 + scale) ** 2)
    assert folded.size <= expr.size
    assert folded.inputs <= expr.inputs


@law
@given(expressions())
def test_no_constant_part_remains_that_has_a_value(expr):
    for part in walk(fold(expr)):
        if isinstance(part, Call) and not part.inputs:
            with pytest.raises((ArithmeticError, ValueError, AssertionError)):
                assert math.isfinite(evaluate(part, {}, FLOATS, float))


FOLDED = [
    ("2 * 3", "6.0"),
    ("2 * (3 * p)", "6.0 * p"),
    ("(2 * p) * (3 * y)", "6.0 * (p * y)"),
    ("p + 0", "p"),
    ("p - 0", "p"),
    ("p + -y", "p - y"),
    ("p - -y", "p + y"),
    ("-(-p)", "p"),
    ("abs(-2 * p)", "2.0 * abs(p)"),
    ("square(abs(p))", "square(p)"),
    ("square(-3 * p)", "9.0 * square(p)"),
    ("abs(square(p))", "square(p)"),
    ("-2 * p + y", "y - 2.0 * p"),
    ("y + -2 * p", "y - 2.0 * p"),
    ("y - -2 * p", "y + 2.0 * p"),
    ("-(2 * p)", "-2.0 * p"),
    ("log(0)", repr(math.log(1e-7))),
    ("square(1e200) * p", "square(1e200) * p"),
    ("aq(2 * p, y)", "2.0 * aq(p, y)"),
    ("0 * p", "0.0 * p"),
]


@pytest.mark.parametrize(("text", "short"), FOLDED)
def test_what_folding_does(text, short):
    assert fold(parse_expression(text)) == parse_expression(short)


@law
@given(expressions(operators=TAME), moderate, moderate)
def test_leaving_out_an_offset_keeps_the_slope(expr, p, y):
    def slope(e):
        found = value_and_slope(e, {"prediction": p, "target": y}, FLOATS, float, 1.0).slope
        return 0.0 if found is None else found

    expected = slope(expr)
    assume(math.isfinite(expected))
    if "prediction" in expr.inputs:
        assert slope(without_offset(expr)) == pytest.approx(expected, rel=1e-12)


@law
@given(expressions(), moderate, moderate)
def test_weights_of_one_change_nothing_and_each_edge_has_one(expr, p, y):
    heavy = weighted(expr)
    leaves = [node for node in walk(expr) if isinstance(node, Constant)]
    assert len(constants_of(heavy)) == (expr.size - 1 if isinstance(expr, Call) else len(leaves))
    try:
        expected = value(expr, p, y)
    except (ArithmeticError, ValueError):
        return
    assume(expected == expected)
    assert value(heavy, p, y) == expected


MERGED = [
    ("-(y * log(p))", "-1.0 * (y * log(1.0 * p))"),
    ("square(p - y)", "1.0 * square(1.0 * p - 1.0 * y)"),
    ("0.5 * abs(p) * y", "0.5 * (abs(p) * y)"),
    ("log(p * -y)", "log(-1.0 * (p * y))"),
    ("tanh(2)", repr(math.tanh(2.0))),
    ("p", "p"),
]


@pytest.mark.parametrize(("text", "heavy"), MERGED)
def test_weights_that_act_as_one_are_one(text, heavy):
    assert merged_weights(parse_expression(text)) == parse_expression(heavy)


@law
@given(expressions(operators=FOLDING) | expressions(operators=TAME), moderate, moderate)
def test_merged_weights_of_one_change_nothing(expr, p, y):
    scale = max(abs(value(part, p, y)) for part in walk(expr))
    assume(math.isfinite(scale) and scale < 1e6)
    heavy = merged_weights(expr)
    assert value(heavy, p, y) == pytest.approx(value(expr, p, y), rel=1e-9, abs=1e-9 * (1 + scale) ** 2)
    assert len(constants_of(heavy)) <= len(constants_of(weighted(expr)))


@settings(law, max_examples=200)
@given(expressions(operators=FOLDING) | expressions(operators=TAME), st.randoms())
def test_merged_weights_are_those_that_other_weights_on_edges_come_down_to(expr, random):
    # Parts without inputs may change their sign with their weights, which is written as another operator.
    assume(all(part.inputs for part in walk(expr) if isinstance(part, Call)))
    heavy = weighted(expr)
    others = with_constants(heavy, [c * random.uniform(1.01, 1.5) for c in constants_of(heavy)])
    assert structure_of(fold(others)) == structure_of(merged_weights(expr))
