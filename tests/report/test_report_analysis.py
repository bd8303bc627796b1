"""What an analysis finds, against closed forms, the table of the thesis, and autograd."""

import functools
import json
import math

import pytest
import torch
from hypothesis import given, settings
from strategies import expressions, law

from symloss.errors import ExpressionError
from symloss.expr import bound, parse_expression
from symloss.losses.catalogue import CATALOGUE
from symloss.losses.symbolic import SymbolicLossModule
from symloss.records import Kind, SymbolicLoss
from symloss.report.analysis import analyze
from symloss.report.analysis.neighbours import nearest
from symloss.report.analysis.sample import sample_of

MULTICLASS = [name for name, row in CATALOGUE.items() if Kind.MULTICLASS in row.kinds]


@functools.cache
def analysis_of(formula, classes=10, kind=Kind.MULTICLASS):
    return analyze(SymbolicLoss(parse_expression(formula), kind), classes)


def side_of(formula, classes=10, kind=Kind.MULTICLASS):
    (side,) = analysis_of(formula, classes, kind).findings.sides
    return side


@functools.cache
def named(name, classes=10, kind=None):
    return analyze(CATALOGUE[name].loss(kind), classes, name)


def cross_entropy():
    return "-(y * ln(p))"


def smoothed(xi):
    return f"-(({1 - xi} * y + {xi} * inv(C)) * ln(p))"


def ace(phi0, phi1):
    """As published, with the epsilon in the logarithm."""
    return f"{phi0} * abs(log({phi1} * y * p + 0.0000001))"


def sparse(xi):
    hit, miss = f"(1 - {xi} + {xi} * inv(C))", f"({xi} * (C - 1) * inv(C))"
    return f"-(y * ({hit} * ln(p) + {miss} * ln((1 - p) * inv(C - 1))))"


# --- the table of the thesis ----------------------------------------------------------------------

INF = math.inf

# Formula, classes, then the updates through the target and through another output at the start of training,
# and where the training error goes to 0, as functions written down there.
TABLE = [
    (cross_entropy(), 10, (10, 0), (1, 0)),
    (smoothed(0.1), 10, (10 * (0.9 + 0.01), 0.1), (0.9 + 0.01, INF)),
    (smoothed(0.25), 100, (100 * (0.75 + 0.0025), 0.25), (0.75 + 0.0025, INF)),
    (ace(1.0, 1.1), 10, (10, 0), (-1, 0)),
    (ace(2.5, 1.4), 4, (10, 0), (-2.5, 0)),
    (ace(0.7, 0.9), 10, (7, 0), (0.7, 0)),
    (sparse(0.1), 10, (10 * 0.9, 0), (-INF, 0)),
    (sparse(0.3), 50, (50 * 0.7, 0), (-INF, 0)),
]


def check_updates(found, start, end):
    """Compare with a row of the table."""
    assert (found.start.target, found.start.other) == pytest.approx(start, rel=1e-5)
    assert (found.end.target.value, found.end.other.value) == pytest.approx(end, rel=1e-5)


@pytest.mark.parametrize(("formula", "classes", "start", "end"), TABLE)
def test_updates_at_the_start_and_near_zero_training_error_are_those_of_the_thesis(
    formula, classes, start, end
):
    check_updates(side_of(formula, classes).updates[0], start, end)


def test_the_comparison_with_the_table_complains():
    found = side_of(smoothed(0.1)).updates[0]
    check_updates(found, (9.1, 0.1), (0.91, INF))
    for start, end in [((9.2, 0.1), (0.91, INF)), ((9.1, 0), (0.91, INF)), ((9.1, 0.1), (0.91, -INF))]:
        with pytest.raises(AssertionError):
            check_updates(found, start, end)


def test_near_the_end_the_updates_have_their_closed_forms():
    xi, classes = 0.1, 10
    for found in side_of(sparse(xi)).updates[0].near_end:
        f = found.probability
        expected = (1 - xi + xi / classes) / f - xi * (classes - 1) / (classes * (1 - f))
        assert found.target == pytest.approx(expected, rel=1e-12)
        assert found.other == 0.0


# As measured beside the wrong sign of the published script: C, target's probability, gradient on its logit.
GRADIENTS = [(10, 0.9, -0.01), (10, 0.99, 0.08), (1000, 0.99, 0.0899)]


@pytest.mark.parametrize(("classes", "probability", "expected"), GRADIENTS)
@pytest.mark.parametrize("formula", [smoothed(0.1), sparse(0.1)], ids=["label smoothing", "sparse"])
def test_the_gradient_on_the_logit_is_the_measured_one(formula, classes, probability, expected):
    found = {round(u.probability, 6): u.gradient for u in side_of(formula, classes).updates[0].near_end}
    assert found[probability] == pytest.approx(expected, abs=6e-5)


# --- implied learning rate and label smoothing ----------------------------------------------------


@pytest.mark.parametrize(("phi0", "phi1", "classes"), [(1.0, 1.1, 10), (2.5, 1.4, 4), (0.3, 1.01, 100)])
def test_ace_is_cross_entropy_with_another_learning_rate_that_holds_its_confidence(phi0, phi1, classes):
    found = analysis_of(ace(phi0, phi1), classes)
    (side,) = found.findings.sides
    held = (1 - 1e-7) / phi1
    assert side.weights.start == pytest.approx(phi0, rel=1e-5)
    assert side.weights.steady
    assert side.held.kind == "minimum"
    assert side.held.jump
    assert side.held.low == pytest.approx(held, rel=1e-9)
    assert side.smoothing == pytest.approx((1 - held) * classes / (classes - 1), rel=1e-6)
    sentence = found.conclusion[0]
    assert sentence.startswith("Like cross-entropy")
    assert (f"the learning rate multiplied by {phi0:.4g}" in sentence) == (phi0 != 1)
    assert f"reaches {1 / phi1:.4g}, above which it pushes back" in sentence
    assert f"label smoothing of {side.smoothing:.4g} would" in sentence


def test_ace_with_phi1_below_one_never_pushes_back():
    side = side_of(ace(0.7, 0.9))
    assert side.turns == ()
    assert side.smoothing is None
    assert side.weights.steady


def test_ace_with_phi1_above_the_number_of_classes_pushes_below_chance():
    found = analysis_of("y * abs(ln(20 * p))")
    (side,) = found.findings.sides
    assert side.weights.start == pytest.approx(-1.0)
    assert side.held.low == pytest.approx(0.05, abs=1e-9)
    assert side.smoothing is None
    assert "below chance, to 0.05" in found.conclusion[0]


@pytest.mark.parametrize(("xi", "classes"), [(0.1, 10), (0.3, 2), (0.05, 1000)])
@pytest.mark.parametrize("formula", [smoothed, sparse], ids=["label smoothing", "sparse"])
def test_label_smoothing_is_found_with_its_strength(formula, xi, classes):
    found = analysis_of(formula(xi), classes)
    (side,) = found.findings.sides
    assert side.held.kind == "minimum"
    assert not side.held.jump
    assert side.held.low == pytest.approx(1 - xi + xi / classes, abs=1e-9)
    assert side.smoothing == pytest.approx(xi, abs=1e-9)
    assert side.weights.start == pytest.approx(1 - xi, abs=1e-12)
    alone = formula is sparse
    assert found.findings.shape.only_target == alone
    assert ("through the target's output alone" in found.conclusion[0]) == alone
    assert f"label smoothing of {xi:.4g} is" in found.conclusion[0]


def test_the_wrong_sign_of_the_published_script_is_told_from_the_right_one():
    wrong = sparse(0.1).replace(" + (0.1 * (C - 1)", " - (0.1 * (C - 1)")
    assert wrong != sparse(0.1)
    found = analysis_of(wrong)
    (side,) = found.findings.sides
    assert side.held is None
    assert side.smoothing is None
    assert found.findings.shape.lowest.value == -INF
    assert any("unbounded below" in sentence for sentence in found.conclusion)


def test_baikal_holds_the_probability_where_its_slopes_balance():
    side = named("baikal").findings.sides[0]
    # 1/f^2 + 1/f = 1/q with q = (1 - f) / 9, so 10 f^2 = 1.
    assert side.held.low == pytest.approx(math.sqrt(0.1), abs=1e-9)
    assert side.weights.wrong.on_paper == INF


def test_a_margin_loss_leaves_fitted_examples_alone():
    found = analysis_of("y * relu(0.8 - p)")
    (side,) = found.findings.sides
    assert (side.held.kind, side.held.low, side.held.high) == ("rest", pytest.approx(0.8, abs=1e-9), 1.0)
    assert "alone once the target's probability is 0.8" in found.conclusion[0]


@pytest.mark.parametrize("name", ["cross-entropy", "focal", "generalised-cross-entropy", "brier", "poly-1"])
def test_losses_that_want_certainty_are_stationary_nowhere(name):
    side = named(name).findings.sides[0]
    assert side.turns == ()
    assert side.smoothing is None


# --- how much examples count ----------------------------------------------------------------------

# The gradient on the target's logit over that of cross-entropy, where p -> 0 and p -> 1, by hand.
WEIGHTS = {
    "cross-entropy": (1, 1),
    "label-smoothing": (0.91, -INF),
    "focal": (1, 0),
    "generalised-cross-entropy": (0, 1),
    "mae-probability": (0, 2),
    "brier": (0, 0),
    "poly-1": (1, 2),
    "symmetric-cross-entropy": (0.1, 4.1),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_examples_count_as_much_as_by_hand(name):
    weights = named(name).findings.sides[0].weights
    assert (weights.wrong.on_paper, weights.fitted.on_paper) == pytest.approx(WEIGHTS[name], abs=1e-9)


def test_floors_are_told_from_formulas():
    wrong = side_of("-(y * log(p))").weights.wrong
    assert (wrong.value, wrong.unguarded) == (0, 1)
    assert side_of(cross_entropy()).weights.wrong.unguarded is None


# --- shape ----------------------------------------------------------------------------------------

# Lowest, highest, sum over labels, by hand for ten classes.
SHAPES = {
    "cross-entropy": (0, INF, None),
    "label-smoothing": (-0.91 * math.log(0.91) - 0.09 * math.log(0.01), INF, None),
    "focal": (0, INF, None),
    "generalised-cross-entropy": (0, 1 / 0.7, None),
    "taylor-cross-entropy": (0, 1.5, None),
    "mae-probability": (0, 2, 18),
    "brier": (0, 2, None),
}


@pytest.mark.parametrize("name", SHAPES)
def test_bounds_and_symmetry_are_as_by_hand(name):
    shape = named(name).findings.shape
    low, high, total = SHAPES[name]
    assert shape.lowest.on_paper == pytest.approx(low, abs=1e-4)
    assert shape.highest.on_paper == pytest.approx(high, abs=1e-9)
    assert shape.label_sum == (None if total is None else pytest.approx(total))
    assert shape.symmetric == (total is not None)


def test_symmetry_is_said_to_protect_against_label_noise():
    assert any("below 90 %" in sentence for sentence in named("mae-probability").conclusion)
    assert not any("Ghosh" in sentence for sentence in named("brier").conclusion)


def test_a_loss_is_monotone_unless_it_pushes_back():
    assert named("cross-entropy").findings.shape.monotone
    assert named("generalised-cross-entropy").findings.shape.monotone
    assert not named("label-smoothing").findings.shape.monotone


def test_convexity_is_that_of_the_second_derivative():
    assert named("cross-entropy").findings.sides[0].concave == ()
    ((low, high),) = named("taylor-cross-entropy").findings.sides[0].concave
    # (1 - p) + (1 - p)^2 / 2 has the gradient -(2 - p) p (1 - p), which turns where 3 p^2 - 6 p + 2 = 0.
    assert low < 1e-5
    assert high == pytest.approx(1 - math.sqrt(1 / 3), abs=0.03)


# --- against autograd -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", MULTICLASS)
def test_gradients_are_those_of_autograd(name):
    side = named(name).findings.sides[0]
    kept = [i for i, f in enumerate(side.probability) if 1e-4 < f < 1 - 1e-4][::9]
    probability = torch.tensor([side.probability[i] for i in kept], dtype=torch.float64)
    logits = torch.zeros(len(kept), 10, dtype=torch.float64)
    logits[:, 2] = torch.logit(probability) + math.log(9)
    logits.requires_grad_()
    module = SymbolicLossModule(CATALOGUE[name].loss(reduction="none"))
    values = module(logits, torch.full((len(kept),), 2))
    gradient = torch.autograd.grad(values.sum(), logits)[0][:, 2]
    expected = torch.tensor([side.gradient["this loss"][i] for i in kept], dtype=torch.float64)
    torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-9)
    found = torch.tensor([side.loss[i] for i in kept], dtype=torch.float64)
    torch.testing.assert_close(values.detach(), found, rtol=1e-9, atol=1e-12)


# --- one output -----------------------------------------------------------------------------------


def test_a_binary_loss_that_treats_labels_alike_has_one_side():
    found = named("binary-cross-entropy").findings
    (side,) = found.sides
    assert (side.label, found.classes) == ("any", 2)
    assert side.updates[0].start.target == pytest.approx(2.0)
    assert side.updates[0].start.other is None


def test_binary_label_smoothing_is_found_with_its_strength():
    side = side_of("-((0.8 * y + 0.1) * ln(p)) - (0.9 - 0.8 * y) * ln(1 - p)", kind=Kind.BINARY)
    assert side.held.low == pytest.approx(0.9, abs=1e-9)
    assert side.smoothing == pytest.approx(0.2, abs=1e-9)


def test_labels_are_told_apart_where_they_differ():
    found = analysis_of("-(y * ln(p)) - 0.3 * ((1 - y) * abs(ln(1.25 * (1 - p))))", kind=Kind.BINARY)
    one, zero = found.findings.sides
    assert (one.label, zero.label) == ("1", "0")
    assert one.turns == ()
    assert zero.turns[0].low == pytest.approx(0.8, abs=1e-9)
    assert found.conclusion[0].startswith("For the label 1: like cross-entropy")


# --- neighbours -----------------------------------------------------------------------------------


def test_a_multiple_of_another_loss_is_called_by_that_ones_name():
    found = nearest(CATALOGUE["cse-autoloss-a"].exact, sample_of(Kind.MULTICLASS, 10), 10)[0]
    assert (found.name, found.distance) == ("cross-entropy", pytest.approx(0.0, abs=1e-9))
    assert found.scale == pytest.approx(1 + math.sin(1))


@pytest.mark.parametrize("name", [name for name, row in CATALOGUE.items() if not row.twin])
def test_a_loss_is_its_own_nearest_up_to_scale_and_offset(name):
    row = CATALOGUE[name]
    expression = bound(parse_expression(f"3.5 * ({row.formula}) + 17"), 10)
    found = nearest(expression, sample_of(row.kinds[0], 10), 10)
    assert len(found) == 3
    assert found[0].name == name
    assert found[0].distance == pytest.approx(0.0, abs=1e-9)
    assert found[0].scale == pytest.approx(3.5)
    assert [n.distance for n in found] == sorted(n.distance for n in found)


def test_the_opposite_of_a_loss_has_nothing_in_common_with_it():
    found = {n.name: n for n in analysis_of("y * ln(p)").neighbours}
    assert found["cross-entropy"].distance == 1.0
    assert found["cross-entropy"].scale == 0.0


def test_the_protected_logarithm_of_a_search_is_the_same_training():
    assert analysis_of("-(y * log(p))").neighbours[0].name == "cross-entropy"


# --- whatever the formula -------------------------------------------------------------------------

STRANGE = [
    ("0 * p", Kind.MULTICLASS),
    ("ln(p - 2)", Kind.MULTICLASS),
    ("ln(p - 0.5) * y", Kind.MULTICLASS),
    ("cos(exp(inv(p - 0.5)))", Kind.BINARY),
    ("exp(exp(inv(p))) * y", Kind.MULTICLASS),
    ("sign(p - 0.3)", Kind.BINARY),
    ("0 * p", Kind.REGRESSION),
    ("ln(p - y)", Kind.REGRESSION),
    ("exp(exp(p - y))", Kind.REGRESSION),
    ("pow(p, p) - pow(y, p)", Kind.REGRESSION),
    ("sin(p - y)", Kind.REGRESSION),
]


@pytest.mark.parametrize(("formula", "kind"), STRANGE)
def test_a_strange_formula_is_analysed_too(formula, kind):
    found = analysis_of(formula, kind=kind)
    json.dumps(found.as_json(), allow_nan=False)
    assert 1 <= len(found.conclusion) <= 4


@settings(law, max_examples=3)
@given(expressions(required=["prediction"], max_leaves=6))
def test_any_formula_can_be_analysed(expr):
    for kind in Kind:
        found = analyze(SymbolicLoss(expr, kind), 3)
        json.dumps(found.as_json(), allow_nan=False)
        assert 1 <= len(found.conclusion) <= 4


def test_what_is_undefined_is_said():
    assert "not a number" in analysis_of("ln(p - 2)").conclusion[0]
    assert "from -9.12e+5 to -1.023e-8" in analysis_of("ln(p - y)", kind=Kind.REGRESSION).conclusion[0]


def test_a_task_of_one_class_is_refused():
    with pytest.raises(ExpressionError, match="at least 2"):
        named("focal", classes=1)
