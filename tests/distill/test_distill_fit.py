"""Fitting: constants, fronts, and the recovery of known losses from their values."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import expressions, law

from benchmarks.distill import measure
from symloss.errors import ExpressionError, TaskError
from symloss.expr import Constant, constants_of, format_formula, parse_expression
from symloss.fitting.constants import Fit, Fitted, error_of, polished, refitted, rounded
from symloss.fitting.front import Front, shorter
from symloss.fitting.genetic import FitSettings, fit_formulas
from symloss.fitting.samples import sampled, usual_domain, visited
from symloss.fitting.sources import symbolic_teacher, user_teacher
from symloss.grammar import load_grammar
from symloss.losses.catalogue import handcrafted
from symloss.records import Kind, SymbolicLoss


def samples_of(text, kind=Kind.MULTICLASS, of="value"):
    return symbolic_teacher(SymbolicLoss(parse_expression(text), kind), text, 10).samples(of)


@law
@given(expressions(required=["prediction"]), st.sampled_from(["value", "slope"]), st.sampled_from(Kind))
def test_derivatives_by_constants_are_those_of_finite_differences(expr, of, kind):
    samples = samples_of("y * log(p) + square(p) * (1 - y)", kind, of)
    fit = Fit(expr, samples)
    constants = np.array(constants_of(expr))
    scale, left, slopes = fit.at(constants)
    if not len(constants) or scale == 0.0 or not np.isfinite(slopes).all() or np.abs(slopes).max() > 1e3:
        return
    # Kaufman's derivative is exact but for a part along the fitted values: compare what is across them.
    value = samples.wanted / samples.size - left
    across = np.eye(len(left)) - np.outer(value, value) / max(value @ value, 1e-300)
    for place in range(len(constants)):
        moved = [constants + step * np.eye(len(constants))[place] for step in (1e-6, -1e-6)]
        pairs = [fit.at(own) for own in moved]
        if any(abs(pair[0] - scale) > 1e-2 * abs(scale) for pair in pairs):
            return  # a kink or a pole within the step
        sides = [across @ (pair[1] - left) / step for pair, step in zip(pairs, (1e-6, -1e-6), strict=True)]
        if np.abs(sides[0] - sides[1]).max() > 1e-3 * (1 + np.abs(slopes).max()):
            return  # a kink at a sample
        found = across @ (pairs[0][1] - pairs[1][1]) / 2e-6
        if np.abs(found - across @ slopes[:, place]).max() > 1e-3 * (1 + np.abs(slopes).max()):
            halves = [fit.at(constants + step * np.eye(len(constants))[place])[1] for step in (1e-7, -1e-7)]
            again = across @ (halves[0] - halves[1]) / 2e-7
            smooth = np.abs(again - found).max() < 1e-3 * (1 + np.abs(slopes).max())
            assert not smooth, (str(expr), place)


@pytest.mark.parametrize(
    ("kind", "unseen"),
    [
        (Kind.MULTICLASS, "3 * y"),
        (Kind.MULTICLASS, "2.5 * p"),  # probabilities sum to one
        (Kind.MULTICLASS, "7 - 4 * p + y"),
        (Kind.BINARY, "3 * y"),
        (Kind.REGRESSION, "sin(y)"),
    ],
)
@pytest.mark.parametrize("of", ["value", "slope"])
def test_what_no_network_sees_costs_nothing(kind, unseen, of):
    samples = samples_of("y * log(p) + 0.3 * square(p - y)", kind, of)
    changed = parse_expression(f"y * log(p) + 0.3 * square(p - y) + {unseen}")
    assert error_of(changed, samples) < 1e-6


def test_what_a_network_sees_costs_something():
    samples = samples_of("y * log(p)", Kind.BINARY)
    assert error_of(parse_expression("y * log(p) + p"), samples) > 0.01
    assert error_of(parse_expression("y * log(p + 0.1)"), samples) > 0.01


@pytest.mark.parametrize(
    "text", ["y * (1 - pow(p, 0.3))", "log(1.5 + square(p - y))", "y * tanh(2 * p) + 0.3 * square(p)"]
)
def test_constants_are_found_again_from_elsewhere(text):
    samples = samples_of(text, Kind.BINARY)
    expr = parse_expression(text)
    start = parse_expression(text.replace("0.3", "0.8").replace("1.5", "3.0").replace("2 *", "1.0 *"))
    found = refitted(start, samples)
    assert found.error < 1e-6
    assert constants_of(found.expression)[-1] == pytest.approx(constants_of(expr)[-1], rel=0.3)


@law
@given(st.lists(st.tuples(st.integers(1, 25), st.floats(0, 1.2)), max_size=20))
def test_a_front_falls(pairs):
    class Row:
        def __init__(self, size, error):
            self.size, self.error = size, error

    front = Front(20)
    for size, error in pairs:
        front.add(Row(size, error))
    members = front.members()
    assert [m.size for m in members] == sorted({m.size for m in members})
    assert [m.error for m in members] == sorted({m.error for m in members}, reverse=True)
    for size, error in pairs:  # nothing that was added is better than the front at its size
        if size <= 20 and error < 1.0:
            assert min(m.error for m in members if m.size <= size) <= error
    if members:
        assert front.chosen().error <= 2 * max(members[-1].error, 1e-6)


@law
@given(expressions())
def test_shorter_formulas_are_shorter(expr):
    assert all(found.size < expr.size for found in shorter(expr))


QUICK = FitSettings(population=80, generations=25, searches=3, seconds=20.0)


@pytest.mark.parametrize(
    ("name", "kind", "grammar", "formula"),
    [
        ("cross-entropy", Kind.MULTICLASS, "classification", "-(y * log(p))"),
        ("cross-entropy", Kind.BINARY, "probability", None),
        ("generalised-cross-entropy", Kind.MULTICLASS, "probability", None),
        ("mse", Kind.REGRESSION, "residual", "square(p - y)"),
        ("mae", Kind.REGRESSION, "residual", "abs(p - y)"),
    ],
)
def test_a_known_loss_is_recovered_from_its_values(name, kind, grammar, formula):
    loss = SymbolicLoss(handcrafted(name, Kind.MULTICLASS if kind is Kind.BINARY else kind).exact, kind)
    samples = symbolic_teacher(loss, name, 10).samples("value")
    chosen = fit_formulas(samples, load_grammar(grammar), kind, QUICK).chosen()
    assert chosen.error < 1e-5
    assert formula is None or format_formula(chosen.expression) == formula


def test_a_known_loss_is_recovered_from_a_network_that_imitates_it():
    row = measure("cross-entropy", Kind.MULTICLASS, seconds=4.0, steps=300)
    assert 0.0 < row.imitation < 0.1
    assert row.error < row.imitation / 5  # nearer to the loss than what it was learned from


def test_kinks_do_not_hold_up_the_last_fit():
    samples = symbolic_teacher(
        handcrafted("huber", Kind.REGRESSION).loss(Kind.REGRESSION), "huber", 1
    ).samples("value")
    near = parse_expression("0.62 * (square(min(abs(p - y), 0.8)) + 2.0 * max(abs(p - y), 0.82))")
    stuck = refitted(near, samples, 200)
    assert stuck.error > 1e-4  # where least squares ends, whatever it is allowed
    found = polished(stuck, samples)
    assert found.error < 1e-7
    assert found.size == stuck.size


def test_the_same_seed_finds_the_same():
    samples = samples_of("y * square(1 - p)")
    settings = FitSettings(population=20, generations=3, searches=1, seconds=1e6, largest=9)
    fronts = [
        fit_formulas(samples, load_grammar("classification"), Kind.MULTICLASS, settings) for _ in range(2)
    ]
    assert fronts[0].members() == fronts[1].members()


def test_weights_decide_where_a_formula_fits():
    counts = np.zeros((2, 10), int)
    counts[:, 8:] = 100
    edges = np.linspace(0, 1, 11)
    domain = visited(edges, [0.0, 0.5, 1.0], counts, Kind.BINARY, floor=1e-6)
    assert domain.weight.sum() == pytest.approx(1.0)
    # -log p and its tangent parabola agree near 1 and nowhere else.
    loss = lambda p, y: -y * p.log()  # noqa: E731
    parabola = parse_expression("y * (1 - p + 0.5 * square(1 - p))")
    assert error_of(parabola, sampled(loss, domain)) < 0.02
    assert error_of(parabola, sampled(loss, usual_domain(Kind.BINARY))) > 0.3


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda p, y: p.sum(), "one value for each pair"),
        (lambda p, y: y, "in a way that torch can follow"),
        (lambda p, y: 3 * p + y, "no gradient"),
        (lambda p, y: (p - 0.5).log(), "not finite"),
        (lambda p, y: 1.0, "found float"),
    ],
)
def test_a_loss_that_cannot_be_fitted_says_why(function, words):
    with pytest.raises(ExpressionError, match=words):
        sampled(function, usual_domain(Kind.MULTICLASS), "value", "mine")


def test_a_users_function_that_fails_is_told_with_its_line(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def bad(p, y):\n    raise RuntimeError('on fire')\n")
    with pytest.raises(TaskError, match=r"mine.py, line 2: RuntimeError: on fire"):
        user_teacher(f"{path}:bad", Kind.BINARY).samples("value")


def test_samples_are_in_double_precision():
    seen = []
    sampled(lambda p, y: seen.append((p.dtype, y.dtype)) or y * p * p, usual_domain(Kind.BINARY))
    assert seen == [(torch.float64, torch.float64)]
    assert Constant(1.0) == parse_expression("1")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("-0.9999999999999999 * (y * log(p))", "-(y * log(p))"),
        ("-1.0000000000000002 * (y * log(p))", "-(y * log(p))"),
        ("-1.001 * (y * log(p))", "-1.001 * (y * log(p))"),
    ],
)
def test_a_factor_that_is_one_but_for_rounding_is_not_written(text, written):
    loss = SymbolicLoss(parse_expression(written), Kind.MULTICLASS)
    samples = symbolic_teacher(loss, "teacher", 10).samples("value")
    found = rounded(Fitted(parse_expression(text), 1e-16), samples)
    assert format_formula(found.expression) == written
