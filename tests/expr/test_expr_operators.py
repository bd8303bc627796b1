"""Every row of the operator table, against the textbook, as LaTeX, as code and in its derivative."""

import itertools
import math

import pytest
from hypothesis import assume, given
from strategies import expressions, law, moderate

from symloss.expr import OPERATORS, PREDICTION, TARGET, Call, Constant, evaluate, parse_expression, walk
from symloss.expr.primitives import FLOATS, WORDS, Code, CodeVocabulary, FloatVocabulary
from symloss.expr.slope import value_and_slope


def guarded(a):
    return max(abs(a), 1e-7)


TEXTBOOK = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "aq": lambda a, b: a / math.hypot(1.0, b),
    "min": min,
    "max": max,
    "pow": lambda a, b: min(guarded(a) ** b, math.exp(80.0)),
    "neg": lambda a: -a,
    "sign": lambda a: math.copysign(1.0, a) if a else 0.0,
    "square": lambda a: a**2,
    "abs": math.fabs,
    "log": lambda a: math.log(guarded(a)),
    "ln": math.log,
    "sqrt": lambda a: guarded(a) ** 0.5,
    "tanh": lambda a: (math.exp(a) - math.exp(-a)) / (math.exp(a) + math.exp(-a)),
    "exp": lambda a: math.exp(min(a, 80.0)),
    "inv": lambda a: math.copysign(1.0, a) / guarded(a) if a else 0.0,
    "sigmoid": lambda a: 1.0 / (1.0 + math.exp(-a)),
    "softplus": lambda a: math.log(1.0 + math.exp(a)),
    "relu": lambda a: (a + abs(a)) / 2.0,
    "sin": lambda a: math.cos(a - math.pi / 2),
    "cos": lambda a: math.sin(a + math.pi / 2),
    "atan": lambda a: math.atan2(a, 1.0),
    "erf": lambda a: 1.0 - math.erfc(a),
}
POINTS = [-30.0, -3.0, -1.0, -0.5, -1e-9, 0.0, 1e-9, 0.3, 1.0, 2.0, 30.0, 90.0]
ROWS = pytest.mark.parametrize("row", OPERATORS.values(), ids=OPERATORS)


def test_the_textbook_knows_every_operator():
    assert set(TEXTBOOK) == set(OPERATORS)


@ROWS
def test_a_row_computes_what_it_says(row):
    points = [point for point in POINTS if point > 0 or not row.partial]
    for arguments in itertools.product(points, repeat=row.arity):
        found = row.define(FLOATS, *arguments)
        assert found == pytest.approx(TEXTBOOK[row.name](*arguments), rel=1e-9, abs=1e-12), arguments


def test_softplus_is_smooth_at_zero():
    """Its derivative is the sigmoid, everywhere."""
    for point in [*POINTS, -1e4, 1e4]:
        slope = value_and_slope(
            parse_expression("softplus(p)"), {"prediction": point}, FLOATS, float, 1.0
        ).slope
        assert slope == pytest.approx(FLOATS.sigmoid(point), rel=1e-12, abs=1e-300), point


def test_that_comparison_can_fail():
    wrong = OPERATORS["aq"].define(FLOATS, 3.0, 2.0) + 1e-6
    assert wrong != pytest.approx(TEXTBOOK["aq"](3.0, 2.0), rel=1e-9, abs=1e-12)


@ROWS
def test_a_row_has_words_and_latex(row):
    assert row.meaning.strip()
    assert row.reference.strip()
    drawn = row.latex.format(*["alpha", "beta"][: row.arity])
    assert "alpha" in drawn
    assert ("beta" in drawn) == (row.arity == 2)
    assert drawn.count("{") == drawn.count("}")
    assert ("1e-7" in row.meaning or "80" in row.meaning) == bool(row.guarded)
    assert ("10^{-7}" in row.guarded) == ("1e-7" in row.meaning)
    assert row.guarded.count("$") in (0, 2)


@ROWS
def test_a_row_has_the_derivative_of_its_values(row):
    """Against central differences, away from kinks and from limits that make a function constant."""
    argument = Call("add", (Call("mul", (Constant(0.7), PREDICTION)), Constant(0.05)))
    expr = Call(row.name, (argument, TARGET)[: row.arity])
    for p, y in itertools.product([-2.0, -0.4, 0.31, 1.7], [-1.1, 0.6, 2.3]):
        if row.partial and p < 0:
            continue
        slope = value_and_slope(expr, {"prediction": p, "target": y}, FLOATS, float, 1.0).slope
        step = 1e-6
        high, low = (_value(expr, p + shift, y) for shift in (step, -step))
        assert (slope or 0.0) == pytest.approx((high - low) / (2 * step), rel=1e-5, abs=1e-8)


def _value(expr, p, y):
    return evaluate(expr, {"prediction": p, "target": y}, FLOATS, float)


def outcome(compute):
    """The value, or the kind of error: sin(inf), for one, is an error of Python's own mathematics."""
    try:
        return compute()
    except (ArithmeticError, ValueError) as error:
        return type(error)


@law
@given(expressions(), moderate, moderate)
def test_evaluation_is_the_rows_applied_from_the_leaves_up(expr, p, y):
    def with_a_stack():
        stack = []
        for node in reversed(list(walk(expr))):  # reversed prefix order: arguments come before their call
            if isinstance(node, Call):
                row = OPERATORS[node.operator]
                arguments = [stack.pop() for _ in range(row.arity)]
                stack.append(row.define(FLOATS, *arguments))
            else:
                stack.append(node.value if isinstance(node, Constant) else {PREDICTION: p, TARGET: y}[node])
        (value,) = stack
        return value

    expected = outcome(with_a_stack)
    assume(expected == expected)
    assert outcome(lambda: _value(expr, p, y)) == expected


PYTHON = CodeVocabulary(
    {word: f"{word}({{0}}{', {1}' if word in ('maximum', 'minimum') else ''})" for word in WORDS}
)
NAMES = {word: getattr(FloatVocabulary, word) for word in WORDS} | {"__builtins__": {}}


def written(expr):
    inputs = {"prediction": Code("p"), "target": Code("y")}
    return evaluate(expr, inputs, PYTHON, Code.literal).text


@law
@given(expressions(), moderate, moderate)
def test_written_code_computes_the_same_bit_for_bit(expr, p, y):
    expected = outcome(lambda: _value(expr, p, y))
    assume(expected == expected)
    # Parts made of constants alone are computed while writing, where their errors show as well.
    text = outcome(lambda: written(expr))
    found = text if isinstance(text, type) else outcome(lambda: eval(text, NAMES, {"p": p, "y": y}))
    assert found == expected


def test_that_other_code_computes_otherwise():
    expr = Call("sub", (PREDICTION, Call("add", (TARGET, Constant(1.0)))))
    assert written(expr) == "p - (y + 1.0)"
    assert eval(written(expr).replace("(", "").replace(")", ""), NAMES, {"p": 1.0, "y": 2.0}) != _value(
        expr, 1.0, 2.0
    )


CODE = [
    (Code("a") + Code("b") + Code("c"), "a + b + c"),
    (Code("a") + (Code("b") + Code("c")), "a + (b + c)"),
    (Code("a") - (Code("b") - Code("c")), "a - (b - c)"),
    ((Code("a") + Code("b")) * Code("c"), "(a + b) * c"),
    (Code("a") / (Code("b") * Code("c")), "a / (b * c)"),
    (-(Code("a") + Code("b")), "-(a + b)"),
    (Code("a") - (-Code("b")), "a - (-b)"),
    (Code("a") * -2.0, "a * (-2.0)"),
    (2.0 - Code("a"), "2.0 - a"),
    (Code.literal(2.0) + 3.0, "5.0"),
    (Code.literal(math.inf), "1e999"),
    (Code.literal(-math.inf), "-1e999"),
]


@pytest.mark.parametrize(("code", "text"), CODE)
def test_parentheses_stand_where_they_are_needed(code, text):
    assert code.text == text


def test_a_target_without_a_word_is_refused():
    with pytest.raises(ValueError, match="tanh"):
        CodeVocabulary({word: "{0}" for word in WORDS if word != "tanh"})
