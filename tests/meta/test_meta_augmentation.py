"""Augmented training: the same for all networks, however they are grouped, and never for validation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from test_meta_training import FORMULAS, doubled, small_task

import symloss.workers.parallel as workers
from symloss.expr import parse_expression
from symloss.losses.symbolic import SymbolicLossModule
from symloss.meta.batches import training_inputs
from symloss.meta.lockstep import BatchOrder, seeded_model
from symloss.meta.plan import Plan
from symloss.meta.settings import Training, Tuning
from symloss.meta.training import Job, train_and_score, train_fleet
from symloss.meta.tuning import tune, with_weights
from symloss.records import SymbolicLoss
from symloss.tasks import Augmentation, Task, find_metric

TRAINING = Training(steps=7, batch_size=16, network="traced", models_at_once=4)


def noisy(task: Task) -> Task:
    def transform(x, generator):
        return x + 0.5 * torch.randn(x.shape, generator=generator).to(x)

    return replace(task, augment=Augmentation("noise", transform))


def jobs(count: int = 4) -> list[Job]:
    return [Job(parse_expression(FORMULAS[i % 4]), i, 0.05) for i in range(count)]


def test_inputs_depend_on_seed_and_step_alone():
    task, indices = noisy(small_task()), torch.arange(5)
    one = training_inputs(task, indices, 3, 7)
    assert torch.equal(one, training_inputs(task, indices, 3, 7))
    for seed, step in ((3, 8), (4, 7), (7, 3)):
        assert not torch.equal(one, training_inputs(task, indices, seed, step))
    assert torch.equal(training_inputs(small_task(), indices, 3, 7), task.train.x[:5])


def test_lockstep_training_equals_a_plain_loop_on_the_augmented_batches():
    task = doubled(noisy(small_task()))
    fleet = train_fleet(task, jobs(2), TRAINING, 11, plan=Plan(None, 2))
    order = BatchOrder(len(task.train), 16, 7, 11, torch.device("cpu"))
    for row, job in enumerate(jobs(2)):
        model = seeded_model(task.make_model, job.seed)
        sgd = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
        loss = SymbolicLossModule(SymbolicLoss(job.loss, task.kind))
        for step in range(7):
            x = training_inputs(task, order[step], 11, step)
            sgd.zero_grad()
            loss(model(x), task.train.y[order[step]]).backward()
            sgd.step()
        for name, value in model.named_parameters():
            torch.testing.assert_close(fleet.parameters[name][row], value.detach())
    plain = train_fleet(doubled(small_task()), jobs(2), TRAINING, 11, plan=Plan(None, 2))
    assert not any(torch.allclose(fleet.parameters[n], plain.parameters[n]) for n in fleet.parameters)


def test_scores_do_not_depend_on_how_networks_are_grouped():
    task = doubled(noisy(small_task()))
    metric = find_metric("cross-entropy", task.kind)
    scores = []
    for at_once in (1, 3, 4):
        training = Training(steps=5, batch_size=16, network="traced", models_at_once=at_once)
        costs = train_and_score(task, jobs(), training, 2, metric, [task.valid, task.test])
        scores.append(torch.tensor(costs))
    torch.testing.assert_close(scores[0], scores[1])
    torch.testing.assert_close(scores[0], scores[2])


def test_only_training_samples_are_augmented(monkeypatch):
    monkeypatch.setattr(workers, "FORKS", False)  # here, where it can be seen
    monkeypatch.setattr(workers, "WORKERS", 1)
    task = small_task()
    samples = {tuple(row) for row in task.train.x.flatten(1).tolist()}
    seen = []

    def transform(x, generator):
        seen.extend(tuple(row) for row in x.flatten(1).tolist())
        return x

    watched = replace(task, augment=Augmentation("nothing", transform))
    seen.clear()
    metric = find_metric("error", task.kind)
    plan = Plan(None, 2)
    found = train_and_score(watched, jobs(1), TRAINING, 0, metric, [watched.valid, watched.test])
    tune([jobs()[0].loss], watched, Tuning(steps=3, batch_size=8), 0, plan)
    assert found == train_and_score(task, jobs(1), TRAINING, 0, metric, [task.valid, task.test])
    assert len(seen) == 7 * 16 + 3 * 8
    assert set(seen) <= samples


@pytest.mark.parametrize("inner_steps", [1, 3])
def test_tuning_sees_the_augmented_batches(inner_steps):
    """The constants are those of a task that hands out the same augmented batches by looking them up."""
    task, plain = noisy(small_task()), small_task()
    settings = Tuning(steps=4, batch_size=8, inner_steps=inner_steps)
    expression = with_weights(jobs()[1].loss, "edges")
    order = BatchOrder(len(task.train), 8, 4 * inner_steps, 0, torch.device("cpu"))
    batches = {
        tuple(plain.train.x[indices].flatten().tolist()): training_inputs(task, indices, 0, step)
        for step, indices in enumerate(order[i] for i in range(len(order)))
    }
    lookup = Augmentation("lookup", lambda x, generator: batches.get(tuple(x.flatten().tolist()), x))
    tuned, expected, without = (
        tune([expression], one, settings, 0, Plan(None, 1))
        for one in (task, replace(plain, augment=lookup), plain)
    )
    assert tuned == expected
    assert tuned != without
