"""The meta-gradient is exact, and tuning follows it."""

from __future__ import annotations

import pytest
import torch
from test_meta_training import doubled, small_task

from symloss.expr import constants_of, fold, parse_expression
from symloss.losses.population import Population
from symloss.meta.lockstep import seeded_model
from symloss.meta.meta_gradient import MetaStep, one_step_gradient, task_loss, unrolled_gradient
from symloss.meta.plan import Plan
from symloss.meta.settings import Tuning
from symloss.meta.tuning import tune, with_weights
from symloss.networks import Traced, as_chain
from symloss.records import Kind
from symloss.tasks import Split, Task

FORMULAS = ["-(y * log(p + 0.1))", "0.7 * square(p - 0.9 * y)", "tanh(1.5 * abs(p - y))"]
RATE = 0.3
PLAN = Plan(None, 12)


def task_of(kind: Kind) -> Task:
    if kind is not Kind.BINARY:
        return doubled(small_task("linear", "classes" if kind is Kind.MULTICLASS else "values"))
    x = torch.randn(60, 6, generator=torch.Generator().manual_seed(1))
    y = (x[:, :1] > 0).float()
    parts = [Split(x[a:b], y[a:b]) for a, b in ((0, 30), (30, 45), (45, 60))]
    return doubled(Task("t", kind, *parts, lambda: torch.nn.Linear(6, 1), 1, "error", "linear"))


def setting(kind: Kind, inner_steps: int):
    task = task_of(kind)
    population = Population([with_weights(parse_expression(f), "edges") for f in FORMULAS], kind)
    batches = [torch.arange(8 * i, 8 * i + 8) for i in range(inner_steps)]
    return task, population, seeded_model(task.make_model, 0), batches, torch.arange(10)


def meta_step(model, chain, population, flat, task, batches, valid) -> MetaStep:
    traced = Traced(model, {})
    start = {name: value.detach()[None] for name, value in model.named_parameters()}
    return MetaStep(chain or traced, traced, start, population, flat, task, batches, valid, RATE)


def stepped_loss(expression, task, model, batches, valid) -> torch.Tensor:
    """Task loss after plain inner steps, one candidate at a time, with autograd and nothing clever."""
    from symloss.losses.symbolic import SymbolicLossModule
    from symloss.records import SymbolicLoss

    parameters = dict(model.named_parameters())
    loss = SymbolicLossModule(SymbolicLoss(expression, task.kind))
    for batch in batches:
        outputs = torch.func.functional_call(model, parameters, (task.train.x[batch],))
        gradients = torch.autograd.grad(loss(outputs, task.train.y[batch]), list(parameters.values()))
        parameters = {n: p - RATE * g for (n, p), g in zip(parameters.items(), gradients, strict=True)}
    outputs = torch.func.functional_call(model, parameters, (task.valid.x[valid],))
    return task_loss(outputs, task.valid.y[valid], task.kind).detach()


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("inner_steps", [1, 3])
def test_meta_gradients_equal_finite_differences(kind, inner_steps):
    task, population, model, batches, valid = setting(kind, inner_steps)
    constants = population.constants(torch.float64)
    step = meta_step(model, None, population, constants, task, batches, valid)
    found = population.by_group(unrolled_gradient(step))
    for group, slopes in enumerate(found):
        for index in range(len(slopes)):
            for column, row in enumerate(population.groups[group].rows):
                sides = []
                for shift in (1e-6, -1e-6):
                    moved = constants.clone()
                    population.by_group(moved)[group][index, column] += shift
                    expr = population.with_constants(moved)[row]
                    sides.append(stepped_loss(expr, task, model, batches, valid))
                expected = ((sides[0] - sides[1]) / 2e-6).item()
                assert slopes[index, column].item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("kind", list(Kind))
def test_one_step_without_double_backward_equals_the_unrolled_gradient(kind, explicit):
    task, population, model, batches, valid = setting(kind, 1)
    chain = as_chain(model, task.train.x[:2]) if explicit else None
    assert (chain is not None) == explicit
    flat = population.constants(torch.float64)
    step = meta_step(model, chain, population, flat, task, batches, valid)
    short, long = one_step_gradient(step), unrolled_gradient(step)
    assert long.abs().max() > 1e-4
    torch.testing.assert_close(short, long, rtol=1e-9, atol=1e-12)


def test_tuning_lowers_the_task_loss_after_a_step_and_repeats_itself():
    task = small_task("linear")
    start = [with_weights(parse_expression("square(p - 0.4 * y)"), "merged")]
    settings = Tuning(steps=60, learning_rate=0.02, inner_learning_rate=1.0, batch_size=32)
    (tuned,) = tune(start, task, settings, 0, PLAN)
    assert tune(start, task, settings, 0, PLAN) == [tuned]
    assert constants_of(tuned) != constants_of(start[0])
    exact = doubled(task)
    model = seeded_model(exact.make_model, 999)
    everything = torch.arange(len(exact.train)), torch.arange(len(exact.valid))
    before, after = (stepped_loss(e, exact, model, [everything[0]], everything[1]) for e in (start[0], tuned))
    assert after < before


def test_tuned_constants_do_not_depend_on_what_is_tuned_beside_them():
    task = small_task("linear")
    one, other, twin = (
        with_weights(parse_expression(text), "edges")
        for text in ("0.3 * square(p - 0.4 * y)", "abs(p - 1.1 * y)", "0.9 * square(p - 0.2 * y)")
    )
    settings = Tuning(steps=40, batch_size=32)
    chain = as_chain(seeded_model(task.make_model, 0), task.train.x[:2])
    for plan in (PLAN, Plan(chain, 12)):
        beside = [tune([one, neighbour], task, settings, 0, plan)[0] for neighbour in (other, twin)]
        assert beside[0] == beside[1] != one


def test_a_candidate_whose_gradient_is_not_finite_stands_still_alone():
    task = small_task("linear")
    bad = parse_expression("exp(exp(90 * p + 9)) * y")
    good = parse_expression("-(y * log(p + 0.1))")
    settings = Tuning(steps=5, batch_size=32)
    together = tune([bad, good], task, settings, 0, PLAN)
    assert together[0] == bad
    (alone,) = tune([good], task, settings, 0, PLAN)
    assert constants_of(together[1]) == pytest.approx(constants_of(alone), rel=1e-5)


def test_no_steps_change_nothing():
    losses = [parse_expression("square(p - 0.4 * y)")]
    assert tune(losses, small_task("linear"), Tuning(steps=0), 0, PLAN) == losses


def test_weights_are_placed_as_named():
    expr = parse_expression("abs(log(y * p))")
    assert constants_of(with_weights(expr, "none")) == ()
    edges = with_weights(expr, "edges")
    assert constants_of(edges) == (1.0,) * (expr.size - 1)
    assert fold(edges) == expr
    merged = with_weights(expr, "merged")
    assert constants_of(merged) == (1.0, 1.0)  # of the logarithm, and of the product
    assert fold(merged) == expr


@pytest.mark.parametrize("weights", ["merged", "edges"])
def test_formulas_without_constants_of_their_own_are_tuned(weights):
    """A formula can change by more than its scale, although nothing but weights of one is there to tune."""
    expr = parse_expression("-(y * log(p)) + square(p)")
    settings = Tuning(steps=30, learning_rate=0.02, batch_size=32, weights=weights)
    (tuned,) = tune([with_weights(expr, weights)], small_task("linear"), settings, 0, PLAN)
    factors = constants_of(with_weights(fold(tuned), "merged"))
    first, _, second = factors
    assert abs(first) != pytest.approx(second, rel=1e-3)


def test_a_population_whose_constants_reach_no_gradient_is_left_as_it_is():
    losses = [parse_expression("-(y * log(p))"), parse_expression("square(p - y)")]
    assert tune(losses, small_task("linear"), Tuning(steps=3, batch_size=32), 0, PLAN) == losses
