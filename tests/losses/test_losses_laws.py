"""Tapes, populations and modules compute the formula, and its exact derivative."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import expressions, law
from torch.nn import functional

from symloss.expr import OPERATORS, PREDICTION, Call, call, constants_of, evaluate, parse_expression, weighted
from symloss.expr.primitives import FLOATS
from symloss.losses.catalogue import CATALOGUE
from symloss.losses.entry import predictions_of, pull_back, targets_of
from symloss.losses.population import Population
from symloss.losses.symbolic import SymbolicLossModule
from symloss.losses.tape import slope_tape, value_tape
from symloss.records import Kind, SymbolicLoss

POINTS = torch.linspace(0.03, 0.97, 23, dtype=torch.float64)


def grid() -> tuple[torch.Tensor, torch.Tensor]:
    prediction = POINTS.repeat(2)[:, None]
    target = torch.cat([torch.zeros(23), torch.ones(23)]).double()[:, None]
    return prediction, target


def tensors_of(expr) -> tuple[torch.Tensor, ...]:
    return torch.tensor(constants_of(expr), dtype=torch.float64).unbind()


def autograd_slope(expr, prediction, target, constants):
    leaf = prediction.clone().requires_grad_()
    value = value_tape(expr)(leaf, target, constants)
    if not value.requires_grad:
        return torch.zeros_like(prediction)
    return torch.autograd.grad(value.sum(), leaf)[0]


def same(a, b, tolerance=1e-9):
    both = torch.isfinite(a) & torch.isfinite(b)
    scale = torch.maximum(a.abs(), b.abs()).clamp(min=1.0)
    return bool((torch.where(both, (a - b).abs() / scale, 0.0) <= tolerance).all())


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_the_slope_of_every_operator_is_that_of_autograd(name):
    shifted = call("sub", call("mul", 2.3, PREDICTION), 0.71)  # both signs, no kink on the grid
    arguments = (shifted,) if OPERATORS[name].arity == 1 else (shifted, call("add", PREDICTION, 0.37))
    expr = Call(name, arguments)
    prediction, target = grid()
    constants = tensors_of(expr)
    assert same(
        slope_tape(expr)(prediction, target, constants), autograd_slope(expr, prediction, target, constants)
    )


@law
@given(expressions(required=frozenset(["prediction"])))
def test_slopes_are_those_of_autograd(expr):
    prediction, target = grid()
    constants = tensors_of(expr)
    ours = slope_tape(expr)(prediction, target, constants)
    assert ours.shape == prediction.shape
    # Autograd turns 0 * inf into NaN in places where forward mode does not; compare where both are numbers,
    # and not where the loss is none: torch's sign of NaN is 0.
    expected = autograd_slope(expr, prediction, target, constants)
    number = torch.isfinite(value_tape(expr)(prediction, target, constants))
    assert same(torch.where(number, ours, 0.0), torch.where(number, expected, 0.0), 1e-6)


@law
@given(expressions(), st.sampled_from([0.0, 1.0]), st.floats(0.05, 0.95))
def test_a_tape_gives_the_value_of_the_expression(expr, y, p):
    try:
        expected = evaluate(expr, {"prediction": p, "target": y}, FLOATS, float)
    except (ArithmeticError, ValueError):
        return
    tensors = torch.tensor([[p]], dtype=torch.float64), torch.tensor([[y]], dtype=torch.float64)
    found = value_tape(expr)(*tensors, tensors_of(expr))
    assert same(found, torch.full_like(found, expected))


FORMULAS = [
    "-(y * log(p))",
    "square(p - y)",
    "2 * square(p - y)",
    "abs(log(1.1 * y * p)) + 0.3 * p",
    "tanh(3 * p) * (1 - y)",
]


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("shared", [True, False])
def test_a_population_equals_its_members_one_by_one(kind, shared):
    torch.manual_seed(1)
    width = 1 if kind is Kind.BINARY else 4
    losses = [parse_expression(text) for text in [*FORMULAS, FORMULAS[1], FORMULAS[0]]]
    outputs = torch.randn(1 if shared else len(losses), 6, width, dtype=torch.float64)
    labels = torch.randint(width, (6,)) if kind is Kind.MULTICLASS else torch.rand(6, width).round().double()
    population = Population(losses, kind)
    constants = population.constants(torch.float64)
    targets = targets_of(labels, kind, width, torch.float64)
    found = population.output_gradient(outputs, targets, constants)
    for row, loss in enumerate(losses):
        leaf = outputs[0 if shared else row].clone().requires_grad_()
        module = SymbolicLossModule(SymbolicLoss(loss, kind))
        expected = torch.autograd.grad(module(leaf, labels), leaf)[0]
        torch.testing.assert_close(found[row], expected, rtol=1e-10, atol=1e-12)
    assert population.with_constants(constants) == losses


@law
@given(st.lists(expressions(required=frozenset(["prediction"])), min_size=1, max_size=4))
def test_mixed_derivatives_are_those_of_autograd_through_the_slope(exprs):
    """d slope / d constant of every constant, from a second sweep of forward mode."""
    prediction, target = grid()
    losses = [weighted(expr) for expr in [*exprs, exprs[0]]]
    population = Population(losses, Kind.REGRESSION)
    constants = population.constants(torch.float64).requires_grad_()
    slopes = population.slopes(prediction[None], target, constants)
    direction = torch.linspace(-1, 2, slopes.numel(), dtype=torch.float64).view(slopes.shape)
    total = (slopes * direction).sum()
    expected = torch.zeros_like(constants)
    if total.requires_grad:
        expected = torch.autograd.grad(total, constants, allow_unused=True, materialize_grads=True)[0]
    with torch.no_grad():
        again, mixed = population.slopes_and_mixed(prediction[None], target, constants.detach())
        found = population.contracted(mixed, direction)
        number = torch.isfinite(population.values(prediction[None], target, constants.detach()))
    # NumPy's sign of NaN is NaN and torch's is 0.
    slopes = torch.where(number, slopes.detach(), 0.0)
    torch.testing.assert_close(torch.where(number, again, 0.0), slopes, equal_nan=True)
    assert same(found, expected, 1e-6)  # overflow comes earlier in one order than in the other


@pytest.mark.parametrize("shared", [True, False])
def test_formulas_are_the_same_in_numpy_and_in_torch_for_either_layout(shared):
    losses = [weighted(parse_expression(text)) for text in [*FORMULAS, FORMULAS[1], FORMULAS[0]]]
    population = Population(losses, Kind.MULTICLASS)
    constants = population.constants(torch.float64)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.rand(1 if shared else len(losses), 4, 6, generator=generator, dtype=torch.float64)
    targets = torch.rand(6, 4, generator=generator, dtype=torch.float64).round()
    for predictions in (drawn.mT, drawn.mT.contiguous()):
        inputs = population._mixed_tapes, predictions, targets, constants
        expected = population._apply_tensors(*inputs)
        torch.testing.assert_close(population._apply_arrays(*inputs), expected)
        torch.testing.assert_close(population._apply_there_and_back(*inputs), expected)


def test_a_loss_may_be_looked_at_before_it_is_trained_with():
    module = SymbolicLossModule(SymbolicLoss(parse_expression("exp(p - y) + pow(p, 0.7)"), Kind.REGRESSION))
    outputs, labels = torch.rand(4, 1), torch.rand(4, 1)
    with torch.inference_mode():
        module(outputs, labels)
    leaf = outputs.clone().requires_grad_()
    module(leaf, labels).backward()
    assert leaf.grad.abs().min() > 0


def of_true(z, y):
    """The probability of the true class."""
    return torch.softmax(z, -1).gather(1, y[:, None])[:, 0]


def tukey(z, y, c=4.685):
    r = z - y
    inside = c**2 / 6 * (1 - (1 - (r / c) ** 2) ** 3)
    return torch.where(r.abs() <= c, inside, c**2 / 6 * torch.ones_like(r)).mean()


# Each from its paper, written from the whole batch and not class by class.
REFERENCES = {
    "cross-entropy": functional.cross_entropy,
    "binary-cross-entropy": functional.binary_cross_entropy_with_logits,
    "cse-autoloss-a": lambda z, y: (1 + math.sin(1)) * functional.cross_entropy(z, y),
    "label-smoothing": lambda z, y: functional.cross_entropy(z, y, label_smoothing=0.1),
    "sparse-lsr": lambda z, y: (
        -((0.9 + 0.1 / 5) * of_true(z, y).log() + 0.1 * 4 / 5 * ((1 - of_true(z, y)) / 4).log()).mean()
    ),
    "absolute-cross-entropy": lambda z, y: (1.1 * of_true(z, y)).log().abs().mean(),
    "focal": lambda z, y: -((1 - of_true(z, y)) ** 2 * of_true(z, y).log()).mean(),
    "binary-focal": lambda z, y: (
        (y - torch.sigmoid(z)) ** 2 * functional.binary_cross_entropy_with_logits(z, y, reduction="none")
    ).mean(),
    "poly-1": lambda z, y: functional.cross_entropy(z, y) + (1 - of_true(z, y)).mean(),
    "taylor-cross-entropy": lambda z, y: (1 - of_true(z, y) + (1 - of_true(z, y)) ** 2 / 2).mean(),
    "symmetric-cross-entropy": lambda z, y: (
        0.1 * functional.cross_entropy(z, y)
        - (torch.softmax(z, -1) * torch.where(functional.one_hot(y, 5) > 0, 0.0, -4.0)).sum(-1).mean()
    ),
    "baikal": lambda z, y: (1 / of_true(z, y) - torch.log_softmax(z, -1).sum(-1)).mean(),
    "brier": lambda z, y: (torch.softmax(z, -1) - functional.one_hot(y, 5)).square().sum(-1).mean(),
    "mae-probability": lambda z, y: (torch.softmax(z, -1) - functional.one_hot(y, 5)).abs().sum(-1).mean(),
    "generalised-cross-entropy": lambda z, y: ((1 - of_true(z, y) ** 0.7) / 0.7).mean(),
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.huber_loss,
    "log-cosh": lambda z, y: torch.cosh(z - y).log().mean(),
    "tukey": tukey,
    "cauchy": lambda z, y: torch.log1p((z - y) ** 2).mean(),
    "quantile": lambda z, y: torch.where(y > z, 0.9 * (y - z), 0.1 * (z - y)).mean(),
}


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_the_catalogue_equals_independent_references(name):
    torch.manual_seed(2)
    row = CATALOGUE[name]
    kind = row.kinds[0]
    z = (2 * torch.randn(16, 5, dtype=torch.float64)).requires_grad_()
    y = torch.randint(5, (16,)) if kind is Kind.MULTICLASS else torch.randn(16, 5, dtype=torch.float64)
    y = (y > 0).double() if kind is Kind.BINARY else y
    ours = SymbolicLossModule(SymbolicLoss(row.expression, kind))(z, y)
    theirs = REFERENCES[name](z, y)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    (a,), (b,) = torch.autograd.grad(ours, z), torch.autograd.grad(theirs, z)
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


# Classes, probability of the target, loss, gradient on the target's output; smoothing 0.1, others equal
# (computed from the formula of arXiv 2209.08907, equation 9; equal to torch's label_smoothing).
SPARSE = [
    (2, 0.5, 0.69315, -0.45),
    (2, 0.99, 0.23981, 0.04),
    (10, 0.9, 0.50086, -0.01),
    (100, 0.99, 0.91988, 0.089),
]


@pytest.mark.parametrize(("classes", "p", "value", "gradient"), SPARSE)
def test_sparse_label_smoothing_as_a_formula_is_label_smoothing(classes, p, value, gradient):
    a, b = 1 - 0.1 + 0.1 / classes, 0.1 * (classes - 1) / classes
    formula = f"-(y * ({a!r} * log(p) + {b!r} * log({1 / (classes - 1)!r} * (1 - p))))"
    z = torch.full((1, classes), float(torch.log(torch.tensor((1 - p) / (classes - 1)).double()))).double()
    z[0, 0] = torch.log(torch.tensor(p).double())
    z.requires_grad_()
    y = torch.tensor([0])
    ours = SymbolicLossModule(SymbolicLoss(parse_expression(formula), Kind.MULTICLASS))(z, y)
    (slope,) = torch.autograd.grad(ours, z)
    assert ours.item() == pytest.approx(value, abs=1e-5)
    assert slope[0, 0].item() == pytest.approx(gradient, abs=1e-4)
    torch.testing.assert_close(
        ours, functional.cross_entropy(z, y, label_smoothing=0.1), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("p", [0.2, 0.6, 0.95])
def test_absolute_cross_entropy_turns_round_at_one_over_phi(p):
    expr = parse_expression("1.3 * abs(log(1.25 * (y * p)))")  # phi0 1.3, phi1 1.25: turns at 0.8
    one = torch.ones(1, 1).double()
    slope = slope_tape(expr)(p * one, one, tensors_of(expr)).item()
    assert slope == pytest.approx((-1.3 if p < 0.8 else 1.3) / p)
    assert slope_tape(expr)(p * one, 0 * one, tensors_of(expr)).item() == 0.0


@pytest.mark.parametrize("kind", list(Kind))
def test_there_are_known_losses_for_every_kind_of_task(kind):
    assert sum(kind in row.kinds for row in CATALOGUE.values()) >= 3


def test_reductions_and_constants_of_a_module():
    loss = SymbolicLoss(parse_expression("0.5 * square(p - y)"), Kind.REGRESSION)
    z, y = torch.randn(7, 2), torch.randn(7, 2)
    each = SymbolicLossModule(SymbolicLoss(loss.expression, loss.kind, "none"))(z, y)
    assert each.shape == (7, 2)
    torch.testing.assert_close(SymbolicLossModule(loss)(z, y), each.mean())
    total = SymbolicLossModule(SymbolicLoss(loss.expression, loss.kind, "sum"))(z, y)
    torch.testing.assert_close(total, each.sum())
    module = SymbolicLossModule(loss, learnable=True)
    module(z, y).backward()
    (constants,) = module.parameters()
    torch.testing.assert_close(constants.grad, (2 * each.mean()).double()[None], rtol=1e-5, atol=1e-6)
    assert module.to_symbolic() == loss


@pytest.mark.parametrize("kind", list(Kind))
def test_pull_back_is_the_jacobian_of_the_entry(kind):
    torch.manual_seed(3)
    z = torch.randn(3, 1 if kind is Kind.BINARY else 4, dtype=torch.float64, requires_grad=True)
    p = predictions_of(z, kind)
    v = torch.randn_like(p)
    torch.testing.assert_close(pull_back(p, v, kind), torch.autograd.grad(p, z, v)[0])
