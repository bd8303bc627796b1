"""Losses against independent references: autograd, torch's own losses, and tables of the papers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import expressions, law
from torch.nn import functional

from symloss.expr import OPERATORS, PREDICTION, TARGET, Call, call, constants_of, evaluate, parse_expression
from symloss.expr.primitives import FLOATS
from symloss.losses.entry import predictions_of, targets_of
from symloss.losses.population import Population
from symloss.losses.symbolic import SymbolicLossModule
from symloss.losses.tape import slope_tape, value_tape
from symloss.losses.vocabulary import TORCH
from symloss.records import Kind, SymbolicLoss

# Scattered points of both signs: no formula with rounded constants has a tie or a kink exactly on them.
GENERATOR = torch.Generator().manual_seed(3)
PREDICTIONS, TARGETS = (4 * torch.rand(2, 30, 1, dtype=torch.float64, generator=GENERATOR) - 1.7).unbind()


def numbers_of(expr) -> tuple[torch.Tensor, ...]:
    return torch.tensor(constants_of(expr), dtype=torch.float64).unbind()


def by_autograd(expr, prediction, target) -> tuple[torch.Tensor, torch.Tensor]:
    """The value of a formula and its derivative, neither by a tape nor by `slope`."""
    leaf = prediction.clone().requires_grad_()

    def constant(number: float) -> torch.Tensor:
        return torch.tensor(number, dtype=torch.float64)

    value = evaluate(expr, {"prediction": leaf, "target": target}, TORCH, constant).expand_as(leaf)
    if not value.requires_grad:
        return value, torch.zeros_like(leaf)
    slope = torch.autograd.grad(value.sum(), leaf, allow_unused=True, materialize_grads=True)[0]
    return value.detach(), slope


def check_slope(expr) -> int:
    """Compare where autograd has numbers: there ours must be numbers too. Returns how many places."""
    value, expected = by_autograd(expr, PREDICTIONS, TARGETS)
    found = slope_tape(expr)(PREDICTIONS, TARGETS, numbers_of(expr))
    places = torch.isfinite(expected) & torch.isfinite(value)
    if places.any():
        size = max(1.0, expected[places].abs().max().item())
        torch.testing.assert_close(found[places], expected[places], rtol=1e-6, atol=1e-10 * size)
    return int(places.sum())


OTHERS = [TARGET, PREDICTION, call("mul", -1.3, PREDICTION), call("add", TARGET, 0.37)]
APPLIED = [
    Call(name, arguments)
    for name, row in sorted(OPERATORS.items())
    for arguments in (
        [(PREDICTION,), (call("sub", 0.71, PREDICTION),)]
        if row.arity == 1
        else [pair for other in OTHERS for pair in ((PREDICTION, other), (other, PREDICTION))]
    )
    if not row.partial  # where it is undefined, there is nothing to compare
    if name not in ("min", "max") or arguments != (PREDICTION, PREDICTION)  # a tie: has its own test
]


@pytest.mark.parametrize("expr", APPLIED, ids=str)
def test_the_prediction_in_any_place_of_an_operator_gives_the_slope_of_autograd(expr):
    assert check_slope(expr) == PREDICTIONS.numel()


@pytest.mark.parametrize("name", ["min", "max"])
def test_a_tie_of_the_prediction_with_itself_has_slope_one(name):
    found = slope_tape(Call(name, (PREDICTION, PREDICTION)))(PREDICTIONS, TARGETS, ())
    assert torch.equal(found, torch.ones_like(found))


@law
@given(expressions(required=["prediction"], max_leaves=12))
def test_the_slope_is_a_number_wherever_that_of_autograd_is(expr):
    check_slope(expr)


@pytest.mark.parametrize("wrong", [1.001, math.nan])
def test_the_comparison_of_slopes_complains(monkeypatch, wrong):
    right = slope_tape(expr := parse_expression("square(p - y)"))
    monkeypatch.setattr(f"{__name__}.slope_tape", lambda _: lambda *arguments: wrong * right(*arguments))
    with pytest.raises(AssertionError):
        check_slope(expr)


@law
@given(expressions(max_leaves=12), st.floats(-2, 2), st.floats(-2, 2))
def test_a_tape_has_a_number_wherever_the_formula_has_one(expr, p, y):
    try:
        expected = evaluate(expr, {"prediction": p, "target": y}, FLOATS, float)
    except (ArithmeticError, ValueError):
        assume(False)
    assume(math.isfinite(expected))
    prediction, target = (torch.tensor([[number]], dtype=torch.float64) for number in (p, y))
    found = value_tape(expr)(prediction, target, numbers_of(expr)).item()
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


# --- populations ----------------------------------------------------------------------------------

MIXED = [
    "0.5 * square(p - y)",
    "-(y * log(p))",
    "2 * square(p - y)",
    "y * (1 - pow(p, 0.7))",
    "-(y * log(p))",
]


@pytest.mark.parametrize("shared", [True, False])
def test_values_and_slopes_of_a_population_are_those_of_each_member(shared):
    losses = [parse_expression(text) for text in MIXED]
    count = 1 if shared else len(losses)
    predictions = torch.rand(count, 6, 4, dtype=torch.float64, generator=GENERATOR) + 0.05
    targets = torch.rand(6, 4, dtype=torch.float64, generator=GENERATOR)
    population = Population(losses, Kind.REGRESSION)
    constants = population.constants(torch.float64)
    values = population.values(predictions, targets, constants)
    slopes = population.slopes(predictions, targets, constants)
    assert values.shape == slopes.shape == (len(losses), 6, 4)
    for row, loss in enumerate(losses):
        value, slope = by_autograd(loss, predictions[0 if shared else row], targets)
        torch.testing.assert_close(values[row], value, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(slopes[row], slope, rtol=1e-10, atol=1e-12)


@law
@given(st.lists(expressions(required=["prediction"]), min_size=1, max_size=6), st.integers(-3, 3))
def test_moved_constants_go_back_to_the_formulas_that_they_came_from(losses, shift):
    population = Population(losses, Kind.REGRESSION)
    moved = population.constants(torch.float64) + shift
    expected = [tuple(c + shift for c in constants_of(loss)) for loss in losses]
    assert [constants_of(loss) for loss in population.with_constants(moved)] == expected


def test_members_differ_by_their_own_constants_alone():
    losses = [
        call("mul", scale, call("square", call("sub", PREDICTION, TARGET))) for scale in (1.0, 2.0, 3.0)
    ]
    population = Population(losses, Kind.REGRESSION)
    assert len(population.groups) == 1
    values = population.values(PREDICTIONS[None], TARGETS, population.constants(torch.float64))
    torch.testing.assert_close(values[1:], values[:1] * torch.tensor([[[2.0]], [[3.0]]]).double())


# --- modules --------------------------------------------------------------------------------------


def module(formula: str, kind: Kind, reduction: str = "mean", **options) -> SymbolicLossModule:
    return SymbolicLossModule(SymbolicLoss(parse_expression(formula), kind, reduction), **options)


def sample_of(kind: Kind) -> tuple[torch.Tensor, torch.Tensor]:
    z = torch.randn(9, 1 if kind is Kind.BINARY else 4, dtype=torch.float64, generator=GENERATOR) * 2
    if kind is Kind.MULTICLASS:
        return z, torch.randint(4, (9,), generator=GENERATOR)
    y = torch.randn(*z.shape, dtype=torch.float64, generator=GENERATOR)
    return z, (y > 0).double() if kind is Kind.BINARY else y


TORCHS_OWN = {
    "-(y * log(p))": (Kind.MULTICLASS, functional.cross_entropy),
    "-(y * log(p)) - (1 - y) * log(1 - p)": (Kind.BINARY, functional.binary_cross_entropy_with_logits),
    "square(p - y)": (Kind.REGRESSION, functional.mse_loss),
    "abs(p - y)": (Kind.REGRESSION, functional.l1_loss),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("formula", TORCHS_OWN)
def test_the_standard_losses_are_those_of_torch_in_every_reduction(formula, reduction):
    kind, theirs = TORCHS_OWN[formula]
    z, y = sample_of(kind)
    expected = theirs(z, y, reduction=reduction)
    torch.testing.assert_close(module(formula, kind, reduction)(z, y), expected, rtol=1e-9, atol=1e-12)


def test_soft_targets_are_taken_as_they_are():
    z, _ = sample_of(Kind.MULTICLASS)
    soft = torch.softmax(torch.randn(9, 4, dtype=torch.float64, generator=GENERATOR), dim=-1)
    ours = module("-(y * log(p))", Kind.MULTICLASS)
    torch.testing.assert_close(ours(z, soft), functional.cross_entropy(z, soft), rtol=1e-9, atol=0)
    hard = torch.arange(9) % 4
    torch.testing.assert_close(ours(z, functional.one_hot(hard, 4).double()), ours(z, hard))


def test_binary_labels_may_be_flat():
    z, y = sample_of(Kind.BINARY)
    ours = module("square(p - y)", Kind.BINARY, "none")
    assert torch.equal(ours(z, y.flatten()), ours(z, y))


@law
@given(expressions(required=["prediction"], operators=("add", "mul", "tanh", "square")), st.randoms())
def test_permuting_the_batch_permutes_the_per_sample_loss(expr, shuffler):
    z, y = sample_of(Kind.MULTICLASS)
    loss = SymbolicLossModule(SymbolicLoss(expr, Kind.MULTICLASS, "none"))
    order = list(range(len(z)))
    shuffler.shuffle(order)
    torch.testing.assert_close(loss(z[order], y[order]), loss(z, y)[order], rtol=1e-12, atol=1e-12)


def test_learnable_constants_have_the_gradient_of_finite_differences_and_go_back_into_the_formula():
    z, y = sample_of(Kind.MULTICLASS)
    formula = "1.5 * (y * pow(1 - p, 0.7)) - y * log(p + 0.2)"
    learnable = module(formula, Kind.MULTICLASS, learnable=True)
    learnable(z, y).backward()
    start = constants_of(learnable.loss.expression)
    for index, found in enumerate(learnable.constants.grad.tolist()):
        sides = []
        for shift in (1e-6, -1e-6):
            moved = module(formula, Kind.MULTICLASS)
            moved.constants[index] += shift
            sides.append(moved(z, y).item())
        assert found == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-6, abs=1e-9)
    torch.optim.SGD(learnable.parameters(), lr=0.1).step()
    after = learnable.to_symbolic()
    assert constants_of(after.expression) == tuple(learnable.constants.tolist()) != start
    torch.testing.assert_close(SymbolicLossModule(after)(z, y), learnable(z, y).detach(), rtol=1e-12, atol=0)
    assert list(module(formula, Kind.MULTICLASS).parameters()) == []


# --- sparse label smoothing: papers.md, table 2.2 A -------------------------------------------------

SMOOTHING = 0.1
# Classes, probability of the target, loss and its derivative by the target's logit; others equal.
TABLE = [
    (2, 0.5, 0.69315, -0.4500),
    (2, 0.99, 0.23981, 0.0400),
    (10, 0.1, 2.30259, -0.8100),
    (10, 0.9, 0.50086, -0.0100),
    (10, 0.99, 0.62136, 0.0800),
    (100, 0.5, 1.14806, -0.4010),
    (100, 0.99, 0.91988, 0.0890),
    (1000, 0.99, 1.15909, 0.0899),
]


def sparse(classes: int, smoothing: float = SMOOTHING, sign: str = "-"):
    """Equation 9 of arXiv 2209.08907; the published code has a plus where the formula has a minus."""
    own, rest = 1 - smoothing + smoothing / classes, smoothing * (classes - 1) / classes
    text = f"-(y * ({own!r} * log(p))) {sign} y * ({rest!r} * log({1 / (classes - 1)!r} * (1 - p)))"
    return SymbolicLossModule(SymbolicLoss(parse_expression(text), Kind.MULTICLASS))


def with_equal_others(classes: int, p: float) -> torch.Tensor:
    z = torch.zeros(1, classes, dtype=torch.float64)
    z[0, 0] = math.log(p * (classes - 1) / (1 - p))
    return z.requires_grad_()


@pytest.mark.parametrize(("classes", "p", "value", "slope"), TABLE)
def test_sparse_label_smoothing_has_the_numbers_of_the_table(classes, p, value, slope):
    z, first = with_equal_others(classes, p), torch.tensor([0])
    loss = sparse(classes)(z, first)
    (gradient,) = torch.autograd.grad(loss, z)
    assert loss.item() == pytest.approx(value, abs=1e-5)
    assert gradient[0, 0].item() == pytest.approx(slope, abs=1e-5 if classes < 1000 else 5e-5)  # 4 digits
    smoothed = functional.cross_entropy(z, first, label_smoothing=SMOOTHING)
    torch.testing.assert_close(loss, smoothed, rtol=1e-9, atol=0)
    torch.testing.assert_close(gradient, torch.autograd.grad(smoothed, z)[0], rtol=1e-7, atol=1e-9)


def test_the_published_sign_is_told_from_the_right_one():
    z = with_equal_others(10, 0.9)
    loss = sparse(10, sign="+")(z, torch.tensor([0]))
    assert loss.item() == pytest.approx(-0.30910, abs=1e-5)
    assert torch.autograd.grad(loss, z)[0][0, 0].item() == pytest.approx(-0.1720, abs=1e-5)


def test_sparse_label_smoothing_of_two_classes_is_label_smoothing_for_any_outputs():
    z = 3 * torch.randn(50, 2, dtype=torch.float64, generator=GENERATOR)
    y = torch.randint(2, (50,), generator=GENERATOR)
    torch.testing.assert_close(
        sparse(2)(z, y), functional.cross_entropy(z, y, label_smoothing=SMOOTHING), rtol=1e-9, atol=0
    )


@pytest.mark.parametrize(
    ("classes", "smoothing", "rest"), [(2, 0.1, 0.95), (10, 0.1, 0.91), (10, 0.25, 0.775)]
)
def test_sparse_label_smoothing_comes_to_rest_where_label_smoothing_does(classes, smoothing, rest):
    z = with_equal_others(classes, rest)
    (gradient,) = torch.autograd.grad(sparse(classes, smoothing)(z, torch.tensor([0])), z)
    assert gradient.abs().max().item() < 1e-12
    for p, direction in ((rest - 0.02, -1.0), (rest + 0.02, 1.0)):
        z = with_equal_others(classes, p)
        (gradient,) = torch.autograd.grad(sparse(classes, smoothing)(z, torch.tensor([0])), z)
        assert math.copysign(1.0, gradient[0, 0].item()) == direction


# --- absolute cross-entropy: papers.md, table 1.13 --------------------------------------------------


def push(formula: str, p: float, y: float) -> float:
    """What gradient descent of rate 1 adds to a prediction."""
    expr = parse_expression(formula)
    prediction, target = (torch.tensor([[number]], dtype=torch.float64) for number in (p, y))
    return -slope_tape(expr)(prediction, target, numbers_of(expr)).item()


@pytest.mark.parametrize("phi0", [0.5, 1.3])
@pytest.mark.parametrize("phi1", [0.8, 1.25, 3.0])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9, 0.99])
def test_absolute_cross_entropy_pushes_as_in_the_table(phi0, phi1, p):
    formula = f"{phi0} * abs(log({phi1} * (y * p)))"
    cross_entropy = push("-(y * log(p))", p, 1.0)
    assert cross_entropy == pytest.approx(1 / p)
    assert push(formula, p, 1.0) == pytest.approx(math.copysign(phi0, 1 - phi1 * p) * cross_entropy)
    assert push(formula, p, 0.0) == 0.0


@pytest.mark.parametrize(("classes", "phi0", "phi1"), [(10, 1.3, 1.25), (4, 0.7, 3.9)])
def test_absolute_cross_entropy_at_the_start_is_cross_entropy_at_another_rate(classes, phi0, phi1):
    ours = module(f"{phi0} * abs(log({phi1} * (y * p)))", Kind.MULTICLASS)
    z = torch.zeros(3, classes, dtype=torch.float64, requires_grad=True)
    y = torch.arange(3)
    (found,) = torch.autograd.grad(ours(z, y), z)
    (expected,) = torch.autograd.grad(functional.cross_entropy(z, y), z)
    torch.testing.assert_close(found, phi0 * expected, rtol=1e-12, atol=1e-14)


def test_predictions_of_large_outputs_stay_numbers():
    z = torch.tensor([[1e4, -1e4, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(predictions_of(z, Kind.MULTICLASS), torch.softmax(z, -1))
    loss = module("-(y * log(p))", Kind.MULTICLASS)(z.requires_grad_(), torch.tensor([1]))
    assert loss.item() == pytest.approx(-math.log(1e-7))  # the guard of log
    assert torch.isfinite(torch.autograd.grad(loss, z)[0]).all()


def test_targets_keep_the_precision_that_is_asked_for():
    assert targets_of(torch.tensor([1, 0]), Kind.MULTICLASS, 3, torch.float64).dtype is torch.float64
    soft = torch.tensor([[0.2, 0.8]], dtype=torch.float64)
    assert torch.equal(targets_of(soft, Kind.MULTICLASS, 2, torch.float64), soft)
