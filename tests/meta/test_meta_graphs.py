"""With recorded passes training, racing and tuning end alike; where recording fails they go on without."""

from __future__ import annotations

import pytest
import torch
from msgspec.structs import replace
from recording import recorder
from test_meta_plan import Residual, values, with_model
from test_meta_racing import contestants
from test_meta_training import doubled, small_task
from torch import nn

from symloss.errors import SymlossWarning
from symloss.grammar import load_grammar
from symloss.meta import choosing
from symloss.meta.choosing import plan_for
from symloss.meta.graphs import recorder_for, with_graphs
from symloss.meta.plan import Plan
from symloss.meta.racing import Bars, race
from symloss.meta.settings import Training, Tuning, as_measured
from symloss.meta.training import Job, train_and_score, train_fleet
from symloss.meta.tuning import tune, with_weights
from symloss.search.random_search import RandomSearch
from symloss.tasks import find_metric


@pytest.fixture
def recorded(monkeypatch):
    """Plans have recorded passes wherever that is asked for and possible."""
    monkeypatch.setattr(choosing, "recorder_for", lambda device: recorder)
    monkeypatch.setattr(choosing, "_fastest", lambda plans, make_model, x: plans[-1])
    choosing._plan.cache_clear()
    yield
    choosing._plan.cache_clear()


MODELS = [("linear", "chain"), ("mlp", "chain"), ("mlp", "traced"), ("lenet5", "chain"), ("lenet5", "traced")]


def formulas(count: int, seed: int):
    return [p.structure for p in RandomSearch(load_grammar("classification"), count, seed).ask()]


@pytest.mark.parametrize(("model", "network"), MODELS)
def test_a_random_population_has_the_same_fitness(recorded, model, network):
    task = doubled(small_task(model))
    jobs = [Job(formula, seed, 0.05) for formula in formulas(8, 5) for seed in (0, 1)]
    metric = find_metric("cross-entropy", task.kind)
    found = []
    for graphs, at_once in ((False, 16), (True, 16), (True, 5)):
        training = Training(
            steps=8, batch_size=32, network=network, models_at_once=at_once, cuda_graphs=graphs
        )
        plan = plan_for(task, training)
        assert (plan.recorded is not None) == graphs
        assert plan.name == network
        found.append(train_and_score(task, jobs, training, 1, metric, (task.valid,)))
    for other in found[1:]:
        torch.testing.assert_close(
            torch.tensor(other), torch.tensor(found[0]), rtol=1e-9, atol=1e-9, equal_nan=True
        )


def test_races_end_alike(recorded):
    """Networks that go on after others have stopped are another number in the same recording."""
    task = doubled(small_task())
    metric = find_metric("cross-entropy", task.kind)
    own = contestants("-(y * log(p))", "square(p - y)", "-square(p - y)", "y * (1 - pow(p, 0.7))", seeds=3)
    settings = [
        Training(steps=40, batch_size=32, models_at_once=16, network="chain", cuda_graphs=graphs)
        for graphs in (False, True)
    ]
    free = race(task, own, settings[0], 3, metric, Bars((4, 20), (float("inf"), float("inf"))))
    bar = sorted(result.curve[1] for result in free)[1]
    races = [race(task, own, each, 3, metric, Bars((4, 20), (float("inf"), bar))) for each in settings]
    assert {result.stopped for result in races[1]} == {True, False}
    for before, after in zip(*races, strict=True):
        assert after.stopped == before.stopped
        assert after.curve == pytest.approx(before.curve, rel=1e-9)
        assert after.costs == pytest.approx(before.costs, rel=1e-9)


@pytest.mark.parametrize("inner_steps", [1, 2])
@pytest.mark.parametrize(("model", "network"), MODELS)
def test_tuning_ends_alike(recorded, model, network, inner_steps):
    task = doubled(small_task(model))
    losses = [with_weights(formula, "edges") for formula in formulas(6, 2)]
    settings = Tuning(steps=4, batch_size=32, learning_rate=0.02, inner_steps=inner_steps)
    plans = [
        plan_for(task, Training(batch_size=32, network=network, models_at_once=6, cuda_graphs=graphs))
        for graphs in (False, True)
    ]
    assert plans[1].recorded is not None
    plain, replayed = (tune(losses, task, settings, 0, plan) for plan in plans)
    assert plain != losses
    points = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)[:, None]
    for a, b in zip(plain, replayed, strict=True):
        torch.testing.assert_close(values(a, points), values(b, points), rtol=1e-9, atol=1e-12)


def test_what_is_timed_has_been_recorded_before(monkeypatch):
    calls = []

    def counted(function):
        calls.append(function)
        return recorder(function)

    monkeypatch.setattr(choosing, "recorder_for", lambda device: counted)
    monkeypatch.setitem(choosing.SIZES, "cpu", (2, 16))
    choosing._plan.cache_clear()
    plan_for(small_task("linear"), Training(cuda_graphs=True))
    choosing._plan.cache_clear()
    # Comparing takes a forward pass, backward and push of three networks, and of one that is shared; timing
    # takes a forward pass and backward of 16, and for two networks those of three.
    assert len(calls) == 3 + 3 + 2


def plans_of(make_model, found=recorder) -> list[Plan]:
    x = torch.randn(7, 64)
    plans = choosing._rules(make_model, x, "auto", torch.device("cpu"))
    return with_graphs(plans, make_model, x, found)


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 5), nn.Tanh(), nn.Linear(5, 3))


def test_networks_that_are_passed_one_by_one_or_have_buffers_are_not_recorded():
    assert [plan.name for plan in plans_of(perceptron)] == ["chain"]
    assert [plan.name for plan in plans_of(Residual)] == ["traced"]
    assert plans_of(lambda: nn.Sequential(perceptron(), nn.Dropout(0.5))) == []

    class Shifted(Residual):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("shift", torch.randn(64))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x + self.shift)

    assert plans_of(Shifted) == []


def test_what_cannot_be_recorded_is_told_in_one_line_and_left_out():
    def fails(function):
        raise RuntimeError("operation not permitted when\nstream is capturing, too")

    with pytest.warns(SymlossWarning, match=r"^CUDA graphs are not used: .*stream is capturing, too\)$"):
        assert plans_of(perceptron, fails) == []


def test_what_was_recorded_wrongly_is_told_in_one_line_and_left_out():
    def once(function):
        return function(), lambda: None

    with pytest.warns(SymlossWarning, match=r"^CUDA graphs are not used: .* other results"):
        assert plans_of(perceptron, once) == []


@pytest.mark.parametrize("good", [6, 7])
def test_what_fails_later_is_told_once_and_training_goes_on(monkeypatch, good):
    """Of the six recordings of the comparison none fails; then a forward pass does, or a backward pass."""
    made = []

    def short_of_memory(function):
        made.append(function)
        if len(made) > good:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return recorder(function)

    monkeypatch.setattr(choosing, "recorder_for", lambda device: short_of_memory)
    choosing._plan.cache_clear()
    task = doubled(small_task())
    jobs = [Job(formula, 0, 0.05) for formula in formulas(12, 5)]
    settings = Training(steps=5, batch_size=32, network="chain", models_at_once=12, cuda_graphs=True)
    with pytest.warns(SymlossWarning, match="out of memory") as told:
        found = [
            train_fleet(task, jobs, each, 1).parameters
            for each in (settings, replace(settings, cuda_graphs=False))
        ]
    choosing._plan.cache_clear()
    assert len(told) == 1
    assert len(made) == good + 1
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name], rtol=1e-9, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("which", [0, -1])
def test_what_has_been_measured_is_not_measured_again(monkeypatch, which):
    """A run that is resumed, and each of its parts, trains as it began."""
    timed = []

    def fastest(plans, make_model, x):
        timed.append(plans)
        return plans[which]

    monkeypatch.setattr(choosing, "recorder_for", lambda device: recorder)
    monkeypatch.setattr(choosing, "_fastest", fastest)
    choosing._plan.cache_clear()
    task = small_task()
    plan = plan_for(task, Training(cuda_graphs=True))
    assert len(timed) == 1
    settled = plan.settled(Training(cuda_graphs=True))
    assert settled.cuda_graphs == (which == -1)
    again = plan_for(task, settled)
    choosing._plan.cache_clear()
    assert len(timed) == 1
    assert (again.name, again.at_once, again.recorded is None) == (plan.name, plan.at_once, which == 0)
    assert as_measured(Training(steps=7), settled) == replace(settled, steps=7)


def test_nothing_is_recorded_on_a_cpu_or_unless_it_is_asked_for():
    assert recorder_for(torch.device("cpu")) is None
    with pytest.warns(SymlossWarning, match=r"^CUDA graphs are not used: .* 'cpu'$"):
        assert plan_for(small_task(), Training(cuda_graphs=True)).recorded is None


def test_the_model_is_left_with_the_rules_it_had(recorded):
    task = with_model(small_task(), Residual)
    assert plan_for(task, Training(cuda_graphs=True)).name == "traced"
    assert plan_for(task, Training(cuda_graphs=True)).recorded is not None
    assert plan_for(task, Training()).recorded is None
