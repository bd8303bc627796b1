"""Fair comparison: every loss gets the same learning rates to choose from, then fresh seeds.

The learning rate is chosen on validation data. What is chosen by one set of seeds is judged by another.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from symloss.losses.function import Loss
from symloss.meta.settings import Training
from symloss.meta.training import Job, train_and_score
from symloss.records import Confirmation
from symloss.tasks.metrics import Metric
from symloss.tasks.task import Task


@dataclass(frozen=True)
class Trial:
    """One trained network: its loss (by position), learning rate and seed, and its costs.

    test: None unless the test data were asked for. A search never does.
    """

    loss: int
    learning_rate: float
    seed: int
    valid: float
    test: float | None = None


def run_trials(
    task: Task,
    metric: Metric,
    losses: Sequence[Loss],
    rates: Sequence[Sequence[float]],
    seeds: Sequence[int],
    training: Training,
    tick: Callable[[], None] | None = None,
    with_test: bool = False,
    spare: bool = False,
) -> list[Trial]:
    """Train every loss at each of its `rates` from every seed. Batches are shared by all.

    spare: a network whose training fails has NaN for its costs, where otherwise the error is raised.
    """
    plan = [
        (position, Job(loss, seed, rate))
        for position, loss in enumerate(losses)
        for rate in rates[position]
        for seed in seeds
    ]
    jobs = [job for _, job in plan]
    parts = (task.valid, task.test) if with_test else (task.valid,)
    costs = train_and_score(task, jobs, training, seeds[0], metric, parts, tick, spare)
    return [
        Trial(position, job.learning_rate, job.seed, *own)
        for (position, job), own in zip(plan, costs, strict=True)
    ]


def best_rate(trials: Sequence[Trial], loss: int) -> tuple[float, float]:
    """The learning rate with the lowest mean validation cost of a loss, and that cost (inf if none)."""
    by_rate: dict[float, list[float]] = {}
    for trial in trials:
        if trial.loss == loss:
            by_rate.setdefault(trial.learning_rate, []).append(trial.valid)

    def mean(costs: list[float]) -> float:
        total = sum(costs) / len(costs)
        return total if math.isfinite(total) else math.inf

    return min(((rate, mean(costs)) for rate, costs in by_rate.items()), key=lambda pair: (pair[1], pair[0]))


def standard_error(trials: Sequence[Trial], loss: int, rate: float) -> float | None:
    """Of the mean validation cost of a loss at a learning rate; None with one seed, or if one diverged."""
    costs = [trial.valid for trial in trials if (trial.loss, trial.learning_rate) == (loss, rate)]
    if len(costs) < 2 or not all(map(math.isfinite, costs)):
        return None
    return statistics.stdev(costs) / math.sqrt(len(costs))


def second_looks(
    task: Task,
    metric: Metric,
    losses: Sequence[Loss],
    rates: Sequence[float],
    seeds: Sequence[int],
    training: Training,
    tick: Callable[[], None] | None = None,
) -> list[Confirmation]:
    """Each loss at the best of the same rates, over the same seeds; one whose training fails costs None."""
    trials = run_trials(task, metric, losses, [rates] * len(losses), seeds, training, tick, spare=True)
    best = [best_rate(trials, position) for position in range(len(losses))]
    return [
        Confirmation(
            cost if math.isfinite(cost) else None,
            rate,
            training.steps,
            len(seeds),
            standard_error(trials, position, rate),
        )
        for position, (rate, cost) in enumerate(best)
    ]


def longer(training: Training, factor: float) -> Training:
    """`training` with `factor` times as many steps."""
    return replace(training, steps=max(1, round(training.steps * factor)))
