"""A CUDA device computes what the CPU computes, with graphs and without. Runs where there is a device."""

from __future__ import annotations

import pytest
import torch
from test_meta_graphs import MODELS, formulas
from test_meta_plan import values
from test_meta_training import doubled, small_task

from symloss.losses.population import Population
from symloss.meta import choosing
from symloss.meta.choosing import plan_for
from symloss.meta.graphs import recorder_for, with_graphs
from symloss.meta.settings import Training, Tuning
from symloss.meta.training import Job, train_and_score
from symloss.meta.tuning import tune, with_weights
from symloss.networks import cuda_recorder
from symloss.records import Kind
from symloss.tasks import find_metric

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
CUDA = torch.device("cuda")


@pytest.fixture
def always(monkeypatch):
    """Graphs are used wherever they can be, and not only where they measure faster."""
    monkeypatch.setattr(choosing, "_fastest", lambda plans, make_model, x: plans[-1])
    choosing._plan.cache_clear()
    yield
    choosing._plan.cache_clear()


@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize(("model", "network"), MODELS)
def test_training_costs_the_same_on_either_device(always, model, network, graphs):
    here, there = doubled(small_task(model)), doubled(small_task(model).to(CUDA))
    jobs = [Job(formula, seed, 0.05) for formula in formulas(8, 5) for seed in (0, 1)]
    metric = find_metric("cross-entropy", here.kind)
    costs = []
    for task in (here, there):
        training = Training(steps=8, batch_size=32, network=network, models_at_once=16, cuda_graphs=graphs)
        assert (plan_for(task, training).recorded is not None) == (graphs and task is not here)
        costs.append(torch.tensor(train_and_score(task, jobs, training, 1, metric, (task.valid,))))
    torch.testing.assert_close(costs[1], costs[0], rtol=1e-7, atol=1e-7, equal_nan=True)


@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("inner_steps", [1, 2])
@pytest.mark.parametrize(("model", "network"), MODELS)
def test_tuning_comes_to_the_same_on_either_device(always, model, network, inner_steps, graphs):
    tasks = doubled(small_task(model)), doubled(small_task(model).to(CUDA))
    losses = [with_weights(formula, "edges") for formula in formulas(6, 2)]
    settings = Tuning(steps=4, batch_size=32, learning_rate=0.02, inner_steps=inner_steps)
    training = Training(batch_size=32, network=network, models_at_once=6, cuda_graphs=graphs)
    tuned = [tune(losses, task, settings, 0, plan_for(task, training)) for task in tasks]
    points = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)[:, None]
    for a, b in zip(*tuned, strict=True):
        torch.testing.assert_close(values(a, points), values(b, points), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("classes", [3, 3000])
def test_formulas_are_the_same_there_and_here(classes):
    """A few numbers are computed on the CPU, many on the device."""
    losses = [with_weights(formula, "edges") for formula in formulas(5, 3)]
    outputs = torch.randn(len(losses), 6, classes, dtype=torch.float64)
    targets = torch.eye(classes, dtype=torch.float64)[torch.arange(6) % classes]
    found = []
    for device in (torch.device("cpu"), CUDA):
        population = Population(losses, Kind.MULTICLASS, device)
        constants = population.constants(torch.float64)
        gradient, transpose = population.linearised(outputs.to(device), targets.to(device), constants)
        assert gradient.device.type == device.type
        share = transpose(torch.ones_like(gradient), 2.0)
        assert share.device.type == device.type
        found.append((gradient.cpu(), share.cpu()))
    torch.testing.assert_close(found[1], found[0], rtol=1e-8, atol=1e-10, equal_nan=True)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("model", ["mlp", "lenet5"])
def test_networks_can_be_recorded_there(model):
    task = small_task(model).to(CUDA)
    plans = choosing._rules(task.make_model, task.train.x[:2].cpu(), "auto", CUDA)
    found = with_graphs(plans, task.make_model, task.train.x[:32], cuda_recorder(CUDA))
    assert [plan.name for plan in found] == ["chain", "traced"]
    assert recorder_for(CUDA) is not None
