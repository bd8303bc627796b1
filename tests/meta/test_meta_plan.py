"""However networks are computed and grouped, candidates are scored alike."""

from __future__ import annotations

import pytest
import torch
from test_meta_training import doubled, small_task
from torch import nn

from symloss.errors import ConfigError
from symloss.expr import constants_of
from symloss.grammar import load_grammar
from symloss.losses.tape import value_tape
from symloss.meta.choosing import plan_for
from symloss.meta.plan import Plan, _precision
from symloss.meta.settings import Training, Tuning
from symloss.meta.training import Job, train_and_score
from symloss.meta.tuning import tune, with_weights
from symloss.search.random_search import RandomSearch
from symloss.tasks import Task, find_metric


class Residual(nn.Module):
    """A model without explicit rules."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 64), nn.Linear(64, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        return self.last(x + torch.tanh(self.first(x)))


def values(expr, points: torch.Tensor) -> torch.Tensor:
    constants = torch.tensor(constants_of(expr), dtype=torch.float64).unbind()
    return value_tape(expr)(points, torch.ones_like(points), constants)


def with_model(task: Task, make_model) -> Task:
    return Task(
        task.name,
        task.kind,
        task.train,
        task.valid,
        task.test,
        make_model,
        task.num_outputs,
        task.metric,
        "own",
    )


WAYS = [("chain", 1), ("chain", 2), ("chain", 16), ("traced", 1), ("traced", 16), ("auto", None)]
WAYS += [("separate", 1), ("separate", 3)]


@pytest.mark.parametrize("model", ["linear", "mlp", "mlp-1000", "lenet5"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_way_of_training_gives_the_same_fitness_and_ranking(model, dtype):
    """A random population, in lockstep and one after another, by explicit rules and by autograd."""
    task = small_task(model) if dtype is torch.float32 else doubled(small_task(model))
    wide = model == "mlp-1000"  # 2.8 million weights: fewer formulas and steps
    formulas = [p.structure for p in RandomSearch(load_grammar("classification"), 3 if wide else 8, 5).ask()]
    jobs = [Job(formula, seed, 0.05) for formula in formulas for seed in (0, 1)]
    metric = find_metric("cross-entropy", task.kind)
    found = []
    for network, at_once in WAYS:
        training = Training(steps=4 if wide else 8, batch_size=32, network=network, models_at_once=at_once)
        costs = train_and_score(task, jobs, training, 1, metric, (task.valid,))
        found.append(torch.tensor(costs, dtype=torch.float64)[:, 0])
    tolerance = 1e-4 if dtype is torch.float32 else 1e-9
    assert found[0].isfinite().sum() > len(jobs) / 2
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=tolerance, atol=tolerance, equal_nan=True)
        # Ranks may differ only between costs that agree to the tolerance.
        order = found[0].argsort(stable=True)
        ranked = other[order].nan_to_num(1e9)
        assert (ranked.diff() >= -2 * tolerance * ranked[1:].abs().clamp(min=1.0)).all()


@pytest.mark.parametrize("model", ["linear", "mlp", "lenet5"])
def test_tuning_is_the_same_by_explicit_rules_and_by_autograd(model):
    task = doubled(small_task(model))
    proposed = RandomSearch(load_grammar("classification"), 6, 2).ask()
    losses = [with_weights(p.structure, "edges") for p in proposed]
    settings = Tuning(steps=4, batch_size=32, learning_rate=0.02)
    chain = plan_for(task, Training(batch_size=32, network="chain", models_at_once=4)).chain
    plans = [Plan(chain, 6), Plan(chain, 1), Plan(None, 6)]
    assert chain is not None
    tuned = [tune(losses, task, settings, 0, plan) for plan in plans]
    assert tuned[0] != losses
    points = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)[:, None]
    for other in tuned[1:]:
        for a, b in zip(tuned[0], other, strict=True):
            torch.testing.assert_close(values(a, points), values(b, points), rtol=1e-6, atol=1e-9)


def test_a_model_without_explicit_rules_is_trained_by_torch_and_cannot_be_forced():
    task = with_model(small_task(), Residual)
    assert plan_for(task, Training()).chain is None
    with pytest.raises(ConfigError, match=r"training\.network"):
        plan_for(task, Training(network="chain"))
    jobs = [Job(p.structure, 0, 0.05) for p in RandomSearch(load_grammar("classification"), 3, 1).ask()]
    metric = find_metric("cross-entropy", task.kind)
    costs = [
        train_and_score(
            task, jobs, Training(steps=5, batch_size=32, models_at_once=n), 0, metric, (task.valid,)
        )
        for n in (1, 8)
    ]
    for (a,), (b,) in zip(*costs, strict=True):
        assert a == pytest.approx(b, rel=1e-4)


def test_products_are_rounded_only_where_it_is_allowed_and_only_meanwhile():
    """The flags that CUDA obeys; they can be set without it."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    for tf32, expected in ((True, "high"), (False, "highest")):
        with _precision(torch.device("cuda"), tf32):
            found = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
        assert found == (expected, tf32)
        assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before
    assert plan_for(small_task(), Training(tf32=True)).tf32
    assert not plan_for(small_task(), Training()).tf32


@pytest.mark.parametrize("inner_steps", [1, 2])
def test_tuning_in_threads_is_tuning_in_processes(inner_steps, monkeypatch):
    """Where processes cannot be forked, pieces must not disturb each other either."""
    task = small_task("linear")
    proposed = RandomSearch(load_grammar("classification"), 8, 2).ask()
    losses = [with_weights(p.structure, "edges") for p in proposed]
    settings = Tuning(steps=5, batch_size=32, learning_rate=0.02, inner_steps=inner_steps)
    alone = tune(losses, task, settings, 0, Plan(None, 8))
    monkeypatch.setattr("symloss.workers.parallel.WORKERS", 4)
    monkeypatch.setattr("symloss.workers.parallel.FORKS", False)
    together = tune(losses, task, settings, 0, Plan(None, 2))
    for a, b in zip(alone, together, strict=True):
        assert constants_of(a) == pytest.approx(constants_of(b), rel=1e-3, abs=1e-4)


def test_a_model_that_cannot_be_hashed_has_a_plan():
    class Maker:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self) -> nn.Module:
            return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))

    assert plan_for(with_model(small_task(), Maker()), Training()).chain is not None


def test_the_user_decides_how_many_train_at_once():
    assert plan_for(small_task(), Training(models_at_once=5)).at_once == 5
    assert plan_for(small_task(), Training(network="traced", models_at_once=3)) == Plan(None, 3)
    measured = plan_for(small_task(), Training())
    assert measured.chain is not None
    assert measured.at_once in (2, 16)
    task = small_task()
    assert plan_for(task, Training()) is plan_for(task, Training())  # measured once
