import re

import matplotlib.mathtext
import pytest
from export_helpers import random_losses

import symloss.export.simplifying as simplifying
from symloss.export import Header, export_code, simplified, to_sympy
from symloss.export.algebra import same_values, symbols_for
from symloss.export.latex import DIGITS, SYMBOLS, display, expression_latex, number, sympy_latex
from symloss.export.simplifying import kept
from symloss.export.trees import from_tree, to_tree
from symloss.expr import OPERATORS, PREDICTION, TARGET, call, evaluate, parse_expression
from symloss.expr.primitives import FLOATS
from symloss.losses.catalogue import CATALOGUE
from symloss.records import Kind, SymbolicLoss

GOLDEN = {
    (Kind.MULTICLASS, "-(y * log(p))"): r"\frac{1}{N} \sum_{i=1}^{N} \sum_{c=1}^{C} "
    r"\left(- y_{ic} \, \log{\left(p_{ic} \right)}\right)",
    (Kind.MULTICLASS, "abs(log(0.98123456 * y * p + 1e-7))"): r"\frac{1}{N} \sum_{i=1}^{N} \sum_{c=1}^{C} "
    r"\left|{\log{\left(0.9812 \, p_{ic} \, y_{ic} + 10^{-7} \right)}}\right|",
    (Kind.REGRESSION, "square(p - y) * 0.5"): r"\frac{1}{N} \sum_{i=1}^{N} "
    r"0.5 \, \left(\hat{y}_{i} - y_{i}\right)^{2}",
    (Kind.REGRESSION, "softplus(p) + inv(y)"): r"\frac{1}{N} \sum_{i=1}^{N} "
    r"\left(\operatorname{softplus}\left(\hat{y}_{i}\right) + \frac{1}{y_{i}}\right)",
    (Kind.BINARY, "0.25 * p * y + 0.5 * p * y"): r"\frac{1}{N} \sum_{i=1}^{N} 0.75 \, p_{i} \, y_{i}",
}


def renders(latex):
    matplotlib.mathtext.MathTextParser("path").parse(f"${latex}$")


@pytest.mark.parametrize(("kind", "text"), GOLDEN, ids=lambda value: getattr(value, "value", value))
def test_known_formulas(kind, text):
    latex = display(SymbolicLoss(parse_expression(text), kind))
    assert latex == rf"\mathcal{{L}} = {GOLDEN[kind, text]}"
    renders(latex)


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_renders(name, kind):
    arguments = [call("sub", PREDICTION, TARGET), call("mul", PREDICTION, -1.5)]
    expression = call(name, *arguments[: OPERATORS[name].arity])
    renders(expression_latex(expression, SYMBOLS[kind]))
    renders(sympy_latex(to_sympy(expression, kind=kind), kind))
    renders(sympy_latex(to_sympy(expression, guards=True, kind=kind), kind))


def test_random_formulas_render():
    for loss in random_losses(0, 50):
        renders(expression_latex(loss.expression, SYMBOLS[loss.kind]))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-2.5, "-2.5"),
        (0.98123, "0.9812"),
        (123456.0, "123500"),
        (1e-7, "10^{-7}"),
        (-1e-7, "-10^{-7}"),
        (1.5e-7, r"1.5 \cdot 10^{-7}"),
        (1e300, "10^{300}"),
    ],
)
def test_numbers(value, text):
    assert number(value, DIGITS) == text


def test_parentheses_keep_the_meaning():
    written = expression_latex(parse_expression("p - (y - p) - -(p + y) * (y - 1)"), SYMBOLS[Kind.BINARY])
    assert written == (
        r"p_{i} - \left(y_{i} - p_{i}\right) - "
        r"\left(-\left(p_{i} + y_{i}\right) \, \left(y_{i} - 1\right)\right)"
    )


def test_the_file_says_what_guards_mean_and_where_the_loss_comes_from():
    loss = SymbolicLoss(parse_expression("y * log(p) + pow(p, y)"), Kind.MULTICLASS)
    text = export_code(loss, "latex", header=Header(task="50% noise")).text
    assert "% task: 50% noise\n" in text
    assert r"$\log\left|a\right|$ stands for $\ln\max(|a|, 10^{-7})$" in text
    assert r"\max(|a|, 10^{-7})^{b}$" in text
    assert len(re.findall(r"\\\[|\\\]", text)) == 2


# --- algebra ------------------------------------------------------------------------------------------


def points(kind):
    values = [0.05, 0.4, 0.9] if kind is not Kind.REGRESSION else [-2.3, -0.4, 0.7, 3.1]
    return [(p, y) for p in values for y in values if p != y]


@pytest.mark.parametrize("kind", [Kind.MULTICLASS, Kind.REGRESSION], ids=lambda kind: kind.value)
@pytest.mark.parametrize("name", OPERATORS)
def test_sympy_has_the_values_of_every_operator(name, kind):
    arguments = [call("sub", PREDICTION, TARGET), call("mul", PREDICTION, 1.25)]
    expression = call(name, *arguments[: OPERATORS[name].arity])
    symbols = symbols_for(kind)
    for guards in (False, True):
        form = to_sympy(expression, guards=guards, kind=kind)
        for p, y in points(kind):
            if OPERATORS[name].partial and p <= y:
                continue
            right = evaluate(expression, {"prediction": p, "target": y}, FLOATS, float)
            found = form.evalf(17, subs={symbols["prediction"]: p, symbols["target"]: y})
            assert float(found) == pytest.approx(right, rel=1e-12)


def test_guards_are_part_of_the_form_that_has_them():
    expression = parse_expression("log(p)")
    p = symbols_for(Kind.REGRESSION)["prediction"]
    assert float(to_sympy(expression, guards=True).subs(p, 0)) == pytest.approx(-16.118095650958319)
    assert float(to_sympy(parse_expression("exp(p)"), guards=True).subs(p, 1000)) == pytest.approx(
        5.54e34, rel=1e-3
    )
    assert float(to_sympy(parse_expression("inv(p)"), guards=True).subs(p, 0)) == 0.0


def test_simplification_finds_a_shorter_form_with_the_same_values():
    loss = SymbolicLoss(parse_expression("square(sin(p)) + square(cos(p)) + p - p + y * p"), Kind.REGRESSION)
    p, y, _ = symbols_for(Kind.REGRESSION).values()
    assert simplified(loss) == p * y + 1


def test_simplification_that_takes_too_long_is_given_up():
    loss = SymbolicLoss(parse_expression("square(sin(p)) + square(cos(p))"), Kind.REGRESSION)
    with kept():
        assert simplified(loss, time_limit=0.05) == to_sympy(loss.expression)
        assert simplified(loss) == 1


def test_formulas_are_simplified_alike_by_one_process_and_by_several():
    losses = [row.loss() for row in list(CATALOGUE.values())[:4]]
    with kept() as helper:
        together = [simplified(loss) for loss in losses]
        process = helper._process
        assert [simplified(loss) for loss in losses] == together
        assert helper._process is process
    assert process.poll() is not None
    assert simplified(losses[-1]) == together[-1]


@pytest.mark.parametrize(
    "wrong",
    [
        ["rational", "1", "1"],
        ["symbol", "p"],
        ["log", ["rational", "-1", "1"]],
        ["__import__", ["symbol", "os"]],
        ["symbol", "os"],
        ["Add"],
        17,
    ],
)
def test_a_wrong_simplification_is_not_accepted(wrong, monkeypatch):
    monkeypatch.setattr(simplifying, "_simplified_elsewhere", lambda loss, time_limit: wrong)
    loss = SymbolicLoss(parse_expression("abs(log(p)) + y"), Kind.MULTICLASS)
    assert simplified(loss) == to_sympy(loss.expression, kind=loss.kind)


def test_comparison_notices_a_small_difference():
    loss = SymbolicLoss(parse_expression("0.5 * p + y"), Kind.REGRESSION)
    p, y, _ = symbols_for(Kind.REGRESSION).values()
    assert same_values(loss, p / 2 + y)
    assert not same_values(loss, p / 2 + y + 1e-6)
    assert not same_values(loss, p / 2 + y + 1j)


def test_trees_lead_back():
    for loss in random_losses(3, 40):
        form = to_sympy(loss.expression, kind=loss.kind)
        try:
            tree = to_tree(form)
            again = from_tree(tree, symbols_for(loss.kind))
        except (KeyError, TypeError, ValueError, IndexError):
            continue  # zoo and other things that no tree may hold
        assert to_tree(again) == tree
