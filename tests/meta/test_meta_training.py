"""Lockstep training, scoring and comparison against plain PyTorch."""

from __future__ import annotations

import copy
import functools
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from symloss.expr import parse_expression
from symloss.losses.catalogue import CATALOGUE
from symloss.losses.function import Balanced, FunctionLoss
from symloss.losses.symbolic import SymbolicLossModule
from symloss.meta.choosing import plan_for
from symloss.meta.confirm import Trial, best_rate, run_trials
from symloss.meta.lockstep import BatchOrder, Fleet, seeded_model, seeded_networks
from symloss.meta.settings import Training
from symloss.meta.training import Heat, Job, outputs_on, train_and_score, train_fleet
from symloss.networks import Traced
from symloss.records import Kind, SymbolicLoss
from symloss.tasks import Split, Task, find_metric, model_maker, task_from_arrays

CPU = torch.device("cpu")
FORMULAS = ["-(y * log(p))", "square(p - y)", "y * (1 - pow(p, 0.7))", "-(y * log(p))"]


def small_task(model: str = "mlp", kind: str = "classes") -> Task:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(120, 1, 8, 8, generator=generator)
    if kind == "classes":
        y = (x.flatten(1)[:, :3]).argmax(dim=1)
        return task_from_arrays(x, y, model=model)
    return task_from_arrays(x, x.flatten(1)[:, :2] * 2 + 0.1, model=model)


def doubled(task: Task) -> Task:
    """The same task in float64."""

    def split(part: Split) -> Split:
        return Split(part.x.double(), part.y if task.kind is Kind.MULTICLASS else part.y.double())

    copied = copy.copy(task)
    for name in ("train", "valid", "test"):
        object.__setattr__(copied, name, split(getattr(task, name)))
    object.__setattr__(copied, "make_model", lambda: task.make_model().double())
    return copied


def weighted_alone(labels: torch.Tensor):
    """Torch's own losses with weights of classes, as people write them."""
    counts = torch.bincount(labels.flatten().long())
    weight = (len(labels) / (len(counts) * counts)).to(torch.float64)
    if labels.ndim == 1:
        return nn.CrossEntropyLoss(weight)

    def binary(outputs, labels):
        weights = weight[labels.long()]
        return functional.binary_cross_entropy_with_logits(outputs, labels, weights) / weights.mean()

    return binary


@pytest.mark.parametrize("kind", [Kind.MULTICLASS, Kind.BINARY], ids=lambda kind: kind.value)
def test_a_balanced_loss_is_torchs_with_weights_of_classes_beside_others(kind):
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(160, 6, generator=generator)
    y = (x[:, 0] + 0.3 * torch.randn(160, generator=generator) > 1.0).long()
    task = doubled(task_from_arrays(x, y, model="mlp", kind=kind))
    formula = CATALOGUE["cross-entropy" if kind is Kind.MULTICLASS else "binary-cross-entropy"].expression
    training = Training(steps=20, batch_size=16)
    losses = [Balanced(formula), formula, Balanced(function_of(kind))]
    jobs = [Job(loss, 3, 0.1) for loss in losses]
    plan = plan_for(task, training)
    heat = Heat(task, jobs, training, 7, plan)
    heat.advance(training.steps)
    model = seeded_model(task.make_model, 3)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=training.momentum, nesterov=training.nesterov)
    loss = weighted_alone(task.train.y)
    order = BatchOrder(len(task.train), 16, training.steps, 7, CPU)
    for step in range(training.steps):
        sgd.zero_grad()
        loss(model(task.train.x[order[step]]), task.train.y[order[step]]).backward()
        sgd.step()
    found = heat.outputs(task.valid)
    expected = model(task.valid.x).detach()
    torch.testing.assert_close(found[0], expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found[2], expected, rtol=1e-9, atol=1e-9)
    plain = Heat(task, jobs[1:2], training, 7, plan)
    plain.advance(training.steps)
    torch.testing.assert_close(found[1], plain.outputs(task.valid)[0], rtol=1e-12, atol=1e-12)
    assert (found[1] - found[0]).abs().max() > 0.01
    heat.keep([2, 1])
    heat.advance(training.steps)  # weights stay with their networks
    torch.testing.assert_close(heat.outputs(task.valid), found[[2, 1]])


def function_of(kind: Kind) -> FunctionLoss:
    if kind is Kind.MULTICLASS:
        return FunctionLoss("mine", functional.cross_entropy)
    return FunctionLoss("mine", functional.binary_cross_entropy_with_logits)


def trained_alone(task: Task, job: Job, training: Training, batch_seed: int) -> torch.nn.Module:
    """The plain loop that lockstep training has to equal."""
    model = seeded_model(task.make_model, job.seed)
    sgd = torch.optim.SGD(
        model.parameters(),
        lr=job.learning_rate,
        momentum=training.momentum,
        nesterov=training.nesterov,
        weight_decay=training.weight_decay,
    )
    if isinstance(job.loss, FunctionLoss):
        own = job.loss

        def loss(outputs, labels, step):
            progress = {"progress": step / training.steps} if own.follows else {}
            return own.function(outputs, labels, **progress).mean()

    else:
        module = SymbolicLossModule(SymbolicLoss(job.loss, task.kind))

        def loss(outputs, labels, step):
            return module(outputs, labels)

    order = BatchOrder(len(task.train), training.batch_size, training.steps, batch_seed, CPU)
    for step in range(training.steps):
        batch = order[step]
        sgd.zero_grad()
        loss(model(task.train.x[batch]), task.train.y[batch], step).backward()
        sgd.step()
    return model


@pytest.mark.parametrize("model", ["linear", "mlp", "lenet5"])
@pytest.mark.parametrize(
    ("momentum", "nesterov", "decay"), [(0.0, False, 0.0), (0.9, True, 1e-3), (0.9, False, 0.0)]
)
def test_lockstep_training_equals_training_one_after_another(model, momentum, nesterov, decay):
    task = doubled(small_task(model))
    training = Training(steps=7, batch_size=32, momentum=momentum, nesterov=nesterov, weight_decay=decay)
    jobs = [Job(parse_expression(f), seed, 0.05 * (i + 1)) for i, f in enumerate(FORMULAS) for seed in (3, 4)]
    fleet = train_fleet(task, jobs, training, 11)
    together = outputs_on(fleet.network, fleet.parameters, task.valid)
    for row, job in enumerate(jobs):
        alone = trained_alone(task, job, training, 11)
        torch.testing.assert_close(together[row], alone(task.valid.x), rtol=1e-9, atol=1e-10)


def dice(outputs, labels):
    """A loss of the whole batch: one minus the soft overlap. It reads outputs as they stand in memory."""
    p = torch.softmax(outputs.view(-1).view(len(outputs), -1), dim=1).gather(1, labels[:, None])
    return 1 - 2 * p.sum() / (p.square().sum() + len(p))


def fading(outputs, labels, progress):
    """Cross-entropy with a smoothing that grows while training goes on."""
    return functional.cross_entropy(outputs, labels, label_smoothing=0.8 * progress)


def test_losses_given_as_code_train_beside_formulas():
    task = doubled(small_task("mlp"))
    training = Training(steps=7, batch_size=32)
    entropy = FunctionLoss("ce", functools.partial(functional.cross_entropy, reduction="none"), stacks=True)
    losses = [FunctionLoss("dice", dice), entropy, parse_expression(FORMULAS[1]), entropy]
    losses += [FunctionLoss("fading", fading, follows=True)]
    jobs = [Job(loss, seed, 0.1) for seed, loss in enumerate(losses)]
    fleet = train_fleet(task, jobs, training, 11)
    together = outputs_on(fleet.network, fleet.parameters, task.valid)
    for row, job in enumerate(jobs):
        alone = trained_alone(task, job, training, 11)
        torch.testing.assert_close(together[row], alone(task.valid.x), rtol=1e-9, atol=1e-10)


def test_a_stacked_function_averages_over_elements_in_regression():
    task = doubled(small_task(kind="values"))
    squares = FunctionLoss("mse", functools.partial(functional.mse_loss, reduction="none"), stacks=True)
    jobs = [Job(squares, 1, 0.05), Job(FunctionLoss("mse", functional.mse_loss), 1, 0.05)]
    fleet = train_fleet(task, jobs, Training(steps=5, batch_size=16), 2)
    stacked, alone = outputs_on(fleet.network, fleet.parameters, task.test)
    torch.testing.assert_close(stacked, alone, rtol=1e-9, atol=1e-10)


def test_regression_trains_the_same_way():
    task = doubled(small_task(kind="values"))
    job = Job(parse_expression("log(1 + square(p - y))"), 1, 0.05)
    training = Training(steps=5, batch_size=16)
    fleet = train_fleet(task, [job, job], training, 2)
    found = outputs_on(fleet.network, fleet.parameters, task.test)[1]
    torch.testing.assert_close(
        found, trained_alone(task, job, training, 2)(task.test.x), rtol=1e-9, atol=1e-10
    )


def test_a_diverging_neighbour_changes_nothing():
    task = small_task()
    training, metric = Training(steps=30, batch_size=32), find_metric("error", task.kind)
    good, bad = parse_expression("-(y * log(p))"), parse_expression("exp(80 * p) * square(p)")
    parts = (task.valid, task.test)
    alone = train_and_score(task, [Job(good, 0, 0.05)] * 3, training, 1, metric, parts)
    mixed = train_and_score(
        task, [Job(good, 0, 0.05), Job(bad, 0, 1e4), Job(good, 0, 0.05)], training, 1, metric, parts
    )
    assert [mixed[0], mixed[2]] == [alone[0], alone[2]]
    assert math.isnan(mixed[1][0])


def test_the_order_of_jobs_permutes_the_results():
    task, metric = small_task(), find_metric("cross-entropy", Kind.MULTICLASS)
    jobs = [Job(parse_expression(f), s, 0.02) for f in FORMULAS[:3] for s in (0, 1)]
    training = Training(steps=10, batch_size=32)
    forward = train_and_score(task, jobs, training, 1, metric, (task.valid,))
    backward = train_and_score(task, jobs[::-1], training, 1, metric, (task.valid,))
    for (a,), (b,) in zip(forward, backward[::-1], strict=True):
        assert a == pytest.approx(b, rel=1e-5)


def test_an_epoch_sees_every_sample_once_and_a_seed_decides_the_order():
    order = BatchOrder(10, 4, 5, 3, CPU)
    seen = torch.cat([order[i] for i in range(5)])
    assert sorted(seen[:10].tolist()) == list(range(10)) == sorted(seen[10:].tolist())
    again, other = BatchOrder(10, 4, 5, 3, CPU), BatchOrder(10, 4, 5, 4, CPU)
    assert torch.equal(order[2], again[2])
    assert any(not torch.equal(order[i], other[i]) for i in range(5))


def test_a_batch_larger_than_the_data_takes_all_of_it():
    assert sorted(BatchOrder(6, 128, 2, 0, CPU)[1].tolist()) == list(range(6))


def test_training_leaves_the_global_random_state_alone():
    task = small_task()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    train_fleet(task, [Job(parse_expression("square(p - y)"), 0, 0.1)], Training(steps=2, batch_size=8), 0)
    assert torch.equal(torch.rand(3), expected)


def test_models_of_equal_seed_start_equal():
    make = model_maker("mlp", (1, 8, 8), 3)
    _, parameters = seeded_networks(make, [7, 8, 7], CPU, Traced)
    weights = next(iter(parameters.values()))
    assert torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[1])
    single = seeded_model(make, 8)
    x = torch.randn(5, 1, 8, 8)
    row = {name: value[1] for name, value in parameters.items()}
    torch.testing.assert_close(functional_call(single, row, (x,)), single(x))


def test_each_model_has_its_own_rate():
    make = model_maker("linear", (4,), 2)
    x, push = torch.randn(6, 4), torch.ones_like
    one, many = (
        Fleet(*seeded_networks(make, [0, 1], CPU, Traced), torch.tensor(rates), Training())
        for rates in ([0.1, 0.1], [0.1, 0.2])
    )
    one.step(x, push)
    many.step(x, push)
    for name, value in one.parameters.items():
        torch.testing.assert_close(value[0], many.parameters[name][0])
        assert not torch.equal(value[1], many.parameters[name][1])


def test_trials_pair_seeds_and_the_best_rate_is_that_of_the_lowest_mean():
    task, metric = small_task(), find_metric("error", Kind.MULTICLASS)
    loss = parse_expression("-(y * log(p))")
    trials = run_trials(task, metric, [loss], [[0.001, 0.1]], [5, 6], Training(steps=20, batch_size=32))
    assert [(t.learning_rate, t.seed) for t in trials] == [(0.001, 5), (0.001, 6), (0.1, 5), (0.1, 6)]
    rate, cost = best_rate(trials, 0)
    assert rate == 0.1
    assert cost == pytest.approx((trials[2].valid + trials[3].valid) / 2)


def test_a_rate_at_which_a_training_diverged_is_not_chosen():
    trials = [Trial(0, 0.1, 0, math.nan, math.nan), Trial(0, 0.1, 1, 0.0, 0.0), Trial(0, 0.01, 0, 0.4, 0.4)]
    assert best_rate(trials, 0) == (0.01, 0.4)
    assert best_rate([replace(t, learning_rate=0.1) for t in trials[:1]], 0) == (0.1, math.inf)
