"""What an analysis finds about losses of residuals, against textbooks and autograd."""

import math

import pytest
import torch

from symloss.expr import parse_expression
from symloss.losses.catalogue import CATALOGUE
from symloss.losses.symbolic import SymbolicLossModule
from symloss.records import Kind, SymbolicLoss
from symloss.report.analysis import analyze
from symloss.report.analysis.regression import regression_of

VALUES = [name for name, row in CATALOGUE.items() if Kind.REGRESSION in row.kinds]
INF = math.inf


def found_in(formula):
    return regression_of(parse_expression(formula))


def of_catalogue(name):
    return regression_of(CATALOGUE[name].exact)


# Coefficient and power near zero, growth, the largest influence, redescending, convex.
TEXTBOOK = {
    "mse": (1.0, 2, "quadratic", INF, False, True),
    "mae": (1.0, 1, "linear", 1.0, False, True),
    "huber": (0.5, 2, "linear", 1.0, False, True),
    "log-cosh": (0.5, 2, "linear", 1.0, False, True),
    "cauchy": (1.0, 2, "logarithmic", 1.0, True, False),
    "tukey": (0.5, 2, "bounded", 4.685 * 16 / (25 * math.sqrt(5)), True, False),
}


@pytest.mark.parametrize("name", TEXTBOOK)
def test_well_known_losses_are_as_in_textbooks(name):
    found = of_catalogue(name)
    coefficient, exponent, growth, largest, redescending, convex = TEXTBOOK[name]
    for power, tail in zip(found.near_zero, (found.left, found.right), strict=True):
        assert (power.coefficient, power.exponent) == pytest.approx((coefficient, exponent), rel=1e-9)
        assert tail.growth == growth
    assert found.bound.value == pytest.approx(largest, rel=1e-9)
    assert (found.redescending, found.convex, found.even) == (redescending, convex, True)
    assert (found.minimum.low, found.minimum.high) == (0.0, 0.0)
    assert found.smallest == pytest.approx(0.0, abs=1e-15)
    assert found.only_residual


@pytest.mark.parametrize("name", VALUES)
def test_loss_and_influence_are_those_of_autograd(name):
    curve = of_catalogue(name).curve
    kept = [i for i, r in enumerate(curve.residual) if r != 0.0]
    residual = torch.tensor([curve.residual[i] for i in kept], dtype=torch.float64)[:, None].requires_grad_()
    module = SymbolicLossModule(CATALOGUE[name].loss(reduction="none"))
    loss = module(residual, torch.zeros_like(residual))
    influence = torch.autograd.grad(loss.sum(), residual)[0]
    for values, expected in ((curve.loss, loss), (curve.influence, influence)):
        found = torch.tensor([values[i] for i in kept], dtype=torch.float64)[:, None]
        torch.testing.assert_close(found, expected.detach(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.75, 0.9])
def test_the_quantile_follows_from_the_asymmetry(tau):
    found = found_in(f"max({tau} * (y - p), {1 - tau} * (p - y))")
    assert found.quantile == pytest.approx(tau)
    assert found.exact
    assert found.even == (tau == 0.5)


def test_a_smooth_quantile_loss_holds_for_wide_noise():
    # 0.8 softplus(-r) + 0.2 softplus(r): slopes go to -0.8 and 0.2.
    analysis = analyze(
        SymbolicLoss(parse_expression("0.8 * softplus(y - p) + 0.2 * softplus(p - y)"), Kind.REGRESSION)
    )
    assert analysis.findings.quantile == pytest.approx(0.8)
    assert not analysis.findings.exact
    assert "It aims at the quantile 0.8 of the target, where noise is wide." in analysis.conclusion


def test_the_expectile_follows_from_the_asymmetry():
    found = found_in("0.7 * square(relu(y - p)) + 0.3 * square(relu(p - y))")
    assert found.expectile == pytest.approx(0.7)
    assert found.quantile is None


def test_a_loss_that_tolerates_small_residuals_has_a_flat_minimum():
    found = found_in("max(abs(p - y) - 0.1, 0)")
    assert (found.minimum.low, found.minimum.high) == pytest.approx((-0.1, 0.1), abs=1e-12)
    assert found.convex
    assert found.bound.value == 1.0


def test_powers_are_measured():
    found = found_in("pow(p - y, 1.5)")
    assert found.right.growth == "like |r|^1.5"
    assert (found.near_zero[1].coefficient, found.near_zero[1].exponent) == pytest.approx((1.0, 1.5))
    assert not found.redescending


def test_an_exponential_is_not_taken_for_bounded_by_its_guard():
    found = found_in("exp(p - y) + exp(y - p)")
    assert found.right.growth == found.left.growth == "exponential"
    assert not found.redescending


@pytest.mark.parametrize("formula", ["abs(y) * square(p - y)", "square(p) - square(y)", "square(p - 2 * y)"])
def test_dependence_on_more_than_the_residual_is_said(formula):
    analysis = analyze(SymbolicLoss(parse_expression(formula), Kind.REGRESSION))
    assert not analysis.findings.only_residual
    assert "by more than their difference" in analysis.conclusion[0]


def test_a_biased_loss_is_called_so():
    analysis = analyze(SymbolicLoss(parse_expression("square(p - y - 0.3)"), Kind.REGRESSION))
    assert analysis.findings.minimum.low == pytest.approx(0.3)
    assert any("biased" in sentence for sentence in analysis.conclusion)


def test_a_loss_that_falls_without_end_has_no_minimum():
    found = found_in("p - y")
    assert found.minimum is None
    assert found.left.loss.value == -INF


@pytest.mark.parametrize(
    ("text", "places", "words"),
    [
        ("abs(p - 0.5 * y)", (-1.0, 0.5, 1.5), "p = -1, 0.5, 1.5: predictions come out biased"),
        ("square(p - 2 * y)", (-4.0, 2.0, 6.0), "predictions come out biased"),
        ("abs(p) * abs(y)", (0.0, 0.0, 0.0), "p = 0, 0, 0: predictions come out biased"),
        ("square(p - y) * (1 + abs(y))", (-2.0, 1.0, 3.0), "p = -2, 1, 3, as it should be"),
    ],
)
def test_what_predictions_come_to_is_told_for_several_targets_where_these_matter(text, places, words):
    analysis = analyze(SymbolicLoss(parse_expression(text), Kind.REGRESSION))
    found = [place for _, place in analysis.findings.lowest]
    assert found == pytest.approx(places, abs=1e-6)
    assert words in " ".join(analysis.conclusion)
    assert "aims at" not in " ".join(analysis.conclusion)


def test_targets_for_which_nothing_is_lowest_are_told():
    partly = analyze(SymbolicLoss(parse_expression("square(p - y) * y"), Kind.REGRESSION)).conclusion
    assert "For y = 1, 3 it is lowest at p = 1, 3, as it should be." in partly
    assert "For y = -2 it has no single lowest point, so training does not settle." in partly
    never = analyze(SymbolicLoss(parse_expression("p * y"), Kind.REGRESSION)).conclusion
    assert "For y = -2, 1, 3 it has no single lowest point, so training does not settle." in never


def test_a_loss_of_the_prediction_alone_is_called_so():
    analysis = analyze(SymbolicLoss(parse_expression("log(1 + square(p))"), Kind.REGRESSION))
    assert (
        analysis.conclusion[0]
        == "It depends on the prediction alone, so it teaches nothing about the target."
    )
    assert not any("lowest" in sentence for sentence in analysis.conclusion)
