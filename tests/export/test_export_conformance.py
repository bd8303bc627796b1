"""Every operator, and random formulas, through every target that runs: value and gradient as searched."""

import pytest
from export_helpers import EXECUTABLE, random_losses, verified_here

from symloss.errors import ExportError
from symloss.export import Header
from symloss.export.forms import careful_form
from symloss.expr import OPERATORS, PREDICTION, TARGET, call, parse_expression
from symloss.losses.symbolic import SymbolicLossModule
from symloss.records import Kind, SymbolicLoss

# What stands in an operator's first and second place. All meet exact ties on the grid.
PLACES = [
    (PREDICTION, TARGET),
    (call("sub", PREDICTION, TARGET), call("mul", 0.7, PREDICTION)),
    (call("mul", TARGET, PREDICTION), 0.5),
    (1.0, PREDICTION),
]


@pytest.mark.parametrize("target", EXECUTABLE, ids=lambda target: target.name)
@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_computes_what_the_search_computed(name, kind, target):
    for first, second in PLACES:
        operation = call(name, first, second) if OPERATORS[name].arity == 2 else call(name, first)
        expression = call("add", call("mul", 0.3, PREDICTION), operation)
        verified_here(SymbolicLoss(expression, kind), target.name)


@pytest.mark.parametrize("target", EXECUTABLE, ids=lambda target: target.name)
@pytest.mark.parametrize("seed", range(6))
def test_random_formulas_compute_what_the_search_computed(seed, target):
    for loss in random_losses(seed, 30):
        try:
            verified_here(loss, target.name)
        except ExportError as error:
            pytest.fail(f"{loss.kind.value}: {loss.expression}: {error}")


FAMILIAR = {
    "cross-entropy": (Kind.MULTICLASS, "-(y * log(p))"),
    "binary cross-entropy": (Kind.BINARY, "-(y * log(p)) - (1 - y) * log(1 - p)"),
    "focal": (Kind.MULTICLASS, "-(y * square(1 - p) * log(p))"),
    "generalised cross-entropy": (Kind.MULTICLASS, "y * (1 - pow(p, 0.7)) * 1.4286"),
    "Huber": (Kind.REGRESSION, "min(abs(p - y), 1) * (abs(p - y) - 0.5 * min(abs(p - y), 1))"),
    "log-cosh": (Kind.REGRESSION, "softplus(2 * (p - y)) - (p - y)"),
}


@pytest.mark.parametrize("target", EXECUTABLE, ids=lambda target: target.name)
@pytest.mark.parametrize("name", FAMILIAR)
def test_familiar_losses(name, target):
    kind, formula = FAMILIAR[name]
    verified_here(SymbolicLoss(parse_expression(formula), kind), target.name)


def test_constants_at_ties_share_the_gradient_and_limits_of_definitions_do_not():
    import torch

    for formula, slope in [("max(p, 0.5) + 0 * y", 0.5), ("relu(p - 0.5) + 0 * y", 1.0)]:
        loss = SymbolicLoss(parse_expression(formula), Kind.REGRESSION)
        outputs = torch.tensor([[0.5]], dtype=torch.float64, requires_grad=True)
        SymbolicLossModule(loss)(outputs, torch.zeros(1, 1)).backward()
        assert outputs.grad.item() == slope
        for target in EXECUTABLE:
            verified_here(loss, target.name)  # 0.5 is on the grid


def test_the_comparison_notices_small_changes():
    loss = SymbolicLoss(parse_expression("abs(log(0.75 * y * p + 0.001))"), Kind.MULTICLASS)
    for target in EXECUTABLE:
        text = target.emit(careful_form(loss), Header())
        assert "0.75" in text
        with pytest.raises(ExportError, match="differs from the loss that the search used"):
            verified_here(loss, target.name, text.replace("0.75", "0.7500001"))


@pytest.mark.parametrize("target", EXECUTABLE, ids=lambda target: target.name)
def test_a_gradient_that_differs_only_at_ties_is_noticed(target):
    loss = SymbolicLoss(parse_expression("relu(p - y)"), Kind.REGRESSION)
    other = SymbolicLoss(parse_expression("max(p - y, 0)"), Kind.REGRESSION)
    with pytest.raises(ExportError, match="its gradient is"):
        verified_here(loss, target.name, target.emit(careful_form(other), Header()))


def test_a_constant_part_that_is_not_finite_is_refused():
    loss = SymbolicLoss(parse_expression("p * square(square(1e200))"), Kind.REGRESSION)
    for target in EXECUTABLE:
        with pytest.raises(ExportError, match="constant part product"):
            verified_here(loss, target.name)
