"""Every operator, and random formulas, through every target that runs: value and gradient as searched."""

import pytest
from export_helpers import EXECUTABLE, checked_here, random_losses, verified_here

from symloss.errors import ExportError
from symloss.export import Header
from symloss.export.forms import careful_form
from symloss.export.targets import TARGETS
from symloss.expr import OPERATORS, PREDICTION, TARGET, call, parse_expression
from symloss.losses.catalogue import CATALOGUE
from symloss.losses.symbolic import SymbolicLossModule
from symloss.records import Kind, SymbolicLoss

# What stands in an operator's first and second place. All meet exact ties on the grid.
PLACES = [
    (PREDICTION, TARGET),
    (call("sub", PREDICTION, TARGET), call("mul", 0.7, PREDICTION)),
    (call("mul", TARGET, PREDICTION), 0.5),
    (1.0, PREDICTION),
]


# JAX compiles every operation for every shape, so it gets one kind of task and one place for each operator.
# `python -m benchmarks.conformance` is the long version.
CASES = [
    (name, kind, target)
    for i, name in enumerate(OPERATORS)
    for j, kind in enumerate(Kind)
    for target in EXECUTABLE
    if target.name != "jax" or j == i % len(Kind)
]


@pytest.mark.parametrize(("name", "kind", "target"), CASES, ids=lambda own: getattr(own, "name", own))
def test_every_operator_computes_what_the_search_computed(name, kind, target):
    row = OPERATORS[name]
    places = PLACES[:1] if target.name == "jax" or row.partial else PLACES
    for first, second in places:
        operation = call(name, first, second) if row.arity == 2 else call(name, first)
        expression = call("add", call("mul", 0.3, PREDICTION), operation)
        verified_here(SymbolicLoss(expression, kind), target.name)


@pytest.mark.parametrize("target", EXECUTABLE, ids=lambda target: target.name)
@pytest.mark.parametrize("seed", range(6))
def test_random_formulas_compute_what_the_search_computed(seed, target):
    if target.name == "jax" and seed:
        return
    for loss in random_losses(seed, 30 if target.name != "jax" else 8):
        try:
            verified_here(loss, target.name)
        except ExportError as error:
            pytest.fail(f"{loss.kind.value}: {loss.expression}: {error}")


def test_nearly_all_random_formulas_are_exported_with_care():
    """The plain form is for formulas that compare with numbers which round to zero, and for constants."""
    losses = [loss for seed in range(4) for loss in random_losses(seed, 30)]
    failed = 0
    for loss in losses:
        try:
            checked_here(loss, "numpy", TARGETS["numpy"].emit(careful_form(loss), Header()))
        except ExportError:
            failed += 1
    assert failed <= len(losses) // 20


@pytest.mark.parametrize("target", EXECUTABLE, ids=lambda target: target.name)
@pytest.mark.parametrize("name", CATALOGUE)
def test_the_catalogue_is_exported_with_care(name, target):
    row = CATALOGUE[name]
    for kind in row.kinds[:1] if target.name == "jax" else row.kinds:
        loss = row.loss(kind)
        checked_here(loss, target.name, target.emit(careful_form(loss), Header()))


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
