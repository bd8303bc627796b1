"""Limits, turns and numbers of many digits, against functions whose answers are known."""

import math

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import expressions, law

from symloss.expr import evaluate, parse_expression
from symloss.expr.precise import PreciseFormula
from symloss.expr.primitives import FLOATS
from symloss.report.analysis.limits import EXPONENTS, limits_of, said_of, settled
from symloss.report.analysis.turns import Turn, turns_of

INF = math.inf

LIMITS = [
    (lambda e: e, 0.0),
    (lambda e: 3 - mpmath.sqrt(e), 3.0),
    (lambda e: 1 / e, INF),
    (lambda e: -1 / mpmath.sqrt(e), -INF),
    (mpmath.log, -INF),
    (lambda e: e * mpmath.log(e), 0.0),
    (lambda e: 1 / mpmath.log(e), 0.0),
    (lambda e: 2 + 1 / mpmath.log(e), 2.0),
    (lambda e: e ** mpmath.mpf("0.01"), 0.0),
    (lambda e: e ** mpmath.mpf("-0.02"), INF),
    (lambda e: mpmath.exp(-1 / e), 0.0),
    (lambda e: mpmath.mpf("0.91"), 0.91),
    (lambda e: mpmath.nan, math.nan),
    (lambda e: mpmath.sin(1 / e), math.nan),
]


@pytest.mark.parametrize(("function", "expected"), LIMITS)
def test_a_limit_is_the_known_one(function, expected):
    with mpmath.workdps(600):
        found = settled([function(mpmath.mpf(10) ** -k) for k in EXPONENTS])
    assert found == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_a_limit_is_said_in_words():
    assert [said_of(x) for x in (0.0, 0.91, INF, -INF, math.nan)] == [
        "tends to zero",
        "tends to 0.91",
        "grows to +infinity",
        "falls to -infinity",
        "has no limit",
    ]


def test_what_guards_do_to_a_limit_is_said():
    formulas = {guarded: PreciseFormula(parse_expression("log(p)"), guarded) for guarded in (True, False)}
    (slope,) = limits_of(lambda e, guarded: [formulas[guarded](e, 0).slope])
    assert (slope.value, slope.unguarded) == (0.0, INF)
    assert slope.words.startswith("tends to zero by the guards")
    formulas = {guarded: PreciseFormula(parse_expression("pow(p, -3)"), guarded) for guarded in (True, False)}
    (value,) = limits_of(lambda e, guarded: [formulas[guarded](e, 0).value])
    assert (value.value, value.unguarded) == (pytest.approx(1e21, rel=0.1), INF) or value.value == INF


# Slopes on a grid from -2 to 2, and the turns.
TURNS = [
    ("y - 0.3", [Turn("minimum", 0.3, 0.3)]),
    ("0.3 - y", [Turn("maximum", 0.3, 0.3)]),
    ("y", [Turn("minimum", 0.0, 0.0)]),
    ("sign(y - 0.3)", [Turn("minimum", 0.3, 0.3, True)]),
    ("square(y - 0.3)", []),
    ("relu(y - 0.5) - relu(-1 - y)", [Turn("minimum", -1.0, 0.5)]),
    ("relu(y)", [Turn("rest", -INF, 0.0)]),
    ("square(y) - 1", [Turn("maximum", -1.0, -1.0), Turn("minimum", 1.0, 1.0)]),
    ("1 + 0 * y", []),
    ("0 * y", []),
    ("ln(y)", [Turn("minimum", 1.0, 1.0)]),
]


@pytest.mark.parametrize(("text", "expected"), TURNS)
def test_turns_are_the_known_ones(text, expected):
    formula = PreciseFormula(parse_expression(text.replace("y", "p")))

    def slope(x):
        return formula(x, 0).value

    with mpmath.workdps(50):
        grid = [mpmath.mpf(i) / 10 + mpmath.mpf("0.037") for i in range(-20, 20)]
        found = turns_of(slope, grid, [slope(x) for x in grid])
    assert [(t.kind, t.jump) for t in found] == [(t.kind, t.jump) for t in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-15)


@law
@given(expressions(max_leaves=10), st.floats(-2, 2), st.floats(-2, 2))
def test_many_digits_begin_with_those_of_floats(expr, p, y):
    try:
        expected = evaluate(expr, {"prediction": p, "target": y}, FLOATS, float)
    except (ArithmeticError, ValueError):
        return
    with mpmath.workdps(30):
        found = float(PreciseFormula(expr)(mpmath.mpf(p), y).value)
    # Subtraction may leave floats without a single right digit, so that only plain sizes are compared.
    if math.isfinite(expected) and abs(expected) > 1e-3 and abs(found - expected) > 1e-6 * abs(expected):
        with mpmath.workdps(30):
            nearby = [float(PreciseFormula(expr)(mpmath.mpf(p) * (1 + d), y).value) for d in (-1e-9, 1e-9)]
        assert min(nearby) - 1e-3 <= expected <= max(nearby) + 1e-3
