"""Every operator, and random formulas, through every target that runs: value and gradient as searched."""

import subprocess
import sys

import pytest
from export_helpers import (
    EXECUTABLE,
    checked_elsewhere,
    checked_here,
    losses_of_classes,
    random_losses,
    verified_here,
)

from symloss.errors import ExportError
from symloss.export import Header, runner
from symloss.export.forms import careful_form, plain_form
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


CASES = [(name, kind, target) for name in OPERATORS for kind in Kind for target in EXECUTABLE]


def applied(name, first, second):
    operation = call(name, first, second) if OPERATORS[name].arity == 2 else call(name, first)
    return call("add", call("mul", 0.3, PREDICTION), operation)


@pytest.mark.parametrize(("name", "kind", "target"), CASES, ids=lambda own: getattr(own, "name", own))
def test_every_operator_computes_what_the_search_computed(name, kind, target):
    places = PLACES[:1] if OPERATORS[name].partial else PLACES
    for first, second in places:
        verified_here(SymbolicLoss(applied(name, first, second), kind), target.name)


@pytest.mark.parametrize("target", EXECUTABLE, ids=lambda target: target.name)
@pytest.mark.parametrize("seed", range(6))
def test_random_formulas_compute_what_the_search_computed(seed, target):
    for loss in random_losses(seed, 30):
        try:
            verified_here(loss, target.name)
        except ExportError as error:
            pytest.fail(f"{loss.kind.value}: {loss.expression}: {error}")


@pytest.mark.parametrize("target", EXECUTABLE, ids=lambda target: target.name)
@pytest.mark.parametrize("seed", range(3))
def test_factors_of_the_number_of_classes_are_computed_with_care(seed, target):
    for loss in losses_of_classes(seed, 20):
        try:
            checked_here(loss, target.name, target.emit(careful_form(loss), Header()))
        except ExportError as error:
            pytest.fail(f"{loss.expression}: {error}")


@pytest.mark.filterwarnings("ignore")  # torch has several for its tracer
@pytest.mark.parametrize("seed", range(3))
def test_factors_of_the_number_of_classes_follow_it_where_code_is_traced(seed):
    """By torch.jit, torch.export, and a compiler that is told of one size for all."""
    import torch

    y = torch.tensor([0, 3, 2, 1])
    for loss in losses_of_classes(seed, 5):
        made = runner.load(TARGETS["torch"].emit(careful_form(loss), Header()))
        traced = torch.jit.trace(made.Loss(), (torch.randn(4, 7), y), check_trace=False)
        batched = torch.vmap(made.loss)(torch.randn(2, 4, 5), y.expand(2, 4))
        assert batched.shape == (2,)
        torch._dynamo.reset()
        compiled = torch.compile(made.loss, fullgraph=True, dynamic=True, backend="aot_eager")
        for classes in (4, 9, 12):
            z = torch.randn(4, classes)
            expected = made.loss(z, y)
            torch.testing.assert_close(traced(z, y), expected, rtol=1e-5, atol=1e-5, msg=str(loss.expression))
            torch.testing.assert_close(compiled(z, y), expected, rtol=1e-5, atol=1e-5)


def test_jax_computes_what_the_search_computed():
    """Every operator for one kind of task, the catalogue, and random formulas.

    JAX compiles every operation for every shape; `python -m benchmarks.conformance` is the long version.
    """
    pytest.importorskip("jax")
    losses = [row.loss() for row in CATALOGUE.values()] + random_losses(0, 8) + losses_of_classes(0, 4)
    kinds = list(Kind)
    losses += [
        SymbolicLoss(applied(name, *PLACES[0]), kinds[i % len(kinds)]) for i, name in enumerate(OPERATORS)
    ]
    jax = TARGETS["jax"]
    failed = checked_elsewhere([(loss, jax.emit(careful_form(loss), Header())) for loss in losses], "jax")
    assert len(failed) <= 2, failed
    assert not checked_elsewhere([(loss, jax.emit(plain_form(loss), Header())) for loss in failed], "jax")
    loss = CATALOGUE["huber"].loss()
    wrong = jax.emit(careful_form(loss), Header()).replace("0.5", "0.50001")
    assert loss in checked_elsewhere([(loss, wrong)], "jax")


def test_jax_computes_in_single_precision_from_half_precision(tmp_path):
    """As PyTorch files do. In a process of its own: see `checked_elsewhere`."""
    pytest.importorskip("jax")
    names = ["focal", "baikal", "mse", "cauchy", "binary-focal"]
    for name in names:
        text = TARGETS["jax"].emit(careful_form(CATALOGUE[name].loss()), Header())
        (tmp_path / f"{name.replace('-', '_')}.py").write_text(text)
    code = (
        "import jax, jax.numpy as jnp, importlib\n"
        f"for name in {[name.replace('-', '_') for name in names]}:\n"
        "    loss = importlib.import_module(name).loss\n"
        "    for half in (jnp.float16, jnp.bfloat16):\n"
        "        z = jnp.array([[1e4, -1e4, 3.0]], half)\n"
        "        y = jnp.array([1]) if name in ('focal', 'baikal') else jnp.array([[0.0, 1.0, 1.0]])\n"
        "        value, slope = jax.value_and_grad(loss)(z, y)\n"
        "        wide = loss(z.astype(jnp.float32), y)\n"
        "        assert value.dtype == jnp.float32 and value == wide, (name, value, wide)\n"
        "        assert slope.dtype == half\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


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
    for loss in [row.with_parameters(**setting).loss(kind) for setting in row.grid for kind in row.kinds]:
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


NO_FLOOR = [
    "relu(ln(1.13 * p))",  # nothing at all at ordinary points
    "cos(ln(p))",  # the cosine of -10,000
    "max(p, pow(ln(0.2811 * p), cos(ln(p))))",
]


@pytest.mark.parametrize("target", EXECUTABLE, ids=lambda target: target.name)
@pytest.mark.parametrize("kind", [Kind.MULTICLASS, Kind.BINARY], ids=lambda kind: kind.value)
@pytest.mark.parametrize("text", NO_FLOOR)
def test_rounding_is_no_reason_to_refuse_a_logarithm_without_a_floor(text, kind, target):
    loss = SymbolicLoss(parse_expression(text), kind)
    emitted = target.emit(careful_form(loss), Header())
    checked_here(loss, target.name, emitted)
    wrong = emitted.replace("0.1222", "0.1232").replace("cos(", "sin(")  # log 1.13 is 0.1222
    assert wrong != emitted
    with pytest.raises(ExportError, match="differs from the loss"):
        checked_here(loss, target.name, wrong)
