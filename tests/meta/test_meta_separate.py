"""Networks one after another: batch normalisation and dropout train as in a plain loop of torch."""

from __future__ import annotations

import pytest
import torch
from test_meta_training import doubled, small_task
from torch import nn

from symloss.errors import ConfigError, TaskError
from symloss.expr import parse_expression
from symloss.losses.catalogue import handcrafted
from symloss.losses.exact import trainable
from symloss.losses.population import Population
from symloss.meta.batches import training_inputs
from symloss.meta.choosing import plan_for
from symloss.meta.lockstep import BatchOrder, seeded_model
from symloss.meta.meta_gradient import MetaStep, one_step_gradient, task_loss, unrolled_gradient
from symloss.meta.settings import Training
from symloss.meta.training import Heat, Job, outputs_on, train_and_score
from symloss.meta.tuning import tune, with_weights
from symloss.networks import Separate, can_be_traced
from symloss.networks.randomness import step_seed
from symloss.records import Kind
from symloss.tasks import Task, find_metric

CPU = torch.device("cpu")


def normalised() -> nn.Module:
    """What lockstep cannot batch: running statistics, dropout, and an operation in place."""
    return nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.BatchNorm2d(3),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Dropout(0.4),
        nn.Linear(108, 3),
    )


def task_with(make_model=normalised) -> Task:
    task = small_task()
    return Task("own", task.kind, task.train, task.valid, task.test, make_model, 3, "error", "own")


CROSS_ENTROPY = trainable(handcrafted("cross-entropy", Kind.MULTICLASS))
TRAINING = Training(steps=9, batch_size=32, momentum=0.9, nesterov=True, weight_decay=0.01)


def plain_loop(task: Task, seed: int, rate: float, batch_seed: int) -> nn.Module:
    """The loop that anybody would write, with torch's own optimiser."""
    model = seeded_model(task.make_model, seed).train()
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9, nesterov=True, weight_decay=0.01)
    order = BatchOrder(len(task.train), 32, TRAINING.steps, batch_seed, CPU)
    for step in range(TRAINING.steps):
        x = training_inputs(task, order[step], batch_seed, step)
        torch.manual_seed(step_seed(batch_seed, step))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), task.train.y[order[step]]).backward()
        optimizer.step()
    return model.eval()


@pytest.mark.parametrize("at_once", [1, 3])
def test_training_equals_a_plain_loop(at_once):
    task = task_with()
    jobs = [Job(CROSS_ENTROPY, seed, rate) for seed, rate in ((0, 0.05), (1, 0.05), (0, 0.2))]
    training = Training(**{**_fields(TRAINING), "network": "separate", "models_at_once": at_once})
    heat = Heat(task, jobs, training, 4, plan_for(task, training))
    heat.advance(TRAINING.steps)
    found = outputs_on(heat.fleet.network, heat.fleet.parameters, task.valid)
    for row, job in zip(found, jobs, strict=True):
        model = plain_loop(task, job.seed, job.learning_rate, 4)
        torch.testing.assert_close(row, model(task.valid.x).detach(), rtol=1e-4, atol=1e-5)
    statistics = heat.fleet.network.buffers["1.running_mean"]
    torch.testing.assert_close(statistics[1], plain_loop(task, 1, 0.05, 4)[1].running_mean)


def _fields(training):
    import msgspec

    return msgspec.structs.asdict(training)


def test_a_network_that_stays_keeps_its_own_statistics():
    task = task_with()
    jobs = [Job(CROSS_ENTROPY, seed, 0.05) for seed in (0, 1, 2)]
    heat = Heat(task, jobs, TRAINING, 4, plan_for(task, TRAINING))
    heat.advance(4)
    heat.keep([2])
    heat.advance(TRAINING.steps)
    found = outputs_on(heat.fleet.network, heat.fleet.parameters, task.valid)
    expected = plain_loop(task, 2, 0.05, 4)(task.valid.x).detach()
    torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=1e-5)


def test_costs_do_not_depend_on_how_networks_are_divided_or_on_other_random_numbers():
    task, metric = task_with(), find_metric("cross-entropy", Kind.MULTICLASS)
    jobs = [Job(CROSS_ENTROPY, seed, 0.05) for seed in range(5)]
    costs = []
    for at_once in (1, 2, 5):
        torch.rand(at_once)
        training = Training(steps=6, batch_size=32, models_at_once=at_once)
        found = train_and_score(task, jobs, training, 0, metric, (task.valid,))
        costs.append([cost for (cost,) in found])
    assert costs[0] == pytest.approx(costs[1], rel=1e-7)
    assert costs[0] == pytest.approx(costs[2], rel=1e-7)
    assert len(set(costs[0])) == 5


def test_training_leaves_the_global_random_state_alone():
    task = task_with()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    Heat(task, [Job(CROSS_ENTROPY, 0, 0.1)], TRAINING, 0, plan_for(task, TRAINING)).advance(2)
    assert torch.equal(torch.rand(3), expected)


def test_what_cannot_be_batched_is_found_and_cannot_be_forced():
    x = torch.randn(4, 1, 8, 8)
    assert not can_be_traced(normalised(), x)
    assert not can_be_traced(nn.Sequential(nn.Flatten(), nn.Dropout(0.1)), x)
    assert not can_be_traced(nn.BatchNorm2d(1), x)
    assert can_be_traced(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), x)
    assert plan_for(task_with(), Training()).separate
    for network in ("traced", "chain"):
        with pytest.raises(ConfigError, match=r"training\.network"):
            plan_for(task_with(), Training(network=network))


def test_a_model_that_fails_in_training_mode_is_told_before_anything_is_trained():
    """Batch normalisation of single values has no deviation."""

    def narrow() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.BatchNorm1d(3))

    with pytest.raises(TaskError, match=r"fails in training mode on batches of shape \(1, 1, 8, 8\)"):
        plan_for(task_with(narrow), Training(batch_size=1))


def smooth() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3))


@pytest.mark.parametrize("inner_steps", [1, 3])
def test_the_meta_gradient_equals_finite_differences(inner_steps):
    """Through batch statistics too, in float64."""
    task = doubled(task_with(smooth))
    formulas = ["-(y * log(p + 0.1))", "0.7 * square(p - 0.9 * y)"]
    population = Population([with_weights(parse_expression(f), "edges") for f in formulas], task.kind)
    model = seeded_model(task.make_model, 0).double()
    start = {name: value.detach()[None] for name, value in model.named_parameters()}
    buffers = {name: value[None] for name, value in model.named_buffers()}
    batches = [torch.arange(8 * i, 8 * i + 8) for i in range(inner_steps)]
    valid = torch.arange(10)

    def step(constants):
        network = Separate(model, buffers)
        return MetaStep(network, network, start, population, constants, task, batches, valid, 0.3)

    constants = population.constants(torch.float64)
    ways = [unrolled_gradient] + [one_step_gradient] * (inner_steps == 1)
    found = [way(step(constants)) for way in ways]
    for index in range(0, constants.numel(), 3):
        nudged = []
        for sign in (1, -1):
            moved = constants.clone()
            moved.view(-1)[index] += sign * 1e-5
            nudged.append(_loss_after(step(moved)).sum())
        expected = (nudged[0] - nudged[1]) / 2e-5
        for gradient in found:
            torch.testing.assert_close(gradient.view(-1)[index], expected, rtol=1e-5, atol=1e-8)


def _loss_after(step: MetaStep) -> torch.Tensor:
    """Task loss of each candidate after plain inner steps, written out."""
    count = len(step.population)
    parameters = {name: value.expand(count, *value.shape[1:]) for name, value in step.start.items()}
    for number in range(len(step.train_batches)):
        leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
        x, targets = step.train_batch(number)
        outputs = step.differentiable.call(leaves, x, step.drawn(number))
        incoming = step.population.output_gradient(outputs.detach(), targets, step.constants)
        slopes = torch.autograd.grad(outputs, list(leaves.values()), incoming)
        parameters = {
            name: value - 0.3 * slope for (name, value), slope in zip(leaves.items(), slopes, strict=True)
        }
    outputs = step.differentiable.call(parameters, step.valid_inputs(), 0)
    return torch.stack([task_loss(row, step.valid_labels(), step.task.kind) for row in outputs]).detach()


def test_constants_are_tuned_through_such_networks():
    from symloss.meta.settings import Tuning

    task = task_with()
    losses = [with_weights(parse_expression("-(y * log(p + 0.1))"), "edges")]
    tuned = tune(losses, task, Tuning(steps=3, batch_size=16), 0, plan_for(task, Training()))
    assert tuned != losses
    assert tuned == tune(losses, task, Tuning(steps=3, batch_size=16), 0, plan_for(task, Training()))
