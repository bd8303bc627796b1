"""Learned losses from start to end: the laws of their training, their run folders, and what takes them on."""

from __future__ import annotations

import json
import math

import msgspec
import pytest
import torch
from click.testing import CliRunner
from scalars import logged
from torch.func import functional_call

from symloss.archive.learned import LearnedFolder
from symloss.cli.main import main
from symloss.config import TaskSettings
from symloss.errors import ConfigError, RunError
from symloss.evaluation.comparing import evaluate, score
from symloss.evaluation.settings import Budget, EvaluationSettings
from symloss.learning.loading import load_learned
from symloss.learning.record import record_of, settled
from symloss.learning.run import LearningRun, resume, start
from symloss.learning.settings import LearnConfig
from symloss.learning.watching import factors_of, moments_of
from symloss.losses.function import FunctionLoss, OnlineLoss
from symloss.losses.neural import LossNetwork, NetworkSettings
from symloss.making import task_of
from symloss.meta.choosing import plan_for
from symloss.meta.lockstep import seeded_model
from symloss.meta.online.heat import OnlineHeat
from symloss.meta.online.learner import OnlineLossLearner
from symloss.meta.online.mixed import MixedHeat
from symloss.meta.settings import Adaptation, Offline, Training
from symloss.meta.training import Job
from symloss.sources import load_loss
from symloss.tasks import task_from_arrays
from symloss.workers import one_thread

SMALL = NetworkSettings(hidden=4)
TRAINING = Training(steps=24, batch_size=16, network="chain", models_at_once=2, learning_rate=0.05)
DIGITS = {"task": "digits", "model": "linear", "train_size": 120, "label_noise": 0.2}


NORMALISED = """
import torch
from torch import nn
from symloss import Split, Task

def make():
    return nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.2), nn.Linear(6, 2))

def task():
    x = torch.randn(90, 5, generator=torch.Generator().manual_seed(0))
    parts = [Split(x[a : a + 30], (x[a : a + 30, 0] > 0).long()) for a in (0, 30, 60)]
    return Task("mine", "multiclass", *parts, make, 2, "error", "mine")
"""


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield


def config(method="adalfl", **changes) -> LearnConfig:
    given = {
        "network": SMALL,
        "offline": Offline(steps=30, learning_rate=0.01),
        "adaptation": Adaptation(rate=0.01),
        "training": TRAINING,
        "snapshots": 4,
        **DIGITS,
        **changes,
    }
    return LearnConfig(method=method, **given)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A small run of every method."""
    folder = tmp_path_factory.mktemp("runs")
    for method in ("ml3", "adalfl", "lr-offline", "lr-online"):
        start(config(method), folder / method)
    return folder


def learnable(task, rate, batch="validation", weights=None) -> OnlineLoss:
    drawn = LossNetwork(task.kind, SMALL, torch.Generator().manual_seed(1)).weights.tolist()
    return OnlineLoss("learning", SMALL, tuple(weights or drawn), rate, batch)


def test_an_adaptation_rate_of_zero_is_the_offline_loss_step_for_step():
    task = task_of(TaskSettings(**DIGITS))
    online = learnable(task, 0.0)
    network = LossNetwork.of(online.weights, task.kind, SMALL)
    frozen = FunctionLoss("frozen", network.per_sample, stacks=True)
    plan = plan_for(task, TRAINING)
    one, other = (MixedHeat(task, [Job(own, 3, 0.1)], TRAINING, 0, plan) for own in (online, frozen))
    for step in (1, 2, 10, 24):
        one.advance(step)
        other.advance(step)
        torch.testing.assert_close(one.outputs(task.valid), other.outputs(task.valid), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch", ["validation", "training"])
@pytest.mark.parametrize("network", ["chain", "traced", "separate"])
def test_lockstep_adapts_as_the_learner_of_the_library_does(network, batch):
    task = task_of(TaskSettings(**DIGITS))
    training = msgspec.structs.replace(TRAINING, network=network, weight_decay=0.01)
    jobs = [Job(learnable(task, 0.01, batch), seed, 0.1) for seed in (3, 4)]
    heat = OnlineHeat(task, jobs, training, 0, plan_for(task, training))
    heat.advance(training.steps)
    for row, job in enumerate(jobs):
        model = seeded_model(task.make_model, job.seed)
        loss = LossNetwork.of(job.loss.weights, task.kind, SMALL)
        sgd = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
        learner = OnlineLossLearner(model, loss, sgd, rate=0.01)
        train, valid = task.train, task.valid
        for step in range(training.steps):
            now = heat._order[step]
            then = heat._order[step + 1] if step + 1 < training.steps else None
            if batch == "validation":
                meta = valid.x[heat._meta_order[step]], valid.y[heat._meta_order[step]]
            else:
                meta = None if then is None else (train.x[then], train.y[then])
            learner.step((train.x[now], train.y[now]), meta)
        torch.testing.assert_close(heat.weights[row], loss.weights.detach(), rtol=2e-3, atol=2e-4)
        torch.testing.assert_close(heat.outputs(valid)[row], model(valid.x), rtol=2e-3, atol=2e-3)


def test_meta_training_follows_a_graph_through_the_step():
    """A plain unrolled step with create_graph, and Adam, give the same loss network."""
    task = task_of(TaskSettings(**DIGITS))
    run = LearningRun(settled(config("ml3"), task), task)
    start_weights = run.tuner.constants.clone()
    run.tuner.advance(6, lambda: None)
    loss = LossNetwork.of(start_weights[0], task.kind, SMALL)
    adam = torch.optim.Adam(loss.parameters(), lr=0.01)
    for step in range(6):
        model = seeded_model(task.make_model, step)
        parameters = dict(model.named_parameters())
        rows, others = run.tuner._train[step], run.tuner._valid[step]
        value = loss(functional_call(model, parameters, (task.train.x[rows],)), task.train.y[rows])
        slopes = torch.autograd.grad(value, list(parameters.values()), create_graph=True)
        stepped = {n: p - 0.05 * g for (n, p), g in zip(parameters.items(), slopes, strict=True)}
        outputs = functional_call(model, stepped, (task.valid.x[others],))
        adam.zero_grad()
        torch.nn.functional.cross_entropy(outputs, task.valid.y[others]).backward()
        adam.step()
    assert (loss.weights - start_weights[0]).abs().max() > 0.01
    torch.testing.assert_close(run.tuner.constants[0], loss.weights.detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("ticks", [7, 33, 45, 53])
@pytest.mark.parametrize("method", ["adalfl", "ml3"])
def test_a_run_that_was_stopped_ends_as_one_left_alone(tmp_path, runs, method, ticks):
    def stopping():
        nonlocal ticks
        ticks -= 1
        if not ticks:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(config(method), tmp_path / "run", tick=stopping)
    resume(tmp_path / "run")
    for name in ("run.json", "snapshots.jsonl"):
        assert (tmp_path / "run" / name).read_bytes() == (runs / method / name).read_bytes()
    with pytest.raises(RunError, match="is finished"):
        resume(tmp_path / "run")


def test_networks_with_running_statistics_and_dropout_go_on_too(tmp_path):
    (tmp_path / "mine.py").write_text(NORMALISED)
    own = config(task=f"{tmp_path / 'mine.py'}:task", model=None, train_size=None, label_noise=0.0)
    own = msgspec.structs.replace(own, training=msgspec.structs.replace(TRAINING, network="separate"))
    start(own, tmp_path / "whole")
    ticks = 45

    def stopping():
        nonlocal ticks
        ticks -= 1
        if not ticks:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(own, tmp_path / "run", tick=stopping)
    resume(tmp_path / "run")
    whole, again = ((tmp_path / name / "snapshots.jsonl").read_bytes() for name in ("whole", "run"))
    assert whole == again


def test_snapshots_say_where_training_was(runs):
    found = load_learned(runs / "adalfl")
    assert [own.step for own in found.snapshots] == [0, 6, 12, 18, 24]
    assert [own.progress for own in found.snapshots] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert found.snapshots[0].visits is None
    for own in found.snapshots[1:]:
        zeros, ones = map(sum, own.visits.counts)
        assert (zeros, ones) == (6 * 16 * 9, 6 * 16)
    assert found.snapshots[1].weights != found.snapshots[4].weights
    (only,) = load_learned(runs / "ml3").snapshots
    assert sum(map(sum, only.visits.counts)) == 24 * 16 * 10
    assert found.network.weights.tolist() == list(found.snapshots[-1].weights)
    (rate,) = load_learned(runs / "lr-offline").snapshots[-1].weights
    assert rate != 1.0


def test_learned_losses_take_part_in_an_evaluation(runs):
    training = msgspec.structs.replace(TRAINING, learning_rate=None)
    budget = Budget(seeds=3, choosing_seeds=2, learning_rates=(0.01, 0.1), widen=0, training=training)
    names = ("ml3", "adalfl", "lr-offline", "lr-online")
    settings = EvaluationSettings(
        losses=tuple(f"{name}={runs / name}" for name in names),
        tasks=(TaskSettings(**DIGITS),),
        against=("cross-entropy",),
        budget=budget,
    )
    rows = {row.name: row for row in evaluate(settings).tasks[0].rows}
    assert set(rows) == {*names, "cross-entropy"}
    assert all(len(row.test["error"]) == 3 for row in rows.values())
    assert all(math.isfinite(row.step_seconds) and row.step_seconds > 0 for row in rows.values())
    found = score(str(runs / "adalfl"), TaskSettings(**DIGITS), budget)
    assert found.score is not None


def test_each_network_adapts_its_own_loss_whatever_trains_beside_it(runs):
    task = task_of(TaskSettings(**DIGITS))
    loss = load_learned(runs / "adalfl").loss()
    plan = plan_for(task, TRAINING)
    brier = FunctionLoss("squares", lambda outputs, labels: outputs.square().sum(1), stacks=True)
    jobs = [Job(loss, 0, 0.05), Job(brier, 1, 0.05), Job(loss, 2, 0.5)]
    together = MixedHeat(task, jobs, TRAINING, 0, plan)
    together.advance(TRAINING.steps)
    for row, job in enumerate(jobs):
        alone = MixedHeat(task, [job], TRAINING, 0, plan)
        alone.advance(TRAINING.steps)
        torch.testing.assert_close(
            together.outputs(task.valid)[row], alone.outputs(task.valid)[0], rtol=1e-3, atol=1e-4
        )


def test_the_class_that_a_metric_counts_is_recorded():
    x, y = torch.randn(60, 3), [["stays", "leaves"][i % 4 == 0] for i in range(60)]
    task = task_from_arrays(x, y, positive="leaves", metric="f1")
    assert record_of(config(), task)["task"]["metric"] == "f1 of class leaves"
    counted = record_of(config(metric="average-precision"), task)["task"]["metric"]
    assert counted == "average-precision of class leaves"


def test_mistakes_with_runs_are_said(runs, tmp_path):
    with pytest.raises(RunError, match="exists and is not empty"):
        start(config(), runs / "ml3")
    with pytest.raises(RunError, match="is a network and has no formulas"):
        load_loss(str(runs / "ml3"))
    with pytest.raises(RunError, match="learned a learning rate and no loss network"):
        _ = load_learned(runs / "lr-online").network
    with pytest.raises(ConfigError, match="no snapshot of step 5; it has those of 0, 6, 12, 18, 24"):
        load_learned(runs / "adalfl").at(5)
    for name in ("run.json", "snapshots.jsonl"):
        (tmp_path / name).write_bytes((runs / "adalfl" / name).read_bytes())
    (tmp_path / "state.pt").write_bytes(b"no state")
    with pytest.raises(RunError, match=r"state\.pt' is damaged"):
        resume(tmp_path)
    line = json.loads((tmp_path / "snapshots.jsonl").read_text().splitlines()[0])
    line["weights"].pop()
    (tmp_path / "snapshots.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(RunError, match="line 1' is damaged: found 27 weights, expected 28"):
        LearnedFolder.open(tmp_path).snapshots()
    values = EvaluationSettings(losses=(str(runs / "ml3"),), tasks=(TaskSettings(task="diabetes"),))
    with pytest.raises(ConfigError, match="is a loss for multiclass tasks, this is regression"):
        evaluate(values)


def test_tensorboard_reads_what_the_loss_implied(tmp_path):
    start(config(snapshots=3), tmp_path / "loss")
    values = logged(tmp_path / "loss")
    moments = moments_of(load_learned(tmp_path / "loss"))
    rates = {own.step: own.learning_rate for own in moments}
    assert values["learning rate, times the usual"] == pytest.approx(rates, rel=1e-6)
    smoothing = {own.step: own.smoothing for own in moments if own.smoothing is not None}
    assert values.get("label smoothing", {}) == pytest.approx(smoothing, rel=1e-6)
    start(config("lr-online", snapshots=3), tmp_path / "rate")
    factors = dict(factors_of(load_learned(tmp_path / "rate")))
    assert logged(tmp_path / "rate")["learning rate, times the usual"] == pytest.approx(factors, rel=1e-6)


def test_learning_does_without_tensorboard(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    start(config(snapshots=2), tmp_path / "loss")
    assert not (tmp_path / "loss" / "tensorboard").exists()


def test_show_says_what_shows_a_learned_loss(tmp_path):
    start(config("ml3"), tmp_path / "loss")
    found = CliRunner().invoke(main, ["show", str(tmp_path / "loss")])
    assert found.exit_code == 1
    assert found.output == (
        f"Error: '{tmp_path / 'loss'}' is a learned loss, not a search; look at it with: "
        f"symloss analyze {tmp_path / 'loss'}\n"
    )
